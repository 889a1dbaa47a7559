"""Which sets are to be handed to a destination, and what became of that.

A delivery is due once its set is answered: the sender has the receipt before anybody works on it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine, func, select, update

from batch.identifiers import SenderNumber
from batch.names import Environment, Folder
from batch.states import SetKey, Stage
from batch.storage import events
from batch.storage.database import reading, writing
from batch.storage.submission_tables import delivery, part, submission


@dataclass(frozen=True, slots=True)
class Delivery:
    """A set to be handed over, with what its manifest says of it; ``forms`` by FI name."""

    id: int
    key: SetKey
    service: str
    environment: Environment
    ticket: str
    signer: str | None
    sealed_at: datetime
    attempts: int
    forms: dict[str, int]


@dataclass(frozen=True, slots=True)
class Waiting:
    """How many sets of a service wait for a destination, since when, and why the first does."""

    sets: int
    since: datetime | None
    problem: str | None


def due(engine: Engine, service: str) -> list[Delivery]:
    """The oldest set of each channel that is due: a full channel holds no other up."""
    oldest = (
        select(func.min(delivery.c.submission_id).label("id"))
        .join(submission, submission.c.id == delivery.c.submission_id)
        .where(
            delivery.c.service == service,
            delivery.c.delivered_at.is_(None),
            submission.c.state == Stage.ANSWERED,
        )
        .group_by(submission.c.channel)
    )
    query = (
        select(submission, delivery.c.attempts)
        .join(delivery, delivery.c.submission_id == submission.c.id)
        .where(submission.c.id.in_(oldest))
        .order_by(submission.c.id)
    )
    with reading(engine) as connection:
        rows = connection.execute(query).all()
        forms: dict[int, dict[str, int]] = {row.id: {} for row in rows}
        counted = select(part.c.submission_id, part.c.name, part.c.forms)
        for p in connection.execute(counted.where(part.c.submission_id.in_(list(forms)))):
            forms[p.submission_id][p.name] = p.forms
    return [
        Delivery(
            id=row.id,
            key=SetKey(SenderNumber(row.channel), Folder(row.folder), row.stem, row.ordinal),
            service=service,
            environment=Environment(row.letter),
            ticket=row.ticket,
            signer=row.signer,
            sealed_at=row.sealed_at,
            attempts=row.attempts,
            forms=forms[row.id],
        )
        for row in rows
    ]


def record_delivered(engine: Engine, done: Sequence[Delivery], at: datetime) -> None:
    """These are at their destination; twice says it once."""
    with writing(engine) as connection:
        for item in done:
            changed = connection.execute(
                update(delivery)
                .where(delivery.c.submission_id == item.id, delivery.c.delivered_at.is_(None))
                .values(delivered_at=at, problem=None, attempts=delivery.c.attempts + 1)
            )
            if changed.rowcount:
                events.add(connection, item.id, "delivered", at, item.service)


def record_failed(engine: Engine, item: Delivery, problem: str) -> None:
    """It could not be handed over for now; it is tried again for as long as it takes."""
    with writing(engine) as connection:
        connection.execute(
            update(delivery)
            .where(delivery.c.submission_id == item.id, delivery.c.delivered_at.is_(None))
            .values(problem=problem, attempts=delivery.c.attempts + 1)
        )


def waiting(engine: Engine, service: str) -> Waiting:
    """What waits for the destination of ``service``, answered or not."""
    mine = (delivery.c.service == service, delivery.c.delivered_at.is_(None))
    joined = select(func.count(), func.min(submission.c.sealed_at)).join_from(
        delivery, submission, submission.c.id == delivery.c.submission_id
    )
    first_problem = (
        select(delivery.c.problem)
        .where(*mine, delivery.c.problem.is_not(None))
        .order_by(delivery.c.submission_id)
        .limit(1)
    )
    with reading(engine) as connection:
        count, since = connection.execute(joined.where(*mine)).one()
        return Waiting(count, since, connection.execute(first_problem).scalar())


def waiting_for(engine: Engine) -> dict[str, int]:
    """How many sets wait, by the service they are for, whether there is such a one or not."""
    query = (
        select(delivery.c.service, func.count())
        .where(delivery.c.delivered_at.is_(None))
        .group_by(delivery.c.service)
    )
    with reading(engine) as connection:
        return {row[0]: row[1] for row in connection.execute(query)}
