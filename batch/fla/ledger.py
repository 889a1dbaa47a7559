"""What the service asks of a ledger and gives it back: values, and the port that carries them.

A ledger stands in one transaction of its caller; the service never commits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from functools import lru_cache
from hashlib import blake2b
from typing import NamedTuple, Protocol

from batch.fla.account import Account
from batch.fla.forms import Content, Kind, TrainingRight


class AccountKey(NamedTuple):
    """One worker at one employer, by their numbers' digits. Its ``repr`` shows no INSS."""

    employer: str
    inss: str

    def __repr__(self) -> str:
        return f"AccountKey({self.employer}, ...)"


class OperationName(StrEnum):
    """What made a version."""

    IN = "IN"
    UPDATE = "UPDATE"
    CANCEL = "CANCEL"


class LedgerObject(NamedTuple):
    """The state of one right or training: its current version.

    ``first`` is the content it was created with, by which a repeated In is recognised.
    """

    fla_id: str
    account: AccountKey
    reference: str
    version: int
    cancelled: bool
    content: Content
    first: Content

    @property
    def kind(self) -> Kind:
        return self.content.kind


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a chunk of forms needs to know: objects by either key, accounts, twins."""

    fla_ids: Set[str] = frozenset()
    references: Set[tuple[str, str]] = field(default=frozenset())
    accounts: Set[AccountKey] = frozenset()
    twins: Set[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What the ledger knows of it; what is not there does not exist, or is nought.

    ``twins`` counts the objects that stand under each twin mark.
    """

    objects: Sequence[LedgerObject] = ()
    accounts: Mapping[AccountKey, Account] = field(default_factory=dict)
    twins: Mapping[str, int] = field(default_factory=dict)


class Change(NamedTuple):
    """A new version of an object: its state after and its twin mark, and what made it."""

    after: LedgerObject
    mark: str
    operation: OperationName
    submission: int
    ticket: str
    at: datetime


class Ledger(Protocol):
    """The learning accounts as the service sees them, inside the caller's transaction."""

    def snapshot(self, wanted: Wanted) -> Snapshot:
        """What stands now, earlier ``store`` calls of the same transaction included."""
        ...

    def reserve(self, count: int) -> int:
        """The first of ``count`` new numbers for FLA ids; none is ever given twice."""
        ...

    def store(self, changes: Sequence[Change]) -> None:
        """Record new versions, in order; several may be of one object."""
        ...


def twin_mark(account: AccountKey, content: Content) -> str:
    """The same for two objects of an account that declare the same thing under other references.

    A right: type, year and agreement. A training: name and dates. A digest, so that it can be
    looked up by one short key.
    """
    if isinstance(content, TrainingRight):
        kind, year, _, _, agreement = content
        marks = f"R\x1f{kind}\x1f{year}\x1f{agreement or ''}"
    else:
        dates = f"{content.starting.isoformat()}\x1f{content.ending.isoformat()}"
        marks = f"T\x1f{content.name}\x1f{dates}"
    employer, inss = account
    text = f"{employer}\x1f{inss}\x1f{marks}"
    return blake2b(text.encode(), digest_size=16).hexdigest()


def fla_id(day: date, number: int) -> str:
    """An FLA id (zone FLA02): day of registration, 14 digits, two check digits.

    The check digits are 97 less the remainder of the first 22 digits by 97, as for an INSS.
    """
    digits, remainder = _front(day)
    return f"{digits}{number:014d}{97 - (remainder + number) % 97:02d}"


@lru_cache(maxsize=10)
def _front(day: date) -> tuple[str, int]:
    """The digits of a day, and what they leave by 97 where they stand: of many ids the same."""
    digits = f"{day.year:04d}{day.month:02d}{day.day:02d}"
    return digits, int(digits) * 10**14 % 97
