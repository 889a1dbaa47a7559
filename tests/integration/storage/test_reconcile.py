"""Disk against database, both ways: every orphan is told, none is deleted, twice is as once."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import event

from batch.names import Folder
from batch.storage import claims, quarantine, reconcile, submissions
from batch.storage.database import writing
from tests.integration.storage.world import World

NOW = datetime.now(UTC)
Damage = Callable[[World, str], None]


def home(world: World, stem: str, parent: str = "sealed") -> Path:
    return world.instance.layout.spool / parent / str(world.key(stem))


def decided(world: World, stem: str, *, shown: bool) -> None:
    """Received well, its content still to be judged; its ACRF is shown, or only decided."""
    taken = world.claim(world.manifest(stem), NOW)
    made = world.verified(taken, NOW)
    with writing(world.instance.production) as connection:
        submissions.record_reception(connection, taken, made.outcome, made.files, NOW)
        claims.put_down(connection, [taken])
    if shown:
        world.worker()._show(world.instance.production, [taken])


def missing_answer(world: World, stem: str) -> None:
    decided(world, stem, shown=False)
    (home(world, stem) / "@ACRF.1.FS").unlink()


def missing_shown(world: World, stem: str) -> None:
    before = world.listed(Folder.OUT)
    decided(world, stem, shown=True)
    (go,) = [n for n in world.listed(Folder.OUT) if n.startswith("GO.") and n not in before]
    world.path(go, Folder.OUT).unlink()


def archived_too_soon(world: World, stem: str) -> None:
    world.claim(world.manifest(stem), NOW)
    home(world, stem).rename(home(world, stem, "arch"))


def without_files(world: World, stem: str) -> None:
    world.claim(world.manifest(stem), NOW)
    shutil.rmtree(home(world, stem))


def without_manifest(world: World, stem: str) -> None:
    (home(world, stem) / "@manifest.json").unlink()


def set_aside_by_hand(world: World, stem: str) -> None:
    home(world, stem).rename(home(world, stem, "quarantine"))


def in_two_places(world: World, stem: str) -> None:
    taken = world.claim(world.manifest(stem), NOW)
    with writing(world.instance.production) as connection:
        quarantine.record_quarantined(connection, taken, "stopped the worker 3 times", NOW)
    shutil.copytree(home(world, stem), home(world, stem, "quarantine"))


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (missing_answer, ["its ACRF is decided, but @ACRF.1.FS is missing"]),
        (missing_shown, [" was shown and is neither in OUT nor in taken"]),
        (archived_too_soon, ["its directory is archived, but it is not answered"]),
        (without_files, ["accepted, but its files are missing"]),
        (without_manifest, ["its manifest is missing"]),
        (set_aside_by_hand, ["in quarantine, but no row knows why"]),
        (in_two_places, ["it stands in sealed and in quarantine", "in quarantine"]),
    ],
)
def test_a_start_tells_what_does_not_fit_and_deletes_nothing(
    world: World, damage: Damage, told: list[str]
) -> None:
    stem, whole = world.send_new(), world.send_new()
    decided(world, whole, shown=True)
    assert list(reconcile.problems(world.instance)) == []
    damage(world, stem)
    before = files(world)
    for _ in range(2):
        found = world.restart()
        assert len(found) == len(told)
        for sentence, end in zip(found, told, strict=True):
            assert stem in sentence
            assert sentence.endswith(end)
        assert files(world) == before


def files(world: World) -> dict[Path, bytes]:
    """All that was sealed and all that was answered; an inbox holds only second names of it."""
    roots = (world.instance.layout.spool, world.path("", Folder.OUT))
    found = [path for root in roots for path in root.rglob("*") if path.is_file()]
    return {path: path.read_bytes() for path in found}


def stranger_in_the_archive(world: World, stem: str) -> None:
    shutil.copytree(home(world, stem, "arch"), home(world, f"{stem}X", "arch"))


def answered_without_directory(world: World, stem: str) -> None:
    shutil.rmtree(home(world, stem, "arch"))


def answer_lost(world: World, stem: str) -> None:
    for name in world.listed(Folder.OUT):
        if name.startswith("FS.NOTI"):
            world.path(name, Folder.OUT).unlink()


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (stranger_in_the_archive, "archived, but no row knows it"),
        (answered_without_directory, "answered, but its directory is missing"),
        (answer_lost, " was shown and is neither in OUT nor in taken"),
    ],
)
def test_a_thorough_look_tells_what_does_not_fit_of_the_answered(
    world: World, damage: Damage, told: str
) -> None:
    """Too much for a start with a million archived sets: the start does not see it."""
    stem = world.send_new()
    world.work()
    taken = world.listed(Folder.OUT)[0]
    world.home.remove(Folder.OUT, taken)
    assert list(reconcile.archive_problems(world.instance)) == []
    damage(world, stem)
    before = files(world)
    (found,) = reconcile.archive_problems(world.instance)
    assert stem in found
    assert found.endswith(told)
    assert list(reconcile.problems(world.instance)) == []
    assert files(world) == before


def test_a_garbled_manifest_is_told_by_the_look_that_reads_them(world: World) -> None:
    stem, other = world.send_new(), world.send_new()
    manifest = home(world, stem) / "@manifest.json"
    manifest.chmod(0o600)
    manifest.write_bytes((home(world, other) / "@manifest.json").read_bytes())
    assert list(reconcile.damaged(world.instance)) == [
        f"{world.key(stem)}: its manifest is that of another set"
    ]


def test_more_sets_than_a_query_takes_values_are_no_outage(world: World) -> None:
    """SQLite takes 32,766 values at most, and 999 before its version 3.32: here it has so few."""

    def narrow(connection: sqlite3.Connection, _record: object) -> None:
        connection.setlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER, 999)

    event.listen(world.instance.production, "connect", narrow)
    layout, stem = world.instance.layout, world.send_new()
    world.work()
    home(world, stem, "arch").rename(home(world, stem, "quarantine"))
    for number in range(2_500):
        (layout.quarantine / str(world.key(f"FLAD.000001.20260120.{number:05d}.R"))).mkdir()
    released = quarantine.released(world.instance.production, layout, test=False)
    assert released == [world.key(stem)]
    assert quarantine.released(world.instance.test, layout, test=True) == []
