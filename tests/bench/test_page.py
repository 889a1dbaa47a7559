"""What a run found is kept, read back and put into the page; a growth that is too fast is seen."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.bench import page, report
from tests.bench.curves import Curve
from tests.bench.figures import Pairs, Row, Target

AIM = Target(">=", 1.3)
PAIRS = Pairs("peer", [{"cpu": 0.2}, {"cpu": 0.4}, {"cpu": 0.3}], [{"cpu": 0.1}] * 3)
NUMBERS = (100, 1000, 10_000, 100_000)


def curve(of_one: Callable[[int], float]) -> Curve:
    return Curve("sets", "one of them", "ms", tuple((n, of_one(n)) for n in NUMBERS))


def test_a_ratio_is_the_median_of_the_pairs_with_its_spread() -> None:
    row = PAIRS.row("name", "work", "cpu", "ms", AIM)
    assert row.ratio is not None
    assert row.theirs is not None
    assert (row.ours.middle, row.theirs.middle) == pytest.approx((300, 100))
    assert (row.ratio.least, row.ratio.middle, row.ratio.most) == pytest.approx((2, 3, 4))
    assert row.met is True


@pytest.mark.parametrize(("sense", "bound", "met"), [("<=", 2.9, False), ("<=", 3.1, True)])
def test_a_target_is_met_on_its_side_only(sense: str, bound: float, met: bool) -> None:
    aim = Target(sense, bound)  # type: ignore[arg-type]
    assert PAIRS.row("name", "work", "cpu", "ms", aim).met is met


def test_a_run_that_was_kept_is_read_back(tmp_path: Path) -> None:
    found: list[Row | Curve] = [
        PAIRS.row("with", "work", "cpu", "ms", AIM),
        PAIRS.row("without", "work", "cpu", "s"),
        curve(lambda n: 2.0),
    ]
    kept = tmp_path / "run.json"
    kept.write_text(json.dumps({"machine": {"system": "x"}, **report.document(found)}), "utf-8")
    assert page.kept([kept]) == ({"system": "x"}, found)


@pytest.mark.parametrize(
    ("of_one", "met"),
    [
        (lambda n: 1.0, True),
        (lambda n: 1 / n, True),
        (lambda n: math.log(n), True),
        (lambda n: n**0.4, False),
        (lambda n: float(n), False),
    ],
    ids=["n", "1", "n log n", "n to the 1.4", "n squared"],
)
def test_growth_is_measured_by_n_log_n(of_one: Callable[[int], float], met: bool) -> None:
    assert curve(of_one).met is met


def test_the_page_has_a_place_for_all_that_a_run_writes() -> None:
    text = page.PAGE.path.read_text("utf-8")
    for part in ("targets", "growth"):
        assert text.index(f"<!-- {part} -->") < text.index(f"<!-- /{part} -->")
