"""The first bytes of an FI, before any parser may act on them: encoding, DOCTYPE, root, schema.

expat reads up to the first element and stops; a DOCTYPE ends it before a single declaration in
it is carried out, so no entity is ever defined.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from xml.parsers import expat

from batch.anomalies import Anomaly, reception
from batch.ingest.forms import MAX_FORM_BYTES
from batch.ingest.services import Description

ENCODINGS = frozenset({"UTF-8", "UTF8", "US-ASCII", "ASCII"})
"""Encodings a declaration may name; modern files of the channel are UTF-8 (domain section 5.1)."""

_OTHER_ENCODINGS = (b"\xff\xfe", b"\xfe\xff", b"\x00<", b"<\x00", b"\x00\x00", b"\x4c\x6f\xa7\x94")
_TOLD = 4  # bytes by which another encoding shows itself
_VERSION = re.compile(r"1\.[0-9]+", re.ASCII)
"""VersionNum of XML 1.0 (fifth edition, 2.8). expat takes any; libxml2 stops at another, and not
wherever the bytes are cut."""
_SCHEMA = "noNamespaceSchemaLocation"


class _Stop(Exception):
    """Enough is known."""


@dataclass(slots=True)
class Prolog:
    """Feed it the first blocks until ``done``; then ask ``anomalies``."""

    done: bool = False
    root: str | None = None
    attributes: dict[str, str] = field(default_factory=dict)
    _encoding: str | None = None
    _doctype_line: int | None = None
    _begun: bytes | None = b""
    _wrong_encoding: bool = False
    _broken: tuple[int, str] | None = None
    _read: int = 0
    _parser: expat.XMLParserType = field(default_factory=lambda: expat.ParserCreate("UTF-8"))

    def __post_init__(self) -> None:
        if hasattr(self._parser, "SetReparseDeferralEnabled"):
            self._parser.SetReparseDeferralEnabled(False)  # else a cut token is seen too late
        self._parser.XmlDeclHandler = self._declared
        self._parser.StartDoctypeDeclHandler = self._doctype
        self._parser.StartElementHandler = self._element

    def feed(self, block: bytes) -> None:
        """Take the next block. What expat cannot read up to the root is refused, not passed on:

        the real parser knows more names than expat does, and must not see what this one did not.
        A root that does not come is given up: expat reads a token that does not end from its
        start, each time.
        """
        if self.done:
            return
        self._read += len(block)
        if self._begun is not None:
            self._begun += block
            if len(self._begun) < _TOLD:
                return
            block, self._begun = self._begun, None
            if block.startswith(_OTHER_ENCODINGS):
                self._wrong_encoding = self.done = True
                return
        try:
            self._parser.Parse(block, False)
        except _Stop:
            self.done = True
        except expat.ExpatError as error:
            self._broken = (error.lineno, expat.ErrorString(error.code))
            self.done = True
        self.done = self.done or self._read > MAX_FORM_BYTES

    def anomalies(self, service: Description | None) -> Iterator[Anomaly]:
        """What is wrong before the first form: 138, 003, 102, 184, 158, 089, 312, 088."""
        if self._wrong_encoding:
            named = self._encoding or "another one"
            yield reception("138", f"The file's encoding is {named}; it must be UTF-8.")
        elif self._doctype_line is not None:
            yield reception(
                "003", "A DOCTYPE is not allowed in a declaration.", line=self._doctype_line
            )
        elif self._broken is not None:
            line, words = self._broken
            yield reception("102", f"The file is not well-formed XML: {words}", line=line)
        elif self.root is None and self._read > MAX_FORM_BYTES:
            yield reception("184", f"No root element in {MAX_FORM_BYTES} bytes.")
        elif self.root is not None and service is not None:
            yield from self._root_anomalies(service)

    @property
    def schema(self) -> str | None:
        """The file name in noNamespaceSchemaLocation; None when the root does not give one."""
        for name, value in self.attributes.items():
            if name.rpartition(":")[2] == _SCHEMA:
                return value.strip().replace("\\", "/").rpartition("/")[2]
        return None

    def _root_anomalies(self, service: Description) -> Iterator[Anomaly]:
        if self.root in service.others and not self.attributes.get("xmlns"):
            words = f"The root element {self.root} belongs to another purpose code than the name's."
            yield reception("158", words)
            return
        if self.root != service.root or self.attributes.get("xmlns"):
            yield reception("089", f"The root element must be {service.root}, in no namespace.")
            return
        if service.whole is None:  # else its schema says which attributes there are
            for name in self.attributes:
                if ":" not in name and name != "xmlns":
                    yield reception("312", f"The root element has no attribute {name}.")
        known = ", ".join(sorted(service.schemas))
        if self.schema is None and len(service.schemas) > 1:
            yield reception("088", f"The file must name its schema, one of {known}.")
        elif self.schema is not None and self.schema not in service.schemas:
            yield reception("088", f"The schema must be {known}.")

    def _declared(self, version: str, encoding: str | None, _standalone: int) -> None:
        self._encoding = encoding
        if not _VERSION.fullmatch(version):
            self._broken = (self._parser.CurrentLineNumber, "its version is not 1.0")
        if encoding is not None and encoding.upper() not in ENCODINGS:
            self._wrong_encoding = True
        if self._broken is not None or self._wrong_encoding:
            raise _Stop

    def _doctype(self, *_: object) -> None:
        self._doctype_line = self._parser.CurrentLineNumber
        raise _Stop

    def _element(self, name: str, attributes: dict[str, str]) -> None:
        self.root, self.attributes = name, attributes
        raise _Stop
