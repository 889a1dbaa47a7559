"""What a server states of itself: where it differs from the draft, and what it does where that is
open.

A statement is a TOML file. ``[[differs]]`` has ``cases``, the ``answer`` given and ``why``; a
difference that does not occur is an error, so that no list of them rots. ``[exact]`` lists, by
answer, the cases of which the draft allows several; with it, a server is held to exactly these.
A name may be a pattern as of a shell; of all that fit a case, the longest counts.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

from tests.conformance.answers import Code
from tests.conformance.cases.case import Case
from tests.conformance.runner import Outcome


@dataclass(frozen=True)
class Difference:
    """An answer that the draft does not allow, and the reason for it."""

    answer: Code
    why: str


@dataclass(frozen=True)
class Statement:
    """By names or patterns of cases."""

    differs: Mapping[str, Difference] = field(default_factory=dict)
    exact: Mapping[str, Code] = field(default_factory=dict)

    def difference(self, case: Case) -> Difference | None:
        """What it states of this case, if it differs."""
        name = _longest(self.differs, case)
        return None if name is None else self.differs[name]

    def exactly(self, case: Case) -> Code | None:
        """The one answer it gives, where the draft leaves it open."""
        name = _longest(self.exact, case) if len(case.allowed) > 1 else None
        return None if name is None else self.exact[name]

    def expected(self, case: Case) -> frozenset[Code]:
        """Every answer that is right for this server."""
        differs, exact = self.difference(case), self.exactly(case)
        if differs is not None:
            return frozenset({differs.answer})
        return case.allowed if exact is None else frozenset({exact})


NOTHING_STATED = Statement()


def _longest(patterns: Iterable[str], case: Case) -> str | None:
    return max((p for p in patterns if fnmatchcase(case.name, p)), key=len, default=None)


class Unfit(Exception):
    """A statement that does not fit the cases; says where."""


def load(path: Path, cases: Sequence[Case]) -> Statement:
    """Read a statement and hold it against the cases. Raises Unfit, OSError or TOMLDecodeError."""
    found = tomllib.loads(path.read_text("utf-8"))
    differs = [
        (name, Difference(Code(group["answer"]), group["why"]))
        for group in found.get("differs", ())
        for name in group["cases"]
    ]
    exact = [(n, Code(answer)) for answer, names in found.get("exact", {}).items() for n in names]
    statement = Statement(dict(differs), dict(exact))
    named = [name for name, _ in (*differs, *exact)]
    problems = [f"{name} stands there twice" for name in {n for n in named if named.count(n) > 1}]
    problems += _problems(statement, cases)
    if problems:
        raise Unfit("\n".join(f"{path.name}: {problem}" for problem in sorted(problems)))
    return statement


def _problems(statement: Statement, cases: Iterable[Case]) -> Iterator[str]:
    unused = {*statement.differs, *statement.exact}
    for case in cases:
        differs, exact = statement.difference(case), statement.exactly(case)
        if differs is not None:
            unused.discard(_longest(statement.differs, case) or "")
            if differs.answer in case.allowed:
                yield f"{case.name}: {differs.answer} is no difference"
        elif exact is not None:
            unused.discard(_longest(statement.exact, case) or "")
            if exact not in case.allowed:
                yield f"{case.name}: {exact} is a difference, and needs its reason"
        elif statement.exact and len(case.allowed) > 1:
            yield f"{case.name}: the draft leaves it open, so say what is answered"
    for name in unused:
        yield f"{name} counts for no case"


@dataclass(frozen=True)
class Judged:
    """A case, what came of it, and what was right."""

    case: Case
    outcome: Outcome
    expected: frozenset[Code]
    why: str = ""
    """Why this server differs, where it states so."""

    @property
    def right(self) -> bool:
        """An answer to a step before counts only where the server states that it comes to that."""
        return self.outcome.code in self.expected and not (self.outcome.early and not self.why)


def judge(statement: Statement, case: Case, outcome: Outcome) -> Judged:
    """Hold an outcome against the draft and what the server states."""
    differs = statement.difference(case)
    return Judged(case, outcome, statement.expected(case), differs.why if differs else "")
