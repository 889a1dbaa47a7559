"""OPEN, CLOSE, READ and WRITE (sections 6.3 and 6.4)."""

from __future__ import annotations

from tests.conformance.answers import Code
from tests.conformance.cases.case import (
    ABSENT,
    BROKEN,
    ENDED,
    HANDLE,
    OK,
    REFUSED,
    THERE,
    Case,
    any_of,
    case,
)
from tests.conformance.requests import (
    APPEND,
    CONTENT,
    CREATE,
    EXCLUSIVE,
    FILE,
    FOLDER,
    FRESH,
    LISTING,
    NEW,
    READ,
    READING,
    TRUNCATE,
    WRITE,
    WRITING,
    Opened,
    Type,
    ask,
    mode,
    open_,
    owner,
    read,
    size,
    times,
    u32,
    write,
)

DATA, EOF = any_of(Code.DATA), any_of(Code.EOF)
EITHER = HANDLE | REFUSED
"""The draft says what a client must not do, and not what a server does then."""
FAR = EOF | any_of(Code.FAILURE, Code.BAD_MESSAGE)
UNSUPPORTED_BIT = REFUSED | ENDED


def _opens() -> tuple[Case, ...]:
    new, both = WRITE | CREATE | EXCLUSIVE, READ | WRITE
    return (
        case("open.read", "6.3", open_(FILE, READ), allowed=HANDLE),
        case("open.read-absent", "6.3", open_(NEW, READ), allowed=ABSENT),
        case("open.read-folder", "6.3", open_(FOLDER, READ), allowed=EITHER),
        case("open.read-below-file", "6.3", open_(FILE.below(b"x"), READ), allowed=REFUSED),
        case("open.write-fresh", "6.3", open_(NEW, FRESH), allowed=HANDLE),
        case("open.write-over", "6.3", open_(FILE, FRESH), allowed=HANDLE),
        case("open.write-there", "6.3", open_(FILE, WRITE), allowed=HANDLE),
        case("open.write-absent", "6.3", open_(NEW, WRITE), allowed=ABSENT),
        case("open.write-folder", "6.3", open_(FOLDER, FRESH), allowed=THERE),
        case("open.write-in-no-folder", "6.3", open_(NEW.below(b"x"), FRESH), allowed=REFUSED),
        case("open.create-new", "6.3", open_(NEW, WRITE | CREATE), allowed=HANDLE),
        case("open.create-there", "6.3", open_(FILE, WRITE | CREATE), allowed=HANDLE),
        case("open.exclusive-new", "6.3", open_(NEW, new), allowed=HANDLE),
        case("open.exclusive-there", "6.3", open_(FILE, new), allowed=THERE),
        case("open.exclusive-folder", "6.3", open_(FOLDER, new), allowed=THERE),
        case("open.append-there", "6.3", open_(FILE, WRITE | APPEND), allowed=HANDLE),
        case("open.append-absent", "6.3", open_(NEW, WRITE | APPEND), allowed=ABSENT),
        case("open.append-alone", "6.3", open_(FILE, APPEND), allowed=EITHER),
        case("open.both-there", "6.3", open_(FILE, both), allowed=HANDLE),
        case("open.both-fresh", "6.3", open_(NEW, both | CREATE | TRUNCATE), allowed=HANDLE),
        case("open.no-flags", "6.3", open_(FILE, 0), allowed=EITHER),
        case("open.create-alone", "6.3", open_(NEW, CREATE), allowed=EITHER),
        case("open.truncate-only", "6.3", open_(FILE, WRITE | TRUNCATE), allowed=EITHER),
        case("open.exclusive-only", "6.3", open_(FILE, WRITE | EXCLUSIVE), allowed=EITHER),
        case("open.read-truncate", "6.3", open_(FILE, READ | TRUNCATE), allowed=EITHER),
        case("open.unknown-flag", "6.3", open_(FILE, READ | 0x40), allowed=EITHER),
        case("open.all-flags", "6.3", open_(NEW, 2**32 - 1), allowed=EITHER),
        case("open.mode", "6.3", open_(NEW, FRESH, *mode(0o600)), allowed=HANDLE),
        case("open.mode-largest", "6.3", open_(NEW, FRESH, *mode(2**32 - 1)), allowed=EITHER),
        case("open.owner", "6.3", open_(NEW, FRESH, *owner(0, 0)), allowed=EITHER),
        case("open.times", "6.3", open_(NEW, FRESH, *times(1, 1)), allowed=HANDLE),
        case("open.size", "6.3", open_(NEW, FRESH, *size(5)), allowed=EITHER),
        case("open.extended", "5", open_(NEW, FRESH, u32(0x80000000), u32(1), b"a@b", b""),
             allowed=HANDLE),
        case("open.extended-many", "5", open_(NEW, FRESH, u32(0x80000000), u32(2**32 - 1)),
             allowed=BROKEN),
        case("open.extended-one-short", "5",
             open_(NEW, FRESH, u32(0x80000000), u32(2), b"a@b", b""), allowed=BROKEN),
        case("open.unsupported-bit", "5", open_(NEW, FRESH, u32(0x10)), allowed=UNSUPPORTED_BIT),
    )  # fmt: skip


def _closes() -> tuple[Case, ...]:
    gap = write(WRITING, 5, b"later")
    return (
        case("close.reading", "6.3", ask(Type.CLOSE, READING), allowed=OK),
        case("close.writing", "6.3", ask(Type.CLOSE, WRITING), allowed=OK),
        case("close.listing", "6.3", ask(Type.CLOSE, LISTING), allowed=OK),
        case("close.written", "6.3", write(WRITING, 0, b"abc"), ask(Type.CLOSE, WRITING),
             ask(Type.STAT, NEW), allowed=any_of(Code.ATTRS), gives=3),
        case("close.gap", "6.4", gap, ask(Type.CLOSE, WRITING), allowed=OK),
        case("close.gap-read", "6.4", gap, ask(Type.CLOSE, WRITING),
             read(Opened(open_(NEW, READ))), allowed=DATA, gives=b"\0\0\0\0\0later"),
    )  # fmt: skip


def _reads() -> tuple[Case, ...]:
    end = len(CONTENT)
    return (
        case("read.whole", "6.4", read(READING), allowed=DATA, gives=CONTENT),
        case("read.part", "6.4", read(READING, 3, 4), allowed=DATA, gives=b"3456"),
        case("read.last", "6.4", read(READING, end - 1, 1), allowed=DATA, gives=b"9"),
        case("read.beyond", "6.4", read(READING, end - 1, 2), allowed=DATA, gives=b"9"),
        case("read.at-end", "7", read(READING, end, 1), allowed=EOF),
        case("read.after-end", "7", read(READING, end + 1, 1), allowed=EOF),
        case("read.length-0", "6.4", read(READING, 0, 0), allowed=DATA | EOF, gives=b""),
        case("read.length-0-at-end", "6.4", read(READING, end, 0), allowed=DATA | EOF, gives=b""),
        case("read.length-32768", "3", read(READING, 0, 32768), allowed=DATA, gives=CONTENT),
        case("read.length-largest", "6.4", read(READING, 0, 2**32 - 1), allowed=DATA,
             gives=CONTENT),
        case("read.offset-2^31", "6.4", read(READING, 2**31), allowed=EOF),
        case("read.offset-2^32", "6.4", read(READING, 2**32), allowed=EOF),
        case("read.offset-2^63-1", "6.4", read(READING, 2**63 - 1), allowed=FAR),
        case("read.offset-2^63", "6.4", read(READING, 2**63), allowed=FAR),
        case("read.offset-largest", "6.4", read(READING, 2**64 - 1), allowed=FAR),
        case("read.offset-and-length-largest", "6.4", read(READING, 2**64 - 1, 2**32 - 1),
             allowed=FAR),
        case("read.empty-file", "7", ask(Type.CLOSE, WRITING), read(Opened(open_(NEW, READ))),
             allowed=EOF),
        case("read.both", "6.3", write(Opened(open_(NEW, READ | FRESH)), 0, b"abc"),
             read(Opened(open_(NEW, READ | FRESH))), allowed=DATA, gives=b"abc"),
        case("read.writing", "6.4", read(WRITING), allowed=REFUSED),
    )  # fmt: skip


def _writes() -> tuple[Case, ...]:
    done, again = ask(Type.CLOSE, WRITING), read(Opened(open_(NEW, READ)))
    append = Opened(open_(FILE, WRITE | APPEND))
    there = Opened(open_(FILE, WRITE))
    over = read(Opened(open_(FILE, READ)))
    return (
        case("write.some", "6.4", write(WRITING, 0, b"abc"), allowed=OK),
        case("write.read-back", "6.4", write(WRITING, 0, b"abc"), done, again, allowed=DATA,
             gives=b"abc"),
        case("write.twice", "6.4", write(WRITING, 0, b"abc"), write(WRITING, 1, b"x"), done, again,
             allowed=DATA, gives=b"axc"),
        case("write.backwards", "6.4", write(WRITING, 3, b"def"), write(WRITING, 0, b"abc"), done,
             again, allowed=DATA, gives=b"abcdef"),
        case("write.append", "6.3", write(append, 0, b"x"), ask(Type.CLOSE, append), over,
             allowed=DATA, gives=CONTENT + b"x"),
        case("write.inside", "6.4", write(there, 2, b"xy"), ask(Type.CLOSE, there), over,
             allowed=DATA, gives=b"01xy456789"),
        case("write.nothing", "6.4", write(WRITING, 0, b""), allowed=OK),
        case("write.nothing-far", "6.4", write(WRITING, 2**40, b""), allowed=OK | REFUSED),
        case("write.32768", "3", write(WRITING, 0, bytes(32768)), allowed=OK),
        case("write.256-KiB", "3", write(WRITING, 0, bytes(2**18)), allowed=OK | REFUSED | ENDED),
        case("write.1-MiB", "3", write(WRITING, 0, bytes(2**20)), allowed=OK | REFUSED | ENDED),
        case("write.beyond", "6.4", write(WRITING, 100, b"abc"), allowed=OK),
        case("write.offset-2^63-1", "6.4", write(WRITING, 2**63 - 1, b"x"), allowed=REFUSED),
        case("write.offset-2^63", "6.4", write(WRITING, 2**63, b"x"), allowed=REFUSED),
        case("write.offset-largest", "6.4", write(WRITING, 2**64 - 1, b"x"), allowed=REFUSED),
        case("write.reading", "6.4", write(READING, 0, b"x"), allowed=REFUSED),
    )  # fmt: skip


CASES = (*_opens(), *_closes(), *_reads(), *_writes())
