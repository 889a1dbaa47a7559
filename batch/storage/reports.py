"""Questions about sets for people: reading only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Column, Connection, Engine, Row, Table, select

from batch.names import Kind, split
from batch.routed import FLA
from batch.states import Stage
from batch.storage.database import reading
from batch.storage.submission_tables import answer, delivery, event, finding, part, submission


@dataclass(frozen=True, slots=True)
class Line:
    """A set in a list."""

    stem: str
    sender_number: str
    folder: str
    state: str
    sealed_at: datetime
    ticket: str
    accepted: int | None
    refused: int | None
    codes: tuple[str, ...]
    problem: str | None
    service: str | None
    undecided_since: datetime | None

    @property
    def verdict(self) -> str:
        return verdict_of(self)


@dataclass(frozen=True, slots=True)
class Finding:
    """An anomaly found: code, place, words. ``form`` is its form's place in the set (1-based);
    ``cause`` why a signature is refused, for a program."""

    error_id: str
    severity: str
    part: str | None
    form: int | None
    line: int | None
    tag: str | None
    explanation: str | None
    cause: str | None = None


@dataclass(frozen=True, slots=True)
class Shown:
    """An answer: its data file's name, when it was decided and when it was put in OUT.

    ``shown_at``: the last time it was put there; ``kept_until``: when it leaves at the earliest, by
    the setting; ``left_at``: when it did; ``wanted_at``: when it was asked for again and is not yet
    put back.
    """

    name: str
    layer: str
    size: int
    sha256: str
    decided_at: datetime
    emitted_at: datetime | None
    shown_at: datetime | None = None
    kept_until: datetime | None = None
    left_at: datetime | None = None
    wanted_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Happening:
    at: datetime
    what: str
    detail: str | None


@dataclass(frozen=True, slots=True)
class Handover:
    """A delivery to the service that judges the content: tries so far, and why the last failed."""

    service: str
    attempts: int
    problem: str | None
    delivered_at: datetime | None


@dataclass(frozen=True, slots=True)
class PartLine:
    name: str
    size: int
    sha256: str
    forms: int
    accepted: int


@dataclass(frozen=True, slots=True)
class Report:
    """All that is known about one content of a stem."""

    id: int
    stem: str
    ordinal: int
    sender_number: str
    folder: str
    environment: str
    state: str
    attempt: int
    ticket: str
    trigger_name: str
    sealed_at: datetime
    service: str | None
    signer: str | None
    accepted: int | None
    refused: int | None
    problem: str | None
    undecided_since: datetime | None
    parts: tuple[PartLine, ...]
    findings: tuple[Finding, ...]
    answers: tuple[Shown, ...]
    events: tuple[Happening, ...]
    delivery: Handover | None

    @property
    def verdict(self) -> str:
        return verdict_of(self)


def verdict_of(found: Line | Report | Row[Any, Any]) -> str:
    """What became of a set, in words: its state says only how far it is.

    What another service judges is *received*: the last word on it is not ours. *Undecided* is what
    waits for a source of revocations.
    """
    if found.state == Stage.QUARANTINED:
        return "technical"  # the channel's own: the sender is told nothing before an operator
    if found.accepted is None:
        if found.state == Stage.SEALED and found.undecided_since:
            return "undecided"
        waiting = found.state in (Stage.SEALED, Stage.VERIFIED)
        return "none yet" if waiting else "refused at reception"
    if not found.refused:
        return "accepted" if found.service == FLA else "received"
    return "partly accepted" if found.accepted else "every form refused"


def stem_of(text: str) -> str:
    """The stem meant by an operator, who may also give the name of any file of the set."""
    name = split(text)
    return name.stem if name is not None else text


def lines(engine: Engine, limit: int, only_problems: bool = False) -> list[Line]:
    """The latest sets first."""
    query = select(submission).order_by(submission.c.id.desc()).limit(limit)
    if only_problems:
        query = query.where(submission.c.state == Stage.QUARANTINED)
    with reading(engine) as connection:
        rows = connection.execute(query).all()
        codes = _codes(connection, [row.id for row in rows])
    return [
        Line(
            stem=row.stem,
            sender_number=row.channel,
            folder=row.folder,
            state=row.state,
            sealed_at=row.sealed_at,
            ticket=row.ticket,
            accepted=row.accepted,
            refused=row.refused,
            codes=tuple(codes.get(row.id, ())),
            problem=row.problem,
            service=row.service,
            undecided_since=row.undecided_since,
        )
        for row in rows
    ]


def reports(engine: Engine, stem: str, kept_days: float = 0) -> list[Report]:
    """Every content that came under ``stem``, in order of arrival.

    ``kept_days`` is how long answers stay in OUT; 0 is for ever.
    """
    query = select(submission).where(submission.c.stem == stem).order_by(submission.c.id)
    with reading(engine) as connection:
        return [_report(connection, row, kept_days) for row in connection.execute(query).all()]


def _codes(connection: Connection, ids: Sequence[int]) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    query = select(finding.c.submission_id, finding.c.error_id).where(
        finding.c.submission_id.in_(ids), finding.c.severity == "B"
    )
    for row in connection.execute(query.order_by(finding.c.id)):
        mine = found.setdefault(row.submission_id, [])
        if row.error_id not in mine:
            mine.append(row.error_id)
    return found


def _report(connection: Connection, row: Row[tuple[object, ...]], kept_days: float) -> Report:
    return Report(
        id=row.id,
        stem=row.stem,
        ordinal=row.ordinal,
        sender_number=row.channel,
        folder=row.folder,
        environment=row.letter,
        state=row.state,
        attempt=row.attempt,
        ticket=row.ticket,
        trigger_name=row.trigger_name,
        sealed_at=row.sealed_at,
        service=row.service,
        signer=row.signer,
        accepted=row.accepted,
        refused=row.refused,
        problem=row.problem,
        undecided_since=row.undecided_since,
        parts=tuple(
            PartLine(p.name, p.size, p.sha256, p.forms, p.accepted)
            for p in _of(connection, row.id, part, part.c.number)
        ),
        findings=tuple(
            Finding(f.error_id, f.severity, f.part, f.form, f.line, f.tag, f.explanation, f.cause)
            for f in _of(connection, row.id, finding, finding.c.id)
        ),
        answers=tuple(_shown(a, kept_days) for a in _of(connection, row.id, answer, answer.c.id)),
        events=tuple(
            Happening(e.at, e.what, e.detail) for e in _of(connection, row.id, event, event.c.id)
        ),
        delivery=next(
            (
                Handover(d.service, d.attempts, d.problem, d.delivered_at)
                for d in _of(connection, row.id, delivery, delivery.c.submission_id)
            ),
            None,
        ),
    )


def _of(
    connection: Connection, submission_id: int, table: Table, order: Column[int]
) -> Sequence[Row[tuple[object, ...]]]:
    """The rows of ``table`` that belong to one submission."""
    query = select(table).where(table.c.submission_id == submission_id).order_by(order)
    return connection.execute(query).all()


def kept_until(shown_at: datetime | None, kept_days: float) -> datetime | None:
    """When an answer last shown at ``shown_at`` leaves OUT; None: never, or not counted yet."""
    if shown_at is None or not kept_days:
        return None
    return shown_at + timedelta(days=kept_days)


def _shown(row: Row[tuple[object, ...]], kept_days: float) -> Shown:
    return Shown(
        name=f"{Kind(row.data_kind)}.{row.stem}.1.1",
        layer=row.layer,
        size=row.size,
        sha256=row.sha256,
        decided_at=row.decided_at,
        emitted_at=row.emitted_at,
        shown_at=row.shown_at,
        kept_until=None if row.left_at else kept_until(row.shown_at, kept_days),
        left_at=row.left_at,
        wanted_at=row.wanted_at,
    )
