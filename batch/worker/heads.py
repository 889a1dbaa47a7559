"""The heads of the chains go into the log: at each start of the worker, and once a day."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from batch import journal
from batch.errors import Busy
from batch.storage import chain
from batch.storage.database import Database, reading
from batch.storage.instance import Instance

DAY = 86_400.0
"""Seconds. What was decided within one is all that a rewritten chain can hide from the log."""


@dataclass(slots=True)
class Heads:
    """Tells when it is time; a database that is away is asked again at the next turn."""

    instance: Instance
    now: Callable[[], float] = time.monotonic
    _told: float | None = None

    def tell(self) -> None:
        if self._told is not None and self.now() - self._told < DAY:
            return
        try:
            heads = [
                (name, _head(engine))
                for name, engine in (
                    ("production", self.instance.production),
                    ("test", self.instance.test),
                )
            ]
        except Busy:
            return
        self._told = self.now()
        for name, head in heads:
            if head is not None:
                journal.chain_head(name, *head)


def _head(engine: Database) -> tuple[int, str] | None:
    with reading(engine) as connection:
        last = chain.last(connection)
    return None if last is None else (last.position, last.digest)
