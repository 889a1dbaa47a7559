"""A set with a wrong or an empty element lives like any other: sealed once, answered once, gone."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from batch.names import brussels_day
from batch.storage import inbox, sweeping
from tests.integration.storage.world import (
    RECEIVED,
    SENDER,
    World,
    files_of,
    new_fi,
    new_stem,
)

DAY = f"{brussels_day(datetime.now(UTC)):%Y%m%d}"
STEMS = {
    f".{SENDER}.{DAY}.00001.R": ["129"],
    f"FLAD..{DAY}.00001.R": ["107", "108", "131", "132"],
    f"FLAD.{SENDER}..00001.R": ["109"],
    f"FLAD.{SENDER}.{DAY}..R": ["112"],
    f"FLAD.{SENDER}.{DAY}.00001.": ["144"],
    "....": ["107", "108", "109", "112", "129", "131", "132", "144"],
    f"flad.{SENDER}.{DAY}.0000_.x": ["117", "129", "367"],
}

by_stem = pytest.mark.parametrize(("stem", "codes"), STEMS.items())


@by_stem
def test_it_is_sealed_at_its_go_and_answered_once(
    world: World, stem: str, codes: list[str]
) -> None:
    files = files_of(stem, new_fi())
    for _ in range(2):
        world.send(files)
    assert world.arrived(stem) == [str(world.key(stem))]
    world.work()
    world.send(files)
    assert world.sweep() == sweeping.Swept((), False, ())
    world.work()
    assert [sorted(found) for found in world.receipts(stem)] == [codes]
    assert world.listed() == []
    assert world.report(stem).state == "answered"


@by_stem
def test_other_content_is_told_with_133_besides(world: World, stem: str, codes: list[str]) -> None:
    world.send(files_of(stem, new_fi()))
    world.send(files_of(stem, new_fi()))
    world.work()
    assert sorted(sorted(found) for found in world.receipts(stem)) == sorted(
        [codes, sorted([*codes, "133"])]
    )


@by_stem
def test_a_restart_at_any_stage_changes_nothing(world: World, stem: str, codes: list[str]) -> None:
    files = files_of(stem, new_fi())
    *others, go = files
    world.send({name: files[name] for name in others})
    assert world.restart() == []
    world.put(go)
    assert world.restart() == []
    world.work()
    assert world.restart() == []
    world.work()
    assert [sorted(found) for found in world.receipts(stem)] == [codes]
    assert world.listed() == []


@by_stem
def test_a_td_abandons_it(world: World, stem: str, codes: list[str]) -> None:
    files = files_of(stem, new_fi())
    assert "277" not in codes
    world.send({name: content for name, content in files.items() if not name.startswith("GO.")})
    world.put(f"TD.{stem}.1")
    world.work()
    assert world.receipts(stem) == [["277"]]
    assert world.listed() == []


ENDS = pytest.mark.parametrize("end", [".1.A", ".1.", "..1", ".A.1", ".12.1"])


@ENDS
def test_a_stranger_beside_a_whole_set_is_told_in_its_one_answer(world: World, end: str) -> None:
    """Its GO decides on all files of the stem, though the set was whole without this one."""
    files = files_of(stem := new_stem(), new_fi())
    world.send({f"FI.{stem}{end}": new_fi(), **files})
    world.work()
    (codes,) = world.receipts(stem)
    assert "120" in codes
    assert "133" not in codes
    assert world.listed() == []


@ENDS
def test_in_a_very_full_folder_it_is_answered_as_other_content(
    world: World, end: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There the GO seals what its digits can name; the rest is not forgotten."""
    monkeypatch.setattr(inbox, "LISTED", 3)
    files = files_of(stem := new_stem(), new_fi())
    world.send({f"FI.{stem}{end}": new_fi(), **files})
    world.sweep()
    world.work()
    first, second = world.receipts(stem)
    assert first == RECEIVED
    assert "133" in second
    assert world.listed() == []
