"""Answers that come back and answers whose time is over: which files, in which order, and once."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from batch.cli import main
from batch.names import Folder
from batch.storage import answer_list, outbox, reconcile
from batch.storage.database import reading, writing
from batch.worker import outbox as worker_outbox
from batch.worker.loop import Worker
from tests.integration.storage.conftest import MakeWorld
from tests.integration.storage.world import (
    RECEIVED,
    World,
    copied,
    files_of,
    killed_at,
    new_fi,
    new_stem,
)

KEPT = timedelta(days=400)
"""The default of ``answers_kept_days``."""


def worker_at(world: World, after: timedelta) -> Worker:
    """A worker whose clock is that much ahead of ours."""
    made = world.worker()
    made.clock = lambda: datetime.now(UTC) + after
    return made


def ask(world: World, text: str) -> int:
    """What ``answer redeliver`` does; how many answers that are."""
    with writing(world.instance.production) as connection:
        ids = [n for one in answer_list.sent(connection, text) for n, _ in one.answers]
        outbox.want(connection, ids, "anna", datetime.now(UTC))
    return len(ids)


def by_the_sender(world: World, name: str) -> None:
    world.home.remove(Folder.OUT, name)


def by_another_tool(world: World, name: str) -> None:
    world.path(name, Folder.OUT).unlink()


def by_its_age(world: World, name: str) -> None:
    if world.path(name, Folder.OUT).exists():
        worker_at(world, KEPT).run_until_idle()
    assert not world.path(name, Folder.OUT).exists()


Delete = Callable[[World, str], None]
DELETED = pytest.mark.parametrize("delete", [by_the_sender, by_another_tool, by_its_age])


@pytest.fixture
def answered(world: World) -> tuple[World, str, dict[str, bytes]]:
    """A set answered by ACRF and NOTI, and what lies in OUT of it."""
    stem = world.send_new()
    world.work()
    before = world.bytes_in(Folder.OUT)
    assert len(before) == 6
    return world, stem, before


@DELETED
def test_what_was_deleted_comes_back_under_the_same_names_with_the_same_bytes(
    answered: tuple[World, str, dict[str, bytes]], delete: Delete
) -> None:
    world, stem, before = answered
    for name in before:
        delete(world, name)
    assert world.bytes_in(Folder.OUT) == {}
    world.work()
    assert world.bytes_in(Folder.OUT) == {}, "it comes only when it is asked for"
    assert ask(world, stem) == 2
    for _ in range(2):
        world.work()
        assert world.bytes_in(Folder.OUT) == before
    assert list(reconcile.archive_problems(world.instance)) == []


def test_what_came_back_may_be_deleted_again_and_asked_for_again(
    answered: tuple[World, str, dict[str, bytes]],
) -> None:
    world, stem, before = answered
    for _ in range(3):
        for name in before:
            world.home.remove(Folder.OUT, name)
        world.restart()
        world.work()
        assert world.bytes_in(Folder.OUT) == {}
        ask(world, stem)
        ask(world, stem)
        world.work()
        assert world.bytes_in(Folder.OUT) == before
    what = [(e.what, e.detail) for e in world.report(stem).events]
    assert sum(kind == "redelivered" for kind, _ in what) == 6
    assert ("redelivery asked", f"{next(iter(before))[3:-4]} by anna") in what


def test_one_answer_alone_comes_back_by_its_own_name(
    answered: tuple[World, str, dict[str, bytes]],
) -> None:
    world, _, before = answered
    for name in before:
        world.home.remove(Folder.OUT, name)
    (notice,) = (name for name in before if name.startswith("FO.NOTI"))
    assert ask(world, answer_list.own_stem(notice)) == 1
    world.work()
    back = world.bytes_in(Folder.OUT)
    assert back == {name: text for name, text in before.items() if ".NOTI." in name}


def test_the_first_time_in_out_stays_on_record_when_it_comes_back(
    answered: tuple[World, str, dict[str, bytes]],
) -> None:
    world, stem, _ = answered
    first = [a.emitted_at for a in world.report(stem).answers]
    ask(world, stem)
    worker_at(world, timedelta(days=3)).run_until_idle()
    answers = world.report(stem).answers
    assert [a.emitted_at for a in answers] == first
    assert all(a.shown_at - a.emitted_at > timedelta(days=2) for a in answers)  # type: ignore[operator]


def test_an_answer_that_is_not_shown_yet_cannot_be_asked_for(world: World) -> None:
    stem = world.send_new()
    assert ask(world, stem) == 0


# --- the term in OUT ----------------------------------------------------------------------


def test_an_answer_leaves_when_its_term_is_over_and_not_a_moment_sooner(
    answered: tuple[World, str, dict[str, bytes]],
) -> None:
    world, stem, before = answered
    worker_at(world, KEPT - timedelta(hours=1)).run_until_idle()
    assert world.bytes_in(Folder.OUT) == before
    assert worker_at(world, KEPT).run_until_idle() == 2
    assert world.listed(Folder.OUT) == []
    assert all(a.left_at is not None for a in world.report(stem).answers)
    assert worker_at(world, KEPT).run_until_idle() == 0
    assert list(reconcile.archive_problems(world.instance)) == []


def test_what_came_back_has_a_new_term(answered: tuple[World, str, dict[str, bytes]]) -> None:
    world, stem, before = answered
    worker_at(world, KEPT).run_until_idle()
    ask(world, stem)
    worker_at(world, KEPT).run_until_idle()
    assert world.bytes_in(Folder.OUT) == before
    worker_at(world, 2 * KEPT - timedelta(hours=1)).run_until_idle()
    assert world.bytes_in(Folder.OUT) == before
    worker_at(world, 2 * KEPT).run_until_idle()
    assert world.listed(Folder.OUT) == []


@pytest.mark.parametrize("folder", [Folder.OUT, Folder.OUTTEST])
def test_what_others_put_in_out_is_never_touched(world: World, folder: Folder) -> None:
    """Also under a name like ours, and also where it stands in the place of an answer of ours."""
    world.send_new("R" if folder is Folder.OUT else "T")
    world.work()
    ours = world.listed(folder)
    taken_over = world.path(ours[0], folder)
    copy = taken_over.read_bytes()
    taken_over.unlink()
    taken_over.write_bytes(copy)
    others = {"FO.DMNO.999999.20200101.00001.R.1.1": b"x", "GO.DMNO.999999.20200101.00001.R.1": b""}
    for name, text in {**others, "note.txt": b"from an operator"}.items():
        world.path(name, folder).write_bytes(text)
        os.utime(world.path(name, folder), (0, 0))
    before = world.bytes_in(folder)
    worker_at(world, 10 * KEPT).run_until_idle()
    assert world.bytes_in(folder) == {n: t for n, t in before.items() if n not in ours[1:]}


def test_the_answer_of_a_set_that_is_not_at_its_end_stays(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Received well and then put aside: its sender still waits for the other answer."""
    stem = world.send_new()
    monkeypatch.setattr("batch.ingest.content.handle", lambda *_: 1 // 0)
    for _ in range(4):
        world.work()
    assert world.receipts(stem) == [RECEIVED]
    worker_at(world, 3 * KEPT).run_until_idle()
    assert world.receipts(stem) == [RECEIVED]


def test_a_term_of_zero_days_has_no_end(make_world: MakeWorld) -> None:
    world = make_world(answers_kept_days=0)
    stem = world.send_new()
    world.work()
    worker_at(world, 100 * KEPT).run_until_idle()
    assert world.receipts(stem) == [RECEIVED]
    assert [a.kept_until for a in world.report(stem).answers] == [None, None]


def test_answers_that_cannot_leave_hold_up_no_other(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A portion full of them is passed over: the next one begins behind it."""
    stems = [world.send_new() for _ in range(3)]
    world.work()
    layout = world.instance.layout
    for stem in stems[:2]:  # four answers whose originals are away
        (layout.arch / str(world.key(stem))).rename(layout.data / stem)
    monkeypatch.setattr(outbox, "PORTION", 2)
    monkeypatch.setattr(worker_outbox, "LOOK_SECONDS", 0.0)
    made = worker_at(world, KEPT)
    for _ in range(6):
        made.run_once()
    assert len(world.listed(Folder.OUT)) == 12
    with reading(world.instance.production) as connection:
        left = [d.about for d in answer_list.latest(connection, 9, 400) if d.state == "withdrawn"]
    assert left == [stems[2]] * 2


def test_what_is_asked_each_second_reads_no_more_than_it_finds(world: World) -> None:
    """By an index, in its order: a million answers may lie in OUT."""
    asked: list[tuple[str, Any]] = []

    def note(_c: object, _cursor: object, statement: str, given: Any, *_: object) -> None:
        asked.append((statement, given))

    engine = world.instance.production
    event.listen(engine, "before_cursor_execute", note)
    with reading(engine) as connection:
        outbox.wanted(connection, 0)
        outbox.unshown_of_nobody(connection, 0)
        outbox.due(connection, datetime.now(UTC), 0)
    event.remove(engine, "before_cursor_execute", note)
    questions = [(text, given) for text, given in asked if text.startswith("SELECT")]
    assert len(questions) == 3
    with reading(engine) as connection:
        for text, given in questions:
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}", given).all()
            steps = [row.detail for row in plan]
            assert "SEARCH answer USING INDEX" in steps[0], steps
            assert "USE TEMP B-TREE FOR ORDER BY" not in steps, steps


# --- killed in between ----------------------------------------------------------------------


STEM = new_stem()


def ready(world: World) -> dict[str, bytes]:
    """A set under ``STEM`` is answered; what lies in OUT."""
    world.send(files_of(STEM, new_fi()))
    world.work()
    return world.bytes_in(Folder.OUT)


def whole(world: World) -> dict[str, bytes]:
    """What is in OUT; no GO may announce what is not there."""
    found = world.bytes_in(Folder.OUT)
    for name in found:
        if name.startswith("GO."):
            assert {f"FO{name[2:]}.1", f"FS{name[2:]}.1"} <= set(found), name
    return found


def deaths(
    template: Path,
    root: Path,
    prepare: Callable[[World], Callable[[], object]],
    check: Callable[[World], None],
) -> int:
    """Kill what ``prepare`` gives at each of its points, and check; how many there are."""
    for point in count(1):
        with copied(template, root / f"{point}") as world:
            act = prepare(world)
            killed = killed_at(point, act)
            world.restart()
            check(world)
            if not killed:
                return point - 1
    raise AssertionError("count ends")


def test_a_redelivery_is_whole_wherever_the_worker_is_killed(
    template: Path, tmp_path: Path
) -> None:
    originals: dict[str, bytes] = {}

    def prepare(world: World) -> Callable[[], object]:
        files = ready(world)
        originals.clear()
        originals.update(files)
        for number, name in enumerate(sorted(files)):
            (by_the_sender if number % 2 else by_another_tool)(world, name)
        ask(world, STEM)
        return world.work

    def check(world: World) -> None:
        whole(world)
        world.work()
        assert whole(world) == originals
        world.work()
        assert whole(world) == originals

    assert deaths(template, tmp_path, prepare, check) > 10


def test_what_its_sender_deletes_after_a_kill_does_not_come_back_by_the_old_wish(
    template: Path, tmp_path: Path
) -> None:
    """Once it has been seen again, it is its sender's to delete."""

    def prepare(world: World) -> Callable[[], object]:
        for name in ready(world):
            by_the_sender(world, name)
        ask(world, STEM)
        return world.work

    def check(world: World) -> None:
        seen = [name for name in whole(world) if name.startswith("GO.")]
        for name in seen:
            by_the_sender(world, name)
        world.work()
        assert not set(seen) & set(world.listed(Folder.OUT))

    deaths(template, tmp_path, prepare, check)


def test_a_term_ends_once_wherever_the_worker_is_killed(template: Path, tmp_path: Path) -> None:
    originals: dict[str, bytes] = {}

    def prepare(world: World) -> Callable[[], object]:
        originals.clear()
        originals.update(ready(world))
        return worker_at(world, KEPT).run_until_idle

    def check(world: World) -> None:
        whole(world)
        worker_at(world, KEPT).run_until_idle()
        assert whole(world) == {}
        ask(world, STEM)
        world.work()
        assert whole(world) == originals

    assert deaths(template, tmp_path, prepare, check) > 8


def test_the_command_says_that_nothing_is_in_out_yet(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """Taken up, and stopped before its ACRF was shown."""
    stem = world.send_new()
    world.claim(world.manifest(stem), datetime.now(UTC))
    with pytest.raises(SystemExit) as ended:
        main.run(["--data", str(world.settings.data), "answer", "redeliver", stem])
    assert ended.value.code == 1
    assert f"{stem}: nothing is in OUT yet; its state is sealed" in capsys.readouterr().err
