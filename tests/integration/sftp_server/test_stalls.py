"""A slow disk stalls those who wait for it, and nobody else: here every sync of the server, or
every write, takes some seconds."""

from __future__ import annotations

import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519

from batch.identifiers import SenderNumber
from batch.settings import load
from batch.sftp_server.disk import SHARE, THREADS, Lane
from batch.sftp_server.protocol import Packet, Status
from batch.storage.instance import Instance
from tests.integration.sftp_server.support import FRESH, Private, Raw, Running, register, text
from tests.integration.sftp_server.test_process import SERVE

pytestmark = pytest.mark.needs("strace")

MICROSECONDS = {"fsync": 6_000_000, "pwrite64": 6_000_000}
SLOW = ("strace", "-D", "-f", "-qq", "--seccomp-bpf", "-o", "/dev/null")
ROUNDS = 50
"""Round trips that must be done before one fsync is."""
SENDERS = ("alice", "carol", "dave")


@contextmanager
def slow(data: Path, call: str) -> Iterator[Running]:
    """The server as a process of its own, in which each system call of this name is slow."""
    settings = load(data=data)
    instance = Instance.make(settings, datetime.now(UTC))
    keys: dict[str, Private] = {}
    for number, name in enumerate((*SENDERS, "bob"), 1):
        keys[name] = ed25519.Ed25519PrivateKey.generate()
        register(instance, f"{number:06d}", name, keys[name])
        instance.spool.sender(SenderNumber(f"{number:06d}"))  # its folders, before syncs are slow
    instance.production.dispose()
    instance.test.dispose()
    (instance.layout.channels / "000004" / "IN" / "read").write_bytes(b"x" * 1000)
    command = [
        *SLOW,
        "-e",
        f"trace={call}",
        "-e",
        f"inject={call}:delay_exit={MICROSECONDS[call]}",
        "--",
    ]
    command += [sys.executable, "-c", SERVE, str(settings.data), "0"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as server:
        try:
            assert server.stdout is not None
            yield Running(instance, int(server.stdout.readline()), keys)
        finally:
            server.kill()
            server.communicate(timeout=60)


def uploaded(raw: Raw, name: bytes) -> bytes:
    """An upload that is not closed yet: the request that will close it."""
    handle = raw.open(b"/IN/" + name, FRESH)
    assert raw.status(Packet.WRITE, handle, 0, 0, b"x" * 1000)[0] == Status.OK
    return bytes([Packet.CLOSE]) + struct.pack(">I", 9) + text(handle)


def round_trip(raw: Raw, read: bytes) -> None:
    """What looks: a size, a listing, bytes of a file."""
    assert raw.ask(Packet.STAT, b"/IN/read")[0] == Packet.ATTRS
    found, rest = raw.ask(Packet.OPENDIR, b"/IN")
    assert found == Packet.HANDLE, rest
    assert raw.ask(Packet.READDIR, rest[4:])[0] == Packet.NAME
    assert raw.status(Packet.CLOSE, rest[4:])[0] == Status.OK
    assert raw.ask(Packet.READ, read, 0, 0, 100)[0] == Packet.DATA


def test_looking_goes_on_while_many_wait_for_their_syncs(tmp_path: Path) -> None:
    each = THREADS[Lane.CHANGE] // SHARE + 2
    with slow(tmp_path, "fsync") as running, ExitStack() as stack, Raw(running, "bob") as bob:
        read = bob.open(b"/IN/read", 1)
        stuck = [stack.enter_context(Raw(running, who)) for who in SENDERS for _ in range(each)]
        closes = [uploaded(raw, b"stuck%d" % number) for number, raw in enumerate(stuck)]
        for raw, close in zip(stuck, closes, strict=True):
            raw.send(close)
        for _ in range(ROUNDS):
            round_trip(bob, read)
        handle = bob.open(b"/IN/new", FRESH)
        assert bob.status(Packet.WRITE, handle, 0, 0, b"x" * 100_000)[0] == Status.OK
        assert not any(raw.channel.recv_ready() for raw in stuck), "a sync ended too soon to tell"
        assert stuck[0].receive()[0] == Packet.STATUS


@pytest.mark.slow
def test_looking_goes_on_while_a_write_waits_for_the_disk(tmp_path: Path) -> None:
    with slow(tmp_path, "pwrite64") as running, Raw(running) as alice, Raw(running, "bob") as bob:
        read = bob.open(b"/IN/read", 1)
        handle = alice.open(b"/IN/slow", FRESH)
        write = bytes([Packet.WRITE]) + struct.pack(">I", 9) + text(handle)
        alice.send(write + struct.pack(">Q", 0) + text(b"x" * 100_000))
        for _ in range(ROUNDS):
            round_trip(bob, read)
        assert not alice.channel.recv_ready(), "the write ended too soon to tell"
        assert alice.receive()[0] == Packet.STATUS
