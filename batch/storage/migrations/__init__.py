"""Versions of the database, by Alembic: ``init`` upgrades, every other command only checks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, Engine

from batch.errors import InstanceError
from batch.storage.database import Demand, Stranger, reading, writing

if TYPE_CHECKING:
    from alembic.config import Config

HEAD = "0006"
"""The version this program works with: the last in ``versions``."""

OURS = Demand("SELECT version_num FROM alembic_version", HEAD)
"""No database of another version is used, also when one is put in the place of ours later."""


def upgrade(engine: Engine) -> None:
    """Bring the database to this program's version, in one transaction."""
    from alembic import command  # only init needs it, and it is slow to load

    with writing(engine) as connection:
        command.upgrade(_config(connection), HEAD)


def check(engine: Engine) -> None:
    """Raise InstanceError when the database is of another version than this program.

    Busy when it is away. ``engine`` is one with the demand ``OURS``.
    """
    try:
        with reading(engine):
            pass
    except Stranger as fault:
        raise InstanceError(f"{fault}; stop the server and run: fla-batch init") from fault


def _config(connection: Connection | None) -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config
