"""What happened to a set, and when: written in the transaction that made it happen."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection

from batch.storage.prepared import row_of
from batch.storage.submission_tables import event

_ADD = row_of(event, "at", "submission_id", "what", "detail")


def add(connection: Connection, submission_id: int, what: str, at: datetime, detail: str) -> None:
    """Put down one event of a set; ``detail`` may be empty."""
    _ADD.add(connection, at=at, submission_id=submission_id, what=what, detail=detail or None)
