"""The watcher's hints are switched off: the sweep finds everything, within its period.

Waits that the contract or a setting asks for (settle, grace, unfinished) are counted on top.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from fixtures.declared import fs
from tests.acceptance.clients import Mail, named, new_stem
from tests.acceptance.conftest import Registered, Serving
from tests.acceptance.instance import Instance
from tests.declarations import declaration, person, right

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

PERIOD = 3.0
SETTLE, GRACE, UNFINISHED = 0.5, 0.5, 4.0
LATE = 15.0
"""Seconds beyond its time after which an answer is missing: this machine has other work."""
LOOK = 1.0
"""An inbox that holds something is looked at each second: a wait ends at the look after it."""

_numbers = iter(range(740_000, 750_000))


@dataclass(frozen=True)
class Unwatched:
    """An instance without hints, and its sender."""

    instance: Instance
    registered: Registered

    def mail(self) -> Mail:
        return Mail(self.instance, self.registered.employer)

    def inotify(self) -> list[str]:
        """Descriptors of inotify that the processes of ``serve`` hold."""
        assert self.instance._process is not None
        top = str(self.instance._process.pid)
        mine = [p for p in Path("/proc").iterdir() if p.name.isdigit() and top in _ancestors(p)]
        links = [link for p in mine for link in (p / "fd").iterdir()]
        return [t for t in map(_target, links) if "inotify" in t]

    def begin(self, folder: str = "OUT") -> Begun:
        """Before anything is sent: what is answered at once is counted as well."""
        return Begun(self.instance, place := self.instance.folder("000001", folder), _known(place))


@dataclass(frozen=True)
class Begun:
    """The answers that a folder of answers had before something was sent, and when that was."""

    instance: Instance
    place: Path
    known: int
    since: float = field(default_factory=time.monotonic)

    def seconds_to(self, count: int, since: float | None = None) -> float:
        """By looking into the folder, as often as can be: a login costs more than it measures."""
        since = self.since if since is None else since
        while _known(self.place) - self.known < count:
            assert time.monotonic() < since + 60, f"not answered\n{self.instance.log[-2000:]}"
            time.sleep(0.02)
        return time.monotonic() - since


def _known(place: Path) -> int:
    return sum(name.startswith("GO.") for name in os.listdir(place))


def _ancestors(process: Path) -> Iterator[str]:
    while process.name not in ("0", "1"):
        yield process.name
        try:
            status = (process / "status").read_text("utf-8")
        except (FileNotFoundError, ProcessLookupError):
            return
        parent = next(line for line in status.splitlines() if line.startswith("PPid:"))
        process = process.with_name(parent.split()[1])


def _target(link: Path) -> str:
    try:
        return os.readlink(link)
    except OSError:
        return ""


@pytest.fixture(scope="module")
def unwatched(serving: Serving, registered: Registered) -> Unwatched:
    instance = serving(
        watchdog=False,
        sweep_seconds=PERIOD,
        settle_seconds=SETTLE,
        grace_seconds=GRACE,
        unfinished_seconds=UNFINISHED,
    )
    instance.serve()
    with Mail(instance, registered.employer):
        pass  # the first login makes the folders
    return Unwatched(instance, registered)


def a_set(letter: str = "R") -> tuple[str, dict[str, bytes]]:
    number = next(_numbers)
    stem = new_stem("000001", letter)
    fi = declaration(right(f"R/unwatched/{number}", inss=person(number)))
    return stem, named(stem, (fi, fs(fi) if letter == "R" else None))


def test_nothing_is_watched(unwatched: Unwatched) -> None:
    """The event loop of uvloop needs no inotify, so any is the watcher's."""
    assert unwatched.inotify() == []


at_any_time = pytest.mark.parametrize("shift", [0.0, 1.0, 2.0], ids=lambda s: f"after-{s}-s")
"""The first sweep comes with the start: one copy alone might be found by that."""


@pytest.mark.parametrize("letter", ["R", "T", "S"])
@at_any_time
def test_a_set_sent_by_sftp_is_answered_within_the_period(
    unwatched: Unwatched, letter: str, shift: float
) -> None:
    stem, files = a_set(letter)
    time.sleep(shift)
    with unwatched.mail() as mail:
        begun = unwatched.begin("OUT" if letter == "R" else "OUTTEST")
        mail.put(files, "IN" if letter == "R" else "INTEST")
        took = begun.seconds_to(2, time.monotonic())
        place = mail.out if letter == "R" else mail.outtest
        assert [form.result for form in place.judged(stem)] == ["1"]
    assert took <= PERIOD + LATE


@at_any_time
def test_a_set_copied_into_in_is_answered_within_the_period(
    unwatched: Unwatched, shift: float
) -> None:
    _, files = a_set()
    time.sleep(shift)
    begun = unwatched.begin()
    inbox = unwatched.instance.folder("000001", "IN")
    for name, content in files.items():
        here = unwatched.instance.root / name
        here.write_bytes(content)
        shutil.copyfile(here, inbox / name)
    took = begun.seconds_to(2, time.monotonic())
    assert took <= PERIOD + SETTLE + LOOK + LATE


def test_a_cancelled_set_is_answered_within_the_period(unwatched: Unwatched) -> None:
    stem, files = a_set()
    files.pop(f"GO.{stem}.1")
    with unwatched.mail() as mail:
        begun = unwatched.begin()
        mail.put(files | {f"TD.{stem}.1": b""})
        took = begun.seconds_to(1, time.monotonic())
        assert mail.out.codes(stem) == ["ACRF-277"]
    assert took <= PERIOD + LATE


def test_a_go_without_its_files_is_answered_within_the_period(unwatched: Unwatched) -> None:
    stem, files = a_set()
    with unwatched.mail() as mail:
        begun = unwatched.begin()
        mail.put({name: files[name] for name in files if name.startswith("GO.")})
        took = begun.seconds_to(1, time.monotonic())
        assert mail.out.verdict(stem)[0].result == "0"
    assert took <= PERIOD + GRACE + LOOK + LATE


def test_files_without_a_go_are_answered_within_the_period(unwatched: Unwatched) -> None:
    stem, files = a_set()
    files.pop(f"GO.{stem}.1")
    with unwatched.mail() as mail:
        begun = unwatched.begin()
        mail.put(files)
        took = begun.seconds_to(1)
        assert mail.out.verdict(stem)[0].result == "0"
    assert UNFINISHED <= took <= PERIOD + UNFINISHED + LOOK + LATE
