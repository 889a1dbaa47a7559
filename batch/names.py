"""The grammar of file names: the only place that knows it (contract, section 1).

    FI|FS . CODE . SSSSSS . YYYYMMDD . NNNNN . E . T . P
    GO|TD . CODE . SSSSSS . YYYYMMDD . NNNNN . E . T

Reading is lenient on purpose: a name that splits belongs to the set of its stem's text even
where an element is wrong, so that the set can be answered. ``faults`` says what is wrong with it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
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
    def part_number(self) -> int | None:
        """The part as a number; 1 when an older name leaves it out; None when it is not a digit."""
        if self.part is None:
            return 1
        return int(self.part) if re.fullmatch(r"[0-9]", self.part) else None


_ELEMENTS = {Kind.FI: (8, 6), Kind.FS: (8, 6), Kind.GO: (7, 6), Kind.TD: (7, 6)}


def split(text: str) -> Dropped | None:
    """Split a sender's name into its elements; None when it is no FI, FS, GO or TD name at all."""
    kind_text, *elements = text.split(".")
    if kind_text not in (Kind.FI, Kind.FS, Kind.GO, Kind.TD):
        return None
    kind = Kind(kind_text)
    full, short = _ELEMENTS[kind]
    if len(elements) + 1 not in (full, short) or "" in elements:
        return None
    total = elements[5] if len(elements) > 5 else None
    part = elements[6] if len(elements) > 6 else None
    code, sender, day, sequence, letter = elements[:5]
    return Dropped(text, kind, code, sender, day, sequence, letter, total, part)


def faults(name: Dropped, today: date, too_old_days: int, max_parts: int) -> Iterator[str]:
    """The reception codes (annex 30) that the elements of ``name`` raise by themselves.

    Whether the code is served, the sender is this one and the letter fits the folder are not
    questions of grammar and are asked in ``ingest.reception``.
    """
    if not re.fullmatch(r"[A-Z]{4}", name.code):
        yield "129"
    if not re.fullmatch(r"[0-9]{6}", name.sender):
        yield {Kind.FI: "131", Kind.FS: "132"}.get(name.kind, "107")
    yield from _day_faults(name.day, today, too_old_days)
    yield from _sequence_faults(name.sequence)
    if name.letter not in ("R", "T", "S"):
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
    if not re.fullmatch(r"[0-9A-Z]+", text):
        yield "367"
    elif not text.strip("0"):
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


@dataclass(frozen=True, slots=True)
class Stem:
    """A stem without fault, to write names from. ``str`` gives its text."""

    code: str
    sender: str
    day: date
    sequence: str
    environment: Environment

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raise InvalidIdentifier with the reason unless ``text`` is a right stem."""
        elements = text.split(".")
        if len(elements) != 5:
            raise InvalidIdentifier(f"stem {text!r}: expected CODE.SSSSSS.YYYYMMDD.NNNNN.E")
        code, sender, day, sequence, letter = elements
        name = Dropped(text, Kind.GO, code, sender, day, sequence, letter, None, None)
        wrong = list(faults(name, date.max, 10**7, 9))
        if wrong:
            raise InvalidIdentifier(f"stem {text!r}: refused by code {', '.join(wrong)}")
        if sender != INSTITUTION:
            SenderNumber.parse(sender)
        when = date(int(day[:4]), int(day[4:6]), int(day[6:]))
        return cls(code, sender, when, sequence, Environment(letter))

    def __str__(self) -> str:
        return f"{self.code}.{self.sender}.{self.day:%Y%m%d}.{self.sequence}.{self.environment}"

    def data(self, kind: Kind, part: int = 1, total: int = 1) -> str:
        """The full name of an FI, FS, FO or CO of this stem."""
        return f"{kind}.{self}.{total}.{part}"

    def trigger(self, kind: Kind = Kind.GO, total: int = 1) -> str:
        """The full name of the GO or TD of this stem."""
        return f"{kind}.{self}.{total}"


def brussels_day(at: datetime) -> date:
    """The calendar day in Brussels of an aware instant."""
    return at.astimezone(BRUSSELS).date()
