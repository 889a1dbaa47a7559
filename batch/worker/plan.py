"""Which sealed sets to take next: fair between channels, small ones together. Pure."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from batch.states import SetKey

MAX_SETS = 64
"""Sets per transaction: fsync is the price; 64 share it and none waits longer than a second."""
MAX_BYTES = 4_000_000
"""FI bytes taken together; a larger set goes alone: small ones do not wait for its commit."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A set in ``sealed``: since when (Unix seconds)."""

    key: SetKey
    since: float


def in_fair_order(waiting: Iterable[Waiting]) -> Iterator[SetKey]:
    """One set of each channel in turn, each channel's own in order of sealing."""
    queues: defaultdict[str, list[Waiting]] = defaultdict(list)
    for item in waiting:
        queues[str(item.key.channel)].append(item)
    turns = deque(
        deque(sorted(queue, key=lambda w: (w.since, str(w.key)))) for queue in queues.values()
    )
    while turns:
        queue = turns.popleft()
        yield queue.popleft().key
        if queue:
            turns.append(queue)
