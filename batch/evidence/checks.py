"""Judges an archive of evidence again: offline, without the database, at the instants it tells of.

Hostile bytes are expected everywhere. What is wrong is a line that names the member; nothing is
written, nothing is unpacked, and memory stays flat whatever the archive says of itself.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import BinaryIO, Final

from batch.errors import OperatorError
from batch.evidence import layout, stored
from batch.evidence.canonical import Document, canonical
from batch.evidence.grounds import Unreadable
from batch.evidence.stored import Reader
from batch.signing.certificate import SigningCertificate

MAX_DOCUMENT: Final = 64_000_000
"""Bytes. A revocation list may have tens of megabytes; no document comes near it."""
_DAMAGED: Final = (
    *(ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError),
    OperatorError,
)
"""What hostile documents make of reading them; a bug of ours among it is a failed check too."""


class Outcome(StrEnum):
    """What came of a check. ``NOT_CHECKED`` is no fault: there was nothing to check it by."""

    OK = "ok"
    FAILED = "FAILED"
    NOT_CHECKED = "not checked"


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the result: what was checked, about which member, and what came of it."""

    check: str
    about: str
    outcome: Outcome
    words: str


@dataclass(frozen=True, slots=True)
class Given:
    """What the auditor brings: certificates of the institution, and the CAs he trusts himself."""

    institution: tuple[SigningCertificate, ...] = ()
    trust: tuple[SigningCertificate, ...] = ()


@dataclass(slots=True)
class Case:
    """An archive at work: its reader, its index, what the auditor gave, and the lines so far."""

    reader: Reader
    given: Given
    index: Document = field(default_factory=dict)
    lines: list[Check] = field(default_factory=list)

    def say(self, check: str, about: str, outcome: Outcome, words: str) -> None:
        self.lines.append(Check(check, about, outcome, words))

    def ok(self, check: str, about: str, words: str) -> None:
        self.say(check, about, Outcome.OK, words)

    def failed(self, check: str, about: str, words: str) -> None:
        self.say(check, about, Outcome.FAILED, words)

    @property
    def sound(self) -> bool:
        """Nothing failed so far."""
        return all(line.outcome is not Outcome.FAILED for line in self.lines)

    def bytes_of(self, name: str) -> bytes:
        """A member that fits into memory; Unreadable when it is not there."""
        if name not in self.reader.members:
            raise Unreadable(f"{name} is not in the archive")
        return self.reader.read(name, MAX_DOCUMENT)

    def blocks_of(self, name: str) -> Iterator[bytes]:
        if name not in self.reader.members:
            raise Unreadable(f"{name} is not in the archive")
        return self.reader.blocks(name)

    def document(self, name: str) -> Document:
        """A member that is one JSON object in canonical form."""
        text = self.bytes_of(name)
        try:
            found = json.loads(text)
            same = isinstance(found, dict) and canonical(found).encode() == text.rstrip(b"\n")
        except (ValueError, RecursionError):
            same = False
        if not same:
            raise Unreadable(f"{name} is no JSON object in canonical form")
        return dict(found)

    @contextmanager
    def checking(self, check: str, about: str) -> Iterator[None]:
        """What cannot be read inside is a failed check, and no end of the others."""
        try:
            yield
        except _DAMAGED as error:
            self.failed(check, about, _in_words(error))


def _in_words(error: Exception) -> str:
    if isinstance(error, KeyError):
        return f"it names {error}, which is not in the archive"
    if isinstance(error, (Unreadable, stored.NotStored)):
        return str(error)
    return f"damaged: {str(error) or type(error).__name__}"


Judge = Callable[[Case], None]


def open_case(stream: BinaryIO, given: Given) -> Case | Check:
    """The archive in ``stream``; the one failed check when it is none, to the last byte."""
    try:
        return Case(Reader(stream), given)
    except stored.NotStored as error:
        return Check("archive", "the file", Outcome.FAILED, str(error))


def examine(stream: BinaryIO, given: Given, judges: Sequence[Judge]) -> list[Check]:
    """All checks of an archive. Where its members are not what the index says, nothing else is."""
    case = open_case(stream, given)
    if isinstance(case, Check):
        return [case]
    with case.checking("members", layout.INDEX):
        _members(case)
    if not case.sound:
        return case.lines
    for judge in judges:
        with case.checking(judge.__name__.replace("_", " ").strip(), "the archive"):
            judge(case)
    return case.lines


def _members(case: Case) -> None:
    """The members are those of the index, in its order, each with its size and SHA-256."""
    case.index = case.document(layout.INDEX)
    if case.index["format"] != layout.FORMAT:
        raise Unreadable(f"this is another form of evidence: {str(case.index['format'])[:60]}")
    listed = [str(one["name"]) for one in case.index["members"]]
    present = list(case.reader.members)
    wanted = [*listed, layout.INDEX, layout.INDEX_SIGNATURE]
    for name in sorted(set(wanted) - set(present)):
        case.failed("members", name, "is in the index and not in the archive")
    for name in sorted(set(present) - set(wanted)):
        case.failed("members", name, "is in the archive and not in the index")
    if case.sound and present != wanted:
        raise Unreadable("the members are not in the order of the index")
    for one in case.index["members"]:
        _member(case, one)
    if case.sound:
        words = f"{len(listed)} members, each with the SHA-256 of the index"
        case.ok("members", layout.INDEX, words)


def _member(case: Case, one: Document) -> None:
    name = one["name"]
    if name not in case.reader.members:
        return
    with case.checking("members", name):
        digest = hashlib.sha256()
        for block in case.reader.blocks(name):
            digest.update(block)
        if digest.hexdigest() != one["sha256"] or case.reader.members[name].size != one["size"]:
            case.failed("members", name, "is not what the index says: its bytes were changed")
