"""What can be wrong with a declaration: the type, and the door to the catalogue.

An anomaly is a value. Reception (ACRF) and content (NOTI) share the official code space
(annex 30); the zone in front tells the layer: ``ACRF-125``, ``00024-004``.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Layer(StrEnum):
    """Which answer carries the code."""

    RECEPTION = "reception"
    CONTENT = "content"


class Severity(StrEnum):
    """AnomalyClass (zone 00497): only the two the FLA uses."""

    BLOCKING = "B"
    WARNING = "W"


class Language(StrEnum):
    NL = "nl"
    FR = "fr"
    DE = "de"
    EN = "en"


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the catalogue. ``code`` is never reused; ``text`` and ``advice`` per language.

    ``clause``: where the rule stands; ``border``: what parts it from its neighbours.
    """

    code: str
    layer: Layer
    severity: Severity
    text: dict[Language, str]
    advice: dict[Language, str]
    clause: str
    border: str


@dataclass(frozen=True, slots=True)
class Anomaly:
    """One mistake found.

    ``zone`` is ``ACRF`` or the five characters of a zone or block; ``code`` three digits;
    ``tag``/``value`` the element and what it held (for the sender's eyes only: it may be an
    INSS, so it goes into answers and never into logs); ``line``/``column`` 1-based in the FI;
    ``part`` the file it was found in; ``explanation`` one English sentence for a person;
    ``cause`` the finer reason for a program, of a signature (``signing.doctor.Diagnosis.slug``).
    """

    zone: str
    code: str
    severity: Severity = Severity.BLOCKING
    tag: str | None = None
    value: str | None = None
    line: int | None = None
    column: int | None = None
    location: str | None = None
    part: str | None = None
    explanation: str | None = None
    cause: str | None = None

    @property
    def error_id(self) -> str:
        return f"{self.zone}-{self.code}"

    @property
    def layer(self) -> Layer:
        return Layer.RECEPTION if self.zone == "ACRF" else Layer.CONTENT

    @property
    def blocks(self) -> bool:
        return self.severity is Severity.BLOCKING


def reception(
    code: str,
    explanation: str,
    *,
    part: str | None = None,
    line: int | None = None,
    severity: Severity = Severity.BLOCKING,
    cause: str | None = None,
) -> Anomaly:
    """An anomaly of the reception layer."""
    words = explanation
    return Anomaly("ACRF", code, severity, part=part, line=line, explanation=words, cause=cause)
