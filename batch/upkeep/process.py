"""The process of upkeep: fetches ahead, warns of ends, and serves what is measured."""

from __future__ import annotations

import logging
import signal
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import FrameType

from batch import journal
from batch.errors import Fault
from batch.settings import Settings
from batch.storage import ends, revocations
from batch.storage.instance import Instance
from batch.upkeep import metrics
from batch.upkeep.fetching import Fetcher
from batch.upkeep.transfer import Client

DATABASE_SECONDS = 5.0
"""How long a transaction waits for the worker's."""
LOOK_SECONDS = 1.0
"""Between looks at what is due: less than a millisecond where nothing is named."""
ENDS_SECONDS = 3600.0
"""Between looks at what ends: thresholds are days apart."""


@dataclass(slots=True)
class Upkeep:
    """All that is done ahead, in turn; what is away is waited for, and told once."""

    instance: Instance
    fetcher: Fetcher
    _ends_at: float = 0.0
    _away: bool = field(default=False)

    def turn(self) -> None:
        try:
            self._each_hour()
            if self.instance.settings.revocation_fetch:
                self.fetcher.look()
        except (Fault, OSError) as fault:
            if not self._away:
                journal.problem("the upkeep cannot go on for now", fault)
            self._away = True
            return
        if self._away:
            journal.mended("the upkeep goes on")
        self._away = False

    def _each_hour(self) -> None:
        now = time.monotonic()
        if self._ends_at and now < self._ends_at:
            return
        at = datetime.now(UTC)
        for end, days in ends.warn(self.instance, at):
            journal.end_near(end.what, days, end.at)
        waits = timedelta(hours=self.instance.settings.undecided_hours)
        revocations.forget(self.instance.production, at - waits)
        self._ends_at = now + ENDS_SECONDS


def main(settings: Settings) -> None:
    """Until SIGTERM; what is being fetched then is given up."""
    instance = Instance.open(settings, wait=DATABASE_SECONDS, serves=True)
    stop = threading.Event()

    def stopping(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    logging.getLogger("urllib3").addHandler(logging.NullHandler())  # the journal says it all
    logging.getLogger("urllib3").propagate = False
    signal.signal(signal.SIGTERM, stopping)
    signal.signal(signal.SIGINT, stopping)
    fetcher = Fetcher(instance, Client(settings.revocation_private, stop))
    if settings.metrics_port:
        metrics.serve(instance, fetcher, settings.metrics_port)
    upkeep = Upkeep(instance, fetcher)
    while not stop.is_set():
        upkeep.turn()
        stop.wait(LOOK_SECONDS)
