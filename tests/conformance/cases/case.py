"""A case: what is sent, the clause it rests on, and every answer that clause allows."""

from __future__ import annotations

from dataclasses import dataclass

from tests.conformance.answers import Code
from tests.conformance.requests import Path, Step


@dataclass(frozen=True)
class Case:
    """The last step is the one that is judged; those before it must succeed to come there."""

    name: str
    clause: str
    """A section of draft-ietf-secsh-filexfer-02, or of OpenSSH's PROTOCOL."""
    steps: tuple[Step, ...]
    allowed: frozenset[Code]
    gives: bytes | int | tuple[Path | bytes, ...] | None = None
    """What DATA, ATTRS (its size) or VERSION then carries, and the names that NAME has at least."""
    begun: bool = True
    """Are INIT and VERSION exchanged before the first step?"""


def case(
    name: str,
    clause: str,
    *steps: Step,
    allowed: Code | frozenset[Code],
    gives: bytes | int | tuple[Path | bytes, ...] | None = None,
    begun: bool = True,
) -> Case:
    """A case whose answers are one code or a set of them."""
    codes = frozenset({allowed}) if isinstance(allowed, Code) else allowed
    return Case(name, clause, steps, codes, gives, begun)


def any_of(*codes: Code) -> frozenset[Code]:
    return frozenset(codes)


REFUSED = any_of(
    Code.NO_SUCH_FILE,
    Code.PERMISSION_DENIED,
    Code.FAILURE,
    Code.BAD_MESSAGE,
    Code.OP_UNSUPPORTED,
)
"""An error is asked for, and section 7 leaves open which."""
THERE = REFUSED - {Code.NO_SUCH_FILE}
"""An error about something that is there."""
ABSENT = any_of(Code.NO_SUCH_FILE)
"""Section 7: a reference to a file which should exist but doesn't."""
BROKEN = any_of(Code.BAD_MESSAGE, Code.FAILURE, Code.CLOSED)
"""Section 7: BAD_MESSAGE may be returned for a badly formatted packet."""
OK = any_of(Code.OK)
HANDLE = any_of(Code.HANDLE)
NAME = any_of(Code.NAME)
ATTRS = any_of(Code.ATTRS)
ENDED = any_of(Code.CLOSED)
