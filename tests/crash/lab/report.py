"""The table of a run, on the screen and in docs/reliability.md."""

from __future__ import annotations

import os
import platform
import re
import sqlite3
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.crash.lab.matrix import Tally
from tests.measured import Page

PAGE = Page(Path(__file__).parents[3] / "docs" / "reliability.md")


def show(rows: Sequence[Tally], seconds: float) -> None:
    """Two tables: kinds of death, and the hunts."""
    console = Console()
    kinds = Table(title="The protocol", title_justify="left")
    for column in ("kind of death", "points", "violations", "seconds"):
        kinds.add_column(column, justify="left" if column == "kind of death" else "right")
    hunts = Table(title="Seeded bugs", title_justify="left")
    for column in ("bug", "kind of death", "points until found", "what was seen"):
        hunts.add_column(column)
    for row in rows:
        if row.bug:
            hunts.add_row(row.bug, row.kind, *_hunted(row))
        else:
            kinds.add_row(row.kind, *_counted(row))
    console.print(kinds)
    console.print(hunts)
    console.print(f"{seconds:.0f} seconds")


def write(rows: Sequence[Tally], seconds: float, passed: int) -> None:
    """Put the figures into the page, between its marks; what was not run stays as it is."""
    machine = (
        f"Linux {platform.release()}, Python {platform.python_version()}, "
        f"SQLite {sqlite3.sqlite_version}, {os.cpu_count()} cores, {seconds / 60:.0f} minutes. "
    )
    kinds = [r for r in rows if not r.bug]
    if kinds:
        lines = [
            "| kind of death | points | violations | seconds |",
            "| --- | ---: | ---: | ---: |",
        ]
        lines += [f"| {r.kind} | {' | '.join(_counted(r))} |" for r in kinds]
        PAGE.put("crash", [f"{machine}A run of the acts passes {passed} points.", "", *lines])
    bugs = [r for r in rows if r.bug]
    if bugs:
        lines = ["| seeded bug | kind of death | points until found | what was seen |"]
        lines += ["| --- | --- | ---: | --- |"]
        lines += [f"| {r.bug} | {r.kind} | {' | '.join(_hunted(r))} |" for r in bugs]
        PAGE.put("bugs", [machine.strip(), "", *lines])


def _counted(row: Tally) -> tuple[str, str, str]:
    if row.skipped:
        return ("skipped", row.skipped, "")
    lost = f", {row.lost} not mountable" if row.lost else ""
    return (str(row.points), f"{len(row.violations)}{lost}", f"{row.seconds:.0f}")


def _hunted(row: Tally) -> tuple[str, str]:
    if row.skipped:
        return ("skipped", row.skipped)
    if not row.violations:
        return (str(row.points), "NOT FOUND")
    seen = re.sub(r"[0-9]{5,}[0-9.A-Z]*|[0-9a-f]{12,}", "…", row.violations[0].wrong)
    return (str(row.points), seen[:80].replace("|", "/"))
