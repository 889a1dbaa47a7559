"""STAT, LSTAT, FSTAT, SETSTAT and FSETSTAT (sections 5, 6.8 and 6.9)."""

from __future__ import annotations

from tests.conformance.answers import Code
from tests.conformance.cases.case import ABSENT, ATTRS, BROKEN, ENDED, OK, REFUSED, Case, case
from tests.conformance.requests import (
    CONTENT,
    FILE,
    FOLDER,
    LISTING,
    NEW,
    NO_ATTRIBUTES,
    READING,
    WRITING,
    Field,
    Type,
    ask,
    mode,
    owner,
    size,
    times,
    u32,
    write,
)

MAY = OK | REFUSED
"""Section 6.9: an error if the user does not have sufficient rights."""
ALL = (u32(0x0F), u32(0), u32(len(CONTENT)), u32(0), u32(0), u32(0o600), u32(1), u32(1))
"""Every attribute there is: size, owner, permissions, times."""


def _looks(type_: Type, word: str) -> tuple[Case, ...]:
    return (
        case(f"{word}.file", "6.8", ask(type_, FILE), allowed=ATTRS, gives=len(CONTENT)),
        case(f"{word}.folder", "6.8", ask(type_, FOLDER), allowed=ATTRS),
        case(f"{word}.absent", "6.8", ask(type_, NEW), allowed=ABSENT),
        case(f"{word}.below-file", "6.8", ask(type_, FILE.below(b"x")), allowed=REFUSED),
        case(f"{word}.empty-path", "6.2", ask(type_, b""), allowed=ATTRS),
        case(f"{word}.dot", "6.2", ask(type_, b"."), allowed=ATTRS),
        case(f"{word}.root", "6.2", ask(type_, b"/"), allowed=ATTRS),
        case(f"{word}.root-of-root", "6.2", ask(type_, b"/.."), allowed=ATTRS | REFUSED),
        case(f"{word}.folder-slash", "6.2", ask(type_, FOLDER.then(b"/")), allowed=ATTRS | REFUSED),
        case(f"{word}.up-and-down", "6.2", ask(type_, FOLDER.then(b"/../.")), allowed=ATTRS),
    )


def _handles() -> tuple[Case, ...]:
    return (
        case("fstat.reading", "6.8", ask(Type.FSTAT, READING), allowed=ATTRS, gives=len(CONTENT)),
        case("fstat.writing", "6.8", ask(Type.FSTAT, WRITING), allowed=ATTRS, gives=0),
        case("fstat.written", "6.8", write(WRITING, 0, b"abc"), ask(Type.FSTAT, WRITING),
             allowed=ATTRS, gives=3),
        case("fstat.listing", "6.8", ask(Type.FSTAT, LISTING), allowed=ATTRS | REFUSED),
    )  # fmt: skip


HOSTILE: tuple[tuple[str, tuple[Field, ...], frozenset[Code]], ...] = (
    ("size-2^63", size(2**63), REFUSED),
    ("size-largest", size(2**64 - 1), REFUSED),
    ("owner-root", owner(0, 0), MAY),
    ("owner-largest", owner(2**32 - 1, 2**32 - 1), MAY),
    ("mode-largest", mode(2**32 - 1), MAY),
    ("mode-setuid", mode(0o6755), MAY),
    ("times-0", times(0, 0), MAY),
    ("times-largest", times(2**32 - 1, 2**32 - 1), MAY),
    ("extended", (u32(0x80000000), u32(1), b"unknown@conformance.invalid", b"x"), OK | REFUSED),
    ("extended-none", (u32(0x80000000), u32(0)), OK),
    ("extended-many", (u32(0x80000000), u32(2**32 - 1)), BROKEN),
    ("extended-long", (u32(0x80000000), u32(1), u32(2**32 - 1)), BROKEN),
    ("unsupported-bit", (u32(0x10),), REFUSED | ENDED),
    ("unsupported-bits", (u32(0x7FFFFFF0),), REFUSED | ENDED),
    ("fields-missing", (u32(0x0F),), BROKEN),
    ("size-half", (u32(0x01), u32(0)), BROKEN),
    ("fields-too-many", (u32(0x04), u32(0o600), u32(1), u32(1)), OK | BROKEN),
    ("flags-missing", (), BROKEN),
)
"""Attributes no honest client sets, or that are none; what the draft allows then."""


def _sets(type_: Type, word: str, what: Field) -> tuple[Case, ...]:
    """The same for a path and for a handle that a file was opened with to be written."""
    return (
        case(f"{word}.none", "6.9", ask(type_, what, *NO_ATTRIBUTES), allowed=OK),
        case(f"{word}.mode", "6.9", ask(type_, what, *mode(0o644)), allowed=MAY),
        case(f"{word}.times", "6.9", ask(type_, what, *times(10**9, 10**9)), allowed=MAY),
        case(f"{word}.size-0", "6.9", ask(type_, what, *size(0)), allowed=MAY),
        case(f"{word}.size-more", "6.9", ask(type_, what, *size(1000)), allowed=MAY),
        *(
            case(f"{word}.{name}", "5", ask(type_, what, *given), allowed=allowed)
            for name, given, allowed in HOSTILE
        ),
    )


def _more_sets() -> tuple[Case, ...]:
    return (
        case("setstat.all", "6.9", ask(Type.SETSTAT, FILE, *ALL), allowed=MAY),
        case("setstat.size-same", "6.9", ask(Type.SETSTAT, FILE, *size(len(CONTENT))), allowed=OK),
        case("setstat.size-less", "6.9", ask(Type.SETSTAT, FILE, *size(4)), allowed=MAY),
        case("setstat.absent", "6.9", ask(Type.SETSTAT, NEW, *mode(0o600)), allowed=ABSENT),
        case("setstat.absent-size", "6.9", ask(Type.SETSTAT, NEW, *size(0)), allowed=ABSENT),
        case("setstat.folder", "6.9", ask(Type.SETSTAT, FOLDER, *times(10**9, 10**9)),
             allowed=MAY),
        case("setstat.folder-size", "6.9", ask(Type.SETSTAT, FOLDER, *size(0)), allowed=REFUSED),
        case("fsetstat.reading", "6.9", ask(Type.FSETSTAT, READING, *times(10**9, 10**9)),
             allowed=MAY),
        case("fsetstat.reading-size", "6.9", ask(Type.FSETSTAT, READING, *size(4)),
             allowed=REFUSED),
        case("fsetstat.cut", "6.9", write(WRITING, 0, b"abc"),
             ask(Type.FSETSTAT, WRITING, *size(0)), ask(Type.FSTAT, WRITING), allowed=ATTRS,
             gives=0),
        case("fsetstat.listing", "6.9", ask(Type.FSETSTAT, LISTING, *times(1, 1)), allowed=MAY),
    )  # fmt: skip


CASES = (
    *_looks(Type.STAT, "stat"),
    *_looks(Type.LSTAT, "lstat"),
    *_handles(),
    *_sets(Type.SETSTAT, "setstat", FILE),
    *_sets(Type.FSETSTAT, "fsetstat", WRITING),
    *_more_sets(),
)
