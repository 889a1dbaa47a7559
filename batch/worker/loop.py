"""The worker's loop: take a fair batch, move it one step at a time, show what was decided.

Sets of a batch share their transactions: fsync is the price, share it. What fails for one set
(a fault, a bug) is logged and counted for that set alone.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import assert_never

from batch import journal
from batch.errors import Busy, SpoolFault
from batch.ingest import answer
from batch.ingest.way import Step, next_step
from batch.names import Kind
from batch.states import Deferred, Ingested, Refused, Sealed, SetKey, Verified
from batch.storage import claims, dossiers, outbox, quarantine, stopped, submissions, waiting
from batch.storage.claims import Claim, Claims, Fenced
from batch.storage.database import Database, Transaction, part, reading, writing
from batch.storage.dossiers import Dossier
from batch.storage.durable import Unsynced
from batch.storage.instance import Instance
from batch.worker import patience, plan
from batch.worker.deferrals import Deferrals
from batch.worker.outbox import Outbox
from batch.worker.patience import Patience
from batch.worker.steps import Decided, Steps

PAUSE_SECONDS = 2.0
"""A set that could not be decided, or failed, is left alone this long."""
LOOK_SHARE = 20
"""While sets wait, a look for newcomers comes this many times the CPU of the last one after it: of
10,000 that is before each batch, and of any number at most a twentieth of the work. Not its time:
where others keep the processors busy, looks must not become rare as well."""
LOOK_SECONDS = 1.0
"""But no later than this, so that a newcomer is in hand within seconds."""


_Step = Callable[[Sequence[Claim], Deferrals], None]


@dataclass(slots=True)
class Worker:
    """Moves sealed sets to answered. One per instance; ``clock`` is the only source of time."""

    instance: Instance
    steps: Steps
    clock: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))
    _not_before: dict[SetKey, float] = field(default_factory=dict)
    _owed: dict[bool, list[Claim]] = field(default_factory=dict)
    _queues: dict[bool, plan.Queue] = field(
        default_factory=lambda: {False: plan.Queue(), True: plan.Queue()}
    )
    _next_look: float = 0.0
    _unarchived: set[SetKey] = field(default_factory=set)
    _outbox: Outbox = field(init=False)
    _patience: Patience = field(init=False)

    def __post_init__(self) -> None:
        self._outbox = Outbox(self.instance)
        hours = self.instance.settings.undecided_hours
        self._patience = Patience(self.instance.production, hours)

    def run_until_idle(self) -> int:
        """Work until nothing is left that can be done now; how many sets and answers that was."""
        total = 0
        while taken := self.run_once():
            total += taken
        return total

    def run_once(self) -> int:
        """One batch of each database; one that is away does not keep the other waiting."""
        self._look()
        self._archive_again()
        done = self._outbox.look(self.clock)
        for engine, test in self._databases():
            try:
                done += self._batch(engine, test)
            except Busy as fault:
                journal.problem("a batch could not be finished for now", fault)
        return done

    def _databases(self) -> tuple[tuple[Database, bool], ...]:
        return (self.instance.production, False), (self.instance.test, True)

    def _batch(self, engine: Database, test: bool) -> int:
        chosen = self._choose(test)
        if not chosen:
            return 0
        limit = self.instance.settings.max_attempts
        owed = self._owed.pop(test, [])
        try:
            stopped.give_back_if_owed(self.instance.layout, engine, test=test)
            with writing(engine) as connection:
                claims.forgive(connection, owed)
                sets = claims.together(connection, list(chosen.values()))
                claimed = claims.claim(connection, sets, self.clock(), limit)
                self._set_aside(connection, claimed)
        except Busy:
            self._owed[test] = owed
            self._queues[test].put_back(chosen)
            raise
        self._queues[test].put_back(plan.left(chosen, [one.key for one in sets]))
        try:
            self._move_on(engine, claimed)
        except Busy:
            self._owed[test] = claimed.todo
            raise
        return len(sets)

    def _move_on(self, engine: Database, claimed: Claims) -> None:
        self._show(engine, [taken for taken, _ in claimed.quarantined])
        for taken, problem in claimed.quarantined:  # the directory last: until then it is found
            self._move(taken.sealed.key, self.instance.layout.quarantine)
            journal.quarantined(taken.sealed.key, problem)
        self._archive(claimed.answered)  # answered before a stop
        deferred = Deferrals()
        todo = _at(Step.VERIFY, claimed.todo)
        self._together(todo, deferred, lambda *some: self._verify(engine, *some))
        self._show(engine, claimed.todo)
        with reading(engine) as connection:
            ours = [claims.reread(connection, taken) for taken in claimed.todo]
        todo = [taken for taken in ours if taken is not None]
        known = _at(Step.INGEST, todo)
        self._together(known, deferred, lambda *some: self._ingest(engine, *some))
        self._show(engine, todo)
        self._defer(engine, deferred)

    def _look(self) -> None:
        """Queue what waits: when nothing is left, and often enough that no newcomer waits."""
        queued, now = [queue.names for queue in self._queues.values()], time.monotonic()
        if any(queued) and now < self._next_look:
            return
        self._release()
        for key in self._patience.helped():
            self._not_before.pop(key, None)
        layout, begun = self.instance.layout, time.thread_time()
        names = waiting.newcomers(layout, set().union(*queued))
        took = time.thread_time() - begun
        for key, since in waiting.sealed_sets(layout, names):
            if self._not_before.get(key, 0.0) <= now:
                self._queues[key.folder.is_test].add([plan.Waiting(key, since)])
        self._next_look = time.monotonic() + min(LOOK_SECONDS, LOOK_SHARE * took)

    def _release(self) -> None:
        """Bring back from quarantine what an operator wants tried again, or refused."""
        for engine, test in self._databases():
            try:
                keys = quarantine.released(engine, self.instance.layout, test=test)
            except Busy as fault:
                journal.problem("the quarantine cannot be looked at for now", fault)
                continue
            for key in keys:
                self._move(key, self.instance.layout.sealed)

    def _choose(self, test: bool) -> dict[plan.Waiting, Sealed]:
        """A fair batch; two sets with the same FI never share one: the second may be a replay."""
        queue = self._queues[test]
        chosen: dict[plan.Waiting, Sealed] = {}
        contents: set[tuple[str, str]] = set()
        size = 0
        while len(chosen) < plan.MAX_SETS and (item := queue.take()):
            try:
                sealed = dossiers.dossier(self.instance.layout, item.key).sealed()
            except SpoolFault as fault:
                self._pause(item.key)
                journal.problem(f"{item.key}: its dossier cannot be read", fault)
                continue
            data = sealed.of_kind(Kind.FI)
            mine = {(str(item.key.channel), f.sha256) for f in data}
            size += sum(f.size for f in data)
            if chosen and (size > plan.MAX_BYTES or mine & contents):
                queue.put_back([item])
                break
            chosen[item] = sealed
            contents |= mine
        return chosen

    def _together(self, todo: Sequence[Claim], deferred: Deferrals, step: _Step) -> None:
        """Run a step of sets that share what it costs; where the disk fails, set by set."""
        mine = Deferrals()
        try:
            step(todo, mine)
        except OSError as error:
            if len(todo) > 1:
                for taken in todo:
                    self._together([taken], deferred, step)
                return
            mine.out_of_reach(todo[0], error)
        deferred.take(mine)

    def _verify(self, engine: Database, todo: Sequence[Claim], deferred: Deferrals) -> None:
        """Decide, sync what was written, then commit. OSError: it cannot be synced."""
        decided: list[Decided] = []
        with Unsynced() as unsynced:
            for taken in todo:
                with deferred.faults_of(taken):
                    at, home = self.clock(), self._dossier(taken)
                    outcome = self.steps.verify(taken, home, engine, at, unsynced)
                    if isinstance(outcome, Deferred):
                        deferred.add(taken, outcome.reason, source=outcome.source)
                    else:
                        decided.append(outcome)
                        self._patience.end(taken.sealed.key)
            if not decided:
                return
            unsynced.sync()
        at = self.clock()
        with writing(engine) as connection:
            for item in decided:
                with deferred.faults_of(item.taken), part(connection):
                    submissions.record_reception(
                        connection, item.taken, item.outcome, item.files, at, item.proofs
                    )
        for item in decided:
            _tell(item)

    def _ingest(self, engine: Database, todo: Sequence[Claim], deferred: Deferrals) -> None:
        """Judge, sync what was written, then commit. OSError: it cannot be synced."""
        if not todo:
            return
        done: list[tuple[Claim, Ingested]] = []
        with Unsynced() as unsynced, writing(engine) as connection:
            for taken in todo:
                with deferred.faults_of(taken), part(connection):
                    at, home = self.clock(), self._dossier(taken)
                    done.append((taken, self.steps.ingest(taken, home, connection, at, unsynced)))
            unsynced.sync()
        for taken, outcome in done:
            journal.ingested(taken.sealed.key, outcome.accepted, outcome.refused)

    def _show(self, engine: Database, held: Sequence[Claim]) -> None:
        """Put decided answers in OUT (A1-A3), then archive what is answered."""
        if not held:
            return
        ids = [taken.id for taken in held]
        with reading(engine) as connection:
            unshown = outbox.unshown_of(connection, ids)
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
            owed = submissions.finished(connection, ids)
        if owed:  # its last answer was shown before it was decided: the content is judged elsewhere
            with writing(engine) as connection:
                submissions.record_answered(connection, owed, self.clock())
            done |= set(owed)
        self._archive([taken.sealed.key for taken in held if taken.id in done])

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
            self._archive_together(mine)

    def _archive_together(self, keys: Sequence[SetKey]) -> None:
        """Archive sets of one channel; where that fails, set by set."""
        try:
            dossiers.archive(self.instance.layout, keys)
        except (SpoolFault, OSError) as fault:
            if len(keys) > 1:
                for key in keys:
                    self._archive_together([key])
                return
            journal.problem(f"{keys[0]}: it cannot be archived", fault)
            self._unarchived.add(keys[0])
            self._pause(keys[0])
            return
        for key in keys:
            self._not_before.pop(key, None)

    def _archive_again(self) -> None:
        """Also those that are in ``arch`` already, but whose names the disk kept in the inbox."""
        now = time.monotonic()
        due = [key for key in self._unarchived if self._not_before.get(key, 0.0) <= now]
        self._unarchived.difference_update(due)
        self._archive(due)

    def _set_aside(self, connection: Transaction, claimed: Claims) -> None:
        """The technical verdict; the sender is told what was decided before, and no more."""
        for taken in claimed.exhausted:
            key = taken.sealed.key
            problem = (
                f"stopped the worker {taken.attempt} times, last in the step "
                f"{next_step(taken.stage)}; try again: submission retry {key.stem}; "
                f"if it cannot be mended: submission refuse {key.stem}"
            )
            quarantine.record_quarantined(connection, taken, problem, self.clock())
            claimed.quarantined.append((taken, problem))

    def _move(self, key: SetKey, target: Path) -> None:
        try:
            dossiers.move_to(self.instance.layout, key, target)
        except (SpoolFault, OSError) as fault:
            journal.problem(f"{key}: it cannot be moved to {target.name}", fault)
            self._pause(key)

    def _defer(self, engine: Database, deferred: Deferrals) -> None:
        for key in deferred.paused:
            self._pause(key)
        if not deferred.undecided and not deferred.failed:
            return
        at, over = self.clock(), []
        with writing(engine) as connection:
            claims.forgive(connection, deferred.undecided)
            claims.put_down(connection, deferred.failed)
            for taken, reason in deferred.without_source:
                seconds = self._patience.pause(taken, at)
                self._not_before[taken.sealed.key] = time.monotonic() + seconds
                if self._patience.is_over(taken, at):
                    with suppress(Fenced), part(connection):
                        over.append((taken, self._give_up(connection, taken, reason, at)))
                else:
                    said = patience.waits(reason, taken.undecided_since or at)
                    claims.wait_for_source(connection, taken, said, at)
        for taken, problem in over:
            self._patience.end(taken.sealed.key)
            self._move(taken.sealed.key, self.instance.layout.quarantine)
            journal.quarantined(taken.sealed.key, problem)

    def _give_up(self, connection: Transaction, taken: Claim, reason: str, at: datetime) -> str:
        """Undecided for too long: an operator's, and nobody's refusal."""
        since = taken.undecided_since or at
        problem = patience.set_aside(reason, since, taken.sealed.key.stem)
        before = replace(taken, attempt=taken.attempt - 1)  # as given back: waiting is no attempt
        quarantine.record_quarantined(connection, before, problem, at)
        return problem

    def _pause(self, key: SetKey) -> None:
        self._not_before[key] = time.monotonic() + PAUSE_SECONDS

    def _dossier(self, taken: Claim) -> Dossier:
        return dossiers.dossier(self.instance.layout, taken.sealed.key)


def _at(step: Step, held: Sequence[Claim]) -> list[Claim]:
    return [taken for taken in held if next_step(taken.stage) is step]


def _tell(item: Decided) -> None:
    key = item.taken.sealed.key
    if item.by_exception:
        journal.signed_with_sha1(key.channel, key)
    match item.outcome:
        case Verified():
            journal.verified(key, item.outcome.service, len(item.outcome.parts))
        case Refused():
            journal.refused(key, tuple(answer.reception_codes(item.outcome.anomalies)))
        case _:
            assert_never(item.outcome)
