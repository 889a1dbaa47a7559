"""What never becomes a set is answered when its time is up: never silent, never in the way."""

from __future__ import annotations

import json
import os
import random
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pytest

from fixtures.declared import fs
from tests.acceptance.answers import Answer
from tests.acceptance.clients import Mail, named, new_stem
from tests.acceptance.conftest import Registered, Serving
from tests.acceptance.held import OK, Held, hold, upload
from tests.acceptance.instance import Instance
from tests.declarations import CLIENTS, EMPLOYER, declaration, person, right

GRACE, UNFINISHED = 0.5, 4.0
CLOCK = Path(__file__).parents[1] / "crash" / "clock"
LOOK = 1.0
"""An inbox that holds something is looked at each second: a wait ends at the look after it."""
LATE = 40.0
"""Seconds beyond its time after which an answer is missing: this machine has other work."""

_numbers = iter(range(10_000))


@dataclass(frozen=True)
class Desks:
    """A served instance, a sender and a neighbour."""

    instance: Instance
    registered: Registered
    mail: Mail
    neighbour: Mail

    def answered(self, name: str, folder: str = "IN", count: int = 1) -> list[Answer]:
        """The ACRFs about a stem, or about a name that is none, once there are ``count``."""
        out = self.mail.out if folder == "IN" else self.mail.outtest
        deadline = time.monotonic() + UNFINISHED + LATE
        while len(found := [a for a in out.about(name) if a.layer == "ACRF"]) < count:
            assert time.monotonic() < deadline, f"{name}: {found}"
            out.look()
            time.sleep(0.02)
        return found

    def codes(self, name: str, folder: str = "IN") -> list[str]:
        [receipt] = self.answered(name, folder)
        return sorted(code.removeprefix("ACRF-") for code in receipt.codes)

    def until_empty(self) -> None:
        deadline = time.monotonic() + UNFINISHED + LATE
        while any(self.mail.names(folder) for folder in ("IN", "INTEST")):
            assert time.monotonic() < deadline, self.mail.names("IN")
            time.sleep(0.1)
        self.mail.out.look()
        self.mail.outtest.look()


@pytest.fixture(scope="module")
def desks(serving: Serving, registered: Registered) -> Iterator[Desks]:
    instance = serving(grace_seconds=GRACE, unfinished_seconds=UNFINISHED)
    instance.serve()
    with (
        Mail(instance, registered.employer) as mail,
        Mail(instance, registered.mandatary) as neighbour,
    ):
        yield Desks(instance, registered, mail, neighbour)


def a_set(
    sender: str = "000001", employer: str = EMPLOYER, letter: str = "R", parts: int = 1
) -> tuple[str, dict[str, bytes]]:
    contents: list[tuple[bytes, bytes | None]] = []
    signer = "employer" if sender == "000001" else "mandatary"
    for _ in range(parts):
        number = next(_numbers)
        fi = declaration(right(f"time/{number}", inss=person(770_000 + number), employer=employer))
        contents.append((fi, fs(fi, signer)))
    return (stem := new_stem(sender, letter)), named(stem, *contents)


def in_folder(folder: str, kinds: tuple[str, ...]) -> tuple[str, dict[str, bytes]]:
    """Only the files of these kinds of a right set."""
    stem, files = a_set(letter="R" if folder == "IN" else "T")
    return stem, {name: content for name, content in files.items() if name[:2] in kinds}


# --- each kind --------------------------------------------------------------------------


@dataclass(frozen=True)
class Kind:
    """What lies there, and by which codes it is answered in IN and in INTEST."""

    files: tuple[str, ...]
    codes: list[str]
    codes_of_test: list[str]
    wait: float


KINDS = {
    "an FI": Kind(("FI",), ["122", "130"], ["130"], UNFINISHED),
    "an FS": Kind(("FS",), ["130", "142"], ["130", "142"], UNFINISHED),
    "FI and FS": Kind(("FI", "FS"), ["130"], ["130"], UNFINISHED),
    "a GO": Kind(("GO",), ["122", "142"], ["142"], GRACE),
    "FS and GO": Kind(("FS", "GO"), ["142"], ["142"], GRACE),
}


def test_what_is_left_is_answered_after_its_time_and_not_before(desks: Desks) -> None:
    left: list[tuple[Kind, str, str, float]] = []
    for kind in KINDS.values():
        for folder in ("IN", "INTEST"):
            stem, files = in_folder(folder, kind.files)
            left.append((kind, folder, stem, time.monotonic()))
            desks.mail.put(files, folder)
    for kind, folder, stem, begun in sorted(left, key=lambda each: each[0].wait):
        expected = kind.codes if folder == "IN" else kind.codes_of_test
        assert desks.codes(stem, folder) == expected, kind
        assert kind.wait <= time.monotonic() - begun <= kind.wait + LOOK + LATE


UNREADABLE = {
    "notes.txt": "129",
    "FI.FLAD.000001.R": "131",
    "FS.one.two": "132",
    "GO.GO.GO": "107",
    "TD": "107",
    "TD.x": "107",
    "fi.flad.000001.20260101.00001.r.1.1": "129",
    "FI.FLAD.000001.20260101.00001.R.1.1.filepart": "131",
    "FO.ACRF.999999.20260101.00001.R.1.1": "129",
}


def test_names_that_say_nothing_are_each_answered_by_name(desks: Desks) -> None:
    begun = time.monotonic()
    for folder in ("IN", "INTEST"):
        desks.mail.put(dict.fromkeys(UNREADABLE, b"?"), folder)
    for folder in ("IN", "INTEST"):
        for name in UNREADABLE:
            [receipt] = desks.answered(name, folder)
            assert receipt.about == name
            assert "ACRF-" + UNREADABLE[name] in receipt.codes, name
        assert time.monotonic() - begun >= UNFINISHED
    desks.until_empty()


def test_what_waits_is_in_nobodys_way(desks: Desks) -> None:
    """Sets of the same sender and of another are answered while it still lies there."""
    waiting = dict.fromkeys(("a-note", "b-note"), b"?")
    for folder in ("IN", "INTEST"):
        for kinds in (("FI",), ("FI", "FS")):
            _, files = in_folder(folder, kinds)
            waiting |= {f"{folder}/{name}": content for name, content in files.items()}
    begun = time.monotonic()
    for path, content in waiting.items():
        folder, _, name = path.rpartition("/")
        desks.mail.put({name: content}, folder or "IN")
    stem, files = a_set()
    other, others = a_set("000002", CLIENTS[0])
    desks.mail.put(files)
    desks.neighbour.put(others)
    assert desks.mail.out.codes(stem) == desks.neighbour.out.codes(other) == []
    listed = {f"IN/{n}" for n in desks.mail.names("IN")} | {
        f"INTEST/{n}" for n in desks.mail.names("INTEST")
    }
    if time.monotonic() - begun < UNFINISHED - LOOK:  # else this machine has other work
        assert listed >= {path if "/" in path else f"IN/{path}" for path in waiting}
    assert time.monotonic() - begun < UNFINISHED + LATE
    desks.until_empty()


# --- at the border ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "count", [40, pytest.param(200, marks=[pytest.mark.slow, pytest.mark.timeout(600)])]
)
def test_a_go_that_comes_as_the_time_runs_out_is_answered_once(desks: Desks, count: int) -> None:
    """By 130 or by the set's own verdict; the GO is answered OK either way."""
    chance = random.Random(count)
    outcomes: Counter[tuple[str, ...]] = Counter()
    for _ in range(5):  # where uploads are slow, few at a time come about the moment
        outcomes += started_late(desks, chance, count)
        if len(outcomes) > 1:
            break
        count = max(2, count // 3)
    assert set(outcomes) == {(), ("ACRF-130",)}, f"this was no race: {outcomes}"


def started_late(desks: Desks, chance: random.Random, count: int) -> Counter[tuple[str, ...]]:
    """Sets whose GO comes about the end of their time, and by which codes they are answered."""
    sets = dict(a_set() for _ in range(count))
    due: list[tuple[float, str]] = []
    for stem, files in sets.items():
        desks.mail.put({name: files[name] for name in files if name[:2] != "GO"})
        due.append((time.monotonic() + UNFINISHED + chance.uniform(-LOOK, 1.5 * LOOK), stem))
    for at, stem in sorted(due):
        time.sleep(max(0.0, at - time.monotonic()))
        assert upload(desks.mail, "IN", f"GO.{stem}.1") == OK
    outcomes = Counter(tuple(desks.mail.out.codes(stem)) for stem in sets)
    desks.until_empty()
    for stem in sets:
        receipt, notice = desks.mail.out.verdict(stem)
        assert len(desks.mail.out.about(stem)) == 1 + (notice is not None)
        assert receipt.codes in ([], ["ACRF-130"])
    return outcomes


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["FI", "FS", "GO"])
def test_an_upload_that_is_open_as_the_time_runs_out_contradicts_nothing(
    desks: Desks, kind: str
) -> None:
    """An FI is other content of a used stem; an FS or GO alone adds nothing."""
    stem, files = a_set()
    [late] = [name for name in files if name.startswith(kind)]
    content = files.pop(late)
    if kind != "GO":
        del files[f"GO.{stem}.1"]
    held = hold(desks.mail, "IN", late)
    assert isinstance(held, Held)
    first = {"FI": "FS", "FS": "FI", "GO": "FI"}[kind]
    desks.mail.put({n: c for n, c in files.items() if n.startswith(first) or kind == "GO"})
    before = desks.codes(stem)
    assert before == {"FI": ["130", "142"], "FS": ["122", "130"], "GO": ["130"]}[kind]
    if content:
        held.write(content)
    assert held.close() == OK
    desks.until_empty()
    added = [["122", "130", "133"]] if kind == "FI" else []
    found = [[c.removeprefix("ACRF-") for c in a.codes] for a in desks.mail.out.about(stem)]
    assert sorted(map(sorted, found)) == sorted([before, *added])


def test_a_part_that_comes_after_the_negative_acrf_is_answered_on_its_own(desks: Desks) -> None:
    stem, files = a_set(parts=2)
    late = [name for name in files if name.endswith(".2.2")]
    desks.mail.put({name: files[name] for name in files if name not in late})
    assert desks.codes(stem) == ["120", "122"]
    desks.mail.put({name: files[name] for name in late})
    answers = desks.answered(stem, count=2)
    desks.until_empty()
    assert len(desks.mail.out.about(stem)) == 2
    assert "ACRF-133" in answers[1].codes
    assert "ACRF-130" in answers[1].codes


@pytest.mark.slow
@pytest.mark.needs("faketime")
def test_no_wait_goes_by_a_clock_that_can_be_set(serving: Serving, registered: Registered) -> None:
    """Ahead by a minute nothing is given up too soon, and behind by a minute nothing too late."""
    instance = serving(grace_seconds=GRACE, unfinished_seconds=UNFINISHED)
    clock = instance.root / "clock"
    clock.write_text("+0\n")
    instance.wrapper = ("env", *(f"{name}={value}" for name, value in set_by(clock).items()))
    instance.serve()
    with (
        Mail(instance, registered.employer) as mail,
        Mail(instance, registered.mandatary) as neighbour,
    ):
        desks = Desks(instance, registered, mail, neighbour)
        for moved in ("+60", "-60"):
            stem, files = in_folder("IN", ("FI", "FS"))
            begun = time.monotonic()
            mail.put(files)
            clock.write_text(f"{moved}\n")
            assert desks.codes(stem) == ["130"]
            assert UNFINISHED <= time.monotonic() - begun <= UNFINISHED + LOOK + LATE
    events = [line for line in instance.log.splitlines() if '"sealed"' in line]
    sealed = [datetime.fromisoformat(json.loads(line)["time"]) for line in events]
    assert sealed[0] > sealed[1], "the clock did not move"


def set_by(clock: Path) -> dict[str, str]:
    """The environment of a process whose wall clock is off by what the file ``clock`` says."""
    own = os.pathsep.join([str(CLOCK), os.environ.get("PYTHONPATH", "")]).strip(os.pathsep)
    return {
        "LD_PRELOAD": str(next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "NO_FAKE_STAT": "1",
        "PYTHONPATH": own,
    }
