"""Sets that stopped the worker too often: set aside, and what an operator wishes of them.

A wish is a row moved back to where its set stood; the worker does the rest, claimed like any
other step, and brings the directory back first.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection, Engine, bindparam, select, update

from batch.states import SetKey, Stage
from batch.storage import chain, events
from batch.storage.claims import AS_CLAIMED, Claim, move
from batch.storage.database import reading
from batch.storage.layout import Layout
from batch.storage.prepared import Prepared
from batch.storage.submission_tables import answer, part, submission

_TOGETHER = 500
"""Keys asked for in one query; SQLite takes 32,766 values, older ones 999."""
_ASIDE = Prepared(
    update(submission)
    .where(*AS_CLAIMED)
    .values(state=Stage.QUARANTINED, problem=bindparam("why"), in_hand=False)
)


def record_quarantined(connection: Connection, taken: Claim, problem: str, at: datetime) -> None:
    """This set stopped the worker too often: set aside for an operator."""
    move(connection, taken, _ASIDE, why=problem)
    chain.add(connection, taken, Stage.QUARANTINED, at)
    events.add(connection, taken.id, Stage.QUARANTINED, at, problem)


def retry(connection: Connection, submission_id: int, at: datetime) -> bool:
    """An operator wants it tried again from where it stood; False: it is not in quarantine."""
    return _leave(connection, submission_id, "retried", at, given_up=False)


def refuse(connection: Connection, submission_id: int, at: datetime) -> bool:
    """An operator gives it up: from where it stood it is refused unread; False as for ``retry``."""
    return _leave(connection, submission_id, "given up", at, given_up=True)


def _leave(
    connection: Connection, submission_id: int, what: str, at: datetime, *, given_up: bool
) -> bool:
    stood = _stood(connection, submission_id)
    done = connection.execute(
        update(submission)
        .where(submission.c.id == submission_id, submission.c.state == Stage.QUARANTINED)
        .values(
            state=stood,
            attempt=0,
            in_hand=False,
            problem=None,
            given_up=given_up,
            undecided_since=None,
        )
    )
    if done.rowcount:
        if given_up:
            chain.add_given_up(connection, submission_id, at)
        events.add(connection, submission_id, what, at, "by an operator")
    return bool(done.rowcount)


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


def released(engine: Engine, layout: Layout, *, test: bool) -> list[SetKey]:
    """Sets whose directory is in quarantine though their row is not, or not any more."""
    here = [key for key in _keys(layout.quarantine) if key.folder.is_test is test]
    return [key for some in _split(here) for key in _not_quarantined(engine, some)]


def _not_quarantined(engine: Engine, some: Sequence[SetKey]) -> list[SetKey]:
    keys = {str(key): key for key in some}
    query = select(submission.c.key).where(
        submission.c.key.in_(list(keys)), submission.c.state != Stage.QUARANTINED
    )
    with reading(engine) as connection:
        return [keys[key] for key in connection.execute(query).scalars()]


def _split(keys: Sequence[SetKey]) -> Iterator[Sequence[SetKey]]:
    for start in range(0, len(keys), _TOGETHER):
        yield keys[start : start + _TOGETHER]


def _keys(parent: Path) -> Iterator[SetKey]:
    for name in sorted(os.listdir(parent)):
        try:
            yield SetKey.parse(name)
        except ValueError:
            continue  # told by ``reconcile``
