"""When a source is asked again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from batch.signing.findings import SourceKind
from batch.storage.revocations import Obtained, Source
from batch.upkeep.schedule import LONGEST, SHORTEST, Failures, due_at

NOW = datetime(2026, 5, 4, 9, 30, tzinfo=UTC)
HOUR = timedelta(hours=1)


def held(left: timedelta | None) -> Obtained:
    """A list that was fetched now, and ends after ``left``."""
    source = Source(SourceKind.CRL, "http://ca.example/ca.crl")
    return Obtained(1, source, "00", NOW - HOUR, None if left is None else NOW + left, NOW)


@pytest.mark.parametrize(
    ("left", "period"),
    [
        (None, LONGEST),
        (timedelta(days=7), LONGEST),
        (2 * LONGEST, LONGEST),
        (LONGEST, LONGEST / 2),
        (timedelta(seconds=10), SHORTEST),
        (timedelta(seconds=-10), SHORTEST),
    ],
)
def test_half_of_what_was_left_is_waited_for_at_most_an_hour(
    left: timedelta | None, period: timedelta
) -> None:
    assert due_at(held(left), None) == NOW + period


def test_what_was_never_fetched_is_due_and_what_a_set_waits_for_once_more() -> None:
    assert due_at(None, None) is None
    assert due_at(held(HOUR), NOW + HOUR) is None
    assert due_at(held(HOUR), NOW - HOUR) == NOW + HOUR / 2


def test_pauses_grow_to_a_bound_which_is_lower_while_a_set_waits() -> None:
    failures, pauses = Failures(), []
    assert failures.again_at(wanted=True) is None
    for _ in range(12):
        failures.failed(NOW)
        again = failures.again_at(wanted=False), failures.again_at(wanted=True)
        pauses.append(tuple((a - NOW).total_seconds() for a in again if a is not None))
    assert pauses[:6] == [(1, 1), (2, 2), (4, 4), (8, 8), (16, 10), (32, 10)]
    assert pauses[-1] == (300, 10)


def test_it_is_told_once_that_it_is_away_and_once_that_it_is_back() -> None:
    failures = Failures()
    assert not failures.over()
    assert [failures.failed(NOW) for _ in range(3)] == [True, False, False]
    assert [failures.over(), failures.over()] == [True, False]
