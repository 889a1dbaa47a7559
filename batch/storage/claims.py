"""Taking a set up and letting it go: who works on it, and how often it stopped the worker.

Every change is a compare-and-set on state and attempt; the attempt, committed before a set is
touched, is the fencing token and counts how often a set stopped the worker.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import takewhile
from typing import Any

from sqlalchemy import Connection, Update, bindparam, select, update

from batch.errors import Fault
from batch.ingest.way import Step, next_step
from batch.names import Environment
from batch.states import Sealed, SetKey, Stage
from batch.storage import events
from batch.storage.numbering import form_ticket, next_numbers
from batch.storage.prepared import Listed, Prepared, row_of
from batch.storage.submission_tables import submission

AT_RISK = (Step.VERIFY, Step.INGEST)
"""The steps that read what a sender sent; showing and archiving harm nobody."""

AS_CLAIMED = (
    submission.c.id == bindparam("own"),
    submission.c.state == bindparam("was"),
    submission.c.attempt == bindparam("attempts"),
)
"""The row of a set as its claim says it is: filled from ``Claim.as_claimed``."""
_TAKE = Prepared(
    update(submission).where(*AS_CLAIMED).values(attempt=bindparam("attempted"), in_hand=True)
)
_OF_KEYS = Listed(
    lambda keys: select(submission.c.key, submission.c.attempt, submission.c.state).where(
        submission.c.key.in_(keys)
    )
)
_STANDS = Prepared(
    select(submission.c.state, submission.c.attempt).where(submission.c.id == bindparam("own"))
)
_BY_KEY = Prepared(select(submission).where(submission.c.key == bindparam("of")))
_NEW = row_of(
    submission,
    "key",
    "channel",
    "folder",
    "stem",
    "ordinal",
    "letter",
    "trigger_name",
    "sealed_at",
    "state",
    "attempt",
    "in_hand",
    "given_up",
    "ticket",
    "reception_answer",
    "content_answer",
)


class Fenced(Fault):
    """Somebody else moved this set on: what was computed for it is thrown away."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A set claimed for work: its row, and everything that was decided before it was read.

    ``given_up``: an operator gave the last word, and it is refused unread; ``undecided_since``:
    it has been waiting since then for a source of revocations.
    """

    id: int
    sealed: Sealed
    stage: Stage
    attempt: int
    ticket: str
    reception_answer: str
    content_answer: str
    given_up: bool = False
    undecided_since: datetime | None = None

    @property
    def environment(self) -> Environment:
        return self.sealed.environment

    @property
    def at_risk(self) -> bool:
        """Whether its next step reads what the sender sent, and so may stop the worker."""
        return next_step(self.stage) in AT_RISK and not self.given_up

    @property
    def as_claimed(self) -> dict[str, object]:
        """For a statement with ``AS_CLAIMED``."""
        return {"own": self.id, "was": self.stage, "attempts": self.attempt}

    def form_ticket(self, ordinal: int) -> str:
        """The ticket of the ``ordinal``-th form of the set: the set's, with the form's place."""
        return form_ticket(self.ticket, ordinal)


def together(connection: Connection, sets: Sequence[Sealed]) -> list[Sealed]:
    """Those of ``sets``, in their order, that may share a batch: up to the first suspect.

    Suspect is what was being worked on when a worker stopped: any may be the cause. When the first
    is one, a suspect works alone, the one that stopped it least often: kills that have no cause in
    a set hit another each time.
    """
    attempts = {
        row.key: row.attempt
        for row in _OF_KEYS.rows(connection, [str(s.key) for s in sets])
        if row.attempt > 0 and row.state in (Stage.SEALED, Stage.VERIFIED)
    }
    innocent = list(takewhile(lambda s: str(s.key) not in attempts, sets))
    suspects = [s for s in sets if str(s.key) in attempts]
    return innocent or [min(suspects, key=lambda s: attempts[str(s.key)])]


@dataclass(slots=True)
class Claims:
    """What came of claiming sets: ``todo``; ``exhausted`` their attempts; and what needs no work:

    ``answered`` (only to be archived), ``quarantined`` (waits for an operator) and why.
    """

    todo: list[Claim] = field(default_factory=list)
    exhausted: list[Claim] = field(default_factory=list)
    answered: list[SetKey] = field(default_factory=list)
    quarantined: list[tuple[Claim, str]] = field(default_factory=list)


def claim(
    connection: Connection, sets: Sequence[Sealed], at: datetime, max_attempts: int
) -> Claims:
    """Take sets for work (W2); one not seen before gets its row, ticket and answers' names.

    An exhausted one is not taken: the caller sets it aside in the same transaction.
    """
    claims = Claims()
    for sealed in sets:
        row = _row_of(connection, sealed, at)
        stage = Stage(row.state)
        if stage is Stage.ANSWERED:
            claims.answered.append(sealed.key)
            continue
        answers = (row.reception_answer, row.content_answer)
        found = Claim(
            row.id,
            sealed,
            stage,
            row.attempt,
            row.ticket,
            *answers,
            row.given_up,
            row.undecided_since,
        )
        if stage is Stage.QUARANTINED:
            claims.quarantined.append((found, row.problem))
            continue
        if found.at_risk and found.attempt >= max_attempts:
            claims.exhausted.append(found)
            continue
        taken = replace(found, attempt=found.attempt + 1)
        move(connection, found, _TAKE, attempted=taken.attempt)
        claims.todo.append(taken)
    return claims


def move(connection: Connection, taken: Claim, change: Prepared, **values: object) -> None:
    """Run an UPDATE with ``AS_CLAIMED``; Fenced when the row is not as the claim says any more."""
    if change.change(connection, **taken.as_claimed, **values) != 1:
        raise Fenced(f"{taken.sealed.key}: moved on by another worker")


def reread(connection: Connection, taken: Claim) -> Claim | None:
    """The same claim with the stage its set has now; None when another worker took it up."""
    row = _STANDS.first(connection, own=taken.id)
    return replace(taken, stage=Stage(row.state)) if row.attempt == taken.attempt else None


def put_down(connection: Connection, claims: Iterable[Claim]) -> None:
    """These failed for a reason of their own; the attempt counts."""
    for taken in claims:
        connection.execute(_in_hand(taken).values(in_hand=False))


def forgive(connection: Connection, claims: Iterable[Claim]) -> None:
    """Give back what could not be decided for now: waiting is no attempt.

    A claim that is no longer ours is left as it is.
    """
    for taken in claims:
        connection.execute(_in_hand(taken).values(in_hand=False, attempt=submission.c.attempt - 1))


def wait_for_source(connection: Connection, taken: Claim, reason: str, at: datetime) -> None:
    """Put down what this set waits for, and since when; the first time it is an event."""
    mine = (submission.c.id == taken.id, submission.c.state == taken.stage)
    if taken.undecided_since is None:
        since = update(submission).where(*mine, submission.c.undecided_since.is_(None))
        if connection.execute(since.values(undecided_since=at)).rowcount:
            events.add(connection, taken.id, "undecided", at, reason)
    connection.execute(update(submission).where(*mine).values(problem=reason))


def _in_hand(taken: Claim) -> Update:
    return update(submission).where(
        submission.c.id == taken.id,
        submission.c.attempt == taken.attempt,
        submission.c.in_hand.is_(True),
    )


def give_back(connection: Connection) -> int:
    """Nobody works here: what was in hand when *all* of us stopped is not to blame for it.

    Its attempt does not count; one that ended with the worker alone does. How many sets.
    """
    unended = (Stage.SEALED, Stage.VERIFIED, Stage.REFUSED, Stage.INGESTED)
    stopped = connection.execute(
        update(submission)
        .where(submission.c.state.in_(unended), submission.c.in_hand.is_(True))
        .values(in_hand=False, attempt=submission.c.attempt - 1)
    )
    return stopped.rowcount


def _row_of(connection: Connection, sealed: Sealed, at: datetime) -> Any:
    key = str(sealed.key)
    found = _BY_KEY.first(connection, of=key)
    if found is not None:
        return found
    environment = sealed.environment
    numbers = next_numbers(connection, environment, sealed.key.folder.is_test, at)
    _NEW.add(
        connection,
        key=key,
        channel=str(sealed.key.channel),
        folder=sealed.key.folder,
        stem=sealed.key.stem,
        ordinal=sealed.key.ordinal,
        letter=environment,
        trigger_name=sealed.trigger_name,
        sealed_at=sealed.sealed_at,
        state=Stage.SEALED,
        attempt=0,
        in_hand=False,
        given_up=False,
        ticket=numbers.ticket,
        reception_answer=numbers.reception_answer,
        content_answer=numbers.content_answer,
    )
    row = _BY_KEY.first(connection, of=key)
    events.add(connection, row.id, Stage.SEALED, sealed.sealed_at, sealed.trigger)
    return row
