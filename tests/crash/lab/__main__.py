"""``python -m tests.crash.lab``: die everywhere, or in a seeded sample, and print the table."""

from __future__ import annotations

import argparse
import logging
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.acceptance.conftest import register
from tests.acceptance.instance import Shell
from tests.crash.lab import report
from tests.crash.lab.matrix import ALL_BUGS, ALL_KINDS, Laboratory, Tally, sample
from tests.crash.lab.points import Point

SAMPLE = 20
"""Points of each kind in a run that is not of all: with the hunts, under five minutes."""


def main(arguments: list[str]) -> int:
    """1 when a promise was broken or a seeded bug was not found."""
    given = _parser().parse_args(arguments)
    chance = random.Random(given.seed)
    logging.getLogger("paramiko").setLevel(logging.CRITICAL)  # its lost connections are our doing
    print(f"seed {given.seed}", flush=True)
    began = time.monotonic()
    scratch = Path(tempfile.mkdtemp(prefix="crash-"))
    shell = Shell()
    try:
        (scratch / "registered").mkdir()
        registered = register(shell, scratch / "registered")
        laboratory = Laboratory(registered, scratch, _say(began), given.lanes)
        points = laboratory.record()
        chosen = points if given.all else sample(points, given.points, chance)
        hunts = [bug for bug in ALL_BUGS if bug.name in given.bug]
        laboratory.run(chosen, given.kind, hunts, chance.sample(points, len(points)))
    finally:
        shell.close()
        shutil.rmtree(scratch, ignore_errors=True)
    rows = list(laboratory.rows.values())
    seconds = time.monotonic() - began
    report.show(rows, seconds)
    _tell_covered(points, rows)
    if given.write and not _bad(rows):
        report.write(rows, seconds, len(points))
    skipped = [row for row in rows if row.skipped]
    return int(bool(_bad(rows)) or (given.no_skips and bool(skipped)))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make crash", description=__doc__)
    parser.add_argument("--all", action="store_true", help="every point")
    parser.add_argument("--no-skips", action="store_true", help="fail where a kind is skipped")
    parser.add_argument("--write", action="store_true", help="put the figures into the docs")
    parser.add_argument("--points", type=int, default=SAMPLE, help="of each kind, without --all")
    parser.add_argument("--kind", nargs="*", choices=ALL_KINDS, default=list(ALL_KINDS))
    names = [bug.name for bug in ALL_BUGS]
    parser.add_argument("--bug", nargs="*", choices=names, default=names)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--lanes", type=int, default=2, help="instances at once")
    return parser


def _say(began: float) -> Callable[[str], None]:
    def say(text: str) -> None:
        print(f"{time.monotonic() - began:6.0f} s  {text}", flush=True)

    return say


def _bad(rows: list[Tally]) -> list[Tally]:
    """Rows that break the proof: a violation of the protocol, a place that is lost, or a bug that
    was not found."""
    found = [r for r in rows if not r.skipped]
    return [r for r in found if bool(r.violations or (r.lost and not r.bug)) is not bool(r.bug)]


def _tell_covered(points: list[Point], rows: list[Tally]) -> None:
    """How much of what a run passes was really died before, by what was about to happen."""
    passed = {f"{p.role} {p.call.name} {p.call.about}" for p in points if p.call}
    met = {where for row in rows if not row.bug for where in row.died}
    print(f"kinds of change passed: {len(passed)}, died before: {len(passed & met)}")
    for missed in sorted(passed - met) if len(points) == sum(rows[0].died.values()) else ():
        print(f"  not met: {missed}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
