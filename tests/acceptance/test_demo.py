"""``fla-batch demo`` plays the whole way, says what came of it, and leaves nothing behind."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.instance import soon

ROOT = Path(__file__).parents[2]
FLA_BATCH = [sys.executable, "-c", "from batch.cli.main import run; run()"]
LIMIT = 60.0
"""Seconds within which the demonstration ends, whatever happens."""
BARE_INSS = re.compile(r"(?<!\d)\d{11}(?!\d)")


@dataclass(frozen=True)
class Theatre:
    """Where a demonstration runs: its own empty HOME, TMPDIR and working directory."""

    place: Path

    def start(self, *arguments: object, **environment: str) -> subprocess.Popen[str]:
        for name in ("home", "temporary", "here"):
            (self.place / name).mkdir()
        given = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "HOME": str(self.place / "home"),
            "TMPDIR": str(self.place / "temporary"),
        }
        return subprocess.Popen(
            [*FLA_BATCH, "demo", *map(str, arguments)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=self.place / "here",
            env={**given, **environment},
        )

    def play(self, *arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
        with self.start(*arguments, **environment) as process:
            try:
                out, errors = process.communicate(timeout=LIMIT)
            except subprocess.TimeoutExpired:
                process.kill()
                raise
        return subprocess.CompletedProcess(process.args, process.returncode, out, errors)

    def traces(self) -> list[Path]:
        """What was left where nothing may be left."""
        places = (self.place / name for name in ("home", "temporary", "here"))
        return [found for place in places for found in place.iterdir()]


@pytest.fixture
def theatre(tmp_path: Path) -> Theatre:
    return Theatre(tmp_path)


def set_of(document: dict[str, Any], who: str, number: int) -> dict[str, Any]:
    """The ``number``-th set of a party, from 0."""
    found: dict[str, Any] = [s for s in document["sets"] if s["who"] == who][number]
    return found


def outcome(one: dict[str, Any]) -> tuple[int, list[str], list[list[str]]]:
    """Reception, its codes, and per form the codes that were found."""
    codes = [a["error_id"] for a in one["anomalies"]]
    forms = [[a["error_id"] for a in form["anomalies"]] for form in one["forms"]]
    return one["result_code"], codes, forms


def serves(log: Path) -> bool:
    """Whether the port that ``log`` names still answers."""
    found = re.search(r'"listening".*"port": (\d+)', log.read_text("utf-8"))
    assert found, "the log names no port"
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", int(found[1]))) == 0


@pytest.mark.needs("sftp", "ssh", "openssl")
def test_with_openssh_and_openssl_all_comes_out_as_told_and_is_kept_when_asked(
    theatre: Theatre, tmp_path: Path
) -> None:
    kept = tmp_path / "kept here"
    done = theatre.play("--json", "--keep", kept)
    assert (done.returncode, done.stderr) == (0, "")
    document = json.loads(done.stdout)
    assert document["as_told"] is True
    assert document["files_by"] == "OpenSSH sftp"
    assert document["signatures_by"] == "openssl cms -verify"
    assert outcome(set_of(document, "employer", 0)) == (1, [], [[], [], []])
    assert outcome(set_of(document, "mandatary", 0)) == (1, [], [[], ["00014-230"]])
    assert outcome(set_of(document, "employer", 1)) == (0, ["ACRF-125"], [])
    assert outcome(set_of(document, "tester", 0)) == (1, [], [[]])
    assert outcome(set_of(document, "employer", 2)) == (1, [], [["00024-004"], []])
    assert set_of(document, "tester", 0)["answered_in"] == "OUTTEST"
    left = {"LEGAL": 3040, "SECTOR": 1120, "EMPLOYER": 0}
    assert set_of(document, "employer", 0)["remaining_hours"] == left
    assert len(document["account"]["rights"]) == 2
    assert not BARE_INSS.search(done.stdout)
    for one in document["sets"]:
        assert one["signature"] == "verified"
        here = kept / one["who"]
        assert all((here / "answers" / name).is_file() for name in one["answers"])
        assert (here / "sent" / f"GO.{one['stem']}.1").is_file()
    assert not BARE_INSS.search((kept / "serve.log").read_text("utf-8"))
    assert not serves(kept / "serve.log")
    assert theatre.traces() == []


def test_without_any_program_it_tells_the_same_story_and_leaves_nothing(theatre: Theatre) -> None:
    """Our own client and verification; the screen names codes with text, hours, and no INSS."""
    done = theatre.play(PATH=str(theatre.place / "home"))
    assert (done.returncode, done.stderr) == (0, "")
    for said in (
        "FLAD.000001.",
        "ACRF-125 The signature",
        "00014-230",
        "00024-004",
        "answered in OUTTEST",
        "LEGAL    30.40",
        "signed: verified",
        "project's own client",
        "85*********",
    ):
        assert said in done.stdout, said
    assert not BARE_INSS.search(done.stdout)
    assert theatre.traces() == []


def test_a_surprise_is_named_and_ends_1(theatre: Theatre) -> None:
    """A channel that takes one form per file refuses sets which the story has accepted."""
    done = theatre.play("--json", FLA_BATCH_MAX_FORMS="1")
    assert done.returncode == 1
    document = json.loads(done.stdout)
    assert document["as_told"] is False
    good = set_of(document, "employer", 0)
    assert f"surprise: {good['stem']}: its ACRF says 0" in done.stderr
    assert "ACRF-275" in done.stderr
    assert "the worker has (0, 0) rights and trainings" in done.stderr
    assert set_of(document, "tester", 0)["stem"] not in done.stderr
    assert theatre.traces() == []


def test_interrupted_it_ends_the_server_and_clears_up(theatre: Theatre, tmp_path: Path) -> None:
    """With --keep, so that the log can say on which port the server was."""
    kept = tmp_path / "kept"
    with theatre.start("--keep", kept) as process:
        assert process.stdout is not None
        assert any("sent to IN" in line for line in process.stdout)
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=LIMIT)
    assert process.returncode == 1
    assert "interrupted" in errors
    assert "Traceback" not in errors
    assert time.monotonic() - began < LIMIT
    assert not serves(kept / "serve.log")
    assert theatre.traces() == []


def test_killed_outright_it_takes_the_server_along(theatre: Theatre, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    with theatre.start("--keep", kept) as process:
        assert process.stdout is not None
        assert any("sent to IN" in line for line in process.stdout)
        assert serves(kept / "serve.log")
        process.kill()
    assert soon(lambda: not serves(kept / "serve.log"))


def test_it_keeps_nothing_in_a_directory_that_is_in_use(theatre: Theatre, tmp_path: Path) -> None:
    used = tmp_path / "used"
    used.mkdir()
    (used / "mine").touch()
    done = theatre.play("--keep", used)
    assert done.returncode == 1
    assert "not empty" in done.stderr
    assert [path.name for path in used.iterdir()] == ["mine"]
