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

    def has(self, name: str) -> bool:
        """Whether there is anything under a name."""
        try:
            os.stat(name, dir_fd=self.descriptor, follow_symlinks=False)
        except FileNotFoundError:
            return False
        return True

    def files(self) -> Iterator[tuple[str, os.stat_result]]:
        """Every regular file that has a safe name; no sender made one with another."""
        with os.scandir(self.descriptor) as listing:
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

    def put(self, source: Path, name: str) -> None:
        """Move a file of the spool in, from whatever has the name."""
        os.rename(source, name, dst_dir_fd=self.descriptor)

    def take(self, name: str, target: Path) -> None:
        """Move a file out into the spool."""
        os.rename(name, target, src_dir_fd=self.descriptor)

    def link(self, name: str, target: Path) -> None:
        """Give a file of the folder a second name in the spool."""
        os.link(name, target, src_dir_fd=self.descriptor, follow_symlinks=False)

    def link_in(self, source: Path, name: str) -> None:
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
    with ExitStack() as opened:
        at = _open(folder.parent.parent, os.O_RDONLY | os.O_CLOEXEC | os.O_DIRECTORY, None, opened)
        for part in (folder.parent.name, folder.name):
            try:
                at = _open(Path(part), _FOLLOW_NOTHING | os.O_DIRECTORY, at, opened)
            except OSError as error:
                if error.errno in _NO_DIRECTORY:
                    raise SpoolFault(
                        f"{folder}: {part} is a link or no directory; nothing is done there"
                    ) from error
                raise
        yield Held(at)


def make_folders(channels: Path, sender: str) -> None:
    """Make those of the sender's four folders that are not there, through no link.

    What else stands in the place of one is left, and told by ``held``.
    """
    with ExitStack() as opened:
        top = Held(_open(channels, os.O_RDONLY | os.O_CLOEXEC | os.O_DIRECTORY, None, opened))
        _make(top, sender)
        try:
            at = _open(Path(sender), _FOLLOW_NOTHING | os.O_DIRECTORY, top.descriptor, opened)
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


def _open(path: Path, flags: int, where: int | None, opened: ExitStack) -> int:
    descriptor = os.open(path, flags, dir_fd=where)
    opened.callback(os.close, descriptor)
    return descriptor
