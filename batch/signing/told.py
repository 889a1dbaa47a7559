"""What one source tells of a certificate at an instant, before all are weighed together."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from cryptography import x509

from batch.signing.crl import Entry
from batch.signing.findings import Evidence


@dataclass(frozen=True, slots=True)
class Told:
    """The word of a source that may be believed: revoked, or (``entry`` None) not revoked.

    ``reasons``: those it speaks of; a list may be limited to some. An entry is never later than
    the instant: what happens afterwards does not touch what was signed and sealed before.
    """

    evidence: Evidence
    entry: Entry | None
    reasons: frozenset[x509.ReasonFlags]


@dataclass(frozen=True, slots=True)
class Useless:
    """A source that is there for the certificate and of no use: which one, and why."""

    words: str


def day(instant: datetime) -> str:
    """An instant for a person."""
    return f"{instant:%Y-%m-%d %H:%M} UTC"
