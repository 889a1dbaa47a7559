"""What waits in ``sealed``, and which of it only waits to be archived."""

from __future__ import annotations

import os
from collections.abc import Container, Iterable, Sequence
from contextlib import suppress

from sqlalchemy import Connection, select

from batch.states import SetKey, Stage
from batch.storage.layout import Layout
from batch.storage.prepared import Listed
from batch.storage.submission_tables import submission


def newcomers(layout: Layout, known: Container[str]) -> list[str]:
    """The names in ``sealed`` that are not ``known``."""
    return [name for name in os.listdir(layout.sealed) if name not in known]


def sealed_sets(layout: Layout, names: Iterable[str]) -> list[tuple[SetKey, float]]:
    """The sets of these names in ``sealed``, each with the time of its sealing.

    What is no key, or not there any more, is left.
    """
    found: list[tuple[SetKey, float]] = []
    for name in names:
        with suppress(ValueError, FileNotFoundError):
            found.append((SetKey.parse(name), os.stat(f"{layout.sealed}/{name}").st_mtime))
    return found


def answered(connection: Connection, submission_ids: Sequence[int]) -> set[int]:
    """Which of these sets are answered, and so only wait to be archived."""
    return {row.id for row in _ANSWERED.rows(connection, submission_ids)}


_ANSWERED = Listed(
    lambda ids: select(submission.c.id).where(
        submission.c.id.in_(ids), submission.c.state == Stage.ANSWERED
    )
)
