"""The contents of a stem that are sealed already, so that each manifest is read once and not at
every GO of its stem: a sender may send thousands under one.

A manifest never changes, and a content stays where it is found (docs/decisions/0004), so what was
read holds; a process that starts reads again. What another process sealed meanwhile comes after the
last one known, and is looked for each time.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from batch.identifiers import SenderNumber
from batch.names import Folder

KEPT = 20_000
"""Contents remembered at once, some hundred bytes each, and five hundred for a stem. Beyond them
the stem that was asked for longest ago is forgotten, and read again when it comes."""

Stem = tuple[SenderNumber, Folder, str]
Identity = tuple[str, ...]
"""See ``sealing.identity``."""


@dataclass(slots=True)
class _Known:
    """The contents 1 to ``count`` of one stem."""

    count: int = 0
    marks: set[bytes] = field(default_factory=set)

    def add(self, identity: Identity) -> None:
        self.count += 1
        self.marks.add(_mark(identity))


@dataclass(slots=True)
class Contents:
    """What one process knows of them. Ask under the lock of the stem's channel."""

    _stems: OrderedDict[Stem, _Known] = field(default_factory=OrderedDict)
    _kept: int = 0
    _guard: threading.Lock = field(default_factory=threading.Lock)

    def ordinal(
        self, stem: Stem, mine: Identity, read: Callable[[int], Identity | None]
    ) -> int | None:
        """Which content of its stem ``mine`` is; None when it adds nothing to one that is there.

        ``read`` gives the identity of a content by its number, None where there is none.
        """
        known = self._take(stem)
        if known.count and read(known.count) is None:  # somebody took it away
            known = _Known()
        try:
            while (found := read(known.count + 1)) is not None:
                known.add(found)
        finally:
            self._put(stem, known)
        if known.count and (not mine or _mark(mine) in known.marks):
            return None
        return known.count + 1

    def _take(self, stem: Stem) -> _Known:
        with self._guard:
            known = self._stems.pop(stem, None) or _Known()
            self._kept -= known.count
            return known

    def _put(self, stem: Stem, known: _Known) -> None:
        if not known.count:
            return
        with self._guard:
            self._stems[stem] = known
            self._kept += known.count
            while self._kept > KEPT:
                _, forgotten = self._stems.popitem(last=False)
                self._kept -= forgotten.count


def _mark(identity: Identity) -> bytes:
    return hashlib.sha256("\n".join(identity).encode()).digest()
