"""``serve`` is killed ten times under a stream of 200 sets: each is answered once, none is lost.

The client sends again whatever it got no OK for, as any client would. The moments are random, by
a seed that is printed; FLA_CRASH_SEED repeats one.
"""

from __future__ import annotations

import asyncio
import os
import random
import sqlite3
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

import asyncssh
import pytest

from fixtures.declared import fs
from tests.acceptance.answers import Answer
from tests.acceptance.clients import Mail, named, new_stem
from tests.acceptance.conftest import Registered, Serving
from tests.acceptance.conftest import registered as registered
from tests.acceptance.conftest import serving as serving
from tests.acceptance.conftest import shell as shell
from tests.acceptance.instance import Instance, Sender, soon
from tests.declarations import declaration, person, right

SETS, FORMS, KILLS, STREAMS = 200, 2, 10, 4
FILES = 3 * SETS
pytestmark = pytest.mark.timeout(900)

Set = tuple[str, dict[str, bytes]]


@dataclass
class Killer:
    """Kills ``serve`` when the OKs reach each of ``at``, and starts it again on the same port."""

    instance: Instance
    chance: random.Random
    oks: list[str] = field(default_factory=list)
    at: list[int] = field(default_factory=list)
    shown: dict[str, str] = field(default_factory=dict)
    _ok: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.at = sorted(self.chance.sample(range(5, FILES - 5), KILLS))

    def taken(self, name: str) -> None:
        self.oks.append(name)
        self._ok.set()

    async def run(self) -> None:
        for count in self.at:
            while len(self.oks) < count:
                self._ok.clear()
                await self._ok.wait()
            await asyncio.sleep(self.chance.uniform(0, 0.15))
            await asyncio.to_thread(self._kill_and_serve)

    def _kill_and_serve(self) -> None:
        self.instance.kill()
        self._remember()
        self.instance.serve(self.instance.port)

    def _remember(self) -> None:
        """What a sender may have read by now must be the same for ever."""
        for go in self.outbox.glob("GO.*"):
            for name in (f"FO{go.name[2:]}.1", f"FS{go.name[2:]}.1"):
                digest = sha256((self.outbox / name).read_bytes()).hexdigest()
                assert self.shown.setdefault(name, digest) == digest

    @property
    def outbox(self) -> Path:
        return self.instance.folder("000001", "OUT")


@dataclass
class Stream:
    """Sends sets one after another until each file has its OK, and tells ``killer`` of each OK."""

    instance: Instance
    sender: Sender
    killer: Killer
    lost: int = 0
    _connection: asyncssh.SSHClientConnection | None = None
    _sftp: asyncssh.SFTPClient | None = None

    async def send(self, sets: Sequence[Set]) -> None:
        try:
            for _, files in sets:
                for name, content in files.items():
                    await self._until_taken(name, content)
        finally:
            self._hang_up()

    async def _until_taken(self, name: str, content: bytes) -> None:
        while True:
            try:
                async with asyncio.timeout(60):
                    sftp = self._sftp or await self._connect()
                    handle = await sftp.open(f"/IN/{name}", "wb")
                    if content:
                        await handle.write(content)
                    await handle.close()
            except (
                *(asyncssh.SFTPConnectionLost, asyncssh.SFTPNoConnection),
                *(asyncssh.DisconnectError, asyncssh.ChannelOpenError, OSError, TimeoutError),
            ):
                self.lost += 1
                self._hang_up()
                await asyncio.sleep(0.05)
            else:
                self.killer.taken(name)
                return

    async def _connect(self) -> asyncssh.SFTPClient:
        known = asyncssh.import_public_key(self.instance.host_key)
        self._connection = await asyncssh.connect(
            "127.0.0.1",
            self.instance.port,
            config=[],
            username=self.sender.user,
            client_keys=[asyncssh.read_private_key(self.sender.identity)],
            agent_path=None,
            known_hosts=([known], [], []),
        )
        self._sftp = await self._connection.start_sftp_client()
        return self._sftp

    def _hang_up(self) -> None:
        if self._connection is not None:
            self._connection.abort()
        self._connection = self._sftp = None


def _sets(sender: str) -> list[Set]:
    made = []
    for n in range(SETS):
        forms = (
            right(f"R/kill/{n}/{m}", inss=person(FORMS * n + m), number=m) for m in range(FORMS)
        )
        fi = declaration(*forms)
        stem = new_stem(sender)
        made.append((stem, named(stem, (fi, fs(fi)))))
    return made


async def _under_fire(instance: Instance, sender: Sender, killer: Killer, sets: list[Set]) -> int:
    """Send all sets on some connections at once while the killer is at work; connections lost."""
    streams = [Stream(instance, sender, killer) for _ in range(STREAMS)]
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(killer.run())
        for n, stream in enumerate(streams):
            tasks.create_task(stream.send(sets[n::STREAMS]))
    return sum(stream.lost for stream in streams)


def test_ten_kills_under_two_hundred_sets_lose_nothing_and_double_nothing(
    serving: Serving, registered: Registered
) -> None:
    seed = int(os.environ.get("FLA_CRASH_SEED") or random.SystemRandom().randrange(10**6))
    print(f"seed {seed}")
    instance, sender = serving(), registered.employer
    sets = _sets(sender.number)
    killer = Killer(instance, random.Random(seed))
    instance.serve()
    lost = asyncio.run(_under_fire(instance, sender, killer, sets))
    assert lost >= KILLS
    assert Counter(killer.oks) == Counter(name for _, files in sets for name in files)

    with Mail(instance, sender) as mail:
        for stem, _ in sets:
            mail.out.wait(stem, 2, seconds=60)
        answers = list(mail.out.seen.values())
        assert _once_each(answers) == {stem for stem, _ in sets}
        assert all(f.result == "1" for a in answers if a.layer == "NOTI" for f in a.forms)
        assert soon(lambda: mail.names("IN") == [])
    assert instance.stop() == 0
    _nothing_shown_was_changed(killer)
    _each_form_is_recorded_once(instance)
    _another_restart_changes_nothing(instance, killer)


def _once_each(answers: list[Answer]) -> set[str]:
    """The stems answered, once it is sure that each has one positive ACRF and one NOTI."""
    receipts = Counter(a.about.removeprefix("GO.").removesuffix(".1") for a in answers if _good(a))
    notices = Counter(
        a.about.removeprefix("FI.").removesuffix(".1.1") for a in answers if a.layer == "NOTI"
    )
    assert set(receipts.values()) == set(notices.values()) == {1}
    assert receipts == notices
    assert len(answers) == 2 * SETS
    return set(receipts)


def _good(answer: Answer) -> bool:
    return answer.layer == "ACRF" and answer.result == "1"


def _nothing_shown_was_changed(killer: Killer) -> None:
    assert killer.shown, "no answer was out at any kill: the kills came too soon"
    for name, digest in killer.shown.items():
        assert sha256((killer.outbox / name).read_bytes()).hexdigest() == digest, name


def _each_form_is_recorded_once(instance: Instance) -> None:
    listed = instance.json("submission", "list")
    assert len(listed) == SETS
    assert {(line["state"], line["accepted"], line["refused"]) for line in listed} == {
        ("answered", FORMS, 0)
    }
    database = sqlite3.connect(instance.data / "db" / "production.sqlite")
    try:
        held = database.execute(
            "SELECT registrant_reference, version FROM ledger_object"
        ).fetchall()
        versions = database.execute("SELECT count(*) FROM training_right").fetchone()
    finally:
        database.close()
    wanted = [(f"R/kill/{n}/{m}", 1) for n in range(SETS) for m in range(FORMS)]
    assert sorted(held) == sorted(wanted)
    assert versions == (SETS * FORMS,)


def _another_restart_changes_nothing(instance: Instance, killer: Killer) -> None:
    before = {p.name: p.stat().st_mtime_ns for p in killer.outbox.iterdir()}
    assert len(before) == 6 * SETS
    instance.serve()
    assert instance.stop() == 0
    assert {p.name: p.stat().st_mtime_ns for p in killer.outbox.iterdir()} == before
