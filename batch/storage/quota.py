"""The quota of one sender: bytes and files in IN and INTEST that wait for it, and its uploads.

What is sealed waits for us and does not count: our outage is nobody's refusal. The folders are
looked at only when the count says that the quota is reached; between looks every upload is counted
as it grows. What was given back is seen at the next look, so the count may be too high, which a
look mends before anything is refused for it, and is never too low (docs/decisions/0011).
"""

from __future__ import annotations

import errno
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from batch import journal
from batch.identifiers import SenderNumber
from batch.storage import beneath

AGAIN_SECONDS = 1.0
"""How long a look holds when nothing is known to have changed since."""
LOOK_SHARE = 20
"""Looks of a full folder cost one part in so many of a core, in the long run."""
CHEAP_SECONDS = 0.005
"""A look that takes less, as at some hundred files, is made whenever it may find room."""
BURST_SECONDS = 0.25
"""Looks that take so much together are made at once: one on a busy disk refuses nobody."""
SPARE_FILES = 100
"""Beyond the quota for what ends a set that is there: more than a sender ends at once."""


class OverQuota(OSError):
    """This sender's quota is reached."""

    def __init__(self, sentence: str) -> None:
        super().__init__(errno.EDQUOT, sentence)
        self.sentence = sentence


@dataclass(frozen=True, slots=True)
class Amount:
    """So many bytes in so many files."""

    bytes: int
    files: int

    def __add__(self, other: Amount) -> Amount:
        return Amount(self.bytes + other.bytes, self.files + other.files)

    def __sub__(self, other: Amount) -> Amount:
        """Never below nothing."""
        return Amount(max(0, self.bytes - other.bytes), max(0, self.files - other.files))


NOTHING = Amount(0, 0)
ONE_FILE = Amount(1, 1)
"""And a byte of it, since bytes that are all used leave no place for a file."""


@dataclass(slots=True)
class Quota:
    """What one sender has in ``folders`` and under way, in all its sessions, against ``most``."""

    sender: SenderNumber
    folders: tuple[Path, ...]
    most: Amount
    being_sealed: Callable[[], set[int]]
    """The inodes that a seal has linked which is not done: it may fail."""
    _lying: Amount | None = None
    """In the folders by the last look, and what came since; None before the first."""
    _under_way: Amount = NOTHING
    _looked_at: float = 0.0
    _owed: float = 0.0
    """Seconds of looking that no time has passed for yet."""
    _stale: bool = False
    """Something changed that may have given room back."""
    _guard: threading.Lock = field(default_factory=threading.Lock)

    def begin(self, ends_a_set: Callable[[], bool]) -> Claim:
        """A file is about to be uploaded. Raises OverQuota when there is no place for it.

        What ends a set that is there gives back more than it takes, so it has places to spare.
        """
        with self._guard:
            if not self._fits(ONE_FILE):
                spare = self._held().files < self.most.files + SPARE_FILES
                if not (spare and ends_a_set()):
                    raise self._refusal()
            self._under_way += Amount(0, 1)
        return Claim(self)

    def begin_now(self) -> Claim | None:
        """The same without a look at the disk, nor a wait for one; None where that needs one."""
        if not self._guard.acquire(blocking=False):
            return None
        try:
            if self._lying is None or not self._is_room_for(ONE_FILE):
                return None
            self._under_way += Amount(0, 1)
            return Claim(self)
        finally:
            self._guard.release()

    def used_and_left(self) -> tuple[Amount, Amount]:
        """What this sender has, and how much more it may have."""
        with self._guard:
            self._look_if_due()
            used = self._held()
            return used, self.most - used

    def freed(self) -> None:
        """Something was removed, or sealed: a look is worth while."""
        with self._guard:
            self._stale = True

    @contextmanager
    def still(self) -> Iterator[None]:
        """No look while a name is changed for another: it could see neither."""
        with self._guard:
            yield

    def _grow(self, count: int) -> None:
        with self._guard:
            if not self._fits(Amount(count, 0)):
                raise self._refusal()
            self._under_way += Amount(count, 0)

    def _grow_now(self, count: int) -> bool:
        if not self._guard.acquire(blocking=False):
            return False
        try:
            fits = self._lying is not None and self._is_room_for(Amount(count, 0))
            if fits:
                self._under_way += Amount(count, 0)
            return fits
        finally:
            self._guard.release()

    def _settle(self, size: int, *, landed: bool) -> None:
        """An upload ended. Where it got its name, a look may have counted it there already."""
        with self._guard:
            self._under_way -= Amount(size, 1)
            if landed and self._lying is not None:
                self._lying += Amount(size, 1)
            self._stale = True

    def _shrink(self, count: int) -> None:
        with self._guard:
            self._under_way -= Amount(count, 0)

    def _held(self) -> Amount:
        return self._under_way + (self._lying or NOTHING)

    def _fits(self, more: Amount) -> bool:
        if self._lying is not None and self._is_room_for(more):
            return True
        self._look_if_due()
        return self._is_room_for(more)

    def _is_room_for(self, more: Amount) -> bool:
        lying, sent, most = self._lying or NOTHING, self._under_way, self.most
        bytes_fit = not more.bytes or lying.bytes + sent.bytes + more.bytes <= most.bytes
        files_fit = not more.files or lying.files + sent.files + more.files <= most.files
        return bytes_fit and files_fit

    def _look_if_due(self) -> None:
        begun = time.monotonic()
        since = begun - self._looked_at
        changed = self._stale or since > AGAIN_SECONDS
        rests = self._owed - since / LOOK_SHARE > BURST_SECONDS
        if self._lying is not None and (rests or not changed):
            return
        self._lying = _unsealed(self.folders, self.being_sealed)
        self._stale = False
        self._looked_at = time.monotonic()
        took = self._looked_at - begun
        self._owed = max(0.0, self._owed - since / LOOK_SHARE) + max(0.0, took - CHEAP_SECONDS)

    def _refusal(self) -> OverQuota:
        journal.over_quota(self.sender, self._held().files, self._held().bytes)
        return OverQuota(
            f"your files in IN and INTEST have reached the {self.most.bytes} bytes or "
            f"{self.most.files} files that may wait there; send again after your waiting sets are "
            "answered, or remove some"
        )


@dataclass(slots=True)
class Claim:
    """What one upload takes of its sender's quota, until it is settled."""

    _quota: Quota
    _size: int = 0
    _settled: bool = False

    def grow_to(self, size: int) -> None:
        """The file is about to have this size. Raises OverQuota when that does not fit."""
        if size > self._size:
            self._quota._grow(size - self._size)
            self._size = size

    def grow_now(self, size: int) -> bool:
        """The same without a look at the disk; False where that needs one."""
        if size > self._size and not self._quota._grow_now(size - self._size):
            return False
        self._size = max(size, self._size)
        return True

    def empty(self) -> None:
        """The file was cut to nothing."""
        self._quota._shrink(self._size)
        self._size = 0

    def settle(self, *, landed: bool) -> None:
        """The upload is over: it may have got its name (``landed``), or it is gone. Once."""
        if not self._settled:
            self._settled = True
            self._quota._settle(self._size, landed=landed)


def _unsealed(folders: tuple[Path, ...], being_sealed: Callable[[], set[int]]) -> Amount:
    """What lies there with one link; a sealed file has a second one in its set's directory.

    So has one that is only being sealed, for which is asked before and after.
    """
    linked, found = being_sealed(), []
    for folder in folders:
        with beneath.held(folder) as held:
            found += [status for _, status in held.files()]
    linked |= being_sealed()
    counted = [s.st_size for s in found if s.st_nlink == 1 or s.st_ino in linked]
    return Amount(sum(counted), len(counted))
