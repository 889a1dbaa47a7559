"""The date in a name: judged by the calendar of Brussels at the instant of sealing."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from batch.registers import Channel, Grant, Interval
from batch.states import Sealed
from tests.unit.ingest.sets import CHANNEL, found, names_of, sealed, stem_with

BORDERS = [
    # A winter's night, 20 January 2026: midnight in Brussels is 23 hours UTC.
    (datetime(2026, 1, 19, 22, 59, 59, tzinfo=UTC), "20260119", "20260120"),
    (datetime(2026, 1, 19, 23, 0, tzinfo=UTC), "20260120", "20260121"),
    # A summer's night: 22 hours UTC.
    (datetime(2026, 7, 14, 21, 59, 59, tzinfo=UTC), "20260714", "20260715"),
    (datetime(2026, 7, 14, 22, 0, tzinfo=UTC), "20260715", "20260716"),
    # 29 March 2026 has 23 hours: it begins by winter time and ends by summer time.
    (datetime(2026, 3, 28, 22, 59, 59, tzinfo=UTC), "20260328", "20260329"),
    (datetime(2026, 3, 28, 23, 0, tzinfo=UTC), "20260329", "20260330"),
    (datetime(2026, 3, 29, 1, 0, tzinfo=UTC), "20260329", "20260330"),
    (datetime(2026, 3, 29, 21, 59, 59, tzinfo=UTC), "20260329", "20260330"),
    (datetime(2026, 3, 29, 22, 0, tzinfo=UTC), "20260330", "20260331"),
    # 25 October 2026 has 25 hours, and two o'clock comes twice.
    (datetime(2026, 10, 24, 21, 59, 59, tzinfo=UTC), "20261024", "20261025"),
    (datetime(2026, 10, 24, 22, 0, tzinfo=UTC), "20261025", "20261026"),
    (datetime(2026, 10, 25, 0, 30, tzinfo=UTC), "20261025", "20261026"),
    (datetime(2026, 10, 25, 1, 30, tzinfo=UTC), "20261025", "20261026"),
    (datetime(2026, 10, 25, 22, 59, 59, tzinfo=UTC), "20261025", "20261026"),
    (datetime(2026, 10, 25, 23, 0, tzinfo=UTC), "20261026", "20261027"),
]


def on(day: str, at: datetime) -> Sealed:
    """A right set of that day, sealed at ``at``."""
    return replace(sealed(names_of(stem_with(2, day))), sealed_at=at)


def at_all_times() -> Channel:
    always = Interval(datetime(2020, 1, 1, tzinfo=UTC))
    return replace(CHANNEL, open=always, grants=(Grant("FLA", always),))


@pytest.mark.parametrize(("at", "today", "tomorrow"), BORDERS)
def test_the_day_of_a_name_is_judged_by_the_calendar_of_brussels(
    at: datetime, today: str, tomorrow: str
) -> None:
    """At the instant the set was sealed, whatever the clock of the machine is set to."""
    for zone in (UTC, ZoneInfo("Europe/Brussels"), ZoneInfo("Pacific/Auckland")):
        instant = at.astimezone(zone)
        assert found(on(today, instant), channel=at_all_times()) == []
        assert found(on(tomorrow, instant), channel=at_all_times()) == ["111"]


@pytest.mark.parametrize(("at", "today", "_tomorrow"), BORDERS)
@pytest.mark.parametrize("days", [1, 7, 365])
def test_too_old_is_counted_in_days_of_brussels_too(
    at: datetime, today: str, _tomorrow: str, days: int
) -> None:
    oldest = date.fromisoformat(today) - timedelta(days=days)
    past = oldest - timedelta(days=1)
    given = on(f"{oldest:%Y%m%d}", at)
    assert found(given, channel=at_all_times(), too_old_days=days) == []
    given = on(f"{past:%Y%m%d}", at)
    assert found(given, channel=at_all_times(), too_old_days=days) == ["126"]
