"""SFTP version 3 as the server answers (draft-ietf-secsh-filexfer-02): replies to bytes. Pure."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from typing import Protocol

from batch.names import LONGEST_NAME
from batch.sftp_server.protocol import (
    EXTENSIONS,
    MAX_DATA,
    MAX_PACKET,
    VERSION,
    Attributes,
    Packet,
    Read,
    Status,
)

_DATA = struct.Struct(">IBII")
_OK = struct.Struct(">IBIIII")


class Space(Protocol):
    """So many bytes in so many files."""

    @property
    def bytes(self) -> int: ...

    @property
    def files(self) -> int: ...


def _string(text: bytes) -> bytes:
    return len(text).to_bytes(4, "big") + text


def _packet(kind: Packet, identifier: int, *fields: bytes) -> bytes:
    body = b"".join(fields)
    return struct.pack(">IBI", 5 + len(body), kind, identifier) + body


def version(extensions: Iterable[tuple[bytes, bytes]] = EXTENSIONS) -> bytes:
    """VERSION with the extensions we stand behind."""
    pairs = b"".join(_string(name) + _string(value) for name, value in extensions)
    return struct.pack(">IBI", 5 + len(pairs), Packet.VERSION, VERSION) + pairs


def status(identifier: int, code: Status, text: str = "") -> bytes:
    """STATUS with a sentence in English (section 7)."""
    if not code and not text:
        return _OK.pack(17, Packet.STATUS, identifier, 0, 0, 0)
    message = _string(text.encode("utf-8", "replace")) + _string(b"en" if text else b"")
    return _packet(Packet.STATUS, identifier, code.to_bytes(4, "big"), message)


def handle(identifier: int, name: bytes) -> bytes:
    """HANDLE: what OPEN and OPENDIR give."""
    return _packet(Packet.HANDLE, identifier, _string(name))


def data(identifier: int, content: bytes | memoryview) -> bytes:
    """DATA: what READ gives."""
    return _DATA.pack(9 + len(content), Packet.DATA, identifier, len(content)) + content


def read(request: Read, content: bytes | memoryview) -> bytes:
    """DATA, or EOF where bytes were asked for and there are none."""
    if content or not request.length:
        return data(request.id, content)
    return status(request.id, Status.EOF, "end of file")


def attributes(identifier: int, given: Attributes) -> bytes:
    """ATTRS: what STAT and FSTAT give."""
    return _packet(Packet.ATTRS, identifier, _attributes(given))


def names(identifier: int, entries: Iterable[tuple[bytes, bytes, Attributes]]) -> bytes:
    """NAME: (name, long name, attributes) of READDIR, or the one path of REALPATH."""
    packed = [_string(n) + _string(long) + _attributes(a) for n, long, a in entries]
    return _packet(Packet.NAME, identifier, len(packed).to_bytes(4, "big"), *packed)


def limits(identifier: int, handles: int) -> bytes:
    """The reply to limits@openssh.com: packet, read, write, open handles."""
    return _packet(
        Packet.EXTENDED_REPLY,
        identifier,
        struct.pack(">QQQQ", MAX_PACKET, MAX_DATA, MAX_DATA, handles),
    )


BLOCK = 1024
"""Bytes of a block in STATVFS: what is left is rounded down to whole ones."""
_READ_ONLY, _NO_SUID = 0x1, 0x2


def statvfs(identifier: int, used: Space, left: Space, *, writable: bool) -> bytes:
    """The reply to statvfs@openssh.com: the sender's own space, and nothing of the host."""
    taken, free = -(-used.bytes // BLOCK), left.bytes // BLOCK
    flags = _NO_SUID | (0 if writable else _READ_ONLY)
    blocks = (BLOCK, BLOCK, taken + free, free, free)
    files = (used.files + left.files, left.files, left.files)
    return _packet(
        Packet.EXTENDED_REPLY,
        identifier,
        struct.pack(">11Q", *blocks, *files, 0, flags, LONGEST_NAME),
    )


def _attributes(given: Attributes) -> bytes:
    return b"".join(_attribute_fields(given))


def _attribute_fields(given: Attributes) -> Iterator[bytes]:
    present = (given.size, given.owner, given.mode, given.times)
    yield sum(1 << bit for bit, field in enumerate(present) if field is not None).to_bytes(4, "big")
    if given.size is not None:
        yield given.size.to_bytes(8, "big")
    if given.owner is not None:
        yield struct.pack(">II", *given.owner)
    if given.mode is not None:
        yield given.mode.to_bytes(4, "big")
    if given.times is not None:
        yield struct.pack(">II", *given.times)
