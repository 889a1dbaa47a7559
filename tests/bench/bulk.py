"""Bulk ingest: changes of the ledger stored in one transaction, against the ``sqlite3`` program
importing the same rows into the same tables, with the same promises (WAL, FULL, foreign keys).

Ours starts from what the service decided, in chunks as it gives them; the peer from CSV files.
"""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from batch.fla.forms import RightType, TrainingRight
from batch.fla.ledger import AccountKey, Change, LedgerObject, OperationName, fla_id, twin_mark
from batch.fla.service import CHUNK
from batch.storage.database import Database, engine_for, writing
from batch.storage.ledger import SqlLedger
from batch.storage.schema import metadata
from tests.bench import usage
from tests.bench.figures import Bench, Row, Run, Sample, Target, contest
from tests.declarations import EMPLOYER, person

NAME = "bulk"
CHANGES = 100_000
TABLES = ("ledger_object", "training_right")
NOW = datetime(2026, 1, 20, 9, 0, tzinfo=UTC)


def rows(run: Run) -> Iterator[Row]:
    made = changes(0, run.size(CHANGES, 2000))
    with run.room(NAME) as home:
        empty = home / "empty.sqlite"
        created(empty).dispose()
        _dumped(empty, made, home)
        with_both = contest(
            run, NAME, lambda: _ours(empty, made), lambda: _theirs(empty, made, home), "sqlite3"
        )
    work = f"{len(made):,} changes of the ledger ({2 * len(made):,} rows) in one transaction"
    yield with_both.row(NAME, f"{work}, wall clock", "rate", "rows/s", Target(">=", 0.8))
    yield with_both.row(f"{NAME}-cpu", f"{work}, CPU", "cpu", "s")


def created(path: Path) -> Database:
    """A database with the tables of the product and nothing in them."""
    engine = engine_for(path, create=True)
    with writing(engine) as connection:
        metadata.create_all(connection)
    return engine


def changes(first: int, count: int) -> list[Change]:
    """New rights, each of a person of its own: the ``first``-th and those behind it."""
    return [_change(number) for number in range(first, first + count)]


def _change(number: int) -> Change:
    content = TrainingRight(RightType.LEGAL, 2025, 3800, None, None)
    after = LedgerObject(
        fla_id=fla_id(NOW.date(), number + 1),
        account=AccountKey(EMPLOYER, person(number)),
        reference=f"bulk/{number}",
        version=1,
        cancelled=False,
        content=content,
        first=content,
    )
    mark = twin_mark(after.account, content)
    return Change(after, mark, OperationName.IN, 1, f"{number:013d}", NOW)


def store(engine: Database, made: list[Change]) -> None:
    """As the worker does for one set: in chunks, one commit."""
    with writing(engine) as connection:
        ledger = SqlLedger(connection)
        for start in range(0, len(made), CHUNK):
            ledger.store(made[start : start + CHUNK])


def _ours(empty: Path, made: list[Change]) -> Sample:
    path = _copied(empty)
    engine = engine_for(path)
    cpu, wall = time.process_time(), time.perf_counter()
    store(engine, made)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    engine.dispose()
    return {"rate": 2 * len(made) / wall, "cpu": cpu}


def _theirs(empty: Path, made: list[Change], home: Path) -> Sample:
    path = _copied(empty)
    pragmas = ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON")
    words = [f"PRAGMA {pragma};" for pragma in pragmas]
    words += ["BEGIN IMMEDIATE;", ".mode csv"]
    words += [f".import {home / table}.csv {table}" for table in TABLES]
    spent = usage.program("sqlite3", "-bail", path, *words, "COMMIT;")
    count = _asked(path, f"select count(*) from {TABLES[0]}")
    assert int(count) == len(made)
    return {"rate": 2 * len(made) / spent.wall, "cpu": spent.cpu}


def _copied(empty: Path) -> Path:
    path = empty.with_name(f"{time.monotonic_ns()}.sqlite")
    shutil.copyfile(empty, path)
    return path


def _dumped(empty: Path, made: list[Change], home: Path) -> None:
    """The rows as ours stores them, for the peer to import."""
    path = _copied(empty)
    engine = engine_for(path)
    store(engine, made)
    engine.dispose()
    for table in TABLES:
        (home / f"{table}.csv").write_text(_asked(path, f"select * from {table}"))


def _asked(path: Path, query: str) -> str:
    command = ["sqlite3", "-csv", str(path), query]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


BENCH = Bench(
    NAME, "ledger rows stored, against the sqlite3 program importing them", rows, ("sqlite3",)
)
