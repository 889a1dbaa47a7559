"""The habits of clients that cannot run here, replayed packet by packet from ``habits/``.

A line is a request and, after `` : ``, its answer. ``+`` before it: it is sent without waiting for
the answer to the line above. Handles have the names that the answer gives them.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import asyncssh
import pytest

from batch.sftp_server.protocol import OpenFlag, Packet, Status
from batch.sftp_server.transport import SHORTEST_DELAYS, TCP_DELACK_MAX_US, acknowledge_soon
from tests.integration.sftp_server.support import FRESH, Raw, Running, offset, text

HABITS = sorted((Path(__file__).parent / "habits").glob("*.txt"))
ANSWER = "FO.ACRF.999999.20261122.00001.R.1.1"

FLAGS = {
    "read": OpenFlag.READ,
    "write": OpenFlag.WRITE,
    "creat": OpenFlag.CREATE,
    "trunc": OpenFlag.TRUNCATE,
    "excl": OpenFlag.EXCLUSIVE,
}
STATUSES = {
    Status.OK: "ok",
    Status.EOF: "eof",
    Status.NO_SUCH_FILE: "no-such-file",
    Status.PERMISSION_DENIED: "permission-denied",
    Status.FAILURE: "failure",
    Status.OP_UNSUPPORTED: "unsupported",
}
KINDS = {name: Packet[name.upper()] for name in ("open", "close", "read", "write", "lstat", "stat")}
KINDS |= {name: Packet[name.upper()] for name in ("fstat", "setstat", "opendir", "readdir")}
KINDS |= {name: Packet[name.upper()] for name in ("remove", "mkdir", "realpath", "rename")}


@dataclass
class Replay:
    """A session that speaks as a script says."""

    raw: Raw
    handles: dict[str, bytes] = field(default_factory=dict)

    def play(self, script: str) -> int:
        """Say all of it, and hear what it expects; how many requests that were."""
        count = 0
        for group in groups(script):
            for number, (request, _) in enumerate(group):
                self.raw.send(self.packet(number, request.split()))
            for number, (request, wanted) in enumerate(group):
                reply = self.raw.receive()
                assert struct.unpack(">I", reply[1:5]) == (number,), request
                assert self.matches(reply[0], reply[5:], wanted.split()), (request, reply[:200])
            count += len(group)
        return count

    def packet(self, identifier: int, words: list[str]) -> bytes:
        kind = KINDS[words[0]]
        return struct.pack(">BI", kind, identifier) + b"".join(self.fields(words[0], words[1:]))

    def fields(self, verb: str, words: list[str]) -> Iterator[bytes]:
        match verb, words:
            case "open", [path, flags, *given]:
                yield text(path.encode())
                yield struct.pack(">I", sum(FLAGS[flag] for flag in flags.split("+")))
                yield attributes(given[0] if given else "")
            case "setstat", [path, given]:
                yield text(path.encode()) + attributes(given)
            case "mkdir", [path]:
                yield text(path.encode()) + attributes("")
            case "rename", [old, new]:
                yield text(old.encode()) + text(new.encode())
            case "write", [name, at, size]:
                yield text(self.handles[name]) + struct.pack(">II", *offset(int(at)))
                yield text(b"x" * int(size))
            case "read", [name, at, size]:
                yield text(self.handles[name]) + struct.pack(">III", *offset(int(at)), int(size))
            case (("close" | "fstat" | "readdir"), [name]):
                yield text(self.handles[name])
            case _, [path]:
                yield text(path.encode())

    def matches(self, kind: int, rest: bytes, wanted: list[str]) -> bool:
        if kind == Packet.HANDLE and wanted[0] == "handle":
            self.handles[wanted[1]] = rest[4:]
            return True
        return said(kind, rest, wanted)


def said(kind: int, rest: bytes, wanted: list[str]) -> bool:
    """Whether a reply that gives no handle is the one that is wanted."""
    match kind, wanted:
        case Packet.STATUS, [status]:
            return STATUSES[Status(int.from_bytes(rest[:4], "big"))] == status
        case Packet.DATA, ["data", size]:
            return len(rest) - 4 == int(size)
        case Packet.ATTRS, ["attrs", *size]:
            return not size or (rest[3] & 1 == 1 and rest[4:12] == struct.pack(">Q", int(size[0])))
        case Packet.NAME, ["name", path]:
            return rest.startswith(struct.pack(">I", 1) + text(path.encode()))
        case Packet.NAME, ["names", *names]:
            return all(text(name.encode()) in rest for name in names)
    return False


def groups(script: str) -> Iterator[list[tuple[str, str]]]:
    """Requests that are sent together, each with the answer it is to get."""
    group: list[tuple[str, str]] = []
    for line in script.splitlines():
        if line and not line.startswith("#"):
            request, _, wanted = line.rpartition(" : ")
            assert request, line
            if not request.startswith("+ ") and group:
                yield group
                group = []
            group.append((request.removeprefix("+ "), wanted))
    yield group


def attributes(given: str) -> bytes:
    """ATTRS of version 3 (section 5)."""
    flags, packed = 0, b""
    for word in filter(None, given.split("+")):
        match word.split("="):
            case ["size", size]:
                flags, packed = flags | 0x01, packed + struct.pack(">Q", int(size))
            case ["mode"]:
                flags |= 0x04
            case ["times"]:
                flags |= 0x08
    packed += struct.pack(">I", 0o100644) if flags & 0x04 else b""
    packed += struct.pack(">II", 1_767_225_600, 1_767_225_600) if flags & 0x08 else b""
    return struct.pack(">I", flags) + packed


@pytest.mark.parametrize("script", HABITS, ids=lambda path: path.stem)
def test_a_client_finds_what_it_is_used_to(running: Running, script: Path) -> None:
    with Raw(running) as raw:
        running.outbox.joinpath(ANSWER).write_bytes(b"x" * 70_000)
        assert Replay(raw).play(script.read_text("utf-8")) > 10


def test_an_answer_that_a_script_does_not_expect_is_found(running: Running) -> None:
    with Raw(running) as raw:
        for line in ("lstat /IN : no-such-file", "realpath . : name /IN", "remove /IN/x : ok"):
            with pytest.raises(AssertionError):
                Replay(raw).play(line)


def test_what_follows_the_data_of_a_write_is_not_of_the_file(running: Running) -> None:
    """rclone 1.60 sends its whole buffer after the length of what is in it."""
    with Raw(running) as raw:
        handle = raw.open(b"/IN/rclone", FRESH)
        request = text(handle) + struct.pack(">II", *offset(0)) + text(b"12345") + b"6789"
        raw.send(struct.pack(">BI", Packet.WRITE, 7) + request)
        assert raw.receive()[5:9] == Status.OK.to_bytes(4, "big")
        assert raw.status(Packet.CLOSE, handle)[0] == Status.OK
        assert (running.inbox / "rclone").read_bytes() == b"12345"
        assert raw.status(Packet.REMOVE, b"/IN/rclone")[0] == Status.OK


def test_a_cancellation_that_comes_too_late_is_refused_before_its_bytes(running: Running) -> None:
    """curl and sshfs never hear how their CLOSE ended."""
    stem = "SLOW.000001.20261122.00001.R"
    with Raw(running) as raw:
        for name in (f"FI.{stem}.1.1", f"FS.{stem}.1.1", f"GO.{stem}.1"):
            handle = raw.open(f"/IN/{name}".encode(), FRESH)
            assert raw.status(Packet.CLOSE, handle)[0] == Status.OK
        code, sentence = raw.status(Packet.OPEN, f"/IN/TD.{stem}.1".encode(), FRESH, 0)
        assert (code, "already sealed" in sentence) == (Status.PERMISSION_DENIED, True)


def delay_can_be_set() -> bool:
    with socket.socket() as line, suppress(OSError):
        line.getsockopt(socket.IPPROTO_TCP, TCP_DELACK_MAX_US)
        return True
    return False


def test_the_kernel_acknowledges_sooner_where_it_can() -> None:
    """paramiko and ssh2 wait for each acknowledgement; see ``acknowledge_soon``.

    Before Linux 6.15 the option is not known: then nothing is set, and nothing is the worse for it.
    """

    class Connection:
        def get_extra_info(self, _name: str) -> socket.socket:
            return line

    with socket.socket() as line:
        known = delay_can_be_set()
        before = line.getsockopt(socket.IPPROTO_TCP, TCP_DELACK_MAX_US) if known else None
        acknowledge_soon(cast(asyncssh.SSHServerConnection, Connection()))
        if before is not None:
            after = line.getsockopt(socket.IPPROTO_TCP, TCP_DELACK_MAX_US)
            assert before > after
            assert after in SHORTEST_DELAYS
