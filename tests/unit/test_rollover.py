"""The first instant at which a channel has no certificate, and when that is warned of."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from batch.identifiers import EnterpriseNumber, SenderNumber
from batch.registers import Channel, Interval, Quality, RegisteredCertificate, warning_of

NOW = datetime(2026, 5, 4, 9, 30, tzinfo=UTC)


def day(number: float) -> datetime:
    return NOW + timedelta(days=number)


def channel(
    *certificates: tuple[float, float | None, float], closed: float | None = None
) -> Channel:
    """Certificates as (since, until, not_after), in days from now."""
    return Channel(
        SenderNumber("000001"),
        EnterpriseNumber("0403170701"),
        Quality.NSSO_EMPLOYER,
        "acme",
        Interval(day(-900), None if closed is None else day(closed)),
        certificates=tuple(
            RegisteredCertificate(
                b"", "", "", day(end), Interval(day(since), None if until is None else day(until))
            )
            for since, until, end in certificates
        ),
    )


@pytest.mark.parametrize(
    ("certificates", "gap"),
    [
        ([], 0),
        ([(-10, None, 100)], 100),
        ([(-10, 50, 100)], 50),
        ([(-10, None, 20), (15, None, 400)], 400),
        ([(-10, None, 20), (20, None, 400)], 400),
        ([(-10, None, 20), (21, None, 400)], 20),
        ([(15, None, 400), (-10, None, 20)], 400),
        ([(-10, None, 20), (5, 8, 400), (19, None, 30)], 30),
        ([(5, None, 400)], 0),
        ([(-400, None, -5)], 0),
        ([(-400, None, 0)], 0),
    ],
)
def test_the_first_gap_is_where_no_certificate_follows(
    certificates: list[tuple[float, float | None, float]], gap: float
) -> None:
    assert channel(*certificates).first_gap(NOW) == day(gap)


def test_a_closed_channel_has_no_gap() -> None:
    assert channel((-10, None, 100), closed=-1).first_gap(NOW) is None


@pytest.mark.parametrize(
    ("left", "life", "warning"),
    [
        (90.1, None, None),
        (90, None, 90),
        (30.1, None, 90),
        (30, None, 30),
        (7, None, 7),
        (0.1, None, 7),
        (0, None, 0),
        (-3, None, 0),
        (5, 7, None),
        (0, 7, 0),
        (7, 14, 7),
        (7, 13, None),
        (25, 60, 30),
        (80, 179, None),
    ],
)
def test_thresholds(left: float, life: float | None, warning: int | None) -> None:
    lives = None if life is None else timedelta(days=life)
    assert warning_of(timedelta(days=left), lives) == warning
