"""Folders that are kept open lead nowhere but to what stands there now."""

from __future__ import annotations

import gc
from pathlib import Path

import pytest

from batch.errors import SpoolFault
from batch.storage.kept_folders import KeptFolders
from tests.descriptors import descriptors


@pytest.fixture
def channels(tmp_path: Path) -> Path:
    for sender in range(1, 7):
        (tmp_path / f"{sender:06d}" / "IN").mkdir(parents=True)
    return tmp_path


def names(kept: KeptFolders, sender: str = "000001") -> list[str]:
    with kept.held(sender, "IN") as held:
        return held.names(10) or []


def test_a_folder_is_opened_once(channels: Path) -> None:
    kept = KeptFolders(str(channels))
    with kept.held("000001", "IN") as first, kept.held("000001", "IN") as second:
        assert first.descriptor == second.descriptor
    before = descriptors(channels)
    assert names(kept) == []
    assert descriptors(channels) == before


def test_none_outlives_who_kept_it(channels: Path) -> None:
    before, kept = descriptors(channels), KeptFolders(str(channels))
    assert names(kept) == []
    assert descriptors(channels) > before
    del kept
    gc.collect()
    assert descriptors(channels) == before


@pytest.mark.parametrize("part", ["000001", "000001/IN"])
def test_what_was_put_in_its_place_is_used_and_a_link_refused(channels: Path, part: str) -> None:
    kept = KeptFolders(str(channels))
    assert names(kept) == []
    (channels / part).rename(channels / "aside")
    (channels / "000001" / "IN").mkdir(parents=True)
    (channels / "000001" / "IN" / "new").touch()
    assert names(kept) == ["new"]
    (channels / part).rename(channels / "aside too")
    (channels / part).symlink_to(channels / "aside")
    with pytest.raises(SpoolFault, match="is a link or no directory"):
        names(kept)
    (channels / part).unlink()
    with pytest.raises(FileNotFoundError):
        names(kept)


def test_those_used_longest_ago_are_closed_but_not_in_use(channels: Path) -> None:
    before = descriptors(channels)
    kept = KeptFolders(str(channels), most=2)
    with kept.held("000001", "IN") as held:
        for sender in ("000002", "000003", "000004"):
            names(kept, sender)
        assert descriptors(channels) == before + 3 * 2
        assert held.names(10) == []
    assert descriptors(channels) == before + 2 * 2
    (channels / "000003" / "IN").rmdir()
    with pytest.raises(FileNotFoundError):
        names(kept, "000003")
    assert descriptors(channels) == before + 1 * 2


def test_with_room_for_none_each_is_closed_after_its_use(channels: Path) -> None:
    before = descriptors(channels)
    kept = KeptFolders(str(channels), most=0)
    assert names(kept) == []
    assert descriptors(channels) == before
