"""The hot paths take no more instructions than their record allows: a count, never a time."""

from __future__ import annotations

import pytest

from tests.bench import counts
from tests.bench.counts import HEADROOM, HEADROOM_OF_RATIOS, REFERENCE
from tests.bench.paths import PATHS

UNKNOWN = "3.99-riscv64"
KNOWN = {"3.11-x86_64": {REFERENCE: 100.0, "a": 1000.0}, "3.9-x86_64": {REFERENCE: 1.0, "a": 1.0}}


@pytest.mark.needs("valgrind", "vgdb")
def test_no_hot_path_takes_more_instructions_than_on_record() -> None:
    known = counts.record()
    assert all(set(found) == set(PATHS) for found in known.values())
    assert counts.too_many(counts.count(), known, counts.this_python()) == []


@pytest.mark.needs("valgrind", "vgdb")
def test_a_fourth_more_work_is_found() -> None:
    found = counts.count([REFERENCE, "name-split", "write-answered"], more="write-answered")
    [sentence] = counts.too_many(found, counts.record(), counts.this_python())
    assert sentence.startswith("write-answered: ")


@pytest.mark.parametrize(("times", "red"), [(HEADROOM - 0.01, 0), (HEADROOM + 0.01, 1)])
def test_a_python_on_record_is_compared_with_its_own(times: float, red: int) -> None:
    found = {REFERENCE: 1.0, "a": 1000 * times}
    assert len(counts.too_many(found, KNOWN, "3.11-x86_64")) == red


@pytest.mark.parametrize("speed", [0.5, 2.0])
@pytest.mark.parametrize("more", [-0.01, 0.01])
def test_another_python_is_compared_by_the_reference_with_the_newest(
    speed: float, more: float
) -> None:
    """One that is twice as fast in everything may take half of the instructions."""
    found = {REFERENCE: 100 * speed, "a": 1000 * speed * (HEADROOM_OF_RATIOS + more)}
    assert len(counts.too_many(found, KNOWN, UNKNOWN)) == (more > 0)
