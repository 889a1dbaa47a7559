"""The ledger of learning accounts (``batch.fla.ledger.Ledger``) on an open connection.

Everything happens in the caller's transaction; nothing is committed here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeVar

from sqlalchemy import Connection, Row, Table, and_, bindparam, or_, select, update

from batch.fla.account import Account, place
from batch.fla.forms import RIGHT_TYPES, Content, TrainingRight
from batch.fla.ledger import AccountKey, Change, LedgerObject, Snapshot, Wanted
from batch.storage import ledger_sql
from batch.storage.database import straight, straight_each
from batch.storage.ledger_rows import content_of, right_of, rows_of, training_of
from batch.storage.ledger_tables import (
    ACTIVE,
    CANCELLED,
    fla_sequence,
    ledger_object,
    training,
    training_right,
)
from batch.storage.prepared import Prepared, row_of

_SEQUENCE = "fla_id"
_MINE = fla_sequence.c.name == _SEQUENCE
_TAKE = Prepared(
    update(fla_sequence)
    .where(_MINE)
    .values(next_number=fla_sequence.c.next_number + bindparam("many"))
)
_BEGIN = row_of(fla_sequence, "name", "next_number")
_NEXT = Prepared(select(fla_sequence.c.next_number).where(_MINE))

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class SqlLedger:
    """The ledger as it stands in the transaction of ``connection``."""

    connection: Connection

    def snapshot(self, wanted: Wanted) -> Snapshot:
        """See ``Ledger.snapshot``."""
        return Snapshot(self._objects(wanted), self._accounts(wanted), self._twins(wanted))

    def reserve(self, count: int) -> int:
        """See ``Ledger.reserve``; the row is locked from here to the transaction's end."""
        if not _TAKE.change(self.connection, many=count):
            _BEGIN.add(self.connection, name=_SEQUENCE, next_number=1 + count)
        return int(_NEXT.first(self.connection).next_number) - count

    def store(self, changes: Sequence[Change]) -> None:
        """See ``Ledger.store``: the object's line once, each version for itself."""
        last: dict[str, Change] = {}
        new: set[str] = set()
        rights: list[Change] = []
        trainings: list[Change] = []
        for change in changes:
            after = change.after
            last[after.fla_id] = change
            if after.version == 1:
                new.add(after.fla_id)
            (rights if isinstance(after.content, TrainingRight) else trainings).append(change)
        moved = [_moved(change) for key, change in last.items() if key not in new]
        self._insert(ledger_object, [last[key] for key in last if key in new])
        if moved:
            straight_each(self.connection, ledger_sql.MOVED, moved)
        self._insert(training_right, rights)
        self._insert(training, trainings)

    def _insert(self, table: Table, changes: Sequence[Change]) -> None:
        if changes:
            straight_each(self.connection, *rows_of(table, changes, self.connection.dialect))

    def _objects(self, wanted: Wanted) -> list[LedgerObject]:
        ids = set(wanted.fla_ids)
        for portion in _portions(sorted(wanted.references), ledger_sql.PAIRS):
            ids.update(row[0] for row in self._of_pairs(ledger_sql.NAMED, portion))
        found: list[LedgerObject] = []
        for some in _portions(sorted(ids), ledger_sql.MARKS):
            for table, content in ((training_right, right_of), (training, training_of)):
                rows = self.connection.execute(_versions(table), {"ids": some})
                found.extend(_read(rows, content))
        return found

    def _accounts(self, wanted: Wanted) -> dict[AccountKey, Account]:
        known: list[tuple[str, str]] = []
        for portion in _portions(sorted(wanted.accounts), ledger_sql.PAIRS):
            known += [tuple(row) for row in self._of_pairs(ledger_sql.KNOWN, portion)]
        found = {AccountKey(*key): Account() for key in known}
        for keys in _portions(sorted(known), ledger_sql.PAIRS):
            for employer, inss, kind, year, hours in self._of_accounts(ledger_sql.RIGHTS, keys):
                account = found[AccountKey(employer, inss)]
                account.year(year).right[place(RIGHT_TYPES[kind])] = int(hours)
            for employer, inss, year, *used, unsplit in self._of_accounts(ledger_sql.USES, keys):
                sums = found[AccountKey(employer, inss)].year(year)
                sums.used = [int(hours) for hours in used]
                sums.unsplit = int(unsplit)
        return found

    def _twins(self, wanted: Wanted) -> dict[str, int]:
        found: dict[str, int] = {}
        for portion in _portions(sorted(wanted.twins), ledger_sql.MARKS):
            found.update(straight(self.connection, *ledger_sql.TWINS.ask(portion)))
        return found

    def _of_pairs(
        self, question: ledger_sql.Question, pairs: Sequence[tuple[str, str]]
    ) -> Iterable[Any]:
        values = [value for pair in pairs for value in pair]
        return straight(self.connection, *question.ask(values))

    def _of_accounts(self, question: str, keys: Sequence[tuple[str, str]]) -> Iterable[Any]:
        words, values = ledger_sql.accounts(keys)
        return straight(self.connection, question.format(words), values)


def _portions(items: Iterable[T], size: int) -> Iterator[list[T]]:
    rest = iter(items)
    while portion := list(islice(rest, size)):
        yield portion


def _versions(table: Table) -> Any:
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
        .where(ledger_object.c.fla_id.in_(bindparam("ids", expanding=True)))
    )


def _read(rows: Iterable[Row[Any]], content: Any) -> list[LedgerObject]:
    first: dict[str, Content] = {}
    last: dict[str, tuple[Row[Any], Content]] = {}
    for row in rows:
        held = content(row)
        if row.version == 1:
            first[row.fla_id] = held
        if row.version == row.current_version:
            last[row.fla_id] = (row, held)
    return [
        LedgerObject(
            fla_id=fla_id,
            account=AccountKey(row.employer, row.inss),
            reference=row.registrant_reference,
            version=row.current_version,
            cancelled=row.current_status == CANCELLED,
            content=held,
            first=first[fla_id],
        )
        for fla_id, (row, held) in last.items()
    ]


def _moved(change: Change) -> tuple[object, ...]:
    fla_id, _account, _reference, version, cancelled, content, _first = change.after
    return version, CANCELLED if cancelled else ACTIVE, content.year, change.mark, fla_id
