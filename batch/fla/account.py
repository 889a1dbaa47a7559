"""The arithmetic of a learning account: what is left of each right, year by year (domain 4.2).

    remaining(type, year) = right + carried - used, never below 0
    carried(type, year)   = remaining(type, year - 1) inside the window, 0 in its first year
                            and outside it

Only followed trainings that count for the credit use it, in the year they start. Hours declared
for a type are charged to it as given. Hours without a split are charged LEGAL, SECTOR, EMPLOYER,
as far as credit reaches, and what exceeds all credit to the last: worked out on reading from the
sums, so that no order of arrival changes what is left. All hours are integer hundredths.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import add, le, sub
from typing import NamedTuple

from batch.fla.forms import Content, RightType, Training, TrainingRight, TrainingStatus

_ORDER = tuple(RightType)
_NOTHING = (0,) * len(_ORDER)


class Window(NamedTuple):
    """The years between which unused credit moves on, both included (seed 002: 2024-2028)."""

    first: int
    last: int

    def covers(self, year: int) -> bool:
        return self.first <= year <= self.last


@dataclass(frozen=True, slots=True)
class Balance:
    """One type of right in one year."""

    right: int
    carried: int
    used: int

    @property
    def remaining(self) -> int:
        return max(0, self.right + self.carried - self.used)

    @property
    def overdrawn(self) -> int:
        """Hours used beyond the credit; they are nobody's debt and do not move on."""
        return max(0, self.used - self.right - self.carried)


@dataclass(slots=True)
class YearSums:
    """What is counted in one year: right and use per type, in the order of the types, and the
    counting hours without a split."""

    right: list[int] = field(default_factory=[0 for _ in _ORDER].copy)
    used: list[int] = field(default_factory=[0 for _ in _ORDER].copy)
    unsplit: int = 0


@dataclass(slots=True)
class Account:
    """The sums of one worker at one employer, by year; counting an object is a few additions.

    ``moved`` remembers what moved on into a year, until a year before it is added to.
    """

    years: dict[int, YearSums] = field(default_factory=dict)
    moved: dict[tuple[int, Window], Sequence[int]] = field(default_factory=dict, compare=False)

    def year(self, year: int) -> YearSums:
        """The sums of ``year``, to be added to at once."""
        if self.moved and any(later > year for later, _ in self.moved):
            self.moved.clear()
        found = self.years.get(year)
        if found is None:
            found = self.years[year] = YearSums()
        return found

    def add(self, content: Content, sign: int = 1) -> None:
        """Count an object that stands; with ``sign`` -1, no longer count it."""
        if isinstance(content, TrainingRight):
            kind, year, hours, _, _ = content
            self.year(year).right[_PLACES[kind]] += sign * hours
        elif uses_credit(content):
            sums = self.year(content.year)
            for use in content.uses:
                sums.used[place(use.type)] += sign * use.hours
            if not content.uses:
                sums.unsplit += sign * content.hours


_PLACES = {right: at for at, right in enumerate(_ORDER)}


def place(right: RightType) -> int:
    """The place of a type of right in ``YearSums``."""
    return _PLACES[right]


def uses_credit(training: Training) -> bool:
    """Whether a training is charged to the credit at all."""
    return training.counts_for_credit and training.status is TrainingStatus.FOLLOWED


def account_of(contents: Iterable[Content]) -> Account:
    """The account on which exactly these objects stand."""
    account = Account()
    for content in contents:
        account.add(content)
    return account


def balances(account: Account, year: int, window: Window) -> Mapping[RightType, Balance]:
    """What stands on ``account`` in ``year``, per type of right, all three."""
    carried = _carried(account, year, window)
    sums = account.years.get(year) or YearSums()
    found = zip(_ORDER, sums.right, carried, _used(sums, carried), strict=True)
    return {right: Balance(hours, left, gone) for right, hours, left, gone in found}


def remaining(account: Account, year: int, window: Window) -> Sequence[int]:
    """What is left of each type, in their order: asked for after each form."""
    carried = _carried(account, year, window)
    sums = account.years.get(year)
    return carried if sums is None else _left(sums, carried)


def overdrawn(account: Account, year: int, window: Window) -> int:
    """Hours used in ``year`` beyond its credit, over all types."""
    sums = account.years.get(year)
    if sums is None or (not sums.unsplit and all(map(le, sums.used, sums.right))):
        return 0
    carried = _carried(account, year, window)
    used = _used(sums, carried)
    found = zip(sums.right, carried, used, strict=True)
    return sum(gone - hours - moved for hours, moved, gone in found if gone > hours + moved)


def _carried(account: Account, year: int, window: Window) -> Sequence[int]:
    """What moved on from the years before, per type."""
    if len(account.years) == 1 and year in account.years:
        return _NOTHING  # as of most accounts of a declaration: nothing to remember
    known = account.moved.get((year, window))
    if known is None:
        known = _NOTHING
        if window.covers(year):
            for each in range(window.first, year):
                sums = account.years.get(each)
                if sums is not None:
                    known = _left(sums, known)
        account.moved[year, window] = known
    return known


def _left(sums: YearSums, carried: Sequence[int]) -> list[int]:
    """What a year leaves of each type, with what was carried into it."""
    left = list(map(sub, map(add, sums.right, carried), _used(sums, carried)))
    return left if min(left) >= 0 else [max(0, hours) for hours in left]


def _used(sums: YearSums, carried: Sequence[int]) -> list[int]:
    """Hours used per type: as declared, then those without a split, as far as credit reaches."""
    rest = sums.unsplit
    if not rest:
        return sums.used
    used = list(sums.used)
    for at, (right, left) in enumerate(zip(sums.right, carried, strict=True)):
        taken = min(rest, max(0, right + left - used[at]))
        used[at] += taken
        rest -= taken
    used[-1] += rest
    return used
