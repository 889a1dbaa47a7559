"""What makes, moves, lists and removes names (sections 6.5 to 6.7, 6.10 and 6.11)."""

from __future__ import annotations

from tests.conformance.answers import Code
from tests.conformance.cases.case import (
    ABSENT,
    ATTRS,
    HANDLE,
    NAME,
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
    NO_ATTRIBUTES,
    READ,
    READING,
    SECOND,
    Opened,
    Type,
    UntilEnd,
    ask,
    mode,
    open_,
    read,
)

DATA, EOF = any_of(Code.DATA), any_of(Code.EOF)
_made = ask(Type.MKDIR, NEW, *NO_ATTRIBUTES)
_linked = ask(Type.SYMLINK, NEW, FILE)


def _removes() -> tuple[Case, ...]:
    gone = ask(Type.REMOVE, FILE)
    return (
        case("remove.file", "6.5", gone, allowed=OK),
        case("remove.is-gone", "6.5", gone, ask(Type.STAT, FILE), allowed=ABSENT),
        case("remove.twice", "6.5", gone, gone, allowed=ABSENT),
        case("remove.absent", "6.5", ask(Type.REMOVE, NEW), allowed=ABSENT),
        case("remove.folder", "6.5", ask(Type.REMOVE, FOLDER), allowed=THERE),
        case("remove.root", "6.5", ask(Type.REMOVE, b"/"), allowed=THERE),
        case("remove.below-file", "6.5", ask(Type.REMOVE, FILE.below(b"x")), allowed=REFUSED),
        case("remove.open", "6.5", read(READING, 0, 1), gone, allowed=OK | REFUSED),
    )


def _renames() -> tuple[Case, ...]:
    moved = ask(Type.RENAME, FILE, NEW)
    return (
        case("rename.file", "6.5", moved, allowed=OK),
        case("rename.is-gone", "6.5", moved, ask(Type.STAT, FILE), allowed=ABSENT),
        case("rename.is-there", "6.5", moved, read(Opened(open_(NEW, READ))), allowed=DATA,
             gives=CONTENT),
        case("rename.over", "6.5", ask(Type.RENAME, FILE, SECOND), allowed=THERE),
        case("rename.itself", "6.5", ask(Type.RENAME, FILE, FILE), allowed=THERE),
        case("rename.over-folder", "6.5", ask(Type.RENAME, FILE, FOLDER), allowed=THERE),
        case("rename.absent", "6.5", ask(Type.RENAME, NEW, NEW.then(b"2")), allowed=ABSENT),
        case("rename.absent-over", "6.5", ask(Type.RENAME, NEW, FILE), allowed=REFUSED),
        case("rename.folder-into-itself", "6.5", ask(Type.RENAME, FOLDER, NEW), allowed=REFUSED),
        case("rename.root", "6.5", ask(Type.RENAME, b"/", NEW), allowed=REFUSED),
        case("rename.into-no-folder", "6.5", ask(Type.RENAME, FILE, NEW.below(b"x")),
             allowed=REFUSED),
        case("rename.below-file", "6.5", ask(Type.RENAME, FILE, SECOND.below(b"x")),
             allowed=REFUSED),
    )  # fmt: skip


def _folders() -> tuple[Case, ...]:
    inside = ask(Type.MKDIR, NEW.below(b"x"), *NO_ATTRIBUTES)
    return (
        case("mkdir.new", "6.6", _made, allowed=OK),
        case("mkdir.mode", "6.6", ask(Type.MKDIR, NEW, *mode(0o700)), allowed=OK),
        case("mkdir.is-there", "6.6", _made, ask(Type.OPENDIR, NEW), allowed=HANDLE),
        case("mkdir.over-folder", "6.6", ask(Type.MKDIR, FOLDER, *NO_ATTRIBUTES), allowed=THERE),
        case("mkdir.over-file", "6.6", ask(Type.MKDIR, FILE, *NO_ATTRIBUTES), allowed=THERE),
        case("mkdir.in-no-folder", "6.6", inside, allowed=REFUSED),
        case("mkdir.root", "6.6", ask(Type.MKDIR, b"/", *NO_ATTRIBUTES), allowed=THERE),
        case("rmdir.empty", "6.6", _made, ask(Type.RMDIR, NEW), allowed=OK),
        case("rmdir.is-gone", "6.6", _made, ask(Type.RMDIR, NEW), ask(Type.STAT, NEW),
             allowed=ABSENT),
        case("rmdir.full", "6.6", _made, inside, ask(Type.RMDIR, NEW),
             allowed=THERE - {Code.OP_UNSUPPORTED}),
        case("rmdir.absent", "6.6", ask(Type.RMDIR, NEW), allowed=ABSENT),
        case("rmdir.file", "6.6", ask(Type.RMDIR, FILE), allowed=REFUSED),
        case("rmdir.root", "6.6", ask(Type.RMDIR, b"/"), allowed=THERE),
    )  # fmt: skip


def _listings() -> tuple[Case, ...]:
    return (
        case("opendir.folder", "6.7", ask(Type.OPENDIR, FOLDER), allowed=HANDLE),
        case("opendir.root", "6.7", ask(Type.OPENDIR, b"/"), allowed=HANDLE | REFUSED),
        case("opendir.empty-path", "6.2", ask(Type.OPENDIR, b""), allowed=HANDLE),
        case("opendir.slash", "6.7", ask(Type.OPENDIR, FOLDER.then(b"/")),
             allowed=HANDLE | REFUSED),
        case("opendir.absent", "6.7", ask(Type.OPENDIR, NEW), allowed=ABSENT),
        case("opendir.file", "6.7", ask(Type.OPENDIR, FILE), allowed=REFUSED),
        case("readdir.file-is-named", "6.7", ask(Type.STAT, FILE), ask(Type.READDIR, LISTING),
             allowed=NAME, gives=(FILE,)),
        case("readdir.to-its-end", "6.7", UntilEnd(ask(Type.READDIR, LISTING)), allowed=EOF),
        case("readdir.after-its-end", "6.7", UntilEnd(ask(Type.READDIR, LISTING)),
             ask(Type.READDIR, LISTING), allowed=EOF),
        case("readdir.reading", "6.7", ask(Type.READDIR, READING), allowed=REFUSED),
    )  # fmt: skip


def _links() -> tuple[Case, ...]:
    """The order of the fields is that of the draft: the link first, then where it leads. Both are
    in the folder, since there are servers that take them the other way round."""
    dangling = ask(Type.SYMLINK, NEW, NEW.then(b"-nowhere"))
    return (
        case("symlink.to-file", "6.10", _linked, allowed=OK),
        case("symlink.dangling", "6.10", dangling, allowed=OK),
        case("symlink.over-file", "6.10", ask(Type.SYMLINK, FILE, SECOND), allowed=THERE),
        case("readlink.link", "6.10", _linked, ask(Type.READLINK, NEW), allowed=NAME,
             gives=(FILE.whole(),)),
        case("readlink.file", "6.10", ask(Type.READLINK, FILE), allowed=REFUSED),
        case("readlink.folder", "6.10", ask(Type.READLINK, FOLDER), allowed=REFUSED),
        case("readlink.absent", "6.10", ask(Type.READLINK, NEW), allowed=REFUSED),
        case("stat.link", "6.8", _linked, ask(Type.STAT, NEW), allowed=ATTRS, gives=len(CONTENT)),
        case("lstat.link", "6.8", _linked, ask(Type.LSTAT, NEW), allowed=ATTRS),
        case("remove.link", "6.5", _linked, ask(Type.REMOVE, NEW), ask(Type.STAT, FILE),
             allowed=ATTRS, gives=len(CONTENT)),
    )  # fmt: skip


def _real_paths() -> tuple[Case, ...]:
    return (
        case("realpath.dot", "6.11", ask(Type.REALPATH, b"."), allowed=NAME),
        case("realpath.empty", "6.2", ask(Type.REALPATH, b""), allowed=NAME),
        case("realpath.root", "6.11", ask(Type.REALPATH, b"/"), allowed=NAME, gives=(b"/",)),
        case("realpath.above-root", "6.11", ask(Type.REALPATH, b"/../.."), allowed=NAME,
             gives=(b"/",)),
        case("realpath.folder", "6.11", ask(Type.REALPATH, FOLDER), allowed=NAME,
             gives=(FOLDER.whole(),)),
        case("realpath.dots", "6.11", ask(Type.REALPATH, FOLDER.then(b"/./.././/")), allowed=NAME),
        case("realpath.file", "6.11", ask(Type.REALPATH, FILE), allowed=NAME,
             gives=(FILE.whole(),)),
        case("realpath.absent", "6.11", ask(Type.REALPATH, NEW), allowed=NAME | ABSENT),
        case("realpath.below-absent", "6.11", ask(Type.REALPATH, NEW.below(b"x")),
             allowed=NAME | REFUSED),
    )  # fmt: skip


CASES = (
    *_removes(),
    *_renames(),
    *_folders(),
    *_listings(),
    *_links(),
    *_real_paths(),
)
