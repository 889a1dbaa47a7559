"""A declaration of 500 MB, from its sealing to its last answer in OUT, by the log of the channel.

It was received before: the upload and the digest of the seal are the SFTP process's (see
``transfers``). Then the worker reads it twice, once to prove it and write the ACRF, once to judge
and record every form; the NOTI echoes each of them and goes as a ZIP. The peer validates the same
file in one pass and does nothing else.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from tests.acceptance.clients import new_stem
from tests.acceptance.instance import Sender
from tests.bench import declared, ours, parsing, usage
from tests.bench.clients import sessions
from tests.bench.figures import Bench, Row, Run, Sample, Target, contest
from tests.bench.ours import Ours, profiled

NAME = "large"
MEGABYTES = 500


def rows(run: Run) -> Iterator[Row]:
    size = run.size(MEGABYTES, 2) * 1_000_000
    with ours.serving(run, NAME) as mine, run.room("declarations") as home:
        way = _Way(mine, home, size)
        with profiled(run, NAME, mine, "worker"):
            against = "xmllint --stream --schema"
            pairs = contest(run.heavy(), NAME, way.ours, way.theirs, against, warm=False)
    work = f"a declaration of {size // 1_000_000} MB, from sealed to answered"
    yield pairs.row(NAME, work, "rate", "MB/s", Target(">=", 30, "ours"))
    yield pairs.row(f"{NAME}-cpu", "the same, CPU of the worker", "cpu", "s")
    memory = Target("<=", 150, "ours")
    yield pairs.row(f"{NAME}-memory", "the same, peak memory of the worker", "memory", "MB", memory)


class _Way:
    """Both sides get the same file, one after the other."""

    def __init__(self, mine: Ours, home: Path, size: int) -> None:
        self._mine, self._home, self._size = mine, home, size
        self._fi = home / "FI"
        self._done = 0

    def ours(self) -> Sample:
        mine = self._mine
        size = declared.written(declared.of_bytes(self._size), self._fi)
        worker = mine.role("worker")
        before = usage.cpu([worker])
        usage.forget_peak(worker)
        stem = sent(mine, mine.sender, self._fi)
        self._done += 1
        mine.await_answered(self._done)
        used = usage.cpu([worker]) - before
        assert mine.accepted(stem) > size // 2000
        return {
            "rate": size / seconds_of(mine, stem),
            "cpu": used,
            "memory": usage.peak(worker),
        }

    def theirs(self) -> Sample:
        found = parsing.validated(self._fi)
        size = self._fi.stat().st_size
        self._fi.unlink()
        return {"rate": size / found["wall"], "cpu": found["cpu"], "memory": found["memory"]}


def sent(mine: Ours, who: Sender, fi: Path) -> str:
    """Upload a set of this one FI; its stem. Comes back when the set is sealed."""
    stem = new_stem(who.number)
    fs = fi.with_suffix(".fs")
    fs.write_bytes(declared.signed(fi, who))
    (fi.parent / "GO").write_bytes(b"")
    lines = [f"put {fi} IN/FI.{stem}.1.1", f"put {fs} IN/FS.{stem}.1.1"]
    sessions(mine, [[*lines, f"put {fi.parent / 'GO'} IN/GO.{stem}.1"]], fi.parent)
    return stem


def seconds_of(mine: Ours, stem: str) -> float:
    """From the sealing of a set to its last answer, by the log."""
    lines = (json.loads(line) for line in mine.instance.log.splitlines() if stem in line)
    times = [(x["event"], datetime.fromisoformat(x["time"])) for x in lines if "set" in x]
    [sealed] = [at for event, at in times if event == "sealed"]
    answered = max(at for event, at in times if event == "answered")
    return (answered - sealed).total_seconds()


BENCH = Bench(
    NAME,
    "a 500 MB declaration from sealed to answered, against xmllint validating it",
    rows,
    ("sftp", "xmllint"),
)
