"""The whole way of small sets: from the first byte of their upload to signed answers in OUT.

Four connections of one sender send the sets, which are made beforehand; time runs until the last
NOTI is there to be read. All of it is durable: each file was synced before its OK, each answer
before it is shown. The peer stores the same files from the same clients, and syncs nothing.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from tests.bench import openssh, ours, sets
from tests.bench.clients import scratch, sessions
from tests.bench.figures import Bench, Row, Run, Sample, Target, contest
from tests.bench.openssh import OpenSsh
from tests.bench.ours import Ours, profiled

CONNECTIONS = 4
SETS = 1000
NAME = "whole-way"
AIM = Target(">=", 1.0)


def rows(run: Run) -> Iterator[Row]:
    count = run.size(SETS, 40)
    with ours.serving(run, NAME) as mine, openssh.serving(run) as peer, scratch(NAME) as home:
        way = _Way(mine, peer, count, home)
        with profiled(run, NAME, mine, "sftp", "worker"):
            pairs = contest(run, NAME, way.ours, way.theirs, "OpenSSH")
    work = f"{count} small sets, {CONNECTIONS} connections, upload to signed answers, durable"
    yield pairs.row(NAME, work, "rate", "sets/s", AIM)
    yield pairs.row(f"{NAME}-cpu", "the same, server CPU per set, all processes", "cpu", "ms")


class _Way:
    """Both sides get sets of the same making; theirs are stored under the same names."""

    def __init__(self, mine: Ours, peer: OpenSsh, count: int, home: Path) -> None:
        self._mine, self._peer, self._count, self._home = mine, peer, count, home
        self._done = 0

    def ours(self) -> Sample:
        made = sets.small(self._mine.sender, self._count, self._home)
        before, began = self._mine.cpu_of_all(), time.perf_counter()
        sessions(self._mine, made.shares(CONNECTIONS, "IN"), self._home)
        self._done += self._count
        self._mine.await_answered(self._done)
        wall = time.perf_counter() - began
        used = self._mine.cpu_of_all() - before
        assert self._mine.accepted(made.stems[-1]) == sets.FORMS
        sets.forget([self._home])
        return {"rate": self._count / wall, "cpu": used / self._count}

    def theirs(self) -> Sample:
        made = sets.small(self._mine.sender, self._count, self._home)
        folder = self._peer.folder(f"whole-{made.stems[0]}")
        before, began = self._peer.cpu(), time.perf_counter()
        sessions(self._peer, made.shares(CONNECTIONS, str(folder)), self._home)
        wall = time.perf_counter() - began
        used = self._peer.cpu() - before
        sets.forget([self._home])
        return {"rate": self._count / wall, "cpu": used / self._count}


BENCH = Bench(
    NAME,
    "small sets from upload to signed answers in OUT, against OpenSSH storing the same files",
    rows,
    ("sshd", "sftp", "ssh-keygen"),
)
