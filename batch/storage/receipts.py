"""What this process itself stored of small files a moment ago: their seal need not read them again.

The digest is of the bytes as they were received, which were written and synced before the CLOSE was
answered OK. A seal that goes by it fixes what the sender sent; the worker compares the disk with it
when it reads the set, as with any other. It holds for that very file as long as it was not written
to: same inode, size and time of the last change to its bytes.
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from dataclasses import dataclass, field

KEPT = 4096
"""Files remembered at once, some 300 bytes each; most are sealed right after the last of a set."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """A stored file: its size in bytes, when its bytes last changed, and their SHA-256 in hex."""

    size: int
    modified: int
    sha256: str


@dataclass(slots=True)
class Receipts:
    """By device and inode, the last ones."""

    _kept: OrderedDict[tuple[int, int], Receipt] = field(default_factory=OrderedDict)
    _guard: threading.Lock = field(default_factory=threading.Lock)

    def keep(self, status: os.stat_result, sha256: str) -> None:
        """This file, which nobody can write to any more, was stored with these bytes."""
        with self._guard:
            self._kept[status.st_dev, status.st_ino] = Receipt(
                status.st_size, status.st_mtime_ns, sha256
            )
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)

    def of(self, status: os.stat_result) -> Receipt | None:
        """What is known of a file as it is now; None when nothing is."""
        with self._guard:
            found = self._kept.get((status.st_dev, status.st_ino))
        if found is None or (found.size, found.modified) != (status.st_size, status.st_mtime_ns):
            return None
        return found

    def forget(self, status: os.stat_result) -> None:
        """Its set is sealed."""
        with self._guard:
            self._kept.pop((status.st_dev, status.st_ino), None)
