"""Versions of the database, by Alembic: ``init`` upgrades, every other command only checks."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine

from batch.errors import InstanceError
from batch.storage.database import reading, writing


def upgrade(engine: Engine) -> None:
    """Bring the database to this program's version, in one transaction."""
    with writing(engine) as connection:
        command.upgrade(_config(connection), "head")


def check(engine: Engine) -> None:
    """Raise InstanceError when the database is of another version than this program."""
    with reading(engine) as connection:
        found = MigrationContext.configure(connection).get_current_revision()
    wanted = ScriptDirectory.from_config(_config(None)).get_current_head()
    if found != wanted:
        raise InstanceError(
            f"the database has version {found}, this program wants {wanted}; "
            "stop the server and run: fla-batch init"
        )


def _config(connection: Connection | None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config
