"""Folders of senders kept open between requests, so that each need not be found anew.

A descriptor that is kept is used only while its path still leads to that very directory, and
through no link: what was put in its place is opened as ``beneath.held`` does it, or refused.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections import OrderedDict
from dataclasses import dataclass, field
from types import TracebackType

from batch.storage import beneath
from batch.storage.beneath import Held

MOST = 4
"""Folders kept where nobody says how many descriptors there are: two of each."""


@dataclass(slots=True, eq=False)
class _Open:
    """A sender's directory and a folder in it, open; closed when nobody uses it any more."""

    root: int
    folder: int
    root_is: tuple[int, int]
    folder_is: tuple[int, int]
    users: int = 0
    dropped: bool = False


@dataclass(slots=True, weakref_slot=True)
class KeptFolders:
    """The folders used last, of all senders below ``channels``; at most ``most``.

    They are closed with the last use of it, as an open file is.
    """

    channels: str
    most: int = MOST
    _kept: OrderedDict[tuple[str, str], _Open] = field(default_factory=OrderedDict)
    _guard: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        weakref.finalize(self, _close_all, self._kept)

    def held(self, sender: str, folder: str) -> _Use:
        """Hold the folder; raises as ``beneath.held``."""
        return _Use(self, (sender, folder))

    def close(self) -> None:
        """Close all that nobody uses now; what is used is closed after it."""
        with self._guard:
            gone = list(self._kept.values())
            self._kept.clear()
        for each in gone:
            self._release(each)

    def take(self, key: tuple[str, str]) -> _Open:
        with self._guard:
            found = self._kept.get(key)
            if found is not None:
                self._kept.move_to_end(key)
                found.users += 1
        if found is not None:
            if self._is_there_still(key, found):
                return found
            self._drop(key, found)
            self.give(found)
        return self._open(key)

    def give(self, opened: _Open) -> None:
        with self._guard:
            opened.users -= 1
            over = opened.dropped and not opened.users
        if over:
            _close(opened)

    def _is_there_still(self, key: tuple[str, str], opened: _Open) -> bool:
        sender, folder = key
        try:
            root = os.stat(f"{self.channels}/{sender}", follow_symlinks=False)
            if (root.st_dev, root.st_ino) != opened.root_is:
                return False
            found = os.stat(folder, dir_fd=opened.root, follow_symlinks=False)
        except OSError:
            return False
        return (found.st_dev, found.st_ino) == opened.folder_is

    def _open(self, key: tuple[str, str]) -> _Open:
        root, folder = beneath.opened(self.channels, *key)
        made = _Open(root, folder, _identity(root), _identity(folder), users=1)
        with self._guard:
            other = self._kept.pop(key, None)
            self._kept[key] = made
            gone = [] if other is None else [other]
            while len(self._kept) > self.most:
                gone.append(self._kept.popitem(last=False)[1])
        for each in gone:
            self._release(each)
        return made

    def _drop(self, key: tuple[str, str], opened: _Open) -> None:
        with self._guard:
            if self._kept.get(key) is opened:
                del self._kept[key]
            opened.dropped = True

    def _release(self, opened: _Open) -> None:
        with self._guard:
            opened.dropped = True
            over = not opened.users
        if over:
            _close(opened)


class _Use:
    """One use of a folder, as a context."""

    __slots__ = ("_folders", "_key", "_opened")

    def __init__(self, folders: KeptFolders, key: tuple[str, str]) -> None:
        self._folders, self._key = folders, key

    def __enter__(self) -> Held:
        self._opened = self._folders.take(self._key)
        return Held(self._opened.folder)

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _where: TracebackType | None,
    ) -> None:
        self._folders.give(self._opened)


def _identity(descriptor: int) -> tuple[int, int]:
    found = os.fstat(descriptor)
    return found.st_dev, found.st_ino


def _close_all(kept: OrderedDict[tuple[str, str], _Open]) -> None:
    while kept:
        _close(kept.popitem()[1])


def _close(opened: _Open) -> None:
    os.close(opened.folder)
    os.close(opened.root)
