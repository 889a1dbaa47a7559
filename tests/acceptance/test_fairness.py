"""Who has one set does not wait for who has thousands: counted, not only timed.

What is counted are the mandatary's sets that the worker took up between the sealing of the
employer's set and its answer, by the log.
"""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

import pytest

from fixtures.declared import fs
from tests.acceptance.clients import Mail, named, new_stem
from tests.acceptance.conftest import Registered, Serving
from tests.acceptance.held import OK, upload
from tests.acceptance.instance import Instance, soon
from tests.acceptance.test_poison import worker_of
from tests.declarations import CLIENTS, EMPLOYER, declaration, person, right, rights

BATCH = 64
"""Sets that the worker takes together at most, of each database."""
BATCHES = 3
"""The one in hand when the set is sealed, one that begins before it is seen, and its own."""
CONNECTIONS = 4
SECONDS = 60.0
"""The answer must be there; on a quiet machine it takes two or three. The promise is counted."""
BIG = 7000
"""Forms of a set that is too large to share a batch."""
MANDATARY, OWN = "000002", CLIENTS[0]

_numbers = iter(range(100_000))


def one_set(sender: str, letter: str = "R", forms: int = 1) -> tuple[str, dict[str, bytes]]:
    number = next(_numbers)
    employer, signer = (OWN, "mandatary") if sender == MANDATARY else (EMPLOYER, "employer")
    if forms == 1:
        form = right(f"fair/{number}", inss=person(1_000_000 + number), employer=employer)
        fi = declaration(form)
    else:
        fi = rights(forms, employer=employer, prefix=f"fair/{number}")
    stem = new_stem(sender, letter)
    return stem, named(stem, (fi, fs(fi, signer) if letter == "R" else None))


Share = list[tuple[str, dict[str, bytes]]]


@dataclass
class Busy:
    """An instance, the connections of a mandatary who is far ahead, and an employer's."""

    instance: Instance
    mandatary: list[Mail]
    employer: Mail
    sent: set[str] = field(default_factory=set)

    def flood(self, count: int, letter: str = "R", forms: int = 1) -> None:
        """Sets of the mandatary, over all its connections; their files are made beforehand."""
        made = [one_set(MANDATARY, letter, forms) for _ in range(count)]
        self.sent |= {stem for stem, _ in made}
        folder = "IN" if letter == "R" else "INTEST"
        shares = [made[n::CONNECTIONS] for n in range(CONNECTIONS)]

        def run(mail: Mail, share: Share) -> None:
            for _, files in share:
                mail.put(files, folder)

        threads = [
            threading.Thread(target=run, args=pair)
            for pair in zip(self.mandatary, shares, strict=True)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    @contextmanager
    def worker_stopped(self) -> Iterator[None]:
        """So that all that comes meanwhile waits."""
        pid = worker_of(self.instance)
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)

    def until_begun(self) -> None:
        """Until the first of the mandatary's sets is answered."""
        deadline = time.monotonic() + 60
        while not self.events("answered", self.sent):
            assert time.monotonic() < deadline, self.instance.log[-2000:]
            time.sleep(0.02)

    def events(self, event: str, stems: set[str]) -> list[tuple[str, str]]:
        """Time and stem of each line of the log that says this of one of these sets."""
        lines = (json.loads(x) for x in self.instance.log.splitlines() if f'"{event}"' in x)
        found = ((line["time"], line["set"]) for line in lines if line["event"] == event)
        stems_of = ((at, key.split(".", 2)[2].partition("~")[0]) for at, key in found)
        return [(at, stem) for at, stem in stems_of if stem in stems]

    def served_at(self, stem: str) -> str:
        """When the last answer of a set was told, which comes after it is seen."""
        assert soon(lambda: len(self.events("answered", {stem})) >= 2)
        return max(at for at, _ in self.events("answered", {stem}))

    def before(self, stem: str, event: str) -> int:
        """How often this was said of the mandatary's sets before ``stem`` was served."""
        until = self.served_at(stem)
        return sum(at < until for at, _ in self.events(event, self.sent))

    def taken_up_before(self, stem: str) -> int:
        """The mandatary's sets taken up between the sealing of ``stem`` and its last answer."""
        [(sealed, _)] = self.events("sealed", {stem})
        until = self.served_at(stem)
        took = [
            *self.events("verified", self.sent),
            *self.events("refused", self.sent),
        ]
        return len({other for at, other in took if sealed < at < until})

    def employer_is_served(self, letter: str) -> str:
        """Send one set of the employer and wait for its answers; its stem.

        The worker stands still while it is sent: a slow upload lets nobody get ahead.
        """
        stem, files = one_set("000001", letter)
        with self.worker_stopped():
            self.employer.put(files, "IN" if letter == "R" else "INTEST")
        out = self.employer.out if letter == "R" else self.employer.outtest
        out.wait(stem, seconds=SECONDS)
        assert [form.result for form in out.judged(stem)] == ["1"]
        return stem


@pytest.fixture
def busy(serving: Serving, registered: Registered) -> Iterator[Busy]:
    instance = serving(max_attempts=2, grace_seconds=1, unfinished_seconds=3)
    instance.serve()
    with ExitStack() as stack:
        mandatary = [
            stack.enter_context(Mail(instance, registered.mandatary)) for _ in range(CONNECTIONS)
        ]
        yield Busy(instance, mandatary, stack.enter_context(Mail(instance, registered.employer)))
    assert instance.stop() == 0


MANY = [pytest.mark.slow, pytest.mark.timeout(1800)]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("count", "theirs", "ours"),
    [
        (300, "R", "R"),
        pytest.param(300, "T", "T", marks=MANY),
        pytest.param(300, "R", "T", marks=MANY),
        pytest.param(10_000, "R", "R", marks=MANY),
    ],
)
def test_one_set_waits_for_no_more_than_some_batches_of_anothers_thousands(
    busy: Busy, count: int, theirs: str, ours: str
) -> None:
    """In the same database and in the other one."""
    with busy.worker_stopped():
        busy.flood(count, theirs)
    busy.until_begun()
    stem = busy.employer_is_served(ours)
    assert busy.taken_up_before(stem) <= BATCHES * BATCH
    assert busy.before(stem, "answered") < 2 * count, "the flood was over before"


@pytest.mark.slow
def test_a_small_set_waits_for_one_big_one_of_another_and_not_for_all(busy: Busy) -> None:
    with busy.worker_stopped():
        busy.flood(6, forms=BIG)
    busy.until_begun()
    stem = busy.employer_is_served("R")
    assert busy.taken_up_before(stem) <= 2
    assert busy.before(stem, "answered") < 2 * 6, "the flood was over before"


@pytest.mark.slow
def test_one_set_does_not_wait_for_anothers_that_fail_again_and_again(busy: Busy) -> None:
    """Their bytes were changed on our disk: each is tried twice, alone, and set aside."""
    with busy.worker_stopped():
        busy.flood(100)
        for stem in busy.sent:
            [fi] = (busy.instance.data / "spool" / "sealed").glob(f"*.{stem}~1/FI.*")
            fi.chmod(0o600)
            fi.write_bytes(fi.read_bytes().replace(b"EHBO", b"OBHE") + b" ")
    assert soon(lambda: busy.events("worker_failed", busy.sent))
    stem = busy.employer_is_served("R")
    assert busy.before(stem, "quarantined") < 100, "they were through before"


def test_one_set_does_not_wait_for_anothers_that_time_out(busy: Busy) -> None:
    """Hundreds of GOs without files and files without a GO, whose time is up together."""
    for number in range(300):
        stem, files = one_set(MANDATARY)
        busy.sent.add(stem)
        kind = "GO" if number % 2 else "FS"
        [name] = [name for name in files if name.startswith(kind)]
        assert upload(busy.mandatary[0], "IN", name, files[name]) == OK
    stem = busy.employer_is_served("R")
    assert busy.taken_up_before(stem) <= BATCHES * BATCH
    late, files = one_set("000001")
    [go] = [name for name in files if name.startswith("GO")]
    assert upload(busy.employer, "IN", go) == OK
    busy.employer.out.wait(late, seconds=SECONDS)
    receipt, _ = busy.employer.out.verdict(late)
    assert sorted(receipt.codes) == ["ACRF-122", "ACRF-142"]
