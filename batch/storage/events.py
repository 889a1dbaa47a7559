"""What happened to a set, and when: written in the transaction that made it happen."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, insert

from batch.storage.submission_tables import event


def add(connection: Connection, submission_id: int, what: str, at: datetime, detail: str) -> None:
    """Put down one event of a set; ``detail`` may be empty."""
    connection.execute(
        insert(event).values(at=at, submission_id=submission_id, what=what, detail=detail or None)
    )
