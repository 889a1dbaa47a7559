"""Entries of services in the settings: each mistake is named before anything is served."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from batch import schemata
from batch.errors import InstanceError
from batch.routed import RoutedService, names
from batch.settings import Settings, load
from batch.worker.serving import descriptions
from fixtures import services

GOOD: dict[str, Any] = {
    "codes": ["DIMN"],
    "root": "DIMONA",
    "schemas": {"DIMONA_20261.xsd": "schemas/dimona.xsd"},
    "directory": "handed",
}


def given(data: Path, **changes: Any) -> Settings:
    """Settings with one service; a change to None takes a field away."""
    entry = {k: v for k, v in {**GOOD, **changes}.items() if v is not None}
    return load(data=data, services={changes.pop("name", "DIMONA"): entry})


def test_an_entry_as_an_operator_writes_it(tmp_path: Path) -> None:
    services.bring(tmp_path)
    settings = load(data=tmp_path)
    assert names(settings.services) == ("FLA", *services.NAMES)
    by_name = {found.name: found for found in descriptions(settings)}
    assert by_name["DMFA"].codes == {"DMFA", "DMWA"}
    assert by_name["DIMONA"].others == {"FLADeclaration", "DmfAOriginal", "PFRQ", "LOIC"}
    assert not by_name["LOIC"].signed
    assert by_name["FLA"].whole is None


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "no destination": ({"directory": None}, "either a directory or a command"),
    "two destinations": ({"command": ["true"]}, "either a directory or a command"),
    "two for tests": ({"test_directory": "a", "test_command": ["true"]}, "not both"),
    "an empty command": ({"directory": None, "command": []}, "command"),
    "no path of the employer": ({"mandates": "channel"}, "employer goes with mandates"),
    "a path that nobody asks": ({"employer": "Form/CompanyID"}, "employer goes with mandates"),
    "a path that is none": ({"mandates": "channel", "employer": "/Form"}, "element names"),
    "a code that is none": ({"codes": ["dimn"]}, "codes"),
    "no code": ({"codes": []}, "codes"),
    "the FLA's code": ({"codes": ["FLAD"]}, "FLAD belongs to FLA"),
    "a code of our answers": ({"codes": ["ACRF"]}, "ACRF belongs to the channel's answers"),
    "a quality that is none": ({"qualities": ["bank"]}, "qualities"),
    "a field that is none": ({"directroy": "x"}, "directroy"),
    "no schema": ({"schemas": {}}, "schemas"),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_entry_is_named(tmp_path: Path, what: str) -> None:
    changes, words = WRONG[what]
    with pytest.raises(InstanceError, match=words):
        given(tmp_path, **changes)


@pytest.mark.parametrize("name", ["FLA", "dimona", "A" * 33, "", "A.B"])
def test_a_name_that_is_none_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InstanceError, match="no name of a service"):
        load(data=tmp_path, services={name: GOOD})


def test_two_services_share_no_code(tmp_path: Path) -> None:
    with pytest.raises(InstanceError, match="OTHER: purpose code DIMN belongs to DIMONA"):
        load(data=tmp_path, services={"DIMONA": GOOD, "OTHER": GOOD})


@pytest.mark.parametrize("name", RoutedService.model_fields)
def test_every_field_says_what_it_is_for(name: str) -> None:
    assert len(RoutedService.model_fields[name].description or "") > 10


def test_a_schema_that_is_missing_or_none_is_named(tmp_path: Path) -> None:
    with pytest.raises(InstanceError, match=r"dimona\.xsd"):
        descriptions(given(tmp_path))
    (tmp_path / "schemas").mkdir()
    (tmp_path / "schemas" / "dimona.xsd").write_text("<a/>")
    with pytest.raises(InstanceError, match=r"dimona\.xsd"):
        descriptions(given(tmp_path))


OUTSIDE = ("../other.xsd", "http://127.0.0.1/other.xsd", "file:///etc/other.xsd", "/etc/other.xsd")


@pytest.mark.parametrize("place", OUTSIDE)
@pytest.mark.parametrize("way", ["include", "import", "redefine"])
def test_a_schema_brings_only_what_lies_beside_it(tmp_path: Path, place: str, way: str) -> None:
    """Nothing is fetched, and nothing read that the operator did not put there."""
    inner = tmp_path / "schemas" / "inner.xsd"
    inner.parent.mkdir()
    (tmp_path / "other.xsd").write_text(_schema(""))
    inner.write_text(_schema(f'<xs:{way} schemaLocation="{place}"/>'))
    outer = tmp_path / "schemas" / "outer.xsd"
    outer.write_text(_schema('<xs:include schemaLocation="inner.xsd"/>'))
    with pytest.raises(InstanceError, match="not in its folder"):
        schemata.brought(outer)


def _schema(inside: str) -> str:
    return f'<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema">{inside}</xs:schema>'
