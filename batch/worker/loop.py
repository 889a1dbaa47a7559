"""The worker's loop: take a fair batch, move it one step at a time, show what was decided.

Sets of a batch share their transactions: fsync is the price, share it. What fails for one set
(a fault, a bug) is logged and counted for that set alone.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import assert_never

from batch import journal
from batch.errors import Busy, SpoolFault
from batch.ingest import answer
from batch.ingest.way import Step, next_step
from batch.names import Kind
from batch.states import Deferred, Ingested, Refused, Sealed, SetKey, Verified
from batch.storage import dossiers, submissions, waiting
from batch.storage.database import Database, is_outage, reading, writing
from batch.storage.dossiers import Dossier
from batch.storage.instance import Instance
from batch.storage.submissions import Claim, Claims, Fenced
from batch.worker import plan
from batch.worker.steps import Decided, Steps

PAUSE_SECONDS = 2.0
"""A set that could not be decided, or failed, is left alone this long."""


@dataclass(slots=True)
class Worker:
    """Moves sealed sets to answered. One per instance; ``clock`` is the only source of time."""

    instance: Instance
    steps: Steps
    clock: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))
    _not_before: dict[SetKey, float] = field(default_factory=dict)
    _owed: dict[bool, list[Claim]] = field(default_factory=dict)

    def run_until_idle(self) -> int:
        """Work until nothing is left that can be done now; how many sets were taken up."""
        total = 0
        while taken := self.run_once():
            total += taken
        return total

    def run_once(self) -> int:
        """One batch of each database; one that is away does not keep the other waiting."""
        done = 0
        for engine, test in ((self.instance.production, False), (self.instance.test, True)):
            try:
                done += self._batch(engine, test)
            except Busy as fault:
                journal.problem("a batch could not be finished for now", fault)
        return done

    def _batch(self, engine: Database, test: bool) -> int:
        sets = self._choose(test)
        if not sets:
            return 0
        limit = self.instance.settings.max_attempts
        owed = self._owed.pop(test, [])
        try:
            with writing(engine) as connection:
                submissions.forgive(connection, owed)
                sets = submissions.suspects(connection, sets)[:1] or sets  # a suspect works alone
                claims = submissions.claim(connection, sets, self.clock(), limit)
        except Busy:
            self._owed[test] = owed
            raise
        try:
            self._move_on(engine, claims)
        except Busy:
            self._owed[test] = claims.todo
            raise
        return len(sets)

    def _move_on(self, engine: Database, claims: Claims) -> None:
        self._quarantine(engine, claims.exhausted)
        for key in claims.quarantined:  # its directory did not follow before a stop
            self._set_aside(key)
        self._archive(claims.answered)  # answered before a stop
        deferred = _Deferrals()
        self._verify(engine, _at(Step.VERIFY, claims.todo), deferred)
        self._show(engine, claims.todo)
        with reading(engine) as connection:
            ours = [submissions.reread(connection, taken) for taken in claims.todo]
        todo = [taken for taken in ours if taken is not None]
        self._ingest(engine, _at(Step.INGEST, todo), deferred)
        self._show(engine, todo)
        self._defer(engine, deferred)

    def _choose(self, test: bool) -> list[Sealed]:
        """A fair batch; two sets with the same FI never share one: the second may be a replay."""
        now = time.monotonic()
        found = [
            plan.Waiting(key, since)
            for key, since in waiting.sealed_sets(self.instance.layout)
            if key.folder.is_test is test and self._not_before.get(key, 0.0) <= now
        ]
        chosen: list[Sealed] = []
        contents: set[tuple[str, str]] = set()
        size = 0
        for key in plan.in_fair_order(found):
            try:
                sealed = dossiers.dossier(self.instance.layout, key).sealed()
            except SpoolFault as fault:
                self._pause(key)
                journal.problem(f"{key}: its dossier cannot be read", fault)
                continue
            data = sealed.of_kind(Kind.FI)
            mine = {(str(key.channel), f.sha256) for f in data}
            size += sum(f.size for f in data)
            if chosen and (size > plan.MAX_BYTES or mine & contents):
                break
            chosen.append(sealed)
            contents |= mine
            if len(chosen) == plan.MAX_SETS:
                break
        return chosen

    def _verify(self, engine: Database, claims: Sequence[Claim], deferred: _Deferrals) -> None:
        decided: list[Decided] = []
        for taken in claims:
            with deferred.faults_of(taken):
                outcome = self.steps.verify(taken, self._dossier(taken), engine, self.clock())
                if isinstance(outcome, Deferred):
                    deferred.add(taken, outcome.reason)
                else:
                    decided.append(outcome)
        if not decided:
            return
        at = self.clock()
        with writing(engine) as connection:
            for item in decided:
                with deferred.faults_of(item.taken), connection.begin_nested():
                    submissions.record_reception(
                        connection, item.taken, item.outcome, item.files, at
                    )
        for item in decided:
            _tell(item)

    def _ingest(self, engine: Database, claims: Sequence[Claim], deferred: _Deferrals) -> None:
        if not claims:
            return
        done: list[tuple[Claim, Ingested]] = []
        with writing(engine) as connection:
            for taken in claims:
                with deferred.faults_of(taken), connection.begin_nested():
                    outcome = self.steps.ingest(
                        taken, self._dossier(taken), connection, self.clock()
                    )
                    done.append((taken, outcome))
        for taken, outcome in done:
            journal.ingested(taken.sealed.key, outcome.accepted, outcome.refused)

    def _show(self, engine: Database, claims: Sequence[Claim]) -> None:
        """Put decided answers in OUT (A1-A3), then archive what is answered."""
        if not claims:
            return
        ids = [taken.id for taken in claims]
        with reading(engine) as connection:
            unshown = waiting.unshown_answers(connection, ids)
        by_home: defaultdict[tuple[str, bool], list[dossiers.Emission]] = defaultdict(list)
        for item in unshown:
            by_home[str(item.key.channel), item.key.folder.is_test].append(item)
        shown = [item for items in by_home.values() for item in self._emit(items)]
        if shown:
            with writing(engine) as connection:
                submissions.record_emitted(connection, [item.id for item in shown], self.clock())
            for item in shown:
                journal.answered(item.key, (item.stem,))
        with reading(engine) as connection:
            done = waiting.answered(connection, ids)
        self._archive([taken.sealed.key for taken in claims if taken.id in done])

    def _emit(self, items: Sequence[dossiers.Emission]) -> Sequence[dossiers.Emission]:
        """Show answers of one home together; where one cannot be shown, set by set."""
        try:
            dossiers.emit(self.instance.layout, items)
        except (SpoolFault, OSError) as fault:
            keys = list(dict.fromkeys(item.key for item in items))
            if len(keys) > 1:
                by_set = [[item for item in items if item.key == key] for key in keys]
                return [shown for mine in by_set for shown in self._emit(mine)]
            journal.problem(f"{keys[0]}: its answers cannot be shown", fault)
            self._pause(keys[0])
            return []
        return items

    def _archive(self, keys: Iterable[SetKey]) -> None:
        by_channel: defaultdict[str, list[SetKey]] = defaultdict(list)
        for key in keys:
            by_channel[str(key.channel)].append(key)
        for mine in by_channel.values():
            try:
                dossiers.archive(self.instance.layout, mine)
                for key in mine:
                    self._not_before.pop(key, None)
            except (SpoolFault, OSError) as fault:
                journal.problem(f"{mine[0]}: it cannot be archived", fault)
                for key in mine:
                    self._pause(key)

    def _quarantine(self, engine: Database, claims: Sequence[Claim]) -> None:
        for taken in claims:
            problem = f"stopped the worker {taken.attempt - 1} times"
            with writing(engine) as connection:
                submissions.record_quarantined(connection, taken, problem, self.clock())
            self._set_aside(taken.sealed.key)
            journal.quarantined(taken.sealed.key, problem)

    def _set_aside(self, key: SetKey) -> None:
        try:
            dossiers.move_to(self.instance.layout, key, self.instance.layout.quarantine)
        except (SpoolFault, OSError) as fault:
            journal.problem(f"{key}: it cannot be moved to quarantine", fault)
            self._pause(key)

    def _defer(self, engine: Database, deferred: _Deferrals) -> None:
        for key in deferred.paused:
            self._pause(key)
        if deferred.undecided or deferred.failed:
            with writing(engine) as connection:
                submissions.forgive(connection, deferred.undecided)
                submissions.put_down(connection, deferred.failed)

    def _pause(self, key: SetKey) -> None:
        self._not_before[key] = time.monotonic() + PAUSE_SECONDS

    def _dossier(self, taken: Claim) -> Dossier:
        return dossiers.dossier(self.instance.layout, taken.sealed.key)


@dataclass(slots=True)
class _Deferrals:
    """What a batch could not decide: ``undecided`` for now (no attempt), or ``failed``."""

    undecided: list[Claim] = field(default_factory=list)
    failed: list[Claim] = field(default_factory=list)
    paused: list[SetKey] = field(default_factory=list)

    def add(self, taken: Claim, reason: str) -> None:
        self.undecided.append(taken)
        self.paused.append(taken.sealed.key)
        journal.deferred(taken.sealed.key, reason)

    @contextmanager
    def faults_of(self, taken: Claim) -> Iterator[None]:
        """A fault of one set is that set's alone: an absent source waits, a bug is counted."""
        try:
            yield
        except Fenced as fault:
            journal.deferred(taken.sealed.key, str(fault))
        except Exception as error:
            if is_outage(error) or isinstance(error, OSError):
                self.add(taken, f"{type(error).__name__}: out of reach for now")
                return
            self.failed.append(taken)
            self.paused.append(taken.sealed.key)
            journal.worker_failed(taken.sealed.key, error)


def _at(step: Step, claims: Sequence[Claim]) -> list[Claim]:
    return [taken for taken in claims if next_step(taken.stage) is step]


def _tell(item: Decided) -> None:
    key = item.taken.sealed.key
    match item.outcome:
        case Verified():
            journal.verified(key, item.outcome.service, len(item.outcome.parts))
        case Refused():
            journal.refused(key, tuple(answer.reception_codes(item.outcome.anomalies)))
        case _:
            assert_never(item.outcome)
