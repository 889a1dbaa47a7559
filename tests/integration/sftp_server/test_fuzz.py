"""A million packets: right ones, changed ones and noise, through the server's own code.

Each life is some sessions on a disk of its own (``fuzz.life``). What is promised of every reply is
in ``fuzz.judge``, of memory and the end of a session in ``fuzz.line``, of the disk in
``fuzz.ground``; ``test_fuzz_sees.py`` shows that each of these sees what it is for. A quick number
goes through ``make test``, the million through ``make ci-long``. A failure prints its seed, which
FLA_PACKETS_SEED takes, and the shortest life found that ends in it.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.integration.sftp_server.fuzz import judge
from tests.integration.sftp_server.fuzz.judge import GOOD, STATUS
from tests.integration.sftp_server.fuzz.life import storm

ROOT = Path(__file__).parents[3]
QUICK, MANY = 20_000, 1_000_000
PROCESSES = 2
APART = 10**6
"""Lives of one process are numbered from here on, so that no two processes live the same."""


def chosen_seed() -> int:
    return int(os.environ.get("FLA_PACKETS_SEED") or random.SystemRandom().randrange(10**6))


def all_was_reached(seen: Counter[tuple[int, int]]) -> None:
    """Every request was done, and was refused."""
    for request, good in GOOD.items():
        assert seen[request, good], f"no request {request} was ever done"
        assert seen[request, STATUS], f"no request {request} was ever refused"
    for never_done in (judge.INIT, judge.MKDIR, judge.RMDIR, judge.READLINK, judge.SYMLINK, 99):
        assert seen[never_done, STATUS]


def test_packets_of_every_kind_break_no_promise() -> None:
    seed, began = chosen_seed(), time.monotonic()
    report = storm(seed, 0, QUICK)
    all_was_reached(report.seen)
    speed = report.packets / (time.monotonic() - began)
    print(f"seed {seed}: {report.packets} packets in {report.lives} lives, {speed:.0f} a second")


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_million_packets_break_no_promise() -> None:
    seed, began = chosen_seed(), time.monotonic()
    command = [sys.executable, "-m", "tests.integration.sftp_server.fuzz", str(seed)]
    running = [
        subprocess.Popen(
            [*command, str(APART * number), str(MANY // PROCESSES)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(PROCESSES)
    ]
    told = [process.communicate()[0] for process in running]
    assert [process.returncode for process in running] == [0] * PROCESSES, "\n".join(told)
    reports = [json.loads(one) for one in told]
    seen = Counter({(a, b): n for report in reports for a, b, n in report["pairs"]})
    all_was_reached(seen)
    packets, lives = (sum(report[key] for report in reports) for key in ("packets", "lives"))
    assert packets >= MANY
    print(f"seed {seed}: {packets} packets, {lives} lives, {time.monotonic() - began:.0f} s")
