"""What lies in OUT by our record: what is to be shown there, shown again, or to leave it.

Reads and writes rows only; ``dossiers`` moves the files. An answer is *unshown* while its
``shown_at`` is absent, whether it is new or asked for again.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from operator import attrgetter
from typing import Any

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Connection,
    Select,
    and_,
    bindparam,
    func,
    or_,
    select,
    update,
)

from batch.states import SetKey, Stage
from batch.storage import events
from batch.storage.dossiers import Emission
from batch.storage.prepared import Listed
from batch.storage.submission_tables import answer, post, submission

PORTION = 200
"""Answers taken at once: some 600 renames, so that sets never wait long for them."""


def unshown_of(connection: Connection, submission_ids: Sequence[int]) -> list[Emission]:
    """Answers of these sets that are decided and not known to be in OUT, oldest first."""
    found = _UNSHOWN_OF.rows(connection, submission_ids)
    return [_emission(row) for row in sorted(found, key=attrgetter("id"))]


def unshown(connection: Connection) -> list[Emission]:
    """The same of all sets, and of what was posted."""
    return _emissions(connection, _UNSHOWN)


def unshown_of_nobody(connection: Connection, skip: int) -> list[Emission]:
    """The same of what no set at work brings along: what was posted, and what is shown again.

    A portion of it, without the first ``skip``.
    """
    return _emissions(connection, _UNSHOWN, _FINISHED, limit=PORTION, skip=skip)


def wanted(connection: Connection, skip: int) -> list[Emission]:
    """A portion of what an operator asked for again and nobody has begun with."""
    asked = answer.c.wanted_at > _BEFORE_US  # for "not null", or by id, SQLite reads every row
    by_time = (answer.c.wanted_at,)
    return _emissions(connection, asked, order=by_time, limit=PORTION, skip=skip)


def due(connection: Connection, before: datetime, skip: int) -> list[Emission]:
    """A portion of what was last shown at ``before`` or earlier, of sets with all their answers.

    The oldest first, in the order of the index: there may be a million.
    """
    old = and_(answer.c.left_at.is_(None), answer.c.shown_at <= before)
    by_age = (answer.c.left_at, answer.c.shown_at)
    return _emissions(connection, old, _FINISHED, order=by_age, limit=PORTION, skip=skip)


def want(connection: Connection, ids: Sequence[int], by: str, at: datetime) -> None:
    """An operator asks for these again; the worker does it. Twice does the same as once."""
    connection.execute(
        update(answer).where(answer.c.id.in_(ids)).values(wanted_at=at, wanted_by=by)
    )
    for row in connection.execute(_sets_of(ids)):
        events.add(connection, row.submission_id, "redelivery asked", at, f"{row.stem} by {by}")


def record_begun(connection: Connection, ids: Sequence[int]) -> None:
    """``dossiers.forget_taken`` is done with these: they are to be shown as if they were new."""
    values = {"shown_at": None, "left_at": None, "wanted_at": None}
    connection.execute(update(answer).where(answer.c.id.in_(ids)).values(values))


def record_shown(connection: Connection, ids: Sequence[int], at: datetime) -> None:
    """These are in OUT: each for the first time, or again, which begins a new term."""
    for row in _SHOWN_AGAIN.rows(connection, ids):
        events.add(connection, row.submission_id, "redelivered", at, row.stem)
    _SHOWN.change(connection, ids, at=at)
    _EMITTED.change(connection, ids, at=at)


def record_left(connection: Connection, ids: Sequence[int], at: datetime) -> None:
    """The time of these in OUT is over."""
    connection.execute(update(answer).where(answer.c.id.in_(ids)).values(left_at=at))


_BEFORE_US = datetime(2000, 1, 1, tzinfo=UTC)
_UNSHOWN = and_(answer.c.left_at.is_(None), answer.c.shown_at.is_(None))
_FINISHED = or_(answer.c.submission_id.is_(None), submission.c.state == Stage.ANSWERED)


def _sets_of(ids: Sequence[int] | Sequence[BindParameter[Any]]) -> Select[Any]:
    return select(answer.c.submission_id, answer.c.stem).where(
        answer.c.id.in_(ids), answer.c.submission_id.is_not(None)
    )


def _emissions(
    connection: Connection,
    *wanted: ColumnElement[bool],
    order: Sequence[ColumnElement[object]] = (answer.c.id,),
    limit: int | None = None,
    skip: int = 0,
) -> list[Emission]:
    query = _asked(*wanted).order_by(*order).limit(limit).offset(skip)
    return [_emission(row) for row in connection.execute(query)]


def _asked(*wanted: ColumnElement[bool]) -> Select[Any]:
    return (
        select(
            answer.c.id,
            func.coalesce(submission.c.key, post.c.key).label("key"),
            answer.c.layer,
            answer.c.stem,
            answer.c.attempt,
            answer.c.data_kind,
            answer.c.sha256,
            answer.c.signature_sha256,
        )
        .outerjoin_from(answer, submission, submission.c.id == answer.c.submission_id)
        .outerjoin(post, post.c.id == answer.c.post_id)
        .where(*wanted)
    )


def _emission(row: Any) -> Emission:
    number, key, *others = row
    return Emission(number, SetKey.parse(key), *others)


# What each batch of the worker asks and writes.
_UNSHOWN_OF = Listed(lambda ids: _asked(_UNSHOWN, answer.c.submission_id.in_(ids)))
_SHOWN_AGAIN = Listed(
    lambda ids: _sets_of(ids).where(answer.c.shown_at.is_(None), answer.c.emitted_at.is_not(None))
)
_SHOWN = Listed(
    lambda ids: (
        update(answer)
        .where(answer.c.id.in_(ids), answer.c.shown_at.is_(None))
        .values(shown_at=bindparam("at"))
    )
)
_EMITTED = Listed(
    lambda ids: (
        update(answer)
        .where(answer.c.id.in_(ids), answer.c.emitted_at.is_(None))
        .values(emitted_at=bindparam("at"))
    )
)
