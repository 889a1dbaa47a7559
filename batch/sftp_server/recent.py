"""What one session published a moment ago: the worker may take it before its client looks."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from batch.sftp_server.home import EntryPlace

REMEMBERED = 1024
"""Files at most: more than any client sends before it looks."""
REMEMBERED_SECONDS = 60.0
"""How long: a client looks right after its CLOSE; later, only the folder tells the truth."""


@dataclass(frozen=True, slots=True)
class Published:
    """A file as it was published: its size, and when, in Unix seconds, as a listing would show it.

    ``since`` is by a clock that nobody can set.
    """

    size: int
    at: float
    since: float


@dataclass(slots=True)
class Recent:
    """The files that this session published last."""

    now: Callable[[], float] = time.monotonic
    _published: OrderedDict[EntryPlace, Published] = field(default_factory=OrderedDict)

    def remember(self, place: EntryPlace, size: int) -> None:
        self._published[place] = Published(size, time.time(), self.now())
        self._published.move_to_end(place)
        while len(self._published) > REMEMBERED:
            self._published.popitem(last=False)

    def forget(self, place: EntryPlace) -> None:
        self._published.pop(place, None)

    def find(self, place: EntryPlace) -> Published | None:
        """What was published there a moment ago; None when nothing was, or it is too long ago."""
        found = self._published.get(place)
        if found is None or self.now() - found.since > REMEMBERED_SECONDS:
            return None
        return found
