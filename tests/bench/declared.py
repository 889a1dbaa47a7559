"""Large declarations: an FI of so many forms or bytes, every form of a person of its own."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from batch.signing import encoding, signature
from tests.acceptance.instance import Sender
from tests.bench.sets import signer_of
from tests.declarations import declaration, person, right

SCHEMA = Path(__file__).parents[2] / "schemas" / "fla" / "FLADeclaration_20261.xsd"
_HOUR, _INSS = "09:00:00.000", "00010100105"
_BLOCK = 1000
"""Forms written at once."""

_numbers = itertools.count(2_000_000)
"""Behind the persons of the small sets."""


def forms(count: int) -> Iterator[bytes]:
    """The document in blocks; references and persons come in no other document of this run."""
    head, tail = declaration(right("@", inss=_INSS)).split(b"  <Form>", 1)
    text = "  <Form>" + tail.decode()
    form, _, end = text.partition("</FLADeclaration>")
    first, second = form.split(_INSS)
    first = first.replace(_HOUR, "09:%02d:%02d.%03d")
    pattern = f"{first}%s{second.replace('@', 'bench/%08d')}"
    yield head
    for start in range(0, count, _BLOCK):
        yield "".join(_form(pattern, n) for n in range(start, min(start + _BLOCK, count))).encode()
    yield f"</FLADeclaration>{end}".encode()


def _form(pattern: str, place: int) -> str:
    number = next(_numbers)
    minutes, seconds = divmod(place // 1000 % 3600, 60)
    return pattern % (minutes, seconds, place % 1000, person(number), number)


def of_bytes(size: int) -> Iterator[bytes]:
    """A document of at least so many bytes and less than one form more."""
    one = len(declaration(right("bench/00000000"))) - len(declaration())
    return forms(max(1, (size - len(declaration())) // one))


def written(blocks: Iterator[bytes], path: Path) -> int:
    """Write a document; its size in bytes."""
    with path.open("wb") as stream:
        for block in blocks:
            stream.write(block)
    return path.stat().st_size


def signed(path: Path, who: Sender) -> bytes:
    """The FS of a document."""
    with path.open("rb") as stream:
        blocks = iter(lambda: stream.read(1 << 20), b"")
        made = signature.sign_with(signer_of(who), blocks, datetime.now(UTC))
    return encoding.encode(made)
