"""A database made by the migrations has exactly the tables the program works with."""

from __future__ import annotations

from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

from batch.errors import InstanceError
from batch.storage import migrations
from batch.storage.database import engine_for, reading, writing
from batch.storage.tables import metadata


def test_migrated_tables_are_the_programs_tables(tmp_path: Path) -> None:
    engine = engine_for(tmp_path / "new.sqlite", create=True)
    migrations.upgrade(engine)
    with reading(engine) as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": False})
        assert compare_metadata(context, metadata) == []
    engine.dispose()


def test_the_head_is_the_last_version() -> None:
    scripts = ScriptDirectory(str(Path(migrations.__file__).parent))
    assert scripts.get_current_head() == migrations.HEAD


def checked(path: Path) -> None:
    """As every command but ``init`` does."""
    engine = engine_for(path, demand=migrations.OURS)
    migrations.check(engine)
    engine.dispose()


def test_upgrading_twice_changes_nothing(tmp_path: Path) -> None:
    engine = engine_for(tmp_path / "new.sqlite", create=True)
    migrations.upgrade(engine)
    migrations.upgrade(engine)
    engine.dispose()
    checked(tmp_path / "new.sqlite")


def test_a_database_of_another_version_is_refused_with_what_to_do(tmp_path: Path) -> None:
    engine = engine_for(tmp_path / "new.sqlite", create=True)
    migrations.upgrade(engine)
    with writing(engine) as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    with pytest.raises(InstanceError, match=r"version 9999.*fla-batch init"):
        checked(tmp_path / "new.sqlite")
