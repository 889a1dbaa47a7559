"""Opening a database: the only module that knows a dialect.

SQLite in WAL with ``synchronous=FULL``: with NORMAL a power cut loses acknowledged work.
Production and test are two files with the same tables; registers live with production.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError, DisconnectionError, OperationalError

from batch.errors import Busy

BUSY_SECONDS = 30.0
"""How long a writer waits for another: longer than any transaction but one of a huge set."""

_PRAGMAS = (
    "journal_mode=WAL",
    "synchronous=FULL",
    "foreign_keys=ON",
    "cache_size=-8000",  # kB: with SQLite's 2,000 a large set writes and reads its pages twice over
)

_AWAY = frozenset(
    {
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_INTERRUPT,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PROTOCOL,
        sqlite3.SQLITE_NOLFS,
        sqlite3.SQLITE_NOTADB,
    }
)
"""What SQLite says when the file is locked, full, broken or not there: no statement is to blame."""
_LOCKED = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
"""Those after which the connection is as good as before."""

Cursor = sqlite3.Cursor
Database = Engine
Transaction = Connection
"""What others call them: nobody outside storage names SQLAlchemy."""


_Identity = tuple[int, int]
"""Of a file, whatever its name: device and inode."""


class _File(sqlite3.Connection):
    """A connection that knows which file it was opened on."""

    path: Path
    opened: _Identity | None = None

    @property
    def in_place(self) -> bool:
        """Whether that file is still the one at its path: SQLite in WAL writes on to one that was
        moved away, beside the database that everybody else sees."""
        return self.opened is not None and _identity(self.path) == self.opened


def _status(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except OSError:
        return None


def _identity(path: Path) -> _Identity | None:
    found = _status(path)
    return None if found is None else (found.st_dev, found.st_ino)


class Stranger(Busy):
    """A database is there that is not of this program's version: to be used by nobody."""


@dataclass(frozen=True, slots=True)
class Demand:
    """What every file must answer to ``query``, before a byte of it is changed."""

    query: str
    wanted: str

    def check(self, connection: _File) -> None:
        """Raise Stranger when it answers otherwise, or cannot."""
        try:
            rows = connection.execute(self.query).fetchall()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_ERROR:
                raise
            rows = []  # it has no such table
        found = rows[0][0] if rows else None
        if found != self.wanted:
            raise Stranger(
                f"the database {connection.path.name} has version {found}, "
                f"this program wants {self.wanted}"
            )


@dataclass(slots=True)
class _Opener:
    """Makes connections on ``path``, and touches no file that cannot be ours.

    A file that lies beside the ``-wal`` of another would be changed by it, and an empty one have
    it deleted: committed transactions would be gone when the right file is put back.
    """

    path: Path
    create: bool
    wait: float
    demand: Demand | None
    _last: _Identity | None = None
    _last_log: _Identity | None = None

    def __call__(self) -> _File:
        if not self.create:
            self._check()
        mode = "rwc" if self.create else "rw"
        connection = sqlite3.connect(
            f"file:{quote(os.fsencode(self.path))}?mode={mode}",
            uri=True,
            timeout=self.wait,
            isolation_level=None,
            check_same_thread=False,
            factory=_File,
        )
        try:
            connection.path, connection.opened = self.path, _identity(self.path)
            if self.demand is not None:
                self.demand.check(connection)
            for pragma in _PRAGMAS:
                connection.execute(f"PRAGMA {pragma}")
        except BaseException:
            connection.close()
            raise
        self._last, self._last_log = connection.opened, _identity(self._log)
        return connection

    @property
    def _log(self) -> Path:
        return self.path.with_name(f"{self.path.name}-wal")

    def _check(self) -> None:
        found, log = _status(self.path), _status(self._log)
        if found is None:
            raise Busy(f"the database is out of reach: {self.path.name} is not there")
        if found.st_size == 0:
            raise Busy(f"the database is out of reach: {self.path.name} is empty")
        other = self._last is not None and _identity(self.path) != self._last
        if other and log is not None and log.st_size and _identity(self._log) == self._last_log:
            raise Busy(
                f"the database is out of reach: {self.path.name} is another file beside the "
                f"{self._log.name} of the one before; put that back, or move its -wal away with it"
            )


def engine_for(
    path: Path,
    *,
    create: bool = False,
    wait: float = BUSY_SECONDS,
    demand: Demand | None = None,
) -> Engine:
    """An engine on the SQLite file ``path``, every connection durable and with foreign keys on.

    Only with ``create`` is a file made where there is none: an outage must never begin a second,
    empty database. ``wait``: seconds for which a locked database is asked again. A file that does
    not fulfil ``demand`` is as good as none (Stranger).
    """
    path = path.absolute()
    engine = create_engine(
        URL.create("sqlite", database=str(path)),
        creator=_Opener(path, create, wait, demand),
        hide_parameters=True,  # an INSS must not travel in the text of an error
    )
    event.listen(engine, "checkout", _check_in_place)
    return engine


def _check_in_place(connection: _File, _record: object, _proxy: object) -> None:
    """A pooled connection on a file that was moved away is replaced by one on what is there now."""
    if not connection.in_place:
        raise DisconnectionError("the database was moved away")


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """One transaction that writes: begins IMMEDIATE, so it never fails half-way for a lock.

    Raises Busy when the database is out of reach or stays locked.
    """
    with _connected(engine) as connection:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        try:
            yield connection
            _must_be_in_place(connection)
            connection.exec_driver_sql("COMMIT")
        except BaseException:
            _undo(connection)
            raise


@contextmanager
def part(connection: Connection) -> Iterator[None]:
    """A part of a transaction that may fail alone: undone then, and the rest goes on.

    Raises Busy where SQLite, after an error of the file, has ended the whole transaction itself:
    what came next would be committed apart from what came before.
    """
    straight(connection, "SAVEPOINT part")
    try:
        yield
        straight(connection, "RELEASE part")
    except BaseException as error:
        held = _held(connection)
        if isinstance(held, _File) and not held.in_transaction:
            if is_outage(error):
                raise
            raise Busy("the database is out of reach: it gave the transaction up") from error
        _undo_to(connection, "part")
        raise


@contextmanager
def undone(connection: Connection) -> Iterator[None]:
    """What is done in here leaves no trace when it ends well; after an error the caller undoes."""
    straight(connection, "SAVEPOINT undone")
    yield
    _undo_to(connection, "undone")


def _undo_to(connection: Connection, savepoint: str) -> None:
    straight(connection, f"ROLLBACK TO {savepoint}")
    straight(connection, f"RELEASE {savepoint}")


def straight(connection: Connection, statement: str, values: Sequence[object] = ()) -> Cursor:
    """Run one statement with ``?`` for each value, past SQLAlchemy, which takes longer than SQLite.

    For what every set needs. Errors are those of every other statement.
    """
    try:
        return _sqlite(connection).execute(statement, values)
    except sqlite3.Error as error:
        raise _told(connection, statement, error) from error


def straight_each(connection: Connection, statement: str, rows: Iterable[Sequence[Any]]) -> None:
    """The same once for each of ``rows``."""
    try:
        _sqlite(connection).executemany(statement, rows)
    except sqlite3.Error as error:
        raise _told(connection, statement, error) from error


def _sqlite(connection: Connection) -> sqlite3.Connection:
    held = _held(connection)
    if not isinstance(held, sqlite3.Connection):
        raise TypeError("another database has its own way to run a statement straight")
    return held


def _told(connection: Connection, statement: str, error: sqlite3.Error) -> BaseException:
    """As SQLAlchemy tells it."""
    return DBAPIError.instance(
        statement, None, error, sqlite3.Error, hide_parameters=True, dialect=connection.dialect
    )


@contextmanager
def trying(engine: Engine) -> Iterator[Connection]:
    """One transaction that may write and is always undone: for what must leave no trace."""
    with _connected(engine) as connection:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        try:
            yield connection
        finally:
            _undo(connection)


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """One consistent view, for reading only. Raises Busy when the database is out of reach."""
    with _connected(engine) as connection:
        straight(connection, "BEGIN")
        try:
            yield connection
        finally:
            _undo(connection)


@contextmanager
def _connected(engine: Engine) -> Iterator[Connection]:
    """A connection; after an error of the file all are given up, so that the next begins anew.

    One alone would not do: SQLite shares among those of a process what it knows of the file.
    """
    try:
        with engine.connect() as connection:
            yield connection
    except DBAPIError as error:
        if not _is_away(error):
            raise
        if _code(error) not in _LOCKED:
            engine.dispose()
        raise Busy(f"the database is out of reach: {_cause(error)}") from error


def _undo(connection: Connection) -> None:
    """End the transaction; one that SQLite ended itself, after an error, has nothing left."""
    if connection.invalidated:
        return
    held = _held(connection)
    if isinstance(held, _File) and not held.in_transaction:
        return
    try:
        straight(connection, "ROLLBACK")
    except DBAPIError:
        connection.invalidate()  # closing it undoes what is left


def _must_be_in_place(connection: Connection) -> None:
    """Raise Busy when the file was moved away: what is committed there, nobody will find."""
    held = _held(connection)
    if isinstance(held, _File) and not held.in_place:
        raise Busy(f"the database is out of reach: {held.path.name} was moved away")


def _held(connection: Connection) -> object:
    return connection.connection.dbapi_connection


def is_outage(error: BaseException) -> bool:
    """Whether an error says that the database is away, locked or full: no fault of a set."""
    return isinstance(error, Busy) or (isinstance(error, DBAPIError) and _is_away(error))


def _is_away(error: DBAPIError) -> bool:
    code = _code(error)
    return isinstance(error, OperationalError) if code is None else code in _AWAY


def _code(error: DBAPIError) -> int | None:
    """SQLite's primary result code; None for another database's error."""
    code = getattr(error.orig, "sqlite_errorcode", None)
    return None if code is None else int(code) & 0xFF


def _cause(error: DBAPIError) -> Any:
    return error.orig if error.orig is not None else error
