"""A ZIP in one form only: members stored as they are, in order, with no time and nothing between.

Written and read here and nowhere else, so that the same members give the same bytes, and a reader
can say of every byte of a file whether it may be there (APPNOTE.TXT of PKWARE, 6.3.9). Nothing is
compressed: no member is larger than its file, and SHA-256 of what ``unzip`` shows is that in the
index. Nothing is ever written to a disk by reading.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final

BLOCK: Final = 1 << 20
MAX_MEMBERS: Final = 20_000
"""A set has at most 9 parts, its answers and links; a stem may have come with many contents."""
_MAX_DIRECTORY: Final = 8_000_000  # bytes; 20,000 entries with the longest names that are written
_NAME: Final = re.compile(r"(?:[A-Za-z0-9_@+-][A-Za-z0-9._@+-]*/)*[A-Za-z0-9_@+-][A-Za-z0-9._@+-]*")
_MAX_NAME: Final = 300

_LOCAL: Final = struct.Struct("<4sHHHHHLLLHH")
_CENTRAL: Final = struct.Struct("<4sHHHHHHLLLHHHHHLL")
_END: Final = struct.Struct("<4sHHHHLLH")
_END64: Final = struct.Struct("<4sQHHLLQQQQ")
_LOCATOR64: Final = struct.Struct("<4sLQL")
_BIG: Final = 0xFFFFFFFF
_STORED, _DAY, _MODE = 0, 0x21, 0o100600 << 16  # 1980-01-01, which is ZIP's zero; owner alone
_PLAIN, _ZIP64 = 20, 45
_UNIX: Final = 3 << 8


class NotStored(ValueError):
    """The file is not an archive of this form; the message says where it departs from it."""


@dataclass(frozen=True, slots=True)
class Member:
    """A member of an archive; ``start`` is where its bytes begin in the file."""

    name: str
    size: int
    crc: int
    start: int


@dataclass(frozen=True, slots=True)
class _Entry:
    name: str
    size: int
    crc: int
    offset: int

    def local(self) -> bytes:
        big = self.size >= _BIG
        extra = struct.pack("<HHQQ", 1, 16, self.size, self.size) if big else b""
        size, name = _BIG if big else self.size, self.name.encode("ascii")
        version = _ZIP64 if big else _PLAIN
        head = (b"PK\3\4", version, 0, _STORED, 0, _DAY, self.crc, size, size)
        return _LOCAL.pack(*head, len(name), len(extra)) + name + extra

    def central(self) -> bytes:
        large = [self.size, self.size] if self.size >= _BIG else []
        large += [self.offset] if self.offset >= _BIG else []
        extra = struct.pack(f"<HH{len(large)}Q", 1, 8 * len(large), *large) if large else b""
        size, offset = min(self.size, _BIG), min(self.offset, _BIG)
        version, name = _ZIP64 if large else _PLAIN, self.name.encode("ascii")
        head = (b"PK\1\2", _UNIX | version, version, 0, _STORED, 0, _DAY, self.crc, size, size)
        return _CENTRAL.pack(*head, len(name), len(extra), 0, 0, 0, _MODE, offset) + name + extra


class Writer:
    """Writes members one after the other into ``stream``, which can be sought in."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._entries: list[_Entry] = []
        self._names: set[str] = set()
        self._at = 0

    def add(self, name: str, size: int, blocks: Iterable[bytes]) -> None:
        """A member of exactly ``size`` bytes; NotStored when it has another size, or no name."""
        if not is_name(name) or name in self._names:
            raise NotStored(f"{name!r} cannot be the name of a member")
        if len(self._entries) == MAX_MEMBERS:
            raise NotStored(f"an archive has at most {MAX_MEMBERS} members")
        self._names.add(name)
        self._stream.write(_Entry(name, size, 0, self._at).local())
        crc = written = 0
        for block in blocks:
            crc, written = zlib.crc32(block, crc), written + len(block)
            self._stream.write(block)
        if written != size:
            raise NotStored(f"{name} has {written} bytes, not {size}")
        entry = _Entry(name, size, crc, self._at)
        self._stream.seek(self._at)
        self._stream.write(entry.local())
        self._at += len(entry.local()) + size
        self._stream.seek(self._at)
        self._entries.append(entry)

    def end(self) -> None:
        """The directory, which ends the archive."""
        self._stream.write(_tail(self._entries, self._at))


def is_name(text: str) -> bool:
    """Whether a member may be called so: a relative path of plain parts, none of which hides."""
    return len(text) <= _MAX_NAME and _NAME.fullmatch(text) is not None


class Reader:
    """An archive of this form in ``stream``; raises NotStored when it is none, to the last byte."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.members = {member.name: member for member in _members(stream)}

    def blocks(self, name: str) -> Iterator[bytes]:
        """The bytes of a member; NotStored at the end when they do not fit its checksum."""
        member = self.members[name]
        left, crc, at = member.size, 0, member.start
        while left:
            self._stream.seek(at)
            block = self._stream.read(min(left, BLOCK))
            if not block:
                raise NotStored(f"{name} breaks off")
            crc, left, at = zlib.crc32(block, crc), left - len(block), at + len(block)
            yield block
        if crc != member.crc:
            raise NotStored(f"{name} is not what its checksum says")

    def read(self, name: str, limit: int) -> bytes:
        """A small member whole; NotStored when it is larger than ``limit``."""
        if self.members[name].size > limit:
            raise NotStored(f"{name} has {self.members[name].size} bytes, more than {limit}")
        return b"".join(self.blocks(name))


def _tail(entries: list[_Entry], at: int) -> bytes:
    directory = b"".join(entry.central() for entry in entries)
    count, size = len(entries), len(directory)
    record = b""
    if at >= _BIG or count >= 0xFFFF:
        versions = (_UNIX | _ZIP64, _ZIP64)
        record = _END64.pack(b"PK\6\6", 44, *versions, 0, 0, count, count, size, at)
        record += _LOCATOR64.pack(b"PK\6\7", 0, at + size, 1)
    few = min(count, 0xFFFF)
    return directory + record + _END.pack(b"PK\5\6", 0, 0, few, few, size, min(at, _BIG), 0)


def _members(stream: BinaryIO) -> list[Member]:
    """Read the directory, then ask whether a file of these members would be this very file."""
    size = stream.seek(0, 2)
    start, length = _directory(stream, size)
    stream.seek(start)
    entries = _entries(stream.read(length))
    members, at = [], 0
    for entry in entries:
        if entry.offset != at:
            raise NotStored(f"{entry.name} does not begin where the one before it ends")
        stream.seek(at)
        local = entry.local()
        if stream.read(len(local)) != local:
            raise NotStored(f"{entry.name} begins otherwise than the directory says")
        members.append(Member(entry.name, entry.size, entry.crc, at + len(local)))
        at += len(local) + entry.size
    stream.seek(start)
    if at != start or stream.read(size - start) != _tail(entries, at):
        raise NotStored("the file holds bytes that belong to no member, or its end is not its own")
    return members


def _directory(stream: BinaryIO, size: int) -> tuple[int, int]:
    """Where the directory begins and how long it is, by the record that ends the file."""
    if size < _END.size:
        raise NotStored("the file is no ZIP archive, or was cut short")
    stream.seek(size - _END.size)
    mark, _, _, _, _, length, start, _ = _END.unpack(stream.read(_END.size))
    if mark != b"PK\5\6":
        raise NotStored("the file does not end as a ZIP archive does: it was cut, or added to")
    if start == _BIG or start + length + _END.size != size:
        place = size - _END.size - _LOCATOR64.size - _END64.size
        if place < 0:
            raise NotStored("the directory of the archive is not at its end")
        stream.seek(place)
        found = _END64.unpack(stream.read(_END64.size))
        if found[0] != b"PK\6\6":
            raise NotStored("the directory of the archive is not at its end")
        length, start = found[8], found[9]
    if length > _MAX_DIRECTORY or start + length > size:
        raise NotStored("the directory of the archive does not fit into it")
    return start, length


def _entries(directory: bytes) -> list[_Entry]:
    found: list[_Entry] = []
    names: set[str] = set()
    at = 0
    while at < len(directory):
        if len(found) == MAX_MEMBERS:
            raise NotStored(f"the archive has more than {MAX_MEMBERS} members")
        entry, at = _entry(directory, at)
        if entry.name in names:
            raise NotStored(f"{entry.name} stands twice in the archive")
        names.add(entry.name)
        found.append(entry)
    return found


def _entry(directory: bytes, at: int) -> tuple[_Entry, int]:
    try:
        fields = _CENTRAL.unpack_from(directory, at)
    except struct.error:
        raise NotStored("the directory of the archive breaks off") from None
    mark, method, crc, size, name_length, extra_length, offset = (
        *(fields[i] for i in (0, 4, 7, 9, 10, 11)),
        fields[16],
    )
    begin = at + _CENTRAL.size
    name = directory[begin : begin + name_length].decode("ascii", "replace")
    if mark != b"PK\1\2" or not is_name(name):
        raise NotStored(f"a member has a name that no evidence has: {name[:60]!r}")
    if method != _STORED:
        raise NotStored(f"{name} is compressed, which no member of evidence is")
    end = begin + name_length + extra_length
    numbers = _large(directory[begin + name_length : end])
    if size == _BIG:
        size, numbers = (numbers[0] if numbers else size), numbers[2:]
    if offset == _BIG and numbers:
        offset = numbers[0]
    return _Entry(name, size, crc, offset), end


def _large(extra: bytes) -> list[int]:
    """The numbers of a ZIP64 field, if that is what ``extra`` is; all is compared later."""
    if len(extra) < 4 or (len(extra) - 4) % 8:
        return []
    return list(struct.unpack(f"<{(len(extra) - 4) // 8}Q", extra[4:]))
