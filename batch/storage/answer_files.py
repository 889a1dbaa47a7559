"""Which answer of a set is written, and what of it was."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AnswerName:
    """Which answer of a set is written: its layer, its stem, and in which attempt."""

    layer: str
    stem: str
    attempt: int


@dataclass(frozen=True, slots=True)
class AnswerFiles:
    """An answer's final bytes, in the set's directory: FO (or CO) and its FS.

    The fields are columns of the table ``answer``.
    """

    layer: str
    stem: str
    attempt: int
    data_kind: str
    size: int
    sha256: str
    signature_sha256: str
