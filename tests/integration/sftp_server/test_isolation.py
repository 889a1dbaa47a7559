"""No sender touches or learns what is a neighbour's, and no link leads anywhere.

Neighbours are those whose numbers and names begin alike. What was done is judged by the whole tree
around a sender's folders, before and after.
"""

from __future__ import annotations

import itertools
import os
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519

from batch.names import Folder
from batch.settings import load
from batch.sftp_server.protocol import Packet, Status
from tests.integration.sftp_server.support import (
    FRESH,
    Private,
    Raw,
    Running,
    make_instance,
    register,
    serving,
)

NEIGHBOURS = {
    "000001": "a",
    "000010": "ab",
    "000100": "a_x",
    "100000": "a.b",
    "000011": "A",
}
SECRET = b"what only its owner may see"
PATHS = (
    "/{folder}/{name}",
    "/../{sender}/{folder}/{name}",
    "/../../channels/{sender}/{folder}/{name}",
    "/{sender}/{folder}/{name}",
    "../{sender}/{folder}/{name}",
    "/IN/../../{sender}/{folder}/{name}",
    "/IN/../{user}/{folder}/{name}",
    "{data}/channels/{sender}/{folder}/{name}",
    "//{data}/channels/{sender}/{folder}/{name}",
    "/IN/{sender}/{folder}/{name}",
    "/OUT/{sender}.OUT.{name}",
    "/IN/../../../spool/taken/{sender}.OUT.{name}",
    "/proc/self/cwd/{data}/channels/{sender}/{folder}/{name}",
)


@dataclass(frozen=True)
class Town:
    """A server and its senders, each with one file of its own in every folder."""

    running: Running

    @property
    def channels(self) -> Path:
        return self.running.instance.layout.channels

    def furnish(self) -> None:
        for sender in NEIGHBOURS:
            for folder in Folder:
                place = self.channels / sender / folder
                place.mkdir(parents=True, exist_ok=True)
                (place / f"of-{sender}").write_bytes(SECRET)

    def around(self, sender: str) -> dict[str, tuple[int, int, int, int]]:
        """Everything of the instance that is not this sender's folders, locks or databases."""
        layout = self.running.instance.layout
        mine = layout.channels / sender
        found: dict[str, tuple[int, int, int, int]] = {}
        for top, folders, files in os.walk(layout.data):
            if Path(top) in (mine, layout.databases, layout.locks, layout.up):
                folders.clear()
                continue
            for name in (*folders, *files):
                status = os.lstat(os.path.join(top, name))
                own = os.path.join(top, name) in (str(mine), str(layout.locks))
                if not own and Path(top, name) not in (layout.databases, layout.up):
                    found[os.path.join(top, name)] = (
                        status.st_ino,
                        status.st_mode,
                        status.st_size,
                        status.st_mtime_ns if not stat_is_directory(status) else 0,
                    )
        return found


def stat_is_directory(status: os.stat_result) -> bool:
    return status.st_mode & 0o170000 == 0o040000


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    settings = load(data=tmp_path_factory.mktemp("town"), port=0, max_connections_per_sender=8)
    instance = make_instance(settings)
    keys: dict[str, Private] = {}
    for sender, user in NEIGHBOURS.items():
        keys[user] = ed25519.Ed25519PrivateKey.generate()
        register(instance, sender, user, keys[user])
    with serving(instance, settings) as port:
        made = Town(Running(instance, port, keys))
        made.furnish()
        yield made


def answered(raw: Raw, kind: Packet, *fields: bytes | int) -> tuple[int, bytes]:
    """What came of a request, as a client can see it; what was opened is read and closed."""
    found, rest = raw.ask(kind, *fields)
    if found == Packet.HANDLE:
        _, content = raw.ask(Packet.READ, rest[4:], 0, 0, 1000)
        raw.status(Packet.CLOSE, rest[4:])
        return found, content
    return found, rest


def extended(raw: Raw, name: bytes, *fields: bytes | int) -> tuple[int, bytes]:
    return answered(raw, Packet.EXTENDED, name, *fields)


LOOKS: dict[str, Callable[[Raw, bytes], tuple[int, bytes]]] = {
    "stat": lambda raw, path: answered(raw, Packet.STAT, path),
    "lstat": lambda raw, path: answered(raw, Packet.LSTAT, path),
    "read": lambda raw, path: answered(raw, Packet.OPEN, path, 1, 0),
    "list": lambda raw, path: answered(raw, Packet.OPENDIR, path),
    "set": lambda raw, path: answered(raw, Packet.SETSTAT, path, 4, 0o777),
    "remove": lambda raw, path: answered(raw, Packet.REMOVE, path),
    "resume": lambda raw, path: answered(raw, Packet.OPEN, path, 2, 0),
    "rename": lambda raw, path: answered(raw, Packet.RENAME, path, b"/IN/mine"),
    "onto": lambda raw, path: answered(raw, Packet.RENAME, b"/IN/own", path),
    "link": lambda raw, path: answered(raw, Packet.SYMLINK, path, b"/IN/mine"),
    "read link": lambda raw, path: answered(raw, Packet.READLINK, path),
    "make": lambda raw, path: answered(raw, Packet.MKDIR, path, 0),
    "drop": lambda raw, path: answered(raw, Packet.RMDIR, path),
    "real path": lambda raw, path: answered(raw, Packet.REALPATH, path),
    "cut": lambda raw, path: answered(raw, Packet.SETSTAT, path, 1, 0, 0),
    "posix": lambda raw, path: extended(raw, b"posix-rename@openssh.com", path, b"/IN/mine"),
    "posix onto": lambda raw, path: extended(raw, b"posix-rename@openssh.com", b"/IN/own", path),
    "hard link": lambda raw, path: extended(raw, b"hardlink@openssh.com", path, b"/IN/mine"),
    "lsetstat": lambda raw, path: extended(raw, b"lsetstat@openssh.com", path, 4, 0o777),
    "upload": lambda raw, path: answered(raw, Packet.OPEN, path, FRESH, 0),
    "take away": lambda raw, path: answered(raw, Packet.REMOVE, path),
}
"""In this order: what an upload leaves in a folder of its own sender goes again."""


@pytest.mark.parametrize(("mine", "other"), list(itertools.permutations(NEIGHBOURS, 2)), ids=str)
def test_nobody_touches_or_learns_what_a_neighbour_has(town: Town, mine: str, other: str) -> None:
    town.furnish()
    before = town.around(mine)
    with Raw(town.running, NEIGHBOURS[mine]) as raw:
        for template, folder in itertools.product(PATHS, Folder):
            there, nothing = (
                template.format(
                    *(), sender=other, user=NEIGHBOURS[other], folder=folder,
                    name=name, data=town.running.instance.layout.data,
                ).encode()
                for name in (f"of-{other}", f"no-{other}")
            )  # fmt: skip
            for name, look in LOOKS.items():
                found, absent = look(raw, there), look(raw, nothing)
                assert SECRET not in found[1], (name, there)
                told = absent[1].replace(b"no-", b"of-")
                assert (found[0], found[1]) == (absent[0], told), (name, there)
    assert town.around(mine) == before


def test_each_sees_its_own(town: Town) -> None:
    town.furnish()
    for sender, user in NEIGHBOURS.items():
        with town.running.sftp(user) as client:
            for folder in Folder:
                assert client.listdir(f"/{folder}") == [f"of-{sender}"]
                with client.open(f"/{folder}/of-{sender}") as mine:
                    assert mine.read() == SECRET


def plant(kind: str, place: Path, target: Path) -> None:
    match kind:
        case "symlink" | "symlink to a directory":
            place.symlink_to(target.parent if kind.endswith("directory") else target)
        case "fifo":
            os.mkfifo(place)
        case "device":
            os.mknod(place, 0o600 | 0o020000, os.makedev(1, 3))
        case "directory":
            place.mkdir()


@pytest.mark.parametrize(
    "kind", ["symlink", "symlink to a directory", "fifo", "device", "directory"]
)
def test_what_is_no_file_is_not_there(town: Town, kind: str) -> None:
    """A link or a device that a process of ours, or an operator, put there is never followed."""
    if kind == "device" and os.geteuid() != 0:
        pytest.skip("only root makes a device")
    town.furnish()
    target = town.channels / "000010" / "IN" / "of-000010"
    before = town.around("000001")
    with Raw(town.running, "a") as raw:
        for folder in Folder:
            place = town.channels / "000001" / folder / "planted"
            plant(kind, place, target)
            try:
                path = f"/{folder}/planted".encode()
                for name in ("stat", "lstat", "read", "set", "remove"):
                    code = struct.unpack(">I", LOOKS[name](raw, path)[1][:4])[0]
                    assert code == Status.NO_SUCH_FILE, name
                _, opened = raw.ask(Packet.OPENDIR, b"/" + folder.encode())
                assert b"planted" not in raw.ask(Packet.READDIR, opened[4:])[1]
            finally:
                place.rmdir() if kind == "directory" else place.unlink()
    assert town.around("000001") == before


@pytest.mark.parametrize("folder", list(Folder))
def test_a_folder_that_became_a_link_is_not_entered(
    town: Town, folder: Folder, capfd: pytest.CaptureFixture[str]
) -> None:
    town.furnish()
    place = town.channels / "000001" / folder
    aside = place.with_name("aside")
    path = f"/{folder}/of-000010".encode()
    with Raw(town.running, "a") as raw:
        upload = raw.open(path, FRESH) if folder.is_inbox else None
        place.rename(aside)
        place.symlink_to(town.channels / "000010" / folder)
        before = town.around("000001")
        try:
            for name in ("stat", "read", "remove", "resume", "rename", "posix", "set"):
                if name in ("stat", "set") and upload is not None:
                    continue  # its own upload is no file in the folder
                found, rest = LOOKS[name](raw, path)
                assert found == Packet.STATUS, name
                assert struct.unpack(">I", rest[:4])[0] in (
                    Status.FAILURE,
                    Status.PERMISSION_DENIED,
                ), name
            assert LOOKS["list"](raw, f"/{folder}".encode())[0] == Packet.STATUS
            if upload is not None:
                assert raw.status(Packet.CLOSE, upload)[0] == Status.FAILURE
            assert town.around("000001") == before
        finally:
            place.unlink()
            aside.rename(place)
    assert "is a link or no directory" in capfd.readouterr().err


def test_a_sender_whose_directory_became_a_link_is_told_of_a_failure(town: Town) -> None:
    """Also where the link is there before the session."""
    town.furnish()
    place, aside = town.channels / "000001", town.channels / "aside"
    place.rename(aside)
    place.symlink_to(town.channels / "000010")
    before = town.around("nobody")
    try:
        with Raw(town.running, "a") as raw:
            assert LOOKS["list"](raw, b"/")[0] == Packet.HANDLE
            for folder, name in itertools.product(Folder, ("stat", "read", "resume", "list")):
                path = f"/{folder}".encode() + (b"" if name == "list" else b"/of-000010")
                found, rest = LOOKS[name](raw, path)
                assert found == Packet.STATUS, (folder, name)
                assert struct.unpack(">I", rest[:4])[0] in (
                    Status.FAILURE,
                    Status.PERMISSION_DENIED,
                ), (folder, name)
        assert town.around("nobody") == before
    finally:
        place.unlink()
        aside.rename(place)
