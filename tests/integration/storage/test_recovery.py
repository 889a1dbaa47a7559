"""A kill at any instant: the restart finishes what was begun, once, and nothing seen changes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest

from batch.names import Folder
from batch.states import Stage
from batch.storage import claims, dossiers, quarantine
from batch.storage.database import reading, writing
from batch.storage.recovery import recover
from tests.integration.storage.conftest import MakeWorld
from tests.integration.storage.world import (
    RECEIVED,
    SENDER,
    World,
    copied,
    files_of,
    killed_at,
    new_fi,
    new_stem,
)

POINTS = 200
"""More than any scenario has: the last one must not be reached."""


def snapshot(root: Path) -> dict[str, bytes]:
    """Every file below ``root`` with its bytes, without the database."""
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def answered_once(world: World, stem: str, codes: list[str], seen: dict[str, bytes]) -> str:
    """What is wrong with the answers of a stem; empty when nothing is."""
    out = world.bytes_in(Folder.OUT)
    if any(out.get(name) != content for name, content in seen.items()):
        return "an answer that was seen is gone or has other bytes"
    if world.receipts(stem) != [codes]:
        return f"receipts {world.receipts(stem)}"
    if len(world.notifications(stem)) != (not codes):
        return f"{len(world.notifications(stem))} notifications"
    if world.listed() or world.sealed() or len(world.arrived(stem)) != 1:
        return f"left over: {world.listed()} {world.sealed()} {world.arrived(stem)}"
    return "" if world.report(stem).state == Stage.ANSWERED else world.report(stem).state


@pytest.mark.slow
@pytest.mark.parametrize(
    ("signer", "codes", "step"), [("employer", RECEIVED, 1), ("mandatary", ["153"], 3)]
)
def test_a_kill_at_any_instant_of_sending_and_work_gives_one_acrf_and_its_noti(
    template: Path, tmp_path: Path, signer: str, codes: list[str], step: int
) -> None:
    """The sender sends again when it had no OK for its GO, and does nothing when it had one."""
    wrong: list[str] = []
    files = files_of(stem := new_stem(), new_fi(), signer)
    for point in range(1, POINTS, step):
        with copied(template, tmp_path / str(point)) as world:
            acknowledged = tmp_path / f"{point}.ok"

            def way(world: World = world, acknowledged: Path = acknowledged) -> None:
                world.send(files)
                acknowledged.touch()
                world.work()

            killed = killed_at(point, way)
            seen = world.bytes_in(Folder.OUT)
            problems = world.restart()
            if not acknowledged.exists():
                world.send(files)
            world.work()
            found = answered_once(world, stem, codes, seen) or "; ".join(problems)
        shutil.rmtree(tmp_path / str(point))
        if found:
            wrong.append(f"point {point}: {found}")
        if not killed:
            break
    assert point > 30
    assert not killed
    assert not wrong, "\n".join(wrong)


def test_a_kill_at_any_instant_of_a_restart_is_mended_by_the_next(
    template: Path, tmp_path: Path
) -> None:
    """Staging files, a half-sealed set and names of an archived set; recovery killed anywhere."""
    for point in range(1, POINTS):
        with copied(template, tmp_path / str(point)) as world:
            stem = archived_but_listed(world)
            half = half_sealed(world)
            world.begin("FI.unfinished").write(0, b"part")
            killed = killed_at(point, partial(recovery_alone, world))
            assert world.restart() == []
            assert [n for n in world.listed() if stem in n] == []
            assert os.listdir(world.instance.layout.up) == []
            assert os.listdir(world.instance.layout.seal) == []
            world.sweep()
            world.work()
            assert world.receipts(half) == [RECEIVED]
            assert world.receipts(stem) == [RECEIVED]
        if not killed:
            break
    assert point > 5
    assert not killed


def recovery_alone(world: World) -> None:
    recover(world.instance)


def half_sealed(world: World) -> str:
    """A complete set whose sealing was killed between link and rename; its stem."""
    files = files_of(stem := new_stem(), new_fi())
    go = f"GO.{stem}.1"
    world.send({name: content for name, content in files.items() if name != go})
    staging = world.instance.layout.seal / f"{SENDER}.0123456789abcdef"
    staging.mkdir()
    world.put("go.part")
    (path := world.path("go.part").rename(world.path(go)))
    for name in files:
        os.link(world.path(name), staging / name)
    assert path.lstat().st_nlink == 2
    return stem


def archived_but_listed(world: World) -> str:
    """An answered set whose names were not yet taken out of the inbox; its stem."""
    stem = world.send_new()
    layout = world.instance.layout
    linked = {name: layout.sealed / str(world.key(stem)) / name for name in world.listed()}
    kept = {name: (layout.up / f"keep.{name}", source) for name, source in linked.items()}
    for keep, source in kept.values():
        os.link(source, keep)
    world.work()
    for name, (keep, _) in kept.items():
        keep.rename(world.path(name))
    assert len(world.listed()) == 3
    return stem


def test_a_restart_leaves_nothing_of_an_upload_that_was_not_closed(world: World) -> None:
    upload = world.begin("FI.unfinished")
    upload.write(0, b"half of it")
    assert world.restart() == []
    assert world.listed() == []
    assert os.listdir(world.instance.layout.up) == []


def test_a_restart_leaves_what_an_operator_put_in_the_wrong_place(
    world: World, capfd: pytest.CaptureFixture[str]
) -> None:
    layout = world.instance.layout
    (layout.up / "mistake").mkdir()
    (layout.seal / "mistaken").touch()
    world.begin("FI.unfinished").write(0, b"half of it")
    half_sealed(world)
    for _ in range(2):
        assert world.restart() == []
        assert (os.listdir(layout.up), os.listdir(layout.seal)) == (["mistake"], ["mistaken"])
        said = capfd.readouterr().err
        assert "mistake is a directory among the uploads" in said
        assert "mistaken is a file among the sets being sealed" in said


def test_a_half_sealed_set_is_sealed_after_the_restart(world: World) -> None:
    """Restart table: what was not renamed into ``sealed`` is dropped and found again."""
    stem = half_sealed(world)
    assert world.restart() == []
    assert [e.sealed for e in world.home.entries(Folder.IN)] == [False] * 3
    assert [str(k) for k in world.sweep().sealed] == [str(world.key(stem))]


def test_a_worker_that_was_killed_while_it_sealed_leaves_no_set_unanswered(
    make_world: MakeWorld,
) -> None:
    """The supervisor starts the worker process again, and the worker process alone."""
    world = make_world(sweep_seconds=0.2)
    whole, stem = world.send_new(), half_sealed(world)
    command = [sys.executable, "-m", "batch.processes", "worker", str(os.getpid())]
    command.append(world.settings.model_dump_json())
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 40
        while not world.receipts_if_complete(stem) and time.monotonic() < deadline:
            time.sleep(0.1)
    finally:
        process.terminate()
        process.wait(60)
    assert world.receipts(whole) == [RECEIVED]
    assert world.receipts(stem) == [RECEIVED]


def test_names_of_an_archived_set_leave_the_inbox_at_the_restart(world: World) -> None:
    stem = archived_but_listed(world)
    assert world.restart() == []
    assert world.listed() == []
    assert world.receipts(stem) == [RECEIVED]


def test_names_of_an_archived_second_content_leave_it_though_the_first_is_in_quarantine(
    world: World,
) -> None:
    stem = world.send_new()
    set_aside(world, stem)
    world.send(files_of(stem, new_fi()))
    layout = world.instance.layout
    listed = world.listed()
    for name in listed:
        os.link(world.path(name), layout.up / name)
    world.work()
    for name in listed:
        (layout.up / name).rename(world.path(name))
    world.restart()
    assert len(world.arrived(stem)) == 2
    assert world.listed() == []


def set_aside(world: World, stem: str, *, move: bool = True) -> None:
    """Set a sealed set aside as the worker does; ``move=False``: killed before the directory."""
    layout, engine = world.instance.layout, world.instance.production
    key = world.key(stem)
    at = datetime.now(UTC)
    taken = world.claim(world.manifest(stem), at)
    with writing(engine) as connection:
        quarantine.record_quarantined(connection, taken, "stopped the worker 3 times", at)
    if move:
        dossiers.move_to(layout, key, layout.quarantine)


def test_a_set_whose_quarantine_was_cut_short_stays_in_quarantine(world: World) -> None:
    """Table of stages: quarantined, an operator acts next; it is not archived as answered."""
    stem = world.send_new()
    set_aside(world, stem, move=False)
    world.restart()
    world.work()
    assert world.report(stem).state == Stage.QUARANTINED
    assert not (world.instance.layout.arch / str(world.key(stem))).exists()
    assert any("quarantine" in text for text in recover(world.instance))


def test_a_retry_that_was_cut_short_is_finished_after_the_restart(world: World) -> None:
    """No state without an end: the row says sealed, the directory is still in quarantine."""
    stem = world.send_new()
    set_aside(world, stem)
    with writing(world.instance.production) as connection:
        quarantine.retry(connection, world.report(stem).id, datetime.now(UTC))
    world.restart()
    world.work()
    assert world.receipts(stem) == [RECEIVED]


def test_an_answer_that_was_seen_and_lost_its_name_is_there_before_anybody_looks(
    world: World, tmp_path: Path
) -> None:
    """A name in OUT is seen before it is synced: a power cut may take it away again."""
    stem = world.send_new()
    for point in range(1, POINTS):
        with copied(world.settings.data, tmp_path / str(point)) as cut:
            if not killed_at(point, lambda cut=cut: cut.work()):  # type: ignore[misc]
                break
            seen = cut.bytes_in(Folder.OUT)
            recorded = [a for a in cut.report_if_any(stem) if a.emitted_at is not None]
            if any(n.startswith("GO.") for n in seen) and not recorded:
                for name in seen:
                    cut.path(name, Folder.OUT).unlink()
                assert cut.restart() == []
                assert cut.bytes_in(Folder.OUT) == seen
                cut.work()
                assert cut.receipts(stem) == [RECEIVED]
                return
    raise AssertionError("no point lies between the name in OUT and its record")


def test_a_row_without_files_is_a_problem_and_is_not_deleted(world: World) -> None:
    stem = world.send_new()
    sealed = dossiers.dossier(world.instance.layout, world.key(stem)).sealed()
    with writing(world.instance.production) as connection:
        claims.claim(connection, [sealed], datetime.now(UTC), 3)
    shutil.rmtree(world.instance.layout.sealed / str(world.key(stem)))
    for _ in range(2):
        found = world.restart()
        assert len(found) == 1
        assert stem in found[0]
        assert "missing" in found[0]
    assert world.report(stem).state == Stage.SEALED


def test_what_stands_in_sealed_or_quarantine_without_reason_is_a_problem(world: World) -> None:
    layout = world.instance.layout
    (layout.sealed / "no key").mkdir()
    (layout.quarantine / "aside").mkdir()
    found = world.restart()
    assert ["no key" in found[0], "aside" in found[1]] == [True, True]
    assert world.work() == 0
    assert world.restart() == found
    assert (layout.sealed / "no key").is_dir()


def test_a_restart_in_the_middle_of_everything_done_twice_is_as_done_once(world: World) -> None:
    archived_but_listed(world)
    half_sealed(world)
    world.send_new()
    world.begin("FI.unfinished")
    first = world.restart(), snapshot(world.instance.layout.spool), world.listed()
    second = world.restart(), snapshot(world.instance.layout.spool), world.listed()
    assert first == second


Damage = Callable[[Path], None]


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.unlink(),
        lambda path: path.write_bytes(path.read_bytes()[:50]),
        lambda path: path.write_bytes(path.read_bytes().replace(b'"channel"', b'"chanel"')),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"[]"),
    ],
    ids=["gone", "cut", "other-key", "empty", "no-object"],
)
def test_a_damaged_manifest_is_a_problem_and_never_a_verdict(world: World, damage: Damage) -> None:
    """Its neighbours are answered, and its directory stays."""
    damaged, whole = world.send_new(), world.send_new()
    damage(world.instance.layout.sealed / str(world.key(damaged)) / "@manifest.json")
    world.work()
    assert world.receipts(damaged) == []
    assert world.receipts(whole) == [RECEIVED]
    assert (world.instance.layout.sealed / str(world.key(damaged))).is_dir()


def test_an_operator_is_told_of_a_set_whose_manifest_is_damaged(world: World) -> None:
    """Restart: what does not fit together is reported; nobody else can answer this sender."""
    stem = world.send_new()
    (world.instance.layout.sealed / str(world.key(stem)) / "@manifest.json").unlink()
    world.work()
    assert any(stem in text for text in world.restart())


def test_a_sealed_file_that_is_not_what_was_sealed_never_gets_a_verdict(world: World) -> None:
    """Never "invalid" for a declaration whose bytes we damaged: an operator must look."""
    stem = world.send_new()
    fi = world.instance.layout.sealed / str(world.key(stem)) / f"FI.{stem}.1.1"
    fi.write_bytes(fi.read_bytes()[:-40])
    for _ in range(5):
        world.work()
    assert world.receipts(stem) == []
    assert world.report(stem).state == Stage.QUARANTINED
    assert any("quarantine" in text for text in world.restart())
    with reading(world.instance.production) as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM answer").scalar() == 0
