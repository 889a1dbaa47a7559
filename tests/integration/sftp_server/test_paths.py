"""Hostile paths in every request that carries one, and what the kernel is asked for at them.

A quick number goes through ``make test``, a million through ``make ci-long``. The paths are bytes:
what no client's library would send is sent.
"""

from __future__ import annotations

import os
import random
import re
import struct
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from batch.identifiers import SenderNumber
from batch.names import SAFE_NAME, Folder
from batch.settings import Settings, load
from batch.sftp_server.descriptors import Files
from batch.sftp_server.operations import Operations
from batch.sftp_server.protocol import Packet, decode
from batch.sftp_server.refusals import INTERNAL
from batch.sftp_server.stream import Reader
from tests.integration.sftp_server.fuzz.paths import FOLDERS, hostile
from tests.integration.sftp_server.support import (
    FRESH,
    WRITE,
    Raw,
    Running,
    make_instance,
    offset,
    text,
)
from tests.integration.sftp_server.test_process import process
from tests.integration.sftp_server.test_process import stopped as stopped

MINE, OTHER = "000001", "000010"
SECRET = b"what only its owner may see"
QUICK, MANY = 5_000, 1_000_000
ANSWERS = (Packet.STATUS, Packet.HANDLE, Packet.NAME, Packet.ATTRS, Packet.EXTENDED_REPLY)


def words(*fields: bytes | int) -> bytes:
    return b"".join(text(f) if isinstance(f, bytes) else struct.pack(">I", f) for f in fields)


Make = Callable[[Callable[[], bytes]], bytes]


def simple(kind: Packet, *rest: bytes | int) -> Make:
    return lambda path: bytes([kind]) + words(7, path(), *rest)


def double(kind: Packet) -> Make:
    return lambda path: bytes([kind]) + words(7, path(), path())


def extended(name: bytes, *rest: bytes | int) -> Make:
    return lambda path: bytes([Packet.EXTENDED]) + words(7, name, path(), *rest)


def extended_double(name: bytes) -> Make:
    return lambda path: bytes([Packet.EXTENDED]) + words(7, name, path(), path())


REQUESTS: dict[str, Make] = {
    "stat": simple(Packet.STAT),
    "lstat": simple(Packet.LSTAT),
    "set mode": simple(Packet.SETSTAT, 0x04, 0o777),
    "set size": simple(Packet.SETSTAT, 0x01, *offset(0)),
    "set times": simple(Packet.SETSTAT, 0x08, 1, 1),
    "real path": simple(Packet.REALPATH),
    "list": simple(Packet.OPENDIR),
    "read": simple(Packet.OPEN, 0x01, 0),
    "resume": simple(Packet.OPEN, WRITE, 0),
    "upload": simple(Packet.OPEN, FRESH, 0),
    "remove": simple(Packet.REMOVE),
    "rename": double(Packet.RENAME),
    "posix rename": extended_double(b"posix-rename@openssh.com"),
    "make directory": simple(Packet.MKDIR, 0),
    "drop directory": simple(Packet.RMDIR),
    "read link": simple(Packet.READLINK),
    "symlink": double(Packet.SYMLINK),
    "hardlink": extended_double(b"hardlink@openssh.com"),
    "lsetstat": extended(b"lsetstat@openssh.com", 0x04, 0o777),
    "statvfs": extended(b"statvfs@openssh.com"),
    "expand": extended(b"expand-path@openssh.com"),
}
"""Every request that carries a path, by what makes its packet."""


def around(data: Path) -> dict[str, tuple[int, int, int, int, bytes]]:
    """Everything beside this sender's folders: inode, mode, size, time, bytes.

    What our own protocol writes for this sender elsewhere is left out: its staging files, the
    answers it removed, its locks and what the databases hold; of directories, their times.
    """
    found: dict[str, tuple[int, int, int, int, bytes]] = {}
    ours = {data / "channels" / MINE, data / "spool/up", data / "spool/locks", data / "db"}
    for top, directories, files in os.walk(data.parent):
        directories[:] = [d for d in directories if Path(top, d) not in ours]
        for name in (*directories, *files):
            path = Path(top, name)
            status = path.lstat()
            if name.startswith(f"{MINE}.") and path.parent.name == "taken":
                continue
            content = path.read_bytes() if name in files and not path.is_symlink() else b""
            changed = 0 if name in directories else status.st_mtime_ns
            size = 0 if name in directories else status.st_size
            found[str(path)] = (status.st_ino, status.st_mode, size, changed, content)
    return found


def furnish(data: Path) -> None:
    """Files of this sender and of another; one of this sender's is sealed."""
    for sender, name in ((MINE, "mine"), (OTHER, f"of-{OTHER}")):
        for folder in Folder:
            place = data / "channels" / sender / folder
            place.mkdir(parents=True, exist_ok=True)
            (place / name).write_bytes(b"mine" if sender == MINE else SECRET)
    sealed = data / "channels" / MINE / "IN" / "sealed"
    if not sealed.exists():
        sealed.write_bytes(b"sealed")
        os.link(sealed, data / "spool/sealed/sealed")
    (data.parent / "outside").write_bytes(SECRET)


def leads_inside(path: bytes) -> bool:
    """Whether a path means the root, a folder or a safe name in one, by the rules of POSIX."""
    root, *parts = os.path.normpath(b"/" + path).split(b"/")
    parts = [part for part in parts if part]
    safe = re.fullmatch(SAFE_NAME.pattern.encode(), parts[1]) if len(parts) == 2 else len(parts) < 2
    return not root and bool(safe) and (not parts or parts[0] in FOLDERS)


def only_safe_names(data: Path) -> bool:
    return all(
        SAFE_NAME.fullmatch(name)
        for folder in Folder
        for name in os.listdir(data / "channels" / MINE / folder)
    )


def answered(operations: Operations, packet: bytes) -> bytes:
    """The reply to one packet, as the session makes it, in this thread."""
    reader = Reader()
    reader.feed(struct.pack(">I", len(packet)) + packet)
    whole = reader.next()
    assert whole is not None
    answer = operations.answer(decode(whole))
    return answer if isinstance(answer, bytes) else answer.do()


def storm(settings: Settings, operations: Operations, count: int, chance: random.Random) -> None:
    """So many hostile requests; what each may be answered, and what must be as it was after all."""
    data = settings.data
    furnish(data)
    before, seen = around(data), Counter[tuple[str, int]]()
    for number in range(count):
        name, given = chance.choice(list(REQUESTS)), [hostile(chance), hostile(chance)]
        packet = REQUESTS[name](iter(given).__next__)
        reply = answered(operations, packet)
        if reply[4] != Packet.STATUS or reply[9:13] == b"\0\0\0\0":
            assert leads_inside(given[0]), given
        seen[name, reply[4]] += 1
        assert reply[4] in ANSWERS
        assert SECRET not in reply
        assert str(data).encode() not in reply, packet
        assert INTERNAL.text.encode() not in reply, packet
        if reply[4] == Packet.HANDLE:
            handle = reply[13:]
            read = bytes([Packet.READ]) + words(7, handle, *offset(0), 1000)
            assert SECRET not in answered(operations, read)
            if chance.random() < 0.2 or name != "upload":
                answered(operations, bytes([Packet.CLOSE]) + words(7, handle))
            else:
                operations.abandon()
        if number % 1000 == 0:
            furnish_again(data)
    for name in REQUESTS:
        assert seen[name, Packet.STATUS], name
    for name, good in (
        *(("upload", Packet.HANDLE), ("read", Packet.HANDLE), ("list", Packet.HANDLE)),
        *(("stat", Packet.ATTRS), ("real path", Packet.NAME)),
    ):
        assert seen[name, good], f"no {name} ever led inside"
    assert around(data) == before
    assert only_safe_names(data)


def furnish_again(data: Path) -> None:
    """What this sender removed of its own comes back, so that later paths find it too."""
    for folder in Folder:
        mine = data / "channels" / MINE / folder / "mine"
        if not mine.exists():
            mine.write_bytes(b"mine")


@contextmanager
def at_work(place: Path) -> Iterator[tuple[Settings, Operations]]:
    """One sender's session on a real spool, without a connection."""
    settings = load(data=place / "data")
    instance = make_instance(settings)
    sender = SenderNumber(MINE)
    operations = Operations(instance.spool.sender(sender), settings, Files(100).of(sender))
    yield settings, operations
    operations.abandon()


@pytest.mark.parametrize("count", [QUICK, pytest.param(MANY, marks=pytest.mark.slow)])
@pytest.mark.timeout(1200)
def test_hostile_paths_in_every_request_touch_and_tell_nothing(tmp_path: Path, count: int) -> None:
    seed = int(os.environ.get("FLA_PATHS_SEED") or random.SystemRandom().randrange(10**6))
    began = time.monotonic()
    with at_work(tmp_path) as (settings, operations):
        storm(settings, operations, count, random.Random(seed))
    print(f"seed {seed}: {count} requests, {count / (time.monotonic() - began):.0f} a second")


# --- what the kernel is asked for -----------------------------------------------------------

_LINE = re.compile(r"^\d+ +(?P<call>\w+)\((?P<rest>.*)$")
_OPENED = re.compile(r"\) = \d+<(?P<path>[^>]*)>$")
_NAMED = re.compile(r'(?:(?:AT_FDCWD|\d+)<(?P<at>[^>]*)>, )?"(?P<name>(?:[^"\\]|\\.)*)"')


@contextmanager
def traced(pid: int, log: Path) -> Iterator[None]:
    """Every call with a file name in it, of all threads of a process; directories by their path."""
    said = log.with_suffix(".said")
    with said.open("wb") as errors:
        tracer = subprocess.Popen(
            ["strace", "-f", "-y", "-s", "9999", "-e", "trace=%file", "-o", log, "-p", str(pid)],
            stderr=errors,
        )
    try:
        deadline = time.monotonic() + 60
        while b"attached" not in said.read_bytes():
            assert time.monotonic() < deadline, said.read_text()
            time.sleep(0.01)
        yield
    finally:
        tracer.terminate()
        tracer.wait(60)


def asked_for(log: Path) -> Iterator[tuple[str, str]]:
    """(call, path) of a trace: a name is put to the directory in which it was asked for.

    What a call opened is told by where it really lies, whatever name led to it.
    """
    for line in log.read_text(errors="replace").splitlines():
        found = _LINE.match(line)
        if found is None:
            continue
        for named in _NAMED.finditer(found["rest"]):
            at, name = named["at"] or "/no directory/", named["name"]
            itself = name in ("", ".")  # a folder that is open is opened anew to be listed
            yield found["call"], at if itself else os.path.join(at, name)
        opened = _OPENED.search(found["rest"])
        if opened is not None:
            yield "opened", opened["path"]


@pytest.mark.slow
@pytest.mark.needs("strace")
def test_the_serving_process_asks_the_kernel_for_nothing_outside(
    stopped: Running, tmp_path: Path
) -> None:
    """A path of a sender never goes down as it came: what is asked for is one safe name in one of
    its four folders, or what our own protocol needs beside them."""
    chance = random.Random(7)
    with process(stopped) as (running, server):
        data = running.instance.layout.data
        furnish(data)
        log = tmp_path / "trace"
        with Raw(running) as raw:
            _talk(raw, chance, 50)  # what Python imports late is imported now
            with traced(server.pid, log):
                _talk(raw, chance, 5_000)
    inside = re.compile(
        rf"{re.escape(str(data))}(?:"
        rf"|/channels(?:/{MINE}(?:/(?:IN|OUT|INTEST|OUTTEST)(?:/{SAFE_NAME.pattern})?)?)?"
        rf"|/spool/up/[0-9a-f]{{32}}|/spool/locks/(?:{MINE}|go-refused)"
        rf"|/spool/taken(?:/{MINE}\.OUT(?:TEST)?\.{SAFE_NAME.pattern})?"
        rf"|/spool/(?:sealed|seal|quarantine|arch)(?:/{MINE}\..*)?"
        rf"|/db/[a-z.-]+)?"
    )
    looked_at = re.compile(rf"{re.escape(str(data))}/keys/ssh_host_[a-z0-9_]+")
    asked = Counter(asked_for(log))
    outside = {(call, path) for call, path in asked if not inside.fullmatch(path)}
    # The host keys are looked at from time to time, and read when they have changed: not here.
    outside -= {each for each in asked if "stat" in each[0] and looked_at.fullmatch(each[1])}
    outside = {each for each in outside if not each[1].startswith((sys.prefix, sys.base_prefix))}
    assert outside == set()
    assert any(path.endswith("/IN/mine") for _, path in asked), "nothing was traced"
    assert any(call == "opened" for call, _ in asked)
    assert sum(asked.values()) > 1_000


def _talk(raw: Raw, chance: random.Random, count: int) -> None:
    for _ in range(count):
        raw.send(REQUESTS[chance.choice(list(REQUESTS))](lambda: hostile(chance)))
        reply = raw.receive()
        assert SECRET not in reply
        if reply[0] == Packet.HANDLE:
            raw.ask(Packet.CLOSE, reply[9:])
