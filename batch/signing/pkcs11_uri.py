"""Where a key lies in a PKCS#11 token, as a ``pkcs11:`` URI says it (RFC 7512)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import unquote, unquote_to_bytes, urlsplit

_PATH: Final = frozenset({"token", "serial", "object", "id", "type"})
_QUERY: Final = frozenset({"module-path", "pin-source"})
_WANTED: Final = (
    "pkcs11:token=LABEL;object=LABEL?module-path=/FILE.so&pin-source=file:/FILE (RFC 7512)"
)


@dataclass(frozen=True, slots=True)
class TokenKey:
    """A private key in a token: by the token's label or serial, and the key's label or id.

    ``module``: the library that speaks with the token; ``pin_source``: the file with its PIN.
    """

    module: Path
    pin_source: Path
    token: str | None
    serial: str | None
    object: str | None
    id: bytes | None

    @property
    def in_words(self) -> str:
        """For messages: which key of which token."""
        key = self.object if self.object is not None else f"id {(self.id or b'').hex()}"
        return f"key {key} of token {self.token or self.serial}"


def parse(text: str) -> TokenKey:
    """Read a URI; ValueError says what is wrong and never repeats it: it may hold a PIN."""
    if not text.startswith("pkcs11:"):
        raise ValueError(f"expected {_WANTED}")
    path, _, query = text.removeprefix("pkcs11:").partition("?")
    if re.search(r"(^|[;&?])pin-value=", text, re.IGNORECASE):
        raise ValueError(
            "a PIN may not stand in a setting: put it into a file that only the channel reads, "
            "and name that with pin-source=file:/FILE"
        )
    found = dict(_attributes(path, ";", _PATH)) | dict(_attributes(query, "&", _QUERY))
    if not (found.get("token") or found.get("serial")):
        raise ValueError("name the token: token=LABEL or serial=NUMBER")
    if not (found.get("object") or found.get("id")):
        raise ValueError("name the key: object=LABEL or id=%01")
    if found.get("type", "private") != "private":
        raise ValueError("type must be private: it is the key that signs")
    identifier = found.get("id")
    return TokenKey(
        _file(unquote(found.get("module-path", "")), "module-path"),
        _file(_local(unquote(found.get("pin-source", ""))), "pin-source"),
        _text(found.get("token")),
        _text(found.get("serial")),
        _text(found.get("object")),
        unquote_to_bytes(identifier) if identifier else None,
    )


def _attributes(text: str, mark: str, known: frozenset[str]) -> Iterator[tuple[str, str]]:
    seen = set()
    for attribute in filter(None, text.split(mark)):
        name, _, value = attribute.partition("=")
        if name not in known:
            raise ValueError(f"only these attributes are known here: {', '.join(sorted(known))}")
        if name in seen:  # RFC 7512 2.3: an attribute stands there once
            raise ValueError(f"{name} stands there twice")
        seen.add(name)
        yield name, value


def _text(value: str | None) -> str | None:
    return None if value is None else unquote(value)


def _local(source: str) -> str:
    """The path of a file: URI (RFC 8089), or of a bare path."""
    split = urlsplit(source)
    if split.scheme not in ("", "file") or split.netloc not in ("", "localhost"):
        raise ValueError("pin-source must be a file of this machine: pin-source=file:/FILE")
    return unquote(split.path)


def _file(text: str, name: str) -> Path:
    if not text.startswith("/"):
        raise ValueError(f"{name} must be an absolute path; expected {_WANTED}")
    return Path(text)
