"""A sender's folder held open, and everything done in it: by its descriptor, never through a link.

Each part of the way is opened in the one before, and a link in its place is refused; from then on
the folder is this directory, whatever is put in place of its path. A name in it is one component.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from batch.errors import SpoolFault
from batch.names import SAFE_NAME, Folder
from batch.storage import durable

_FOLLOW_NOTHING = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
_NO_DIRECTORY = (errno.ELOOP, errno.ENOTDIR)
_NO_FILE = (errno.ENOENT, errno.ELOOP, errno.ENXIO)
"""Errors of opening what is not there, is a link, or is a socket."""


@dataclass(frozen=True, slots=True)
class Held:
    """An open directory. Every method takes names of one component; raises OSError."""

    descriptor: int

    def status(self, name: str) -> os.stat_result | None:
        """The status of a regular file; None for what is not there, or anything else."""
        try:
            found = os.stat(name, dir_fd=self.descriptor, follow_symlinks=False)
        except FileNotFoundError:
            return None
        return found if stat.S_ISREG(found.st_mode) else None

    def has_file(self, name: str) -> bool:
        """Whether a regular file has the name."""
        return self.status(name) is not None

    def has(self, name: str) -> bool:
        """Whether there is anything under a name."""
        try:
            os.stat(name, dir_fd=self.descriptor, follow_symlinks=False)
        except FileNotFoundError:
            return False
        return True

    def is_directory(self, name: str) -> bool:
        """Whether a directory has the name: no file can be put in its place."""
        try:
            found = os.stat(name, dir_fd=self.descriptor, follow_symlinks=False)
        except FileNotFoundError:
            return False
        return stat.S_ISDIR(found.st_mode)

    def names(self, most: int) -> list[str] | None:
        """Every name there is, safe or not; None when there are more than ``most``."""
        with self._listing() as listing:
            found = [item.name for item in islice(listing, most + 1)]
        return found if len(found) <= most else None

    @contextmanager
    def _listing(self) -> Iterator[Iterator[os.DirEntry[str]]]:
        """The folder opened anew: on btrfs a directory lists what it held when it was opened."""
        again = os.open(".", _FOLLOW_NOTHING | os.O_DIRECTORY, dir_fd=self.descriptor)
        try:
            with os.scandir(again) as listing:
                yield listing
        finally:
            os.close(again)

    def files(self) -> Iterator[tuple[str, os.stat_result]]:
        """Every regular file that has a safe name; no sender made one with another."""
        with self._listing() as listing:
            names = [item.name for item in listing if SAFE_NAME.fullmatch(item.name)]
        for name in names:
            found = self.status(name)
            if found is not None:  # else no file, or taken away while we were listing
                yield name, found

    def open(self, name: str) -> int:
        """A descriptor to read a regular file; FileNotFoundError for anything else.

        Anything else is not even opened: a FIFO would let its writer go on, a device may act. One
        that is put there between the two calls is not waited for.
        """
        try:
            if self.status(name) is None:
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), name)
            opened = os.open(name, _FOLLOW_NOTHING | os.O_NONBLOCK, dir_fd=self.descriptor)
        except OSError as error:
            if error.errno in _NO_FILE:
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), name) from error
            raise
        if not stat.S_ISREG(os.fstat(opened).st_mode):
            os.close(opened)
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), name)
        return opened

    def is_published(self, name: str) -> bool:
        """Whether the channel published this file."""
        try:
            opened = self.open(name)
        except OSError:
            return False
        try:
            return durable.is_published(opened)
        finally:
            os.close(opened)

    def rename(self, old: str, new: str) -> None:
        """Inside the folder, from whatever has the name ``new``."""
        os.rename(old, new, src_dir_fd=self.descriptor, dst_dir_fd=self.descriptor)

    def rename_new(self, old: str, new: str) -> None:
        """Inside the folder; FileExistsError when there is anything under ``new``."""
        durable.rename_new(old, new, self.descriptor)

    def put(self, source: Path | str, name: str) -> None:
        """Move a file of the spool in, from whatever has the name."""
        os.rename(source, name, dst_dir_fd=self.descriptor)

    def take(self, name: str, target: Path) -> None:
        """Move a file out into the spool."""
        os.rename(name, target, src_dir_fd=self.descriptor)

    def link(self, name: str, target: Path | str) -> None:
        """Give a file of the folder a second name in the spool."""
        os.link(name, target, src_dir_fd=self.descriptor, follow_symlinks=False)

    def link_in(self, source: Path | str, name: str) -> None:
        """Give a file of the spool a second name here; FileExistsError when it is taken."""
        os.link(source, name, dst_dir_fd=self.descriptor, follow_symlinks=False)

    def unlink(self, name: str) -> None:
        os.unlink(name, dir_fd=self.descriptor)

    def sync(self) -> None:
        """Make its names survive a power cut."""
        durable.sync_opened(self.descriptor)


@contextmanager
def held(folder: Path) -> Iterator[Held]:
    """Hold ``<channels>/<sender>/<folder>`` open.

    Raises SpoolFault when a part of it is a link, or no directory; FileNotFoundError when it is not
    there.
    """
    root, at = opened(str(folder.parent.parent), folder.parent.name, folder.name)
    try:
        yield Held(at)
    finally:
        os.close(at)
        os.close(root)


def opened(channels: str, sender: str, folder: str) -> tuple[int, int]:
    """Descriptors of the sender's directory and of the folder in it; raises as ``held``."""
    with ExitStack() as way:
        at = _open(channels, os.O_RDONLY | os.O_CLOEXEC | os.O_DIRECTORY, None, way)
        found: list[int] = []
        for part in (sender, folder):
            try:
                at = os.open(part, _FOLLOW_NOTHING | os.O_DIRECTORY, dir_fd=at)
            except OSError as error:
                for each in found:
                    os.close(each)
                if error.errno in _NO_DIRECTORY:
                    raise SpoolFault(
                        f"{channels}/{sender}/{folder}: {part} is a link or no directory; nothing "
                        "is done there"
                    ) from error
                raise
            found.append(at)
    root, at = found
    return root, at


def make_folders(channels: Path, sender: str) -> None:
    """Make those of the sender's four folders that are not there, through no link.

    What else stands in the place of one is left, and told by ``held``.
    """
    with ExitStack() as way:
        top = Held(_open(channels, os.O_RDONLY | os.O_CLOEXEC | os.O_DIRECTORY, None, way))
        _make(top, sender)
        try:
            at = _open(sender, _FOLLOW_NOTHING | os.O_DIRECTORY, top.descriptor, way)
        except OSError as error:
            if error.errno in _NO_DIRECTORY:
                return
            raise
        root = Held(at)
        missing = [folder for folder in Folder if not root.has(folder)]
        for folder in missing:
            _make(root, folder)
        if missing:
            root.sync()
            top.sync()


def _make(place: Held, name: str) -> None:
    if not place.has(name):
        with suppress(FileExistsError):  # another process of ours was faster
            os.mkdir(name, 0o700, dir_fd=place.descriptor)


def _open(path: Path | str, flags: int, where: int | None, way: ExitStack) -> int:
    descriptor = os.open(path, flags, dir_fd=where)
    way.callback(os.close, descriptor)
    return descriptor
