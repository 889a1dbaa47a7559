"""How cost grows: with sets that wait, with accounts, with forms in a file, with senders connected.

One measurement for each number, of CPU by the kernel's count (of memory where it says so), never
of time. What is listed, sent or judged at each number is the same, so that a flat line means that
nobody pays for what is there already.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from tests.acceptance.conftest import register
from tests.acceptance.instance import Instance, Shell
from tests.bench import accounts, crowd, declared, large, sets, usage
from tests.bench.clients import Idle, scratch, sessions
from tests.bench.curves import Curve
from tests.bench.figures import Bench, Run
from tests.bench.ours import Ours, serving, started

NAME = "growth"
SENT, ANSWERED, LISTED, LOGINS = 100, 200, 3, 20
"""Sets sent and answered, lists asked for, and logins, at each number."""


# --- sets waiting ----------------------------------------------------------------------------


def _waiting(run: Run) -> Iterator[Curve]:
    wanted = run.numbers((100, 1000, 10_000), 100_000, (20, 60))
    points: dict[str, list[tuple[int, float]]] = {}
    with run.room("waiting") as home, scratch(NAME) as out:
        shell = Shell()
        registered = register(shell, home)
        limits = {"max_waiting_sets": 10**6, "max_sender_files": 10**7, "min_free_inodes": 0}
        instance = Instance(registered.instance.root, shell, dict(limits))
        put = 0
        try:
            for n in wanted:
                waits = _wait_now(instance)
                run.say(f"{NAME}: {n:,} sets waiting, put there")
                _put(instance, put, n - waits)
                put += n - waits
                run.say(f"{NAME}: {n:,} sets waiting, measured")
                made = started(instance, registered.employer, registered.mandatary)
                for what, cost in _where_sets_wait(run, made, n, out):
                    points.setdefault(what, []).append((n, cost))
                instance.stop()
        finally:
            instance.close()
            shell.close()
    for what, found in points.items():
        yield Curve("sets waiting", what, "ms", tuple(found))


def _put(instance: Instance, first: int, count: int) -> None:
    words = ["-m", "tests.bench.waiting", str(instance.data), "000001", str(first), str(count)]
    done = subprocess.run([sys.executable, *words], stderr=subprocess.PIPE, check=False)
    assert done.returncode == 0, done.stderr.decode(errors="replace")[-1500:]


def _wait_now(instance: Instance) -> int:
    return len(os.listdir(instance.data / "spool" / "sealed"))


def _where_sets_wait(run: Run, made: Ours, n: int, home: Path) -> Iterator[tuple[str, float]]:
    """Milliseconds for each of: a set found at the start, a name listed, a set taken, answered.

    To the start belongs what is looked at once: its quota before a sender's first file, all that
    waits before the worker's first batch.
    """
    worker = made.role("worker")
    _stop(made, worker)
    _taken(made, 1, home)
    start = usage.cpu([made.pid, made.role("sftp")])
    names = len(os.listdir(made.instance.folder("000001", "IN")))
    before = made.cpu()
    sessions(made, [["ls -1 IN"] * LISTED], home)
    yield "listing IN, per name", 1000 * (made.cpu() - before) / LISTED / names
    before = made.cpu()
    _taken(made, SENT, home)
    yield "one more set taken in", 1000 * (made.cpu() - before) / SENT
    os.kill(worker, signal.SIGCONT)
    made.await_answered(made.answered() + 1)
    before = usage.cpu([worker])
    yield "start of the channel, per set", 1000 * (start + before) / n
    answered, waits = made.answered(), _wait_now(made.instance)
    made.await_answered(answered + min(ANSWERED, waits // 2))
    done = made.answered() - answered
    yield "a set worked on and answered", 1000 * (usage.cpu([worker]) - before) / done


def _stop(made: Ours, worker: int) -> None:
    """Where it holds no lock of the sender's channel."""
    lock = made.instance.data / "spool" / "locks" / made.sender.number
    lock.touch()
    with lock.open() as opened:
        while True:
            os.kill(worker, signal.SIGSTOP)
            try:
                fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                os.kill(worker, signal.SIGCONT)
                time.sleep(0.01)


def _taken(made: Ours, count: int, home: Path) -> None:
    small = sets.small(made.sender, count, home)
    sessions(made, small.shares(1, "IN"), home)
    sets.forget([home])


# --- forms in one file -----------------------------------------------------------------------


def _forms(run: Run) -> Iterator[Curve]:
    wanted = run.numbers((1, 10, 100, 1000, 10_000, 100_000), 1_000_000, (1, 50))
    points: list[tuple[int, float]] = []
    peaks: list[tuple[int, float]] = []
    limits = {"max_file_bytes": 10**9}
    with serving(run, "forms", **limits) as made, run.room("declarations") as home:
        worker = made.role("worker")
        for done, n in enumerate((1, *wanted)):  # the first time it loads what it needs
            run.say(f"{NAME}: {n:,} forms in a file")
            fi = home / "FI"
            declared.written(declared.forms(n), fi)
            before = usage.cpu([worker])
            usage.forget_peak(worker)
            large.sent(made, made.sender, fi)
            made.await_answered(done + 1)
            if done:
                points.append((n, 1000 * (usage.cpu([worker]) - before) / n))
                peaks.append((n, usage.peak(worker) / n / 1024))
            fi.unlink()
    yield Curve("forms in a file", "worker, sealed to answered, per form", "ms", tuple(points))
    yield Curve("forms in a file", "peak memory of the worker, per form", "KiB", tuple(peaks))


# --- senders connected -----------------------------------------------------------------------


def _senders(run: Run) -> Iterator[Curve]:
    wanted = run.numbers((1, 10, 100, 300), 1000, (1, 10))
    points: dict[tuple[str, str], list[tuple[int, float]]] = {}
    limits = {"max_connections": max(wanted) + 50}
    with (
        serving(run, "senders", **limits) as made,
        run.room("keys") as keys,
        scratch(NAME) as home,
    ):
        run.say(f"{NAME}: {max(wanted):,} channels opened")
        who = crowd.opened(made.instance.data, max(wanted), keys)
        sessions(made, [["pwd"]], home)
        empty = made.memory()
        for n in wanted:
            run.say(f"{NAME}: {n:,} senders connected")
            for what, unit, cost in asyncio.run(_beside(run, made, who[:n], home, empty)):
                points.setdefault((what, unit), []).append((n, cost))
    for (what, unit), found in points.items():
        yield Curve("senders connected", what, unit, tuple(found))


async def _beside(
    run: Run, made: Ours, who: list[tuple[str, Path]], home: Path, empty: int
) -> list[tuple[str, str, float]]:
    """What one more sender's sets and logins cost while these are connected."""
    held = await Idle.open(made, who)
    await asyncio.sleep(0.5)
    memory = max(0, made.memory() - empty) / len(who) / 1024
    count, logins = run.size(SENT, 10), run.size(LOGINS, 4)
    small = sets.small(made.sender, count, home)
    before = made.cpu()
    await asyncio.to_thread(sessions, made, small.shares(1, "IN"), home)
    taken = 1000 * (made.cpu() - before) / count
    sets.forget([home])
    before = made.cpu()
    for _ in range(logins):
        await asyncio.to_thread(sessions, made, [["pwd"]], home)
    login = 1000 * (made.cpu() - before) / logins
    await held.close()
    return [
        ("one more set taken in", "ms", taken),
        ("one more login", "ms", login),
        ("memory (PSS) per connection", "KiB", memory),
    ]


BENCHES = (
    Bench(f"{NAME}-waiting", "cost by the number of sets that wait", _waiting, ("sftp",)),
    Bench(f"{NAME}-accounts", "cost by the number of accounts", accounts.curves),
    Bench(f"{NAME}-forms", "cost by the number of forms in a file", _forms),
    Bench(f"{NAME}-senders", "cost by the number of senders connected", _senders, ("sftp",)),
)
