"""Rows on the screen."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict

from rich.console import Console
from rich.table import Table

from tests.bench.curves import Curve
from tests.bench.figures import Bench, Row, Spread


def listed(benches: Iterable[Bench]) -> Table:
    """The parts of a run by name."""
    table = Table(title="make bench ARGS='--only NAME ...'", title_justify="left")
    table.add_column("name")
    table.add_column("what is measured")
    for bench in benches:
        table.add_row(bench.name, bench.what)
    return table


def document(found: Iterable[Row | Curve]) -> dict[str, list[dict[str, object]]]:
    """All of it as JSON has it."""
    told = list(found)
    return {
        "rows": [asdict(each) for each in told if isinstance(each, Row)],
        "curves": [
            asdict(each) | {"exponent": each.exponent, "allowed": each.allowed, "met": each.met}
            for each in told
            if isinstance(each, Curve)
        ],
    }


def show(found: Iterable[Row | Curve]) -> None:
    """Two tables on the screen: rows, and how cost grows."""
    told = list(found)
    made = Table(title="ours, the peer, and ours to the peer", title_justify="left")
    for heading in ("name", "ours", "peer", "ratio", "target", "met"):
        made.add_column(heading, no_wrap=heading == "name")
    for row in told:
        if isinstance(row, Row):
            made.add_row(row.name, *cells(row)[1:])
    grown = Table(title="cost by number", title_justify="left")
    for heading in ("by", "what", "cost of one", "exponent", "n log n", "met"):
        grown.add_column(heading)
    for curve in told:
        if isinstance(curve, Curve):
            grown.add_row(*grows(curve))
    for table in (made, grown):
        if table.row_count:
            Console().print(table)


def grows(curve: Curve) -> tuple[str, str, str, str, str, str]:
    """Axis, what, the cost of one at each number, the fitted exponent, that of n log n, met."""
    costs = ", ".join(f"{n:,}: {number(cost)}" for n, cost in curve.points)
    fitted, allowed = (
        "" if value is None else f"{value:.2f}" for value in (curve.exponent, curve.allowed)
    )
    reached = "" if curve.met is None else "yes" if curve.met else "no"
    return (curve.axis, curve.what, f"{costs} {curve.unit}", fitted, allowed, reached)


def cells(row: Row) -> tuple[str, str, str, str, str, str]:
    """Work, ours, peer, ratio with spread, target, met."""
    theirs = "" if row.theirs is None else f"{number(row.theirs.middle)} {row.unit} ({row.peer})"
    ratio = "" if row.ratio is None else spread(row.ratio)
    ours = f"{number(row.ours.middle)} {row.unit}"
    if row.ratio is None and row.ours.least != row.ours.most:
        ours += f" ({number(row.ours.least)} to {number(row.ours.most)})"
    return (row.work, ours, theirs, ratio, target(row), met(row))


def target(row: Row) -> str:
    if row.target is None:
        return ""
    unit = "x" if row.target.of == "ratio" else f" {row.unit}"
    sense = {"<=": "≤", ">=": "≥"}[row.target.sense]
    return f"{sense} {row.target.bound:g}{unit}"


def met(row: Row) -> str:
    return "" if row.met is None else "yes" if row.met else "no"


def spread(found: Spread) -> str:
    return f"{number(found.middle)}x ({number(found.least)} to {number(found.most)})"


def number(value: float) -> str:
    """Three digits that count."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def line(row: Row | Curve) -> str:
    """A row as one line, for the screen while others are still measured."""
    if isinstance(row, Curve):
        axis, what, costs, fitted, *_ = grows(row)
        return f"{axis}, {what}: {costs}, exponent {fitted}"
    _, ours, theirs, ratio, aim, reached = cells(row)
    parts = [ours, theirs, ratio, f"{aim}: {reached}" if aim else ""]
    return f"{row.name}: {', '.join(part for part in parts if part)}"
