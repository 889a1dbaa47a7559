"""Many at once at one name: one rename wins it, and a GO seals what its manifest says."""

from __future__ import annotations

import hashlib
import json
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519

from batch.identifiers import SenderNumber
from batch.names import Folder, brussels_day
from batch.settings import load
from batch.sftp_server.protocol import Packet, Status
from batch.states import SetKey
from batch.storage import durable
from tests.integration.sftp_server.support import (
    FRESH,
    WRITE,
    Raw,
    Running,
    make_instance,
    register,
    serving,
)

CLIENTS = 8
APPEND = 0x04
SPREAD = 0.004
"""Seconds by which one may begin before the other: a GO takes about as long."""
OK = Status.OK


@contextmanager
def raced(data: Path) -> Iterator[Running]:
    """A server for one sender, with room for all that is raced for."""
    settings = load(
        data=data,
        port=0,
        max_connections_per_sender=CLIENTS + 1,
        max_sender_files=1_000_000,
        max_waiting_sets=1_000_000,
    )
    instance = make_instance(settings)
    key = ed25519.Ed25519PrivateKey.generate()
    register(instance, "000001", "alice", key)
    with serving(instance, settings) as port:
        yield Running(instance, port, {"alice": key})


def put(raw: Raw, name: str, content: bytes, flags: int = FRESH) -> int:
    """Upload a file; the status of what failed first, or of its CLOSE."""
    kind, rest = raw.ask(Packet.OPEN, b"/IN/" + name.encode(), flags, 0)
    if kind != Packet.HANDLE:
        return int.from_bytes(rest[:4], "big")
    written = raw.status(Packet.WRITE, rest[4:], 0, 0, content)[0] if content else OK
    closed = raw.status(Packet.CLOSE, rest[4:])[0]
    return written if written != OK else closed


def rename(raw: Raw, old: str, new: str) -> int:
    return raw.status(Packet.RENAME, b"/IN/" + old.encode(), b"/IN/" + new.encode())[0]


def rename_over(raw: Raw, old: str, new: str) -> int:
    names = (b"/IN/" + old.encode(), b"/IN/" + new.encode())
    return raw.status(Packet.EXTENDED, b"posix-rename@openssh.com", *names)[0]


# --- renames ----------------------------------------------------------------------------


def race_renames(running: Running, rounds: int, over: bool) -> Counter[int]:
    """Eight clients rename onto one name, ``rounds`` times; who won how often."""
    wins: Counter[int] = Counter()
    act = rename_over if over else rename
    with ExitStack() as stack, ThreadPoolExecutor(CLIENTS) as pool:
        raws = [stack.enter_context(Raw(running)) for _ in range(CLIENTS)]
        lacking = set(range(CLIENTS))
        for number in range(rounds):
            for who in lacking:
                assert put(raws[who], f"of-{who}", b"%d %d" % (who, number)) == OK
            before = {who: (running.inbox / f"of-{who}").read_bytes() for who in range(CLIENTS)}
            start = threading.Barrier(CLIENTS)

            def run(who: int, start: threading.Barrier = start) -> int:
                start.wait(60)
                return act(raws[who], f"of-{who}", "wanted")

            turns = [(number + n) % CLIENTS for n in range(CLIENTS)]  # who comes last begins first
            answers = dict(zip(turns, pool.map(run, turns), strict=True))
            won = {who for who in range(CLIENTS) if answers[who] == OK}
            there = {path.name: path.read_bytes() for path in running.inbox.iterdir()}
            got = there.pop("wanted")
            assert [who for who in won if before[who] == got], "what nobody renamed"
            assert there == {f"of-{who}": before[who] for who in before if who not in won}
            assert won == set(range(CLIENTS)) if over else len(won) == 1, answers
            wins.update(won)
            lacking = won
            assert raws[0].status(Packet.REMOVE, b"/IN/wanted")[0] == OK
    return wins


@pytest.mark.parametrize("over", [False, True], ids=["rename", "posix-rename"])
@pytest.mark.parametrize(
    "renames",
    [200, pytest.param(10_000, marks=[pytest.mark.slow, pytest.mark.timeout(1800)])],
)
def test_renames_onto_one_name_have_one_winner_and_lose_nothing(
    tmp_path: Path, renames: int, over: bool
) -> None:
    """By posix-rename all win, one after another, and the last one's file stays."""
    with raced(tmp_path / "data") as running:
        wins = race_renames(running, renames // CLIENTS, over)
    assert len(wins) > 1, "this was no race"


def test_a_file_that_grows_too_large_while_a_rename_waits_is_not_renamed(tmp_path: Path) -> None:
    """Another session's upload is put in its place by what holds the lock."""
    wanted = f"FS.FLAD.000001.{brussels_day(datetime.now(UTC)):%Y%m%d}.00001.R.1.1"
    with raced(tmp_path / "data") as running, Raw(running) as raw, ThreadPoolExecutor() as pool:
        assert put(raw, "FS.tmp", b"small") == OK
        assert put(raw, "large.tmp", bytes(running.instance.settings.max_signature_bytes + 1)) == OK
        with durable.locked(running.instance.layout.lock_of(SenderNumber("000001"))):
            renamed = pool.submit(rename, raw, "FS.tmp", wanted)
            time.sleep(0.5)
            (running.inbox / "large.tmp").rename(running.inbox / "FS.tmp")
        assert renamed.result(60) == Status.PERMISSION_DENIED
        assert [path.name for path in running.inbox.iterdir()] == ["FS.tmp"]


# --- sealing ----------------------------------------------------------------------------

Act = Callable[[Raw, str], int]
OLD, NEW = b"old " * 600, b"new " * 900


def overwrite(raw: Raw, fi: str) -> int:
    return put(raw, fi, NEW)


def resume(raw: Raw, fi: str) -> int:
    """What is appended makes it neither old nor new."""
    return put(raw, fi, b"more", WRITE | APPEND)


def cut_short(raw: Raw, fi: str) -> int:
    size_of_1 = (1, 0, 1)  # the flag, and eight bytes
    return raw.status(Packet.SETSTAT, b"/IN/" + fi.encode(), *size_of_1)[0]


def remove(raw: Raw, fi: str) -> int:
    return raw.status(Packet.REMOVE, b"/IN/" + fi.encode())[0]


def rename_away(raw: Raw, fi: str) -> int:
    return rename(raw, fi, f"away.{fi}")


def replace(raw: Raw, fi: str) -> int:
    return rename_over(raw, f"other.{fi}", fi)


ACTS: tuple[Act, ...] = (overwrite, resume, cut_short, remove, rename_away, replace)
AFTER: dict[Act, set[bytes]] = {overwrite: {NEW}, resume: {OLD + b"more"}, replace: {NEW}}
"""What FI holds when an act was done before the sealing; else what it held, or nothing."""


def race_a_go(running: Running, one: Raw, other: Raw, act: Act, number: int) -> str:
    """A set whose GO comes while another session does ``act`` to its FI; what came first."""
    chosen = random.Random(number)
    stem = f"FLAD.000001.{brussels_day(datetime.now(UTC)):%Y%m%d}.{number:05d}.R"
    fi, fs, go = f"FI.{stem}.1.1", f"FS.{stem}.1.1", f"GO.{stem}.1"
    assert put(one, fi, OLD) == put(one, fs, b"signature") == OK
    if act is replace:
        assert put(other, f"other.{fi}", NEW) == OK
    start = threading.Barrier(2)
    done: list[int] = []

    def disturb() -> None:
        start.wait(60)
        time.sleep(max(0.0, pauses[0]))
        done.append(act(other, fi))

    pauses = (chosen.uniform(0, SPREAD), chosen.uniform(0, SPREAD))
    thread = threading.Thread(target=disturb)
    thread.start()
    start.wait(60)
    time.sleep(pauses[1])
    granted = put(one, go, b"")
    thread.join(60)
    assert granted == OK, "nothing that the other session does makes a GO fail"
    return judge(running, act, stem, done[0])


def judge(running: Running, act: Act, stem: str, answer: int) -> str:
    """What is sealed is what the manifest says, and what the answers said is so."""
    key = SetKey(SenderNumber("000001"), Folder.IN, stem, 1)
    directory, fi = running.instance.layout.sealed / str(key), f"FI.{stem}.1.1"
    held = {path.name: path.read_bytes() for path in running.inbox.glob(f"*{fi}")}
    if not directory.exists():
        assert act in (remove, rename_away), "a GO was granted and its set is not sealed"
        assert answer == OK
        assert held == ({} if act is remove else {f"away.{fi}": OLD})
        return "before"
    manifest = json.loads((directory / "@manifest.json").read_bytes())
    for file in manifest["files"]:
        content = (directory / file["name"]).read_bytes()
        assert hashlib.sha256(content).hexdigest() == file["sha256"], file
    sealed = (directory / fi).read_bytes()
    if sealed != OLD:
        assert sealed in AFTER[act]
        assert answer == OK
        return "before"
    if answer == OK:
        assert held[fi] in AFTER.get(act, set()), "an OK for what is nowhere"
        return "after"
    assert held[fi] == OLD
    return "refused"


def race_sealing(running: Running, interleavings: int) -> Counter[tuple[str, str]]:
    seen: Counter[tuple[str, str]] = Counter()
    sealed: dict[Path, bytes] = {}
    with Raw(running) as one, Raw(running) as other:
        for number in range(1, interleavings + 1):
            act = ACTS[number % len(ACTS)]
            seen[act.__name__, race_a_go(running, one, other, act, number)] += 1
            if number % 100 == 0 or number == interleavings:
                sealed |= tidied(running, other, set(sealed))
    assert all(path.read_bytes() == content for path, content in sealed.items())
    return seen


def tidied(running: Running, raw: Raw, known: set[Path]) -> dict[Path, bytes]:
    """Try everything once more at what was sealed since; its bytes. The folder is emptied."""
    new = set(running.instance.layout.sealed.glob("*/FI.*")) - known
    held = {path: path.read_bytes() for path in new}
    for act in ACTS[1:5]:
        for path in list(held)[:3]:
            if (running.inbox / path.name).exists():
                act(raw, path.name)
    assert all(path.read_bytes() == content for path, content in held.items())
    for path in running.inbox.iterdir():
        path.unlink()
    return held


@pytest.mark.parametrize(
    "interleavings",
    [204, pytest.param(10_002, marks=[pytest.mark.slow, pytest.mark.timeout(3000)])],
)
def test_what_races_a_go_comes_before_it_or_does_not_touch_what_is_sealed(
    tmp_path: Path, interleavings: int
) -> None:
    with raced(tmp_path / "data") as running:
        seen = race_sealing(running, interleavings)
    print(dict(seen))
    if interleavings < len(ACTS) * 1000:
        return  # too few for each to hit the moment; that nothing was touched is shown all the same
    for act in ACTS:
        came = {how for name, how in seen if name == act.__name__}
        assert act is cut_short or len(came) > 1, f"{act.__name__} was in no race: {came}"
