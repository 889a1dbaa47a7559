"""What can be measured, for Prometheus: on the loopback only, and nothing that names a person."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

from prometheus_client import CollectorRegistry, Metric, start_http_server
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from batch import journal
from batch.errors import Busy, InstanceError
from batch.storage import counts
from batch.storage.instance import Instance
from batch.storage.registers import Registers
from batch.upkeep.fetching import Fetcher

LOOPBACK = "127.0.0.1"
DAY = 86_400.0
CHANNELS_SECONDS = 60.0
"""How long the days of the channels hold: reading 10,000 of them takes half a second."""


def serve(instance: Instance, fetcher: Fetcher, port: int) -> None:
    """Answer at ``port`` of the loopback, in threads of their own. InstanceError: it is taken."""
    registry = CollectorRegistry()
    registry.register(Measured(instance, fetcher))
    try:
        start_http_server(port, LOOPBACK, registry)
    except OSError as error:
        raise InstanceError(f"metrics_port {port}: {error.strerror}; choose another") from None
    journal.measured(LOOPBACK, port)


@dataclass(eq=False)
class Measured(Collector):
    """Asked anew for each scrape; ``fla_batch_up`` is 0, and alone, while it cannot be read."""

    instance: Instance
    fetcher: Fetcher
    _days: dict[str, float] = field(default_factory=dict)
    _days_at: float = 0.0
    _guard: threading.Lock = field(default_factory=threading.Lock)

    def collect(self) -> Iterator[Metric]:
        try:
            found = [*self._waiting(), *self._channels(), *self._sources()]
        except Busy:
            found = []
        up = "Whether the databases could be read for this answer."
        yield GaugeMetricFamily("fla_batch_up", up, float(bool(found)))
        yield from found

    def _waiting(self) -> Iterator[Metric]:
        held = counts.counts(self.instance)
        age = (datetime.now(UTC) - held.oldest).total_seconds() if held.oldest else 0.0
        for name, words, value in (
            ("sets_sealed", "Sets that are sealed and not answered.", held.sealed),
            ("sets_undecided", "Sets that wait for a source of revocations.", held.undecided),
            ("sets_quarantined", "Sets that wait for an operator.", held.quarantined),
            ("answers_not_shown", "Answers decided and not in OUT yet.", held.unshown),
            ("oldest_waiting_seconds", "Age of the sealed set that waits longest.", max(0, age)),
        ):
            yield GaugeMetricFamily(f"fla_batch_{name}", words, float(value))

    def _channels(self) -> Iterator[Metric]:
        words = "Days until the channel has no certificate to sign with."
        days = GaugeMetricFamily("fla_batch_certificate_days", words, labels=["sender"])
        for sender, left in self._days_left().items():
            days.add_metric([sender], left)
        yield days

    def _days_left(self) -> dict[str, float]:
        with self._guard:
            if not self._days_at or time.monotonic() - self._days_at > CHANNELS_SECONDS:
                at = datetime.now(UTC)
                gaps = (
                    (str(c.sender), c.first_gap(at))
                    for c in Registers(self.instance.production).channels()
                )
                self._days = {s: (g - at).total_seconds() / DAY for s, g in gaps if g is not None}
                self._days_at = time.monotonic()
            return self._days

    def _sources(self) -> Iterator[Metric]:
        """By the place alone: an answer is about one certificate, which would be a label each."""
        at = datetime.now(UTC).timestamp()
        age: dict[tuple[str, str], float] = {}
        end: dict[tuple[str, str], float] = {}
        away: dict[tuple[str, str], float] = {}
        for one, held, failing in self.fetcher.standing():
            key = (str(one.source.kind), one.source.url)
            away[key] = max(away.get(key, 0.0), float(failing))
            if held is not None:
                age[key] = max(age.get(key, 0.0), at - held.obtained_at.timestamp())
                if held.next_update is not None:
                    ends = held.next_update.timestamp()
                    end[key] = min(end.get(key, ends), ends)
        for name, words, values in (
            ("age_seconds", "Since it was last fetched.", age),
            ("end_timestamp_seconds", "When what it gave ends; of several the first.", end),
            ("away", "1 while it is out of reach.", away),
        ):
            family = GaugeMetricFamily(
                f"fla_batch_revocation_source_{name}", words, labels=["kind", "url"]
            )
            for key, value in values.items():
                family.add_metric(key, value)
            yield family
