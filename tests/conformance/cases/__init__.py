"""All cases, in the order of the draft: plain ones, boundaries, and what an attacker sends."""

from __future__ import annotations

from tests.conformance.cases import attributes, extensions, files, hostile, names, session
from tests.conformance.cases.case import Case

ALL: tuple[Case, ...] = (
    *session.CASES,
    *files.CASES,
    *attributes.CASES,
    *names.CASES,
    *extensions.CASES,
    *hostile.CASES,
)
