"""When a set is sealed: its GO decides, TD abandons, time is never for ever."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch.ingest.receive import Arrival, Ready, Waits, complete_names, ready
from batch.names import Dropped, Folder, Kind, split
from batch.states import Trigger
from tests.unit.ingest.sets import STEM, names_of

WAITS = Waits(grace=3.0, unfinished=900.0, settle=2.0)
FULL = names_of()
FI, FS, GO = FULL
TD = f"TD.{STEM}.1"
INBOXES = st.sampled_from([Folder.IN, Folder.INTEST])


def here(
    *names: str, age: float = 0.0, sealed: bool = False, published: bool = True
) -> list[Arrival]:
    return [Arrival(name, age, sealed, published) for name in names]


def found(arrivals: list[Arrival], folder: Folder = Folder.IN) -> list[Ready]:
    return list(ready(arrivals, folder, WAITS))


def triggers(arrivals: list[Arrival], folder: Folder = Folder.IN) -> list[Trigger]:
    return [item.trigger for item in found(arrivals, folder)]


def go_of(text: str) -> Dropped:
    name = split(text)
    assert name is not None
    return name


@pytest.mark.parametrize("parts", range(1, 10))
def test_a_complete_set_is_ready_at_once(parts: int) -> None:
    names = names_of(parts=parts)
    assert found(here(*names)) == [Ready(STEM, tuple(names), Trigger.GO)]


@given(st.permutations(names_of(parts=3)))
def test_files_may_come_in_any_order(names: list[str]) -> None:
    (item,) = found(here(*names))
    assert (item.trigger, set(item.names)) == (Trigger.GO, set(names))


@pytest.mark.parametrize("missing", names_of(parts=2)[:-1])
def test_an_incomplete_set_waits_for_the_grace_and_no_longer(missing: str) -> None:
    names = [name for name in names_of(parts=2) if name != missing]
    assert triggers(here(*names, age=2.9)) == []
    assert triggers(here(*names, age=3.0)) == [Trigger.GO]


def test_the_grace_runs_from_the_go_and_not_from_the_last_file() -> None:
    assert triggers(here(GO, age=3.0) + here(FI, age=0.0)) == [Trigger.GO]
    assert triggers(here(GO, age=0.0) + here(FI, age=800.0)) == []


def test_a_go_alone_is_ready_after_the_grace() -> None:
    assert triggers(here(GO, age=2.9)) == []
    assert found(here(GO, age=3.0)) == [Ready(STEM, (GO,), Trigger.GO)]


def test_no_signature_is_waited_for_in_intest() -> None:
    assert triggers(here(FI, GO), Folder.INTEST) == [Trigger.GO]
    assert triggers(here(FI, GO), Folder.IN) == []


@pytest.mark.parametrize("go", [f"GO.{STEM}", f"GO.{STEM}.1"])
@pytest.mark.parametrize("fi", [f"FI.{STEM}", f"FI.{STEM}.1.1"])
@pytest.mark.parametrize("fs", [f"FS.{STEM}", f"FS.{STEM}.1.1"])
def test_older_names_without_parts_make_a_complete_set(go: str, fi: str, fs: str) -> None:
    assert triggers(here(fi, fs, go)) == [Trigger.GO]


def test_other_numbers_do_not_complete_a_set() -> None:
    assert triggers(here(f"FI.{STEM}.1.2", f"FS.{STEM}.1.1", GO)) == []
    assert triggers(here(f"FI.{STEM}.2.1", f"FS.{STEM}.2.1", GO)) == []


@pytest.mark.parametrize("total", ["", "0", "A", "²", "10", "12", "123", "1234"])
def test_a_total_that_is_not_one_digit_announces_nothing_known(total: str) -> None:
    """T is one digit (contract, section 1); a long one must not be taken at its word."""
    assert complete_names(go_of(f"GO.{STEM}.{total}"), Folder.IN) is None


@pytest.mark.parametrize("total", ["0", "A", "12"])
def test_a_go_with_a_wrong_total_is_ready_after_the_grace(total: str) -> None:
    arrivals = here(FI, FS, f"GO.{STEM}.{total}", age=3.0)
    assert triggers(arrivals) == [Trigger.GO]


@pytest.mark.parametrize("others", [[], [FI], [FI, FS], [FI, FS, GO]])
def test_a_td_cancels_at_once_what_is_not_sealed(others: list[str]) -> None:
    (item,) = found(here(*others, TD))
    assert (item.trigger, set(item.names)) == (Trigger.CANCELLED, {*others, TD})


def test_a_td_that_stays_behind_cancels_nothing() -> None:
    assert triggers(here(TD, sealed=True)) == []


@pytest.mark.parametrize("names", [[FI], [FS], [FI, FS]])
def test_files_without_a_go_are_given_up_on_after_the_long_wait(names: list[str]) -> None:
    assert triggers(here(*names, age=899.0)) == []
    assert found(here(*names, age=900.0)) == [Ready(STEM, tuple(names), Trigger.UNFINISHED)]


def test_a_set_still_growing_is_not_given_up_on() -> None:
    assert triggers(here(FI, age=5000.0) + here(FS, age=899.0)) == []


@pytest.mark.parametrize(
    "name", ["readme.txt", "FI.x", "FI.FLAD.000001.20260120.00001", "fi.FLAD", "FO.ACRF", "GO"]
)
def test_a_name_that_does_not_split_is_answered_by_itself_after_the_long_wait(name: str) -> None:
    assert found(here(name, age=899.0)) == []
    assert found(here(name, age=900.0)) == [Ready("@" + name, (name,), Trigger.UNREADABLE)]
    assert found(here(name, age=900.0, sealed=True)) == []


def test_a_copied_file_must_be_unchanged_for_a_while() -> None:
    for copied in FULL:
        others = here(*(name for name in FULL if name != copied))
        assert triggers(others + here(copied, age=1.9, published=False)) == []
        assert triggers(others + here(copied, age=2.0, published=False)) == [Trigger.GO]


def test_a_file_still_changing_holds_up_no_other_set() -> None:
    other = names_of(STEM.replace("00001.R", "00002.R"))
    arrivals = here(*FULL) + here(*other, age=0.5, published=False)
    assert [item.stem for item in found(arrivals)] == [STEM]


def test_what_is_left_of_a_sealed_set_is_not_sealed_again() -> None:
    assert found(here(*FULL, age=10_000.0, sealed=True)) == []


def test_a_go_sent_again_takes_the_sealed_files_of_its_stem() -> None:
    (item,) = found(here(FI, FS, sealed=True) + here(GO))
    assert (item.trigger, set(item.names)) == (Trigger.GO, set(FULL))


def test_other_files_under_a_used_stem_are_not_forgotten() -> None:
    leftovers = here(FS, GO, age=10_000.0, sealed=True)
    assert triggers(leftovers + here(FI, age=899.0)) == []
    assert triggers(leftovers + here(FI, age=900.0)) == [Trigger.UNFINISHED]


@pytest.mark.parametrize("wrong", ["FLAD.1.2026.0.X", "FLAD.000001.20260120.00001.", "...."])
def test_a_name_with_a_wrong_element_belongs_to_the_set_of_its_text(wrong: str) -> None:
    assert found(here(f"FI.{wrong}.1.1", f"FS.{wrong}.1.1", f"GO.{wrong}.1"))[0].stem == wrong


def test_sets_interleaved_are_kept_apart_and_come_by_stem() -> None:
    stems = [STEM.replace("00001.R", f"0000{n}.R") for n in (3, 1, 2)]
    sets = [names_of(stem, 2) for stem in stems]
    mixed = [name for together in zip(*sets, strict=True) for name in together]
    items = found(here(*mixed))
    assert [item.stem for item in items] == sorted(stems)
    assert {frozenset(item.names) for item in items} == {frozenset(names) for names in sets}


KINDS = st.sampled_from([Kind.FI, Kind.FS, Kind.GO, Kind.TD])
ENDINGS = st.sampled_from(["", ".1", ".1.1", ".2.1", ".2.2", ".2", ".A", ".0", ".A.B", ".9.9"])
STEMS = st.sampled_from([STEM, STEM.replace("00001.R", "00002.R"), "FLAD.1.2026.0.X"])
NAMES = st.one_of(
    st.builds(lambda kind, stem, end: f"{kind}.{stem}{end}", KINDS, STEMS, ENDINGS),
    st.text("AFIGOSTD.019_-x", min_size=1, max_size=30),
)
ARRIVALS = st.lists(
    st.builds(
        Arrival,
        name=NAMES,
        age=st.floats(0, 2000, allow_nan=False),
        sealed=st.booleans(),
        published=st.booleans(),
    ),
    unique_by=lambda a: a.name,
    max_size=12,
)


def later(arrivals: list[Arrival], seconds: float) -> list[Arrival]:
    return [Arrival(a.name, a.age + seconds, a.sealed, a.published) for a in arrivals]


@given(ARRIVALS, INBOXES)
def test_no_arrival_is_both_forgotten_for_ever_and_unanswered(
    arrivals: list[Arrival], folder: Folder
) -> None:
    """Silence is a defect (contract, section 3): after the longest wait each file has its turn."""
    longest = max(WAITS.grace, WAITS.unfinished, WAITS.settle)
    taken = {name for item in found(later(arrivals, longest), folder) for name in item.names}
    assert {a.name for a in arrivals if not a.sealed} <= taken


@given(ARRIVALS, INBOXES)
def test_a_go_is_decided_within_its_grace(arrivals: list[Arrival], folder: Folder) -> None:
    """A GO is answered after at most the grace, however long the other timers are."""
    aged = later(arrivals, max(WAITS.grace, WAITS.settle))
    taken = {name for item in found(aged, folder) for name in item.names}
    triggered = {a.name for a in arrivals if not a.sealed and go_or_td(a.name)}
    assert triggered <= taken


def go_or_td(text: str) -> bool:
    name = split(text)
    return name is not None and name.kind in (Kind.GO, Kind.TD)


@given(ARRIVALS, INBOXES)
def test_a_file_is_taken_by_one_set_only_and_only_if_it_is_there(
    arrivals: list[Arrival], folder: Folder
) -> None:
    items = found(arrivals, folder)
    taken = Counter(name for item in items for name in item.names)
    assert set(taken) <= {a.name for a in arrivals}
    assert all(count == 1 for count in taken.values())
    assert len({item.stem for item in items}) == len(items)
    unsealed = {a.name for a in arrivals if not a.sealed}
    assert all(unsealed.intersection(item.names) for item in items)


@given(ARRIVALS, INBOXES, st.floats(0, 2000, allow_nan=False))
def test_what_is_ready_stays_ready_while_time_passes(
    arrivals: list[Arrival], folder: Folder, seconds: float
) -> None:
    now = {item.stem for item in found(arrivals, folder)}
    assert now <= {item.stem for item in found(later(arrivals, seconds), folder)}
