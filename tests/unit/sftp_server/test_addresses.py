"""How fast an address may connect, and what failing costs it."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch.sftp_server import addresses
from batch.sftp_server.addresses import Addresses, network

HERE, THERE = "192.0.2.1", "192.0.2.2"


@dataclass
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


def judged(clock: Clock, per_second: float = 20.0, failures: int = 20) -> Addresses:
    return Addresses(per_second, failures, 60.0, clock)


def test_twenty_connections_a_second_are_never_refused() -> None:
    clock = Clock()
    held = judged(clock)
    for _ in range(20 * 60):
        assert held.arrives(HERE) is None
        clock.now += 1 / 20


def test_a_flood_is_refused_after_its_burst_and_others_are_not() -> None:
    clock = Clock()
    held = judged(clock)
    answers = []
    for _ in range(2000):
        answers.append(held.arrives(HERE))
        clock.now += 1 / 2000
    assert answers[:200] == [None] * 200
    assert 15 <= sum(a is None for a in answers[200:]) <= 25
    assert held.arrives(THERE) is None


def test_an_address_that_keeps_failing_is_refused_and_forgiven() -> None:
    clock = Clock()
    held = judged(clock, per_second=1000.0)
    for _ in range(19):
        held.failed(HERE)
    assert held.arrives(HERE) is None
    held.failed(HERE)
    assert "failed" in str(held.arrives(HERE))
    assert held.arrives(THERE) is None
    clock.now += addresses.FORGIVE_SECONDS
    assert held.arrives(HERE) is None


def test_a_penalty_ends_however_long_it_was_earned() -> None:
    clock = Clock()
    held = judged(clock, per_second=1000.0)
    for _ in range(10_000):
        held.failed(HERE)
    clock.now += 59
    assert held.arrives(HERE) is not None
    clock.now += 1 + addresses.FORGIVE_SECONDS
    assert held.arrives(HERE) is None


@given(st.lists(st.floats(0, 0.1), min_size=400, max_size=400))
def test_a_login_that_succeeds_costs_nothing(pauses: list[float]) -> None:
    """Faster than its rate, more of them than its burst; what did not succeed is still there."""
    clock = Clock()
    held = judged(clock, per_second=2.0)
    for _ in range(19):
        assert held.arrives(HERE) is None
    for pause in pauses:
        assert held.arrives(HERE) is None
        held.succeeded(HERE)
        clock.now += pause / 100
    assert held.arrives(HERE) is None
    assert held.arrives(HERE) is not None


def test_logins_that_did_not_succeed_are_counted_as_fast() -> None:
    """The control of the test above."""
    held = judged(Clock(), per_second=2.0)
    answers = [held.arrives(HERE) for _ in range(30)]
    assert answers[:20] == [None] * 20
    assert None not in answers[20:]


def test_a_login_that_succeeds_forgives_no_failure() -> None:
    held = judged(Clock(), failures=3)
    assert held.arrives(HERE) is None
    for _ in range(3):
        held.failed(HERE)
    held.succeeded(HERE)
    assert "failed" in str(held.arrives(HERE))


def test_addresses_are_not_remembered_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(addresses, "KEPT", 100)
    clock = Clock()
    held = judged(clock)
    for number in range(5000):
        held.arrives(f"10.0.{number // 250}.{number % 250}")
        clock.now += 0.001
    assert len(held._connections) <= 100


def test_forgetting_spares_those_who_fail_most(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(addresses, "KEPT", 10)
    clock = Clock()
    held = judged(clock, failures=3)
    for _ in range(5):
        held.failed(HERE)
    for number in range(50):
        held.failed(f"10.0.0.{number}")
    assert held.arrives(HERE) is not None


def test_an_ipv6_subscriber_is_one_address() -> None:
    assert network("2001:db8::1") == network("2001:db8::ffff:2") == "2001:db8::/64"
    assert network("2001:db8:0:1::1") != network("2001:db8::1")
    assert network("::ffff:192.0.2.1") == HERE
    assert network("fe80::1%eth0") == network("fe80::2%eth0")
    assert network("?") == "?"
