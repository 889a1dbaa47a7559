"""The ledger of learning accounts (``batch.fla.ledger.Ledger``) on an open connection.

Everything happens in the caller's transaction; nothing is committed here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, islice
from operator import itemgetter
from typing import Any, TypeVar

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Table,
    and_,
    bindparam,
    case,
    func,
    insert,
    or_,
    select,
    update,
)

from batch.fla.account import Account, place
from batch.fla.forms import Content, Kind, RightType, TrainingStatus
from batch.fla.ledger import AccountKey, Change, LedgerObject, Snapshot, Wanted, twin_mark
from batch.storage.ledger_rows import content_columns, content_of, right_of, training_of
from batch.storage.ledger_tables import (
    ACTIVE,
    CANCELLED,
    fla_sequence,
    ledger_object,
    training,
    training_right,
)

_PARAMETERS = 500
"""Bound values of one look-up: the least that every database takes is 999."""

_SEQUENCE = "fla_id"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class SqlLedger:
    """The ledger as it stands in the transaction of ``connection``."""

    connection: Connection

    def snapshot(self, wanted: Wanted) -> Snapshot:
        """See ``Ledger.snapshot``."""
        found: dict[str, LedgerObject] = {}
        for condition in _addressed(wanted):
            for table, content in ((training_right, right_of), (training, training_of)):
                rows = self.connection.execute(_versions(table, condition))
                found.update(_objects(rows, content))
        return Snapshot(tuple(found.values()), self._accounts(wanted), self._twins(wanted))

    def reserve(self, count: int) -> int:
        """See ``Ledger.reserve``; the row is locked from here to the transaction's end."""
        mine = fla_sequence.c.name == _SEQUENCE
        changed = self.connection.execute(
            update(fla_sequence).where(mine).values(next_number=fla_sequence.c.next_number + count)
        )
        if not changed.rowcount:
            row = {"name": _SEQUENCE, "next_number": 1 + count}
            self.connection.execute(insert(fla_sequence), row)
        after: int = self.connection.execute(
            select(fla_sequence.c.next_number).where(mine)
        ).scalar_one()
        return after - count

    def store(self, changes: Sequence[Change]) -> None:
        """See ``Ledger.store``: the object's line once, each version for itself."""
        new = {c.after.fla_id for c in changes if c.after.version == 1}
        last = {c.after.fla_id: c.after for c in changes}
        made = [_line(after) for key, after in last.items() if key in new]
        moved = [_moved(after) for key, after in last.items() if key not in new]
        if made:
            self.connection.execute(insert(ledger_object), made)
        if moved:
            self.connection.execute(_MOVE, moved)
        for table, kind in ((training_right, Kind.RIGHT), (training, Kind.TRAINING)):
            rows = [_version(change) for change in changes if change.after.kind is kind]
            if rows:
                self.connection.execute(insert(table), rows)

    def _accounts(self, wanted: Wanted) -> dict[AccountKey, Account]:
        found: dict[AccountKey, Account] = {}
        for whose in _of_employers(wanted.accounts, ledger_object.c.inss):
            for row in self.connection.execute(_rights(whose)):
                account = found.setdefault(AccountKey(row.employer, row.inss), Account())
                account.year(row.year).right[place(RightType(row.right_type))] = int(row.hours)
            for row in self.connection.execute(_uses(whose)):
                account = found.setdefault(AccountKey(row.employer, row.inss), Account())
                sums = account.year(row.year)
                sums.used = [int(row.legal), int(row.sector), int(row.employer_hours)]
                sums.unsplit = int(row.unsplit)
        return found

    def _twins(self, wanted: Wanted) -> dict[str, int]:
        found: dict[str, int] = {}
        for marks in _portions(sorted(wanted.twins), _PARAMETERS):
            rows = self.connection.execute(
                select(ledger_object.c.twin, func.count())
                .where(ledger_object.c.twin.in_(marks), ledger_object.c.status == ACTIVE)
                .group_by(ledger_object.c.twin)
            )
            found.update((mark, count) for mark, count in rows)
        return found


def _addressed(wanted: Wanted) -> Iterator[ColumnElement[bool]]:
    """Conditions that together find the objects wanted, each of few enough parameters."""
    for ids in _portions(sorted(wanted.fla_ids), _PARAMETERS):
        yield ledger_object.c.fla_id.in_(ids)
    yield from _of_employers(wanted.references, ledger_object.c.registrant_reference)


def _of_employers(
    keys: Iterable[tuple[str, str]], column: ColumnElement[str]
) -> Iterator[ColumnElement[bool]]:
    """Conditions for pairs of employer and ``column``, in portions.

    Written out per employer, because SQLite reads the whole table for a pair IN a list of pairs.
    """
    for portion in _portions(sorted(keys), _PARAMETERS // 2):
        yield or_(
            *(
                and_(ledger_object.c.employer == employer, column.in_([key for _, key in group]))
                for employer, group in groupby(portion, itemgetter(0))
            )
        )


def _portions(items: Iterable[T], size: int) -> Iterator[list[T]]:
    rest = iter(items)
    while portion := list(islice(rest, size)):
        yield portion


def _versions(table: Table, condition: ColumnElement[bool]) -> Any:
    """The current version of the objects, and their first beside it."""
    same = ledger_object.c.fla_id == table.c.fla_id
    current = or_(table.c.version == ledger_object.c.version, table.c.version == 1)
    return (
        select(
            ledger_object.c.employer,
            ledger_object.c.inss,
            ledger_object.c.registrant_reference,
            ledger_object.c.version.label("current_version"),
            ledger_object.c.status.label("current_status"),
            *content_of(table),
        )
        .join_from(ledger_object, table, and_(same, current))
        .where(condition)
    )


def _objects(rows: Iterable[Row[Any]], content: Any) -> dict[str, LedgerObject]:
    first: dict[str, Content] = {}
    last: dict[str, tuple[Row[Any], Content]] = {}
    for row in rows:
        held = content(row)
        if row.version == 1:
            first[row.fla_id] = held
        if row.version == row.current_version:
            last[row.fla_id] = (row, held)
    return {
        fla_id: LedgerObject(
            fla_id=fla_id,
            account=AccountKey(row.employer, row.inss),
            reference=row.registrant_reference,
            version=row.current_version,
            cancelled=row.current_status == CANCELLED,
            content=held,
            first=first[fla_id],
        )
        for fla_id, (row, held) in last.items()
    }


def _current(table: Table, whose: ColumnElement[bool]) -> ColumnElement[bool]:
    return and_(
        ledger_object.c.fla_id == table.c.fla_id,
        ledger_object.c.version == table.c.version,
        ledger_object.c.status == ACTIVE,
        whose,
    )


def _rights(whose: ColumnElement[bool]) -> Any:
    group = (
        ledger_object.c.employer,
        ledger_object.c.inss,
        training_right.c.right_type,
        ledger_object.c.year,
    )
    return (
        select(*group, func.sum(training_right.c.hours).label("hours"))
        .where(_current(training_right, whose))
        .group_by(*group)
    )


def _uses(whose: ColumnElement[bool]) -> Any:
    group = (ledger_object.c.employer, ledger_object.c.inss, ledger_object.c.year)
    split = func.coalesce(
        training.c.used_legal, training.c.used_sector, training.c.used_employer
    ).is_not(None)
    return (
        select(
            *group,
            func.sum(func.coalesce(training.c.used_legal, 0)).label("legal"),
            func.sum(func.coalesce(training.c.used_sector, 0)).label("sector"),
            func.sum(func.coalesce(training.c.used_employer, 0)).label("employer_hours"),
            func.sum(case((split, 0), else_=training.c.hours)).label("unsplit"),
        )
        .where(
            _current(training, whose),
            training.c.training_status == TrainingStatus.FOLLOWED.value,
            training.c.counts_for_credit,
        )
        .group_by(*group)
    )


_MOVE = (
    update(ledger_object)
    .where(ledger_object.c.fla_id == bindparam("which"))
    .values(
        version=bindparam("new_version"),
        status=bindparam("new_status"),
        year=bindparam("new_year"),
        twin=bindparam("new_twin"),
    )
)


def _status(after: LedgerObject) -> str:
    return CANCELLED if after.cancelled else ACTIVE


def _line(after: LedgerObject) -> Mapping[str, object]:
    return {
        "fla_id": after.fla_id,
        "employer": after.account.employer,
        "inss": after.account.inss,
        "kind": after.kind.value,
        "registrant_reference": after.reference,
        "version": after.version,
        "status": _status(after),
        "year": after.content.year,
        "twin": twin_mark(after.account, after.content),
    }


def _moved(after: LedgerObject) -> Mapping[str, object]:
    return {
        "which": after.fla_id,
        "new_version": after.version,
        "new_status": _status(after),
        "new_year": after.content.year,
        "new_twin": twin_mark(after.account, after.content),
    }


def _version(change: Change) -> Mapping[str, object]:
    return {
        "fla_id": change.after.fla_id,
        "version": change.after.version,
        "operation": change.operation.value,
        "status": _status(change.after),
        "submission_id": change.submission,
        "form_ticket": change.ticket,
        "recorded_at": change.at,
        **content_columns(change.after.content),
    }
