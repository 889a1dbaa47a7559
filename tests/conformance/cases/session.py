"""INIT, packets as such, and what is no request at all (sections 3, 4, 6 and 8)."""

from __future__ import annotations

import struct

from tests.conformance.answers import Code
from tests.conformance.cases.case import (
    ATTRS,
    BROKEN,
    ENDED,
    NAME,
    OK,
    REFUSED,
    Case,
    any_of,
    case,
)
from tests.conformance.requests import (
    CONTENT,
    FILE,
    FOLDER,
    NEW,
    READING,
    WRITING,
    Bytes,
    Opened,
    Raw,
    Request,
    Slowly,
    Together,
    Type,
    ask,
    init,
    numbered,
    open_,
    read,
    write,
)

VERSION = any_of(Code.VERSION)
UNCLEAR = VERSION | BROKEN | any_of(Code.OP_UNSUPPORTED)
"""The draft does not say what becomes of it."""


def _string(content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + content


_UNKNOWN_EXTENSION = _string(b"nothing@conformance.invalid") + _string(b"")
_STAT = ask(Type.STAT, FOLDER)
_MANY = 200
"""Requests at one go: more than clients have in flight, less than fills a pipe with answers."""


def _init() -> tuple[Case, ...]:
    return (
        case("init.3", "4", init(), allowed=VERSION, gives=3, begun=False),
        case("init.4", "4", init(4), allowed=VERSION, gives=3, begun=False),
        case("init.6", "4", init(6), allowed=VERSION, gives=3, begun=False),
        case("init.largest", "4", init(2**32 - 1), allowed=VERSION, gives=3, begun=False),
        case("init.2", "4", init(2), allowed=VERSION | ENDED, begun=False),
        case("init.0", "4", init(0), allowed=UNCLEAR, begun=False),
        case("init.extension", "4", init(3, _UNKNOWN_EXTENSION), allowed=VERSION, begun=False),
        case("init.half-extension", "4", init(3, b"\0\0\0\x09half"), allowed=UNCLEAR, begun=False),
        case("init.short", "4", Request(Type.INIT, (Raw(b"\0\0"),), None), allowed=BROKEN,
             begun=False),
        case("init.empty", "4", Request(Type.INIT, (), None), allowed=BROKEN, begun=False),
        case("init.slowly", "4", Slowly(init()), allowed=VERSION, gives=3, begun=False),
        case("init.twice", "4", init(), allowed=UNCLEAR),
        case("init.before-it", "4", _STAT, allowed=BROKEN, begun=False),
        case("init.answer-instead", "4", Request(2, (Raw(b"\0\0\0\3"),), None), allowed=BROKEN,
             begun=False),
    )  # fmt: skip


def _length(announced: int, content: bytes) -> Bytes:
    return Bytes(struct.pack(">I", announced) + content)


def _packets() -> tuple[Case, ...]:
    return (
        case("packet.length-0", "3", _length(0, b""), allowed=BROKEN),
        case("packet.length-1", "3", _length(1, b"\x11"), allowed=BROKEN),
        case("packet.id-short", "3", _length(4, b"\x11\0\0\0"), allowed=BROKEN),
        case("packet.length-largest", "3", _length(2**32 - 1, b"\x11"), allowed=ENDED),
        case("packet.length-signed", "3", _length(2**31, b"\x11"), allowed=ENDED),
        case("packet.length-16-MiB", "3", _length(2**24, b"\x11"), allowed=ENDED),
        case("packet.no-sftp", "3", Bytes(b"GET / HTTP/1.1\r\n\r\n"), allowed=ENDED),
        case("packet.slowly", "3", Slowly(_STAT), allowed=ATTRS),
        case("packet.34000", "3", write(WRITING, 0, bytes(34000 - 29)), allowed=OK),
        case("packet.two-at-once", "6.1",
             Together((numbered(_STAT, 1), numbered(ask(Type.REALPATH, FOLDER), 2))),
             allowed=ATTRS | NAME),
        case("packet.many-at-once", "6.1",
             Together(tuple(numbered(_STAT, 100 + n) for n in range(_MANY))), allowed=ATTRS),
        case("packet.in-order", "6.1",
             Together((numbered(write(WRITING, 0, b"abc"), 1), numbered(write(WRITING, 0, b"x"), 2),
                       numbered(ask(Type.CLOSE, WRITING), 3))),
             read(Opened(open_(NEW, 0x01))), allowed=any_of(Code.DATA), gives=b"xbc"),
        case("packet.one-id-twice", "6", Together((_STAT, _STAT)), allowed=ATTRS),
        case("packet.id-0", "6", numbered(_STAT, 0), allowed=ATTRS),
        case("packet.id-largest", "6", numbered(_STAT, 2**32 - 1), allowed=ATTRS),
        case("packet.read-all-at-once", "6.1",
             Together(tuple(numbered(read(READING, n, 1), 100 + n) for n in range(len(CONTENT)))),
             allowed=any_of(Code.DATA)),
    )  # fmt: skip


def _unknown(type_: int) -> Case:
    """Section 7: exactly one response for each request; OP_UNSUPPORTED if it is not done."""
    sent = Request(type_, (FILE,))
    return case(f"unknown.{type_}", "7", sent, allowed=REFUSED | ENDED)


UNKNOWN = (0, 21, 22, 100, 101, 102, 103, 104, 105, 106, 199, 201, 255)
"""Types that no version-3 client sends: some of later versions, and those of answers."""


CASES = (
    *_init(),
    *_packets(),
    *(_unknown(type_) for type_ in UNKNOWN),
    case("unknown.nothing-more", "7", Request(99), allowed=REFUSED | ENDED),
)
