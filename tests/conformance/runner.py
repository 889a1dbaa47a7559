"""Runs cases against a server, each in a session of its own, and says what was answered."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from types import TracebackType

from tests.conformance.answers import Answer, Code, Value
from tests.conformance.cases.case import Case
from tests.conformance.requests import Opened, Path, Request, Slowly, Together, Type, UntilEnd, ask
from tests.conformance.talk import Names, Refused, Talk
from tests.conformance.wire import Connect, Ended, Session


@dataclass(frozen=True)
class Outcome:
    """What came of a case."""

    code: Code
    note: str = ""
    """What the server said to it, or what is wrong with the answer."""
    early: bool = False
    """It is that of a step before, so that the last one was never sent."""


class Unprepared(Exception):
    """The files a case needs cannot be made: the server, or the folder, is not fit for it."""


class Runner:
    """Runs cases one after another in ``folder`` of the server that ``connect`` reaches.

    ``aside`` opens the session that prepares and removes files; its handles are the foreign ones.
    """

    def __init__(
        self, connect: Connect, folder: bytes, patience: float = 5.0, aside: Connect | None = None
    ) -> None:
        self._connect = connect
        self._folder = folder
        self._patience = patience
        self._aside = aside or connect
        self._run = secrets.token_hex(3).encode()
        self._count = 0
        self._keeper: Talk | None = None

    def __enter__(self) -> Runner:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: object, _trace: TracebackType | None
    ) -> None:
        if self._keeper is not None:
            self._keeper.close()

    def run_all(self, cases: Iterable[Case]) -> Iterator[tuple[Case, Outcome]]:
        """Each case with its outcome."""
        for case in cases:
            yield case, self.run(case)

    def run(self, case: Case) -> Outcome:
        """One case. Raises Unprepared."""
        self._count += 1
        cut = any(isinstance(step, Request) and step.cut for step in case.steps)
        names = Names(self._folder, b"conformance-%s-%d-" % (self._run, self._count), cut)
        try:
            keeper = self._living_keeper(names)
            for path in _prepared(case):
                keeper.make(path)
        except (Refused, Ended, TimeoutError) as error:
            raise Unprepared(f"files for {case.name}: {error!r}") from None
        talk = Talk(Session(self._connect(), self._patience), names, keeper)
        try:
            return _judge_value(case, talk.run(case), names)
        except Refused as refused:
            return Outcome(refused.answer.code, refused.answer.text, early=True)
        finally:
            talk.close()
            self._tidy(names)

    def _living_keeper(self, names: Names) -> Talk:
        if self._keeper is None:
            self._keeper = Talk(Session(self._aside(), self._patience), names, None)
            self._keeper.begin()
        self._keeper.anew(names)
        return self._keeper

    def _tidy(self, names: Names) -> None:
        assert self._keeper is not None
        try:
            self._keeper.forget()
            for path in reversed(names.plain()):
                if self._keeper.say(ask(Type.REMOVE, path)).code is not Code.OK:
                    self._keeper.say(ask(Type.RMDIR, path))
        except (Ended, TimeoutError, Refused):
            self._keeper.close()
            self._keeper = None


def _judge_value(case: Case, answer: Answer, names: Names) -> Outcome:
    note = answer.text
    wanted = case.gives
    if wanted is not None and answer.code in case.allowed and answer.value is not None:
        if isinstance(wanted, tuple):
            assert isinstance(answer.value, tuple)
            missing = [w for each in wanted if (w := names.expected(each)) not in answer.value]
            if missing:
                return Outcome(Code.WRONG, f"{answer.code} without {missing[0]!r}")
        elif answer.value != wanted:
            return Outcome(Code.WRONG, f"{answer.code} {_short(answer.value)}, not {wanted!r}")
    return Outcome(answer.code, note)


def _short(value: Value) -> str:
    return repr(value[:40]) if isinstance(value, bytes) else repr(value)


def _prepared(case: Case) -> list[Path]:
    """The files that the case needs, wherever in it they are named."""
    found: list[Path] = []

    def look(thing: object) -> None:
        match thing:
            case Path(prepared=True):
                plain = Path(thing.name, prepared=True)
                if plain not in found:
                    found.append(plain)
            case Opened(request) | Slowly(request) | UntilEnd(request):
                look(request)
            case Request(fields=fields):
                for one in fields:
                    look(one)
            case Together(requests):
                for each in requests:
                    look(each)

    for step in case.steps:
        look(step)
    return found
