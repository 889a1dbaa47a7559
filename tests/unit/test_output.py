"""What commands print for a machine: one JSON document, in JSON's own types."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from enum import Enum, IntEnum, StrEnum
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch.cli import output
from batch.cli.output import plain
from batch.identifiers import EnterpriseNumber, Inss, Quarter, SenderNumber
from batch.names import Environment, Folder
from batch.states import SetKey, Stage, Trigger


class Colour(StrEnum):
    RED = "red"


class Size(IntEnum):
    BIG = 3


class Mood(Enum):
    GOOD = "good"


@dataclass(frozen=True, slots=True)
class Inner:
    sender_number: SenderNumber
    colour: Colour = Colour.RED


@dataclass
class Outer:
    inner: Inner
    days: list[date] = field(default_factory=list)
    by_folder: dict[Folder, int] = field(default_factory=dict)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        (True, True),
        (0, 0),
        (1.5, 1.5),
        ("0001", "0001"),
        (Colour.RED, "red"),
        (Size.BIG, 3),
        (Mood.GOOD, "good"),
        (Stage.SEALED, "sealed"),
        (Environment.TEST, "T"),
        (date(2026, 1, 20), "2026-01-20"),
        (datetime(2026, 1, 20, 9, tzinfo=UTC), "2026-01-20T09:00:00+00:00"),
        (b"\x00\xff", "00ff"),
        (Path("a/b"), "a/b"),
        (SenderNumber.parse("1"), "000001"),
        (EnterpriseNumber.parse("0123456749"), "0123456749"),
        (Inss.parse("00410100191"), "00410100191"),
        (Quarter(2026, 1), "2026Q1"),
        ((1, "2"), [1, "2"]),
        ([(), []], [[], []]),
        ({"a": (1,)}, {"a": [1]}),
        ({1: "a"}, {"1": "a"}),
        ({Folder.IN: 1}, {"IN": 1}),
        ({SenderNumber.parse("1"): 1}, {"000001": 1}),
        (frozenset(["a"]), ["a"]),
    ],
    ids=repr,
)
def test_each_kind_of_value_has_its_plain_form(value: object, expected: object) -> None:
    shown = plain(value)
    assert shown == expected
    assert type(shown) is type(expected)
    assert json.loads(json.dumps(shown)) == expected


def test_a_key_that_is_an_enum_is_shown_by_its_value() -> None:
    assert plain({Colour.RED: 1, Size.BIG: 2}) == {"red": 1, "3": 2}


def test_a_dataclass_is_an_object_of_its_fields() -> None:
    shown = plain(Outer(Inner(SenderNumber.parse("42")), [date(2026, 1, 20)], {Folder.OUT: 1}))
    assert shown == {
        "inner": {"sender_number": "000042", "colour": "red"},
        "days": ["2026-01-20"],
        "by_folder": {"OUT": 1},
    }


def test_a_dataclass_that_says_its_own_text_is_that_text() -> None:
    key = SetKey(SenderNumber.parse("1"), Folder.IN, "FLAD.000001.20260120.00001.R", 1)
    assert plain(key) == str(key)
    assert plain([Trigger.CANCELLED, key]) == ["TD", str(key)]


def test_what_has_no_plain_form_is_an_error_and_not_a_guess() -> None:
    values: list[object] = [len, iter([]), {1: iter([])}]
    for value in values:
        with pytest.raises(TypeError):
            plain(value)


VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
    | st.sampled_from([Colour.RED, Mood.GOOD, SenderNumber.parse("7"), Stage.REFUSED])
    | st.dates()
    | st.binary(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(st.text(max_size=5) | st.integers(), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(VALUES)
def test_any_value_becomes_one_document(value: object) -> None:
    shown = plain(value)
    assert json.loads(json.dumps(shown, ensure_ascii=False)) == shown
    assert plain(shown) == shown


@pytest.mark.parametrize("text", ["", "<&>", "\u00e9\U0001f600", '"\\\n\t', "\u2028", "[bold]x[/]"])
def test_a_document_is_all_that_is_printed(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    output.document({"sender_number": "000001", "text": text})
    printed = capsys.readouterr()
    assert json.loads(printed.out) == {"sender_number": "000001", "text": text}
    assert printed.err == ""


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_a_number_json_does_not_have_is_not_printed(
    number: float, capsys: pytest.CaptureFixture[str]
) -> None:
    """NaN is no JSON (RFC 8259, section 6): refused or null, never a document nobody can read."""
    with suppress(TypeError, ValueError):
        output.document({"hours": number})
    assert capsys.readouterr().out in ("", '{\n  "hours": null\n}\n')
