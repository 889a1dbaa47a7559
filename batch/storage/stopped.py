"""What was in hand when all of us stopped is given back: at the start, or when it can be.

A database that is away at the start owes this: a mark in ``locks`` says so, and the worker does
it before it takes up the first set there. Later would be wrong: then sets are in *its* hands.
"""

from __future__ import annotations

from pathlib import Path

from batch.storage import claims
from batch.storage.database import Database, writing
from batch.storage.layout import Layout


def give_back(layout: Layout, engine: Database, *, test: bool) -> None:
    """Nobody works on this database: nothing in hand there counts as an attempt. Idempotent.

    Raises Busy when it is away; the mark stays then.
    """
    mark = _mark(layout, test)
    mark.touch(0o600)
    with writing(engine) as connection:
        claims.give_back(connection)
    mark.unlink(missing_ok=True)


def give_back_if_owed(layout: Layout, engine: Database, *, test: bool) -> None:
    """The same where the start could not; for the worker that has not taken up anything there."""
    if _mark(layout, test).exists():
        give_back(layout, engine, test=test)


def _mark(layout: Layout, test: bool) -> Path:
    return layout.locks / ("give-back.test" if test else "give-back.production")
