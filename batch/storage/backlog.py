"""The cap on what waits in ``sealed``: a GO above it is refused for now, before it gets its name.

While the database is away sets wait there, and each takes a dozen inodes. FI and FS are still
taken, and a set whose GO was answered OK is sealed whatever the cap. A sender may have as many
there as places are left: one alone fills the half, two a third each, and who has few still finds a
place, however much others send.
"""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from batch import journal
from batch.errors import Fault
from batch.identifiers import SenderNumber
from batch.storage.layout import Layout

LOOK_SECONDS = 0.1
"""How long a count holds, with what this process seals meanwhile added to it."""
LOOK_SHARE = 20
"""And at least this many times what counting took: 100,000 names cost a twentieth of a core."""


class Backlogged(Fault):
    """Too many sets wait: the sender is to send its GO again later."""

    def __init__(self) -> None:
        super().__init__("too many sets are waiting at the receiver; send the GO again later")


@dataclass(slots=True)
class Backlog:
    """The sets of each sender in ``sealed``, of all together at most ``most``."""

    layout: Layout
    most: int
    _counts: Counter[str] = field(default_factory=Counter)
    _look_at: float = 0.0
    _told: set[SenderNumber] = field(default_factory=set)
    _guard: threading.Lock = field(default_factory=threading.Lock)

    def ask(self, sender: SenderNumber) -> None:
        """A GO of ``sender`` is about to get its name. Raises Backlogged while too many wait."""
        with self._guard:
            self._look()
            mine, left = self._counts[str(sender)], self._left()
            self._tell(sender, mine, left)
        if mine >= left:
            with suppress(OSError):
                self._mark.touch(0o600)
            raise Backlogged

    def takes_now(self, sender: SenderNumber) -> bool:
        """Whether a GO of ``sender`` is taken, by the last count; False where it must be asked."""
        if not self._guard.acquire(blocking=False):
            return False
        try:
            fresh = time.monotonic() < self._look_at and sender not in self._told
            return fresh and self._counts[str(sender)] < self._left()
        finally:
            self._guard.release()

    def full(self) -> bool:
        """Whether of some sender so many wait that its GO is refused now."""
        with self._guard:
            self._look()
            return max(self._counts.values(), default=0) >= self._left()

    def add(self, sender: SenderNumber) -> None:
        """This process has sealed a set of ``sender``."""
        with self._guard:
            self._counts[str(sender)] += 1

    def latest_refusal(self) -> int:
        """A number that changes with every GO that was refused; 0 when none was.

        Files whose GO we refused wait for it by our doing, not their sender's.
        """
        try:
            return self._mark.stat().st_mtime_ns
        except OSError:
            return 0

    @property
    def _mark(self) -> Path:
        return self.layout.locks / "go-refused"

    def _left(self) -> int:
        return self.most - self._counts.total()

    def _look(self) -> None:
        begun = time.monotonic()
        if begun < self._look_at:
            return
        self._counts = Counter(n.partition(".")[0] for n in os.listdir(self.layout.sealed))
        ended = time.monotonic()
        self._look_at = ended + max(LOOK_SECONDS, LOOK_SHARE * (ended - begun))

    def _tell(self, sender: SenderNumber, mine: int, left: int) -> None:
        """One line when a sender's GOs are first refused, one when they are taken again, with a
        tenth to spare: no flutter."""
        waiting = f"{mine} sets of sender {sender} are waiting, and there is room for {left} more"
        if mine >= left and sender not in self._told:
            self._told.add(sender)
            journal.problem(f"{waiting}: its GOs are refused for now")
        elif mine <= left * 0.9 and sender in self._told:
            self._told.discard(sender)
            journal.mended(f"{waiting}: its GOs are taken again")
