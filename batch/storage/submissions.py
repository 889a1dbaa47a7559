"""The single writer of a set's state: state, event and effects in one transaction, always.

Every change is a compare-and-set on state and attempt; the attempt, committed before a set is
touched, is the fencing token and counts how often a set stopped the worker.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

from sqlalchemy import Connection, Row, and_, insert, select, update

from batch.anomalies import Anomaly
from batch.errors import Fault
from batch.identifiers import INSTITUTION, base36
from batch.ingest.way import Step, next_step
from batch.names import Environment, brussels_day, split
from batch.states import Ingested, Part, Refused, Sealed, Stage, Verified
from batch.storage.submission_tables import answer, counter, event, finding, part, submission

_FIRST_DAY = date(2020, 1, 1).toordinal()
_PER_LETTER = 36**4
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
        return environment_of(self.sealed)

    def form_ticket(self, ordinal: int) -> str:
        """The ticket of the ``ordinal``-th form of the set: the set's, with the form's place."""
        return self.ticket[:8] + base36(ordinal, 5)


@dataclass(frozen=True, slots=True)
class AnswerFiles:
    """An answer's final bytes, synced in the set's directory: FO (or CO) and its FS."""

    layer: str
    stem: str
    data_kind: str
    size: int
    sha256: str
    signature_sha256: str


def environment_of(sealed: Sealed) -> Environment:
    """The set's letter where it is one, else R or T by folder (contract, section 3)."""
    for file in sealed.files:
        name = split(file.name)
        if name is not None and name.letter in tuple(Environment):
            return Environment(name.letter)
    return Environment.TEST if sealed.key.folder.is_test else Environment.PRODUCTION


def suspects(connection: Connection, sets: Sequence[Sealed]) -> list[Sealed]:
    """Those of ``sets`` that were being worked on when a worker stopped: any may be the cause."""
    keys = {str(s.key): s for s in sets}
    query = select(submission.c.key).where(
        submission.c.key.in_(list(keys)), submission.c.attempt > 0
    )
    return [keys[key] for key in connection.execute(query).scalars()]


def claim(
    connection: Connection, sets: Sequence[Sealed], at: datetime, max_attempts: int
) -> tuple[list[Claim], list[Claim]]:
    """Take sets for work: those to do, and those that used up their attempts (W2).

    A set not seen before gets its row, its ticket and the names of its answers here. Sets that
    are answered or in quarantine are in neither list.
    """
    claimed: list[Claim] = []
    exhausted: list[Claim] = []
    for sealed in sets:
        row = _row_of(connection, sealed, at)
        stage = Stage(row.state)
        if stage in (Stage.ANSWERED, Stage.QUARANTINED):
            continue
        attempt = row.attempt + 1
        taken = Claim(
            row.id, sealed, stage, attempt, row.ticket, row.reception_answer, row.content_answer
        )
        values: dict[str, object] = {"attempt": attempt, "in_hand": True}
        _move(connection, taken, expected_attempt=row.attempt, values=values)
        at_risk = next_step(stage) in (Step.VERIFY, Step.INGEST)  # showing harms nobody
        (exhausted if at_risk and attempt > max_attempts else claimed).append(taken)
    return claimed, exhausted


def reread(connection: Connection, taken: Claim) -> Claim:
    """The same claim with the stage its set has now; Fenced when the claim is no longer ours."""
    row = connection.execute(
        select(submission.c.state, submission.c.attempt).where(submission.c.id == taken.id)
    ).one()
    if row.attempt != taken.attempt:
        raise Fenced(f"{taken.sealed.key}: taken up by another worker")
    return replace(taken, stage=Stage(row.state))


def release(connection: Connection, claims: Iterable[Claim]) -> None:
    """Give back what could not be decided for now: waiting is no attempt."""
    for taken in claims:
        _move(connection, taken, values={"attempt": taken.attempt - 1, "in_hand": False})


def put_down(connection: Connection, claims: Iterable[Claim]) -> None:
    """These failed for a reason of their own; the attempt counts."""
    for taken in claims:
        _move(connection, taken, values={"in_hand": False})


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
    finished = connection.execute(
        select(submission.c.id)
        .join(answer, answer.c.submission_id == submission.c.id)
        .where(answer.c.id.in_(answer_ids), submission.c.state.in_((Stage.REFUSED, Stage.INGESTED)))
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


def retry(connection: Connection, submission_id: int, at: datetime) -> None:
    """An operator wants a quarantined set tried again, from where it stood."""
    known = connection.execute(
        select(part.c.number).where(part.c.submission_id == submission_id)
    ).first()
    connection.execute(
        update(submission)
        .where(submission.c.id == submission_id, submission.c.state == Stage.QUARANTINED)
        .values(state=Stage.VERIFIED if known else Stage.SEALED, attempt=0, problem=None)
    )
    _add_event(connection, submission_id, "retried", at, "by an operator")


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
    environment = environment_of(sealed)
    day = f"{brussels_day(at):%Y%m%d}"
    number = _next(connection, "set", day)
    test = sealed.key.folder.is_test
    days = brussels_day(at).toordinal() - _FIRST_DAY
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
            ticket=f"{3 if test else 2}{base36(days, 3)}{base36(number, 4)}00000",
            reception_answer=f"ACRF.{INSTITUTION}.{day}.{_sequence(number, test)}.{environment}",
            content_answer=f"NOTI.{INSTITUTION}.{day}.{_sequence(number, test)}.{environment}",
        )
    )
    row = connection.execute(select(submission).where(submission.c.key == key)).one()
    _add_event(connection, row.id, Stage.SEALED, sealed.sealed_at, sealed.trigger)
    return row


def _sequence(number: int, test: bool) -> str:
    """Five positions for the ``number``-th set of a day: digits while they last, T... for tests.

    Production and test never share a name, though each counts for itself.
    """
    if test:
        return base36(29 * _PER_LETTER + number, 5)
    if number < 100_000:
        return f"{number:05d}"
    return base36(10 * _PER_LETTER + number - 100_000, 5)


def _next(connection: Connection, name: str, day: str) -> int:
    where = and_(counter.c.name == name, counter.c.day == day)
    value = connection.execute(select(counter.c.value).where(where)).scalar()
    if value is None:
        connection.execute(insert(counter).values(name=name, day=day, value=1))
        return 1
    connection.execute(update(counter).where(where).values(value=value + 1))
    return int(value) + 1


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
