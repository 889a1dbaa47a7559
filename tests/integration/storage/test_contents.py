"""Many contents under one stem: each manifest is read once, and every GO still hears the truth."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from batch.states import Sealed
from batch.storage import contents, sealing
from tests.integration.storage.world import World, dispose, files_of, new_stem

MANY = 30


def counted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The manifests that are read from now on."""
    found: list[str] = []
    read = sealing.read_manifest

    def reading(directory: Path) -> Sealed:
        found.append(directory.name)
        return read(directory)

    monkeypatch.setattr(sealing, "read_manifest", reading)
    return found


def send(world: World, stem: str, content: bytes) -> int:
    """Send a set; how many contents of its stem there are then."""
    world.send(files_of(stem, content))
    return len(world.arrived(stem))


def test_a_go_reads_two_manifests_of_its_stem_however_many_there_are(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last known one, which must be there still, and the one that came since."""
    stem, other = new_stem(), new_stem()
    assert send(world, other, b"0") == 1
    for number in range(MANY):
        assert send(world, stem, b"%d" % number) == number + 1
    found = counted(monkeypatch)
    assert send(world, stem, b"new") == MANY + 1
    assert found == [str(world.key(stem, MANY - 1)), str(world.key(stem, MANY))]
    for repeated in (b"0", b"7", b"new"):
        assert send(world, stem, repeated) == MANY + 1
    world.put(f"GO.{stem}.1")
    assert len(world.arrived(stem)) == MANY + 1
    assert len(found) < 2 * 5


def test_what_another_process_sealed_is_known(world: World) -> None:
    stem, other = new_stem(), World(world.settings)
    try:
        for number in range(0, MANY, 2):
            assert send(world, stem, b"%d" % number) == number + 1
            assert send(other, stem, b"%d" % number) == number + 1
            assert send(other, stem, b"%d" % (number + 1)) == number + 2
            assert send(world, stem, b"%d" % (number + 1)) == number + 2
    finally:
        dispose(other.instance)


def test_a_restart_reads_them_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    stem = new_stem()
    for number in range(MANY):
        send(world, stem, b"%d" % number)
    world.restart()
    found = counted(monkeypatch)
    assert send(world, stem, b"7") == MANY
    assert len(found) == MANY


def test_what_an_operator_took_away_is_no_longer_known(world: World) -> None:
    stem = new_stem()
    for number in range(3):
        send(world, stem, b"%d" % number)
    shutil.rmtree(world.instance.layout.sealed / str(world.key(stem, 3)))
    assert send(world, stem, b"1") == 2
    assert send(world, stem, b"2") == 3


def test_what_is_forgotten_for_others_is_read_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contents, "KEPT", 5)
    stems = [new_stem() for _ in range(4)]
    for number in range(4):
        for stem in stems:
            assert send(world, stem, b"%d" % number) == number + 1
    for stem in stems:
        assert send(world, stem, b"2") == 4
        assert world.instance.spool.contents._kept <= 5
