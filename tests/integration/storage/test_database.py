"""A database that is away: no second one is begun, nothing is written beside it, and it heals."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError

from batch.errors import Busy
from batch.storage.database import (
    Database,
    Demand,
    Stranger,
    engine_for,
    is_outage,
    reading,
    writing,
)
from tests.integration.storage import disks


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A database with one table of one row; its log holds it all."""
    path = tmp_path / "it?#%.sqlite"
    made = engine_for(path, create=True)
    with writing(made) as connection:
        connection.exec_driver_sql("CREATE TABLE word (it TEXT)")
        connection.exec_driver_sql("INSERT INTO word VALUES ('first')")
    made.dispose()
    return path


@pytest.fixture
def engine(path: Path) -> Iterator[Database]:
    engine = engine_for(path, wait=0.1)
    assert words(engine) == ["first"]
    yield engine
    engine.dispose()


def words(engine: Database) -> list[str]:
    with reading(engine) as connection:
        return list(connection.exec_driver_sql("SELECT it FROM word").scalars())


def say(engine: Database, word: str) -> None:
    with writing(engine) as connection:
        connection.exec_driver_sql("INSERT INTO word VALUES (?)", (word,))


def fill(engine: Database) -> None:
    for _ in range(100):
        say(engine, "x" * 20_000)


def test_a_missing_or_empty_file_is_busy_and_stays_as_it_is(tmp_path: Path) -> None:
    missing, empty = tmp_path / "missing", tmp_path / "empty"
    empty.touch()
    for path in (missing, empty):
        with pytest.raises(Busy):
            words(engine_for(path))
    assert not missing.exists()
    assert empty.stat().st_size == 0


def test_nothing_is_written_to_a_file_that_was_moved_away(engine: Database, path: Path) -> None:
    """SQLite itself goes on in the moved file, which nobody else sees."""
    path.rename(path.with_name("away"))
    with pytest.raises(Busy):
        say(engine, "lost")
    path.with_name("away").rename(path)
    assert words(engine) == ["first"]
    say(engine, "second")
    assert words(engine) == ["first", "second"]


def test_a_file_moved_away_during_a_transaction_gets_no_commit(
    engine: Database, path: Path
) -> None:
    def move_before_the_commit() -> None:
        with writing(engine) as connection:
            connection.exec_driver_sql("INSERT INTO word VALUES ('lost')")
            path.rename(path.with_name("away"))

    with pytest.raises(Busy, match="moved away"):
        move_before_the_commit()
    path.with_name("away").rename(path)
    assert words(engine) == ["first"]


def test_another_file_beside_the_log_is_not_touched_and_the_log_survives(
    engine: Database, path: Path
) -> None:
    """What was committed last is in the log alone: SQLite would apply it, or delete it."""
    say(engine, "second")
    other = path.with_name("other")
    with closing(sqlite3.connect(other)) as connection:
        connection.execute("CREATE TABLE word (it TEXT)")
    path.rename(path.with_name("away"))
    other.rename(path)
    before = path.read_bytes()
    with pytest.raises(Busy, match="beside the"):
        words(engine)
    assert path.read_bytes() == before
    path.unlink()
    path.with_name("away").rename(path)
    assert words(engine) == ["first", "second"]


def test_a_stranger_is_told_and_not_changed(engine: Database, path: Path) -> None:
    demanding = engine_for(path, demand=Demand("SELECT it FROM version", "1"))
    with pytest.raises(Stranger, match="version None"):
        words(demanding)
    say(engine, "ours")
    assert words(engine) == ["first", "ours"]


def test_a_locked_database_is_given_up_on_in_time_and_heals(engine: Database, path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(Busy, match="locked"):
            say(engine, "late")
        other.execute("ROLLBACK")
    say(engine, "second")
    assert words(engine) == ["first", "second"]


def test_a_full_disk_is_an_outage_and_heals_when_there_is_room(tmp_path: Path) -> None:
    with disks.memory(tmp_path / "small", size="1m") as place:
        made = engine_for(place / "it.sqlite", create=True)
        with writing(made) as connection:
            connection.exec_driver_sql("CREATE TABLE word (it TEXT)")
        say(made, "first")
        filler = place / "filler"
        filler.write_bytes(bytes(500_000))
        with pytest.raises(Busy, match=r"full|disk"):
            fill(made)
        filler.unlink()
        say(made, "second")
        assert words(made)[0] == "first"
        assert words(made)[-1] == "second"
        made.dispose()


def test_a_mistake_in_a_statement_is_no_outage(engine: Database) -> None:
    """It would be waited for without an end; as a fault of its set it is counted."""
    with pytest.raises(OperationalError) as error, writing(engine) as connection:
        connection.exec_driver_sql("SELECT * FROM nowhere")
    assert not is_outage(error.value)
    assert words(engine) == ["first"]
