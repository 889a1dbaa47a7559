"""Every request at every place in every state: what comes of it; a refusal changes nothing.

The answers are written down here by hand, beside the table of ``batch.permissions``.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import pytest

from batch.sftp_server.protocol import Packet, Status
from tests.integration.sftp_server.support import (
    CREATE,
    EXCLUSIVE,
    FRESH,
    WRITE,
    Raw,
    Running,
    offset,
    text,
)

READ, TIMES, MODE, SIZE = 0x01, 0x08, 0x04, 0x01
CONTENT = b"content"
NEW = b"new"
"""What each opening for writing writes, at the beginning of the file."""
SPARE = b"spare"
"""A stored file beside the others, to be renamed and linked; it holds its name."""

INBOXES, OUTBOXES = ("IN", "INTEST"), ("OUT", "OUTTEST")
PLACES = {
    "root": ("/",),
    "inbox": tuple(f"/{f}" for f in INBOXES),
    "outbox": tuple(f"/{f}" for f in OUTBOXES),
    "free": tuple(f"/{f}/free" for f in INBOXES),
    "open": tuple(f"/{f}/open" for f in INBOXES),
    "stored": tuple(f"/{f}/stored" for f in INBOXES),
    "sealed": tuple(f"/{f}/sealed" for f in INBOXES),
    "none": tuple(f"/{f}/none" for f in OUTBOXES),
    "answer": tuple(f"/{f}/answer" for f in OUTBOXES),
    "nowhere": ("/etc/passwd", "/IN/stored/below", "/IN/.hidden", "/OUT/a b"),
}

# open: this session is uploading it, and nothing is stored; nowhere: no name here
# absent: no such file; failed: not this kind of thing, or there already; never: not done here
ANSWERS = """
                   root   inbox  outbox free   open   stored sealed none   answer nowhere
    stat           ok     ok     ok     absent ok     ok     ok     absent ok     absent
    lstat          ok     ok     ok     absent ok     ok     ok     absent ok     absent
    space          ok     ok     ok     absent ok     ok     ok     absent ok     absent
    real path      ok     ok     ok     ok     ok     ok     ok     ok     ok     absent
    open directory ok     ok     ok     absent absent absent absent absent absent absent
    read           failed failed failed absent absent ok     ok     absent ok     absent
    upload         denied failed failed ok     ok     ok     ok     denied denied denied
    resume         denied failed failed ok     ok     ok     denied denied denied denied
    append         denied failed failed ok     ok     ok     denied denied denied denied
    create new     denied failed failed ok     ok     failed failed denied denied denied
    write existing denied failed failed absent absent ok     denied denied denied denied
    set times      ok     ok     ok     absent ok     ok     ok     absent ok     absent
    set mode       ok     ok     ok     absent ok     ok     ok     absent ok     absent
    same size      denied denied denied absent ok     ok     ok     absent ok     absent
    other size     denied denied denied absent denied denied denied absent denied absent
    remove         denied denied denied absent absent ok     denied absent ok     absent
    rename away    denied denied denied absent absent ok     denied denied denied absent
    rename onto    denied denied denied ok     ok     failed ok     denied denied denied
    posix away     denied denied denied absent absent ok     denied denied denied absent
    posix onto     denied denied denied ok     ok     ok     ok     denied denied denied
    make directory never  never  never  never  never  never  never  never  never  never
    drop directory never  never  never  never  never  never  never  never  never  never
    read link      never  never  never  never  never  never  never  never  never  never
    symlink to     never  never  never  never  never  never  never  never  never  never
    symlink at     never  never  never  never  never  never  never  never  never  never
    hardlink to    never  never  never  never  never  never  never  never  never  never
    hardlink at    never  never  never  never  never  never  never  never  never  never
    lsetstat       never  never  never  never  never  never  never  never  never  never
    expand path    never  never  never  never  never  never  never  never  never  never
    copy data      never  never  never  never  never  never  never  never  never  never
    users by id    never  never  never  never  never  never  never  never  never  never
"""
CODES = {
    "ok": Status.OK,
    "denied": Status.PERMISSION_DENIED,
    "absent": Status.NO_SUCH_FILE,
    "failed": Status.FAILURE,
    "never": Status.OP_UNSUPPORTED,
}


@dataclass(frozen=True)
class Desk:
    """A session, and the tree of its sender."""

    raw: Raw
    running: Running
    said: list[str] = field(default_factory=list)
    """The text of every STATUS."""

    @property
    def root(self) -> Path:
        return self.running.inbox.parent

    def code(self, kind: Packet, *fields: bytes | int) -> int:
        """The status of a request; what it opened is closed again, and that counts."""
        found, rest = self.raw.ask(kind, *fields)
        if found == Packet.HANDLE:
            if kind is Packet.OPEN and fields[1] != READ:
                assert self.raw.status(Packet.WRITE, rest[4:], *offset(0), NEW)[0] == Status.OK
            return self.raw.status(Packet.CLOSE, rest[4:])[0]
        if found != Packet.STATUS:
            return Status.OK
        code, length = struct.unpack(">II", rest[:8])
        self.said.append(rest[8 : 8 + length].decode())
        return int(code)

    def open(self, path: bytes, flags: int) -> int:
        return self.code(Packet.OPEN, path, flags, 0)

    def extended(self, name: bytes, *fields: bytes | int) -> int:
        return self.code(Packet.EXTENDED, name, *fields)

    def spare(self, path: bytes) -> bytes:
        """The spare file in the folder of ``path``; in IN where it has none."""
        folder = path.split(b"/")[1]
        return b"/" + (folder if folder.decode() in INBOXES else b"IN") + b"/" + SPARE

    def arrange(self) -> None:
        """Everything as at the beginning."""
        layout = self.running.instance.layout
        for folder in (*INBOXES, *OUTBOXES):
            for path in (self.root / folder).iterdir():
                path.unlink()
        for path in layout.taken.iterdir():
            path.unlink()
        home = layout.sealed / "some set"
        home.mkdir(exist_ok=True)
        for folder in INBOXES:
            (self.root / folder / "stored").write_bytes(CONTENT)
            (self.root / folder / SPARE.decode()).write_bytes(SPARE)
            (self.root / folder / "sealed").write_bytes(CONTENT)
            (home / folder).unlink(missing_ok=True)
            os.link(self.root / folder / "sealed", home / folder)
        for folder in OUTBOXES:
            (self.root / folder / "answer").write_bytes(CONTENT)

    def at(self, path: str) -> bytes | None:
        """What is stored under a path; None where nothing is."""
        file = self.root / path.removeprefix("/")
        return file.read_bytes() if file.is_file() else None

    def seen(self) -> dict[str, tuple[int, int, int, bytes]]:
        """Every file of the instance but locks and databases: inode, mode, time and bytes."""
        layout = self.running.instance.layout
        found: dict[str, tuple[int, int, int, bytes]] = {}
        for top in (layout.channels, layout.sealed, layout.taken, layout.up, layout.seal):
            for path in sorted(top.rglob("*")):
                status = path.lstat()
                told = path.read_bytes() if path.is_file() else b""
                found[str(path)] = (status.st_ino, status.st_mode, status.st_mtime_ns, told)
        return found


REQUESTS: dict[str, Callable[[Desk, bytes], int]] = {
    "stat": lambda d, p: d.code(Packet.STAT, p),
    "lstat": lambda d, p: d.code(Packet.LSTAT, p),
    "space": lambda d, p: d.extended(b"statvfs@openssh.com", p),
    "real path": lambda d, p: d.code(Packet.REALPATH, p),
    "open directory": lambda d, p: d.code(Packet.OPENDIR, p),
    "read": lambda d, p: d.open(p, READ),
    "upload": lambda d, p: d.open(p, FRESH),
    "resume": lambda d, p: d.open(p, WRITE | CREATE),
    "append": lambda d, p: d.open(p, WRITE | CREATE | 0x04),
    "create new": lambda d, p: d.open(p, FRESH | EXCLUSIVE),
    "write existing": lambda d, p: d.open(p, WRITE),
    "set times": lambda d, p: d.code(Packet.SETSTAT, p, TIMES, 1, 1),
    "set mode": lambda d, p: d.code(Packet.SETSTAT, p, MODE, 0o777),
    "same size": lambda d, p: d.code(Packet.SETSTAT, p, SIZE, *offset(len(CONTENT))),
    "other size": lambda d, p: d.code(Packet.SETSTAT, p, SIZE, *offset(3)),
    "remove": lambda d, p: d.code(Packet.REMOVE, p),
    "rename away": lambda d, p: d.code(Packet.RENAME, p, b"/" + p.split(b"/")[1] + b"/away"),
    "rename onto": lambda d, p: d.code(Packet.RENAME, d.spare(p), p),
    "posix away": lambda d, p: d.extended(
        b"posix-rename@openssh.com", p, b"/" + p.split(b"/")[1] + b"/away"
    ),
    "posix onto": lambda d, p: d.extended(b"posix-rename@openssh.com", d.spare(p), p),
    "make directory": lambda d, p: d.code(Packet.MKDIR, p, 0),
    "drop directory": lambda d, p: d.code(Packet.RMDIR, p),
    "read link": lambda d, p: d.code(Packet.READLINK, p),
    "symlink to": lambda d, p: d.code(Packet.SYMLINK, p, b"/IN/link"),
    "symlink at": lambda d, p: d.code(Packet.SYMLINK, b"/IN/stored", p),
    "hardlink to": lambda d, p: d.extended(b"hardlink@openssh.com", p, b"/IN/link"),
    "hardlink at": lambda d, p: d.extended(b"hardlink@openssh.com", b"/IN/stored", p),
    "lsetstat": lambda d, p: d.extended(b"lsetstat@openssh.com", p, MODE, 0o777),
    "expand path": lambda d, p: d.extended(b"expand-path@openssh.com", p),
    "copy data": lambda d, p: d.extended(b"copy-data", p, *offset(0), *offset(0), p, *offset(0)),
    "users by id": lambda d, p: d.extended(b"users-groups-by-id@openssh.com", text(p)),
}


def _cells() -> Iterator[tuple[str, str, str]]:
    """(request, path, wanted), for each of the places that a column stands for."""
    head, *rows = ANSWERS.strip().splitlines()
    columns = head.split()
    for row in rows:
        words = row.split()
        request = " ".join(words[: -len(columns)])
        for column, wanted in zip(columns, words[-len(columns) :], strict=True):
            for path in PLACES[column]:
                yield request, path, wanted


CELLS = list(_cells())
_unused = count()


@pytest.fixture(scope="module")
def desk(running: Running) -> Iterator[Desk]:
    with Raw(running) as raw:
        yield Desk(raw, running)


def test_every_request_has_its_row() -> None:
    assert {request for request, _, _ in CELLS} == set(REQUESTS)
    assert len(CELLS) > 400


LOOKS = ("stat", "lstat", "space", "real path", "read", "open directory")
OVER = NEW + CONTENT[len(NEW) :]
EFFECTS: dict[str, tuple[bytes | None, bytes | None]] = {
    "upload": (NEW, NEW),
    "resume": (OVER, NEW),
    "append": (CONTENT + NEW, NEW),
    "create new": (None, NEW),
    "write existing": (OVER, None),
    "remove": (None, None),
    "rename away": (None, None),
    "rename onto": (SPARE, SPARE),
    "posix away": (None, None),
    "posix onto": (SPARE, SPARE),
}
"""What is stored at the path once it was done, where CONTENT was before, and where nothing was."""
ASIDE = {
    "rename away": ("away", CONTENT),
    "posix away": ("away", CONTENT),
    "rename onto": ("spare", None),
    "posix onto": ("spare", None),
}
"""And under the other name of a rename."""


@contextmanager
def as_it_must_be(desk: Desk, path: str) -> Iterator[bytes]:
    """The path of a cell: of a name nothing is known by this session, or only its own upload."""
    for state in ("/free", "/open"):
        path = path.replace(state, f"{state}{next(_unused)}")
    if "/open" not in path:
        yield path.encode()
        return
    handle = desk.raw.open(path.encode(), FRESH)
    assert desk.raw.status(Packet.WRITE, handle, *offset(0), CONTENT)[0] == Status.OK
    yield path.encode()
    assert desk.raw.status(Packet.CLOSE, handle)[0] == Status.OK


@pytest.mark.parametrize(("request_", "path", "wanted"), CELLS)
def test_what_comes_of(desk: Desk, request_: str, path: str, wanted: str) -> None:
    desk.arrange()
    with as_it_must_be(desk, path) as name:
        before, here = desk.seen(), name.decode()
        fresh = desk.at(here) is None
        assert Status(REQUESTS[request_](desk, name)) is CODES[wanted]
        if wanted != "ok" or request_ in LOOKS or request_.startswith(("set", "same")):
            assert desk.seen() == before
            return
        assert desk.at(here) == EFFECTS[request_][fresh]
        if request_ in ASIDE:
            other, content = ASIDE[request_]
            assert desk.at(f"{here.rpartition('/')[0]}/{other}") == content


WHY = {
    ("remove", "sealed"): "sealed: this set is already sealed",
    ("resume", "sealed"): "sealed: this set is already sealed",
    ("rename away", "sealed"): "sealed: this set is already sealed",
    ("posix away", "sealed"): "sealed: this set is already sealed",
    ("read", "open"): "it is still being uploaded; close it first",
    ("remove", "open"): "it is still being uploaded; close it first",
    ("rename away", "open"): "it is still being uploaded; close it first",
    ("rename onto", "stored"): "a file of this name is there already",
    ("create new", "stored"): "a file of this name is there already",
    ("upload", "answer"): "answers are read and removed, not written; use IN or INTEST",
    ("rename away", "answer"): "answers are read and removed, not written; use IN or INTEST",
    ("upload", "root"): "nothing is written here; use IN or INTEST",
    ("upload", "inbox"): "this is a directory, not a file",
    ("remove", "inbox"): "the four folders stay as they are",
    ("open directory", "stored"): "only the root, IN, OUT, INTEST and OUTTEST can be listed",
    ("open directory", "free"): "only the root, IN, OUT, INTEST and OUTTEST can be listed",
    ("other size", "stored"): "a file cannot be cut or grown here; send it again",
    ("remove", "free"): "no such file",
    ("make directory", "inbox"): "no directories are made here; put files in IN or INTEST",
    ("symlink to", "stored"): "no links are made here",
    ("read link", "stored"): "there are no links here",
}


@pytest.mark.parametrize(("request_", "place"), WHY, ids="-".join)
def test_a_refusal_says_why(desk: Desk, request_: str, place: str) -> None:
    desk.arrange()
    with as_it_must_be(desk, PLACES[place][0]) as name:
        REQUESTS[request_](desk, name)
    assert desk.said[-1] == WHY[request_, place]


def test_what_is_sealed_keeps_its_bytes_whatever_is_done_at_its_name(desk: Desk) -> None:
    sealed = desk.running.instance.layout.sealed / "some set"
    for name, act in REQUESTS.items():
        desk.arrange()
        inode = (sealed / "IN").stat().st_ino
        act(desk, b"/IN/sealed")
        assert (sealed / "IN").read_bytes() == CONTENT, name
        assert (sealed / "IN").stat().st_ino == inode, name
