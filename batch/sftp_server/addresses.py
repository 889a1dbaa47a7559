"""What one address may do before it has logged in: how fast it connects, how often it fails. Pure.

Both are leaky buckets: what is paid in leaks out with time, and nothing is remembered of an
address whose buckets are empty. A login that succeeds counts in neither: its connection is taken
out again, so that a sender may reconnect for each file. It forgives no failure of others.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache

BURST_SECONDS = 10.0
"""So many seconds' worth of connections may come at once, as when a client starts its transfers."""
FORGIVE_SECONDS = 3.0
"""A failed login is forgotten after this, one after another."""
KEPT = 10_000
"""Addresses remembered at once, some 200 bytes each; beyond them those nearest to empty go."""

KEPT_TEXTS = 1_000
"""Addresses whose text was read already: each is asked for three times as it comes and goes."""


@dataclass(slots=True)
class Bucket:
    """Leaks ``rate`` a second; ``level`` is what is in it at ``at``."""

    rate: float
    level: float = 0.0
    at: float = 0.0

    def left(self, now: float) -> float:
        return max(0.0, self.level - (now - self.at) * self.rate)

    def pay(self, now: float, most: float) -> None:
        self.level, self.at = min(most, self.left(now) + 1.0), now

    def take_back(self, now: float) -> None:
        self.level, self.at = max(0.0, self.left(now) - 1.0), now


@dataclass(slots=True)
class Addresses:
    """Judges addresses by their connections and failures of the last moments.

    ``per_second``: connections a second of one address. ``failures``: logins that may fail
    before an address is refused; it is refused for at most ``penalty_seconds`` after the last.
    """

    per_second: float
    failures: int
    penalty_seconds: float
    now: Callable[[], float]
    _connections: dict[str, Bucket] = field(default_factory=dict)
    _failed: dict[str, Bucket] = field(default_factory=dict)

    def arrives(self, address: str) -> str | None:
        """A connection came; a sentence when it is refused."""
        name, now = network(address), self.now()
        failed = self._failed.get(name)
        if failed is not None and failed.left(now) >= self.failures:
            return "too many logins of this address failed"
        burst = self.per_second * BURST_SECONDS
        made = _bucket(self._connections, name, self.per_second, now)
        if made.left(now) + 1 > burst:
            return "too many connections of this address in so short a time"
        made.pay(now, burst)
        return None

    def succeeded(self, address: str) -> None:
        """A connection turned out to be a sender's: it does not count."""
        made = self._connections.get(network(address))
        if made is not None:
            made.take_back(self.now())

    def failed(self, address: str) -> None:
        """A connection ended that tried to log in and did not."""
        rate, now = 1 / FORGIVE_SECONDS, self.now()
        most = self.failures + self.penalty_seconds * rate
        _bucket(self._failed, network(address), rate, now).pay(now, most)


@lru_cache(KEPT_TEXTS)
def network(address: str) -> str:
    """Who stands behind an address: itself, or of IPv6 the /64, which one subscriber has whole."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ipaddress.ip_network((found, 64), strict=False))


def _bucket(held: dict[str, Bucket], name: str, rate: float, now: float) -> Bucket:
    """The bucket of ``name``, made where there is none; empty ones are forgotten when many are."""
    found = held.get(name)
    if found is None:
        if len(held) >= KEPT:
            fullest = sorted(held, key=lambda other: held[other].left(now))[KEPT // 2 :]
            kept = {other: held[other] for other in fullest if held[other].left(now) > 0}
            held.clear()
            held.update(kept)
        found = held[name] = Bucket(rate, 0.0, now)
    return found
