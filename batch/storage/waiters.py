"""Which sets wait for a source of revocations."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Engine, func, select

from batch.states import Stage
from batch.storage.database import reading
from batch.storage.submission_tables import submission


def undecided(engine: Engine) -> dict[str, datetime]:
    """The senders with a set that waits, each with the instant since when its latest does."""
    mine = submission.c
    query = (
        select(mine.channel, func.max(mine.undecided_since, type_=mine.undecided_since.type))
        .where(mine.state == Stage.SEALED, mine.undecided_since.is_not(None))
        .group_by(mine.channel)
    )
    with reading(engine) as connection:
        return {row[0]: row[1] for row in connection.execute(query)}
