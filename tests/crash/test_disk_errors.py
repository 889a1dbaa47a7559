"""Every error of a disk, at every call that changes it, in the running server and worker.

The sender hears of each error that keeps its bytes from the disk, the service is usable right
afterwards, the same files sent again are taken, and each set is answered once, positively. A
sample by a seed that is printed (FLA_CRASH_SEED repeats one); FLA_CRASH_ALL=1 takes every place.
"""

from __future__ import annotations

import os
import random
import resource
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import zip_longest
from pathlib import Path

import pytest

from tests.acceptance.clients import Mail
from tests.acceptance.conftest import Registered, Serving
from tests.acceptance.conftest import registered as registered
from tests.acceptance.conftest import serving as serving
from tests.acceptance.conftest import shell as shell
from tests.acceptance.instance import Instance
from tests.crash.disk.faults import Call, Fault, calls, traced
from tests.crash.disk.plain_client import Client, Failed, Set
from tests.integration.storage.disks import memory

pytestmark = [pytest.mark.timeout(900), pytest.mark.needs("strace")]

ALL = os.environ.get("FLA_CRASH_ALL", "") not in ("", "0")
SAMPLE = 30
TRIES = 6
ERRORS = ("ENOSPC", "EIO", "EDQUOT", "EROFS")
CHANGES = (
    *("openat", "pwrite64", "ftruncate", "fchmod", "fsetxattr", "fsync", "fdatasync"),
    *("rename", "renameat", "renameat2", "link", "linkat", "unlink", "unlinkat"),
    *("mkdir", "mkdirat", "rmdir"),
)
INTERRUPTED = ("openat", "pwrite64", "fsync", "mkdir", "renameat", "renameat2", "linkat")
QUICK = {"grace_seconds": 0.5, "settle_seconds": 0.2, "sweep_seconds": 0.5}


@dataclass
class Trial:
    """A served instance, its sender, and what was injected so far."""

    client: Client
    logs: Path
    hit: Counter[tuple[str, str]] = field(default_factory=Counter)
    told: Counter[str] = field(default_factory=Counter)
    _runs: int = 0

    @property
    def instance(self) -> Instance:
        return self.client.instance

    def process(self, role: str) -> int:
        """The process of this instance that plays ``role``; waits for one being started anew."""
        data, deadline = str(self.instance.data), time.monotonic() + 60
        while time.monotonic() < deadline:
            for place in Path("/proc").glob("[0-9]*"):
                with suppress(OSError):
                    words = (place / "cmdline").read_text().split("\0")
                    if {"batch.processes", role} <= {*words} and data in words[-2]:
                        return int(place.name)
            time.sleep(0.05)
        raise AssertionError(f"there is no {role} process")

    def record(self, role: str, act: Callable[[], None], names: tuple[str, ...]) -> list[Call]:
        """Every change that ``act`` makes this process do."""
        with traced(self.process(role), log := self.log(), names):
            act()
        return calls(log, self.instance.data)

    def send_against(self, *faults: Fault) -> list[Call]:
        """Send a new set while the server meets these faults, then again; what was hit."""
        one, failed = self.client.new(), False
        names = tuple(dict.fromkeys(["fsync", *(fault.name for fault in faults)]))
        with traced(self.process("sftp"), log := self.log(), names, *faults):
            try:
                self.client.send(one)
            except Failed as failure:
                failed = True
                self.told[str(failure)] += 1
        found = calls(log, self.instance.data)
        hit = [call for call in found if call.injected]
        self.hit.update((call.name, call.about) for call in hit)
        if hit and any(fault.error != "EINTR" for fault in faults):
            assert failed, f"{faults}: all was answered OK, yet {hit} was not done"
            _no_file_is_synced_twice(found)
        self.client.send(one)
        assert os.listdir(self.instance.data / "spool" / "up") == [], faults
        return hit

    def log(self) -> Path:
        self._runs += 1
        return self.logs / f"{self._runs}.trace"


def _no_file_is_synced_twice(found: list[Call]) -> None:
    """After an error of fsync the next may say OK of pages that are gone."""
    lost: set[str] = set()
    for call in found:
        if call.name == "fsync" and "spool/up/" in call.path:
            assert call.path not in lost, f"{call.path} was synced again after an error"
            if call.injected:
                lost.add(call.path)


@pytest.fixture
def trial(serving: Serving, registered: Registered, tmp_path: Path) -> Iterator[Trial]:
    instance = serving(**QUICK)
    instance.serve()
    client = Client(instance, registered.employer)
    yield Trial(client, tmp_path)
    client.close()


Places = dict[tuple[str, str], list[Fault]]
"""By call and what it touches: every occurrence with every error."""


def faults_at(found: list[Call]) -> Places:
    """Each call of a recording with each error, and EINTR where it can be interrupted."""
    places: Places = {}
    for call in found:
        for error in (*ERRORS, *(("EINTR",) if call.name in INTERRUPTED else ())):
            fault = Fault(call.name, error, str(call.number))
            places.setdefault((call.name, call.about), []).append(fault)
    return places


def chosen(places: Places) -> list[Fault]:
    """All, or a sample whose seed is printed, of as many different places as there can be."""
    count = sum(map(len, places.values()))
    if ALL:
        print(f"all {count} faults at {len(places)} places:", end=" ")
        return [fault for faults in places.values() for fault in faults]
    seed = int(os.environ.get("FLA_CRASH_SEED") or random.SystemRandom().randrange(10**6))
    print(f"seed {seed}, of {count} faults at {len(places)} places:", end=" ")
    chance = random.Random(seed)
    shuffled = [chance.sample(faults, len(faults)) for faults in places.values()]
    chance.shuffle(shuffled)
    turns = [fault for turn in zip_longest(*shuffled) for fault in turn if fault is not None]
    return turns[:SAMPLE]


def everything_is_answered_once(trial: Trial) -> None:
    """Each set has one positive ACRF and one NOTI that accepts its form; nothing is left lying."""
    instance, client = trial.instance, trial.client
    with Mail(instance, client.sender) as mail:
        _until(partial(_seen, mail, 2 * len(client.made)), 90)
        answers = list(mail.out.seen.values())
        assert [one.stem for one in client.made if len(mail.out.about(one.stem)) != 2] == []
        assert len(answers) == 2 * len(client.made)
        assert Counter(a.layer for a in answers) == {
            "ACRF": len(client.made),
            "NOTI": len(client.made),
        }
        assert {a.result for a in answers if a.layer == "ACRF"} == {"1"}
        assert {f.result for a in answers if a.layer == "NOTI" for f in a.forms} == {"1"}
        assert _until(lambda: not mail.names("IN"), 60), mail.names("IN")
    listed = instance.json("submission", "list")
    assert len(listed) == len(client.made)
    assert {(x["state"], x["accepted"], x["refused"]) for x in listed} == {("answered", 1, 0)}
    spool = instance.data / "spool"
    assert [os.listdir(spool / part) for part in ("up", "seal", "sealed", "quarantine")] == [[]] * 4
    assert instance.command("submission", "list", "--problems").code == 0
    assert instance.stop() == 0


def test_an_error_at_any_change_is_told_to_the_sender_and_forgotten(trial: Trial) -> None:
    trial.client.send(trial.client.new())
    places = faults_at(trial.record("sftp", lambda: trial.client.send(trial.client.new()), CHANGES))
    assert {"fsync", "openat", "renameat", "renameat2", "mkdir"} <= {name for name, _ in places}
    faults = chosen(places)
    for fault in faults:
        trial.send_against(fault)
    print(f"{sum(trial.hit.values())} injected at {len(trial.hit)} places of the server")
    print(*trial.told.most_common(), sep="\n")
    assert sum(trial.hit.values()) >= 0.5 * len(faults)  # a thread may come to fewer calls
    assert not ALL or places.keys() <= set(trial.hit), places.keys() - set(trial.hit)
    everything_is_answered_once(trial)


LASTING = [
    [Fault(name, error, "1+")]
    for name in ("fsync", "pwrite64", "renameat", "renameat2", "mkdir", "fsetxattr", "fchmod")
    for error in ("EIO", "EROFS")
]
EVEN_TIDYING = [
    *(
        [Fault(name, "EIO", when), Fault("unlink", "EIO", "1+")]
        for name, when in (("fsync", "1"), ("fsync", "5"), ("fsetxattr", "1"))
    ),
    [Fault(name, "EIO", "1+") for name in ("renameat2", "unlinkat", "rmdir")],
]


def test_errors_that_last_and_errors_of_tidying_up_are_got_over(trial: Trial) -> None:
    """A disk that refuses everything for a while, even to remove what it did not take."""
    trial.client.send(trial.client.new())
    for faults in [*LASTING, *EVEN_TIDYING]:
        # strace counts by thread, and which one does it is chance.
        assert any(trial.send_against(*faults) for _ in range(TRIES)), faults
    everything_is_answered_once(trial)


def test_files_that_may_not_grow_and_descriptors_that_run_out(trial: Trial) -> None:
    """Real short writes, real EFBIG and EMFILE; the log cannot be written either."""
    process = trial.process("sftp")
    trial.client.send(trial.client.new())
    limits = [(resource.RLIMIT_FSIZE, size) for size in (0, 1, 100, 400, 600, 2000)]
    open_now = max(int(name) for name in os.listdir(f"/proc/{process}/fd")) + 1
    limits += [(resource.RLIMIT_NOFILE, open_now + more) for more in (0, 1, 2)]
    refused = 0
    for kind, size in limits:
        one = trial.client.new()
        former = resource.prlimit(process, kind)
        resource.prlimit(process, kind, (size, former[1]))
        try:
            trial.client.send(one)
        except Failed:
            refused += 1
        finally:
            resource.prlimit(process, kind, former)
        trial.client.send(one)
    print(f"{refused} of {len(limits)} refused")
    assert refused >= 6
    assert trial.process("sftp") == process
    everything_is_answered_once(trial)


def test_a_full_disk_with_the_log_on_it_is_told_and_forgotten(
    serving: Serving, registered: Registered, tmp_path: Path
) -> None:
    with memory(tmp_path / "disk", size="24m") as place:
        copied = serving(**QUICK, min_free_bytes=0, min_free_inodes=0)
        shutil.copytree(copied.data, place / "data")
        instance = Instance(place, copied.shell, copied.settings)
        instance.serve()
        client = Client(instance, registered.employer)
        trial = Trial(client, tmp_path)
        client.send(client.new())
        for spare in (0, 4096, 8192, 40960, 200_000):
            _fill(place, spare)
            one = client.new()
            with suppress(Failed):
                client.send(one)
            (place / "foreign").unlink()
            client.send(one)
        everything_is_answered_once(trial)
        client.close()


def _fill(place: Path, spare: int) -> None:
    with (place / "foreign").open("wb", buffering=0) as file, suppress(OSError):
        while (room := os.statvfs(place).f_bavail * 4096 - spare) > 0:
            file.write(bytes(min(room, 65536)))


WORK = (*CHANGES, "write")


def test_an_error_at_any_change_of_the_worker_refuses_nobody(trial: Trial) -> None:
    """Whatever fails is done again; a verdict is never an error of ours."""
    arch = trial.instance.data / "spool" / "arch"

    def work() -> None:
        one = trial.client.new()
        trial.client.send(one)
        assert _until(lambda: archived(one), 60)

    def archived(one: Set) -> bool:
        return any(one.stem in name for name in os.listdir(arch))

    work()
    places = faults_at(trial.record("worker", work, WORK))
    assert {"linkat", "fsync", "fdatasync", "pwrite64"} <= {name for name, _ in places}
    faults = chosen(places)
    for fault in faults:
        log = trial.log()
        with traced(trial.process("worker"), log, (fault.name,), fault):
            trial.client.send(one := trial.client.new())
            _until(partial(_met, log, partial(archived, one)), 40)
        hit = [call for call in calls(log, trial.instance.data) if call.injected]
        trial.hit.update((call.name, call.about) for call in hit)
    print(f"{sum(trial.hit.values())} injected at {len(trial.hit)} places of the worker")
    assert sum(trial.hit.values()) >= 0.5 * len(faults)
    everything_is_answered_once(trial)
    for charged in ("worker_failed", "the worker process ended"):
        assert charged not in trial.instance.log, "an error of the disk is no fault of a set"


def _seen(mail: Mail, count: int) -> bool:
    mail.out.look()
    return len(mail.out.seen) >= count


def _met(log: Path, over: Callable[[], bool]) -> bool:
    """Whether a fault was met, or no more calls come that could meet it."""
    return "(INJECTED)" in log.read_text(errors="replace") or over()


def _until(done: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not done():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True
