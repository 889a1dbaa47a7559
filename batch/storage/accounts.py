"""Reading one learning account for a person: what stands, what is left, and what was before."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, Row, Table, and_, select

from batch.fla.account import Account, Window, balances
from batch.fla.forms import RightType
from batch.fla.ledger import AccountKey, Wanted
from batch.identifiers import EnterpriseNumber, Inss
from batch.settings import Settings
from batch.storage.ledger import SqlLedger
from batch.storage.ledger_rows import right_of, training_of
from batch.storage.ledger_tables import CANCELLED, ledger_object, training, training_right


@dataclass(frozen=True, slots=True)
class RightVersion:
    """One version of a right; ``hours`` in hundredths."""

    version: int
    operation: str
    status: str
    type: str
    year: int
    hours: int
    joint_committee: str | None
    agreement: str | None
    submission: int
    form_ticket: str
    recorded_at: datetime


@dataclass(frozen=True, slots=True)
class RightLine:
    """A right as it stands; ``status`` ACTIVE or CANCELLED."""

    reference: str
    fla_id: str
    version: int
    status: str
    type: str
    year: int
    hours: int
    joint_committee: str | None
    agreement: str | None


@dataclass(frozen=True, slots=True)
class RightWithHistory(RightLine):
    """A right and its versions, oldest first."""

    history: tuple[RightVersion, ...]


@dataclass(frozen=True, slots=True)
class Use:
    """Hours, in hundredths, charged to one type of right."""

    type: str
    hours: int


@dataclass(frozen=True, slots=True)
class TrainingVersion:
    """One version of a training; hours in hundredths."""

    version: int
    operation: str
    status: str
    name: str
    nature: str
    starting_date: date
    ending_date: date
    hours: int
    counts_for_credit: bool
    uses: tuple[Use, ...]
    provider_number: str | None
    provider_name: str | None
    certificate_date: str | None
    certificate_until: str | None
    submission: int
    form_ticket: str
    recorded_at: datetime


@dataclass(frozen=True, slots=True)
class TrainingLine:
    """A training as it stands; ``status`` PLANNED, FOLLOWED, NOT_FOLLOWED, or CANCELLED."""

    reference: str
    fla_id: str
    version: int
    status: str
    name: str
    nature: str
    year: int
    starting_date: date
    ending_date: date
    hours: int
    counts_for_credit: bool
    uses: tuple[Use, ...]
    provider_number: str | None
    provider_name: str | None
    certificate_date: str | None
    certificate_until: str | None


@dataclass(frozen=True, slots=True)
class TrainingWithHistory(TrainingLine):
    """A training and its versions, oldest first."""

    history: tuple[TrainingVersion, ...]


@dataclass(frozen=True, slots=True)
class RemainingLine:
    """What one type of right has left for one year, and why; all in hundredths of an hour.

    ``hours`` = ``right`` + ``carried`` - ``used``, at least 0; ``overdrawn`` is used beyond credit.
    """

    year: int
    type: str
    hours: int
    right: int
    carried: int
    used: int
    overdrawn: int


@dataclass(frozen=True, slots=True)
class AccountStatement:
    """The account of one worker at one employer; empty where nothing was ever declared."""

    employer: EnterpriseNumber
    inss: Inss
    rights: tuple[RightLine, ...]
    trainings: tuple[TrainingLine, ...]
    remaining: tuple[RemainingLine, ...]


def show(
    connection: Connection,
    inss: Inss,
    employer: EnterpriseNumber,
    settings: Settings,
    *,
    history: bool = False,
) -> AccountStatement:
    """Everything on the account; each object once, with all its versions when asked for."""
    window = Window(settings.window_first_year, settings.window_last_year)
    key = AccountKey(employer.digits, inss.digits)
    account = SqlLedger(connection).snapshot(Wanted(accounts=frozenset({key}))).accounts.get(key)
    rights = _by_object(connection, training_right, key)
    trainings = _by_object(connection, training, key)
    return AccountStatement(
        employer=employer,
        inss=inss,
        rights=tuple(_right_line(rows, history) for rows in rights),
        trainings=tuple(_training_line(rows, history) for rows in trainings),
        remaining=tuple(_remaining(account or Account(), window)),
    )


def _by_object(connection: Connection, table: Table, key: AccountKey) -> Iterator[list[Row[Any]]]:
    """The versions of each object of the account, oldest first."""
    rows = connection.execute(
        select(ledger_object.c.registrant_reference.label("reference"), *table.c)
        .join_from(ledger_object, table, ledger_object.c.fla_id == table.c.fla_id)
        .where(and_(ledger_object.c.employer == key.employer, ledger_object.c.inss == key.inss))
        .order_by(table.c.fla_id, table.c.version)
    )
    versions: list[Row[Any]] = []
    for row in rows:
        if versions and versions[0].fla_id != row.fla_id:
            yield versions
            versions = []
        versions.append(row)
    if versions:
        yield versions


def _right_line(rows: list[Row[Any]], history: bool) -> RightLine:
    last = rows[-1]
    content = right_of(last)
    line = RightLine(
        reference=last.reference,
        fla_id=last.fla_id,
        version=last.version,
        status=last.status,
        type=content.type.value,
        year=content.year,
        hours=content.hours,
        joint_committee=content.joint_committee,
        agreement=content.agreement,
    )
    if not history:
        return line
    return RightWithHistory(**_fields(line), history=tuple(_right_version(row) for row in rows))


def _fields(line: RightLine | TrainingLine) -> dict[str, Any]:
    return {each.name: getattr(line, each.name) for each in fields(line)}


def _right_version(row: Row[Any]) -> RightVersion:
    content = right_of(row)
    return RightVersion(
        version=row.version,
        operation=row.operation,
        status=row.status,
        type=content.type.value,
        year=content.year,
        hours=content.hours,
        joint_committee=content.joint_committee,
        agreement=content.agreement,
        submission=row.submission_id,
        form_ticket=row.form_ticket,
        recorded_at=row.recorded_at,
    )


def _training_line(rows: list[Row[Any]], history: bool) -> TrainingLine:
    last = rows[-1]
    content = training_of(last)
    line = TrainingLine(
        reference=last.reference,
        fla_id=last.fla_id,
        version=last.version,
        status=_training_status(last),
        name=content.name,
        nature=content.nature.value,
        year=content.year,
        starting_date=content.starting,
        ending_date=content.ending,
        hours=content.hours,
        counts_for_credit=content.counts_for_credit,
        uses=tuple(Use(use.type.value, use.hours) for use in content.uses),
        provider_number=content.provider_number,
        provider_name=content.provider_name,
        certificate_date=content.certificate_date,
        certificate_until=content.certificate_until,
    )
    if not history:
        return line
    versions = tuple(_training_version(row) for row in rows)
    return TrainingWithHistory(**_fields(line), history=versions)


def _training_version(row: Row[Any]) -> TrainingVersion:
    content = training_of(row)
    return TrainingVersion(
        version=row.version,
        operation=row.operation,
        status=_training_status(row),
        name=content.name,
        nature=content.nature.value,
        starting_date=content.starting,
        ending_date=content.ending,
        hours=content.hours,
        counts_for_credit=content.counts_for_credit,
        uses=tuple(Use(use.type.value, use.hours) for use in content.uses),
        provider_number=content.provider_number,
        provider_name=content.provider_name,
        certificate_date=content.certificate_date,
        certificate_until=content.certificate_until,
        submission=row.submission_id,
        form_ticket=row.form_ticket,
        recorded_at=row.recorded_at,
    )


def _training_status(row: Row[Any]) -> str:
    status: str = row.status if row.status == CANCELLED else row.training_status
    return status


def _remaining(account: Account, window: Window) -> Iterator[RemainingLine]:
    """Every year something counts in, and every year of the window after the first such."""
    touched = set(account.years)
    inside = [year for year in touched if window.covers(year)]
    years = touched | (set(range(min(inside), window.last + 1)) if inside else set())
    for year in sorted(years):
        for right, balance in balances(account, year, window).items():
            yield RemainingLine(
                year=year,
                type=RightType(right).value,
                hours=balance.remaining,
                right=balance.right,
                carried=balance.carried,
                used=balance.used,
                overdrawn=balance.overdrawn,
            )
