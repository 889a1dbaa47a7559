"""Every code of the catalogue is shown by a fixture or by a test that says so."""

from __future__ import annotations

import pytest

from batch import catalogue
from fixtures import coverage
from fixtures.coverage import NEVER, NOT_YET, Row

ROWS = coverage.rows()
KNOWN = {coverage.name_of(entry) for entry in catalogue.all_entries()}


def _name(row: Row) -> str:
    return row.name


@pytest.mark.parametrize("row", ROWS, ids=_name)
def test_a_code_is_shown_or_the_reason_is_given(row: Row) -> None:
    shown = bool(row.fixtures or row.tests)
    assert shown == (row.reason is None), "add a fixture or a test, or take it off the list"


def test_a_reason_and_a_mark_are_for_a_code_of_the_catalogue() -> None:
    assert set(NOT_YET) | set(NEVER) | set(coverage.marked()) <= KNOWN
    assert not set(NOT_YET) & set(NEVER)


def test_a_mark_names_a_test_that_runs() -> None:
    """A mark above something that pytest does not collect shows nothing."""
    tests = [test for found in coverage.marked().values() for test in found]
    assert tests
    for test in tests:
        file, _, function = test.partition("::")
        assert function.startswith("test_")
        assert file.rpartition("/")[2].startswith("test_")
