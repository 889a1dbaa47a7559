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

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from batch.fla.forms import Content, RightType, Training, TrainingRight, TrainingStatus

_LAST = tuple(RightType)[-1]


@dataclass(frozen=True, slots=True)
class Window:
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
class Account:
    """The sums of one worker at one employer; counting an object is a few additions.

    ``rights`` and ``used`` per type and year; ``unsplit``, the counting hours without a split, per
    year.
    """

    rights: dict[tuple[RightType, int], int] = field(default_factory=dict)
    used: dict[tuple[RightType, int], int] = field(default_factory=dict)
    unsplit: dict[int, int] = field(default_factory=dict)

    def add(self, content: Content, sign: int = 1) -> None:
        """Count an object that stands; with ``sign`` -1, no longer count it."""
        if isinstance(content, TrainingRight):
            key = (content.type, content.year)
            self.rights[key] = self.rights.get(key, 0) + sign * content.hours
        elif uses_credit(content):
            self._charge(content, sign)

    def _charge(self, training: Training, sign: int) -> None:
        year = training.year
        for use in training.uses:
            key = (use.type, year)
            self.used[key] = self.used.get(key, 0) + sign * use.hours
        if not training.uses:
            self.unsplit[year] = self.unsplit.get(year, 0) + sign * training.hours

    @property
    def years(self) -> set[int]:
        """The years something is counted in."""
        return {year for _, year in (*self.rights, *self.used)} | set(self.unsplit)


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
    found = {right: Balance(0, 0, 0) for right in RightType}
    for each in range(window.first if window.covers(year) else year, year + 1):
        found = _year(account, each, {right: b.remaining for right, b in found.items()})
    return found


def overdrawn(account: Account, year: int, window: Window) -> int:
    """Hours used in ``year`` beyond its credit, over all types."""
    return sum(balance.overdrawn for balance in balances(account, year, window).values())


def _year(
    account: Account, year: int, carried: Mapping[RightType, int]
) -> dict[RightType, Balance]:
    open_hours = account.unsplit.get(year, 0)
    found: dict[RightType, Balance] = {}
    for right in RightType:
        credit = account.rights.get((right, year), 0)
        used = account.used.get((right, year), 0)
        taken = min(open_hours, max(0, credit + carried[right] - used))
        open_hours -= taken
        if right is _LAST:
            taken += open_hours
        found[right] = Balance(credit, carried[right], used + taken)
    return found
