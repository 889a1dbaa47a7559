"""The grammar of names: what is written is read back, and each mistake has its own code."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch.identifiers import InvalidIdentifier
from batch.names import (
    INBOXES,
    SAFE_NAME,
    Dropped,
    Environment,
    Folder,
    Kind,
    Stem,
    brussels_day,
    faults,
    split,
)

TODAY = date(2025, 1, 20)
TOO_OLD = 365
MAX_PARTS = 9

STEMS = st.builds(
    Stem,
    code=st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ", min_size=4, max_size=4),
    sender=st.integers(1, 999999).map(lambda n: f"{n:06d}"),
    day=st.dates(TODAY - timedelta(days=TOO_OLD), TODAY),
    sequence=st.text("0123456789ABCXYZ", min_size=5, max_size=5).filter(lambda s: s.strip("0")),
    environment=st.sampled_from(Environment),
)


def codes(text: str, today: date = TODAY, max_parts: int = MAX_PARTS) -> list[str]:
    name = split(text)
    assert name is not None, text
    return list(faults(name, today, TOO_OLD, max_parts))


@given(STEMS, st.sampled_from([Kind.FI, Kind.FS]), st.integers(1, 9), st.integers(1, 9))
def test_a_data_name_written_is_read_back_without_fault(
    stem: Stem, kind: Kind, part: int, total: int
) -> None:
    text = stem.data(kind, part, total)
    name = split(text)
    assert name is not None
    assert (name.text, name.kind, name.stem) == (text, kind, str(stem))
    assert (name.total, name.part, name.part_number) == (str(total), str(part), part)
    assert codes(text) == []
    assert SAFE_NAME.fullmatch(text)


@given(STEMS, st.sampled_from([Kind.GO, Kind.TD]), st.integers(1, 9))
def test_a_trigger_written_is_read_back_without_fault(stem: Stem, kind: Kind, total: int) -> None:
    text = stem.trigger(kind, total)
    name = split(text)
    assert name is not None
    assert (name.text, name.kind, name.stem) == (text, kind, str(stem))
    assert (name.total, name.part) == (str(total), None)
    assert codes(text) == []


@given(STEMS)
def test_a_stem_written_is_read_back(stem: Stem) -> None:
    assert Stem.parse(str(stem)) == stem


@given(STEMS, st.sampled_from([Kind.FI, Kind.FS, Kind.GO, Kind.TD]))
def test_an_older_name_without_total_and_part_is_of_the_same_set(stem: Stem, kind: Kind) -> None:
    name = split(f"{kind}.{stem}")
    assert name is not None
    assert name.stem == str(stem)
    assert (name.total, name.part, name.part_number) == (None, None, 1)
    assert codes(f"{kind}.{stem}") == []


@given(st.text(max_size=60))
def test_any_text_splits_into_what_it_was_or_not_at_all(text: str) -> None:
    name = split(text)
    if name is not None:
        joined = [name.kind, name.stem, *(e for e in (name.total, name.part) if e is not None)]
        assert ".".join(joined) == text
        list(faults(name, TODAY, TOO_OLD, MAX_PARTS))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "FI",
        "FO.FLAD.999999.20250120.00001.R.1.1",
        "XX.FLAD.123456.20250120.00001.R.1.1",
        "fi.FLAD.123456.20250120.00001.R.1.1",
        "FI.FLAD.123456.20250120.00001.R.1",
        "FI.FLAD.123456.20250120.00001.R.1.1.xml",
        "FI.FLAD.123456.20250120..R.1.1",
        "FI.FLAD.123456.20250120.00001.R.1.",
        "FI.FLAD.123456.20250120.00001",
        "GO.FLAD.123456.20250120.00001.R.1.1",
        "TD.FLAD.123456.20250120.00001.R.",
    ],
)
def test_a_name_that_does_not_split_is_nobodys(text: str) -> None:
    assert split(text) is None


FI = "FI.FLAD.123456.20250120.00001.R.1.1"

ONE_MISTAKE = [
    ("129", "FI.FLA1.123456.20250120.00001.R.1.1"),
    ("129", "FI.flad.123456.20250120.00001.R.1.1"),
    ("129", "FI.FLADX.123456.20250120.00001.R.1.1"),
    ("131", "FI.FLAD.12345.20250120.00001.R.1.1"),
    ("131", "FI.FLAD.12345A.20250120.00001.R.1.1"),
    ("132", "FS.FLAD.1234567.20250120.00001.R.1.1"),
    ("107", "GO.FLAD.12345.20250120.00001.R.1"),
    ("107", "TD.FLAD.X23456.20250120.00001.R.1"),
    ("109", "FI.FLAD.123456.2025120.00001.R.1.1"),
    ("109", "FI.FLAD.123456.2025-1-2.00001.R.1.1"),
    ("110", "FI.FLAD.123456.20250230.00001.R.1.1"),
    ("110", "FI.FLAD.123456.20012025.00001.R.1.1"),
    ("110", "FI.FLAD.123456.00000101.00001.R.1.1"),
    ("111", "FI.FLAD.123456.20250121.00001.R.1.1"),
    ("126", "FI.FLAD.123456.20240120.00001.R.1.1"),
    ("112", "FI.FLAD.123456.20250120.0001.R.1.1"),
    ("112", "FI.FLAD.123456.20250120.000001.R.1.1"),
    ("367", "FI.FLAD.123456.20250120.0000a.R.1.1"),
    ("367", "FI.FLAD.123456.20250120.00_01.R.1.1"),
    ("367", "FI.FLAD.123456.20250120.0000é.R.1.1"),
    ("127", "FI.FLAD.123456.20250120.00000.R.1.1"),
    ("117", "FI.FLAD.123456.20250120.00001.P.1.1"),
    ("117", "FI.FLAD.123456.20250120.00001.r.1.1"),
    ("114", "FI.FLAD.123456.20250120.00001.R.01.1"),
    ("115", "FI.FLAD.123456.20250120.00001.R.A.1"),
    ("116", "FI.FLAD.123456.20250120.00001.R.0.1"),
]


@pytest.mark.parametrize(("code", "text"), ONE_MISTAKE, ids=lambda value: str(value))
def test_a_mistake_raises_exactly_its_code(code: str, text: str) -> None:
    assert codes(text) == [code]


def test_more_parts_than_allowed_is_128() -> None:
    assert codes("FI.FLAD.123456.20250120.00001.R.4.1", max_parts=3) == ["128"]
    assert codes("FI.FLAD.123456.20250120.00001.R.3.1", max_parts=3) == []


def test_the_oldest_day_allowed_is_allowed() -> None:
    assert codes(FI, today=TODAY + timedelta(days=TOO_OLD)) == []
    assert codes(FI, today=TODAY + timedelta(days=TOO_OLD + 1)) == ["126"]


def test_all_mistakes_of_a_name_are_listed_together() -> None:
    assert codes("FI.flad.1.2025.0.X.10.1") == ["129", "131", "109", "112", "127", "117", "114"]


def test_a_part_that_is_no_digit_has_no_number() -> None:
    for part in ("A", "12", "²"):
        name = split(f"FI.FLAD.123456.20250120.00001.R.1.{part}")
        assert name is not None
        assert name.part_number is None


@pytest.mark.parametrize(
    "text",
    [
        "FLAD.123456.20250120.00001",
        "FLAD.123456.20250120.00001.R.1",
        "FLAD.000000.20250120.00001.R",
        "FLAD.12345.20250120.00001.R",
        "FLAD.123456.20250230.00001.R",
        "FLAD.123456.20250120.00000.R",
        "FLAD.123456.20250120.00001.X",
        "flad.123456.20250120.00001.R",
    ],
)
def test_no_stem(text: str) -> None:
    with pytest.raises(InvalidIdentifier):
        Stem.parse(text)


def test_the_institution_writes_stems_of_its_own() -> None:
    assert Stem.parse("ACRF.999999.20250120.00001.R").sender == "999999"


def test_answers_go_by_folder() -> None:
    assert [folder.answers for folder in INBOXES] == [Folder.OUT, Folder.OUTTEST]
    assert [folder for folder in Folder if folder.is_inbox] == list(INBOXES)
    assert [folder for folder in Folder if folder.is_test] == [Folder.INTEST, Folder.OUTTEST]


@pytest.mark.parametrize(
    "text", ["", ".", "..", ".hidden", "a/b", "a\\b", "a\nb", "a\x00", "é", "a b", "x" * 101, "-x"]
)
def test_an_unsafe_name_exists_in_no_folder(text: str) -> None:
    assert SAFE_NAME.fullmatch(text) is None


@pytest.mark.parametrize(
    ("at", "day"),
    [
        (datetime(2025, 1, 19, 22, 59, tzinfo=UTC), date(2025, 1, 19)),
        (datetime(2025, 1, 19, 23, 0, tzinfo=UTC), date(2025, 1, 20)),
        (datetime(2025, 7, 19, 21, 59, tzinfo=UTC), date(2025, 7, 19)),
        (datetime(2025, 7, 19, 22, 0, tzinfo=UTC), date(2025, 7, 20)),
        # The nights in which the clock changes, 30 March and 26 October 2025.
        (datetime(2025, 3, 29, 23, 0, tzinfo=UTC), date(2025, 3, 30)),
        (datetime(2025, 3, 30, 22, 0, tzinfo=UTC), date(2025, 3, 31)),
        (datetime(2025, 10, 25, 22, 0, tzinfo=UTC), date(2025, 10, 26)),
        (datetime(2025, 10, 26, 22, 59, tzinfo=UTC), date(2025, 10, 26)),
    ],
)
def test_a_day_is_that_of_brussels(at: datetime, day: date) -> None:
    assert brussels_day(at) == day


def test_a_name_is_a_value() -> None:
    assert split(FI) == Dropped(FI, Kind.FI, "FLAD", "123456", "20250120", "00001", "R", "1", "1")
