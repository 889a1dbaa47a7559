"""How much waits, and for whom: numbers for those who watch."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, func, select

from batch.states import Stage
from batch.storage.database import reading
from batch.storage.instance import Instance
from batch.storage.layout import Layout
from batch.storage.submission_tables import answer, submission
from batch.storage.waiting import newcomers, sealed_sets


@dataclass(frozen=True, slots=True)
class Counts:
    """Of both databases together; ``oldest``: when the set was sealed that waits longest."""

    sealed: int
    undecided: int
    quarantined: int
    unshown: int
    oldest: datetime | None


def counts(instance: Instance) -> Counts:
    """Read now: what waits on the disk, and what the databases know. Busy when one is away."""
    undecided = quarantined = unshown = 0
    for engine in (instance.production, instance.test):
        with reading(engine) as connection:
            waits = submission.c.undecided_since.is_not(None)
            undecided += _sets(connection, submission.c.state == Stage.SEALED, waits)
            quarantined += _sets(connection, submission.c.state == Stage.QUARANTINED)
            absent = answer.c.shown_at.is_(None), answer.c.left_at.is_(None)
            query = select(func.count()).select_from(answer).where(*absent)
            unshown += connection.scalar(query) or 0
    waiting = _waiting(instance.layout)
    oldest = min(waiting, default=None)
    return Counts(
        len(waiting),
        undecided,
        quarantined,
        unshown,
        None if oldest is None else datetime.fromtimestamp(oldest).astimezone(),
    )


def _sets(connection: Connection, *where: ColumnElement[bool]) -> int:
    query = select(func.count()).select_from(submission).where(*where)
    return connection.scalar(query) or 0


def _waiting(layout: Layout) -> list[float]:
    return [since for _, since in sealed_sets(layout, newcomers(layout, ()))]
