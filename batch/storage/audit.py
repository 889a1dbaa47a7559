"""The chain of verdicts walked from its first link, and compared with the rows it speaks of.

Reading only. What a break means, and what an unbroken chain does not show, is in ``docs/audit.md``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Engine, func, select

from batch.evidence.canonical import Document
from batch.evidence.grounds import Unreadable
from batch.evidence.links import Link, joined
from batch.storage import audit_rows, chain
from batch.storage.database import reading
from batch.storage.evidence_tables import link, proof
from batch.storage.submission_tables import answer, submission

PORTION = 500
"""Links compared at once: a handful of statements for each portion."""


@dataclass(frozen=True, slots=True)
class Break:
    """The first place where a chain does not hold; ``stem`` is absent where no set is meant."""

    position: int
    stem: str | None
    words: str


@dataclass(frozen=True, slots=True)
class Walked:
    """What came of walking one chain. ``heads``: digests that were asked for and stand in it."""

    environment: str
    id: str | None
    links: int
    head: str | None
    heads: tuple[str, ...]
    broken: Break | None


@dataclass(frozen=True, slots=True)
class Line:
    """A link as an auditor reads it; the first of a chain is of no set."""

    environment: str
    position: int
    stem: str | None
    before: str
    body: Document
    digest: str


class _Broken(Exception):
    def __init__(self, position: int, stem: str | None, words: str) -> None:
        super().__init__(words)
        self.found = Break(position, stem, words)


def walk(engine: Engine, environment: str, heads: Sequence[str] = ()) -> Walked:
    """Recompute every link of one database, in one view of it, up to the first break."""
    with reading(engine) as connection:
        walker = _Walker(connection, frozenset(heads))
        broken = None
        try:
            walker.run()
        except _Broken as error:
            broken = error.found
    head = None if walker.last is None else walker.last.digest
    seen = tuple(h for h in heads if h in walker.seen)
    return Walked(environment, walker.id, walker.count, head, seen, broken)


def latest(engine: Engine, environment: str, limit: int) -> list[Line]:
    """The newest links first."""
    query = _lines().order_by(link.c.position.desc()).limit(limit)
    with reading(engine) as connection:
        return [_line(row, environment) for row in connection.execute(query)]


def lines(engine: Engine, environment: str) -> Iterator[Line]:
    """Every link, oldest first, a portion in memory at a time."""
    with reading(engine) as connection:
        at = -1
        query = _lines().order_by(link.c.position).limit(PORTION)
        while rows := connection.execute(query.where(link.c.position > at)).all():
            yield from (_line(row, environment) for row in rows)
            at = rows[-1].position


@dataclass(slots=True)
class _Walker:
    """Goes along the chain; ``after``: answers up to this id were given before there was one."""

    connection: Connection
    heads: frozenset[str]
    id: str | None = None
    count: int = 0
    last: Link | None = None
    seen: set[str] = field(default_factory=set)
    _after: int = 0
    _told: int = 0

    def run(self) -> None:
        while portion := self._portion():
            sets = self._sets([row.submission_id for row in portion])
            bodies = [(row, self._join(row, sets.get(row.submission_id))) for row in portion]
            rows = audit_rows.of(self.connection, list(sets))
            for row, body in bodies:
                own = sets.get(row.submission_id)
                if own is not None and (fault := audit_rows.fault(body, rows[own.id])):
                    raise _Broken(row.position, own.stem, fault)
        self._nothing_is_left_out()

    def _portion(self) -> Sequence[Any]:
        at = -1 if self.last is None else self.last.position
        query = select(link).where(link.c.position > at).order_by(link.c.position).limit(PORTION)
        return self.connection.execute(query).all()

    def _sets(self, ids: Sequence[int | None]) -> dict[int, Any]:
        query = select(submission.c.id, submission.c.key, submission.c.stem, submission.c.ticket)
        found = self.connection.execute(query.where(submission.c.id.in_([i for i in ids if i])))
        return {row.id: row for row in found}

    def _join(self, row: Any, own: Any) -> Document:
        one, stem = chain.read(row), None if own is None else str(own.stem)
        expected = 0 if self.last is None else self.last.position + 1
        if one.position != expected:
            raise _Broken(expected, None, "no link is here: it was taken away")
        if one.fault is not None:
            raise _Broken(one.position, stem, one.fault)
        if self.last is not None and not joined(self.last, one):
            raise _Broken(one.position, stem, "it does not follow the link before it")
        try:
            body = one.document()
            if one.position == 0:
                self.id, self._after = str(body["id"]), int(body["after_answer"])
            elif own is None or (own.key, own.ticket) != (body["key"], body["ticket"]):
                raise _Broken(one.position, stem, "its set is not there, or has another ticket")
            self._told += one.position > 0 and body["answer"] is not None
        except (Unreadable, KeyError, ValueError, TypeError):
            raise _Broken(one.position, stem, "its body is not one of ours") from None
        self.last, self.count = one, self.count + 1
        self.seen |= self.heads & {one.digest}
        return body

    def _nothing_is_left_out(self) -> None:
        """Every answer of a set since there is a chain stands in it, and so does every proof."""
        if self.last is None:
            if self.connection.scalar(select(func.count()).select_from(proof)):
                raise _Broken(0, None, "there are proofs and no chain: it was taken away")
            return
        new = (answer.c.id > self._after) & answer.c.submission_id.is_not(None)
        count = self.connection.scalar(select(func.count()).select_from(answer).where(new)) or 0
        if count != self._told:
            stem = audit_rows.untold(self.connection, self._after)
            raise _Broken(self.count, stem, "it was answered, and no link tells of that")


def _lines() -> Any:
    return select(link, submission.c.stem).outerjoin_from(
        link, submission, submission.c.id == link.c.submission_id
    )


def _line(row: Any, environment: str) -> Line:
    one = chain.read(row)
    try:
        body = one.document()
    except Unreadable:
        body = {}
    return Line(environment, one.position, row.stem, one.before, body, one.digest)
