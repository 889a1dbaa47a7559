"""What counts as a login that failed, and what does not: an address with too many is refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import paramiko
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519

from batch.settings import load
from tests.integration.sftp_server.bare import CUT, FAILURE, PK_OK, SUCCESS, Bare, blob_of, string
from tests.integration.sftp_server.support import Running, make_instance, register, serving

ALLOWED = 3
"""Logins of one address that may fail."""
MORE = 20
"""Connections of one address: more than may fail, and than are forgotten meanwhile."""

AT_ONCE = 6
"""Fewer than one sender may have connections."""

ALICE, STRANGER = (ed25519.Ed25519PrivateKey.generate() for _ in range(2))
ED25519 = "ssh-ed25519"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    settings = load(data=tmp_path_factory.mktemp("instance"), port=0, max_failed_logins=ALLOWED)
    instance = make_instance(settings)
    register(instance, "000001", "alice", ALICE)
    with serving(instance, settings) as port:
        yield Running(instance, port, {"alice": ALICE})


def connections(running: Running, address: str, act: Callable[[Bare], object]) -> int:
    """How many were taken of ``MORE``, in each of which ``act`` is done."""
    for taken in range(MORE):
        try:
            client = Bare(running.port, address)
        except (paramiko.SSHException, EOFError, OSError):
            return taken
        with client:
            act(client)
    return MORE


def _password(client: Bare) -> None:
    assert client.request("alice", "password", b"\0" + string("secret")) == FAILURE


def _password_after_none(client: Bare) -> None:
    assert client.request("alice", "none") == FAILURE
    _password(client)


def _keyboard(client: Bare) -> None:
    assert client.request("alice", "keyboard-interactive", string("") * 2) == FAILURE


def _none_twice(client: Bare) -> None:
    assert [client.request(user, "none") for user in ("alice", "root")] == [FAILURE, FAILURE]


def _wrong_key(client: Bare) -> None:
    assert client.offer("alice", ED25519, blob_of(STRANGER)) == FAILURE


def _wrong_signature(client: Bare) -> None:
    blob = blob_of(ALICE)
    assert client.offer("alice", ED25519, blob) == PK_OK
    assert client.prove("alice", STRANGER, ED25519, blob=blob) == FAILURE


def _right_key_seven_times(client: Bare) -> None:
    answers = [client.offer("alice", ED25519, blob_of(ALICE)) for _ in range(7)]
    assert answers == [PK_OK] * 6 + [CUT]


def _many_without_waiting(client: Bare) -> None:
    while client.offer_at_once("alice", ED25519, blob_of(STRANGER)) != CUT:
        pass


TRIES = (
    _password,
    _password_after_none,
    _keyboard,
    _none_twice,
    _wrong_key,
    _wrong_signature,
    _right_key_seven_times,
    _many_without_waiting,
)


@pytest.mark.parametrize("act", TRIES)
def test_who_tries_and_fails_is_refused_after_a_few(
    running: Running, act: Callable[[Bare], object]
) -> None:
    address = f"127.0.2.{TRIES.index(act) + 1}"
    assert ALLOWED <= connections(running, address, act) < MORE


def _leaves(client: Bare) -> None:
    """A look whether somebody is there."""


def _asks_what_there_is(client: Bare) -> None:
    assert client.request("alice", "none") == FAILURE


def _offers_the_right_key(client: Bare) -> None:
    """And has not the password of its file at hand."""
    _asks_what_there_is(client)
    assert client.offer("alice", ED25519, blob_of(ALICE)) == PK_OK


def _logs_in_at_the_second_try(client: Bare) -> None:
    _asks_what_there_is(client)
    _wrong_key(client)
    assert client.prove("alice", ALICE, ED25519) == SUCCESS


def _logs_in_with_the_third_key(client: Bare) -> None:
    _asks_what_there_is(client)
    _wrong_key(client)
    _wrong_key(client)
    assert client.offer("alice", ED25519, blob_of(ALICE)) == PK_OK
    assert client.prove("alice", ALICE, ED25519) == SUCCESS


HONEST = (
    _leaves,
    _asks_what_there_is,
    _offers_the_right_key,
    _logs_in_at_the_second_try,
    _logs_in_with_the_third_key,
)


@pytest.mark.parametrize("act", HONEST)
def test_who_only_looks_or_gets_in_is_never_refused(
    running: Running, act: Callable[[Bare], object]
) -> None:
    address = f"127.0.3.{HONEST.index(act) + 1}"
    assert connections(running, address, act) == MORE


def test_clients_with_three_keys_are_never_refused_though_many_come_at_once(
    running: Running,
) -> None:
    def come(_: int) -> None:
        with Bare(running.port, "127.0.4.1") as client:
            _logs_in_with_the_third_key(client)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        assert len(list(pool.map(come, range(5 * AT_ONCE)))) == 5 * AT_ONCE


def test_who_must_make_room_after_a_wrong_key_has_not_failed(tmp_path: Path) -> None:
    """The third key may have been the right one."""
    settings = load(data=tmp_path, port=0, max_failed_logins=ALLOWED, max_strangers_per_address=2)
    instance = make_instance(settings)
    register(instance, "000001", "alice", ALICE)
    with serving(instance, settings) as port, ExitStack() as crowd:
        for _ in range(MORE):
            _wrong_key(crowd.enter_context(Bare(port)))
        with Bare(port) as client:
            _logs_in_with_the_third_key(client)
