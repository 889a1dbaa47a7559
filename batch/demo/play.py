"""Playing the story: every set is signed, sent, waited for, and its answers are proved."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from batch.client import Connection
from batch.demo.cast import Cast, Command
from batch.demo.channel import HOST
from batch.demo.outcome import Came
from batch.demo.postbox import Postbox
from batch.demo.story import PARTIES, Party, Step
from batch.demo.transfer import Transfer, open_transfer
from batch.names import (
    Environment,
    Folder,
    Kind,
    PartName,
    PurposeCode,
    Sequence,
    Stem,
    TriggerName,
)

ANSWER_SECONDS = 15.0
"""For one set: the grace at GO (5 s at most) and the judging of a few forms."""
_PAUSE = 0.1


class Narrator(Protocol):
    """Who tells what happens while it happens."""

    def heading(self, text: str) -> None: ...

    def command(self, text: str) -> None: ...

    def ended(self, came: Came) -> None: ...

    def busy(self, text: str) -> AbstractContextManager[object]: ...


@dataclass(slots=True)
class Stage:
    """Where the story is played: ``cast`` at the channel on ``port``, with the purpose code
    ``code``. Close it when all is played."""

    cast: Cast
    port: int
    code: str
    command: Command
    tell: Narrator
    _lines: dict[str, Transfer] = field(default_factory=dict)
    _boxes: dict[tuple[str, Folder], Postbox] = field(default_factory=dict)
    _open: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> Stage:
        """Connect every party, which trusts the channel's host key and no other."""
        kind, key, *_ = self.cast.host_key.read_text("ascii").split()
        for party in PARTIES:
            home = self.cast.of(party)
            known = home / "known_hosts"
            known.write_text(f"[{HOST}]:{self.port} {kind} {key}\n", "ascii")
            connection = Connection(HOST, self.port, party.user, home / "login", known)
            self._lines[party.user] = self._open.enter_context(open_transfer(connection))
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def play(self, story: tuple[Step, ...]) -> list[Came]:
        """Play every step in turn; raise PlayFailed when a program fails."""
        return [self._step(number, step) for number, step in enumerate(story, 1)]

    def _step(self, number: int, step: Step) -> Came:
        self.tell.heading(f"{number}. {step.title}")
        stem = self._stem(step)
        files = self._write(step, stem)
        line, box = self._lines[step.party.user], self._box(step.party, step.folder.answers)
        with self.tell.busy(f"{stem}: sent to {step.folder}, waiting in {step.folder.answers}"):
            line.put(files, step.folder)
            _wait(box, str(stem))
        astray = tuple(line.listed(_other(step.folder.answers)))
        receipt, notice = box.receipts.get(str(stem)), box.notice(str(stem))
        came = Came(step, str(stem), receipt, notice, box.files(str(stem)), astray)
        self.tell.ended(came)
        return came

    def _stem(self, step: Step) -> Stem:
        letter = Environment.TEST if step.folder.is_test else Environment.PRODUCTION
        code, sequence = PurposeCode.parse(self.code), Sequence.parse(step.sequence)
        return Stem(code, self.cast.senders[step.party.user], step.made, sequence, letter)

    def _box(self, party: Party, folder: Folder) -> Postbox:
        place = self.cast.of(party) / "answers"
        made = Postbox(self._lines[party.user], folder, place, self.cast.institution)
        return self._boxes.setdefault((party.user, folder), made)

    def _write(self, step: Step, stem: Stem) -> list[Path]:
        """The files of the set, GO last; the FS is made by ``fla-batch sign``."""
        home = self.cast.of(step.party)
        data = PartName(Kind.FI, stem)
        names = (data, data.of(Kind.FS), TriggerName(Kind.GO, stem))
        fi, fs, go = (home / "sent" / str(name) for name in names)
        fi.write_bytes(step.content)
        go.touch()
        if not step.signed:
            return [fi, go]
        pair = ("--key", home / "sign.key.pem", "--certificate", home / "sign.pem")
        self.command("sign", fi, *pair)
        fi.write_bytes(step.sent)
        return [fi, fs, go]


def _other(outbox: Folder) -> Folder:
    return Folder.OUT if outbox is Folder.OUTTEST else Folder.OUTTEST


def _wait(box: Postbox, stem: str) -> None:
    """Look until the answers to ``stem`` are there; what is missing in the end is a surprise."""
    until = time.monotonic() + ANSWER_SECONDS
    while True:
        box.look()
        if box.complete(stem) or time.monotonic() > until:
            return
        time.sleep(_PAUSE)
