"""Strangers who connect and say nothing, or connect again and again, keep no sender out."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import paramiko
import pytest

from tests.acceptance.clients import Mail
from tests.acceptance.conftest import Registered, Serving
from tests.acceptance.instance import Instance, Sender

pytestmark = pytest.mark.slow

SILENT = 500
FLOODERS = 4
PATIENCE = 3.0
"""Seconds in which an honest login must be through, whatever others do."""


def logins(instance: Instance, registered: Registered, count: int = 20) -> list[float]:
    """How long each of some logins took, one after another; one that fails ends the test."""
    took = []
    for _ in range(count):
        began = time.monotonic()
        with Mail(instance, registered.employer) as mail:
            assert mail.names("IN") == []
        took.append(time.monotonic() - began)
    return took


@contextmanager
def silent(instance: Instance, count: int) -> Iterator[None]:
    """Connections from the sender's own address that never say a word."""
    with ExitStack() as held:
        for _ in range(count):
            held.enter_context(socket.create_connection(("127.0.0.1", instance.port)))
        yield


@contextmanager
def flood(instance: Instance, address: str) -> Iterator[list[int]]:
    """As many connections as can be made from another address, each closed at once."""
    made, over = [0], threading.Event()

    def connect() -> None:
        while not over.is_set():
            with socket.socket() as stranger:
                stranger.bind((address, 0))
                try:
                    stranger.connect(("127.0.0.1", instance.port))
                except OSError:
                    continue
                made[0] += 1

    threads = [threading.Thread(target=connect) for _ in range(FLOODERS)]
    for thread in threads:
        thread.start()
    try:
        yield made
    finally:
        over.set()
        for thread in threads:
            thread.join()


def test_five_hundred_silent_connections_keep_no_sender_of_their_address_out(
    serving: Serving, registered: Registered
) -> None:
    instance = serving()
    instance.serve()
    with silent(instance, SILENT):
        assert max(logins(instance, registered)) < PATIENCE
    assert instance.stop() == 0


def test_a_flood_of_connections_keeps_no_sender_out_and_the_log_small(
    serving: Serving, registered: Registered
) -> None:
    instance = serving(connections_per_second=20)
    instance.serve()
    with flood(instance, "127.0.0.3") as made:
        time.sleep(2)
        before = len(instance.log.splitlines())
        assert max(logins(instance, registered)) < PATIENCE
    assert made[0] > 500, "this was no flood"
    told = [line for line in instance.log.splitlines() if "connection_refused" in line]
    assert 0 < len(told) <= 60
    assert len(instance.log.splitlines()) - before < 200
    assert instance.stop() == 0


def test_an_address_that_guesses_keys_is_refused_for_a_while(
    serving: Serving, registered: Registered
) -> None:
    """Its failures end it; a sender that logs in, however often, is never refused."""
    instance = serving(max_failed_logins=5, penalty_seconds=3)
    instance.serve()
    logins(instance, registered, 10)
    stranger = registered.mandatary
    nobody = Sender("", "nobody", stranger.identity, stranger.key, stranger.certificate)
    for _ in range(9):
        with pytest.raises((paramiko.SSHException, EOFError, OSError)):
            Mail(instance, nobody)
    with pytest.raises((paramiko.SSHException, EOFError, OSError)):
        Mail(instance, registered.employer)
    time.sleep(7)
    logins(instance, registered, 3)
    assert "too many logins of this address failed" in instance.log
    assert instance.stop() == 0
