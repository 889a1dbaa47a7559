"""The benchmark runs and says what it measured; how fast that was is nobody's verdict here."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROGRAMS = ("openssl", "sftp", "ssh-keygen", "/usr/sbin/sshd", "xmllint", "sqlite3")


@pytest.mark.needs(*PROGRAMS)
@pytest.mark.timeout(900)
def test_it_measures_both_of_each_pair_and_says_whether_the_target_was_met() -> None:
    command = [sys.executable, "-m", "tests.bench", "--json", "--quick"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout)["rows"]
    assert len(found) > 10
    for row in found:
        assert row["ours"]["middle"] > 0, row
        assert (row["met"] is None) is (row["target"] is None), row
        assert (row["theirs"] is None) is (row["ratio"] is None), row
        for spread in filter(None, (row["ours"], row["theirs"], row["ratio"])):
            assert spread["least"] <= spread["middle"] <= spread["most"], row


def test_a_part_that_nobody_knows_is_refused() -> None:
    command = [sys.executable, "-m", "tests.bench", "--only", "nothing"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "whole-way" in done.stderr


def test_figures_of_a_profiled_run_are_not_kept() -> None:
    command = [sys.executable, "-m", "tests.bench", "--profile", "nowhere", "--write"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "are not to be kept" in done.stderr
