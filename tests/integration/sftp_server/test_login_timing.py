"""How long a refusal takes and what it says does not tell whether a user exists."""

from __future__ import annotations

import bisect
import math
import random
import statistics
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519

from batch.settings import load
from tests.integration.sftp_server.bare import CUT, FAILURE, Bare, blob_of
from tests.integration.sftp_server.support import (
    YESTERDAY,
    Private,
    Running,
    make_instance,
    register,
    serving,
)

PROBES = 1000
"""Of each kind: by chance alone the rank statistic then leaves 0.45 to 0.55 once in 10,000 runs."""

TRIES, CLIENTS = 5, 8
MOST_DIFFERENCE = 0.002
"""Seconds between medians; the clock of the event loop has steps of one millisecond."""
ERRORS = 5
"""Standard errors between them, where that is more: on a busy machine all take longer by chance."""

WHO = {
    "unknown": ("nobody", "none"),
    "wrong key": ("alice", "none"),
    "closed channel": ("shut", "shut"),
    "ended key": ("late", "late"),
}
"""Who is asked for, with whose key."""


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    settings = load(
        data=tmp_path_factory.mktemp("instance"),
        port=0,
        max_failed_logins=1_000_000,
        connections_per_second=10_000,
    )
    instance = make_instance(settings)
    new = ed25519.Ed25519PrivateKey.generate
    keys: dict[str, Private] = {name: new() for name in ("alice", "shut", "late", "none")}
    register(instance, "000001", "alice", keys["alice"])
    register(instance, "000002", "shut", keys["shut"], closed=YESTERDAY)
    register(instance, "000003", "late", keys["late"], key_until=YESTERDAY)
    for number in range(4, 200):
        register(instance, f"{number:06d}", f"user{number}", keys["none"])
    with serving(instance, settings) as port:
        yield Running(instance, port, keys)


def probe(running: Running, kinds: list[str]) -> list[tuple[str, float, int, bytes]]:
    """One connection that asks once for each kind; seconds, and what was answered."""
    found = []
    with Bare(running.port) as client:
        for kind in kinds:
            user, owner = WHO[kind]
            key = running.keys[owner]
            assert isinstance(key, ed25519.Ed25519PrivateKey)
            blob = blob_of(key)
            begun = time.perf_counter()
            answer = client.offer(user, "ssh-ed25519", blob)
            found.append((kind, time.perf_counter() - begun, answer, client.said))
    return found


def error_of_median(values: list[float]) -> float:
    """Its standard error, by the quartiles."""
    first, _, third = statistics.quantiles(values, n=4)
    return 0.93 * (third - first) / math.sqrt(len(values))


def rank_statistic(first: list[float], second: list[float]) -> float:
    """How often a value of ``first`` is below one of ``second``: 0.5 when nothing tells them."""
    ordered = sorted(second)
    below = sum(
        len(ordered) - (bisect.bisect_left(ordered, x) + bisect.bisect_right(ordered, x)) / 2
        for x in first
    )
    return below / (len(first) * len(second))


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_refusals_take_the_same_time_and_say_the_same(running: Running) -> None:
    order = [kind for kind in WHO for _ in range(PROBES)]
    random.Random(4).shuffle(order)
    parts = [order[n : n + TRIES] for n in range(0, len(order), TRIES)]
    with ThreadPoolExecutor(CLIENTS) as clients:
        found = [one for part in clients.map(lambda p: probe(running, p), parts) for one in part]
    assert {(answer, said) for _, _, answer, said in found} == {(FAILURE, found[0][3])}
    seconds = {kind: [took for of, took, *_ in found if of == kind] for kind in WHO}
    base = seconds["unknown"]
    for kind, taken in seconds.items():
        difference = statistics.median(taken) - statistics.median(base)
        chance = ERRORS * math.hypot(error_of_median(base), error_of_median(taken))
        assert abs(difference) < max(MOST_DIFFERENCE, chance), (kind, difference, chance)
        assert 0.45 <= rank_statistic(base, taken) <= 0.55, (kind, rank_statistic(base, taken))


def test_the_statistic_would_tell_two_milliseconds() -> None:
    noise = random.Random(1)
    base = [0.1 + noise.gauss(0.002, 0.002) for _ in range(PROBES)]
    later = [value + 0.002 for value in base]
    assert rank_statistic(base, later) > 0.55
    assert rank_statistic(later, base) < 0.45
    assert rank_statistic(base, base) == pytest.approx(0.5)


@pytest.mark.parametrize("kind", WHO)
def test_the_same_number_of_tries_ends_in_the_same_way(running: Running, kind: str) -> None:
    answers = [answer for _, _, answer, _ in probe(running, [kind] * 7)]
    assert answers == [FAILURE] * 5 + [CUT] * 2
