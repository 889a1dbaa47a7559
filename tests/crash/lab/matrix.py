"""Points x kinds of death, and the hunts for the seeded bugs, on a few lanes at once."""

from __future__ import annotations

import queue
import random
import shutil
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from tests.acceptance.conftest import Registered
from tests.crash.lab.bugs import BUGS, Bug
from tests.crash.lab.channel import Channel, Forked, Starter
from tests.crash.lab.life import Life
from tests.crash.lab.places import HUNTING, KINDS, PROCESS, obstacle, place
from tests.crash.lab.points import ROLES, Point
from tests.crash.lab.sender import Client
from tests.crash.lab.tracing import Call

LIVES = 24
"""Lives of one instance before a fresh one is taken."""
HUNT = 100
"""Points tried for one bug before it counts as not found."""
AGAIN = 5
"""How often the likely ones are tried: what the others do at that moment differs each time."""

_rooms = count(1)
_BY_NAME = {bug.name: bug for bug in BUGS}


@dataclass(frozen=True, slots=True)
class Violation:
    """A promise that was broken, and where the channel had died."""

    kind: str
    point: str
    wrong: str


@dataclass
class Tally:
    """What came of one row of the table."""

    kind: str
    bug: str = ""
    points: int = 0
    died: Counter[str] = field(default_factory=Counter)
    violations: list[Violation] = field(default_factory=list)
    lost: int = 0
    """Cuts after which the kernel could not mount its own file system again."""
    seconds: float = 0.0
    skipped: str = ""


@dataclass(frozen=True, slots=True)
class Job:
    """Lives to be lived one after another on one instance."""

    kind: str
    bug: str
    points: tuple[Point, ...]


@dataclass
class Laboratory:
    """Runs jobs in ``scratch`` on copies of a registered instance."""

    registered: Registered
    scratch: Path
    say: Callable[[str], None]
    lanes: int = 2
    rows: dict[tuple[str, str], Tally] = field(default_factory=dict)
    _guard: threading.Lock = field(default_factory=threading.Lock)

    def record(self) -> list[Point]:
        """Every point that a run of the acts passes, role by role, and the sender's moments."""
        found: list[Point] = []
        with _Room(self, PROCESS, "") as life:
            for role in ROLES:
                _quiet(life)
                calls = {(c.name, c.number): c for c in ends_of_runs(life.record(role))}
                found += [Point(role, call) for call in calls.values()]
                if role == "sftp":
                    found += [Point("sender", after=label) for label in life.labels()]
        return found

    def run(
        self,
        points: Sequence[Point],
        kinds: Sequence[str],
        bugs: Sequence[Bug],
        hunted: Sequence[Point],
    ) -> None:
        """``points`` on every kind that this machine can give; each bug at the ``hunted`` ones."""
        usable = []
        for kind in (*kinds, HUNTING):
            reason = obstacle(kind, self.scratch)
            usable += [] if reason else [kind]
            if kind != HUNTING:
                self.rows[kind, ""] = Tally(kind, skipped=reason or "")
        jobs: list[Job] = []
        for bug in bugs:
            where = [kind for kind in bug.kinds if kind in usable]
            name = where[0] if where else bug.kinds[0]
            skipped = "" if where else "none of its deaths can be had here"
            self.rows[name, bug.name] = Tally(name, bug.name, skipped=skipped)
            if where:
                jobs.append(Job(name, bug.name, tuple(_hunt(bug, hunted))))
        for kind in filter(kinds.__contains__, usable):
            jobs += [
                Job(kind, "", tuple(points[n : n + LIVES])) for n in range(0, len(points), LIVES)
            ]
        self._work_off(jobs)

    def _work_off(self, jobs: Sequence[Job]) -> None:
        waiting: queue.SimpleQueue[Job] = queue.SimpleQueue()
        for job in jobs:
            waiting.put(job)
        failures: list[BaseException] = []

        def lane() -> None:
            while not failures:
                try:
                    job = waiting.get_nowait()
                except queue.Empty:
                    return
                try:
                    self._do(job)
                except BaseException as error:
                    failures.append(error)
                    raise

        lanes = [threading.Thread(target=lane) for _ in range(self.lanes)]
        for each in lanes:
            each.start()
        for each in lanes:
            each.join()
        if failures:
            raise failures[0]

    def _do(self, job: Job) -> None:
        began, row = time.monotonic(), self.rows[job.kind, job.bug]
        left = list(job.points)
        while left and not (job.bug and row.violations):
            with _Room(self, job.kind, job.bug) as life:
                left = self._live(life, job, row, left)
        with self._guard:
            row.seconds += time.monotonic() - began
        found = f"{len(row.violations)} violations" if not job.bug else _found(row)
        self.say(f"{job.kind:8} {job.bug or 'protocol':24} {row.points:5} points  {found}")

    def _live(self, life: Life, job: Job, row: Tally, left: list[Point]) -> list[Point]:
        """Live until something is wrong; the points that are still to come."""
        wrong = life.settle()
        if wrong and job.bug:
            raise AssertionError(f"{job.bug}: wrong before anything died: {wrong}")
        if wrong:
            self._note(row, job, "the first start", wrong)
            return left[1:]
        for number, point in enumerate(left):
            life.forget()
            life.live(point)
            wrong = life.settle()
            with self._guard:
                row.points += 1
                row.died[f"{point.role} {life.last or 'not reached'}"] += 1
                row.lost += life.channel.place.lost
            if life.channel.place.lost:
                return left[number + 1 :]
            if wrong:
                self._note(row, job, f"{point}: {life.last}", wrong)
                return left[number + 1 :]
        return []

    def _note(self, row: Tally, job: Job, where: str, wrong: list[str]) -> None:
        if job.bug and not _BY_NAME[job.bug].shown_by(wrong):
            self.say(f"{job.kind:8} {job.bug:24} something else: {'; '.join(wrong)[:90]}")
            return
        with self._guard:
            row.violations.append(Violation(job.kind, where, "; ".join(wrong)))
        if not job.bug:
            self.say(f"VIOLATION {job.kind} {where}: {'; '.join(wrong)}")


class _Room:
    """A fresh instance on a fresh place, and its sender."""

    def __init__(self, laboratory: Laboratory, kind: str, bug: str) -> None:
        self._laboratory, self._kind, self._bug = laboratory, kind, bug
        self._root = laboratory.scratch / f"room-{next(_rooms)}"

    def __enter__(self) -> Life:
        registered = self._laboratory.registered
        self._place = place(self._kind, self._root)
        shutil.copytree(registered.instance.data, self._place.data, symlinks=True)
        outside = self._root / "outside"
        outside.mkdir()
        self._place.sync()
        self._shell = Forked()
        self._channel = Channel(self._place, outside, self._shell, self._bug or None)
        if not self._bug:  # a seeded bug is loaded when an interpreter starts
            self._channel.starter = Starter()
        self._life = Life(self._channel, Client(self._channel, registered.employer))
        return self._life

    def __exit__(self, *_: object) -> None:
        self._life.client.drop()
        self._channel.close()
        if self._channel.starter is not None:
            self._channel.starter.close()
        self._shell.close()
        self._place.close()
        shutil.rmtree(self._root)


def ends_of_runs(calls: Sequence[Call]) -> list[Call]:
    """Of writes to one file with nothing between them, the first and the last.

    SQLite writes the pages of a transaction so; before the last one none of them counts.
    """
    return [
        call
        for before, call, after in zip([None, *calls], calls, [*calls[1:], None], strict=False)
        if not (_goes_on(before, call) and _goes_on(call, after))
    ]


def _goes_on(one: Call | None, other: Call | None) -> bool:
    return (
        one is not None
        and other is not None
        and one.name == other.name == "pwrite64"
        and one.about == other.about
    )


def sample(points: Sequence[Point], size: int, chance: random.Random) -> list[Point]:
    """A sample in which each role, and each call of it, has its share."""
    kinds: dict[tuple[str, str], list[Point]] = {}
    for point in chance.sample(list(points), len(points)):
        name = point.call.name if point.call else ""
        kinds.setdefault((point.role, name), []).append(point)
    chosen: list[Point] = []
    while len(chosen) < min(size, len(points)):
        for rest in kinds.values():
            if rest:
                chosen.append(rest.pop())
    return chosen[:size]


def _hunt(bug: Bug, points: Sequence[Point]) -> list[Point]:
    likely = [p for p in points if bug.likely(p)]
    others = [p for p in points if not bug.likely(p)]
    return [*likely * AGAIN, *others][:HUNT]


def _found(row: Tally) -> str:
    return f"found: {row.violations[0].wrong[:90]}" if row.violations else "NOT FOUND"


def _quiet(life: Life) -> None:
    wrong = life.settle()
    assert not wrong, wrong
    life.forget()


ALL_KINDS = KINDS
ALL_BUGS = BUGS
