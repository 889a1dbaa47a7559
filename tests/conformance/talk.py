"""One session in which a case is run: its steps, what they name, and how an answer is awaited.

After the last step the session is asked one thing more, so that a request that is never answered
is found without waiting, and so that it is known whether the session goes on.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from tests.conformance.answers import Answer, Code, parse
from tests.conformance.cases.case import Case
from tests.conformance.requests import (
    CONTENT,
    FRESH,
    Bytes,
    Number,
    Opened,
    Path,
    Request,
    Slowly,
    Step,
    Together,
    Type,
    UntilEnd,
    ask,
    init,
    open_,
    write,
)
from tests.conformance.wire import Ended, Session

PROBE = 0x50524F42
"""The id of the request that shows whether the session goes on."""
LATE = 0.2
"""Seconds without an answer after which the probe is sent again: that wakes a server which reads
on only when more comes, and gives a slow one all of its time."""
LONGEST_LISTING = 100_000
"""Replies to READDIR after which we say that the listing has no end."""
SUCCESS = frozenset(
    {Code.OK, Code.HANDLE, Code.DATA, Code.NAME, Code.ATTRS, Code.EXTENDED_REPLY, Code.VERSION}
)


class Refused(Exception):
    """A step that was to succeed did not, so the last one was never sent."""

    def __init__(self, answer: Answer, what: str) -> None:
        super().__init__(f"{what}: {answer.code} {answer.text}")
        self.answer = replace(answer, text=f"already {what}: {answer.text}".rstrip(": "))
        """That of the step, which says nothing of the one the case is about."""


@dataclass
class Names:
    """What the paths of one case are called on the server."""

    folder: bytes
    prefix: bytes
    cut: bool = False
    """Is a request cut short? Some servers then make a name without its last byte."""
    used: list[bytes] = field(default_factory=list)

    def of(self, path: Path) -> bytes:
        if not path.name:
            return self.folder + path.after
        filled = (self.prefix + path.name).ljust(path.fill, b"x")
        found = self.folder + b"/" + filled + path.after
        if found not in self.used:
            self.used.append(found)
        return found

    def expected(self, given: Path | bytes) -> bytes:
        if isinstance(given, bytes):
            return given
        found = self.of(given)
        return found if given.full else found.rsplit(b"/", 1)[1]

    def plain(self) -> list[bytes]:
        """Those that may be asked for again: a server may end the session over a NUL."""
        plain = [name for name in self.used if b"\0" not in name]
        return plain + [name[:-1] for name in plain if self.cut]


class Talk:
    """One session in which a case is run, or files are prepared."""

    def __init__(self, session: Session, names: Names, keeper: Talk | None) -> None:
        self._session = session
        self._names = names
        self._keeper = keeper
        self._handles: dict[Opened, bytes] = {}
        self._asked = False
        """Is the step sent that the case is about?"""

    def close(self) -> None:
        self._session.close()

    def anew(self, names: Names) -> None:
        self._names = names

    def begin(self) -> None:
        self._expect(init(), "INIT")

    def make(self, path: Path) -> None:
        """Put CONTENT where ``path`` is."""
        handle = self._value(self._expect(open_(path, FRESH), "the OPEN of a file to prepare"))
        self._expect(write(handle, 0, CONTENT), "its WRITE")
        self._expect(ask(Type.CLOSE, handle), "its CLOSE")

    def forget(self) -> None:
        """Close what was opened for another session."""
        for handle in self._handles.values():
            self.say(ask(Type.CLOSE, handle))
        self._handles.clear()

    def say(self, request: Request) -> Answer:
        """A request and its answer. Raises Ended or TimeoutError when there is none."""
        self._session.send(self._packet(request))
        return parse(self._session.receive())

    def run(self, case: Case) -> Answer:
        """All steps; the answer to the last one. Raises Refused when it does not come to that."""
        try:
            if case.begun:
                self.begin()
            for number, step in enumerate(case.steps[:-1], 1):
                answers = self._before(step)
                for answer in answers:
                    if answer.code not in SUCCESS:
                        raise Refused(answer, f"step {number}")
            return self._last(case.steps[-1], case)
        except Ended:
            none = Answer(Code.CLOSED)
        except TimeoutError:
            none = Answer(Code.NOTHING, text=f"in {self._session.patience:g} s")
        if not self._asked:
            raise Refused(none, "before it was asked")
        return none

    def handle(self, opened: Opened) -> bytes:
        """The handle that it stands for, opened now if it was not yet."""
        if opened.elsewhere and self._keeper is not None:
            return self._keeper.handle(replace(opened, elsewhere=False))
        if opened not in self._handles:
            given = self._value(self._expect(opened.request, "opening what it needs"))
            if opened.closed:
                self._expect(ask(Type.CLOSE, given), "closing it")
            self._handles[opened] = given
        return self._handles[opened]

    def _packet(self, request: Request) -> bytes:
        return request.packet(
            lambda thing: self.handle(thing) if isinstance(thing, Opened) else self._names.of(thing)
        )

    def _expect(self, request: Request, what: str) -> Answer:
        answer = self.say(request)
        if answer.code not in SUCCESS:
            raise Refused(answer, what)
        return answer

    @staticmethod
    def _value(answer: Answer) -> bytes:
        if not isinstance(answer.value, bytes) or answer.code is not Code.HANDLE:
            raise Refused(replace(answer, code=Code.WRONG), "no handle was given")
        return answer.value

    # --- steps --------------------------------------------------------------------------

    def _before(self, step: Step) -> list[Answer]:
        match step:
            case Request():
                return [self.say(step)]
            case UntilEnd(request):
                last = self._to_its_end(request)
                return [] if last.code is Code.EOF else [last]
            case Together(requests):
                self._session.send(b"".join([self._packet(each) for each in requests]))
                return [parse(self._session.receive()) for _ in requests]
            case _:
                raise TypeError(f"{step} can only be the last step")

    def _to_its_end(self, request: Request) -> Answer:
        for _ in range(LONGEST_LISTING):
            answer = self.say(request)
            if answer.code is not Code.NAME:
                return answer
        return Answer(Code.WRONG, text="the listing has no end")

    def _last(self, step: Step, case: Case) -> Answer:
        match step:
            case Request():
                return self._answered(self._packet(step), [step])
            case Slowly(request):
                whole = self._packet(request)
                self._asked = True
                for at in range(len(whole)):
                    self._session.send(whole[at : at + 1])
                return self._answered(b"", [request])
            case Bytes(content):
                return self._answered(content, [replace(init(), id=None)])
            case UntilEnd(request):
                first = self.say(request)
                self._asked = True
                return first if first.code is not Code.NAME else self._to_its_end(request)
            case Together(requests):
                found = self._answered(b"".join([self._packet(r) for r in requests]), requests)
                return found if found.code in case.allowed else replace(found, text="one of them")

    def _answered(self, sent: bytes, requests: Iterable[Request]) -> Answer:
        """Send it and the probe; read until both are answered, or only the probe is."""
        self._session.send(sent + ask_probe())
        self._asked = True
        waiting = list(requests)
        answers: list[Answer] = []
        probes = nudges = 0
        while waiting or probes <= nudges:
            try:
                answer = parse(self._session.receive(None if nudges and not probes else LATE))
            except Ended:
                said = f"after {answers[-1].code}: {answers[-1].text}" if answers else ""
                return Answer(Code.CLOSED, text=said)
            except TimeoutError:
                if nudges and not waiting:
                    break
                if nudges:
                    return Answer(Code.NOTHING, text=_silence(probes))
                nudges += 1
                self._session.send(ask_probe())
                continue
            if answer.id == PROBE and probes <= nudges:
                probes += 1
                continue
            if answer.code is Code.WRONG:
                return answer
            asked = next((r for r in waiting if r.id is None or r.id == answer.id), None)
            if asked is None:
                return replace(answer, code=Code.WRONG, text=f"an answer to id {answer.id}")
            waiting.remove(asked)
            answers.append(_fitting(asked, answer))
        return next((a for a in answers if a.code not in SUCCESS), answers[-1])


def _silence(probes: int) -> str:
    match probes:
        case 0:
            return "and the session hangs"
        case 1:
            return "and the next request waits until another comes"
        case _:
            return "to this request alone"


def ask_probe() -> bytes:
    """REALPATH of the default directory: every server has it, and it changes nothing."""
    path = b"."
    body = bytes([Type.REALPATH]) + struct.pack(">II", PROBE, len(path)) + path
    return struct.pack(">I", len(body)) + body


def _fitting(request: Request, answer: Answer) -> Answer:
    """WRONG where an answer says more than was asked."""
    wrong = ""
    match answer.value, request:
        case bytes(data), Request(type=Type.READ, fields=(_, _, Number(most))) if len(data) > most:
            wrong = "more bytes than were asked for"
        case tuple(names), _:
            wrong = _names_wrong(request, names)
    return replace(answer, code=Code.WRONG, text=wrong) if wrong else answer


def _names_wrong(request: Request, names: tuple[bytes, ...]) -> str:
    match request.type:
        case Type.REALPATH if len(names) == 1 and not names[0].startswith(b"/"):
            return "a path that is not absolute"
        case Type.REALPATH | Type.READLINK if len(names) != 1:
            return f"{len(names)} names instead of one"
        case Type.READDIR if any(b"/" in name for name in names):
            return "a name with a slash"
        case Type.READDIR if not names:
            return "no names and no end"
        case _:
            return ""
