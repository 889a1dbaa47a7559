"""The states of a set: keys are names of directories, and no state exists unproven."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, fields
from datetime import UTC, datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from batch.identifiers import SenderNumber
from batch.names import Folder, Kind, split
from batch.states import (
    Answered,
    Ingested,
    Refused,
    Sealed,
    SealedFile,
    SetKey,
    Stage,
    Trigger,
    Verified,
    part_number,
)

AT = datetime(2026, 1, 20, 11, 0, tzinfo=UTC)
STEM = "FLAD.000001.20260120.00001.R"
SAFE = "ABCXYZabcxyz0189._-@"

KEYS = st.builds(
    SetKey,
    channel=st.integers(1, 999_998).map(lambda n: SenderNumber.parse(str(n))),
    folder=st.sampled_from([Folder.IN, Folder.INTEST]),
    stem=st.text(SAFE, min_size=1, max_size=60),
    ordinal=st.integers(1, 10**6),
)


def sealed(*names: str, ordinal: int = 1) -> Sealed:
    files = []
    for name in names:
        found = split(name)
        files.append(SealedFile(name, found.kind if found else None, 1, "0" * 64))
    key = SetKey(SenderNumber.parse("1"), Folder.IN, STEM, ordinal)
    return Sealed(key, Trigger.GO, tuple(files), AT)


@given(KEYS)
def test_a_key_written_is_read_back(key: SetKey) -> None:
    assert SetKey.parse(str(key)) == key


@given(KEYS)
def test_a_key_is_one_name_in_a_directory(key: SetKey) -> None:
    assert "/" not in str(key)
    assert str(key).isprintable()
    assert len(str(key)) <= 255


@given(KEYS, KEYS)
def test_two_keys_never_share_a_name(one: SetKey, other: SetKey) -> None:
    assert (str(one) == str(other)) == (one == other)


@given(
    st.one_of(
        st.text(max_size=60),
        st.builds("{}.{}.{}~{}".format, *[st.text("0123456789INTES.~- ", max_size=12)] * 4),
    )
)
@example("000001.IN.FLAD~01")
@example("000001.IN.FLAD~ 1")
@example("000001.IN.FLAD~+1")
@example("000001.IN.FLAD~1_0")
@example("000001.IN.FLAD~\u0661")
@example("1.IN.FLAD~1")
@example(" 000001.IN.FLAD~1")
def test_only_what_was_written_is_read(text: str) -> None:
    """Two directories must never be taken for one set."""
    try:
        key = SetKey.parse(text)
    except ValueError:
        return
    assert str(key) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "~",
        "~1",
        "000001.IN.FLAD",
        "000001.IN.FLAD~",
        "000001.IN~1",
        "000001.XX.FLAD~1",
        "IN.FLAD~1",
    ],
)
def test_what_names_no_sealed_set_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        SetKey.parse(text)


def test_the_parts_come_by_number_and_those_without_one_last() -> None:
    names = [f"FI.{STEM}.{end}" for end in ("3.A", "3.3", "3.1", "3.2")]
    found = [f.name for f in sealed(*names, f"GO.{STEM}.3").parts()]
    assert found == [names[2], names[3], names[1], names[0]]


@pytest.mark.parametrize(
    ("name", "number"),
    [
        (f"FI.{STEM}.9.9", 9),
        (f"FI.{STEM}", 1),
        (f"FI.{STEM}.1.A", None),
        ("readme.txt", None),
    ],
)
def test_a_file_says_its_part(name: str, number: int | None) -> None:
    assert part_number(SealedFile(name, None, 1, "")) == number


@pytest.mark.parametrize("end", ["", ".1.1", ".2.2", ".9.9"])
def test_a_signature_has_the_otherwise_identical_name(end: str) -> None:
    given_set = sealed(f"FI.{STEM}{end}", f"FS.{STEM}{end}", f"GO.{STEM}")
    found = given_set.signature_of(given_set.parts()[0])
    assert found is not None
    assert found.name == f"FS.{STEM}{end}"


def test_a_stem_of_empty_elements_names_a_set_like_any_other() -> None:
    key = SetKey(SenderNumber.parse("1"), Folder.IN, "....", 1)
    assert SetKey.parse(str(key)) == key
    assert not str(key).startswith(".")


def test_a_signature_of_another_part_is_none() -> None:
    given_set = sealed(f"FI.{STEM}.2.1", f"FS.{STEM}.2.2")
    assert given_set.signature_of(given_set.parts()[0]) is None


def test_files_are_found_by_kind() -> None:
    given_set = sealed(f"FI.{STEM}.1.1", f"GO.{STEM}.1", "other")
    assert [f.name for f in given_set.of_kind(Kind.FI)] == [f"FI.{STEM}.1.1"]
    assert given_set.of_kind(Kind.TD) == ()


GO, TD, FI, FS = f"GO.{STEM}.1", f"TD.{STEM}.1", f"FI.{STEM}.1.1", f"FS.{STEM}.1.1"


@pytest.mark.parametrize(
    ("names", "called"),
    [([FS, FI, GO], GO), ([FS, FI, TD], TD), ([FS, FI], FI), ([FS], FS), (["x.txt"], "x.txt")],
)
def test_a_set_is_called_by_its_go_then_its_fi_then_what_there_is(
    names: list[str], called: str
) -> None:
    assert sealed(*names).trigger_name == called


def test_each_state_holds_the_one_before() -> None:
    before = {
        Verified: "Sealed",
        Refused: "Sealed",
        Ingested: "Verified",
        Answered: "Ingested | Refused",
    }
    for state, held in before.items():
        assert fields(state)[0].type == held


@pytest.mark.parametrize(
    "state", [Sealed, SealedFile, SetKey, Verified, Refused, Ingested, Answered]
)
def test_a_state_cannot_be_changed(state: type) -> None:
    assert state.__dataclass_params__.frozen  # type: ignore[attr-defined]
    assert not hasattr(state, "__dict__") or "__slots__" in vars(state)
    with pytest.raises(FrozenInstanceError):
        sealed(FI).trigger = Trigger.CANCELLED  # type: ignore[misc]


def test_stages_are_spelled_as_the_contract_spells_them() -> None:
    assert [stage.value for stage in Stage] == [
        "received",
        "sealed",
        "verified",
        "refused",
        "ingested",
        "answered",
        "quarantined",
    ]
