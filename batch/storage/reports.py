"""Questions about sets for people: reading only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Engine, Row, Select, select

from batch.names import Kind, split
from batch.states import Stage
from batch.storage.database import reading
from batch.storage.submission_tables import answer, event, finding, part, submission


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

    @property
    def verdict(self) -> str:
        return verdict_of(self.state, self.accepted, self.refused)


@dataclass(frozen=True, slots=True)
class Finding:
    """An anomaly found: code, place, words. ``form`` is its form's place in the set (1-based)."""

    error_id: str
    severity: str
    part: str | None
    form: int | None
    line: int | None
    tag: str | None
    explanation: str | None


@dataclass(frozen=True, slots=True)
class Shown:
    """An answer: its data file's name, when it was decided and when it was put in OUT."""

    name: str
    layer: str
    size: int
    sha256: str
    decided_at: datetime
    emitted_at: datetime | None


@dataclass(frozen=True, slots=True)
class Happening:
    at: datetime
    what: str
    detail: str | None


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
    parts: tuple[PartLine, ...]
    findings: tuple[Finding, ...]
    answers: tuple[Shown, ...]
    events: tuple[Happening, ...]

    @property
    def verdict(self) -> str:
        return verdict_of(self.state, self.accepted, self.refused)


def verdict_of(state: str, accepted: int | None, refused: int | None) -> str:
    """What became of a set, in words: its state says only how far it is."""
    if state == Stage.QUARANTINED:
        return "technical"  # the channel's own: the sender is told nothing before an operator
    if accepted is None:
        waiting = state in (Stage.SEALED, Stage.VERIFIED)
        return "none yet" if waiting else "refused at reception"
    if not refused:
        return "accepted"
    return "partly accepted" if accepted else "every form refused"


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
        )
        for row in rows
    ]


def reports(engine: Engine, stem: str) -> list[Report]:
    """Every content that came under ``stem``, in order of arrival."""
    query = select(submission).where(submission.c.stem == stem).order_by(submission.c.id)
    with reading(engine) as connection:
        return [_report(connection, row) for row in connection.execute(query).all()]


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


def _report(connection: Connection, row: Row[tuple[object, ...]]) -> Report:
    def of(query: Select[tuple[object, ...]]) -> Sequence[Row[tuple[object, ...]]]:
        return connection.execute(query).all()

    parts = of(select(part).where(part.c.submission_id == row.id).order_by(part.c.number))
    findings = of(select(finding).where(finding.c.submission_id == row.id).order_by(finding.c.id))
    answers = of(select(answer).where(answer.c.submission_id == row.id).order_by(answer.c.id))
    events = of(select(event).where(event.c.submission_id == row.id).order_by(event.c.id))
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
        parts=tuple(PartLine(p.name, p.size, p.sha256, p.forms, p.accepted) for p in parts),
        findings=tuple(
            Finding(f.error_id, f.severity, f.part, f.form, f.line, f.tag, f.explanation)
            for f in findings
        ),
        answers=tuple(
            Shown(
                name=f"{Kind(a.data_kind)}.{a.stem}.1.1",
                layer=a.layer,
                size=a.size,
                sha256=a.sha256,
                decided_at=a.decided_at,
                emitted_at=a.emitted_at,
            )
            for a in answers
        ),
        events=tuple(Happening(e.at, e.what, e.detail) for e in events),
    )
