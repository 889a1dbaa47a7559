"""What was measured, as ratios of ours to a peer's in the same run: the two in turn, so that a
drift of the machine hits both."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from tests.bench.curves import Curve

Sample = Mapping[str, float]
"""Quantities of one round by name: ``cpu`` in seconds, ``rate`` per second, ``memory`` in bytes."""

Measured = Callable[[], Sample]
"""Does its work once and says what it took."""

HEAVY_ROUNDS = 3
"""Of what takes the better part of a minute, however many are asked for."""


@dataclass(frozen=True, slots=True)
class Spread:
    """The median of some rounds, and the least and the most of them."""

    middle: float
    least: float
    most: float

    @classmethod
    def of(cls, values: Iterable[float]) -> Spread:
        found = sorted(values)
        return cls(statistics.median(found), found[0], found[-1])


@dataclass(frozen=True, slots=True)
class Target:
    """What issue 7 wants: a bound on the ratio to the peer, or on ours in the row's unit."""

    sense: Literal["<=", ">="]
    bound: float
    of: Literal["ratio", "ours"] = "ratio"

    def met(self, found: float) -> bool:
        return found <= self.bound if self.sense == "<=" else found >= self.bound


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table. ``ratio`` is ours to the peer's: of speeds more is better, of costs
    less. ``met`` is None where nothing is aimed at; nobody's verdict, only told."""

    name: str
    work: str
    unit: str
    peer: str
    ours: Spread
    theirs: Spread | None = None
    ratio: Spread | None = None
    target: Target | None = None
    met: bool | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """One run of the bench: where it works, how often, how much of it, and whom it tells."""

    work: Path
    rounds: int
    quick: bool
    everything: bool
    say: Callable[[str], None]
    profiles: Path | None = None

    def size(self, full: int, quick: int) -> int:
        """How much to do: ``quick`` only shows that all of it works."""
        return quick if self.quick else full

    def numbers(self, usual: tuple[int, ...], more: int, quick: tuple[int, ...]) -> tuple[int, ...]:
        """At which numbers growth is measured; ``more`` with ``--all``."""
        return quick if self.quick else (*usual, more) if self.everything else usual

    def heavy(self) -> Run:
        """The same with few rounds."""
        return replace(self, rounds=min(self.rounds, HEAVY_ROUNDS))

    @contextmanager
    def room(self, name: str) -> Iterator[Path]:
        """A new directory under ``work``. It is left: to remove thousands of files makes the next
        ones dear (ext4), so all goes at the end of the run."""
        made = self.work / name
        number = 1
        while made.exists():
            number += 1
            made = self.work / f"{name}-{number}"
        made.mkdir(parents=True)
        yield made


@dataclass(frozen=True, slots=True)
class Pairs:
    """The rounds of ours and of a peer, in pairs."""

    peer: str
    ours: list[Sample]
    theirs: list[Sample]

    def row(
        self, name: str, work: str, quantity: str, unit: str, target: Target | None = None
    ) -> Row:
        """One quantity of them; ``unit`` scales it: see ``SCALES``."""
        scale = SCALES[unit]
        ours = [sample[quantity] for sample in self.ours]
        theirs = [sample[quantity] for sample in self.theirs]
        ratios = [a / b for a, b in zip(ours, theirs, strict=True) if b]
        ratio = Spread.of(ratios) if ratios else None
        mine = Spread.of(value * scale for value in ours)
        its = Spread.of(value * scale for value in theirs)
        aimed = ratio if target is None or target.of == "ratio" else mine
        met = target.met(aimed.middle) if target is not None and aimed is not None else None
        return Row(name, work, unit, self.peer, mine, its, ratio, target, met)


SCALES = {
    "ms": 1000.0,
    "s": 1.0,
    "MB": 1e-6,
    "KiB": 1 / 1024,
    "MB/s": 1e-6,
    "sets/s": 1.0,
    "rows/s": 1.0,
}
"""From seconds, bytes and things per second to the units of the table."""


def contest(
    run: Run, name: str, ours: Measured, peer: Measured, against: str, *, warm: bool = True
) -> Pairs:
    """Both in turn, after one pair that does not count."""
    mine: list[Sample] = []
    its: list[Sample] = []
    if warm and not run.quick:
        run.say(f"{name}: once that does not count")
        ours(), peer()
    for number in range(1, run.rounds + 1):
        run.say(f"{name}: round {number} of {run.rounds}, ours")
        mine.append(ours())
        run.say(f"{name}: round {number} of {run.rounds}, {against}")
        its.append(peer())
    return Pairs(against, mine, its)


def alone(
    name: str, work: str, unit: str, values: Iterable[float], target: Target | None = None
) -> Row:
    """A row without a peer; the values are scaled as those of a pair."""
    found = Spread.of(value * SCALES[unit] for value in values)
    met = target.met(found.middle) if target is not None else None
    return Row(name, work, unit, "none", found, target=target, met=met)


@dataclass(frozen=True, slots=True)
class Bench:
    """A part of the run that can be asked for by name; ``what`` is a line for ``--list``."""

    name: str
    what: str
    rows: Callable[[Run], Iterator[Row | Curve]]
    needs: tuple[str, ...] = ()
    """Programs; where one is absent the part is left out, and that is said."""
