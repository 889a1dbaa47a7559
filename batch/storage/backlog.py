"""The cap on what waits in ``sealed``: a GO above it is refused for now, before it gets its name.

While the database is away sets wait there, and each takes a dozen inodes. FI and FS are still
taken, and a set whose GO was answered OK is sealed whatever the cap.
"""

from __future__ import annotations

import os
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from batch import journal
from batch.errors import Fault
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
    """The number of sets in ``sealed`` against ``most``."""

    layout: Layout
    most: int
    _count: int = 0
    _look_at: float = 0.0
    _told: bool = False
    _guard: threading.Lock = field(default_factory=threading.Lock)

    def ask(self) -> None:
        """A GO is about to get its name. Raises Backlogged while too many sets wait."""
        full = self.full()
        with self._guard:
            self._tell(full)
        if full:
            with suppress(OSError):
                self._mark.touch(0o600)
            raise Backlogged

    def full(self) -> bool:
        """Whether so many wait that a GO is refused now."""
        with self._guard:
            self._look()
            return self._count >= self.most

    def add(self) -> None:
        """This process has sealed a set."""
        with self._guard:
            self._count += 1

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

    def _look(self) -> None:
        begun = time.monotonic()
        if begun < self._look_at:
            return
        self._count = len(os.listdir(self.layout.sealed))
        ended = time.monotonic()
        self._look_at = ended + max(LOOK_SECONDS, LOOK_SHARE * (ended - begun))

    def _tell(self, full: bool) -> None:
        """One line when the cap is reached and one when it is left, by a tenth: no flutter."""
        if full and not self._told:
            self._told = True
            journal.problem(f"{self._count} sets are waiting: every GO is refused for now")
        elif self._told and self._count <= self.most * 0.9:
            self._told = False
            journal.problem(f"{self._count} sets are waiting: a GO is taken again")
