"""Who may speak for whom, and when: mandates by whole quarters of Brussels."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch.identifiers import EnterpriseNumber, Quarter, SenderNumber
from batch.registers import (
    Channel,
    Enterprise,
    Grant,
    Interval,
    Mandate,
    Quality,
    RegisteredCertificate,
    Standing,
    standing,
)

AT = datetime(2026, 2, 10, 12, 0, tzinfo=UTC)
EMPLOYER = Enterprise(EnterpriseNumber.parse("0123456749"), "Client", None)
MANDATARY = EnterpriseNumber.parse("0477472701")
CHANNEL = Channel(
    sender=SenderNumber.parse("1"),
    enterprise=MANDATARY,
    quality=Quality.SERVICE_PROVIDER,
    user="mandatary",
    open=Interval(AT - timedelta(days=400)),
)
MANDATE = Mandate(
    id=1,
    employer=EMPLOYER.number,
    mandatary=MANDATARY,
    service="FLA",
    first=Quarter(2025, 4),
    last=Quarter(2026, 1),
)

QUARTERS = st.builds(Quarter, st.integers(2024, 2027), st.integers(1, 4))


def judged(
    *mandates: Mandate, at: datetime = AT, employer: Enterprise | None = EMPLOYER
) -> Standing:
    return standing(CHANNEL, employer, mandates, "FLA", at)


def test_an_unknown_employer_is_101() -> None:
    assert judged(MANDATE, employer=None).value == "101"


def test_a_sender_speaks_for_itself_without_mandate() -> None:
    own = Enterprise(MANDATARY, "The mandatary itself", None)
    assert judged(employer=own).value == ""


def test_a_mandate_in_force_lets_speak() -> None:
    assert judged(MANDATE) == Standing.MAY_SPEAK


def test_a_mandate_without_end_lets_speak_for_good() -> None:
    later = AT + timedelta(days=3650)
    assert judged(replace(MANDATE, last=None), at=later) == Standing.MAY_SPEAK


def test_never_any_mandate_is_230() -> None:
    assert judged().value == "230"


@pytest.mark.parametrize(
    "other",
    [
        replace(MANDATE, service="DMFA"),
        replace(MANDATE, mandatary=EnterpriseNumber.parse("1000000021")),
        replace(MANDATE, employer=EnterpriseNumber.parse("0999999922")),
        replace(MANDATE, employer=MANDATARY, mandatary=EMPLOYER.number),
    ],
    ids=["of another service", "to another", "from another", "the other way round"],
)
def test_a_mandate_of_something_else_counts_for_nothing(other: Mandate) -> None:
    assert judged(other) == Standing.NEVER_MANDATED


def test_a_mandate_that_has_ended_is_155() -> None:
    ended = replace(MANDATE, last=Quarter(2025, 4))
    assert judged(ended).value == "155"


def test_a_mandate_that_has_not_begun_is_155() -> None:
    coming = replace(MANDATE, first=Quarter(2026, 2), last=None)
    assert judged(coming) == Standing.MANDATE_NOT_NOW


def test_one_mandate_in_force_among_ended_ones_is_enough() -> None:
    ended = replace(MANDATE, id=2, first=Quarter(2024, 1), last=Quarter(2024, 4))
    assert judged(ended, MANDATE) == judged(MANDATE, ended) == Standing.MAY_SPEAK


@pytest.mark.parametrize(
    ("at", "verdict"),
    [
        (datetime(2025, 9, 30, 21, 59, 59, tzinfo=UTC), Standing.MANDATE_NOT_NOW),
        (datetime(2025, 9, 30, 22, 0, tzinfo=UTC), Standing.MAY_SPEAK),
        (datetime(2026, 3, 31, 21, 59, 59, tzinfo=UTC), Standing.MAY_SPEAK),
        (datetime(2026, 3, 31, 22, 0, tzinfo=UTC), Standing.MANDATE_NOT_NOW),
    ],
)
def test_a_quarter_begins_and_ends_at_midnight_in_brussels(at: datetime, verdict: Standing) -> None:
    assert judged(MANDATE, at=at) == verdict


@given(QUARTERS, st.none() | QUARTERS, QUARTERS, st.none() | QUARTERS)
def test_mandates_overlap_exactly_when_they_share_a_quarter(
    first: Quarter, last: Quarter | None, other_first: Quarter, other_last: Quarter | None
) -> None:
    if (last and last < first) or (other_last and other_last < other_first):
        return
    one = replace(MANDATE, first=first, last=last)
    other = replace(MANDATE, first=other_first, last=other_last)
    quarters = [Quarter(year, number) for year in range(2024, 2029) for number in range(1, 5)]
    shared = any(one.covers(quarter) and other.covers(quarter) for quarter in quarters)
    assert one.overlaps(other_first, other_last) is shared
    assert other.overlaps(first, last) is shared


def test_an_interval_holds_its_beginning_and_not_its_end() -> None:
    interval = Interval(AT, AT + timedelta(days=1))
    assert interval.covers(AT)
    assert not interval.covers(AT - timedelta(microseconds=1))
    assert interval.covers(AT + timedelta(days=1, microseconds=-1))
    assert not interval.covers(AT + timedelta(days=1))


def test_a_service_may_be_used_while_it_is_granted() -> None:
    granted = replace(CHANNEL, grants=(Grant("FLA", Interval(AT, AT + timedelta(days=1))),))
    assert granted.may_use("FLA", AT)
    assert not granted.may_use("FLA", AT + timedelta(days=1))
    assert not granted.may_use("DMFA", AT)
    assert not CHANNEL.may_use("FLA", AT)


def test_a_new_certificate_does_not_end_the_former_one() -> None:
    def certificate(name: str, since: datetime, until: datetime) -> RegisteredCertificate:
        return RegisteredCertificate(name.encode(), name, name, until, Interval(since, until))

    former = certificate("former", AT - timedelta(days=300), AT + timedelta(days=65))
    renewed = certificate("renewed", AT, AT + timedelta(days=365))
    channel = replace(CHANNEL, certificates=(former, renewed))
    assert channel.certificates_at(AT - timedelta(days=1)) == (former,)
    assert channel.certificates_at(AT) == (former, renewed)
    assert channel.certificates_at(AT + timedelta(days=65)) == (renewed,)
