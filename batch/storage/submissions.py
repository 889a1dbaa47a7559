"""What was decided for a set: its state, its event and its effects in one transaction, always.

With ``claims`` (who works on it) and ``quarantine`` (what an operator wishes) the only writer of
a set's row.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, exists, insert, select, update

from batch.anomalies import Anomaly
from batch.names import Environment
from batch.states import Ingested, Part, Refused, Stage, Verified
from batch.storage import events
from batch.storage.answer_files import AnswerFiles
from batch.storage.claims import Claim, move
from batch.storage.submission_tables import answer, finding, part, submission

MAX_KEPT_FINDINGS = 1000
"""Content findings kept in the database for one set: enough to look at; the NOTI has them all."""


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
    move(connection, taken, values=values)
    record_findings(connection, taken.id, [(None, a) for a in anomalies])
    _add_answer(connection, taken, files, at)
    events.add(
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
    move(
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
    events.add(connection, taken.id, Stage.INGESTED, at, detail)


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
        events.add(connection, submission_id, Stage.ANSWERED, at, "")


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
