"""The floor: the part of the disk that uploads leave to what is sealed, to answers, to databases.

Below it nothing new comes in, and all that was taken in goes on. Asked at each OPEN for writing
and each time the uploads of this process together have grown by a step, never for each packet.
"""

from __future__ import annotations

import errno
import os
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from batch import journal
from batch.storage.quota import Amount

STEP = 8_000_000
"""Bytes written between two looks: what all uploads together may go below the floor."""
AGAIN_SECONDS = 1.0
"""How long an answer holds: below the floor for uploads under way, above it for small new ones."""
FILES = 200
"""New uploads between two looks at most: what they may go below the floor of inodes."""


class NoRoom(OSError):
    """The floor is reached: to the sender a full disk; the operator is told by ``Room``, once."""

    def __init__(self) -> None:
        super().__init__(errno.ENOSPC, "the floor of free space is reached")


@dataclass(slots=True)
class Room:
    """Free bytes and inodes of the file system of ``place`` against their floors."""

    place: Path
    min_bytes: int
    min_inodes: int
    _scarce: bool = False
    _told: bool = False
    _grown: int = 0
    _asked: int = 0
    _asked_at: float = 0.0
    _guard: threading.Lock = field(default_factory=threading.Lock)

    def ask(self) -> None:
        """Look now. Raises NoRoom below a floor."""
        with self._guard:
            self._look()

    def ask_now(self) -> bool:
        """Whether there is room by a look of the last second; False where none tells."""
        if not self._guard.acquire(blocking=False):
            return False
        try:
            self._asked += 1
            fresh = time.monotonic() - self._asked_at < AGAIN_SECONDS and self._asked <= FILES
            return fresh and not self._scarce and self._grown < STEP
        finally:
            self._guard.release()

    def grow_now(self, count: int) -> bool:
        """``count`` bytes are to be written later; False where that takes a look first."""
        if not self._guard.acquire(blocking=False):
            return False
        try:
            known = not self._scarce and self._grown + count < STEP
            self._grown += count if known else 0
            return known
        finally:
            self._guard.release()

    def grow(self, count: int) -> None:
        """``count`` bytes are about to be written: look at each step. Raises NoRoom."""
        with self._guard:
            self._grown += count
            stale = time.monotonic() - self._asked_at > AGAIN_SECONDS
            if self._grown >= STEP or (self._scarce and stale):
                self._look()
            elif self._scarce:
                raise NoRoom

    def least(self, wanted: Amount) -> Amount:
        """As much of ``wanted`` as there is above the floors now."""
        found = os.statvfs(self.place)
        free = max(0, found.f_bavail * found.f_frsize - self.min_bytes)
        inodes = max(0, found.f_favail - self.min_inodes) if found.f_files else wanted.files
        return Amount(min(free, wanted.bytes), min(inodes, wanted.files))

    def _look(self) -> None:
        found = os.statvfs(self.place)
        self._grown, self._asked, self._asked_at = 0, 0, time.monotonic()
        free = found.f_bavail * found.f_frsize
        inodes = found.f_favail if found.f_files else None
        self._scarce = free < self.min_bytes or (inodes is not None and inodes < self.min_inodes)
        self._tell(free, inodes)
        if self._scarce:
            raise NoRoom

    def _tell(self, free: int, inodes: int | None) -> None:
        """One line when the floor is reached and one when it is left, by a tenth: no flutter."""
        left = f"{free // 1_000_000} MB" + ("" if inodes is None else f" and {inodes} inodes")
        if self._scarce and not self._told:
            self._told = True
            journal.problem(f"new uploads are refused until there is room: {left} free")
        elif self._told and not self._scarce:
            few = inodes is not None and inodes < self.min_inodes * 1.1
            if free >= self.min_bytes * 1.1 and not few:
                self._told = False
                journal.mended(f"there is room again, uploads are taken: {left} free")
