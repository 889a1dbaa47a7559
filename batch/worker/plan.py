"""Which sealed sets to take next: fair between channels, small ones together. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush

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


@dataclass(slots=True)
class Queue:
    """One set of each channel in turn, each channel's own in order of sealing.

    ``names`` are the sets in it; one that is added again while it waits is there once.
    """

    names: set[str] = field(default_factory=set)
    _turns: deque[str] = field(default_factory=deque)
    _waiting: dict[str, list[tuple[float, str, SetKey]]] = field(default_factory=dict)

    def add(self, found: Iterable[Waiting]) -> None:
        """A channel that had nothing waiting is next when each of the others had its turn."""
        for item in found:
            channel, name = str(item.key.channel), str(item.key)
            if name not in self.names:
                self.names.add(name)
                if channel not in self._waiting:
                    self._turns.append(channel)
                heappush(self._waiting.setdefault(channel, []), (item.since, name, item.key))

    def take(self) -> Waiting | None:
        """The next one; None when nothing waits."""
        if not self._turns:
            return None
        channel = self._turns.popleft()
        since, name, key = heappop(self._waiting[channel])
        self.names.remove(name)
        if self._waiting[channel]:
            self._turns.append(channel)
        else:
            del self._waiting[channel]
        return Waiting(key, since)

    def put_back(self, taken: Iterable[Waiting]) -> None:
        """What was taken and cannot be used now is next again."""
        for item in reversed(list(taken)):
            self.add([item])
            self._turns.remove(str(item.key.channel))
            self._turns.appendleft(str(item.key.channel))


def left(chosen: Iterable[Waiting], worked: Sequence[SetKey]) -> list[Waiting]:
    """What of a batch was not ``worked`` on, in the order in which to put it back.

    The channels that had their turn come last: else one whose sets each work alone would keep it.
    """
    done, channels = set(worked), {key.channel for key in worked}
    rest = [item for item in chosen if item.key not in done]
    return sorted(rest, key=lambda item: item.key.channel in channels)
