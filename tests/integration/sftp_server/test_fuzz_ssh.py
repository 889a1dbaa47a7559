"""The packets of ``test_fuzz.py`` over a real connection: SSH, its window, its ends, threads."""

from __future__ import annotations

import random
import time
from collections import Counter
from contextlib import redirect_stderr, suppress
from pathlib import Path

import paramiko
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519

from batch.settings import load
from batch.sftp_server.descriptors import Files
from tests.integration.sftp_server.fuzz.ground import Ground, Log
from tests.integration.sftp_server.fuzz.judge import Failure, Judge
from tests.integration.sftp_server.fuzz.life import HELLO, burst
from tests.integration.sftp_server.fuzz.packets import Client, framed
from tests.integration.sftp_server.support import Running, make_instance, register, serving
from tests.integration.sftp_server.test_fuzz import chosen_seed

QUICK, MANY = 60, 2_000
OF_ONE_CONNECTION = 40
"""Sequences, one after the other."""


class Session:
    """One SFTP session on a channel of its own, and the judge of what it is answered."""

    def __init__(self, transport: paramiko.Transport, chance: random.Random, never: bytes) -> None:
        self.client = Client(chance)
        self.judge = Judge(self.client.learn, never)
        self.channel = transport.open_session()
        self.channel.settimeout(60)
        self.channel.invoke_subsystem("sftp")

    def say(self, pieces: tuple[bytes, ...]) -> bool:
        """Send them, and read until all is answered; False when the session is over."""
        for piece in pieces:
            self.judge.sent(piece)
            with suppress(OSError):  # closed already, for what came before
                self.channel.sendall(piece)
        while self.judge.waiting or self.judge.over:
            data = self.channel.recv(65536)
            if not data:
                break
            self.judge.got(data)
        else:
            return True
        if not self.judge.over:
            raise Failure("end", f"the session ended before {self.judge.waiting[0][:80].hex()}")
        return False

    def finish(self) -> None:
        """The end of file, and what the server says to it."""
        self.channel.shutdown_write()
        while data := self.channel.recv(65536):
            self.judge.got(data)
        if self.channel.recv_exit_status() != 0:
            raise Failure("end", "a session that was finished did not end well")


def sequence(session: Session, chance: random.Random) -> str:
    """Some bursts, perhaps noise, and an end; which end."""
    going = session.say(session.client.pieces(HELLO))
    for _ in range(chance.randrange(1, 4)):
        going = going and session.say(burst(session.client, chance.choice((1, 4, 12))))
    how = chance.choice(("finish", "close", "cut", "noise"))
    if how == "noise":
        # A length of nothing after it: the stream cannot go on, whatever the noise was.
        noise = session.client.noise() + bytes(300_000)
        session.say(session.client.pieces(noise))
    elif how == "finish":
        session.finish()
    else:
        with suppress(OSError):
            session.channel.sendall(framed(session.client.request())[: chance.randrange(9)])
        session.channel.close()
    return how


def all_sequences(running: Running, ground: Ground, count: int, seed: int) -> Counter[str]:
    """One connection after another. Raises Failure at the first promise that is broken."""
    ends: Counter[str] = Counter()
    never = str(ground.place).encode()
    transport: paramiko.Transport | None = None
    for number in range(count):
        chance = random.Random(f"{seed}/{number}")
        if transport is None or number % OF_ONE_CONNECTION == 0:
            if transport is not None:
                transport.close()
            transport = running.transport()
        session = Session(transport, chance, never)
        how = sequence(session, chance)
        ends[how] += 1
        ends["packets"] += sum(session.judge.seen.values())
        if how == "cut":
            transport.close()
            transport = None
    if transport is not None:
        transport.close()
    return ends


@pytest.mark.parametrize("count", [QUICK, pytest.param(MANY, marks=pytest.mark.slow)])
@pytest.mark.timeout(900)
def test_packets_over_ssh_break_no_promise(tmp_path: Path, count: int) -> None:
    seed, began = chosen_seed(), time.monotonic()
    data = tmp_path / "data"
    settings = load(data=data, port=0, min_free_bytes=0, max_sender_files=200)
    instance = make_instance(settings)
    key = ed25519.Ed25519PrivateKey.generate()
    register(instance, "000001", "alice", key)
    ground = Ground(tmp_path, settings, Files(100), instance.spool)
    instance.production.dispose()
    with redirect_stderr(log := Log()):
        ground.furnish(long=True)
        with serving(instance, settings) as port:
            running = Running(instance, port, {"alice": key})
            ends = all_sequences(running, ground, count, seed)
            with running.sftp() as sftp:
                assert sftp.listdir("/") == ["IN", "OUT", "INTEST", "OUTTEST"]
        ground.check()
    assert log.wrong is None
    assert set(ends) >= {"finish", "close", "cut", "noise"}
    print(f"seed {seed}: {dict(ends)} in {time.monotonic() - began:.0f} s")
