"""No fault of the disk or of inotify ends the watcher; if it ends, its process does too."""

from __future__ import annotations

import errno
import os
import threading
import time
from collections.abc import Callable

import pytest

from batch.storage.spool import Spool
from batch.watcher import Watcher
from batch.worker import process
from tests.integration.storage.conftest import MakeWorld
from tests.integration.storage.world import new_stem
from tests.integration.worker.test_watcher import soon, watching


def failing_at_first(real: Callable[..., object], number: int, times: int) -> Callable[..., object]:
    left = [times]

    def call(*given: object, **named: object) -> object:
        if left[0]:
            left[0] -= 1
            raise OSError(number, os.strerror(number))
        return real(*given, **named)

    return call


@pytest.mark.parametrize("number", [errno.EMFILE, errno.EIO], ids=["EMFILE", "EIO"])
def test_inboxes_that_cannot_be_listed_are_listed_later(
    make_world: MakeWorld, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    world = make_world(sweep_seconds=0.2)
    world.put(f"GO.{new_stem()}.1")
    monkeypatch.setattr(Spool, "senders", failing_at_first(Spool.senders, number, 3))
    with watching(world, watchdog=False):
        assert soon(lambda: len(world.sealed()) == 1)


def test_hints_that_ended_are_told_and_come_again(
    make_world: MakeWorld, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("batch.watcher.AGAIN_SECONDS", 0.0)
    world = make_world(sweep_seconds=0.3)
    watcher = Watcher(world.instance, threading.Event())
    thread = threading.Thread(target=watcher.run)
    thread.start()
    try:
        assert soon(lambda: watcher._observer is not None)
        first = watcher._observer
        assert first is not None
        first.stop()
        assert soon(lambda: watcher._observer not in (None, first))
        world.put(f"GO.{new_stem()}.1")
        assert soon(lambda: len(world.sealed()) == 1)
    finally:
        watcher.stop()
        thread.join(60)
    assert "hints from inotify ended" in capsys.readouterr().err


def test_a_process_whose_watcher_ended_ends_and_says_so(
    make_world: MakeWorld, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(_self: Watcher) -> None:
        raise RuntimeError("the watcher broke")

    world = make_world(sweep_seconds=600)
    monkeypatch.setattr(Watcher, "run", broken)
    monkeypatch.setattr("signal.signal", lambda *_: None)
    begun = time.monotonic()
    with pytest.raises(process.WatcherEnded):
        process.main(world.settings)
    assert time.monotonic() - begun < 60
    assert "the watcher broke" in capsys.readouterr().err


def test_files_that_wait_for_a_go_we_refused_are_not_given_up_on(make_world: MakeWorld) -> None:
    world = make_world(sweep_seconds=0.2, unfinished_seconds=6)
    stem = new_stem()
    world.put(f"FI.{stem}.1.1", b"<x/>")
    with watching(world, watchdog=False):
        mark = world.instance.layout.locks / "go-refused"
        for _ in range(16):
            time.sleep(0.5)
            mark.touch()  # what the SFTP process leaves
            assert world.sealed() == []
        assert soon(lambda: len(world.sealed()) == 1)
