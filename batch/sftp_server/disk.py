"""Threads that wait for the disk, shared out so that nobody's slow disk is everybody's.

Two lanes: what only looks never waits behind what changes the disk and must be synced. In each
lane a sender has a few threads at once and no more, and senders take turns for the rest.
"""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any

from batch.identifiers import SenderNumber


class Lane(Enum):
    """What a piece of work does to the disk."""

    LOOK = auto()
    CHANGE = auto()


THREADS = {Lane.LOOK: 8, Lane.CHANGE: 16}
"""At most: 16 syncs at once share the journal's commits, and each takes some descriptors."""
SHARE = 4
"""One sender has at most the fourth part of a lane at once."""


@dataclass(frozen=True, slots=True)
class Work:
    """One piece of work for a thread; its result is the reply. Never raises."""

    lane: Lane
    do: Callable[[], bytes]


Job = tuple[Callable[[], Any], "asyncio.Future[Any]"]


@dataclass(slots=True)
class _Queue:
    """One lane. Touched by the event loop alone; only the work itself runs in a thread."""

    pool: ThreadPoolExecutor
    threads: int
    share: int
    waiting: OrderedDict[SenderNumber, deque[Job]] = field(default_factory=OrderedDict)
    running: Counter[SenderNumber] = field(default_factory=Counter)

    def add(self, sender: SenderNumber, job: Job) -> None:
        self.waiting.setdefault(sender, deque()).append(job)
        self.start()

    def start(self) -> None:
        """Begin what there are threads for; the sender that waits longest for its turn is next."""
        while self.running.total() < self.threads:
            sender = next((s for s in self.waiting if self.running[s] < self.share), None)
            if sender is None:
                return
            jobs = self.waiting[sender]
            work, promised = jobs.popleft()
            self.waiting.move_to_end(sender)
            if not jobs:
                del self.waiting[sender]
            self.running[sender] += 1
            running = asyncio.get_running_loop().run_in_executor(self.pool, work)
            running.add_done_callback(lambda done, s=sender, p=promised: self._ended(s, p, done))  # type: ignore[misc]

    def _ended(
        self, sender: SenderNumber, promised: asyncio.Future[Any], done: asyncio.Future[Any]
    ) -> None:
        self.running[sender] -= 1
        if not self.running[sender]:
            del self.running[sender]
        if promised.cancelled() or done.cancelled():
            promised.cancel()
        elif error := done.exception():
            promised.set_exception(error)
        else:
            promised.set_result(done.result())
        self.start()


class Disk:
    """The lanes of one server process."""

    def __init__(self, threads: Mapping[Lane, int] = THREADS) -> None:
        self._queues: dict[Lane, _Queue] = {}
        for lane, number in threads.items():
            pool = ThreadPoolExecutor(number, thread_name_prefix=lane.name.lower())
            self._queues[lane] = _Queue(pool, number, max(1, number // SHARE))

    def run(self, sender: SenderNumber, lane: Lane, work: Callable[[], Any]) -> asyncio.Future[Any]:
        """Do ``work`` in a thread of ``lane`` when it is ``sender``'s turn."""
        promised: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._queues[lane].add(sender, (work, promised))
        return promised

    def close(self) -> None:
        """Begin nothing more; what runs ends by itself."""
        for queue in self._queues.values():
            queue.pool.shutdown(wait=False, cancel_futures=True)
