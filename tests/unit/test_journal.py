"""The domain log: one line per thing, no INSS, nothing a client can forge or flood."""

from __future__ import annotations

import inspect
import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch import journal, masking

INSS_BEFORE_2000 = "85073003328"
INSS_AFTER_2000 = "17073003384"


@pytest.mark.parametrize(
    "text",
    [
        INSS_BEFORE_2000,
        INSS_AFTER_2000,
        "85.07.30-033.28",
        "850730-033.28",
        "85 07 30 033 28",
        f"FI/{INSS_BEFORE_2000}/x",
        "00000000097",
    ],
)
def test_what_looks_like_an_inss_is_masked(text: str) -> None:
    masked = masking.without_inss(None, "", {"reason": f"bad value {text}!", "names": [text]})
    assert "[INSS]" in masked["reason"]
    assert "[INSS]" in masked["names"][0]


def test_an_inss_given_as_a_number_is_masked_and_sizes_are_not() -> None:
    masked = masking.without_inss(None, "", {"a": int(INSS_BEFORE_2000), "size": 97, "ok": True})
    assert masked == {"a": "[INSS]", "size": 97, "ok": True}


@pytest.mark.parametrize(
    "text",
    [
        "85073003329",
        "FI.FLAD.000001.20261122.00001.R.1.1",
        "0206731645",
        "202611220615001234",
        "2026-11-22T06:15:00",
        "SHA256:85073003328850730033280",
    ],
)
def test_names_and_other_numbers_stay_readable(text: str) -> None:
    assert masking.without_inss(None, "", {"text": text}) == {"text": text}


@given(st.text(max_size=400) | st.binary(max_size=100))
def test_no_value_forges_or_floods_a_line(value: object) -> None:
    plain = masking.plain_text(None, "", {"user": value, "names": [value]})
    for text in (plain["user"], *plain["names"]):
        assert text.isascii()
        assert text.isprintable() or text == ""
        assert len(text) <= masking.LONGEST


def test_a_line_is_one_json_object_that_begins_with_time_and_event(
    capsys: pytest.CaptureFixture[str],
) -> None:
    journal.login("000001", "al\nice", "::1", "SHA256:x")
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    said = json.loads(lines[0])
    assert list(said)[:2] == ["time", "event"]
    assert said["event"] == "login"
    assert said["user"] == "al\\nice"


def test_a_problem_names_its_place_and_shows_no_traceback(
    capsys: pytest.CaptureFixture[str],
) -> None:
    try:
        raise ValueError(f"odd {INSS_AFTER_2000}")
    except ValueError as error:
        journal.problem("something", error)
    said = json.loads(capsys.readouterr().err)
    assert said["error"] == "ValueError"
    assert said["reason"] == "odd [INSS]"
    assert said["at"].startswith("test_journal.py:")


def test_every_thing_that_can_happen_says_what_it_is() -> None:
    for name, function in inspect.getmembers(journal, inspect.isfunction):
        if function.__module__ == journal.__name__ and not name.startswith("_"):
            assert function.__doc__, name


def test_a_flood_is_counted_and_not_written() -> None:
    at = 0.0
    throttle = journal.Throttle(now=lambda: at)
    assert [throttle.passes("x", 3) for _ in range(5)] == [True, True, True, False, False]
    assert throttle.passes("y", 3)
    at = 59.9
    assert throttle.ended() == []
    at = 60.0
    assert throttle.ended() == [("x", 2)]
    assert throttle.ended() == []
    assert throttle.passes("x", 3)


def test_a_flood_of_strangers_leaves_a_few_lines_and_their_number(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each cap has its own lines: those of strangers hide no other's."""
    at = 0.0
    monkeypatch.setattr(journal, "_throttle", journal.Throttle(now=lambda: at))
    for number in range(2000):
        journal.connection_refused(f"192.0.2.{number % 250}", "too fast")
    journal.connection_refused("198.51.100.1", "too many connections of sender 000001 at once")
    assert len(capsys.readouterr().err.splitlines()) == journal.STRANGERS_LINES + 1
    at = 60.0
    journal.tell_held_back()
    told = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [(line["event"], line["kind"], line["lines"]) for line in told] == [
        ("held_back", "connection_refused: too fast", 2000 - journal.STRANGERS_LINES)
    ]


def test_a_log_that_cannot_be_written_stops_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was done is done, also when the log's disk is full."""
    with open("/dev/full", "w") as full:
        monkeypatch.setattr("sys.stderr", full)
        journal.published("000001", "/IN/x", 1)
        journal.problem("x", OSError("x"))
        with suppress(OSError):
            full.close()
