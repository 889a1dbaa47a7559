"""The sweep of an inbox: seal what no CLOSE sealed, however its files came and whoever failed.

It looks without the channel's lock, and takes it for each set that it seals, after a second look at
that set: a sender and the worker wait for one seal, not for a look at 300,000 names.
"""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

from batch.errors import SpoolFault
from batch.ingest import receive
from batch.names import SAFE_NAME, split
from batch.states import SetKey
from batch.storage import sealing
from batch.storage.inbox import Inbox, possible_names

SEALS_A_VISIT = 100
"""Sets that a sweep seals in one inbox before it goes on to the next: a second's work."""
LOOK_SHARE = 20
"""After a look at every name so many times its CPU passes before the next: one part of a core in so
many, however full the inbox is. Between them only names that somebody told of are looked at, and
those that wait."""


@dataclass(frozen=True, slots=True)
class Swept:
    """What a sweep sealed, whether something waits for its time, and what could not be sealed.

    ``more``: it left sets that are ready, since others have their turn first.
    """

    sealed: tuple[SetKey, ...]
    waiting: bool
    failed: tuple[tuple[str, Exception], ...]
    more: bool = False


_State = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class _Known:
    """A file that is not sealed, as it is since ``first``."""

    state: _State
    first: float
    published: bool


@dataclass(slots=True)
class Seen:
    """Since when each unsealed file of an inbox is as it is, by a clock that nobody can set.

    Times of files say nothing here: a copy may carry a time of next year, and the wall clock may
    be moved. After a restart every wait begins anew.
    """

    _known: dict[str, _Known] = field(default_factory=dict)
    _kin: set[str] = field(default_factory=set)
    """Names of the same stems that are sealed already: they count when a set is complete."""
    _next: float = 0.0

    @property
    def due(self) -> bool:
        """Whether every name is to be looked at again."""
        return time.monotonic() >= self._next

    def lapse(self) -> None:
        """Have every name looked at next time: something went unseen."""
        self._next = 0.0

    def look(self, inbox: Inbox, hinted: Collection[str] | None) -> list[receive.Arrival]:
        """Every file that is not sealed yet, with its age, and the sealed ones of its stem.

        Of the whole inbox, or of those ``hinted`` at and those that waited at the last look. Files
        with a name that is not safe no sender put here.
        """
        if hinted is None:
            begun = time.thread_time()
            found = list(inbox.held.files())
            self._next = time.monotonic() + LOOK_SHARE * (time.thread_time() - begun)
        else:
            names = {*self._known, *self._kin, *self._new_with_their_kin(inbox, hinted)}
            found = [(name, at) for name in names if (at := inbox.held.status(name)) is not None]
        self._known = {
            name: self._as_known(inbox, name, status)
            for name, status in found
            if status.st_nlink == 1
        }
        stems = {name.stem for name in map(split, self._known) if name is not None}
        lengths = {len(stem) for stem in stems}
        self._kin = {
            name
            for name, _ in (found if stems else ())
            if name not in self._known and _may_be_of(stems, lengths, name)
        }
        return self._arrivals(self._known, self._kin)

    def again(self, inbox: Inbox, names: Iterable[str]) -> list[receive.Arrival]:
        """These as they are now; what was not there at the last look is of no age."""
        fresh: dict[str, _Known] = {}
        sealed: list[str] = []
        for name in names:
            status = inbox.held.status(name)
            if status is not None and status.st_nlink == 1:
                fresh[name] = self._as_known(inbox, name, status)
            elif status is not None:
                sealed.append(name)
        return self._arrivals(fresh, sealed)

    def _new_with_their_kin(self, inbox: Inbox, hinted: Iterable[str]) -> Iterator[str]:
        """Those not sealed since, with every name that digits make of the stems that are new."""
        stems = {name.stem for name in map(split, self._known) if name is not None}
        for text in hinted:
            if not SAFE_NAME.fullmatch(text) or not inbox.fresh(text):
                continue
            yield text
            name = split(text)
            if name is not None and name.stem not in stems:
                stems.add(name.stem)
                yield from possible_names(name)

    def _as_known(self, inbox: Inbox, name: str, status: os.stat_result) -> _Known:
        state = (status.st_ino, status.st_size, status.st_ctime_ns)
        known = self._known.get(name)
        if known is not None and known.state == state:
            return known
        return _Known(state, time.monotonic(), inbox.held.is_published(name))

    @staticmethod
    def _arrivals(fresh: dict[str, _Known], sealed: Iterable[str]) -> list[receive.Arrival]:
        now = time.monotonic()
        return [
            receive.Arrival(name, age=now - known.first, sealed=False, published=known.published)
            for name, known in fresh.items()
        ] + [receive.Arrival(name, age=0.0, sealed=True, published=True) for name in sealed]


def sweep(
    inbox: Inbox,
    seen: Seen,
    waits: receive.Waits,
    now: datetime,
    hinted: Collection[str] | None = None,
) -> Swept:
    """Seal what is ready in the inbox; one failure stops no other.

    At most SEALS_A_VISIT; those that fail do not count, or they would keep out the others. The
    caller does not hold the channel's lock. ``hinted``: see ``Seen.look``.
    """
    if sealing.has_unfinished(inbox):
        with inbox.locked():
            if sealing.drop_unfinished(inbox):
                hinted = None  # what it had linked is unsealed again, and nothing tells of it
    arrivals = seen.look(inbox, hinted)
    sealed: list[SetKey] = []
    failed: list[tuple[str, Exception]] = []
    handled: set[str] = set()
    ready, done = receive.ready(arrivals, inbox.folder, waits, inbox.unsigned), 0
    for item in sorted(ready, key=lambda each: each.trigger in receive.GIVEN_UP):
        if done == SEALS_A_VISIT:
            return Swept(tuple(sealed), True, tuple(failed), more=True)
        try:
            with inbox.locked():
                for current in _as_it_is(inbox, seen, item, waits):
                    key = sealing.seal(inbox, current, now)
                    done += 1
                    handled.update(current.names)
                    sealed += [key] if key is not None else []
        except (SpoolFault, OSError) as error:
            failed.append((item.stem, error))
    waiting = any(not a.sealed and a.name not in handled for a in arrivals)
    return Swept(tuple(sealed), waiting, tuple(failed))


def _as_it_is(
    inbox: Inbox, seen: Seen, item: receive.Ready, waits: receive.Waits
) -> list[receive.Ready]:
    """The set decided anew under the lock, or nothing: files may have come, gone or been sealed."""
    names = dict.fromkeys(item.names)
    dropped = split(item.names[0])
    if dropped is not None:
        names |= dict.fromkeys(inbox.of_stem(dropped))
    return list(receive.ready(seen.again(inbox, names), inbox.folder, waits, inbox.unsigned))


def _may_be_of(stems: Collection[str], lengths: Iterable[int], text: str) -> bool:
    """Whether a name may be of one of these stems: what comes after its kind begins with it."""
    _, _, rest = text.partition(".")
    return any(rest[:length] in stems for length in lengths)
