"""The day in Brussels of an instant: around midnight, and when the clocks change."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from batch.names import brussels_day


@pytest.mark.parametrize(
    ("at", "day"),
    [
        (datetime(2025, 1, 19, 22, 59, tzinfo=UTC), date(2025, 1, 19)),
        (datetime(2025, 1, 19, 23, 0, tzinfo=UTC), date(2025, 1, 20)),
        (datetime(2025, 7, 19, 21, 59, tzinfo=UTC), date(2025, 7, 19)),
        (datetime(2025, 7, 19, 22, 0, tzinfo=UTC), date(2025, 7, 20)),
        # The days on which the clock changes, 30 March (23 hours) and 26 October 2025 (25).
        (datetime(2025, 3, 29, 22, 59, 59, tzinfo=UTC), date(2025, 3, 29)),
        (datetime(2025, 3, 29, 23, 0, tzinfo=UTC), date(2025, 3, 30)),
        (datetime(2025, 3, 30, 0, 59, 59, tzinfo=UTC), date(2025, 3, 30)),
        (datetime(2025, 3, 30, 1, 0, tzinfo=UTC), date(2025, 3, 30)),
        (datetime(2025, 3, 30, 21, 59, 59, tzinfo=UTC), date(2025, 3, 30)),
        (datetime(2025, 3, 30, 22, 0, tzinfo=UTC), date(2025, 3, 31)),
        (datetime(2025, 10, 25, 21, 59, 59, tzinfo=UTC), date(2025, 10, 25)),
        (datetime(2025, 10, 25, 22, 0, tzinfo=UTC), date(2025, 10, 26)),
        (datetime(2025, 10, 26, 0, 59, 59, tzinfo=UTC), date(2025, 10, 26)),
        (datetime(2025, 10, 26, 1, 0, tzinfo=UTC), date(2025, 10, 26)),
        (datetime(2025, 10, 26, 22, 59, 59, tzinfo=UTC), date(2025, 10, 26)),
        (datetime(2025, 10, 26, 23, 0, tzinfo=UTC), date(2025, 10, 27)),
    ],
)
def test_a_day_is_that_of_brussels(at: datetime, day: date) -> None:
    assert brussels_day(at) == day
