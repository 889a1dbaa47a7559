"""Contents of the ledger as rows, and back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from typing import Any, cast

from sqlalchemy import Boolean, Column, Date, Dialect, Row, Table, insert
from sqlalchemy.types import TypeEngine

from batch.fla.forms import (
    Nature,
    RightType,
    RightUse,
    Training,
    TrainingRight,
    TrainingStatus,
)
from batch.fla.ledger import Change
from batch.storage.ledger_tables import ACTIVE, CANCELLED
from batch.storage.schema import Instant

_MAKING = {"operation", "status", "submission_id", "form_ticket", "recorded_at"}


def content_of(table: Table) -> list[Column[Any]]:
    """The columns of a table of versions but those that say how a version was made."""
    return [column for column in table.c if column.name not in _MAKING]


Written = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class _Insert:
    """The INSERT of a table as text, and how its columns of a kind are written there."""

    text: str
    instant: Callable[[datetime], object]
    day: Callable[[date], object]
    flag: Callable[[bool], object]


@lru_cache(maxsize=100)
def _insert(table: Table, dialect: Dialect) -> _Insert:
    text = str(insert(table).compile(dialect=dialect))
    return _Insert(text, *(_written(kind, dialect) for kind in (Instant(), Date(), Boolean())))


def _written(kind: TypeEngine[Any], dialect: Dialect) -> Callable[[Any], object]:
    found = kind.dialect_impl(dialect).bind_processor(dialect)
    return lru_cache(maxsize=10_000)(found) if found is not None else lambda value: value


def rows_of(table: Table, changes: Sequence[Change], dialect: Dialect) -> tuple[str, list[Written]]:
    """An INSERT as the driver takes it, and its rows: in the order of the table's columns.

    By hand, because SQLAlchemy takes longer over a row than SQLite does.
    """
    kinds = _insert(table, dialect)
    made = {"ledger_object": _line, "training_right": _right, "training": _training}[table.name]
    return kinds.text, [made(change, kinds) for change in changes]


def _line(change: Change, _: _Insert) -> Written:
    fla_id, (employer, inss), reference, version, cancelled, content, _first = change.after
    return (
        fla_id,
        employer,
        inss,
        str(content.kind),
        reference,
        version,
        CANCELLED if cancelled else ACTIVE,
        content.year,
        change.mark,
    )


def _right(change: Change, kinds: _Insert) -> Written:
    after, _, operation, submission, ticket, at = change
    fla_id, _account, _reference, version, cancelled, content, _first = after
    kind, year, hours, committee, agreement = cast(TrainingRight, content)
    return (
        fla_id,
        version,
        str(operation),
        CANCELLED if cancelled else ACTIVE,
        submission,
        ticket,
        kinds.instant(at),
        str(kind),
        year,
        hours,
        committee,
        agreement,
    )


def _training(change: Change, kinds: _Insert) -> Written:
    after, _, operation, submission, ticket, at = change
    fla_id, _account, _reference, version, cancelled, content, _first = after
    name, nature, status, starting, ending, hours, counts, uses, *others = cast(Training, content)
    legal = sector = employer = None
    for kind, used in uses:
        if kind is _LEGAL:
            legal = used
        elif kind is _SECTOR:
            sector = used
        else:
            employer = used
    return (
        fla_id,
        version,
        str(operation),
        CANCELLED if cancelled else ACTIVE,
        submission,
        ticket,
        kinds.instant(at),
        name,
        str(nature),
        str(status),
        kinds.day(starting),
        kinds.day(ending),
        hours,
        kinds.flag(counts),
        legal,
        sector,
        employer,
        *others,
    )


_LEGAL, _SECTOR, _EMPLOYER = RightType


def right_of(row: Row[Any]) -> TrainingRight:
    """The content of a row of ``training_right``."""
    return TrainingRight(
        type=RightType(row.right_type),
        year=row.calendar_year,
        hours=row.hours,
        joint_committee=row.joint_committee,
        agreement=row.agreement,
    )


def training_of(row: Row[Any]) -> Training:
    """The content of a row of ``training``."""
    used = (
        (RightType.LEGAL, row.used_legal),
        (RightType.SECTOR, row.used_sector),
        (RightType.EMPLOYER, row.used_employer),
    )
    return Training(
        name=row.name,
        nature=Nature(row.nature),
        status=TrainingStatus(row.training_status),
        starting=row.starting_date,
        ending=row.ending_date,
        hours=row.hours,
        counts_for_credit=row.counts_for_credit,
        uses=tuple(RightUse(right, hours) for right, hours in used if hours is not None),
        provider_number=row.provider_number,
        provider_name=row.provider_name,
        certificate_date=row.certificate_date,
        certificate_until=row.certificate_until,
    )
