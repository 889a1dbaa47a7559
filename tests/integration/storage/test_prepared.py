"""A prepared statement does what SQLAlchemy does with the same one, and says what it is not for."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import (
    Boolean,
    Column,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    bindparam,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from batch.states import Stage
from batch.storage.database import (
    Database,
    engine_for,
    part,
    reading,
    straight_each,
    undone,
    writing,
)
from batch.storage.prepared import LENGTHS, Listed, Prepared, row_of
from batch.storage.schema import Instant

thing = Table(
    "thing",
    MetaData(),
    Column("id", Integer, primary_key=True),
    Column("name", String(20), unique=True),
    Column("at", Instant),
    Column("good", Boolean),
    Column("data", LargeBinary),
    Column("count", Integer, default=7),
)
ADD = row_of(thing, "name", "at", "good", "data", "count")
BY_NAME = Prepared(select(thing).where(thing.c.name == bindparam("of")))
AT = datetime(2026, 11, 27, 10, 0, tzinfo=UTC)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Database]:
    engine = engine_for(tmp_path / "thing.sqlite", create=True)
    with writing(engine) as connection:
        thing.create(connection)
    yield engine
    engine.dispose()


def names(engine: Database) -> list[str]:
    with reading(engine) as connection:
        return list(connection.scalars(select(thing.c.name).order_by(thing.c.id)))


ROWS = st.fixed_dictionaries(
    {
        "at": st.none() | st.datetimes(timezones=st.just(timezone(timedelta(hours=1)))),
        "good": st.none() | st.booleans(),
        "data": st.none() | st.binary(max_size=9),
        "count": st.none() | st.integers(-(2**63), 2**63 - 1),
    }
)


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(row=ROWS)
def test_a_row_is_written_and_read_as_by_sqlalchemy(
    engine: Database, row: dict[str, object]
) -> None:
    if isinstance(row["at"], datetime) and row["at"].year in (1, 9999):
        return  # not to be told in UTC
    with writing(engine) as connection:
        connection.execute(thing.delete())
        number = ADD.add(connection, name="straight", **row)
        connection.execute(insert(thing).values(name="around", **row))
        both = connection.execute(select(thing).order_by(thing.c.id)).all()
        assert both[0].id == number
        assert both[0]._mapping.items() - {("id", number), ("name", "straight")} == (
            both[1]._mapping.items() - {("id", both[1].id), ("name", "around")}
        )
        for each in both:
            found = BY_NAME.first(connection, of=each.name)
            assert found == tuple(each)
            assert found._asdict() == dict(each._mapping)


def test_what_is_fixed_in_it_stays(engine: Database) -> None:
    change = Prepared(
        update(thing).where(thing.c.name == bindparam("of")).values(name=Stage.SEALED, good=True)
    )
    with writing(engine) as connection:
        assert change.change(connection, of="nobody") == 0
        ADD.add(connection, name="one", at=AT, good=False, data=None, count=1)
        assert change.change(connection, of="one") == 1
        assert BY_NAME.first(connection, of="one") is None
        assert [row.good for row in BY_NAME.rows(connection, of="sealed")] == [True]


AMONG = Listed(lambda names: select(thing.c.name).where(thing.c.name.in_(names)))
COUNTED = Listed(
    lambda names: (
        update(thing).where(thing.c.name.in_(names)).values(count=thing.c.count + bindparam("more"))
    )
)


@pytest.mark.parametrize("size", [0, 1, 16, 17, 64, 65, 256, 257, 700])
def test_a_list_of_any_length_is_asked_about_once_for_each_value(
    engine: Database, size: int
) -> None:
    assert LENGTHS == (16, 64, 256)
    rows = [(f"name {n}", n) for n in range(1000)]
    wanted = [name for name, _ in rows[100 : 100 + size]]
    with writing(engine) as connection:
        straight_each(connection, "INSERT INTO thing (name, count) VALUES (?, ?)", rows)
        assert sorted(row.name for row in AMONG.rows(connection, wanted)) == sorted(wanted)
        assert AMONG.rows(connection, ["nobody", *wanted][: size + 1]) == AMONG.rows(
            connection, wanted
        )
        COUNTED.change(connection, wanted, more=5000)
        found = connection.execute(select(thing.c.name).where(thing.c.count >= 5000)).scalars()
        assert sorted(found) == sorted(wanted)
        assert connection.scalar(select(func.max(thing.c.count))) < 10_000


@pytest.mark.parametrize("given", [{}, {"of": "one", "more": 1}, {"off": "one"}])
def test_a_parameter_too_few_or_too_many_is_a_defect(
    engine: Database, given: dict[str, object]
) -> None:
    with reading(engine) as connection, pytest.raises(KeyError):
        BY_NAME.rows(connection, **given)


def test_a_value_that_only_sqlalchemy_would_put_in_is_a_defect(engine: Database) -> None:
    with writing(engine) as connection, pytest.raises(TypeError, match="count"):
        row_of(thing, "name").add(connection, name="one")


def test_an_error_is_that_of_every_statement(engine: Database) -> None:
    """And without the values: one may be an INSS."""
    row = {"at": AT, "good": True, "data": b"", "count": 1}
    with writing(engine) as connection:
        ADD.add(connection, name="one", **row)
        with pytest.raises(IntegrityError) as error:
            ADD.add(connection, name="one", **row)
    assert "'one'" not in str(error.value)
    with writing(engine) as connection, pytest.raises(IntegrityError) as error:
        straight_each(connection, "INSERT INTO thing (name) VALUES (?)", [("two",), ("two",)])
    assert "'two'" not in str(error.value)


def test_a_part_that_fails_is_undone_alone(engine: Database) -> None:
    with writing(engine) as connection:
        for name, fails in (("one", False), ("two", True), ("three", False)):
            try:
                with part(connection), part(connection):
                    ADD.add(connection, name=name, at=AT, good=True, data=None, count=0)
                    if fails:
                        raise LookupError
            except LookupError:
                continue
    assert names(engine) == ["one", "three"]


def test_what_is_to_leave_no_trace_leaves_none_and_all_beside_it_stays(engine: Database) -> None:
    row = {"at": AT, "good": True, "data": None, "count": 0}
    with writing(engine) as connection, part(connection):
        ADD.add(connection, name="before", **row)
        with undone(connection):
            ADD.add(connection, name="within", **row)
        ADD.add(connection, name="after", **row)
    assert names(engine) == ["before", "after"]
