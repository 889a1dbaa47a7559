"""What waits in ``sealed``, and which of it only waits to be archived."""

from __future__ import annotations

import os
from collections.abc import Container, Sequence

from sqlalchemy import Connection, select

from batch.states import SetKey, Stage
from batch.storage.layout import Layout
from batch.storage.prepared import Listed
from batch.storage.submission_tables import submission


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


def answered(connection: Connection, submission_ids: Sequence[int]) -> set[int]:
    """Which of these sets are answered, and so only wait to be archived."""
    return {row.id for row in _ANSWERED.rows(connection, submission_ids)}


_ANSWERED = Listed(
    lambda ids: select(submission.c.id).where(
        submission.c.id.in_(ids), submission.c.state == Stage.ANSWERED
    )
)
