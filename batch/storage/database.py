"""Opening a database: the only module that knows a dialect.

SQLite in WAL with ``synchronous=FULL``: with NORMAL a power cut loses acknowledged work.
Production and test are two files with the same tables; registers live with production.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import ConnectionPoolEntry

from batch.errors import Busy

BUSY_SECONDS = 30
"""How long a writer waits for another: longer than any transaction but one of a huge set."""


Database = Engine
Transaction = Connection
"""What others call them: nobody outside storage names SQLAlchemy."""


def engine_for(path: Path) -> Engine:
    """An engine on the SQLite file ``path``, every connection durable and with foreign keys on."""
    engine = create_engine(
        f"sqlite:///{path}",
        connect_args={"timeout": BUSY_SECONDS, "isolation_level": None},
        hide_parameters=True,  # an INSS must not travel in the text of an error
    )
    event.listen(engine, "connect", _prepare)
    return engine


def _prepare(connection: sqlite3.Connection, _record: ConnectionPoolEntry) -> None:
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """One transaction that writes: begins IMMEDIATE, so it never fails half-way for a lock.

    Raises Busy when the database is out of reach or stays locked.
    """
    with _reachable(), engine.connect() as connection:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        try:
            yield connection
        except BaseException:
            connection.exec_driver_sql("ROLLBACK")
            raise
        connection.exec_driver_sql("COMMIT")


@contextmanager
def trying(engine: Engine) -> Iterator[Connection]:
    """One transaction that may write and is always undone: for what must leave no trace."""
    with _reachable(), engine.connect() as connection:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        try:
            yield connection
        finally:
            connection.exec_driver_sql("ROLLBACK")


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """One consistent view, for reading only. Raises Busy when the database is out of reach."""
    with _reachable(), engine.connect() as connection:
        connection.exec_driver_sql("BEGIN")
        try:
            yield connection
        finally:
            connection.exec_driver_sql("ROLLBACK")


@contextmanager
def _reachable() -> Iterator[None]:
    try:
        yield
    except OperationalError as error:
        raise Busy(f"the database is out of reach: {_cause(error)}") from error


def is_outage(error: BaseException) -> bool:
    """Whether an error says that the database is away, locked or full: no fault of a set."""
    return isinstance(error, (Busy, OperationalError))


def _cause(error: OperationalError) -> Any:
    return error.orig if error.orig is not None else error
