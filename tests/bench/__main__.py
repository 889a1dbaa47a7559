"""``make bench``: speeds as ratios to a peer in the same run. Nothing is red because it is slow."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import traceback
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from tests.bench import (
    bulk,
    connections,
    growth,
    large,
    logins,
    machine,
    openssh,
    page,
    parsing,
    report,
    signatures,
    small_sets,
    transfers,
    whole_way,
)
from tests.bench.curves import Curve
from tests.bench.figures import Bench, Row, Run

BENCHES = (
    whole_way.BENCH,
    small_sets.BENCH,
    transfers.BENCH,
    connections.BENCH,
    parsing.BENCH,
    large.BENCH,
    signatures.BENCH,
    bulk.BENCH,
    logins.BENCH,
    *growth.BENCHES,
)
ROUNDS = 5


def main() -> int:
    """1 when a part could not be measured; never because of what was measured."""
    parser = _parser()
    given = parser.parse_args()
    if given.profile and (given.write or given.json):
        parser.error("--profile slows ours down: its figures are not to be kept")
    if given.list:
        Console().print(report.listed(BENCHES))
        return 0
    if given.kept:
        page.write(*page.kept(given.kept))
        return 0
    chosen = [bench for bench in BENCHES if bench.name in given.only]
    work = Path(tempfile.mkdtemp(prefix="fla-batch-bench-", dir=given.work))
    measuring = _Measuring(given, work, Console(stderr=True))
    try:
        found = list(measuring.all_of(chosen))
        about = machine.told(work)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    if given.json:
        json.dump({"machine": about, **report.document(found)}, sys.stdout, indent=2)
    else:
        report.show(found)
    if given.write and not measuring.broken:
        page.write(about, found)
    return int(measuring.broken)


class _Measuring:
    """One part after the other; one that breaks is told, and the others go on."""

    def __init__(self, given: argparse.Namespace, work: Path, console: Console) -> None:
        self.broken = False
        self._given, self._work, self._console = given, work, console

    def all_of(self, chosen: list[Bench]) -> Iterator[Row | Curve]:
        columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
        with Progress(*columns, console=self._console, transient=True) as progress:
            for number, bench in enumerate(chosen, 1):
                task = progress.add_task(bench.name)
                absent = [program for program in bench.needs if not _there(program)]
                if absent:
                    self._console.print(f"{bench.name}: left out, absent: {', '.join(absent)}")
                    continue
                yield from self._one(bench, self._run(progress, task, f"{number}/{len(chosen)}"))
                progress.remove_task(task)

    def _run(self, progress: Progress, task: TaskID, before: str) -> Run:
        def say(text: str) -> None:
            progress.update(task, description=f"{before} {text}")

        given = self._given
        rounds = given.rounds or (1 if given.quick else ROUNDS)
        return Run(self._work, rounds, given.quick, given.all, say, given.profile)

    def _one(self, bench: Bench, run: Run) -> Iterator[Row | Curve]:
        try:
            for row in bench.rows(run):
                self._console.print(report.line(row))
                yield row
        except Exception:
            self.broken = True
            self._console.print(f"{bench.name}: not measured\n{traceback.format_exc()}")


def _there(program: str) -> bool:
    return openssh.sshd() is not None if program == "sshd" else shutil.which(program) is not None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make bench ARGS=...", description=__doc__)
    names = [bench.name for bench in BENCHES]
    parser.add_argument("--only", nargs="+", choices=names, default=names, metavar="NAME")
    parser.add_argument("--list", action="store_true", help="what can be asked for, and no more")
    parser.add_argument(
        "--rounds", type=int, help=f"pairs of which the median counts ({ROUNDS}; few where heavy)"
    )
    parser.add_argument("--quick", action="store_true", help="little work, once: that all runs")
    parser.add_argument("--all", action="store_true", help="growth to its end: an hour")
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")
    parser.add_argument("--write", action="store_true", help="put the figures into the docs")
    parser.add_argument(
        "--kept", nargs="+", type=Path, metavar="FILE", help="only write, from what --json printed"
    )
    parser.add_argument(
        "--profile", type=Path, metavar="DIRECTORY", help="py-spy beside ours: a flame graph each"
    )
    parser.add_argument("--work", type=Path, help="a directory on the disk to be measured")
    return parser


if __name__ == "__main__":
    sys.exit(main())
