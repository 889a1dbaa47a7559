"""``python -m tests.crash.soak``: twenty senders, kills every few seconds, a clock that jumps.

Two thirds of the time processes are killed and the clock moves; in the last third nothing is
killed, and memory and descriptors of the processes must stay flat. At the end every set that was
taken has its answers, once.
"""

from __future__ import annotations

import argparse
import logging
import os
import random
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import asyncssh
from rich.console import Console
from rich.table import Table

from batch.signing import certificate, encoding, signature
from tests.acceptance.clients import OpenSsl
from tests.acceptance.conftest import channel as channel_command
from tests.acceptance.conftest import register
from tests.acceptance.instance import Sender, Shell, enterprise
from tests.crash.lab import checks, report
from tests.crash.lab.channel import Channel, Forked
from tests.crash.lab.checks import Book
from tests.crash.lab.life import content
from tests.crash.lab.places import Directory
from tests.crash.lab.sender import Client, Lost, Refused
from tests.declarations import EMPLOYER

SENDERS = 20
KILL_SECONDS = (2.0, 7.0)
JUMP_SECONDS = 10.0
CLOCK = Path(__file__).parent / "clock"
LIBRARY = "*/faketime/libfaketimeMT.so.1"
UNANSWERED = 3
"""Sets a sender has under way at most."""
LOOK_SECONDS = 0.1
"""Between two looks of a sender into its outbox."""
LAST_SECONDS = 60.0
"""After the last set everything must be answered within this."""
GROWTH = 8 << 20
"""Bytes by which a process may grow in the quiet third, after its first quarter."""


@dataclass(frozen=True, slots=True)
class Size:
    """Of one process at one time: resident bytes and open descriptors."""

    resident: int
    descriptors: int


@dataclass
class Soak:
    """One channel, its senders, and what happens to them."""

    channel: Channel
    senders: dict[Sender, str]
    """Each with the number of its enterprise."""
    clock: Path
    chance: random.Random
    books: list[Book] = field(default_factory=list)
    kills: int = 0
    jumps: int = 0
    sets: int = 0
    wrong: list[str] = field(default_factory=list)
    sizes: dict[str, list[Size]] = field(default_factory=dict)
    _stop: threading.Event = field(default_factory=threading.Event)
    _guard: threading.Lock = field(default_factory=threading.Lock)

    def run(self, seconds: float) -> None:
        """Kill for two thirds of the time, watch for the last, then look at everything."""
        self.channel.start()
        threads = [threading.Thread(target=self._send, args=s) for s in self.senders.items()]
        for thread in threads:
            thread.start()
        self._torment(seconds * 2 / 3)
        self._watch(seconds / 3)
        self._stop.set()
        for thread in threads:
            thread.join()
        self._everything()

    def _send(self, who: Sender, employer: str) -> None:
        """One sender: a few sets under way, answers read and removed."""
        book, sign = Book(), _signer(who)
        client = Client(self.channel, who)
        with self._guard:
            self.books.append(book)
        last = float("inf")
        while not self._stop.is_set() or (book.contents and time.monotonic() < last):
            if self._stop.is_set():
                last = min(last, time.monotonic() + LAST_SECONDS)
            try:
                client.connect()
                if not self._stop.is_set() and len(book.contents) < UNANSWERED:
                    book.contents.append(content(who.number, "R", employer=employer, sign=sign))
                for one in book.contents:
                    one.deliver(client)
                self._collect(book, client)
                time.sleep(LOOK_SECONDS)
            except Lost:
                client.drop()
            except Refused as error:
                book.wrong.append(f"{who.user}: {error}")
                break
            if book.wrong:
                break
        client.drop()

    def _collect(self, book: Book, client: Client) -> None:
        book.look(client)
        book.finished()
        for one in [c for c in book.contents if book.has_all(c)]:
            for name in book.files_about(one.stem):
                book.asked.add(name)
                with suppress(Refused):
                    client.remove("OUT", name)
                book.gone.add(name)
            book.done(one)
            with self._guard:
                self.sets += 1

    def _torment(self, seconds: float) -> None:
        ends, jump = time.monotonic() + seconds, 0.0
        while time.monotonic() < ends:
            time.sleep(self.chance.uniform(*KILL_SECONDS))
            if time.monotonic() > jump:
                jump = time.monotonic() + JUMP_SECONDS
                self._move_the_clock()
            try:
                self._kill()
            except AssertionError as error:
                self.wrong.append(str(error))
                return

    def _kill(self) -> None:
        victim = self.chance.choice(("sftp", "worker", "sftp", "worker", "serve"))
        if victim == "serve":
            self.channel.die()
            self.channel.start()
        else:
            os.kill(self.channel.role(victim), signal.SIGKILL)
        self.kills += 1

    def _move_the_clock(self) -> None:
        """Forth and back within half an hour from now, before which no channel was open.

        Not into another day of Brussels: the names of the sets carry today's.
        """
        now = datetime.now(UTC).astimezone(ZoneInfo("Europe/Brussels"))
        seconds = self.chance.randint(0, 1800)
        if (now + timedelta(seconds=seconds)).date() == now.date():
            self.clock.write_text(f"{seconds:+d}\n")
            self.jumps += 1

    def _watch(self, seconds: float) -> None:
        ends = time.monotonic() + seconds
        time.sleep(min(10, seconds / 4))
        processes = {role: self.channel.role(role) for role in ("sftp", "worker")}
        while time.monotonic() < ends:
            for role, process in processes.items():
                self.sizes.setdefault(role, []).append(_size(process))
            time.sleep(1)
        for role, seen in self.sizes.items():
            settled = seen[len(seen) // 4 :]
            growth = settled[-1].resident - settled[0].resident
            if growth > GROWTH:
                self.wrong.append(f"{role}: grew by {growth >> 20} MB")
            held = [s.descriptors for s in settled]
            if held[-1] > held[0] + SENDERS:
                self.wrong.append(f"{role}: {held[0]} descriptors, then {held[-1]}")

    def _everything(self) -> None:
        self.wrong += [text for book in self.books for text in book.wrong]
        late = [c.stem for book in self.books for c in book.contents]
        self.wrong += [f"{stem}: not answered" for stem in late]
        self.wrong += checks.problems(self.channel)
        recorded = checks.recorded_more_than_once(self.channel)
        self.wrong += [f"{reference}: recorded more than once" for reference in recorded]


def main(arguments: list[str]) -> int:
    """1 when a promise was broken or a process grew."""
    given = _parser().parse_args(arguments)
    logging.getLogger("paramiko").setLevel(logging.CRITICAL)
    print(f"seed {given.seed}, {given.minutes:g} minutes", flush=True)
    scratch = Path(tempfile.mkdtemp(prefix="soak-"))
    try:
        soak = _made(scratch, random.Random(given.seed))
        try:
            soak.run(given.minutes * 60)
        finally:
            soak.channel.close()
            soak.channel.shell.close()
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    rows = _rows(soak, given.minutes)
    table = Table(title="Soak", title_justify="left", show_header=False)
    for row in rows:
        table.add_row(*row)
    Console().print(table)
    for text in soak.wrong[:20]:
        print(text, file=sys.stderr)
    if given.write and not soak.wrong:
        lines = ["| what | measured |", "| --- | ---: |", *(f"| {a} | {b} |" for a, b in rows)]
        report.PAGE.put("soak", lines)
    return int(bool(soak.wrong))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=15)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--write", action="store_true", help="put the figures into the docs")
    return parser


def _made(scratch: Path, chance: random.Random) -> Soak:
    """An instance with twenty channels, served under faketime."""
    shell = Shell()
    (scratch / "registered").mkdir()
    registered = register(shell, scratch / "registered")
    openssl = OpenSsl(scratch)
    trusted = registered.instance.command("trust", "add", openssl.authority("authority"))
    assert trusted.code == 0, trusted.err
    senders = {registered.employer: EMPLOYER}
    for number in range(4, 3 + SENDERS):
        user = f"sender{number}"
        key = asyncssh.generate_private_key("ssh-ed25519")
        identity, public = scratch / f"{user}.ssh", scratch / f"{user}.ssh.pub"
        key.write_private_key(identity)
        key.write_public_key(public)
        signs = openssl.signer(user, "authority", "ec")
        sender = Sender(f"{number:06d}", user, identity, *signs)
        said = registered.instance.commands(
            ["enterprise", "add", enterprise(number), "--name", user],
            channel_command(enterprise(number), "nsso-employer", sender, public),
        )
        assert said[-1].done().document["sender_number"] == sender.number
        senders[sender] = enterprise(number)
    shell.close()
    place = Directory(scratch / "place")
    place.root.mkdir()
    shutil.copytree(registered.instance.data, place.data, symlinks=True)
    outside, clock = scratch / "outside", scratch / "clock"
    outside.mkdir()
    clock.write_text("+0\n")
    channel = Channel(place, outside, Forked(), None)
    channel.given = {
        "LD_PRELOAD": str(next(Path("/usr/lib").glob(LIBRARY))),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "NO_FAKE_STAT": "1",
        "PYTHONPATH": os.pathsep.join([str(CLOCK), os.environ.get("PYTHONPATH", "")]).strip(":"),
    }
    return Soak(channel, senders, clock, chance)


def _signer(who: Sender) -> Callable[[bytes], bytes]:
    """What makes an FS with the sender's key."""
    signer = signature.key_signer(
        signature.load_key(who.key.read_bytes()), certificate.read(who.certificate.read_bytes())
    )
    return lambda fi: encoding.encode(signature.sign_with(signer, [fi], datetime.now(UTC)))


def _rows(soak: Soak, minutes: float) -> list[tuple[str, str]]:
    rows = [
        ("minutes", f"{minutes:g}"),
        ("senders", str(len(soak.senders))),
        ("sets answered", str(soak.sets)),
        ("processes killed", str(soak.kills)),
        ("clock jumps", str(soak.jumps)),
        ("promises broken", str(len(soak.wrong))),
    ]
    for role, seen in soak.sizes.items():
        settled = seen[len(seen) // 4 :]
        first, last = settled[0], settled[-1]
        rows.append(
            (f"{role}, resident MB", f"{first.resident / 1e6:.1f} → {last.resident / 1e6:.1f}")
        )
        rows.append((f"{role}, descriptors", f"{first.descriptors} → {last.descriptors}"))
    return rows


def _size(process: int) -> Size:
    pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    return Size(
        pages * os.sysconf("SC_PAGE_SIZE"), len(list(Path(f"/proc/{process}/fd").iterdir()))
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
