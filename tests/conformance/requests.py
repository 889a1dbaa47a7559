"""Requests as data: what is sent, before it is known what the things it names are called."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import IntEnum

ID = 7
"""The id of a request that has none of its own."""
CONTENT = b"0123456789"
"""What stands in a file that was prepared."""


class Type(IntEnum):
    """Types of requests (section 3)."""

    INIT = 1
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
    EXTENDED = 200


READ, WRITE, APPEND, CREATE, TRUNCATE, EXCLUSIVE = 0x01, 0x02, 0x04, 0x08, 0x10, 0x20
"""Flags of OPEN (section 6.3)."""
FRESH = WRITE | CREATE | TRUNCATE


@dataclass(frozen=True)
class Number:
    """A number of so many bytes."""

    value: int
    size: int = 4


@dataclass(frozen=True)
class Raw:
    """Bytes as they are, without a length before them."""

    content: bytes


@dataclass(frozen=True)
class Path:
    """A name of the case's own in the folder of the run; none at all is the folder itself."""

    name: bytes
    prepared: bool = False
    """Does a file with CONTENT stand there before the case?"""
    after: bytes = b""
    """What follows the name in the path."""
    fill: int = 0
    """Made this many bytes long: the longest names of most systems have 255."""
    full: bool = False
    """Among the names an answer has: with its folder, as REALPATH gives it."""

    def then(self, text: bytes) -> Path:
        """The same path with more text at its end."""
        return replace(self, after=self.after + text)

    def below(self, name: bytes) -> Path:
        """A name in what would be a folder of this name."""
        return self.then(b"/" + name)

    def whole(self) -> Path:
        """What answers are to have: the path from the root, not the name alone."""
        return replace(self, full=True)


FOLDER = Path(b"")
FILE = Path(b"file", prepared=True)
SECOND = Path(b"second", prepared=True)
NEW = Path(b"new")


@dataclass(frozen=True)
class Opened:
    """The handle that a request gives; it is sent when the handle is first needed."""

    request: Request
    elsewhere: bool = False
    """In another session, which stays open."""
    closed: bool = False
    """Closed again before it is used."""


Field = bytes | Number | Raw | Path | Opened
"""Bytes, paths and handles are strings: a length goes before them (section 3)."""


@dataclass(frozen=True)
class Request:
    """One packet. ``cut`` bytes are taken from its end and ``tail`` is put there; its length says
    what it then has."""

    type: int
    fields: tuple[Field, ...] = ()
    id: int | None = ID
    cut: int = 0
    tail: bytes = b""

    def packet(self, named: Callable[[Path | Opened], bytes]) -> bytes:
        """The bytes to send, once it is known what its paths and handles are called."""
        number = b"" if self.id is None else struct.pack(">I", self.id)
        body = b"".join([bytes([self.type]), number, *(_packed(f, named) for f in self.fields)])
        body = body[: len(body) - self.cut] + self.tail
        return struct.pack(">I", len(body)) + body


def _packed(given: Field, named: Callable[[Path | Opened], bytes]) -> bytes:
    match given:
        case Number(value, size):
            return value.to_bytes(size, "big")
        case Raw(content):
            return content
        case bytes():
            return struct.pack(">I", len(given)) + given
        case Path() | Opened():
            found = named(given)
            return struct.pack(">I", len(found)) + found


@dataclass(frozen=True)
class Bytes:
    """Bytes that are no whole packet, or announce another length."""

    content: bytes


@dataclass(frozen=True)
class Slowly:
    """A request that is sent one byte at a time."""

    request: Request


@dataclass(frozen=True)
class Together:
    """Requests that are sent at one go; each has an id of its own."""

    requests: tuple[Request, ...]


@dataclass(frozen=True)
class UntilEnd:
    """A request that is sent again while NAME answers it."""

    request: Request


Step = Request | Bytes | Slowly | Together | UntilEnd


def u32(value: int) -> Number:
    return Number(value)


def u64(value: int) -> Number:
    return Number(value, 8)


NO_ATTRIBUTES = (Number(0),)
"""ATTRS that give none (section 5)."""


def size(value: int) -> tuple[Field, ...]:
    """ATTRS with a size."""
    return u32(0x01), u64(value)


def owner(user: int, group: int) -> tuple[Field, ...]:
    """ATTRS with a user and a group."""
    return u32(0x02), u32(user), u32(group)


def mode(value: int) -> tuple[Field, ...]:
    """ATTRS with permissions."""
    return u32(0x04), u32(value)


def times(read: int, written: int) -> tuple[Field, ...]:
    """ATTRS with the two times in Unix seconds."""
    return u32(0x08), u32(read), u32(written)


def init(version: int = 3, extensions: bytes = b"") -> Request:
    return Request(Type.INIT, (u32(version), Raw(extensions)), id=None)


def ask(type_: Type, *fields: Field) -> Request:
    """A request of a type, with its fields one after the other."""
    return Request(type_, fields)


def open_(path: Path | bytes, flags: int, *attributes: Field) -> Request:
    return ask(Type.OPEN, path, u32(flags), *(attributes or NO_ATTRIBUTES))


def read(handle: Field, offset: int = 0, length: int = 100) -> Request:
    return ask(Type.READ, handle, u64(offset), u32(length))


def write(handle: Field, offset: int, data: bytes) -> Request:
    return ask(Type.WRITE, handle, u64(offset), data)


def extended(name: bytes, *fields: Field) -> Request:
    return ask(Type.EXTENDED, name, *fields)


def numbered(request: Request, number: int) -> Request:
    """The same with another id."""
    return replace(request, id=number)


READING = Opened(open_(FILE, READ))
WRITING = Opened(open_(NEW, FRESH))
LISTING = Opened(ask(Type.OPENDIR, FOLDER))
CLOSED = Opened(open_(FILE, READ), closed=True)
FOREIGN = Opened(open_(FILE, READ), elsewhere=True)
