"""Answers as an operator asks for them: by set or by their own name, and in a list."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, Row, Select, func, select

from batch.names import Kind, split
from batch.states import SetKey
from batch.storage.reports import kept_until
from batch.storage.submission_tables import answer, post, submission


@dataclass(frozen=True, slots=True)
class AnswerLine:
    """An answer and where it stands. ``about`` is the stem of the set that it answers.

    ``reference`` is what its poster calls it; one of the two is absent.
    """

    name: str
    stem: str
    sender_number: str
    folder: str
    code: str
    about: str | None
    reference: str | None
    ticket: str
    state: str
    decided_at: datetime
    emitted_at: datetime | None
    kept_until: datetime | None


@dataclass(frozen=True, slots=True)
class Sent:
    """What stands under a stem: a content of a set, or a posted answer, with its answers' ids.

    Only answers that were shown once can be shown again.
    """

    key: SetKey
    state: str
    answers: tuple[tuple[int, str], ...]


def own_stem(text: str) -> str:
    """The stem in an answer's name, or in a sender's; the text itself where it is none."""
    kind, _, rest = text.partition(".")
    name = split(f"{Kind.FI}.{rest}" if kind in (Kind.FO, Kind.CO) else text)
    return name.stem if name is not None else text


def sent(connection: Connection, stem: str) -> list[Sent]:
    """Every content of the set with this stem; else the one answer that has it as its own."""
    contents = connection.execute(
        select(submission.c.id, submission.c.key, submission.c.state)
        .where(submission.c.stem == stem)
        .order_by(submission.c.id)
    ).all()
    found = [
        Sent(SetKey.parse(row.key), row.state, _shown(connection, answer.c.submission_id == row.id))
        for row in contents
    ]
    if found:
        return found
    rows = connection.execute(_query().where(answer.c.stem == stem)).all()
    shown = _shown(connection, answer.c.stem == stem)
    return [Sent(SetKey.parse(row.key), _state(row), shown) for row in rows]


def latest(
    connection: Connection, limit: int, kept_days: float, sender: str | None = None
) -> list[AnswerLine]:
    """The latest answers first, of one sender or of all."""
    query = _query().order_by(answer.c.id.desc()).limit(limit)
    if sender is not None:
        query = query.where(func.coalesce(submission.c.channel, post.c.channel) == sender)
    return [_line(row, kept_days) for row in connection.execute(query)]


def _shown(connection: Connection, which: ColumnElement[bool]) -> tuple[tuple[int, str], ...]:
    query = select(answer.c.id, answer.c.stem).where(which, answer.c.emitted_at.is_not(None))
    return tuple((row.id, row.stem) for row in connection.execute(query.order_by(answer.c.id)))


def _query() -> Select[tuple[object, ...]]:
    return (
        select(
            answer,
            func.coalesce(submission.c.key, post.c.key).label("key"),
            func.coalesce(submission.c.ticket, post.c.ticket).label("ticket"),
            submission.c.stem.label("about"),
            post.c.reference,
        )
        .outerjoin_from(answer, submission, submission.c.id == answer.c.submission_id)
        .outerjoin(post, post.c.id == answer.c.post_id)
    )


def _line(row: Row[tuple[object, ...]], kept_days: float) -> AnswerLine:
    key = SetKey.parse(row.key)
    return AnswerLine(
        name=f"{row.data_kind}.{row.stem}.1.1",
        stem=row.stem,
        sender_number=str(key.channel),
        folder=key.folder.answers,
        code=row.layer,
        about=row.about,
        reference=row.reference,
        ticket=row.ticket,
        state=_state(row),
        decided_at=row.decided_at,
        emitted_at=row.emitted_at,
        kept_until=None if row.left_at else kept_until(row.shown_at, kept_days),
    )


def _state(row: Row[tuple[object, ...]]) -> str:
    """What we did with it last; what its sender did to it the database does not know."""
    if row.wanted_at is not None:
        return "redelivery asked"
    if row.left_at is not None:
        return "withdrawn"
    return "waiting" if row.shown_at is None else "shown"
