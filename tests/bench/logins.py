"""How long another sender takes to log in while the worker has a very large set in hand.

The peer is the same channel when it is idle, in turn with it: a login every so often, each a new
connection with its key exchange and an SFTP session.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.bench import declared, large, ours
from tests.bench.clients import connect
from tests.bench.figures import Bench, Row, Run, Sample, Target, contest
from tests.bench.ours import Ours, profiled

NAME = "logins"
LOGINS = 300
"""Of an idle channel in a round; of a busy one as many as fit beside the set."""
PAUSE_SECONDS = 0.02


def rows(run: Run) -> Iterator[Row]:
    size = run.size(large.MEGABYTES, 2) * 1_000_000
    logins = run.size(LOGINS, 20)
    with ours.serving(run, NAME) as mine, run.room("declarations") as home:
        side = _Side(mine, home, size, logins)
        with profiled(run, NAME, mine, "sftp", "worker"):
            pairs = contest(run.heavy(), NAME, side.busy, side.idle, "idle", warm=False)
    work = f"login of another sender while {size // 1_000_000} MB are worked on"
    yield pairs.row(f"{NAME}-p99", f"{work}, p99", "p99", "ms", Target("<=", 2.0))
    yield pairs.row(f"{NAME}-median", f"{work}, median", "median", "ms")


class _Side:
    """The channel with a set in hand, and without."""

    def __init__(self, mine: Ours, home: Path, size: int, logins: int) -> None:
        self._mine, self._home, self._size, self._logins = mine, home, size, logins
        self._done = 0

    def busy(self) -> Sample:
        mine, fi = self._mine, self._home / "FI"
        declared.written(declared.of_bytes(self._size), fi)
        large.sent(mine, mine.sender, fi)
        fi.unlink()
        self._done += 1
        return self._timed(lambda times: mine.answered() < self._done)

    def idle(self) -> Sample:
        return self._timed(lambda times: len(times) < self._logins)

    def _timed(self, going: Callable[[list[float]], bool]) -> Sample:
        times = asyncio.run(self._logged_in(going))
        return {"p99": _percentile(times, 0.99), "median": _percentile(times, 0.5)}

    async def _logged_in(self, going: Callable[[list[float]], bool]) -> list[float]:
        other, times = self._mine.other, list[float]()
        while going(times) or not times:
            begun = time.perf_counter()
            connection, _ = await connect(self._mine.port, other.user, other.identity)
            times.append(time.perf_counter() - begun)
            connection.close()
            await connection.wait_closed()
            await asyncio.sleep(PAUSE_SECONDS)
        return times


def _percentile(times: list[float], share: float) -> float:
    return sorted(times)[min(len(times) - 1, int(share * len(times)))]


BENCH = Bench(
    NAME, "p99 of another sender's login while a 500 MB set is worked on, to idle", rows, ("sftp",)
)
