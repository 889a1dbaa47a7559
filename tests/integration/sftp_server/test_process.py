"""The server as a process of its own: signals, its port, its host key, its memory."""

from __future__ import annotations

import asyncio
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncssh
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519

from batch.errors import InstanceError
from batch.identifiers import SenderNumber
from batch.settings import load
from batch.sftp_server.descriptors import MOST_NAMES
from batch.sftp_server.protocol import MAX_DATA, Packet, Status
from batch.sftp_server.server import DRAIN_SECONDS, LAST_SECONDS, main
from batch.storage import durable
from batch.storage.instance import Instance
from tests.integration.sftp_server.support import (
    FRESH,
    Private,
    Raw,
    Running,
    openssh_pem,
    register,
    text,
)

SERVE = """
import sys
from batch.settings import load
from batch.sftp_server.server import main

def ready(host, port):
    print(port, flush=True)

main(load(data=sys.argv[1], port=int(sys.argv[2])), ready)
"""


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Running:
    """A whole instance with one sender; no server runs on it yet."""
    settings = load(data=tmp_path_factory.mktemp("instance"))
    instance = Instance.make(settings, datetime.now(UTC))
    keys: dict[str, Private] = {"alice": ed25519.Ed25519PrivateKey.generate()}
    register(instance, "000001", "alice", keys["alice"])
    instance.production.dispose()
    instance.test.dispose()
    return Running(instance, 0, keys)


@contextmanager
def process(stopped: Running, port: int = 0) -> Iterator[tuple[Running, subprocess.Popen[str]]]:
    command = [sys.executable, "-c", SERVE, str(stopped.instance.settings.data), str(port)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as server:
        try:
            assert server.stdout is not None
            assert server.stderr is not None
            line = server.stdout.readline()
            assert line, server.stderr.read()
            yield replace(stopped, port=int(line)), server
        finally:
            server.kill()
            server.communicate(timeout=60)


def test_sigterm_drains_and_abandons_what_is_open(stopped: Running) -> None:
    with process(stopped) as (running, server):
        raw = Raw(running)
        handle = raw.open(b"/IN/open", FRESH)
        assert raw.status(Packet.WRITE, handle, 0, 0, b"half")[0] == Status.OK
        server.send_signal(signal.SIGTERM)
        out, err = server.communicate(timeout=60)
        assert server.returncode == 0
        assert out == ""
        assert '"event": "abandoned"' in err
        assert '"event": "stopped"' in err
        assert "Traceback" not in err
        assert running.being_uploaded() == []
        assert not (running.inbox / "open").exists()
        with pytest.raises((EOFError, OSError)):
            raw.receive()
        raw.transport.close()


def test_sigterm_ends_the_server_in_its_time_though_threads_hang(stopped: Running) -> None:
    """They wait for a lock as for a disk that hangs; nobody is told OK, and no file gets a name."""
    layout = stopped.instance.layout
    with process(stopped) as (running, server), Raw(running) as raw, ExitStack() as held:
        handle = raw.open(b"/IN/stuck", FRESH)
        held.enter_context(durable.locked(layout.lock_of(SenderNumber("000001"))))
        raw.send(bytes([Packet.CLOSE]) + struct.pack(">I", 9) + text(handle))
        asked = time.monotonic()
        server.send_signal(signal.SIGTERM)
        _, err = server.communicate(timeout=120)
        assert time.monotonic() - asked < DRAIN_SECONDS + LAST_SECONDS + 40
        assert server.returncode == 0
        assert '"event": "stopped"' in err
        assert "threads that still wait for the disk: 1;" in err
        held.close()
        assert not (running.inbox / "stuck").exists()
        with pytest.raises((EOFError, OSError)):
            raw.receive()


def test_a_directory_among_the_uploads_is_told_and_left(stopped: Running) -> None:
    mistake, left = (stopped.instance.layout.up / name for name in ("mistake", "left"))
    mistake.mkdir()
    left.touch()
    with process(stopped) as (running, server):
        with Raw(running) as raw:
            assert raw.status(Packet.CLOSE, raw.open(b"/IN/after", FRESH))[0] == Status.OK
        server.send_signal(signal.SIGTERM)
        _, err = server.communicate(timeout=60)
    assert "mistake is a directory among the uploads" in err
    assert stopped.being_uploaded() == ["mistake"]
    mistake.rmdir()


def test_the_port_is_free_again_right_after_a_kill(stopped: Running) -> None:
    with process(stopped) as (first, server):
        held = Raw(first)
        server.kill()
        server.wait(timeout=60)
        with process(stopped, first.port) as (second, _), Raw(second) as raw:
            assert second.port == first.port
            assert raw.ask(Packet.REALPATH, b".")[0] == Packet.NAME
        held.transport.close()


def test_a_host_key_that_others_may_read_is_not_used(stopped: Running) -> None:
    key = stopped.instance.layout.host_key
    key.chmod(0o640)
    try:
        with pytest.raises(InstanceError, match="chmod 600"):
            main(stopped.instance.settings, lambda *_: None)
    finally:
        key.chmod(0o600)


def test_a_taken_port_is_said(stopped: Running) -> None:
    with process(stopped) as (running, _):
        settings = load(data=running.instance.settings.data, port=running.port)
        with pytest.raises(InstanceError, match=f"port {running.port}"):
            main(settings, lambda *_: None)


def peak_megabytes(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise AssertionError("no VmHWM")


class Greedy(asyncssh.SSHClientSession[bytes]):
    """Asks for much and reads nothing."""


async def ask_and_never_read(running: Running, requests: int) -> None:
    async with asyncssh.connect(
        "127.0.0.1",
        running.port,
        username="alice",
        known_hosts=None,
        config=None,
        client_keys=[asyncssh.import_private_key(openssh_pem(running.keys["alice"]))],
    ) as connection:
        channel: Any
        channel, _ = await connection.create_session(
            Greedy, subsystem="sftp", encoding=None, window=2**31 - 1
        )
        channel.write(struct.pack(">I", 5) + bytes([Packet.INIT]) + struct.pack(">I", 3))
        path = text(b"/OUT/FO.large") + struct.pack(">II", 1, 0)
        opening = bytes([Packet.OPEN]) + struct.pack(">I", 1) + path
        channel.write(struct.pack(">I", len(opening)) + opening)
        await asyncio.sleep(0.5)
        connection._transport.pause_reading()  # type: ignore[union-attr]
        read = bytes([Packet.READ]) + struct.pack(">I", 2) + text((1).to_bytes(8, "big"))
        read += struct.pack(">QI", 0, MAX_DATA)
        channel.write((struct.pack(">I", len(read)) + read) * requests)
        await asyncio.sleep(3)


def test_a_client_that_asks_for_gigabytes_and_reads_nothing_costs_little(
    stopped: Running,
) -> None:
    with process(stopped) as (running, server):
        with Raw(running):
            pass  # the folders are made at the first session
        (running.outbox / "FO.large").write_bytes(b"x" * MAX_DATA)
        asyncio.run(ask_and_never_read(running, 10))
        before = peak_megabytes(server.pid)
        asyncio.run(ask_and_never_read(running, 100_000))
        assert peak_megabytes(server.pid) - before < 10


def test_open_listings_of_a_full_folder_cost_what_their_names_do(
    stopped: Running,
) -> None:
    """Two sessions open as many listings as they may of 20,000 answers each."""
    with process(stopped) as (running, server), ExitStack() as stack:
        with Raw(running):
            pass
        for number in range(MOST_NAMES // 5):
            (running.outbox / f"FO.FLAD.999999.20261122.{number:05d}.R.1.1").touch()
        raws = [stack.enter_context(Raw(running)) for _ in range(2)]
        before = peak_megabytes(server.pid)
        answers = [raw.ask(Packet.OPENDIR, b"/OUT") for raw in raws for _ in range(7)]
        held = [rest for kind, rest in answers if kind == Packet.HANDLE]
        assert len(held) == MOST_NAMES // len(list(running.outbox.iterdir()))
        assert peak_megabytes(server.pid) - before < 80
        assert raws[0].status(Packet.CLOSE, held[0][4:])[0] == Status.OK
        assert raws[1].ask(Packet.OPENDIR, b"/OUT")[0] == Packet.HANDLE
