"""Statements that every set needs: written with SQLAlchemy, compiled once, then run straight.

SQLAlchemy takes several times as long over a small statement as the database does, and a set needs
some thirty. What is kept of it here is what matters: the tables, the dialect's SQL and the types of
the columns. Errors are those of every other statement.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any, Final

from sqlalchemy import (
    BindParameter,
    Connection,
    Dialect,
    Insert,
    Select,
    Table,
    Update,
    bindparam,
    insert,
)

from batch.storage.database import Cursor, straight

Statement = Select[Any] | Insert | Update
_Convert = Callable[[Any], Any] | None


@dataclass(frozen=True, slots=True)
class _Compiled:
    """For one dialect: the SQL, its parameters in order with their types, what a row is made of."""

    text: str
    names: tuple[str, ...]
    fixed: Mapping[str, Any]
    into: tuple[_Convert, ...]
    out_of: tuple[_Convert, ...]
    row: Callable[..., Any]

    def parameters(self, values: Mapping[str, object]) -> list[object]:
        """In the order of the SQL. KeyError for one that is missing, or that nobody asked for."""
        given = {**self.fixed, **values} if self.fixed else values
        if len(given) != len(self.names) and set(given) != set(self.names):
            raise KeyError(f"parameters {sorted(set(given) ^ set(self.names))}")
        return [
            given[name] if convert is None else convert(given[name])
            for name, convert in zip(self.names, self.into, strict=True)
        ]

    def result(self, row: Iterable[Any]) -> Any:
        """A named tuple of the columns, as their types want them."""
        return self.row(
            *(
                value if convert is None else convert(value)
                for value, convert in zip(row, self.out_of, strict=True)
            )
        )


class Prepared:
    """A statement with a ``bindparam`` for each value that changes; make it once, at the module.

    Lists of values (``IN``) are not for it: their SQL is another for each length. See ``Listed``.
    """

    def __init__(self, statement: Statement) -> None:
        self._statement: Final = statement
        self._compiled: dict[str, _Compiled] = {}

    def rows(self, connection: Connection, **values: object) -> list[Any]:
        """The rows of a SELECT, as named tuples."""
        compiled = self._for(connection.dialect)
        found = straight(connection, compiled.text, compiled.parameters(values)).fetchall()
        return [compiled.result(row) for row in found]

    def first(self, connection: Connection, **values: object) -> Any:
        """The first row of a SELECT; None when there is none."""
        compiled = self._for(connection.dialect)
        row = straight(connection, compiled.text, compiled.parameters(values)).fetchone()
        return None if row is None else compiled.result(row)

    def change(self, connection: Connection, **values: object) -> int:
        """Run an INSERT or UPDATE; how many rows that was."""
        return self._changed(connection, values).rowcount

    def add(self, connection: Connection, **values: object) -> int:
        """Run an INSERT of one row; the number that its table gave it."""
        number = self._changed(connection, values).lastrowid
        assert number is not None
        return number

    def _changed(self, connection: Connection, values: Mapping[str, object]) -> Cursor:
        compiled = self._for(connection.dialect)
        return straight(connection, compiled.text, compiled.parameters(values))

    def _for(self, dialect: Dialect) -> _Compiled:
        found = self._compiled.get(dialect.name)
        if found is None:
            found = self._compiled[dialect.name] = _compile(self._statement, dialect)
        return found


LENGTHS = (16, 64, 256)
"""Of a list of values: a batch has up to 64 sets, and mostly few; of answers, 200 are a portion."""


class Listed:
    """A statement about a list of values: ``make`` gets what stands for each of them (``IN``).

    It has one of few lengths, each compiled once; the last value is there again where fewer are
    given. A list longer than the longest is asked about in portions.
    """

    def __init__(self, make: Callable[[list[BindParameter[Any]]], Statement]) -> None:
        self._made: Final = {
            length: Prepared(make([bindparam(_nth(n)) for n in range(length)]))
            for length in LENGTHS
        }

    def rows(self, connection: Connection, of: Sequence[object], **values: object) -> list[Any]:
        """The rows of a SELECT, as named tuples; portion after portion."""
        return [
            row
            for prepared, given in self._portions(of)
            for row in prepared.rows(connection, **given, **values)
        ]

    def change(self, connection: Connection, of: Sequence[object], **values: object) -> None:
        """Run an UPDATE."""
        for prepared, given in self._portions(of):
            prepared.change(connection, **given, **values)

    def _portions(self, of: Sequence[object]) -> Iterator[tuple[Prepared, dict[str, object]]]:
        for start in range(0, len(of), LENGTHS[-1]):
            some = of[start : start + LENGTHS[-1]]
            length = next(length for length in LENGTHS if len(some) <= length)
            padded = [*some, *[some[-1]] * (length - len(some))]
            yield self._made[length], {_nth(n): value for n, value in enumerate(padded)}


@cache
def _nth(number: int) -> str:
    return f"of{number}"


def row_of(table: Table, *columns: str) -> Prepared:
    """The INSERT of one row with these columns; the others are as the table has them by itself."""
    return Prepared(insert(table).values({name: bindparam(name) for name in columns}))


def _compile(statement: Statement, dialect: Dialect) -> _Compiled:
    made = statement.compile(dialect=dialect)
    names = getattr(made, "positiontup", None)
    if names is None:
        raise TypeError(f"{dialect.name} has its own way to run a statement straight")
    fixed = {name: made.params[name] for name in names if not made.binds[name].required}
    if unset := [name for name, value in fixed.items() if value is None]:
        raise TypeError(f"a value by default is put in by SQLAlchemy alone: {sorted(unset)}")
    columns = list(statement.selected_columns) if isinstance(statement, Select) else []
    return _Compiled(
        str(made),
        tuple(names),
        fixed,
        tuple(made.binds[n].type.dialect_impl(dialect).bind_processor(dialect) for n in names),
        tuple(c.type.dialect_impl(dialect).result_processor(dialect, None) for c in columns),
        _row(tuple(str(c.key) for c in columns)),
    )


@lru_cache
def _row(names: tuple[str, ...]) -> Callable[..., Any]:
    return namedtuple("Row", names)
