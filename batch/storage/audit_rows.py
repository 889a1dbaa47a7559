"""What the other tables hold of the sets that links speak of, and where the two differ."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection, select

from batch.evidence.canonical import Document, digest
from batch.states import Stage
from batch.storage.evidence_tables import link, proof
from batch.storage.submission_tables import answer, finding, submission

_RECEPTION = (Stage.VERIFIED, Stage.REFUSED)


@dataclass(slots=True)
class Rows:
    """Of one set: its answers' hashes by stem, its proofs' by part, the codes of its findings."""

    answers: dict[str, tuple[str, str]] = field(default_factory=dict)
    proofs: dict[str, str] = field(default_factory=dict)
    codes: set[str] = field(default_factory=set)


def of(connection: Connection, ids: Sequence[int]) -> defaultdict[int, Rows]:
    """What is held of these sets."""
    found: defaultdict[int, Rows] = defaultdict(Rows)
    for row in connection.execute(select(answer).where(answer.c.submission_id.in_(ids))):
        found[row.submission_id].answers[row.stem] = (row.sha256, row.signature_sha256)
    for row in connection.execute(select(proof).where(proof.c.submission_id.in_(ids))):
        found[row.submission_id].proofs[row.part] = digest(row.body)
    told = select(finding.c.submission_id, finding.c.error_id).distinct()
    for row in connection.execute(told.where(finding.c.submission_id.in_(ids))):
        found[row.submission_id].codes.add(row.error_id)
    return found


def fault(body: Document, rows: Rows) -> str | None:
    """Where a link's body and the rows differ, one sentence; None where they agree."""
    told = body["answer"]
    if told is not None:
        held = rows.answers.get(told["stem"])
        if held is None:
            return f"its answer {told['stem']} is not there any more"
        if held != (told["sha256"], told["signature_sha256"]):
            return f"its answer {told['stem']} is recorded with other bytes"
    if body["state"] in _RECEPTION and body["proofs"] != rows.proofs:
        return "what its signature was judged by is recorded otherwise"
    if told is not None or body["state"] in _RECEPTION:
        reception = body["state"] in _RECEPTION
        codes = {code for code in rows.codes if code.startswith("ACRF-") is reception}
        if codes != set(body["codes"]):
            return "its findings are recorded with other codes"
    return None


def untold(connection: Connection, after: int) -> str | None:
    """The stem of the first set, of those answered since, with an answer that no link names."""
    query = (
        select(answer.c.stem.label("name"), answer.c.submission_id, submission.c.stem)
        .join(submission, submission.c.id == answer.c.submission_id)
        .where(answer.c.id > after)
        .order_by(answer.c.id)
    )
    for row in connection.execute(query).all():
        bodies = connection.execute(
            select(link.c.body).where(link.c.submission_id == row.submission_id)
        ).scalars()
        named = [(json.loads(body).get("answer") or {}).get("stem") for body in bodies]
        if row.name not in named:
            return str(row.stem)
    return None
