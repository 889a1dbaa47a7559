"""Disk operations that survive a power cut, and nothing else. Every error is raised, none retried.

After a failed fsync the kernel may have dropped the dirty pages, and a second fsync can answer
OK (the PostgreSQL lesson); so a caller that sees an error gives the bytes up.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

_LIBC = ctypes.CDLL(None, use_errno=True)
_AT_FDCWD = -100
_RENAME_NOREPLACE = 1
_SYNC_FILE_RANGE_WRITE = 2


def sync_directory(path: Path | str) -> None:
    """Make the names in ``path`` survive: else a power cut may undo a rename."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        sync_opened(descriptor)
    finally:
        os.close(descriptor)


def sync_opened(directory: int) -> None:
    """The same for a directory that is open."""
    os.fsync(directory)


def rename_new(source: Path | str, target: Path | str, directory: int = _AT_FDCWD) -> None:
    """Rename, never over something that exists: FileExistsError then (renameat2 NOREPLACE).

    Relative names are those of the open ``directory``.
    """
    failed = _LIBC.renameat2(
        directory, os.fsencode(source), directory, os.fsencode(target), _RENAME_NOREPLACE
    )
    if failed:
        number = ctypes.get_errno()
        kind = FileExistsError if number in (errno.EEXIST, errno.ENOTEMPTY) else OSError
        raise kind(number, os.strerror(number), str(target))


def write_all(descriptor: int, data: bytes | memoryview, offset: int) -> None:
    """Write every byte at ``offset`` or raise; a short write goes on until the disk says why."""
    view = memoryview(data)
    while view:
        written = os.pwrite(descriptor, view, offset)
        view = view[written:]
        offset += written


def write_file(path: Path, data: bytes) -> None:
    """Create ``path`` with ``data`` and sync it; the caller syncs the directory."""
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o400)
    try:
        write_all(descriptor, data, 0)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class Unsynced:
    """Files that are written, in directories that got their names: to be made durable together.

    Each by itself waits for a commit of the file system's journal; those whose writing has begun
    before the first one waits are in one. They stay open so long.
    """

    def __init__(self) -> None:
        self._files: list[int] = []
        self._directories: dict[Path, None] = {}

    def __enter__(self) -> Unsynced:
        return self

    def __exit__(self, *_why: object) -> None:
        self.drop()

    def add(self, descriptors: Iterable[int], directory: Path) -> None:
        """Take these over, under descriptors of its own; the names are in ``directory``."""
        self._files.extend(os.dup(descriptor) for descriptor in descriptors)
        self._directories[directory] = None

    def sync(self) -> None:
        """Everything is on the disk when this returns. After an OSError all is to be given up."""
        for descriptor in self._files:
            begin_writing(descriptor)
        for descriptor in self._files:
            os.fsync(descriptor)
        for directory in self._directories:
            sync_directory(directory)
        self.drop()

    def drop(self) -> None:
        """Forget all: what nobody decided need not last."""
        while self._files:
            os.close(self._files.pop())
        self._directories.clear()


def begin_writing(descriptor: int) -> None:
    """Have the kernel begin to write a file; whether that was done, only an fsync says.

    It is asked to wait for nothing, because whoever asks it to wait takes the error, which the
    fsync then does not see. It waits all the same while the disk has too much to do.
    """
    _LIBC.sync_file_range(
        descriptor, ctypes.c_int64(0), ctypes.c_int64(0), ctypes.c_uint(_SYNC_FILE_RANGE_WRITE)
    )


_MARK = "user.fla-batch.published"


def mark_published(descriptor: int) -> None:
    """Mark an open file as published by the channel; a copy of it is not marked before it is whole.

    Raises OSError where the file system has no extended attributes; ``init`` asks first.
    """
    os.setxattr(descriptor, _MARK, b"1")


def is_published(file: int | Path) -> bool:
    """Whether the channel published this file (a descriptor, or a path that is no link)."""
    try:
        if isinstance(file, int):
            os.getxattr(file, _MARK)
        else:
            os.getxattr(file, _MARK, follow_symlinks=False)
    except OSError:
        return False
    return True


def replace_file(path: Path, data: bytes) -> None:
    """Put ``data`` at ``path`` in one step, whatever was there; the caller syncs the directory."""
    staging = path.with_name(path.name + ".new")
    staging.unlink(missing_ok=True)
    write_file(staging, data)
    staging.rename(path)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock file ``path`` alone, across threads and processes; a kill lets go of it."""
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
