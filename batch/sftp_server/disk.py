"""Threads that wait for the disk, shared out so that nobody's slow disk is everybody's.

Two lanes: what only looks never waits behind what changes the disk and must be synced. In each
lane a sender has a few threads at once and no more, and senders take turns for the rest.
"""

from __future__ import annotations

import asyncio
import threading
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum, auto
from queue import SimpleQueue
from typing import Any

from batch.errors import InstanceError
from batch.identifiers import SenderNumber


class Lane(Enum):
    """What a piece of work does to the disk."""

    __hash__ = object.__hash__  # each is one object; that of Enum is a call in Python

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


Then = Callable[[Any, BaseException | None], None]
"""Told in the event loop what the work gave, or what it raised."""

Job = tuple[Callable[[], Any], Then]


class _Hand(threading.Thread):
    """A thread that does one piece of work at a time; the event loop hands it over."""

    def __init__(self, name: str) -> None:
        super().__init__(name=name, daemon=True)
        self._jobs: SimpleQueue[tuple[Job, asyncio.AbstractEventLoop] | None] = SimpleQueue()

    def take(self, job: Job) -> None:
        self._jobs.put((job, asyncio.get_running_loop()))

    def dismiss(self) -> None:
        """End after what is in hand."""
        self._jobs.put(None)

    def run(self) -> None:
        while (taken := self._jobs.get()) is not None:
            (work, then), loop = taken
            try:
                result, failed = work(), None
            except BaseException as error:
                result, failed = None, error
            with suppress(RuntimeError):  # the loop was closed meanwhile: nobody asks any more
                loop.call_soon_threadsafe(then, result, failed)
            del taken, work, then, result, failed


@dataclass(slots=True)
class _Queue:
    """One lane. Touched by the event loop alone; only the work itself runs in a thread.

    Of the idle threads the one that ended last is taken: its part of the caches is still warm.
    """

    hands: tuple[_Hand, ...]
    share: int
    idle: list[_Hand] = field(init=False)
    waiting: OrderedDict[SenderNumber, deque[Job]] = field(default_factory=OrderedDict)
    running: Counter[SenderNumber] = field(default_factory=Counter)
    closed: bool = False

    def __post_init__(self) -> None:
        self.idle = list(self.hands)

    def add(self, sender: SenderNumber, job: Job) -> None:
        if self.idle and not self.waiting and self.running[sender] < self.share:
            self._begin(sender, job)
        else:
            self.waiting.setdefault(sender, deque()).append(job)
            self._start()

    def _start(self) -> None:
        """Begin what there are threads for; the sender that waits longest for its turn is next."""
        while self.idle and self.waiting and not self.closed:
            sender = next((s for s in self.waiting if self.running[s] < self.share), None)
            if sender is None:
                return
            jobs = self.waiting[sender]
            job = jobs.popleft()
            self.waiting.move_to_end(sender)
            if not jobs:
                del self.waiting[sender]
            self._begin(sender, job)

    def _begin(self, sender: SenderNumber, job: Job) -> None:
        work, then = job
        hand = self.idle.pop()
        self.running[sender] += 1

        def ended(result: Any, error: BaseException | None) -> None:
            self.idle.append(hand)
            self.running[sender] -= 1
            if not self.running[sender]:
                del self.running[sender]
            self._start()
            then(result, error)

        hand.take((work, ended))

    def close(self) -> None:
        self.closed = True
        for hand in self.hands:
            hand.dismiss()


def started_pool(number: int, name: str) -> ThreadPoolExecutor:
    """A pool whose threads all run already.

    One that could not be started later, at a limit of processes or of memory, would take its work
    and its sender's turn with it. Raises InstanceError when they cannot be started now.
    """
    pool = ThreadPoolExecutor(number, thread_name_prefix=name)
    all_there = threading.Barrier(number)
    try:
        for _ in range(number):
            pool.submit(all_there.wait)
    except RuntimeError as error:
        all_there.abort()
        pool.shutdown(wait=False)
        raise _too_few(error) from error
    return pool


def _too_few(error: RuntimeError) -> InstanceError:
    return InstanceError(
        f"this process cannot start its threads ({error}): raise its limit of processes or of "
        "memory (TasksMax= or MemoryMax= of systemd)"
    )


class Disk:
    """The lanes of one server process."""

    def __init__(self, threads: Mapping[Lane, int] = THREADS) -> None:
        self._queues = {
            lane: _Queue(_hands(number, lane.name.lower()), max(1, number // SHARE))
            for lane, number in threads.items()
        }

    def run(self, sender: SenderNumber, lane: Lane, work: Callable[[], Any], then: Then) -> None:
        """Do ``work`` in a thread of ``lane`` when it is ``sender``'s turn, and tell ``then``."""
        self._queues[lane].add(sender, (work, then))

    def close(self) -> None:
        """Begin nothing more; what runs ends by itself."""
        for queue in self._queues.values():
            queue.close()


def _hands(number: int, name: str) -> tuple[_Hand, ...]:
    """Threads that all run already: see ``started_pool``."""
    hands = tuple(_Hand(f"{name}_{each}") for each in range(number))
    for count, hand in enumerate(hands):
        try:
            hand.start()
        except RuntimeError as error:
            for started in hands[:count]:
                started.dismiss()
            raise _too_few(error) from error
    return hands
