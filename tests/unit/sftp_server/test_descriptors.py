"""How descriptors are shared out, and that there is one left for the next sender."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch.errors import InstanceError
from batch.identifiers import SenderNumber
from batch.sftp_server import descriptors
from batch.sftp_server.descriptors import Files, budget
from batch.sftp_server.disk import THREADS

GREEDY, OTHER, THIRD = (SenderNumber(f"{n:06d}") for n in (1, 2, 3))


@given(st.integers(0, 100_000), st.integers(1, 1000))
def test_no_limit_is_overdrawn(limit: int, wanted: int) -> None:
    try:
        shared = budget(limit, wanted)
    except InstanceError:
        assert limit < 80
        return
    work = sum(descriptors.OF_WORK[lane] * number for lane, number in shared.threads.items())
    needs = (
        2 * shared.folders
        + descriptors.OF_OUR_OWN
        + work
        + shared.backlog
        + shared.connections
        + shared.files
    )
    assert needs == limit
    assert 1 <= shared.connections <= wanted
    assert shared.files >= descriptors.FEWEST // 2
    assert min(shared.threads.values()) >= 1


def test_a_usual_limit_takes_nothing_away() -> None:
    shared = budget(1024, 200)
    assert (shared.connections, shared.threads) == (200, THREADS)
    assert shared.files > 400


def test_a_limit_that_is_too_low_is_said() -> None:
    with pytest.raises(InstanceError, match="raise its limit to 1024"):
        budget(64, 200)


def test_who_opens_all_it_can_leaves_some_to_the_next_and_so_on() -> None:
    files = Files(100)
    got = []
    for sender in (GREEDY, OTHER, THIRD):
        share = files.of(sender)
        got.append(0)
        while share.take():
            got[-1] += 1
    assert got == [50, 25, 13]
    assert files.free == 12


@given(st.lists(st.tuples(st.sampled_from([GREEDY, OTHER, THIRD]), st.booleans()), max_size=300))
def test_what_is_taken_and_given_never_goes_astray(steps: list[tuple[SenderNumber, bool]]) -> None:
    files = Files(20)
    for sender, takes in steps:
        share = files.of(sender)
        if takes:
            refused = not share.take()
            assert refused == (share.held >= files.free) or not refused
        elif share.held:
            share.give()
        held = sum(files.of(s).held for s in (GREEDY, OTHER, THIRD))
        assert files.free + held == 20
        assert files.free >= 1


def test_listings_are_kept_up_to_a_number_of_names_and_one_in_any_case() -> None:
    share = Files(100).of(GREEDY)
    assert share.list(descriptors.MOST_NAMES * 5)
    assert not share.list(1)
    share.forget(descriptors.MOST_NAMES * 5)
    assert share.list(descriptors.MOST_NAMES - 1)
    assert share.list(1)
    assert not share.list(1)
