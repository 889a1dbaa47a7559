"""The grammar of file names: the only place that knows it (contract, section 1).

    FI|FS       . CODE . SSSSSS . YYYYMMDD . NNNNN . E . T . P     data, signature
    GO|TD       . CODE . SSSSSS . YYYYMMDD . NNNNN . E . T         start, cancel
    FO|FS|CO    . CODE . 999999 . YYYYMMDD . NNNNN . E . T . P     answer
    GO          . CODE . 999999 . YYYYMMDD . NNNNN . E . T         the answer is complete

There are two readings. ``read`` gives a value, which is right in every element and is written in
full. ``split`` is lenient: a name with the right number of elements belongs to the set of its
stem's text even where an element is wrong or empty, so that the set can be answered; ``faults``
says what is wrong with it, and ``unreadable`` what is wrong with a name that does not split.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from functools import lru_cache
from typing import Self
from zoneinfo import ZoneInfo

from batch.identifiers import INSTITUTION, InvalidIdentifier, SenderNumber

BRUSSELS = ZoneInfo("Europe/Brussels")
"""Dates in names are those of Brussels (contract, section 1)."""

OFFICIAL_CODES = frozenset(
    [
        "AOAT",
        "ACRF",
        "ATDO",
        "CDHG",
        "DDTN",
        "DIMN",
        "DMFA",
        "DMRQ",
        "DMWA",
        "DUCN",
        "ECRQ",
        "FLEX",
        "LOIC",
        "PFRQ",
        "PUBL",
        "RECO",
        "TWCT",
        "VBLV",
        "WECH",
        "ZIMA",
    ]
)
"""Purpose codes a sender may know from the official channel (protocol section 1.3)."""


class Kind(StrEnum):
    """First element of a name; CO is an FO in a ZIP."""

    FI = "FI"
    FS = "FS"
    GO = "GO"
    TD = "TD"
    FO = "FO"
    CO = "CO"


class Environment(StrEnum):
    """Sixth element: production, circuit test, simulation."""

    PRODUCTION = "R"
    TEST = "T"
    SIMULATION = "S"


class Folder(StrEnum):
    """The four directories of a sender."""

    IN = "IN"
    OUT = "OUT"
    INTEST = "INTEST"
    OUTTEST = "OUTTEST"

    @property
    def answers(self) -> Folder:
        """Where a set dropped here is answered: by folder, whatever its letter says."""
        return Folder.OUTTEST if self in (Folder.INTEST, Folder.OUTTEST) else Folder.OUT

    @property
    def is_test(self) -> bool:
        return self in (Folder.INTEST, Folder.OUTTEST)

    @property
    def is_inbox(self) -> bool:
        return self in (Folder.IN, Folder.INTEST)


INBOXES = (Folder.IN, Folder.INTEST)

LONGEST_NAME = 100
SAFE_NAME = re.compile(rf"[A-Za-z0-9_][A-Za-z0-9._-]{{0,{LONGEST_NAME - 1}}}", re.ASCII)
"""Names that may exist in a folder at all: one path component, no control, no leading dot;
100 bytes is twice the longest name of the grammar and leaves room for a client's suffix."""


@dataclass(frozen=True, slots=True)
class Dropped:
    """A name of known kind with the right number of elements; the elements may be wrong."""

    text: str
    kind: Kind
    code: str
    sender: str
    day: str
    sequence: str
    letter: str
    total: str | None
    part: str | None

    @property
    def stem(self) -> str:
        """What identifies the set: CODE.SSSSSS.YYYYMMDD.NNNNN.E, as written."""
        return f"{self.code}.{self.sender}.{self.day}.{self.sequence}.{self.letter}"

    @property
    def announced(self) -> int | None:
        """The total as a number; 1 when an older name leaves it out; None when it is not 1 to 9."""
        if self.total is None:
            return 1
        return int(self.total) if re.fullmatch(r"[1-9]", self.total) else None

    @property
    def part_number(self) -> int | None:
        """The part as a number; 1 when an older name leaves it out; None when it is not a digit."""
        if self.part is None:
            return 1
        return int(self.part) if re.fullmatch(r"[0-9]", self.part) else None


LATELY_SPLIT = 1024
"""Names kept as they were split: each is asked about a dozen times while its file comes in."""
_STEM_ELEMENTS = 5
_AFTER_THE_STEM = {Kind.FI: 2, Kind.FS: 2, Kind.FO: 2, Kind.CO: 2, Kind.GO: 1, Kind.TD: 1}
_KINDS = {str(kind): kind for kind in Kind}
_MALFORMED = {Kind.FI: "131", Kind.FS: "132", Kind.GO: "107", Kind.TD: "107"}


@lru_cache(maxsize=LATELY_SPLIT)
def split(text: str) -> Dropped | None:
    """Split a sender's name into its elements; None when it is no FI, FS, GO or TD name at all."""
    dropped = _split(text)
    return dropped if dropped is not None and dropped.kind in _MALFORMED else None


@lru_cache(maxsize=2048)  # each of a set's names is read some ten times on its way
def _split(text: str) -> Dropped | None:
    """The same for a name of any kind; older ones leave out what comes after the stem."""
    kind_text, *elements = text.split(".")
    kind = _KINDS.get(kind_text)
    if kind is None:
        return None
    if len(elements) - _STEM_ELEMENTS not in (0, _AFTER_THE_STEM[kind]):
        return None
    total = elements[5] if len(elements) > 5 else None
    part = elements[6] if len(elements) > 6 else None
    code, sender, day, sequence, letter = elements[:_STEM_ELEMENTS]
    return Dropped(text, kind, code, sender, day, sequence, letter, total, part)


def unreadable(text: str) -> Iterator[str]:
    """The reception codes of a sender's name that does not split.

    By its beginning it is an FI, FS, GO or TD with too few or too many elements, or nothing known;
    the former may end before its environment, so that this cannot be read either.
    """
    kind, *elements = text.split(".")
    if kind not in _MALFORMED:
        yield "129"
        return
    yield _MALFORMED[Kind(kind)]
    if not any(elements[4:5]):
        yield "144"


def faults(name: Dropped, today: date, too_old_days: int, max_parts: int) -> Iterator[str]:
    """The reception codes (annex 30) that the elements of ``name`` raise by themselves.

    Whether the code is served, the sender is this one and the letter fits the folder are not
    questions of grammar and are asked in ``ingest.reception``.
    """
    if not re.fullmatch(r"[A-Z]{4}", name.code):
        yield "129"
    if not re.fullmatch(r"[0-9]{6}", name.sender):
        yield _MALFORMED.get(name.kind, "129")
    yield from _day_faults(name.day, today, too_old_days)
    yield from _sequence_faults(name.sequence)
    if not name.letter:
        yield "144"
    elif name.letter not in tuple(Environment):
        yield "117"
    if name.total is not None:
        yield from _total_faults(name.total, max_parts)


def _day_faults(text: str, today: date, too_old_days: int) -> Iterator[str]:
    if not re.fullmatch(r"[0-9]{8}", text):
        yield "109"
        return
    try:
        day = date(int(text[:4]), int(text[4:6]), int(text[6:]))
    except ValueError:
        yield "110"
        return
    if day > today:
        yield "111"
    elif (today - day).days > too_old_days:
        yield "126"


def _sequence_faults(text: str) -> Iterator[str]:
    if len(text) != 5:
        yield "112"
    if not re.fullmatch(r"[0-9A-Z]*", text):
        yield "367"
    elif text and not text.strip("0"):
        yield "127"


def _total_faults(text: str, max_parts: int) -> Iterator[str]:
    if len(text) != 1:
        yield "114"
    elif not re.fullmatch(r"[0-9]", text):
        yield "115"
    elif text == "0":
        yield "116"
    elif int(text) > max_parts:
        yield "128"


@dataclass(frozen=True, slots=True, order=True)
class PurposeCode:
    """Four letters A-Z: which service a set is for."""

    letters: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raise InvalidIdentifier unless ``text`` is four letters A-Z."""
        if not re.fullmatch(r"[A-Z]{4}", text):
            raise InvalidIdentifier(f"purpose code {text!r}: expected four letters A-Z")
        return cls(text)

    def __str__(self) -> str:
        return self.letters


@dataclass(frozen=True, slots=True, order=True)
class Sequence:
    """Five of 0-9 and A-Z, not 00000: chosen by the sender, used once a day."""

    positions: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raise InvalidIdentifier unless ``text`` is such a number."""
        for code in _sequence_faults(text):
            raise InvalidIdentifier(f"sequence {text!r}: refused by code {code}")
        return cls(text)

    def __str__(self) -> str:
        return self.positions


@dataclass(frozen=True, slots=True, order=True)
class PartOf:
    """A part of a set: ``number`` of ``total``, both 1 to 9. Written total first."""

    number: int = 1
    total: int = 1

    @classmethod
    def parse(cls, total: str, number: str) -> Self:
        """Raise InvalidIdentifier unless both are one digit and the part is one of the total."""
        if not all(re.fullmatch(r"[1-9]", digit) for digit in (total, number)):
            raise InvalidIdentifier("total and part must be one digit, 1 to 9")
        if int(number) > int(total):
            raise InvalidIdentifier(f"part {number} of {total}; the total comes first")
        return cls(int(number), int(total))

    def __str__(self) -> str:
        return f"{self.total}.{self.number}"


@dataclass(frozen=True, slots=True)
class Stem:
    """A stem without fault: what identifies a set, or an answer. ``str`` gives its text."""

    code: PurposeCode
    sender: str
    day: date
    sequence: Sequence
    environment: Environment

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raise InvalidIdentifier with the reason unless ``text`` is a right stem."""
        elements = text.split(".")
        if len(elements) != _STEM_ELEMENTS:
            raise InvalidIdentifier(f"stem {text!r}: expected CODE.SSSSSS.YYYYMMDD.NNNNN.E")
        code, sender, day, sequence, letter = elements
        name = Dropped(text, Kind.GO, code, sender, day, sequence, letter, None, None)
        wrong = list(faults(name, date.max, 10**7, 9))
        if wrong:
            raise InvalidIdentifier(f"stem {text!r}: refused by code {', '.join(wrong)}")
        if sender != INSTITUTION:
            SenderNumber.parse(sender)
        when = date(int(day[:4]), int(day[4:6]), int(day[6:]))
        return cls(PurposeCode(code), sender, when, Sequence(sequence), Environment(letter))

    def __str__(self) -> str:
        day = f"{self.day.year:04d}{self.day:%m%d}"  # %Y is not padded to four digits everywhere
        return f"{self.code}.{self.sender}.{day}.{self.sequence}.{self.environment}"

    @property
    def of_institution(self) -> bool:
        """Whether it is the stem of an answer."""
        return self.sender == INSTITUTION


@dataclass(frozen=True, slots=True)
class PartName:
    """The name of a part: of an FI, FS, FO or CO. ``str`` writes it in full."""

    kind: Kind
    stem: Stem
    part: PartOf = PartOf()

    def __str__(self) -> str:
        return f"{self.kind}.{self.stem}.{self.part}"

    def of(self, kind: Kind) -> PartName:
        """The otherwise identical name: the FS of an FI or FO, the CO of an FO."""
        return PartName(kind, self.stem, self.part)


@dataclass(frozen=True, slots=True)
class TriggerName:
    """The name of a GO or TD. ``str`` writes it in full."""

    kind: Kind
    stem: Stem
    total: int = 1

    def __str__(self) -> str:
        return f"{self.kind}.{self.stem}.{self.total}"


def read(text: str) -> PartName | TriggerName:
    """Read a right name of any kind, an older one without total and part as the one of one.

    Raise InvalidIdentifier with the reason. Whether its day lies in the past and its code is
    served are no questions of grammar.
    """
    dropped = _split(text)
    if dropped is None:
        raise InvalidIdentifier(f"name {text!r}: not built as the name of a file of a set")
    kind, stem = dropped.kind, Stem.parse(dropped.stem)
    total, number = ("1" if e is None else e for e in (dropped.total, dropped.part))
    part = PartOf.parse(total, number)
    from_us, from_them = kind in (Kind.FO, Kind.CO), kind in (Kind.FI, Kind.TD)
    if (from_us and not stem.of_institution) or (from_them and stem.of_institution):
        raise InvalidIdentifier(f"name {text!r}: sender {stem.sender} sends no {kind}")
    if kind in (Kind.GO, Kind.TD):
        return TriggerName(kind, stem, part.total)
    return PartName(kind, stem, part)


def brussels_day(at: datetime) -> date:
    """The calendar day in Brussels of an aware instant."""
    return at.astimezone(BRUSSELS).date()
