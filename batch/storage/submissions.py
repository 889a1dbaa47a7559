"""What was decided for a set: its state, its event and its effects in one transaction, always.

With ``claims`` (who works on it) and ``quarantine`` (what an operator wishes) the only writer of
a set's row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from datetime import datetime

from sqlalchemy import Connection, bindparam, exists, insert, null, or_, select, update

from batch.anomalies import Anomaly
from batch.evidence.proof import Proof
from batch.names import Environment
from batch.states import Ingested, Part, Refused, Stage, Verified
from batch.storage import chain, events, outbox
from batch.storage.answer_files import AnswerFiles
from batch.storage.claims import AS_CLAIMED, Claim, move
from batch.storage.prepared import Listed, Prepared, row_of
from batch.storage.submission_tables import answer, delivery, finding, part, submission

MAX_KEPT_FINDINGS = 1000
"""Content findings kept in the database for one set: enough to look at; the NOTI has them all."""

_OWN = submission.c.id == bindparam("own")
_VERIFIED = Prepared(
    update(submission)
    .where(*AS_CLAIMED)
    .values(
        state=Stage.VERIFIED,
        service=bindparam("kind"),
        signer=bindparam("by"),
        undecided_since=null(),
        problem=null(),
    )
)
_REFUSED = Prepared(
    update(submission)
    .where(*AS_CLAIMED)
    .values(state=Stage.REFUSED, in_hand=False, undecided_since=null(), problem=null())
)
_INGESTED = Prepared(
    update(submission)
    .where(*AS_CLAIMED)
    .values(
        state=Stage.INGESTED,
        accepted=bindparam("good"),
        refused=bindparam("bad"),
        in_hand=False,
    )
)
_ANSWERED = Prepared(update(submission).where(_OWN).values(state=Stage.ANSWERED, in_hand=False))
_DECIDED = Prepared(
    select(submission.c.letter, submission.c.service, submission.c.signer).where(_OWN)
)
_PART = row_of(part, "submission_id", "number", "name", "size", "sha256", "forms", "accepted")
_PARTS = Prepared(
    select(part.c.number, part.c.name, part.c.forms)
    .where(part.c.submission_id == bindparam("own"))
    .order_by(part.c.number)
)
_ACCEPTED = Prepared(
    update(part)
    .where(part.c.submission_id == bindparam("own"), part.c.name == bindparam("of"))
    .values(accepted=bindparam("good"))
)
_FINISHED = Listed(
    lambda ids: select(submission.c.id).where(
        submission.c.id.in_(ids),
        or_(submission.c.state == Stage.REFUSED, submission.c.state == Stage.INGESTED),
        ~exists().where(answer.c.submission_id == submission.c.id, answer.c.emitted_at.is_(None)),
    )
)
_OWNERS = Listed(
    lambda ids: (
        select(answer.c.submission_id)
        .where(answer.c.id.in_(ids), answer.c.submission_id.is_not(None))
        .distinct()
    )
)
_OF_FILES = tuple(each.name for each in fields(AnswerFiles))
_ANSWER = row_of(answer, "submission_id", "decided_at", *_OF_FILES)


def record_reception(
    connection: Connection,
    taken: Claim,
    outcome: Verified | Refused,
    files: AnswerFiles,
    at: datetime,
    proofs: Sequence[Proof] = (),
) -> None:
    """The reception verdict, its ACRF, and what it rested on."""
    if isinstance(outcome, Verified):
        state, anomalies = Stage.VERIFIED, outcome.warnings
        for p in outcome.parts:
            _PART.add(
                connection,
                submission_id=taken.id,
                number=p.number,
                name=p.file.name,
                size=p.file.size,
                sha256=p.file.sha256,
                forms=p.forms,
                accepted=0,
            )
        move(connection, taken, _VERIFIED, kind=outcome.service, by=outcome.signer)
    else:
        state, anomalies = Stage.REFUSED, outcome.anomalies
        move(connection, taken, _REFUSED)
    record_findings(connection, taken.id, [(None, a) for a in anomalies])
    chain.keep(connection, taken.id, proofs)
    chain.add(connection, taken, state, at, files=files, proofs=proofs, anomalies=anomalies)
    _add_answer(connection, taken, files, at)
    events.add(connection, taken.id, state, at, " ".join(a.error_id for a in anomalies))


def record_content(
    connection: Connection,
    taken: Claim,
    outcome: Ingested,
    accepted_by_part: dict[str, int],
    files: AnswerFiles,
    at: datetime,
    anomalies: Sequence[Anomaly] = (),
) -> None:
    """The content verdict and its NOTI, beside the records written in the same transaction."""
    move(connection, taken, _INGESTED, good=outcome.accepted, bad=outcome.refused)
    for name, accepted in accepted_by_part.items():
        _ACCEPTED.change(connection, own=taken.id, of=name, good=accepted)
    chain.add(connection, taken, Stage.INGESTED, at, files=files, anomalies=anomalies)
    _add_answer(connection, taken, files, at)
    detail = f"accepted {outcome.accepted} refused {outcome.refused}"
    events.add(connection, taken.id, Stage.INGESTED, at, detail)


def record_handover(
    connection: Connection, taken: Claim, verified: Verified, *, deliver: bool, at: datetime
) -> Ingested:
    """A set whose content is judged elsewhere: all its forms go there, or nowhere in a test.

    It gets no NOTI. With ``deliver`` its delivery is due once its ACRF was shown.
    """
    forms = sum(p.forms for p in verified.parts)
    move(connection, taken, _INGESTED, good=forms, bad=0)
    connection.execute(
        update(part).where(part.c.submission_id == taken.id).values(accepted=part.c.forms)
    )
    if deliver:
        connection.execute(
            insert(delivery).values(submission_id=taken.id, service=verified.service, attempts=0)
        )
    chain.add(connection, taken, Stage.INGESTED, at)
    where = "to be handed over" if deliver else "no destination for tests"
    events.add(connection, taken.id, Stage.INGESTED, at, f"{verified.service}: {where}")
    return Ingested(verified, forms, 0)


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
            "cause": a.cause,
        }
        for form, a in found
    ]
    if rows:
        connection.execute(insert(finding), rows)


def record_emitted(connection: Connection, answer_ids: Sequence[int], at: datetime) -> None:
    """These answers are in OUT; a set whose answers all are is answered."""
    if not answer_ids:
        return
    outbox.record_shown(connection, answer_ids, at)
    owners = (row.submission_id for row in _OWNERS.rows(connection, answer_ids))
    record_answered(connection, list(dict.fromkeys(owners)), at)


def record_answered(connection: Connection, ids: Sequence[int], at: datetime) -> None:
    """Of these sets, those that are decided and whose answers are all in OUT are answered."""
    for submission_id in finished(connection, ids):
        _ANSWERED.change(connection, own=submission_id)
        events.add(connection, submission_id, Stage.ANSWERED, at, "")


def finished(connection: Connection, ids: Sequence[int]) -> list[int]:
    """Which of these sets are decided and have every answer in OUT, and are not answered yet."""
    return [row.id for row in _FINISHED.rows(connection, ids)]


def verified_again(connection: Connection, taken: Claim) -> Verified:
    """The reception verdict of a set whose content is still to be judged, reread."""
    row = _DECIDED.first(connection, own=taken.id)
    by_name = {file.name: file for file in taken.sealed.files}
    parts = _PARTS.rows(connection, own=taken.id)
    return Verified(
        sealed=taken.sealed,
        environment=Environment(row.letter),
        service=row.service,
        parts=tuple(Part(p.number, by_name[p.name], p.forms) for p in parts),
        signer=row.signer,
    )


def _add_answer(connection: Connection, taken: Claim, files: AnswerFiles, at: datetime) -> None:
    """After its link: the first link of all tells which answers were there before it."""
    columns = {name: getattr(files, name) for name in _OF_FILES}
    _ANSWER.add(connection, submission_id=taken.id, decided_at=at, **columns)
