"""What was found of a certificate's revocation at an instant: values, no more."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class SourceKind(StrEnum):
    """What tells of revocations: a list of a CA, or its answer about one certificate."""

    CRL = "CRL"
    OCSP = "OCSP"


@dataclass(frozen=True, slots=True)
class Evidence:
    """The list or answer a finding rests on: its SHA-256 (hex), and for when it speaks.

    ``also``: the SHA-256 of the others without which it would not be found: the complete list under
    a delta, lists for other reasons, the list about a separate key that signed.
    """

    kind: SourceKind
    sha256: str
    this_update: datetime
    next_update: datetime | None
    also: tuple[str, ...] = ()

    @property
    def every(self) -> frozenset[str]:
        """All the sources that give the finding again, by SHA-256 (hex)."""
        return frozenset({self.sha256, *self.also})


@dataclass(frozen=True, slots=True)
class Good:
    """Not revoked at the instant, says ``evidence``. ``certificate``: its SHA-256 (hex)."""

    certificate: str
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class Revoked:
    """Revoked from ``since`` on, which is not after the instant; ``reason`` as RFC 5280 5.3.1."""

    certificate: str
    evidence: Evidence
    since: datetime
    reason: str | None

    @property
    def words(self) -> str:
        """What is said of the certificate: it "was revoked on ..."."""
        why = f" ({self.reason})" if self.reason else ""
        return f"was revoked on {self.since:%Y-%m-%d %H:%M} UTC{why}"


@dataclass(frozen=True, slots=True)
class OutOfReach:
    """A source exists, and none that speaks for the instant is at hand: look again later."""

    certificate: str
    words: str


@dataclass(frozen=True, slots=True)
class NotChecked:
    """No source is configured for its issuer, and the certificate names none."""

    certificate: str


Finding = Good | Revoked | OutOfReach | NotChecked
