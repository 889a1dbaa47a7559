"""How long a session may last: silent, in all, and when its client is gone without a word."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519

from batch.settings import load
from batch.sftp_server import transport
from batch.sftp_server.protocol import Packet, Status
from tests.integration.sftp_server.support import (
    FRESH,
    Raw,
    Running,
    make_instance,
    offset,
    register,
    serving,
    told,
)
from tests.integration.sftp_server.wire import wire

LIMIT = 4.0
"""Seconds, where a limit is tried: a machine that stands still for less is not taken as silent."""
PATIENCE = 40.0
"""Seconds that a busy machine may take longer."""
NEVER = 600.0


@contextmanager
def limited(tmp_path: Path, *, idle: float = NEVER, session: float = NEVER) -> Iterator[Running]:
    settings = load(data=tmp_path / "data", port=0, idle_seconds=idle, session_seconds=session)
    instance = make_instance(settings)
    key = ed25519.Ed25519PrivateKey.generate()
    register(instance, "000001", "alice", key)
    with serving(instance, settings) as port:
        yield Running(instance, port, {"alice": key})


@dataclass(frozen=True)
class Stay:
    """How a session ended: what the client was told, after how many seconds and requests."""

    told: str
    seconds: float
    asked: int


Visitor = Callable[..., Stay]


@pytest.fixture
def stay(caplog: pytest.LogCaptureFixture) -> Visitor:
    """Logs in, asks something ``every`` so often for ``until`` seconds, and waits to be sent away;
    ``alive``: seconds between the client's own keepalives."""
    caplog.set_level(logging.INFO, "paramiko.transport")

    def visit(running: Running, every: float = 0, until: float = 0, alive: float = 0) -> Stay:
        asked, came = 0, time.monotonic()  # before the login, at which the server's clock begins
        with Raw(running) as raw:
            began = time.monotonic()
            raw.transport.set_keepalive(alive)
            with suppress(EOFError, OSError):
                while time.monotonic() - began < until:
                    raw.ask(Packet.REALPATH, b".")
                    asked += 1
                    time.sleep(every)
            raw.transport.join(60)
            seconds = time.monotonic() - came
        said = re.findall(r"Disconnect \(code 11\): (.*)", caplog.text)
        return Stay(said[-1] if said else "", seconds, asked)

    return visit


def test_a_silent_session_is_closed_with_the_reason_and_its_upload_dropped(
    tmp_path: Path, stay: Visitor, capfd: pytest.CaptureFixture[str]
) -> None:
    with limited(tmp_path, idle=LIMIT) as running, Raw(running) as raw:
        handle = raw.open(b"/IN/half", FRESH)
        assert raw.status(Packet.WRITE, handle, 0, 0, b"half")[0] == Status.OK
        ended = stay(running)
        assert ended.told == "nothing was asked for too long"
        assert LIMIT <= ended.seconds < LIMIT + PATIENCE
        with pytest.raises(EOFError):
            raw.receive()
        said = told(capfd, "abandoned")
    assert "nothing was asked for too long" in said + capfd.readouterr().err
    assert running.being_uploaded() == []
    assert list(running.inbox.iterdir()) == []


def test_a_session_that_asks_now_and_then_is_not_idle(tmp_path: Path, stay: Visitor) -> None:
    with limited(tmp_path, idle=LIMIT) as running:
        ended = stay(running, every=LIMIT / 5, until=3 * LIMIT)
    assert ended.asked >= 5
    assert 4 * LIMIT - LIMIT / 5 <= ended.seconds < 4 * LIMIT + PATIENCE
    assert ended.told == "nothing was asked for too long"


def test_to_be_alive_is_not_to_ask(tmp_path: Path, stay: Visitor) -> None:
    """Else a forgotten program would hold its place for ever."""
    with limited(tmp_path, idle=LIMIT) as running:
        ended = stay(running, alive=LIMIT / 5)
    assert ended.told == "nothing was asked for too long"
    assert ended.seconds < LIMIT + PATIENCE


def test_a_session_ends_after_its_time_however_busy_it_is(tmp_path: Path, stay: Visitor) -> None:
    with limited(tmp_path, session=LIMIT) as running:
        ended = stay(running, every=0.01, until=NEVER)
        assert ended.told == "the session lasted too long"
        assert LIMIT <= ended.seconds < LIMIT + PATIENCE
        assert ended.asked > 5
        with Raw(running) as raw:
            assert raw.ask(Packet.REALPATH, b".")[0] == Packet.NAME, "it may come again"


def test_a_client_that_is_gone_without_a_word_is_let_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Its line is open and says nothing; one that only asks nothing stays."""
    assert transport.KEEPALIVE_SECONDS * (transport.KEEPALIVES + 1) <= 120
    monkeypatch.setattr(transport, "KEEPALIVE_SECONDS", 1.0)
    silence = 1.0 * (transport.KEEPALIVES + 1)
    with limited(tmp_path) as running, wire(running.port) as line, Raw(running) as quiet:
        raw = Raw(replace(running, port=line.port))
        handle = raw.open(b"/IN/half", FRESH)
        assert raw.status(Packet.WRITE, handle, 0, 0, b"half" * 20_000)[0] == Status.OK
        time.sleep(silence + 1)
        assert running.being_uploaded(), "whoever answers stays"
        line.dead.set()
        began = time.monotonic()
        said = told(capfd, "session_ended")
        assert silence / 2 <= time.monotonic() - began < silence + PATIENCE
        assert "alive" in said or "keepalive" in said.lower()
        assert quiet.ask(Packet.REALPATH, b".")[0] == Packet.NAME
        raw.transport.close()
    assert running.being_uploaded() == []
    assert not (running.inbox / "half").exists()


def test_keys_made_anew_in_the_middle_of_an_upload_lose_nothing(tmp_path: Path) -> None:
    with limited(tmp_path) as running, Raw(running) as raw:
        handle = raw.open(b"/IN/FI.rekeyed", FRESH)
        for number in range(5):
            block = bytes([number]) * 30_000
            at = offset(number * len(block))
            assert raw.status(Packet.WRITE, handle, *at, block)[0] == Status.OK
            raw.transport.renegotiate_keys()
        assert raw.status(Packet.CLOSE, handle)[0] == Status.OK
        stored = (running.inbox / "FI.rekeyed").read_bytes()
    assert stored == b"".join(bytes([number]) * 30_000 for number in range(5))
