"""What a server answered: its code, what it carries, and whether its packet keeps the format."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Code(StrEnum):
    """An answer as cases name it: the code of a STATUS, the type of any other packet, or none."""

    VERSION = "VERSION"
    HANDLE = "HANDLE"
    DATA = "DATA"
    NAME = "NAME"
    ATTRS = "ATTRS"
    EXTENDED_REPLY = "EXTENDED_REPLY"
    OK = "OK"
    EOF = "EOF"
    NO_SUCH_FILE = "NO_SUCH_FILE"
    PERMISSION_DENIED = "PERMISSION_DENIED"
    FAILURE = "FAILURE"
    BAD_MESSAGE = "BAD_MESSAGE"
    OP_UNSUPPORTED = "OP_UNSUPPORTED"
    CLOSED = "closed"
    """The server ended the session, whether it answered before that or not."""
    NOTHING = "nothing"
    """No answer, and the session goes on."""
    WRONG = "wrong"
    """An answer that breaks the format, or is none to this request."""


_TYPES = {
    2: Code.VERSION,
    102: Code.HANDLE,
    103: Code.DATA,
    104: Code.NAME,
    105: Code.ATTRS,
    201: Code.EXTENDED_REPLY,
}
_STATUS = 101
_STATUSES = {
    0: Code.OK,
    1: Code.EOF,
    2: Code.NO_SUCH_FILE,
    3: Code.PERMISSION_DENIED,
    4: Code.FAILURE,
    5: Code.BAD_MESSAGE,
    8: Code.OP_UNSUPPORTED,
}
"""Section 7. 6 and 7 are made by clients alone, and no server may send them."""

Value = bytes | int | tuple[bytes, ...] | None
"""The bytes of HANDLE, DATA and EXTENDED_REPLY, the size of ATTRS, the number of VERSION, the names
of NAME."""


@dataclass(frozen=True)
class Answer:
    """One packet of the server, read."""

    code: Code
    id: int | None = None
    value: Value = None
    text: str = ""
    """The sentence of a STATUS, or what is wrong."""


class _Wrong(Exception):
    """The packet does not keep the format."""


class _Fields:
    def __init__(self, packet: bytes) -> None:
        self._left = packet

    @property
    def more(self) -> bool:
        return bool(self._left)

    def number(self, size: int = 4) -> int:
        return int.from_bytes(self.take(size), "big")

    def string(self) -> bytes:
        return self.take(self.number())

    def take(self, count: int) -> bytes:
        if count > len(self._left):
            raise _Wrong("a field reaches beyond the packet")
        taken, self._left = self._left[:count], self._left[count:]
        return taken

    def rest(self) -> bytes:
        return self.take(len(self._left))

    def attributes(self) -> int | None:
        """Read ATTRS (section 5); the size, where it is given."""
        flags = self.number()
        if flags & ~0x8000000F:
            raise _Wrong(f"attributes with unknown flags {flags:#x}")
        size = self.number(8) if flags & 0x01 else None
        self.take(8 * bool(flags & 0x02) + 4 * bool(flags & 0x04) + 8 * bool(flags & 0x08))
        for _ in range(2 * self.number() if flags & 0x8000_0000 else 0):
            self.string()
        return size

    def end(self) -> None:
        if self._left:
            raise _Wrong(f"{len(self._left)} bytes after the last field")


def parse(packet: bytes) -> Answer:
    """Read an answer; one that breaks the format is WRONG and says how."""
    fields = _Fields(packet)
    number = None
    try:
        kind = fields.number(1)
        if kind == 2:
            return _version(fields)
        number = fields.number()
        answer = _status(fields, number) if kind == _STATUS else _other(kind, fields, number)
        fields.end()
    except _Wrong as wrong:
        return Answer(Code.WRONG, number, None, str(wrong))
    return answer


def _version(fields: _Fields) -> Answer:
    version = fields.number()
    rest = _Fields(fields.rest())
    while rest.more:
        rest.string()
        rest.string()
    return Answer(Code.VERSION, None, version)


def _status(fields: _Fields, number: int) -> Answer:
    code = fields.number()
    message, _language = fields.string(), fields.string()
    try:
        text = message.decode("utf-8")
    except UnicodeDecodeError:
        raise _Wrong("the sentence of a STATUS is not UTF-8") from None
    if code not in _STATUSES:
        raise _Wrong(f"status {code}, which no server may send")
    return Answer(_STATUSES[code], number, None, text)


def _other(kind: int, fields: _Fields, number: int) -> Answer:
    code = _TYPES.get(kind)
    value: Value
    match code:
        case Code.HANDLE:
            value = fields.string()
            if len(value) > 256:
                raise _Wrong("a handle of more than 256 bytes")
        case Code.DATA:
            value = fields.string()
        case Code.ATTRS:
            value = fields.attributes()
        case Code.NAME:
            value = tuple(_name(fields) for _ in range(fields.number()))
        case Code.EXTENDED_REPLY:
            value = fields.rest()
        case _:
            raise _Wrong(f"a packet of type {kind}, which is no answer")
    return Answer(code, number, value)


def _name(fields: _Fields) -> bytes:
    name = fields.string()
    fields.string()
    fields.attributes()
    return name
