"""JSON in one form only, so that the same facts have the same SHA-256 for ever."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from typing import Any

Document = dict[str, Any]


def canonical(document: Document) -> str:
    """One line of ASCII: keys in order, no blanks. Same facts, same bytes."""
    return json.dumps(
        document, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False
    )


def digest(text: str | bytes) -> str:
    """The SHA-256, in hex."""
    return hashlib.sha256(text.encode() if isinstance(text, str) else text).hexdigest()


def instant(at: datetime | None) -> str | None:
    """An instant as documents carry it: UTC with microseconds; None where there is none."""
    return None if at is None else at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def read_instant(text: str) -> datetime:
    """What ``instant`` wrote; ValueError for anything else."""
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)
