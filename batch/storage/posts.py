"""What others gave the channel to answer with: rows of ``post``, and the answer that each becomes.

A post without an answer is not finished: its caller was told nothing, and the next one to post
drops it. Who calls ``begin``, ``decide`` or ``drop_unfinished`` holds ``Layout.posting``.
"""

from __future__ import annotations

import shutil
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import Connection, Row, and_, delete, exists, insert, select

from batch.errors import OperatorError
from batch.identifiers import SenderNumber
from batch.names import Environment, Folder
from batch.states import SetKey
from batch.storage.answer_files import AnswerFiles
from batch.storage.layout import Layout
from batch.storage.numbering import next_posted
from batch.storage.submission_tables import answer, post


@dataclass(frozen=True, slots=True)
class Post:
    """A file to be answered with: to whom, under which purpose code, and who gives it.

    ``reference`` is the giver's own name for it: the same again is the same answer.
    """

    sender: SenderNumber
    code: str
    environment: Environment
    reference: str | None
    by: str

    @property
    def outbox(self) -> Folder:
        """R goes to OUT, T and S to OUTTEST."""
        return Folder.OUT if self.environment is Environment.PRODUCTION else Folder.OUTTEST


@dataclass(frozen=True, slots=True)
class Begun:
    """A post that has its names and not yet its bytes; ``key`` names its directory."""

    id: int
    key: SetKey


@dataclass(frozen=True, slots=True)
class Posted:
    """An answer that is decided: its data file's name; ``state`` is waiting, shown or withdrawn."""

    name: str
    stem: str
    ticket: str
    reference: str | None
    state: str


def find(connection: Connection, wanted: Post, size: int, sha256: str) -> Posted | None:
    """What was posted under this reference before; None when nothing was.

    Raises OperatorError when it was another content: an answer never changes.
    """
    if wanted.reference is None:
        return None
    row = connection.execute(
        select(post, *_SHOWN)
        .join(answer, answer.c.post_id == post.c.id)
        .where(
            post.c.channel == str(wanted.sender),
            post.c.letter == wanted.environment,
            post.c.code == wanted.code,
            post.c.reference == wanted.reference,
        )
    ).first()
    if row is None:
        return None
    if (row.size, row.sha256) != (size, sha256):
        raise OperatorError(
            f"reference {wanted.reference!r}: another content was posted under it as {row.stem}; "
            "give a new answer a new reference"
        )
    return _posted(row)


def begin(
    connection: Connection, layout: Layout, wanted: Post, size: int, sha256: str, at: datetime
) -> Begun:
    """Give it its ticket, its name and its row.

    A directory that has its name already holds another answer, given before the database went
    back to a copy of itself: it is not touched, and the next number is taken.
    """
    while True:
        names = next_posted(connection, wanted.code, wanted.environment, at)
        key = SetKey(wanted.sender, wanted.outbox, names.stem, 1)
        if not (layout.posted / str(key)).exists():
            break
    connection.execute(
        insert(post).values(
            key=str(key),
            channel=str(wanted.sender),
            folder=wanted.outbox,
            letter=wanted.environment,
            code=wanted.code,
            reference=wanted.reference,
            ticket=names.ticket,
            size=size,
            sha256=sha256,
            posted_at=at,
            posted_by=wanted.by,
        )
    )
    row = connection.execute(select(post.c.id).where(post.c.key == str(key))).one()
    return Begun(row.id, key)


def decide(connection: Connection, begun: Begun, files: AnswerFiles, at: datetime) -> Posted:
    """Its bytes are synced: from this commit on it is an answer like any other."""
    connection.execute(insert(answer).values(post_id=begun.id, decided_at=at, **asdict(files)))
    row = connection.execute(
        select(post, *_SHOWN)
        .join(answer, answer.c.post_id == post.c.id)
        .where(post.c.id == begun.id)
    ).one()
    return _posted(row)


def drop_unfinished(connection: Connection, layout: Layout) -> None:
    """Posts that were stopped before they were decided: nobody was told that they are answers."""
    unfinished = ~exists().where(answer.c.post_id == post.c.id)
    for row in connection.execute(select(post.c.id, post.c.key).where(unfinished)).all():
        shutil.rmtree(layout.posted / row.key, ignore_errors=True)
        connection.execute(delete(post).where(and_(post.c.id == row.id, unfinished)))


_SHOWN = (
    answer.c.stem,
    answer.c.data_kind,
    answer.c.shown_at,
    answer.c.left_at,
)


def _posted(row: Row[tuple[object, ...]]) -> Posted:
    waiting = "waiting" if row.shown_at is None else "shown"
    return Posted(
        name=f"{row.data_kind}.{row.stem}.1.1",
        stem=row.stem,
        ticket=row.ticket,
        reference=row.reference,
        state="withdrawn" if row.left_at is not None else waiting,
    )
