"""The memory of small uploads: what one process keeps of them until their CLOSE, all together."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

LARGEST = 64 * 1024
"""Bytes of an upload that are kept in memory: an FS whole, and an FI of some fifty forms."""
ALL = 16 * 1024 * 1024
"""Bytes of all uploads together: hundreds of small ones. Beyond it they go to the disk at once."""


@dataclass(slots=True)
class Buffers:
    """How much of the memory is free."""

    free: int = ALL
    _guard: threading.Lock = field(default_factory=threading.Lock)

    def take(self, count: int) -> bool:
        """``count`` more bytes are to be kept; False when there is no place for them."""
        with self._guard:
            if count > self.free:
                return False
            self.free -= count
            return True

    def give(self, count: int) -> None:
        """So many are on the disk now, or gone."""
        with self._guard:
            self.free += count
