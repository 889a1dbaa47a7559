"""Taking a set up and letting it go: who works on it, and how often it stopped the worker.

Every change is a compare-and-set on state and attempt; the attempt, committed before a set is
touched, is the fencing token and counts how often a set stopped the worker.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from sqlalchemy import Connection, Row, Update, insert, select, update

from batch.errors import Fault
from batch.ingest.way import Step, next_step
from batch.names import Environment
from batch.states import Sealed, SetKey, Stage
from batch.storage import events
from batch.storage.numbering import form_ticket, next_numbers
from batch.storage.submission_tables import submission

AT_RISK = (Step.VERIFY, Step.INGEST)
"""The steps that read what a sender sent; showing and archiving harm nobody."""


class Fenced(Fault):
    """Somebody else moved this set on: what was computed for it is thrown away."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A set claimed for work: its row, and everything that was decided before it was read.

    ``given_up``: an operator gave the last word, and it is refused unread.
    """

    id: int
    sealed: Sealed
    stage: Stage
    attempt: int
    ticket: str
    reception_answer: str
    content_answer: str
    given_up: bool = False

    @property
    def environment(self) -> Environment:
        return self.sealed.environment

    @property
    def at_risk(self) -> bool:
        """Whether its next step reads what the sender sent, and so may stop the worker."""
        return next_step(self.stage) in AT_RISK and not self.given_up

    def form_ticket(self, ordinal: int) -> str:
        """The ticket of the ``ordinal``-th form of the set: the set's, with the form's place."""
        return form_ticket(self.ticket, ordinal)


def suspect(connection: Connection, sets: Sequence[Sealed]) -> Sealed | None:
    """One of ``sets`` that was being worked on when a worker stopped: any may be the cause.

    The one that stopped it least often: kills that have no cause in a set hit another each time.
    """
    keys = {str(s.key): s for s in sets}
    query = select(submission.c.key, submission.c.attempt).where(
        submission.c.key.in_(list(keys)),
        submission.c.attempt > 0,
        submission.c.state.in_((Stage.SEALED, Stage.VERIFIED)),
    )
    attempts = {row.key: row.attempt for row in connection.execute(query)}
    suspects = [key for key in keys if key in attempts]
    return keys[min(suspects, key=attempts.__getitem__)] if suspects else None


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
        found = Claim(row.id, sealed, stage, row.attempt, row.ticket, *answers, row.given_up)
        if stage is Stage.QUARANTINED:
            claims.quarantined.append((found, row.problem))
            continue
        if found.at_risk and found.attempt >= max_attempts:
            claims.exhausted.append(found)
            continue
        taken = replace(found, attempt=found.attempt + 1)
        move(connection, found, values={"attempt": taken.attempt, "in_hand": True})
        claims.todo.append(taken)
    return claims


def move(connection: Connection, taken: Claim, *, values: dict[str, object]) -> None:
    """Change the row of a claimed set; Fenced when it is not as the claim says any more."""
    done = connection.execute(
        update(submission)
        .where(
            submission.c.id == taken.id,
            submission.c.state == taken.stage,
            submission.c.attempt == taken.attempt,
        )
        .values(**values)
    )
    if done.rowcount != 1:
        raise Fenced(f"{taken.sealed.key}: moved on by another worker")


def reread(connection: Connection, taken: Claim) -> Claim | None:
    """The same claim with the stage its set has now; None when another worker took it up."""
    row = connection.execute(
        select(submission.c.state, submission.c.attempt).where(submission.c.id == taken.id)
    ).one()
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


def _row_of(connection: Connection, sealed: Sealed, at: datetime) -> Row[tuple[object, ...]]:
    key = str(sealed.key)
    found = connection.execute(select(submission).where(submission.c.key == key)).first()
    if found is not None:
        return found
    environment = sealed.environment
    numbers = next_numbers(connection, environment, sealed.key.folder.is_test, at)
    connection.execute(
        insert(submission).values(
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
            ticket=numbers.ticket,
            reception_answer=numbers.reception_answer,
            content_answer=numbers.content_answer,
        )
    )
    row = connection.execute(select(submission).where(submission.c.key == key)).one()
    events.add(connection, row.id, Stage.SEALED, sealed.sealed_at, sealed.trigger)
    return row
