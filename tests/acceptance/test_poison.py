"""A set that kills the worker: it alone is set aside, after three kills, and an operator ends it.

The poison is a real set; what makes it one is a hand that sends SIGKILL to the worker process
whenever the row of that set says that it is in hand.
"""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from fixtures.declared import fs
from tests.acceptance.answers import text
from tests.acceptance.clients import Mail, named, new_stem
from tests.acceptance.conftest import Registered, Serving
from tests.acceptance.instance import Instance, soon
from tests.declarations import declaration, person, right, rights

INNOCENTS, FORMS = 63, 3000
"""With the poison one batch; its forms keep it in hand long enough to be seen so."""
SWEEP = 1.0
DEAD_WORKER_SECONDS = 150.0
"""Three kills, and a new process after each."""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def worker_of(instance: Instance) -> int:
    """The PID of the worker process that serves this instance."""
    for process in Path("/proc").iterdir():
        try:
            words = (process / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        is_worker = words[1:4] == [b"-m", b"batch.processes", b"worker"]
        if is_worker and str(instance.data).encode() in words[5]:
            return int(process.name)
    raise AssertionError("no worker process of this instance")


@dataclass
class Poison:
    """Kills the worker in each attempt at the set ``stem``, as soon as it has this ``state``."""

    instance: Instance
    stem: str
    state: str
    attempts: list[int] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def at_work(self) -> Iterator[None]:
        hand = threading.Thread(target=self._run)
        hand.start()
        try:
            yield
        finally:
            self._stop.set()
            hand.join()

    def _run(self) -> None:
        query = "SELECT attempt FROM submission WHERE stem = ? AND in_hand AND state = ?"
        with closing(sqlite3.connect(self.instance.data / "db" / "production.sqlite")) as database:
            while not self._stop.wait(0.002):
                for (attempt,) in database.execute(query, (self.stem, self.state)).fetchall():
                    if attempt not in self.attempts:  # a dead worker leaves it in hand
                        os.kill(worker_of(self.instance), signal.SIGKILL)
                        self.attempts.append(attempt)


def small_set(sender: str, number: int) -> tuple[str, dict[str, bytes]]:
    fi = declaration(right(f"poison/{number}", inss=person(number)))
    return (stem := new_stem(sender)), named(stem, (fi, fs(fi)))


@contextmanager
def standing_still(instance: Instance) -> Iterator[None]:
    """The worker takes nothing up meanwhile, so that all that comes is one batch."""
    pid = worker_of(instance)
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def quarantined(instance: Instance) -> list[dict[str, object]]:
    """The sets that an operator must look at: the command that tells them ends with 1."""
    said = instance.command("submission", "list", "--problems", "--json")
    found = [line for line in said.document if "stem" in line]
    assert said.code == int(bool(said.document))
    return found


@pytest.mark.parametrize(("state", "step"), [("sealed", "verify"), ("verified", "ingest")])
def test_of_64_sets_only_the_poison_is_set_aside_and_an_operator_refuses_it_for_good(
    serving: Serving, registered: Registered, state: str, step: str
) -> None:
    instance, sender = serving(sweep_seconds=SWEEP), registered.employer
    fi = rights(FORMS, prefix=f"poison/{state}")
    innocents = dict(small_set(sender.number, n) for n in range(10_000, 10_000 + INNOCENTS))
    poison = Poison(instance, new_stem(sender.number), state)
    instance.serve()
    with Mail(instance, sender) as mail, poison.at_work():
        with standing_still(instance):
            first, *others = innocents.values()
            for files in (first, named(poison.stem, (fi, fs(fi))), *others):
                mail.put(files)
        _until_set_aside(instance, poison.stem)
        assert poison.attempts == [1, 2, 3]
        for stem in innocents:
            assert mail.out.codes(stem) == []

        (line,) = quarantined(instance)
        assert (line["stem"], line["verdict"]) == (poison.stem, "technical")
        assert f"3 times, last in the step {step}" in str(line["problem"])
        assert f"submission refuse {poison.stem}" in str(line["problem"])
        assert instance.says('"quarantined"')
        (alarm,) = [
            one
            for one in map(json.loads, instance.log.splitlines())
            if one["event"] == "quarantined"
        ]
        assert (alarm["level"], poison.stem in alarm["set"]) == ("error", True)
        innocent = next(iter(innocents))
        assert instance.command("submission", "refuse", innocent).code == 1
        assert "not in quarantine" in instance.command("submission", "retry", innocent).err

        told = [answer.sent for answer in mail.out.about(poison.stem)]
        assert len(told) == int(state == "verified")
        assert instance.json("submission", "refuse", poison.stem) == {"refused": [poison.stem]}
        answers = mail.out.wait(poison.stem, 1 + len(told), seconds=SWEEP + 60)
        assert [answer.sent for answer in answers][: len(told)] == told
        if state == "sealed":
            assert answers[0].codes == ["ACRF-430"]
        else:
            forms = list(answers[1].root.iterfind("Form"))
            codes = {text(form, "HandlingResult/AnomalyReport/ErrorID") for form in forms}
            assert (len(forms), codes) == (FORMS, {"90059-430"})
        assert poison.attempts == [1, 2, 3]
        assert soon(lambda: quarantined(instance) == [])
        mail.put(named(again := new_stem(sender.number), (fi, fs(fi))))
        assert {form.result for form in mail.out.judged(again)} == {"1"}
    assert instance.stop() == 0


def _until_set_aside(instance: Instance, stem: str) -> None:
    deadline = time.monotonic() + DEAD_WORKER_SECONDS
    with closing(sqlite3.connect(instance.data / "db" / "production.sqlite")) as database:
        query = "SELECT state FROM submission WHERE stem = ?"
        while database.execute(query, (stem,)).fetchone() != ("quarantined",):
            assert time.monotonic() < deadline, instance.log[-2000:]
            time.sleep(0.05)


def test_a_set_that_is_no_poison_any_more_is_retried_and_accepted(
    serving: Serving, registered: Registered
) -> None:
    """Within the sweep's period, while ``serve`` runs; with the stem it had."""
    instance, sender = serving(sweep_seconds=SWEEP), registered.employer
    fi = rights(FORMS, prefix="poison/retry")
    poison = Poison(instance, new_stem(sender.number), "verified")
    instance.serve()
    with Mail(instance, sender) as mail:
        with poison.at_work():
            mail.put(named(poison.stem, (fi, fs(fi))))
            _until_set_aside(instance, poison.stem)
        (receipt,) = mail.out.wait(poison.stem, 1)
        assert instance.json("submission", "retry", poison.stem) == {"retried": [poison.stem]}
        forms = mail.out.judged(poison.stem)
        assert (len(forms), {form.result for form in forms}) == (FORMS, {"1"})
        assert mail.out.about(poison.stem)[0] is receipt
        assert instance.rests()
        assert instance.command("submission", "list", "--problems", "--thorough").code == 0
    assert instance.stop() == 0
