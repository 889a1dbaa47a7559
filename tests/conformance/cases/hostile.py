"""Every request with every hostile path, handle and shape: the product, so that none is missing.

No case could do harm where it is let: what leads out of the folder ends at a name that is in no
place, except where it only looks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from tests.conformance.answers import Code
from tests.conformance.cases.case import (
    ATTRS,
    BROKEN,
    ENDED,
    HANDLE,
    NAME,
    OK,
    REFUSED,
    Case,
    any_of,
    case,
)
from tests.conformance.requests import (
    CLOSED,
    FILE,
    FOLDER,
    FOREIGN,
    FRESH,
    LISTING,
    NEW,
    NO_ATTRIBUTES,
    READ,
    READING,
    WRITING,
    Field,
    Opened,
    Path,
    Raw,
    Request,
    Type,
    ask,
    extended,
    mode,
    open_,
    read,
    write,
)

Named = bytes | Path
REPLY = any_of(Code.EXTENDED_REPLY)

BY_PATH: tuple[tuple[str, Callable[[Named], Request], frozenset[Code]], ...] = (
    ("open-read", lambda p: open_(p, READ), HANDLE),
    ("open-write", lambda p: open_(p, FRESH), HANDLE),
    ("lstat", lambda p: ask(Type.LSTAT, p), ATTRS),
    ("stat", lambda p: ask(Type.STAT, p), ATTRS),
    ("setstat", lambda p: ask(Type.SETSTAT, p, *mode(0o600)), OK),
    ("opendir", lambda p: ask(Type.OPENDIR, p), HANDLE),
    ("remove", lambda p: ask(Type.REMOVE, p), OK),
    ("mkdir", lambda p: ask(Type.MKDIR, p, *NO_ATTRIBUTES), OK),
    ("rmdir", lambda p: ask(Type.RMDIR, p), OK),
    ("realpath", lambda p: ask(Type.REALPATH, p), NAME),
    ("rename-from", lambda p: ask(Type.RENAME, p, NEW), OK),
    ("rename-to", lambda p: ask(Type.RENAME, FILE, p), OK),
    ("readlink", lambda p: ask(Type.READLINK, p), NAME),
    ("symlink-at", lambda p: ask(Type.SYMLINK, p, FILE), OK),
    ("posix-rename-from", lambda p: extended(b"posix-rename@openssh.com", p, NEW), OK),
    ("posix-rename-to", lambda p: extended(b"posix-rename@openssh.com", FILE, p), OK),
    ("statvfs", lambda p: extended(b"statvfs@openssh.com", p), REPLY),
)
"""A request that takes a path, and what it gives where the path is good."""

UP = b"/.." * 12
HOSTILE_PATHS: tuple[tuple[str, Path], ...] = (
    ("nul", NEW.then(b"\0.x")),
    ("not-utf-8", NEW.then(b"\xff\xfe")),
    ("line-feed", NEW.then(b"\n.x")),
    ("escape", FOLDER.then(UP + b"/no-such-place-conformance/x")),
    ("name-256", Path(b"n", fill=256)),
    ("path-5000", FOLDER.then(b"/x" * 2500)),
)
BOUNDARY_PATHS: tuple[tuple[str, Path], ...] = (("name-255", Path(b"n", fill=255)),)

MAKES = {"open-write", "mkdir", "rename-to", "symlink-at", "posix-rename-to", "realpath"}
"""These succeed where nothing stands yet, if a server takes such a name."""


def _paths() -> Iterator[Case]:
    for word, request, good in BY_PATH:
        for name, path in HOSTILE_PATHS + BOUNDARY_PATHS:
            allowed = REFUSED | ENDED if name == "nul" else REFUSED
            if word in MAKES and name in ("nul", "not-utf-8", "line-feed", "name-255"):
                allowed |= good
            if word == "realpath":
                allowed |= good
            yield case(f"path.{name}.{word}", "6.2", request(path), allowed=allowed)


def _outside() -> Iterator[Case]:
    """A server may show what is outside; it must then say so, and ours must not."""
    secret = FOLDER.then(UP + b"/etc/passwd")
    for word, request, good in BY_PATH:
        if word in ("open-read", "lstat", "stat", "realpath", "statvfs", "readlink"):
            yield case(f"outside.{word}", "6.2", request(secret), allowed=good | REFUSED)


BY_HANDLE: tuple[tuple[str, Callable[[Field], Request]], ...] = (
    ("close", lambda h: ask(Type.CLOSE, h)),
    ("read", lambda h: read(h)),
    ("write", lambda h: write(h, 0, b"x")),
    ("fstat", lambda h: ask(Type.FSTAT, h)),
    ("fsetstat", lambda h: ask(Type.FSETSTAT, h, *NO_ATTRIBUTES)),
    ("readdir", lambda h: ask(Type.READDIR, h)),
    ("fsync", lambda h: extended(b"fsync@openssh.com", h)),
)
"""A request that takes a handle."""

HOSTILE_HANDLES: tuple[tuple[str, bytes | Opened], ...] = (
    ("empty", b""),
    ("made-up", b"made up"),
    ("zeros", bytes(8)),
    ("ones", b"\xff" * 4),
    ("length-256", b"h" * 256),
    ("length-257", b"h" * 257),
    ("closed", CLOSED),
    ("foreign", FOREIGN),
    ("a-path", b"/etc/passwd"),
)
"""Section 6: the server must perform adequate checks on the handle."""


def _handles() -> Iterator[Case]:
    for word, request in BY_HANDLE:
        for name, handle in HOSTILE_HANDLES:
            yield case(f"handle.{name}.{word}", "6", request(handle), allowed=REFUSED)
    yield case("handle.folder.read", "6.4", read(LISTING), allowed=REFUSED)
    yield case("handle.folder.write", "6.4", write(LISTING, 0, b"x"), allowed=REFUSED)


SHAPED: tuple[tuple[str, Request, frozenset[Code]], ...] = (
    ("open", open_(FILE, READ), HANDLE),
    ("close", ask(Type.CLOSE, READING), OK),
    ("read", read(READING), any_of(Code.DATA)),
    ("write", write(WRITING, 0, b"abc"), OK),
    ("lstat", ask(Type.LSTAT, FILE), ATTRS),
    ("fstat", ask(Type.FSTAT, READING), ATTRS),
    ("setstat", ask(Type.SETSTAT, FILE, *NO_ATTRIBUTES), OK),
    ("fsetstat", ask(Type.FSETSTAT, WRITING, *NO_ATTRIBUTES), OK),
    ("opendir", ask(Type.OPENDIR, FOLDER), HANDLE),
    ("readdir", ask(Type.READDIR, LISTING), NAME),
    ("remove", ask(Type.REMOVE, FILE), OK),
    ("mkdir", ask(Type.MKDIR, NEW, *NO_ATTRIBUTES), OK),
    ("rmdir", ask(Type.RMDIR, NEW), REFUSED),
    ("realpath", ask(Type.REALPATH, FILE), NAME),
    ("stat", ask(Type.STAT, FILE), ATTRS),
    ("rename", ask(Type.RENAME, FILE, NEW), OK),
    ("readlink", ask(Type.READLINK, FILE), REFUSED),
    ("symlink", ask(Type.SYMLINK, NEW, FILE), OK),
    ("posix-rename", extended(b"posix-rename@openssh.com", FILE, NEW), OK),
    ("fsync", extended(b"fsync@openssh.com", WRITING), OK),
    ("statvfs", extended(b"statvfs@openssh.com", FOLDER), REPLY),
)
"""Each request as it should be, and its answer, to be put out of shape."""


LENGTHS = (("too-long", b"\0\0\1\0"), ("2^31", b"\x80\0\0\0"), ("-1", b"\xff" * 4))
"""Of a string that is not as long: a little, and so that a signed number would be negative."""


def _shapes() -> Iterator[Case]:
    for word, good, answer in SHAPED:
        told = BROKEN | any_of(Code.OP_UNSUPPORTED)
        yield case(f"shape.cut-by-1.{word}", "7", replace(good, cut=1), allowed=told)
        yield case(f"shape.id-only.{word}", "7", replace(good, fields=()), allowed=told)
        yield case(f"shape.tail.{word}", "7", replace(good, tail=b"more"), allowed=told | answer)
        for name, length in LENGTHS:
            first = good.fields[:1] if good.type is Type.EXTENDED else ()
            sent = replace(good, fields=(*first, Raw(length + b"abc")))
            yield case(f"shape.string-{name}.{word}", "7", sent, allowed=told)


CASES = (*_paths(), *_outside(), *_handles(), *_shapes())
