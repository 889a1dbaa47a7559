"""Settings: the contract's defaults, strongest source first, and a wrong one is named."""

from __future__ import annotations

import os
from typing import Any

import pytest
from pydantic import ValidationError

from batch.errors import InstanceError
from batch.settings import Settings, load, misspelt

NOWHERE = "no-such-directory"


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting of the machine the tests run on."""
    for name in list(os.environ):
        if name.startswith("FLA_BATCH_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("FLA_BATCH_DATA", NOWHERE)


def test_the_defaults_are_those_of_the_contract(monkeypatch: pytest.MonkeyPatch) -> None:
    assert str(Settings.model_fields["data"].default) == "fla-data"
    settings = load()
    assert (settings.host, settings.port) == ("127.0.0.1", 8022)
    assert settings.fla_codes == ("FLAD",)
    assert 0 < settings.grace_seconds <= 5
    assert settings.unfinished_seconds == 15 * 60
    assert settings.max_answer_bytes == 50_000_000
    assert settings.max_file_bytes == 500_000_000
    assert settings.max_forms == 1_000_000
    assert settings.max_parts == 9
    assert settings.max_attempts == 3
    assert settings.undecided_hours == 24


def test_nothing_is_measured_or_asked_of_private_places_unless_that_is_set() -> None:
    settings = load()
    assert (settings.metrics_port, settings.revocation_private) == (0, False)
    assert settings.revocation_fetch


def test_an_address_may_connect_twenty_times_a_second_by_default() -> None:
    """Clients of the field reconnect for each file, and one office shares an address."""
    assert load().connections_per_second >= 20


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_says_what_it_is_for(name: str) -> None:
    assert len(Settings.model_fields[name].description or "") > 10


def test_the_environment_is_stronger_than_a_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLA_BATCH_PORT", "8122")
    assert load().port == 8122


def test_the_command_line_is_stronger_than_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLA_BATCH_PORT", "8122")
    assert load(port=8222).port == 8222
    assert load(port=None).port == 8122


def test_a_variable_that_is_no_setting_is_nobodys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLA_BATCH_NO_SUCH_THING", "1")
    assert load().port == 8022


def test_settings_are_read_once() -> None:
    settings = load()
    with pytest.raises(ValidationError):
        settings.port = 1  # type: ignore[misc]


WRONG: list[tuple[str, Any]] = [
    ("port", 65536),
    ("port", -1),
    ("port", "http"),
    ("grace_seconds", 5.1),
    ("grace_seconds", -1),
    ("grace_seconds", "nan"),
    ("unfinished_seconds", 0),
    ("unfinished_seconds", -5),
    ("unfinished_seconds", "nan"),
    ("max_parts", 0),
    ("max_parts", 10),
    ("max_attempts", 0),
    ("max_file_bytes", 0),
    ("too_old_days", 0),
    ("undecided_hours", 0),
    ("undecided_hours", "inf"),
    ("metrics_port", 65536),
    ("metrics_port", -1),
]


@pytest.mark.parametrize(("name", "value"), WRONG)
def test_a_wrong_value_is_a_fault_that_names_the_setting(
    name: str, value: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InstanceError, match=name):
        load(**{name: value})
    monkeypatch.setenv(f"FLA_BATCH_{name.upper()}", str(value))
    with pytest.raises(InstanceError, match=f"FLA_BATCH_{name.upper()}"):
        load()


def test_an_unknown_setting_is_a_fault_that_names_it() -> None:
    with pytest.raises(InstanceError, match="no_such_thing"):
        load(no_such_thing=1)


@pytest.mark.parametrize("name", ["unfinished_seconds", "sweep_seconds", "settle_seconds"])
def test_no_wait_is_for_ever(name: str) -> None:
    """A set without its GO is answered after a settable time; silence is a defect."""
    with pytest.raises(InstanceError, match=name):
        load(**{name: float("inf")})


def test_several_purpose_codes_may_be_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLA_BATCH_FLA_CODES", '["FLAD", "FLAX"]')
    assert load().fla_codes == ("FLAD", "FLAX")


@pytest.mark.parametrize("value", ["", "{", "[1", "{}", "FLAD;FLAX"])
def test_purpose_codes_that_cannot_be_read_are_a_fault_that_names_the_setting(
    value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Never a traceback: the reason on stderr (contract, section 5)."""
    monkeypatch.setenv("FLA_BATCH_FLA_CODES", value)
    with pytest.raises(InstanceError, match=r"(?i)fla_codes"):
        load()


@pytest.mark.parametrize("code", ["flad", "FLA", "FLADX", "F1AD", ""])
def test_a_purpose_code_no_name_can_hold_is_a_fault(code: str) -> None:
    """Four letters A-Z (contract, section 1): with another one every set would be refused."""
    with pytest.raises(InstanceError, match="fla_codes"):
        load(fla_codes=(code,))


def test_a_misspelt_setting_is_told_with_the_name_it_may_have_meant() -> None:
    given = {"FLA_BATCH_GRACE_SECOND": "3", "FLA_BATCH_PORT": "1", "FLA_BATCH_XYZ": "", "HOME": "/"}
    assert list(misspelt(given)) == [("FLA_BATCH_GRACE_SECOND", "FLA_BATCH_GRACE_SECONDS")]
