"""The single writer of a set's state: state, event and effects in one transaction, always.

Every change is a compare-and-set on state and attempt; the attempt, committed before a set is
touched, is the fencing token and counts how often a set stopped the worker.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from sqlalchemy import Connection, Row, Update, exists, insert, select, update

from batch.anomalies import Anomaly
from batch.errors import Fault
from batch.ingest.way import Step, next_step
from batch.names import Environment
from batch.states import Ingested, Part, Refused, Sealed, SetKey, Stage, Verified
from batch.storage.answer_files import AnswerFiles
from batch.storage.numbering import form_ticket, next_numbers
from batch.storage.submission_tables import answer, event, finding, part, submission

MAX_KEPT_FINDINGS = 1000
"""Content findings kept in the database for one set: enough to look at; the NOTI has them all."""


class Fenced(Fault):
    """Somebody else moved this set on: what was computed for it is thrown away."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A set claimed for work: its row, and everything that was decided before it was read."""

    id: int
    sealed: Sealed
    stage: Stage
    attempt: int
    ticket: str
    reception_answer: str
    content_answer: str

    @property
    def environment(self) -> Environment:
        return self.sealed.environment

    def form_ticket(self, ordinal: int) -> str:
        """The ticket of the ``ordinal``-th form of the set: the set's, with the form's place."""
        return form_ticket(self.ticket, ordinal)


def suspects(connection: Connection, sets: Sequence[Sealed]) -> list[Sealed]:
    """Those of ``sets`` that were being worked on when a worker stopped: any may be the cause."""
    keys = {str(s.key): s for s in sets}
    query = select(submission.c.key).where(
        submission.c.key.in_(list(keys)),
        submission.c.attempt > 0,
        submission.c.state.in_((Stage.SEALED, Stage.VERIFIED)),
    )
    return [keys[key] for key in connection.execute(query).scalars()]


@dataclass(slots=True)
class Claims:
    """What came of claiming sets: ``todo``; ``exhausted`` their attempts; and what needs no work:

    ``answered`` (only to be archived), ``quarantined`` (waits for an operator).
    """

    todo: list[Claim] = field(default_factory=list)
    exhausted: list[Claim] = field(default_factory=list)
    answered: list[SetKey] = field(default_factory=list)
    quarantined: list[SetKey] = field(default_factory=list)


def claim(
    connection: Connection, sets: Sequence[Sealed], at: datetime, max_attempts: int
) -> Claims:
    """Take sets for work (W2); one not seen before gets its row, ticket and answers' names."""
    claims = Claims()
    for sealed in sets:
        row = _row_of(connection, sealed, at)
        stage, attempt = Stage(row.state), row.attempt + 1
        if stage is Stage.ANSWERED:
            claims.answered.append(sealed.key)
            continue
        if stage is Stage.QUARANTINED:
            claims.quarantined.append(sealed.key)
            continue
        taken = Claim(
            row.id, sealed, stage, attempt, row.ticket, row.reception_answer, row.content_answer
        )
        values: dict[str, object] = {"attempt": attempt, "in_hand": True}
        _move(connection, taken, expected_attempt=row.attempt, values=values)
        at_risk = next_step(stage) in (Step.VERIFY, Step.INGEST)  # showing harms nobody
        (claims.exhausted if at_risk and attempt > max_attempts else claims.todo).append(taken)
    return claims


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
    stopped = connection.execute(
        update(submission)
        .where(submission.c.in_hand.is_(True))
        .values(in_hand=False, attempt=submission.c.attempt - 1)
    )
    return stopped.rowcount


def record_reception(
    connection: Connection,
    taken: Claim,
    outcome: Verified | Refused,
    files: AnswerFiles,
    at: datetime,
) -> None:
    """The reception verdict and its ACRF."""
    values: dict[str, object]
    if isinstance(outcome, Verified):
        values = {"state": Stage.VERIFIED, "service": outcome.service, "signer": outcome.signer}
        anomalies = outcome.warnings
        connection.execute(
            insert(part),
            [
                {
                    "submission_id": taken.id,
                    "number": p.number,
                    "name": p.file.name,
                    "size": p.file.size,
                    "sha256": p.file.sha256,
                    "forms": p.forms,
                }
                for p in outcome.parts
            ],
        )
    else:
        values = {"state": Stage.REFUSED, "in_hand": False}
        anomalies = outcome.anomalies
    _move(connection, taken, values=values)
    record_findings(connection, taken.id, [(None, a) for a in anomalies])
    _add_answer(connection, taken, files, at)
    _add_event(
        connection, taken.id, str(values["state"]), at, " ".join(a.error_id for a in anomalies)
    )


def record_content(
    connection: Connection,
    taken: Claim,
    outcome: Ingested,
    accepted_by_part: dict[str, int],
    files: AnswerFiles,
    at: datetime,
) -> None:
    """The content verdict and its NOTI, beside the records written in the same transaction."""
    _move(
        connection,
        taken,
        values={
            "state": Stage.INGESTED,
            "accepted": outcome.accepted,
            "refused": outcome.refused,
            "in_hand": False,
        },
    )
    for name, accepted in accepted_by_part.items():
        connection.execute(
            update(part)
            .where(part.c.submission_id == taken.id, part.c.name == name)
            .values(accepted=accepted)
        )
    _add_answer(connection, taken, files, at)
    detail = f"accepted {outcome.accepted} refused {outcome.refused}"
    _add_event(connection, taken.id, Stage.INGESTED, at, detail)


def record_findings(
    connection: Connection, submission_id: int, found: Sequence[tuple[int | None, Anomaly]]
) -> None:
    """Keep (form's place, anomaly) for those who ask later; never the value, it may be an INSS."""
    rows = [
        {
            "submission_id": submission_id,
            "error_id": a.error_id,
            "severity": a.severity,
            "part": a.part,
            "line": a.line,
            "form": form,
            "tag": a.tag,
            "explanation": a.explanation,
        }
        for form, a in found
    ]
    if rows:
        connection.execute(insert(finding), rows)


def record_emitted(connection: Connection, answer_ids: Sequence[int], at: datetime) -> None:
    """These answers are in OUT; a set whose answers all are is answered."""
    if not answer_ids:
        return
    connection.execute(
        update(answer)
        .where(answer.c.id.in_(answer_ids), answer.c.emitted_at.is_(None))
        .values(emitted_at=at)
    )
    others = answer.alias()
    unshown = exists().where(
        others.c.submission_id == submission.c.id, others.c.emitted_at.is_(None)
    )
    finished = connection.execute(
        select(submission.c.id)
        .join(answer, answer.c.submission_id == submission.c.id)
        .where(
            answer.c.id.in_(answer_ids),
            submission.c.state.in_((Stage.REFUSED, Stage.INGESTED)),
            ~unshown,
        )
        .distinct()
    ).scalars()
    for submission_id in list(finished):
        connection.execute(
            update(submission)
            .where(submission.c.id == submission_id)
            .values(state=Stage.ANSWERED, in_hand=False)
        )
        _add_event(connection, submission_id, Stage.ANSWERED, at, "")


def record_quarantined(connection: Connection, taken: Claim, problem: str, at: datetime) -> None:
    """This set stopped the worker too often: set aside for an operator."""
    _move(
        connection, taken, values={"state": Stage.QUARANTINED, "problem": problem, "in_hand": False}
    )
    _add_event(connection, taken.id, Stage.QUARANTINED, at, problem)


def stages(connection: Connection, keys: Iterable[SetKey]) -> dict[SetKey, Stage]:
    """The stage of each set that has a row."""
    by_text = {str(key): key for key in keys}
    query = select(submission.c.key, submission.c.state).where(submission.c.key.in_(list(by_text)))
    return {by_text[row.key]: Stage(row.state) for row in connection.execute(query)}


def retry(connection: Connection, submission_id: int, at: datetime) -> None:
    """An operator wants a quarantined set tried again, from where it stood."""
    connection.execute(
        update(submission)
        .where(submission.c.id == submission_id, submission.c.state == Stage.QUARANTINED)
        .values(state=_stood(connection, submission_id), attempt=0, in_hand=False, problem=None)
    )
    _add_event(connection, submission_id, "retried", at, "by an operator")


def _stood(connection: Connection, submission_id: int) -> Stage:
    """How far a set had come: its answers and parts tell."""
    layers = set(
        connection.execute(
            select(answer.c.layer).where(answer.c.submission_id == submission_id)
        ).scalars()
    )
    known = connection.execute(
        select(part.c.number).where(part.c.submission_id == submission_id)
    ).first()
    if "NOTI" in layers:
        return Stage.INGESTED
    if "ACRF" in layers:
        return Stage.VERIFIED if known else Stage.REFUSED
    return Stage.SEALED


def verified_again(connection: Connection, taken: Claim) -> Verified:
    """The reception verdict of a set whose content is still to be judged, reread."""
    row = connection.execute(select(submission).where(submission.c.id == taken.id)).one()
    by_name = {file.name: file for file in taken.sealed.files}
    parts = connection.execute(
        select(part).where(part.c.submission_id == taken.id).order_by(part.c.number)
    ).all()
    return Verified(
        sealed=taken.sealed,
        environment=Environment(row.letter),
        service=row.service,
        parts=tuple(Part(p.number, by_name[p.name], p.forms) for p in parts),
        signer=row.signer,
    )


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
    _add_event(connection, row.id, Stage.SEALED, sealed.sealed_at, sealed.trigger)
    return row


def _move(
    connection: Connection,
    taken: Claim,
    *,
    values: dict[str, object],
    expected_attempt: int | None = None,
) -> None:
    done = connection.execute(
        update(submission)
        .where(
            submission.c.id == taken.id,
            submission.c.state == taken.stage,
            submission.c.attempt
            == (taken.attempt if expected_attempt is None else expected_attempt),
        )
        .values(**values)
    )
    if done.rowcount != 1:
        raise Fenced(f"{taken.sealed.key}: moved on by another worker")


def _add_answer(connection: Connection, taken: Claim, files: AnswerFiles, at: datetime) -> None:
    connection.execute(
        insert(answer).values(
            submission_id=taken.id,
            layer=files.layer,
            stem=files.stem,
            attempt=files.attempt,
            data_kind=files.data_kind,
            size=files.size,
            sha256=files.sha256,
            signature_sha256=files.signature_sha256,
            decided_at=at,
        )
    )


def _add_event(
    connection: Connection, submission_id: int, what: str, at: datetime, detail: str
) -> None:
    connection.execute(
        insert(event).values(at=at, submission_id=submission_id, what=what, detail=detail or None)
    )
