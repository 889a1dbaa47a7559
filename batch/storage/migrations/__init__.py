"""Versions of the database, by Alembic: ``init`` upgrades, every other command only checks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, Engine, inspect, text

from batch.errors import InstanceError
from batch.storage.database import reading, writing

if TYPE_CHECKING:
    from alembic.config import Config

HEAD = "0001"
"""The version this program works with: the last in ``versions``."""


def upgrade(engine: Engine) -> None:
    """Bring the database to this program's version, in one transaction."""
    from alembic import command  # only init needs it, and it is slow to load

    with writing(engine) as connection:
        command.upgrade(_config(connection), HEAD)


def check(engine: Engine) -> None:
    """Raise InstanceError when the database is of another version than this program."""
    with reading(engine) as connection:
        if inspect(connection).has_table("alembic_version"):
            found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
        else:
            found = None
    if found != HEAD:
        raise InstanceError(
            f"the database has version {found}, this program wants {HEAD}; "
            "stop the server and run: fla-batch init"
        )


def _config(connection: Connection | None) -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config
