"""A command of the operator's: what it does to its place, and to the sets of others."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from pathlib import Path

import pytest

from batch.dispatch import commands
from batch.dispatch.destination import Destination
from batch.storage import handover
from tests.integration.dispatch.rights import nobodys_master
from tests.integration.dispatch.test_destination import (
    delivered,
    destination,
    send,
    send_by_another,
    served,
)
from tests.integration.storage.conftest import MakeWorld
from tests.integration.storage.world import World

SECONDS = 10.0


def commanded(make_world: MakeWorld, script: str) -> World:
    return served(make_world, directory=None, command=["sh", "-c", script], command_seconds=SECONDS)


def in_hand(world: World) -> list[str]:
    return os.listdir(world.instance.layout.hand)


LEFT = {
    "a directory without rights": "mkdir -p a/b && touch a/b/c && chmod 000 a/b a",
    "its own place without rights": "touch x && chmod 000 .",
    "a link elsewhere": "ln -s / away && ln -s away/tmp b",
    "a FIFO": "mkfifo p",
    "changed files": "for f in *; do chmod u+w $f; echo x > $f; chmod 000 $f; done",
    "names of bytes": "touch \"$(printf 'a\\nb\\377')\"",
}


@pytest.mark.parametrize("script", LEFT.values(), ids=LEFT)
def test_whatever_a_command_leaves_its_copy_is_gone(make_world: MakeWorld, script: str) -> None:
    """It is personal data, and nobody would look for it."""
    world = commanded(make_world, script)
    stem = send(world, 1)
    with nobodys_master():
        assert destination(world).run_once()
    assert delivered(world, stem)
    assert in_hand(world) == []


def test_what_a_kill_left_without_rights_is_cleared_at_the_start(make_world: MakeWorld) -> None:
    world = commanded(make_world, "true")
    left = world.instance.layout.hand / "left" / "a"
    left.mkdir(parents=True)
    (left / "FI").write_bytes(b"x")
    left.chmod(0)
    left.parent.chmod(0)
    with nobodys_master():
        handover.clear(world.instance.layout)
    assert in_hand(world) == []


def test_a_directory_beside_ours_is_not_opened_through_a_link(
    make_world: MakeWorld, tmp_path: Path
) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o500)
    world = commanded(make_world, f"mkdir a && ln -s {closed} a/away && chmod 000 a")
    send(world, 1)
    with nobodys_master():
        destination(world).run_once()
    assert in_hand(world) == []
    assert closed.stat().st_mode & 0o777 == 0o500


def test_a_set_that_its_command_does_not_take_holds_no_other_channel_up(
    make_world: MakeWorld,
) -> None:
    """Whoever finds such a set would stop a whole service with it."""
    world = commanded(make_world, '[ "$FLA_BATCH_SENDER" != 000001 ]')
    bad = send(world, 1)
    good = send_by_another(world)
    one = destination(world)
    for _ in range(2):
        one.run_once()
    assert (delivered(world, bad), delivered(world, good)) == (False, True)


def test_it_is_tried_again_later_each_time_and_nobody_waits_for_that(
    make_world: MakeWorld,
) -> None:
    """Its own pause grows; that of the destination does not."""
    world = commanded(make_world, "false")
    stem = send(world, 1)
    one = destination(world)
    one.run_once()
    [rest] = one.rests.values()
    rest.until += 600
    for _ in range(3):
        one.run_once()
    assert attempts(world, stem) == 1, "it rests"
    for number in (2, 3, 4):
        for rest in one.rests.values():
            rest.until = 0.0
        one.run_once()
        assert attempts(world, stem) == number
    [rest] = one.rests.values()
    assert rest.pauses.seconds == 8.0
    assert one.pauses.seconds == 1.0


def attempts(world: World, stem: str) -> int:
    found = world.report(stem).delivery
    assert found is not None
    return found.attempts


def test_what_a_command_took_is_known_before_the_next_one_is_run(make_world: MakeWorld) -> None:
    """A kill between them runs one again, not all of them."""
    world = commanded(make_world, "true")
    first, second = send(world, 1), send_by_another(world)
    known: list[bool] = []

    class Watched(Destination):
        def _channel(self, item):  # type: ignore[no-untyped-def]
            known.append(delivered(world, first))
            return super()._channel(item)

    plain = destination(world)
    Watched(
        **{
            n: getattr(plain, n)
            for n in ("instance", "service", "target", "command_seconds", "test")
        }
    ).run_once()
    assert known == [False, True]
    assert delivered(world, second)


def test_one_that_does_not_listen_ends_with_its_time_and_all_it_started(
    make_world: MakeWorld, tmp_path: Path
) -> None:
    child = tmp_path / "child"
    script = f"trap '' TERM; sh -c 'trap \"\" TERM; echo $$ > {child}; sleep 600' & exec >&-; wait"
    world = commanded(make_world, script)
    stem = send(world, 1)
    began = time.monotonic()
    assert not destination(world).run_once()
    assert time.monotonic() - began < SECONDS + 60
    assert not delivered(world, stem)
    assert in_hand(world) == []
    _gone(int(child.read_text()))


def test_a_stop_waits_for_a_command_no_longer_than_is_left(make_world: MakeWorld) -> None:
    world = commanded(make_world, "sleep 600")
    send(world, 1)
    one = destination(world)
    one.command_seconds = 600.0
    thread = threading.Thread(target=one.run)
    thread.start()
    time.sleep(1.0)
    began = time.monotonic()
    one.stop.set()
    thread.join()
    assert time.monotonic() - began < 60


def test_what_works_on_in_a_copy_when_its_dispatcher_was_killed_is_ended(
    make_world: MakeWorld, tmp_path: Path
) -> None:
    """Else the set is run a second time beside it."""
    hand = make_world().instance.layout.hand
    (hand / "left").mkdir()
    (tmp_path / "else").mkdir()
    script = ["sh", "-c", "trap '' TERM; sleep 600 & wait"]
    left = subprocess.Popen(script, cwd=hand / "left", start_new_session=True)
    other = subprocess.Popen(["sleep", "600"], cwd=tmp_path / "else")
    commands.end_left(hand)
    assert left.wait(60) == -signal.SIGKILL
    assert other.poll() is None
    other.kill()
    other.wait()
    assert not any(_works_in(process, hand) for process in Path("/proc").glob("[0-9]*"))


def _works_in(process: Path, place: Path) -> bool:
    try:
        return os.readlink(process / "cwd").startswith(f"{place}/")
    except OSError:
        return False


def _gone(number: int) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        try:
            state = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return
        if state == "Z":
            return
        time.sleep(0.05)
    raise AssertionError("its child works on")
