"""Open handles: an upload, a download, a directory. Each stands on one thing of the spool."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice

from batch.names import Folder, Kind
from batch.settings import Settings
from batch.sftp_server.home import EntryPlace
from batch.sftp_server.protocol import MAX_DATA, Attributes
from batch.storage.entries import Entry
from batch.storage.upload import Upload

NAMES_PER_REPLY = 128
"""Names in one reply to READDIR: under 30 kB with the longest ones."""

_ROOM = memoryview(bytearray(MAX_DATA))
"""What the event loop reads into: new memory for each block costs more than to read it."""
_LARGEST_OFFSET = 2**63 - 1
_DIRECTORY_MODE = stat.S_IFDIR | 0o700
_FILE_MODE = stat.S_IFREG | 0o600
_SEALED_MODE = stat.S_IFREG | 0o400
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def limit_for(name: str, settings: Settings) -> int:
    """How many bytes a file of this name may have. A temporary name may become an FI."""
    match name.split(".", 1)[0]:
        case Kind.FS:
            return settings.max_signature_bytes
        case _:
            return settings.max_file_bytes


@dataclass(slots=True)
class UploadHandle:
    """A file being written; only ``publish`` gives it its name."""

    place: EntryPlace
    upload: Upload
    append: bool
    opened: float

    def write(self, offset: int, data: bytes) -> None:
        """Raises OSError or Denied, and then the upload is poisoned for good."""
        self.upload.write(self.upload.size if self.append else offset, data)

    def write_now(self, offset: int, data: bytes) -> bool:
        """The same where memory takes it; else False, and nothing was done."""
        return self.upload.write_now(self.upload.size if self.append else offset, data)

    def sync(self) -> None:
        """Bring the bytes so far to the disk; an error poisons, since fsync is never repeated."""
        self.upload.sync()

    def attributes(self) -> Attributes:
        at = _in_32_bits(self.opened)
        return Attributes(self.upload.size, None, _FILE_MODE, (at, at))


class NotInMemory(Exception):
    """What is asked for is not known, or not in the page cache: it takes a wait for the disk."""


@dataclass(slots=True)
class DownloadHandle:
    """A published file being read."""

    place: EntryPlace
    descriptor: int

    def read(self, offset: int, length: int) -> bytes:
        """At most MAX_DATA bytes, whatever was asked; empty at the end. Waits for the disk."""
        if offset > _LARGEST_OFFSET - MAX_DATA:
            return b""
        return os.pread(self.descriptor, min(length, MAX_DATA), offset)

    def read_now(self, offset: int, length: int) -> bytes | memoryview:
        """The same without waiting. Raises NotInMemory where it would wait, or cannot know.

        What is given is good until the next call, for any file.
        """
        if offset > _LARGEST_OFFSET - MAX_DATA:
            return b""
        block = _ROOM[: min(length, MAX_DATA)]
        try:
            count = os.preadv(self.descriptor, [block], offset, os.RWF_NOWAIT)
        except OSError as error:
            if error.errno in (errno.EAGAIN, errno.EOPNOTSUPP):
                raise NotInMemory from None
            raise
        if count < len(block) and offset + count < os.fstat(self.descriptor).st_size:
            raise NotInMemory
        return block[:count]

    def attributes(self) -> Attributes:
        found = os.fstat(self.descriptor)
        at = _in_32_bits(found.st_mtime)
        return Attributes(found.st_size, None, _FILE_MODE, (at, at))

    def close(self) -> None:
        os.close(self.descriptor)


Line = tuple[bytes, bytes, Attributes]
"""One name of a listing: name, the line a person reads, attributes."""


@dataclass(slots=True)
class DirectoryHandle:
    """A listing of ``count`` names as it was at OPENDIR."""

    lines: Iterator[Line]
    count: int

    def read(self) -> list[Line]:
        """The next names; none at the end."""
        return list(islice(self.lines, NAMES_PER_REPLY))


Handle = UploadHandle | DownloadHandle | DirectoryHandle


def directory_attributes() -> Attributes:
    """What STAT says of the root and the four folders."""
    return Attributes(None, None, _DIRECTORY_MODE, None)


def entry_attributes(entry: Entry) -> Attributes:
    """What STAT says of a file: a sealed one is read-only."""
    at = _in_32_bits(entry.modified)
    return Attributes(entry.size, None, _SEALED_MODE if entry.sealed else _FILE_MODE, (at, at))


def remembered_attributes(size: int, modified: float) -> Attributes:
    """What STAT says of a file that this session published and the worker has taken."""
    at = _in_32_bits(modified)
    return Attributes(size, None, _SEALED_MODE, (at, at))


def _in_32_bits(at: float) -> int:
    """A time as version 3 can tell it (section 5): from 1970 to 2106, the nearest for any other."""
    return max(0, min(int(at), 2**32 - 1))


def folder_lines(folders: Sequence[Folder], now: float) -> Iterator[Line]:
    """The listing of the root."""
    given = directory_attributes()
    for folder in folders:
        yield folder.encode(), long_name(folder, given, now, now), given


def entry_lines(entries: Sequence[Entry], now: float) -> Iterator[Line]:
    """The listing of a folder, made as it is read."""
    for entry in entries:
        given = entry_attributes(entry)
        yield entry.name.encode(), long_name(entry.name, given, entry.modified, now), given


def long_name(name: str, given: Attributes, modified: float, now: float) -> bytes:
    """The line of ``ls -l`` (filexfer section 7): some clients read sizes and types from it.

    The time of day within half a year of ``now``, else the year; always UTC, and as far as the
    attributes can tell it.
    """
    at = datetime.fromtimestamp(_in_32_bits(modified), UTC)
    recent = abs(now - modified) < 182 * 86400
    when = f"{at:%H:%M}" if recent else f"{at.year:5d}"
    month = _MONTHS[at.month - 1]
    front = f"{stat.filemode(given.mode or 0)}    1 sender   channel"
    return f"{front} {given.size or 0:>11} {month} {at.day:>2} {when} {name}".encode()
