"""The plots of docs/performance.md, as SVG that is the same for the same figures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl

from tests.bench.curves import Curve
from tests.bench.figures import Row

mpl.use("svg")
mpl.rcParams.update({"svg.hashsalt": "fla-batch", "font.size": 9, "svg.fonttype": "none"})


def growth(curves: Sequence[Curve], target: Path) -> None:
    """Cost of one against how many there are, both logarithmic: a level line is linear growth."""
    from matplotlib import pyplot

    axes_of = list(dict.fromkeys(curve.axis for curve in curves))
    figure, panels = pyplot.subplots(2, 2, figsize=(9.5, 7.5), layout="constrained")
    for axis, panel in zip(axes_of, panels.flat, strict=False):
        for curve in (c for c in curves if c.axis == axis):
            points = [(n, cost) for n, cost in curve.points if cost > 0]
            label = f"{curve.what} ({curve.unit})"
            panel.loglog(*zip(*points, strict=True), marker="o", markersize=3, label=label)
        panel.set(xlabel=axis, ylabel="cost of one")
        panel.grid(visible=True, which="major", alpha=0.3)
        panel.legend(fontsize=7)
    _save(figure, target)


def targets(rows: Sequence[Row], target: Path) -> None:
    """Ratios to the peer with their spread, and where each should be."""
    from matplotlib import pyplot

    shown = [row for row in rows if row.ratio and row.target and row.target.of == "ratio"][::-1]
    figure, panel = pyplot.subplots(figsize=(9.5, 0.8 + 0.42 * len(shown)), layout="constrained")
    for place, row in enumerate(shown):
        assert row.ratio is not None
        assert row.target is not None
        middle, colour = row.ratio.middle, "tab:green" if row.met else "tab:red"
        spread = [[middle - row.ratio.least], [row.ratio.most - middle]]
        panel.errorbar(middle, place, xerr=spread, fmt="o", color=colour, capsize=3)
        panel.plot(row.target.bound, place, "k|", markersize=14)
        arrow = "←" if row.target.sense == "<=" else "→"
        panel.annotate(arrow, (row.target.bound, place), (4, 5), textcoords="offset points")
    panel.set_xscale("log")
    panel.set_yticks(range(len(shown)), [row.name for row in shown])
    panel.set_xlabel("ours to the peer's; | the target, and on which side of it we should be")
    panel.axvline(1, color="grey", linewidth=0.6)
    panel.grid(visible=True, axis="x", alpha=0.3)
    _save(figure, target)


def _save(figure: Any, target: Path) -> None:
    from matplotlib import pyplot

    target.parent.mkdir(exist_ok=True)
    figure.savefig(target, format="svg", metadata={"Date": None})
    pyplot.close(figure)
    text = "\n".join(line.rstrip() for line in target.read_text("utf-8").splitlines())
    target.write_text(text + "\n", "utf-8")
