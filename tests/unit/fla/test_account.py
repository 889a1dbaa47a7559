"""What is left, against its definition worked out anew from the list of objects."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from hypothesis import given
from hypothesis import strategies as st

from batch.fla.account import Account, Window, account_of, balances, overdrawn
from batch.fla.forms import (
    Content,
    Nature,
    RightType,
    RightUse,
    Training,
    TrainingRight,
    TrainingStatus,
)

WINDOW = Window(2024, 2028)
YEARS = st.integers(2022, 2031)
HOURS = st.integers(0, 5000)


def right(year: int, hours: int, kind: RightType = RightType.LEGAL) -> TrainingRight:
    return TrainingRight(kind, year, hours)


def training(
    year: int,
    hours: int,
    *uses: RightUse,
    status: TrainingStatus = TrainingStatus.FOLLOWED,
    counts: bool = True,
) -> Training:
    day = date(year, 12, 31)
    later = date(year + 1, 1, 2)
    return Training("T", Nature.FORMAL, status, day, later, hours, counts, uses)


def naive(objects: Sequence[Content], kind: RightType, year: int) -> int:
    """Remaining hours, straight from the definition (domain 4.2), sharing no code."""
    credit = dict.fromkeys(RightType, 0)
    for o in objects:
        if isinstance(o, TrainingRight) and o.year == year:
            credit[o.type] += o.hours
    for t in RightType:
        if 2024 < year <= 2028:
            credit[t] += naive(objects, t, year - 1)
    charged = [
        o
        for o in objects
        if isinstance(o, Training)
        and o.starting.year == year
        and o.status is TrainingStatus.FOLLOWED
        and o.counts_for_credit
    ]
    for used in charged:
        for use in used.uses:
            credit[use.type] -= use.hours
    for _ in range(sum(o.hours for o in charged if not o.uses)):
        for t in RightType:
            if credit[t] > 0:
                credit[t] -= 1
                break
    return max(0, credit[kind])


SMALL = st.integers(0, 12)
USES = st.lists(
    st.builds(RightUse, st.sampled_from(RightType), st.integers(1, 12)),
    max_size=3,
    unique_by=lambda use: use.type,
)
OBJECTS = st.one_of(
    st.builds(right, YEARS, SMALL, st.sampled_from(RightType)),
    st.builds(
        lambda year, hours, uses, status, counts: training(
            year, hours, *uses, status=status, counts=counts
        ),
        YEARS,
        st.integers(1, 30),
        USES,
        st.sampled_from(TrainingStatus),
        st.booleans(),
    ),
)


@given(st.lists(OBJECTS, max_size=12), YEARS)
def test_what_is_left_is_the_definition(objects: list[Content], year: int) -> None:
    left = balances(account_of(objects), year, WINDOW)
    assert {t: b.remaining for t, b in left.items()} == {
        t: naive(objects, t, year) for t in RightType
    }


@given(st.lists(OBJECTS, max_size=10), st.randoms(use_true_random=False), YEARS)
def test_the_order_of_arrival_changes_nothing(
    objects: list[Content], random: object, year: int
) -> None:
    shuffled = list(objects)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert balances(account_of(objects), year, WINDOW) == balances(
        account_of(shuffled), year, WINDOW
    )


@given(st.lists(OBJECTS, max_size=8), OBJECTS, YEARS)
def test_taking_away_undoes_adding(objects: list[Content], more: Content, year: int) -> None:
    account = account_of(objects)
    account.add(more)
    account.add(more, -1)
    assert balances(account, year, WINDOW) == balances(account_of(objects), year, WINDOW)


@given(st.lists(OBJECTS, max_size=12), YEARS)
def test_every_hour_used_is_charged_somewhere(objects: list[Content], year: int) -> None:
    account = account_of(objects)
    sums = account.years.get(year)
    wanted = 0 if sums is None else sum(sums.used) + sums.unsplit
    assert sum(b.used for b in balances(account, year, WINDOW).values()) == wanted


def legal(account: Account, year: int) -> int:
    return balances(account, year, WINDOW)[RightType.LEGAL].remaining


def test_credit_moves_inside_the_window_only() -> None:
    account = account_of([right(2023, 100), right(2024, 10), right(2028, 1), right(2029, 5)])
    assert [legal(account, year) for year in range(2023, 2031)] == [100, 10, 10, 10, 10, 11, 5, 0]


def test_what_is_overdrawn_is_no_debt_next_year() -> None:
    account = account_of([right(2024, 100), right(2025, 100), training(2024, 300)])
    assert (legal(account, 2024), legal(account, 2025)) == (0, 100)
    assert (overdrawn(account, 2024, WINDOW), overdrawn(account, 2025, WINDOW)) == (200, 0)


def test_hours_without_a_split_take_legal_sector_employer_in_order() -> None:
    objects = [right(2024, 10, kind) for kind in reversed(RightType)]
    left = balances(account_of([*objects, training(2024, 25)]), 2024, WINDOW)
    assert [left[kind].remaining for kind in RightType] == [0, 0, 5]


def test_a_split_is_charged_as_given() -> None:
    objects = [right(2024, 10, kind) for kind in RightType]
    used = training(2024, 30, RightUse(RightType.SECTOR, 7))
    left = balances(account_of([*objects, used]), 2024, WINDOW)
    assert [left[kind].remaining for kind in RightType] == [10, 3, 10]


def test_only_followed_trainings_that_count_use_credit() -> None:
    objects: list[Content] = [
        right(2024, 10),
        training(2024, 5, status=TrainingStatus.PLANNED),
        training(2024, 5, status=TrainingStatus.NOT_FOLLOWED),
        training(2024, 5, counts=False),
    ]
    assert legal(account_of(objects), 2024) == 10


def test_the_year_of_use_is_that_of_the_start() -> None:
    account = account_of([right(2024, 10), training(2024, 4)])
    assert (legal(account, 2024), legal(account, 2025)) == (6, 6)
