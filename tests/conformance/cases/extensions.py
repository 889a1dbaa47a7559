"""EXTENDED: the extensions of OpenSSH that many servers have, and names nobody has (section 8).

A server that lacks one answers OP_UNSUPPORTED, and so states it: the cases are about those it has.
"""

from __future__ import annotations

from tests.conformance.answers import Code
from tests.conformance.cases.case import (
    ABSENT,
    BROKEN,
    OK,
    REFUSED,
    THERE,
    Case,
    any_of,
    case,
)
from tests.conformance.requests import (
    CONTENT,
    FILE,
    FOLDER,
    LISTING,
    NEW,
    READ,
    READING,
    SECOND,
    WRITING,
    Opened,
    Raw,
    Type,
    ask,
    extended,
    open_,
    read,
    write,
)

RENAME, FSYNC = b"posix-rename@openssh.com", b"fsync@openssh.com"
LIMITS, STATVFS = b"limits@openssh.com", b"statvfs@openssh.com"
REPLY, UNSUPPORTED = any_of(Code.EXTENDED_REPLY), any_of(Code.OP_UNSUPPORTED)


def _renames() -> tuple[Case, ...]:
    over = extended(RENAME, FILE, SECOND)
    return (
        case("posix-rename.file", "PROTOCOL 4.3", extended(RENAME, FILE, NEW), allowed=OK),
        case("posix-rename.over", "PROTOCOL 4.3", over, allowed=OK),
        case("posix-rename.is-there", "PROTOCOL 4.3", over, read(Opened(open_(SECOND, READ))),
             allowed=any_of(Code.DATA), gives=CONTENT),
        case("posix-rename.is-gone", "PROTOCOL 4.3", over, ask(Type.STAT, FILE), allowed=ABSENT),
        case("posix-rename.itself", "PROTOCOL 4.3", extended(RENAME, FILE, FILE),
             allowed=OK | REFUSED),
        case("posix-rename.itself-stays", "PROTOCOL 4.3", extended(RENAME, FILE, FILE),
             ask(Type.STAT, FILE), allowed=any_of(Code.ATTRS), gives=len(CONTENT)),
        case("posix-rename.absent", "PROTOCOL 4.3", extended(RENAME, NEW, SECOND), allowed=ABSENT),
        case("posix-rename.over-folder", "PROTOCOL 4.3", extended(RENAME, FILE, FOLDER),
             allowed=THERE),
        case("posix-rename.root", "PROTOCOL 4.3", extended(RENAME, b"/", NEW), allowed=REFUSED),
        case("posix-rename.one-path", "PROTOCOL 4.3", extended(RENAME, FILE), allowed=BROKEN),
    )  # fmt: skip


def _syncs() -> tuple[Case, ...]:
    return (
        case("fsync.writing", "PROTOCOL 4.6", extended(FSYNC, WRITING), allowed=OK),
        case("fsync.written", "PROTOCOL 4.6", write(WRITING, 0, b"abc"), extended(FSYNC, WRITING),
             allowed=OK),
        case("fsync.reading", "PROTOCOL 4.6", extended(FSYNC, READING), allowed=OK | REFUSED),
        case("fsync.listing", "PROTOCOL 4.6", extended(FSYNC, LISTING), allowed=REFUSED),
        case("fsync.no-handle", "PROTOCOL 4.6", extended(FSYNC), allowed=BROKEN),
    )  # fmt: skip


def _spaces() -> tuple[Case, ...]:
    return (
        case("limits.asked", "PROTOCOL 4.8", extended(LIMITS), allowed=REPLY),
        case("limits.more", "PROTOCOL 4.8", extended(LIMITS, b"more"), allowed=REPLY | BROKEN),
        case("statvfs.folder", "PROTOCOL 4.4", extended(STATVFS, FOLDER), allowed=REPLY),
        case("statvfs.file", "PROTOCOL 4.4", extended(STATVFS, FILE), allowed=REPLY),
        case("statvfs.root", "PROTOCOL 4.4", extended(STATVFS, b"/"), allowed=REPLY | REFUSED),
        case("statvfs.absent", "PROTOCOL 4.4", extended(STATVFS, NEW), allowed=ABSENT),
        case("statvfs.no-path", "PROTOCOL 4.4", extended(STATVFS), allowed=BROKEN),
    )


def _unknown() -> tuple[Case, ...]:
    return (
        case("extended.unknown", "8", extended(b"nothing@conformance.invalid"),
             allowed=UNSUPPORTED),
        case("extended.unknown-with-more", "8", extended(b"nothing@conformance.invalid", b"more"),
             allowed=UNSUPPORTED),
        case("extended.case", "8", extended(b"LIMITS@OPENSSH.COM"), allowed=UNSUPPORTED),
        case("extended.prefix", "8", extended(b"limits@openssh.co"), allowed=UNSUPPORTED),
        case("extended.longer", "8", extended(b"limits@openssh.comx"), allowed=UNSUPPORTED),
        case("extended.empty", "8", extended(b""), allowed=UNSUPPORTED),
        case("extended.nul", "8", extended(b"limits@openssh.com\0"), allowed=UNSUPPORTED),
        case("extended.not-utf-8", "8", extended(b"\xff@conformance.invalid"),
             allowed=UNSUPPORTED),
        case("extended.long", "8", extended(b"x" * 5000), allowed=UNSUPPORTED),
        case("extended.no-name", "8", ask(Type.EXTENDED), allowed=BROKEN),
        case("extended.name-too-long", "8", ask(Type.EXTENDED, Raw(b"\0\0\0\x63limits")),
             allowed=BROKEN),
    )  # fmt: skip


CASES = (*_renames(), *_syncs(), *_spaces(), *_unknown())
