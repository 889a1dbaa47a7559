"""From files in an inbox to sets that are ready to be sealed. Pure: ages in, decisions out.

A GO decides (contract, section 2): complete sets at once, incomplete ones after a grace for
files still under way. TD cancels what is not sealed. Files without a GO, and names that do not
split, are given up on after a long wait, so that they too get their answer.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from batch.names import Dropped, Folder, Kind, split
from batch.states import Trigger

GIVEN_UP = (Trigger.UNFINISHED, Trigger.UNREADABLE)
"""Sealed because their time ran out. They come after the sets that somebody started or cancelled,
however many they are."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """A file in an inbox.

    ``age``: seconds since it last changed; ``sealed``: it belongs to a set sealed before;
    ``published``: it came over SFTP, so its bytes are whole.
    """

    name: str
    age: float
    sealed: bool
    published: bool


@dataclass(frozen=True, slots=True)
class Ready:
    """A set to seal now: the stem's text (``@`` and the name where it does not split)."""

    stem: str
    names: tuple[str, ...]
    trigger: Trigger


@dataclass(frozen=True, slots=True)
class Waits:
    """How long to wait, in seconds, each for the reason its setting gives."""

    grace: float
    unfinished: float
    settle: float


def complete_names(
    go: Dropped, folder: Folder, unsigned: frozenset[str] = frozenset()
) -> list[tuple[str, ...]] | None:
    """What must be there beside ``go``: for each file the names it may have; None if unknowable.

    Older senders leave total and part out; a set of one part may be named either way. FS is
    wanted in IN only, and for no purpose code of ``unsigned``.
    """
    total = go.announced
    if total is None:
        return None
    signed = not folder.is_test and go.code not in unsigned
    kinds = (Kind.FI, Kind.FS) if signed else (Kind.FI,)
    wanted: list[tuple[str, ...]] = []
    for kind in kinds:
        for part in range(1, total + 1):
            full = f"{kind}.{go.stem}.{total}.{part}"
            wanted.append((full, f"{kind}.{go.stem}") if total == 1 else (full,))
    return wanted


def ready(
    arrivals: Iterable[Arrival],
    folder: Folder,
    waits: Waits,
    unsigned: frozenset[str] = frozenset(),
) -> Iterator[Ready]:
    """The sets of one inbox that are to be sealed now, in order of their stems.

    ``unsigned``: purpose codes of services that take no signature.
    """
    by_stem: defaultdict[str, list[tuple[Dropped, Arrival]]] = defaultdict(list)
    for arrival in arrivals:
        name = split(arrival.name)
        if name is not None:
            by_stem[name.stem].append((name, arrival))
        elif not arrival.sealed and arrival.age >= waits.unfinished:
            yield Ready("@" + arrival.name, (arrival.name,), Trigger.UNREADABLE)
    for stem in sorted(by_stem):
        trigger = _trigger(by_stem[stem], folder, waits, unsigned)
        if trigger:
            yield Ready(stem, tuple(a.name for _, a in by_stem[stem]), trigger)


def _trigger(
    files: list[tuple[Dropped, Arrival]], folder: Folder, waits: Waits, unsigned: frozenset[str]
) -> Trigger | None:
    fresh = [(name, arrival) for name, arrival in files if not arrival.sealed]
    if not fresh or any(not a.published and a.age < waits.settle for _, a in fresh):
        return None
    if any(name.kind is Kind.TD for name, _ in fresh):
        return Trigger.CANCELLED
    triggers = [(name, arrival) for name, arrival in fresh if name.kind is Kind.GO]
    if not triggers:
        youngest = min(arrival.age for _, arrival in fresh)
        return Trigger.UNFINISHED if youngest >= waits.unfinished else None
    present = {name.text for name, _ in files}
    if any(_complete(go, present, folder, unsigned) for go, _ in triggers):
        return Trigger.GO
    oldest = max(arrival.age for _, arrival in triggers)
    return Trigger.GO if oldest >= waits.grace else None


def _complete(go: Dropped, present: set[str], folder: Folder, unsigned: frozenset[str]) -> bool:
    wanted = complete_names(go, folder, unsigned)
    return wanted is not None and all(present.intersection(names) for names in wanted)
