"""SFTP version 3 as a client speaks it (draft-ietf-secsh-filexfer-02): bytes to requests.

Pure. ``stream.Reader`` cuts what a client sends into packets, ``decode`` reads one. It never
raises: a packet that cannot be read is a ``Malformed`` value.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum, IntFlag

VERSION = 3
MAX_DATA = 256 * 1024
"""Largest READ and WRITE: what OpenSSH itself uses; a longer READ is answered with this much."""
MAX_PACKET = MAX_DATA + 1024
"""Largest packet after its length field: the data, and room for the handle and the header."""
MAX_NAME = 4096
"""Largest path text: longer ones are no path of any system, so they are not even copied."""


class Packet(IntEnum):
    """Packet types (section 3)."""

    INIT = 1
    VERSION = 2
    OPEN = 3
    CLOSE = 4
    READ = 5
    WRITE = 6
    LSTAT = 7
    FSTAT = 8
    SETSTAT = 9
    FSETSTAT = 10
    OPENDIR = 11
    READDIR = 12
    REMOVE = 13
    MKDIR = 14
    RMDIR = 15
    REALPATH = 16
    STAT = 17
    RENAME = 18
    READLINK = 19
    SYMLINK = 20
    STATUS = 101
    HANDLE = 102
    DATA = 103
    NAME = 104
    ATTRS = 105
    EXTENDED = 200
    EXTENDED_REPLY = 201


class Status(IntEnum):
    """Status codes (section 7)."""

    OK = 0
    EOF = 1
    NO_SUCH_FILE = 2
    PERMISSION_DENIED = 3
    FAILURE = 4
    BAD_MESSAGE = 5
    OP_UNSUPPORTED = 8


class OpenFlag(IntFlag):
    """Flags of OPEN (section 6.3)."""

    READ = 0x01
    WRITE = 0x02
    APPEND = 0x04
    CREATE = 0x08
    TRUNCATE = 0x10
    EXCLUSIVE = 0x20


EXTENSIONS: tuple[tuple[bytes, bytes], ...] = (
    (b"posix-rename@openssh.com", b"1"),
    (b"fsync@openssh.com", b"1"),
    (b"limits@openssh.com", b"1"),
    (b"statvfs@openssh.com", b"2"),
)
"""Exactly what VERSION advertises and ``decode`` knows (openssh PROTOCOL, sections 4.3 to 4.8)."""


@dataclass(frozen=True, slots=True)
class Attributes:
    """ATTRS of version 3 (section 5); None where the flag is absent. Times in Unix seconds."""

    size: int | None = None
    owner: tuple[int, int] | None = None
    mode: int | None = None
    times: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Init:
    version: int


@dataclass(frozen=True, slots=True)
class Open:
    id: int
    path: bytes
    flags: OpenFlag
    attributes: Attributes


@dataclass(frozen=True, slots=True)
class Close:
    id: int
    handle: bytes


@dataclass(frozen=True, slots=True)
class Read:
    id: int
    handle: bytes
    offset: int
    length: int


@dataclass(frozen=True, slots=True)
class Write:
    id: int
    handle: bytes
    offset: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Stat:
    """STAT and LSTAT: the same, since there are no links here."""

    id: int
    path: bytes


@dataclass(frozen=True, slots=True)
class FStat:
    id: int
    handle: bytes


@dataclass(frozen=True, slots=True)
class SetStat:
    id: int
    path: bytes
    attributes: Attributes


@dataclass(frozen=True, slots=True)
class FSetStat:
    id: int
    handle: bytes
    attributes: Attributes


@dataclass(frozen=True, slots=True)
class OpenDirectory:
    id: int
    path: bytes


@dataclass(frozen=True, slots=True)
class ReadDirectory:
    id: int
    handle: bytes


@dataclass(frozen=True, slots=True)
class Remove:
    id: int
    path: bytes


@dataclass(frozen=True, slots=True)
class RealPath:
    id: int
    path: bytes


@dataclass(frozen=True, slots=True)
class Rename:
    """RENAME (``replace`` False) and posix-rename@openssh.com (True)."""

    id: int
    old: bytes
    new: bytes
    replace: bool


@dataclass(frozen=True, slots=True)
class Fsync:
    id: int
    handle: bytes


@dataclass(frozen=True, slots=True)
class Limits:
    id: int


@dataclass(frozen=True, slots=True)
class StatVfs:
    id: int
    path: bytes


@dataclass(frozen=True, slots=True)
class Unsupported:
    """A request of the protocol that this server does not do, or a type it does not know."""

    id: int
    type: int


@dataclass(frozen=True, slots=True)
class Malformed:
    """A packet that cannot be read. Without an id there is nobody to answer: close."""

    id: int | None
    reason: str


Request = (
    Init
    | Open
    | Close
    | Read
    | Write
    | Stat
    | FStat
    | SetStat
    | FSetStat
    | OpenDirectory
    | ReadDirectory
    | Remove
    | RealPath
    | Rename
    | Fsync
    | Limits
    | StatVfs
    | Unsupported
    | Malformed
)


class _Unreadable(Exception):
    """Ends the reading of a packet; says why."""


_MISFIT = "the fields of this request do not fit its length"
_KNOWN_ATTRIBUTES = 0x8000_000F
"""Bits of ATTRS (section 5). Of another nobody knows which fields it brings: a protocol error."""


class _Fields:
    """The fields of one packet, read from left to right."""

    __slots__ = ("_at", "_packet")

    def __init__(self, packet: bytes, at: int) -> None:
        self._packet, self._at = packet, at

    def uint32(self) -> int:
        return int.from_bytes(self._take(4), "big")

    def uint64(self) -> int:
        return int.from_bytes(self._take(8), "big")

    def string(self, longest: int = MAX_DATA) -> bytes:
        length = self.uint32()
        if length > longest:
            raise _Unreadable(f"a string of {length} bytes, and {longest} is the most it may have")
        return self._take(length)

    def path(self) -> bytes:
        return self.string(MAX_NAME)

    def handle(self) -> bytes:
        """A handle string (section 6: at most 256 bytes)."""
        return self.string(256)

    def attributes(self) -> Attributes:
        flags = self.uint32()
        if flags & ~_KNOWN_ATTRIBUTES:
            raise _Unreadable("attributes that version 3 of the protocol does not have")
        size = self.uint64() if flags & 0x01 else None
        owner = (self.uint32(), self.uint32()) if flags & 0x02 else None
        mode = self.uint32() if flags & 0x04 else None
        times = (self.uint32(), self.uint32()) if flags & 0x08 else None
        if flags & 0x8000_0000:
            for _ in range(self.uint32()):
                self.string()
                self.string()
        return Attributes(size, owner, mode, times)

    def end(self) -> None:
        if self._at != len(self._packet):
            raise _Unreadable(_MISFIT)

    def _take(self, count: int) -> bytes:
        end = self._at + count
        if end > len(self._packet):
            raise _Unreadable(_MISFIT)
        taken = self._packet[self._at : end]
        self._at = end
        return taken


def decode(packet: bytes) -> Request:
    """Read one packet as given by ``stream.Reader``; never raises.

    Nothing may follow the last field, except in a WRITE: the Go library of rclone 1.60 sends its
    whole buffer after the length of what is in it.
    """
    if packet[:1] == bytes([Packet.INIT]):
        version = int.from_bytes(packet[1:5], "big")
        return Init(version) if len(packet) >= 5 else Malformed(None, "INIT without a version")
    if len(packet) < 5:
        return Malformed(None, "a request without an id")
    kind, identifier = packet[0], int.from_bytes(packet[1:5], "big")
    read = _DECODERS.get(kind)
    if read is None:
        return Unsupported(identifier, kind)
    fields = _Fields(packet, 5)
    try:
        request = read(identifier, fields)
        if not isinstance(request, Unsupported | Write):
            fields.end()
    except _Unreadable as error:
        return Malformed(identifier, str(error))
    return request


def _open(identifier: int, fields: _Fields) -> Request:
    path, flags = fields.path(), OpenFlag(fields.uint32() & 0x3F)
    return Open(identifier, path, flags, fields.attributes())


def _extended(identifier: int, fields: _Fields) -> Request:
    match fields.string():
        case b"posix-rename@openssh.com":
            return Rename(identifier, fields.path(), fields.path(), True)
        case b"fsync@openssh.com":
            return Fsync(identifier, fields.handle())
        case b"limits@openssh.com":
            return Limits(identifier)
        case b"statvfs@openssh.com":
            return StatVfs(identifier, fields.path())
        case _:
            return Unsupported(identifier, Packet.EXTENDED)


_DECODERS: dict[int, Callable[[int, _Fields], Request]] = {
    Packet.OPEN: _open,
    Packet.CLOSE: lambda i, f: Close(i, f.handle()),
    Packet.READ: lambda i, f: Read(i, f.handle(), f.uint64(), f.uint32()),
    Packet.WRITE: lambda i, f: Write(i, f.handle(), f.uint64(), f.string()),
    Packet.LSTAT: lambda i, f: Stat(i, f.path()),
    Packet.STAT: lambda i, f: Stat(i, f.path()),
    Packet.FSTAT: lambda i, f: FStat(i, f.handle()),
    Packet.SETSTAT: lambda i, f: SetStat(i, f.path(), f.attributes()),
    Packet.FSETSTAT: lambda i, f: FSetStat(i, f.handle(), f.attributes()),
    Packet.OPENDIR: lambda i, f: OpenDirectory(i, f.path()),
    Packet.READDIR: lambda i, f: ReadDirectory(i, f.handle()),
    Packet.REMOVE: lambda i, f: Remove(i, f.path()),
    Packet.REALPATH: lambda i, f: RealPath(i, f.path()),
    Packet.RENAME: lambda i, f: Rename(i, f.path(), f.path(), False),
    Packet.EXTENDED: _extended,
}
"""The rest of version 3 (MKDIR, RMDIR, READLINK, SYMLINK) is not done here: Unsupported."""
