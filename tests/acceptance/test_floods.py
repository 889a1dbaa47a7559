"""Strangers who connect and say nothing, or junk, or a byte a second, or connect again and again,
keep no sender out and fill no log; and senders who reconnect for each file are no flood."""

from __future__ import annotations

import socket
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import paramiko
import pytest

from tests.acceptance.clients import Mail
from tests.acceptance.conftest import Registered, Serving
from tests.acceptance.instance import SOON, Instance, Sender, soon

pytestmark = pytest.mark.slow

SILENT = 500
"""Connections made; as many of them stay as one address may have, the others make room."""
STAYING = 50
"""``max_strangers_per_address`` by default."""
FLOODERS = 4
LOGINS = 100
ALLOWED_RATE = 5
FLOOD_RATE = 2 * ALLOWED_RATE
"""Connections a second that were made at least, while these logins went on: twice what one address
may make. How many there were is printed: a Python program makes some hundred on two busy cores, and
a tenth of that where others use them."""
LOGIN = 5.0
"""Seconds to log in, in the tests that wait for their end."""
PATIENCE = 15.0
"""Seconds in which an honest login must be through, whatever others do. On a quiet machine it takes
a tenth of one; who must wait until the strangers' time is over waits for minutes."""
TRIES = 12
"""Logins that fail together: as many as are remembered of one address."""


def logins(instance: Instance, registered: Registered, count: int = 20) -> list[float]:
    """How long each of some logins took, one after another; one that fails ends the test."""
    took = []
    for _ in range(count):
        began = time.monotonic()
        with Mail(instance, registered.employer) as mail:
            assert mail.names("IN") == []
        took.append(time.monotonic() - began)
    return took


def p99(took: list[float]) -> float:
    """What all but one in a hundred stayed within."""
    assert len(took) >= 100
    return statistics.quantiles(took, n=100, method="inclusive")[-1]


def stranger(instance: Instance, address: str = "127.0.0.1") -> socket.socket:
    return socket.create_connection(("127.0.0.1", instance.port), 10, (address, 0))


def is_cut(one: socket.socket, within: float) -> bool:
    """Whether the server closes the connection in this time; what it says before is not read."""
    deadline = time.monotonic() + within
    while (left := deadline - time.monotonic()) > 0:
        one.settimeout(left)
        try:
            if not one.recv(4096):
                return True
        except TimeoutError:
            return False
        except OSError:
            return True
    return False


@contextmanager
def silent(
    instance: Instance, count: int, address: str = "127.0.0.1"
) -> Iterator[list[socket.socket]]:
    """Connections, else from the sender's own address, that never say a word."""
    with ExitStack() as held:
        yield [held.enter_context(stranger(instance, address)) for _ in range(count)]


@contextmanager
def flood(instance: Instance, address: str, flooders: int = FLOODERS) -> Iterator[list[int]]:
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

    threads = [threading.Thread(target=connect) for _ in range(flooders)]
    for thread in threads:
        thread.start()
    try:
        yield made
    finally:
        over.set()
        for thread in threads:
            thread.join()


def until(floods: list[list[int]], connections: int) -> None:
    """A slow machine takes longer to make a flood."""
    deadline = time.monotonic() + 60
    while sum(each[0] for each in floods) < connections:
        assert time.monotonic() < deadline, "this was no flood"
        time.sleep(0.1)


def test_of_five_hundred_silent_connections_fifty_stay_and_keep_no_sender_out(
    serving: Serving, registered: Registered
) -> None:
    """Fifty are all that one address gets; a sender's login at that address makes one more go."""
    instance = serving(login_seconds=600)
    instance.serve()
    with silent(instance, SILENT) as held:
        took = logins(instance, registered, LOGINS)
        staying = sum(not is_cut(one, 0.01) for one in held)
    print(f"of {SILENT} silent connections {staying} stayed; login p99 {p99(took):.3f} s")
    assert p99(took) < PATIENCE
    assert STAYING - 1 <= staying <= STAYING
    assert instance.stop() == 0


def test_a_flood_of_connections_keeps_no_sender_out_and_the_log_small(
    serving: Serving, registered: Registered
) -> None:
    instance = serving(connections_per_second=ALLOWED_RATE)
    instance.serve()
    started = time.monotonic()
    with flood(instance, "127.0.0.3") as made:
        until([made], 500)
        before = len(instance.log.splitlines())
        began, earlier = time.monotonic(), made[0]
        took = logins(instance, registered, LOGINS)
        rate = (made[0] - earlier) / (time.monotonic() - began)
    print(f"{rate:.0f} connections a second; login p99 {p99(took):.3f} s, max {max(took):.3f} s")
    assert p99(took) < PATIENCE
    assert rate > FLOOD_RATE, "this was no flood"
    minutes = 1 + (time.monotonic() - started) // 60
    told = [line for line in instance.log.splitlines() if "connection_refused" in line]
    assert 0 < len(told) <= 20 * minutes
    of_strangers = [line for line in instance.log.splitlines()[before:] if "sender" not in line]
    assert len(of_strangers) < 100 * minutes
    assert instance.stop() == 0


def test_floods_of_many_addresses_crowd_out_each_other(
    serving: Serving, registered: Registered
) -> None:
    """Each below its rate, and all together far more than there are places."""
    instance = serving(max_connections=40)
    instance.serve()
    with ExitStack() as floods:
        made = [floods.enter_context(flood(instance, f"127.0.1.{n}", 1)) for n in range(1, 7)]
        for n in range(1, 7):
            floods.enter_context(silent(instance, 10, f"127.0.1.{n}"))
        until(made, 500)
        assert max(logins(instance, registered)) < PATIENCE
    assert instance.stop() == 0


@pytest.mark.parametrize("said", [b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02", b"\0" * 4096])
def test_junk_is_cut_or_closed_by_the_time_to_log_in(
    serving: Serving, registered: Registered, said: bytes
) -> None:
    instance = serving(login_seconds=LOGIN)
    instance.serve()
    with ExitStack() as stack:
        talking = [stack.enter_context(stranger(instance)) for _ in range(30)]
        for one in talking:
            one.sendall(said)
        assert max(logins(instance, registered, 5)) < PATIENCE
        assert all(is_cut(one, LOGIN + PATIENCE) for one in talking)
    assert instance.stop() == 0


def test_a_byte_a_second_is_cut_when_the_time_to_log_in_is_over(
    serving: Serving, registered: Registered
) -> None:
    instance = serving(login_seconds=LOGIN)
    instance.serve()
    with ExitStack() as stack:
        began = time.monotonic()
        dripping = [stack.enter_context(stranger(instance)) for _ in range(30)]
        line = iter(b"SSH-2.0-drip" + b"p" * 200)
        left = dripping
        took: list[float] = []
        while left:
            assert time.monotonic() - began < LOGIN + SOON, "a byte a second keeps it"
            byte = bytes([next(line)])
            left = [one for one in left if takes(one, byte)]
            if time.monotonic() - began < LOGIN:
                assert left == dripping, "cut before its time"
            took += logins(instance, registered, 1)
            time.sleep(1)
    assert max(took) < PATIENCE
    assert instance.stop() == 0


def takes(one: socket.socket, byte: bytes) -> bool:
    """Whether the server still reads what is sent."""
    try:
        one.sendall(byte)
    except OSError:
        return False
    return not is_cut(one, 0.001)


def test_a_sender_that_reconnects_for_each_file_is_no_flood(
    serving: Serving, registered: Registered
) -> None:
    """As fast as it can, where one in five seconds is allowed and two at once."""
    instance = serving(connections_per_second=0.2)
    instance.serve()
    took = logins(instance, registered, 60)
    assert len(took) > 2 + 0.2 * sum(took), "this was too slow to tell"
    assert "connection_refused" not in instance.log
    assert instance.stop() == 0


def test_an_address_that_guesses_keys_is_refused_for_a_while(
    serving: Serving, registered: Registered
) -> None:
    """Its failures end it; a sender that logs in, however often, is never refused."""
    instance = serving(max_failed_logins=5, penalty_seconds=15)
    instance.serve()
    logins(instance, registered, 10)
    with ExitStack() as guesses:
        for _ in range(TRIES):
            guesses.enter_context(guess(instance, registered.mandatary))
    assert soon(lambda: not gets_in(instance, registered.employer))
    assert instance.says("too many logins of this address failed")
    assert soon(lambda: gets_in(instance, registered.employer))
    logins(instance, registered, 3)
    assert instance.stop() == 0


@contextmanager
def guess(instance: Instance, key: Sender) -> Iterator[None]:
    """A login of nobody that failed; it counts once its connection ends."""
    transport = paramiko.Transport(("127.0.0.1", instance.port))
    try:
        transport.start_client(timeout=SOON)
        with pytest.raises(paramiko.AuthenticationException):
            transport.auth_publickey("nobody", paramiko.PKey.from_path(key.identity))
        yield
    finally:
        transport.close()


def gets_in(instance: Instance, sender: Sender) -> bool:
    try:
        with Mail(instance, sender) as mail:
            return mail.names("IN") == []
    except (paramiko.SSHException, EOFError, OSError):
        return False
