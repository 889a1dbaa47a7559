"""A database made by the migrations has exactly the tables the program works with."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from batch.errors import InstanceError
from batch.storage import migrations, outbox
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


def test_answers_of_an_older_version_are_shown_as_they_were(tmp_path: Path) -> None:
    """0004 makes the table of answers anew: not a row, a value or a constraint is lost."""
    engine = engine_for(tmp_path / "old.sqlite", create=True)
    with writing(engine) as connection:
        command.upgrade(migrations._config(connection), "0003")
        connection.execute(
            text(
                "INSERT INTO submission (id, key, channel, folder, stem, ordinal, letter, "
                "trigger_name, sealed_at, state, attempt, in_hand, ticket, reception_answer, "
                "content_answer) VALUES (1, '000001.IN.X~1', '000001', 'IN', 'X', 1, 'R', 'GO.X', "
                "'2026-01-01T00:00:00.000000Z', 'ingested', 1, 0, 'T', 'ACRF.A', 'NOTI.A')"
            )
        )
        for number, emitted in ((1, "'2026-01-02T00:00:00.000000Z'"), (2, "NULL")):
            connection.execute(
                text(
                    "INSERT INTO answer (id, submission_id, layer, stem, attempt, data_kind, size, "
                    "sha256, signature_sha256, decided_at, emitted_at) VALUES "
                    f"({number}, 1, 'L{number}', 'S{number}', 1, 'FO', 7, 'a', 'b', "
                    f"'2026-01-01T00:00:00.000000Z', {emitted})"
                )
            )
    migrations.upgrade(engine)
    with reading(engine) as connection:
        assert [item.stem for item in outbox.unshown(connection)] == ["S2"]
        due = outbox.due(connection, datetime(2026, 2, 1, tzinfo=UTC), 0)
        assert due == [], "its set is not at its end"
        columns = "id, submission_id, layer, size, decided_at < shown_at, emitted_at = shown_at"
        rows = connection.execute(text(f"SELECT {columns} FROM answer ORDER BY id")).all()
        assert [tuple(row) for row in rows] == [(1, 1, "L1", 7, 1, 1), (2, 1, "L2", 7, None, None)]
    with pytest.raises(IntegrityError), writing(engine) as connection:
        connection.execute(text("UPDATE answer SET submission_id = NULL WHERE id = 1"))
    engine.dispose()


def test_a_database_of_another_version_is_refused_with_what_to_do(tmp_path: Path) -> None:
    engine = engine_for(tmp_path / "new.sqlite", create=True)
    migrations.upgrade(engine)
    with writing(engine) as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    with pytest.raises(InstanceError, match=r"version 9999.*fla-batch init"):
        checked(tmp_path / "new.sqlite")
