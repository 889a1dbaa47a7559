"""The grammar of names: what is written is read back, and each mistake has its own code."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch.identifiers import INSTITUTION, InvalidIdentifier
from batch.names import (
    INBOXES,
    SAFE_NAME,
    Dropped,
    Environment,
    Folder,
    Kind,
    PartName,
    PartOf,
    PurposeCode,
    Sequence,
    Stem,
    TriggerName,
    faults,
    read,
    split,
    unreadable,
)

TODAY = date(2025, 1, 20)
TOO_OLD = 365
MAX_PARTS = 9
UPPER = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
DIGITS = "0123456789"

SENDERS = st.integers(1, 999998).map(lambda n: f"{n:06d}")
SEQUENCES = st.text(DIGITS + UPPER, min_size=5, max_size=5).filter(lambda s: s.strip("0"))


def stems(senders: st.SearchStrategy[str] = SENDERS) -> st.SearchStrategy[Stem]:
    return st.builds(
        Stem,
        code=st.text(UPPER, min_size=4, max_size=4).map(PurposeCode),
        sender=senders,
        day=st.dates(TODAY - timedelta(days=TOO_OLD), TODAY),
        sequence=SEQUENCES.map(Sequence),
        environment=st.sampled_from(Environment),
    )


STEMS = stems()
PARTS = st.integers(1, 9).flatmap(
    lambda total: st.integers(1, total).map(lambda number: PartOf(number, total))
)
SENT = st.one_of(
    st.builds(PartName, st.sampled_from([Kind.FI, Kind.FS]), STEMS, PARTS),
    st.builds(TriggerName, st.sampled_from([Kind.GO, Kind.TD]), STEMS, st.integers(1, 9)),
)
ANSWERS = st.one_of(
    st.builds(
        PartName,
        st.sampled_from([Kind.FO, Kind.FS, Kind.CO]),
        stems(st.just(INSTITUTION)),
        PARTS,
    ),
    st.builds(TriggerName, st.just(Kind.GO), stems(st.just(INSTITUTION)), st.integers(1, 9)),
)


def codes(text: str, today: date = TODAY, max_parts: int = MAX_PARTS) -> list[str]:
    name = split(text)
    assert name is not None, text
    return list(faults(name, today, TOO_OLD, max_parts))


@given(st.one_of(SENT, ANSWERS))
def test_a_name_written_is_read_back(name: PartName | TriggerName) -> None:
    assert read(str(name)) == name
    assert SAFE_NAME.fullmatch(str(name))


@given(SENT)
def test_a_right_name_splits_without_fault(name: PartName | TriggerName) -> None:
    found = split(str(name))
    assert found is not None
    assert (found.text, found.kind, found.stem) == (str(name), name.kind, str(name.stem))
    if isinstance(name, PartName):
        assert found.part_number == name.part.number
    assert codes(str(name)) == []


@given(ANSWERS)
def test_the_data_of_an_answer_is_no_name_of_a_sender(name: PartName | TriggerName) -> None:
    assert (split(str(name)) is None) == (name.kind in (Kind.FO, Kind.CO))


@given(st.one_of(SENT, ANSWERS))
def test_an_older_name_is_read_as_part_one_of_one_and_written_in_full(
    name: PartName | TriggerName,
) -> None:
    found = read(f"{name.kind}.{name.stem}")
    assert str(found).startswith(f"{name.kind}.{name.stem}.1")
    if isinstance(found, PartName):
        assert found.part == PartOf(1, 1)
    else:
        assert found.total == 1


@given(PARTS, STEMS)
def test_a_signature_has_the_otherwise_identical_name(part: PartOf, stem: Stem) -> None:
    data = PartName(Kind.FI, stem, part)
    assert str(data.of(Kind.FS)) == "FS" + str(data)[2:]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "FI",
        "readme.txt",
        "FI.FLAD.123456.20250120.00001.R.2.3",
        "FI.FLAD.123456.20250120.00001.R.0.0",
        "FI.FLAD.123456.20250120.00001.R.1.",
        "FI.FLAD.123456.20250120.00001.R.1",
        "FI.FLAD.123456.20250120.00001.R..",
        "GO.FLAD.123456.20250120.00001.R.",
        "GO.FLAD.123456.20250120.00001.R.10",
        "FI.FLAD.999999.20250120.00001.R.1.1",
        "TD.FLAD.999999.20250120.00001.R.1",
        "FO.ACRF.123456.20250120.00001.R.1.1",
        "CO.NOTI.123456.20250120.00001.R.1.1",
        "fi.FLAD.123456.20250120.00001.R.1.1",
    ],
)
def test_a_wrong_name_is_no_value(text: str) -> None:
    with pytest.raises(InvalidIdentifier):
        read(text)


@given(SENT, st.data())
def test_nothing_but_what_is_written_is_a_right_name(
    name: PartName | TriggerName, data: st.DataObject
) -> None:
    """One character changed: still a name that is written so, or no value at all."""
    text = str(name)
    place = data.draw(st.integers(0, len(text) - 1))
    changed = text[:place] + data.draw(st.sampled_from(".0129AFGIORSTZ_a-")) + text[place + 1 :]
    try:
        found = read(changed)
    except InvalidIdentifier:
        return
    assert changed in (str(found), str(found).removesuffix(".1"), str(found).removesuffix(".1.1"))


@pytest.mark.parametrize("text", ["", "FLA", "FLADX", "flad", "FLA1", "FLÄD"])
def test_no_purpose_code(text: str) -> None:
    with pytest.raises(InvalidIdentifier):
        PurposeCode.parse(text)


@pytest.mark.parametrize("text", ["", "00000", "0001", "000001", "0000a", "00_01", "0000\u0661"])
def test_no_sequence(text: str) -> None:
    with pytest.raises(InvalidIdentifier):
        Sequence.parse(text)


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
        "FI.FLAD.123456.20250120.00001.R.1.1.",
        "FI.FLAD.123456.20250120.00001.R.",
        "FI.FLAD.123456.20250120.00001",
        "GO.FLAD.123456.20250120.00001.R.1.1",
        "TD.FLAD.123456.20250120.00001.R.1.",
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
    ("129", "FI..123456.20250120.00001.R.1.1"),
    ("131", "FI.FLAD..20250120.00001.R.1.1"),
    ("132", "FS.FLAD..20250120.00001.R.1.1"),
    ("107", "GO.FLAD..20250120.00001.R.1"),
    ("109", "FI.FLAD.123456..00001.R.1.1"),
    ("112", "FI.FLAD.123456.20250120..R.1.1"),
    ("144", "FI.FLAD.123456.20250120.00001..1.1"),
    ("144", "GO.FLAD.123456.20250120.00001."),
    ("114", "FI.FLAD.123456.20250120.00001.R..1"),
    ("114", "GO.FLAD.123456.20250120.00001.R."),
]


@pytest.mark.parametrize(("code", "text"), ONE_MISTAKE, ids=lambda value: str(value))
def test_a_mistake_raises_exactly_its_code(code: str, text: str) -> None:
    assert codes(text) == [code]


def _texts(alphabet: str, *sizes: int) -> st.SearchStrategy[str]:
    return st.one_of(*(st.text(alphabet, min_size=size, max_size=size) for size in sizes))


ANY = DIGITS + UPPER + UPPER.lower() + "_-"
BROKEN: list[tuple[int, st.SearchStrategy[str], str]] = [
    (1, _texts(ANY, 0, 1, 3, 5, 9), "129"),
    (1, _texts(ANY, 4).filter(lambda s: not s.isupper() or not s.isalpha()), "129"),
    (2, _texts(ANY, 0, 5, 7), "131"),
    (2, _texts(ANY, 6).filter(lambda s: not s.isdigit()), "131"),
    (3, _texts(ANY, 0, 7, 9), "109"),
    (3, _texts(ANY, 8).filter(lambda s: not s.isdigit()), "109"),
    (3, st.sampled_from(["20250230", "20241301", "20250100", "00000101", "20230229"]), "110"),
    (3, st.dates(TODAY + timedelta(days=1), date(9998, 1, 1)).map("{:%Y%m%d}".format), "111"),
    (3, st.dates(date(1900, 1, 1), date(2024, 1, 20)).map("{:%Y%m%d}".format), "126"),
    (4, _texts(DIGITS + UPPER, 0, 4, 6).filter(lambda s: not s or s.strip("0")), "112"),
    (
        4,
        _texts(ANY, 5).filter(lambda s: not (s.isascii() and s.isalnum() and s == s.upper())),
        "367",
    ),
    (4, st.just("00000"), "127"),
    (5, st.just(""), "144"),
    (5, _texts(ANY, 1, 2).filter(lambda s: s not in tuple(Environment)), "117"),
    (6, _texts(ANY, 0, 2, 3), "114"),
    (6, _texts(ANY, 1).filter(lambda s: not s.isdigit()), "115"),
    (6, st.just("0"), "116"),
]
"""An element of FI by its place, texts that break it, and the code that says so."""


@pytest.mark.parametrize(("place", "texts", "code"), BROKEN)
@given(st.data(), STEMS, PARTS)
def test_any_element_that_is_broken_raises_exactly_its_code(
    place: int,
    texts: st.SearchStrategy[str],
    code: str,
    data: st.DataObject,
    stem: Stem,
    part: PartOf,
) -> None:
    elements = str(PartName(Kind.FI, stem, part)).split(".")
    elements[place] = data.draw(texts)
    assert codes(".".join(elements)) == [code]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("FI", ["131", "144"]),
        ("FS", ["132", "144"]),
        ("GO", ["107", "144"]),
        ("TD.FLAD", ["107", "144"]),
        ("FI.FLAD.R", ["131", "144"]),
        ("FI.FLAD.123456.20250120.00001", ["131", "144"]),
        ("FS.FLAD.123456.20250120.00001..1", ["132", "144"]),
        ("GO.FLAD.123456.20250120.00001..1.1", ["107", "144"]),
        ("FI.FLAD.123456.20250120.00001.R.1", ["131"]),
        ("FI.FLAD.123456.20250120.00001.R.1.1.xml", ["131"]),
        ("FS.FLAD.123456.20250120.00001.R.1.1.p7m", ["132"]),
        ("GO.FLAD.123456.20250120.00001.R.1.1", ["107"]),
        ("TD.FLAD.123456.20250120.00001.R.1.x", ["107"]),
        ("readme.txt", ["129"]),
        ("fi.FLAD.123456.20250120.00001.R.1.1", ["129"]),
        ("FO.FLAD.123456.20250120.00001.R.1.1", ["129"]),
    ],
)
def test_a_name_that_does_not_split_says_why(text: str, found: list[str]) -> None:
    assert split(text) is None
    assert list(unreadable(text)) == found


def test_more_parts_than_allowed_is_128() -> None:
    assert codes("FI.FLAD.123456.20250120.00001.R.4.1", max_parts=3) == ["128"]
    assert codes("FI.FLAD.123456.20250120.00001.R.3.1", max_parts=3) == []


def test_the_oldest_day_allowed_is_allowed() -> None:
    assert codes(FI, today=TODAY + timedelta(days=TOO_OLD)) == []
    assert codes(FI, today=TODAY + timedelta(days=TOO_OLD + 1)) == ["126"]


def test_all_mistakes_of_a_name_are_listed_together() -> None:
    assert codes("FI.flad.1.2025.0.X.10.1") == ["129", "131", "109", "112", "127", "117", "114"]


def test_a_part_that_is_no_digit_has_no_number() -> None:
    for part in ("A", "12", "²", ""):
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


def test_a_name_is_a_value() -> None:
    assert split(FI) == Dropped(FI, Kind.FI, "FLAD", "123456", "20250120", "00001", "R", "1", "1")
