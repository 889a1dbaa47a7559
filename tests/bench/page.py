"""docs/performance.md: the parts of it that a run makes, between their marks."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from tests.bench import plots, report
from tests.bench.curves import Curve
from tests.bench.figures import Row, Spread, Target
from tests.measured import Page

DOCS = Path(__file__).parents[2] / "docs"
PAGE = Page(DOCS / "performance.md")
_PLOT = "![The same as a plot](img/{}.svg)"


def write(machine: dict[str, str], found: Iterable[Row | Curve]) -> None:
    """Put a run into the page; what was not measured stays as it is."""
    told = list(found)
    rows = [each for each in told if isinstance(each, Row)]
    curves = [each for each in told if isinstance(each, Curve)]
    about = [f"- {heading}: {text}" for heading, text in machine.items()]
    if rows:
        PAGE.put("targets", [*about, "", *targets_table(rows), "", _PLOT.format("targets")])
        plots.targets(rows, DOCS / "img" / "targets.svg")
    if curves:
        PAGE.put("growth", [*about, "", *growth_table(curves), "", _PLOT.format("growth")])
        plots.growth(curves, DOCS / "img" / "growth.svg")


def targets_table(rows: Sequence[Row]) -> list[str]:
    """The rows as Markdown."""
    lines = [
        "| name | work | ours | peer | ours to the peer's (least to most) | target | met |",
        "| --- | --- | ---: | ---: | ---: | ---: | --- |",
    ]
    return lines + [f"| {row.name} | {' | '.join(report.cells(row))} |" for row in rows]


def growth_table(curves: Sequence[Curve]) -> list[str]:
    """The curves as Markdown."""
    lines = [
        "| by | what | cost of one | exponent of all | that of n log n | met |",
        "| --- | --- | --- | ---: | ---: | --- |",
    ]
    return lines + [f"| {' | '.join(report.grows(curve))} |" for curve in curves]


def kept(files: Sequence[Path]) -> tuple[dict[str, str], list[Row | Curve]]:
    """What runs printed with ``--json``; where two have the same row, the later file's counts."""
    machine: dict[str, str] = {}
    found: dict[object, Row | Curve] = {}
    for file in files:
        document = json.loads(file.read_text("utf-8"))
        machine = document["machine"]
        for given in document["rows"]:
            found[given["name"]] = _row(given)
        for given in document["curves"]:
            points = tuple((int(n), float(cost)) for n, cost in given["points"])
            curve = Curve(given["axis"], given["what"], given["unit"], points)
            found[curve.axis, curve.what] = curve
    return machine, list(found.values())


def _row(given: dict[str, Any]) -> Row:
    spreads = {
        field: Spread(**given[field]) if given[field] else None
        for field in ("ours", "theirs", "ratio")
    }
    target = Target(**given["target"]) if given["target"] else None
    return Row(**{**given, **spreads, "target": target})
