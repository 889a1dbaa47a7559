"""The watcher on a real disk: everything that lies in an inbox is looked at again."""

from __future__ import annotations

import errno
import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from batch.ingest.receive import Arrival
from batch.names import Folder
from batch.storage import sweeping
from batch.storage.inbox import Inbox
from batch.watcher import Hints, Place, Watcher, _rest
from tests.integration.storage.conftest import MakeWorld
from tests.integration.storage.test_spool import STRANGE
from tests.integration.storage.world import World, files_of, new_fi, new_stem


@contextmanager
def watching(world: World, *, watchdog: bool) -> Iterator[threading.Event]:
    work = threading.Event()
    watcher = Watcher(world.instance, work, watchdog=watchdog)
    thread = threading.Thread(target=watcher.run)
    thread.start()
    try:
        yield work
    finally:
        watcher.stop()
        thread.join(60)
    assert not thread.is_alive()


def soon(holds: Callable[[], bool], seconds: float = 40) -> bool:
    deadline = time.monotonic() + seconds
    while not holds() and time.monotonic() < deadline:
        time.sleep(0.02)
    return holds()


@pytest.mark.parametrize("watchdog", [True, False], ids=["hints", "sweep-alone"])
@pytest.mark.parametrize("folder", [Folder.IN, Folder.INTEST])
def test_files_copied_into_an_inbox_are_sealed(
    make_world: MakeWorld, watchdog: bool, folder: Folder
) -> None:
    """Hints only make it come sooner: without them the sweep finds everything."""
    world = make_world(sweep_seconds=600 if watchdog else 0.2)
    stem = new_stem("R" if folder is Folder.IN else "T")
    assert world.listed(folder) == []
    with watching(world, watchdog=watchdog) as work:
        time.sleep(0.3)
        for name, content in files_of(stem, new_fi()).items():
            world.path(name, folder).write_bytes(content)
        assert soon(lambda: world.sealed() == [str(world.key(stem, 1, folder))])
        assert soon(work.is_set)


def test_what_lay_there_before_the_start_is_sealed(make_world: MakeWorld) -> None:
    world = make_world(sweep_seconds=600)
    world.put(f"GO.{new_stem()}.1")
    with watching(world, watchdog=False):
        assert soon(lambda: len(world.sealed()) == 1)


def test_a_stop_as_the_hints_are_taken_is_not_forgotten(
    make_world: MakeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    watcher = Watcher(make_world(sweep_seconds=600).instance, threading.Event(), watchdog=False)
    take = Hints.take

    def stopped_just_before(hints: Hints) -> dict[Place, set[str]]:
        watcher.stop()
        return take(hints)

    monkeypatch.setattr(Hints, "take", stopped_just_before)
    thread = threading.Thread(target=watcher.run)
    thread.start()
    thread.join(40)
    ended = not thread.is_alive()
    watcher.stop()
    thread.join()
    assert ended


def test_a_new_senders_first_file_is_seen(make_world: MakeWorld) -> None:
    world = make_world(sweep_seconds=0.5)
    with watching(world, watchdog=True):
        time.sleep(0.2)
        world.put(f"GO.{new_stem()}.1")
        assert soon(lambda: len(world.sealed()) == 1)


def test_a_set_sealed_by_another_process_wakes_the_worker(make_world: MakeWorld) -> None:
    world = make_world(sweep_seconds=600)
    with watching(world, watchdog=True) as work:
        assert soon(work.is_set)
        time.sleep(0.3)
        work.clear()
        world.send_new()
        assert soon(work.is_set)


@pytest.mark.parametrize("make", STRANGE.values(), ids=STRANGE)
def test_what_is_no_file_stops_no_sweep(
    make_world: MakeWorld, make: Callable[[Path], None]
) -> None:
    world = make_world(sweep_seconds=0.2)
    make(world.path(f"FI.{new_stem()}.1.1"))
    make(world.path(f"AA.{new_stem()}"))
    (world.instance.layout.channels / "000009").mkdir()
    (world.instance.layout.channels / "notes").write_text("an operator's")
    stem = new_stem()
    with watching(world, watchdog=True):
        for name, content in files_of(stem, new_fi()).items():
            world.path(name).write_bytes(content)
        assert soon(lambda: world.sealed() == [str(world.key(stem))])


def test_a_full_inbox_is_swept_once_for_a_burst_of_hints(make_world: MakeWorld) -> None:
    """A hundred uploads must not cost a hundred sweeps: all are sealed within seconds."""
    world = make_world(sweep_seconds=600)
    stems = [new_stem() for _ in range(100)]
    assert world.listed() == []  # the sender's folders are there before the hints begin
    with watching(world, watchdog=True):
        for stem in stems:
            world.put(f"GO.{stem}.1")
        assert soon(lambda: len(world.sealed()) == 100)


def test_in_an_inbox_too_full_to_be_gone_through_a_hint_is_enough(
    make_world: MakeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeping, "LOOK_SHARE", 10**9)
    world = make_world(sweep_seconds=600)
    waits = new_stem()
    world.put(f"FI.{waits}.1.1", new_fi())
    stem = new_stem()
    with watching(world, watchdog=True):
        time.sleep(1)  # it has looked at every name
        for name, content in files_of(stem, new_fi()).items():
            world.path(name).write_bytes(content)
        assert soon(lambda: world.sealed() == [str(world.key(stem))])


def test_in_an_inbox_as_full_the_period_holds_where_there_are_no_hints(
    make_world: MakeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a GO whose files do not come, too: nothing else finds it."""
    monkeypatch.setattr(sweeping, "LOOK_SHARE", 10**9)
    world = make_world(sweep_seconds=0.5)
    assert world.listed() == []
    with watching(world, watchdog=False):
        time.sleep(1)
        world.put(f"GO.{(stem := new_stem())}.1")
        assert soon(lambda: world.sealed() == [str(world.key(stem))])


def test_names_hinted_at_in_a_sweep_that_failed_are_found_at_the_next(
    make_world: MakeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeping, "LOOK_SHARE", 10**9)
    world = make_world(sweep_seconds=1)
    assert world.listed() == []
    look, faults = sweeping.Seen.look, [OSError(errno.EIO, "gone")]

    def failing(seen: sweeping.Seen, inbox: Inbox, hinted: Collection[str] | None) -> list[Arrival]:
        if hinted and faults:
            raise faults.pop()
        return look(seen, inbox, hinted)

    monkeypatch.setattr(sweeping.Seen, "look", failing)
    with watching(world, watchdog=True):
        time.sleep(1)
        world.put(f"GO.{(stem := new_stem())}.1")
        assert soon(lambda: world.sealed() == [str(world.key(stem))])
    assert faults == [], "no sweep failed"


def test_the_longer_a_sweep_takes_the_longer_it_rests() -> None:
    """Up to the period at which an inbox with unsealed files is looked at anyway."""
    assert [_rest(took) for took in (0.0, 0.01, 0.05, 0.1, 3.0)] == [0.1, 0.1, 0.5, 1.0, 1.0]
