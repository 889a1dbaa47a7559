"""What waits in ``sealed``, and which answers are decided but not yet shown."""

from __future__ import annotations

import os
from collections.abc import Container, Sequence

from sqlalchemy import Connection, select

from batch.identifiers import SenderNumber
from batch.names import Folder
from batch.states import SetKey, Stage
from batch.storage.dossiers import Emission
from batch.storage.layout import Layout
from batch.storage.submission_tables import answer, submission


def sealed_sets(layout: Layout, known: Container[str]) -> list[tuple[SetKey, float]]:
    """Sets in ``sealed`` that are not yet ``known``, each with the time of its sealing.

    Names that are no key are left.
    """
    found: list[tuple[SetKey, float]] = []
    with os.scandir(layout.sealed) as listing:
        for item in listing:
            if item.name in known:
                continue
            try:
                found.append((SetKey.parse(item.name), item.stat().st_mtime))
            except (ValueError, FileNotFoundError):
                continue
    return found


def unshown_answers(
    connection: Connection, submission_ids: Sequence[int] | None = None
) -> list[Emission]:
    """Answers of these sets (of all) that are decided and not known to be in OUT, oldest first."""
    query = (
        select(
            answer.c.id,
            answer.c.layer,
            answer.c.stem,
            answer.c.attempt,
            answer.c.data_kind,
            answer.c.sha256,
            answer.c.signature_sha256,
            submission.c.channel,
            submission.c.folder,
            submission.c.stem.label("set_stem"),
            submission.c.ordinal,
        )
        .join(submission, submission.c.id == answer.c.submission_id)
        .where(answer.c.emitted_at.is_(None))
        .order_by(answer.c.id)
    )
    if submission_ids is not None:
        query = query.where(answer.c.submission_id.in_(submission_ids))
    return [
        Emission(
            row.id,
            SetKey(SenderNumber(row.channel), Folder(row.folder), row.set_stem, row.ordinal),
            row.layer,
            row.stem,
            row.attempt,
            row.data_kind,
            row.sha256,
            row.signature_sha256,
        )
        for row in connection.execute(query)
    ]


def answered(connection: Connection, submission_ids: Sequence[int]) -> set[int]:
    """Which of these sets are answered, and so only wait to be archived."""
    query = select(submission.c.id).where(
        submission.c.id.in_(submission_ids), submission.c.state == Stage.ANSWERED
    )
    return set(connection.execute(query).scalars())
