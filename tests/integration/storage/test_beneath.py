"""A sender's folders on a real disk: what stands in their place is not followed, nor made to."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from batch.errors import SpoolFault
from batch.identifiers import SenderNumber
from batch.names import Folder
from batch.storage import beneath, recovery, sealing
from batch.storage.reconcile import archive_problems
from tests.integration.storage.world import LIMIT, SENDER, World

NAME = "FI.FLAD.000001.20261122.00001.R.1.1"
OTHER = SenderNumber("000010")


def folder_of(world: World, folder: Folder = Folder.IN) -> Path:
    assert world.home.sender == SENDER  # makes them
    return world.instance.layout.folder(SENDER, folder)


def tree(top: Path) -> dict[str, tuple[int, int]]:
    """Everything below ``top``: inode and time of each."""
    found = {str(path): path.lstat() for path in (top, *top.rglob("*"))}
    return {path: (status.st_ino, status.st_mtime_ns) for path, status in found.items()}


def neighbour(world: World) -> Path:
    """Another sender's folders, with files that the names of these tests would hit."""
    world.instance.spool.sender(OTHER)
    root = world.instance.layout.channels / str(OTHER)
    for folder in Folder:
        (root / folder / NAME).write_bytes(b"another's")
    return root


def acts(world: World, folder: Folder) -> dict[str, Callable[[], object]]:
    """Everything that a session does in a folder, and the sweep."""
    home = world.home

    def upload() -> None:
        one = home.begin(Folder.IN, NAME, keep=False, limit=LIMIT)
        one.write(0, b"bytes")
        one.publish()

    def sweep() -> None:
        with home.inbox(folder) as inbox:
            sealing.check_cancel_in_time(inbox, NAME)

    made: dict[str, Callable[[], object]] = {
        "entries": lambda: home.entries(folder),
        "entry": lambda: home.entry(folder, NAME),
        "open": lambda: home.open_for_reading(folder, NAME),
        "remove": lambda: home.remove(folder, NAME),
        "rename": lambda: home.rename(folder, NAME, "other", replace=True, limit=LIMIT),
        "sweep": sweep,
    }
    if folder is Folder.IN:
        made["resume"] = lambda: home.begin(folder, NAME, keep=True, limit=LIMIT)
        made["upload"] = upload
    return made


IN_THE_WAY: dict[str, Callable[[Path, Path], None]] = {
    "link": lambda place, other: place.symlink_to(other),
    "relative link": lambda place, other: place.symlink_to(os.path.relpath(other, place.parent)),
    "dead link": lambda place, other: place.symlink_to(other / "nothing"),
    "link to itself": lambda place, other: place.symlink_to(place),
    "file": lambda place, other: place.touch(),
    "fifo": lambda place, other: os.mkfifo(place),
}


@pytest.mark.parametrize("folder", [Folder.IN, Folder.OUT])
@pytest.mark.parametrize("put", IN_THE_WAY.values(), ids=IN_THE_WAY)
def test_what_stands_in_the_place_of_a_folder_is_a_fault(
    world: World, folder: Folder, put: Callable[[Path, Path], None]
) -> None:
    place, other = folder_of(world, folder), neighbour(world)
    place.rmdir()
    put(place, other / folder)
    before = tree(other)
    for name, act in acts(world, folder).items():
        with pytest.raises(SpoolFault, match="nothing is done there"):
            act()
        assert os.listdir(world.instance.layout.up) == [], name
    assert tree(other) == before
    assert any("nothing is done there" in told for told in recovery.recover(world.instance)) is (
        folder.is_inbox
    )


@pytest.mark.parametrize("put", IN_THE_WAY.values(), ids=IN_THE_WAY)
def test_what_stands_in_the_place_of_all_four_is_a_fault_and_nothing_is_made_there(
    world: World, tmp_path: Path, put: Callable[[Path, Path], None]
) -> None:
    place, other = folder_of(world).parent, neighbour(world)
    empty = tmp_path / "empty"
    empty.mkdir()
    for target in (other, empty):
        shutil.rmtree(place)
        put(place, target)
        before = tree(target)
        for act in acts(world, Folder.IN).values():
            with pytest.raises(SpoolFault, match="nothing is done there"):
                act()
        assert tree(target) == before
        place.unlink()
        place.mkdir()


def test_the_directory_of_all_senders_may_be_reached_through_a_link(
    world: World, tmp_path: Path
) -> None:
    """It is the operator's, as is the way to the instance."""
    layout = world.instance.layout
    world.put(NAME, b"bytes")
    layout.channels.rename(tmp_path / "elsewhere")
    layout.channels.symlink_to(tmp_path / "elsewhere")
    assert world.listed() == [NAME]
    world.put("more", b"bytes")
    assert (tmp_path / "elsewhere" / str(SENDER) / "IN" / "more").exists()


def test_a_folder_that_is_swapped_for_a_link_at_any_moment_leads_nowhere(world: World) -> None:
    place, other = folder_of(world), neighbour(world)
    (other / "IN" / NAME).unlink()
    link, stop = place.with_name("link"), threading.Event()
    link.symlink_to(other / "IN")
    before = tree(other)
    names = (-100, os.fsencode(place), -100, os.fsencode(link))

    def swap() -> None:
        while not stop.is_set():
            assert ctypes.CDLL(None).renameat2(*names, 2) == 0  # RENAME_EXCHANGE: both at once

    thread = threading.Thread(target=swap)
    thread.start()
    ended: Counter[str] = Counter()
    try:
        for _ in range(300):
            for name, act in acts(world, Folder.IN).items():
                try:
                    act()
                    ended[name] += 1
                except SpoolFault:
                    ended["refused"] += 1
                except OSError:  # removed or renamed meanwhile
                    pass
    finally:
        stop.set()
        thread.join()
    assert ended["upload"] > 10
    assert ended["refused"] > 10
    assert tree(other) == before


def test_a_fifo_is_not_opened_and_its_writer_waits_on(world: World) -> None:
    place = folder_of(world)
    os.mkfifo(place / NAME)
    with subprocess.Popen(["sh", "-c", 'exec echo > "$0"', str(place / NAME)]) as writer:
        try:
            for name, act in acts(world, Folder.IN).items():
                if name != "upload":  # which takes the name from it
                    with suppress(OSError):
                        act()
                    with pytest.raises(subprocess.TimeoutExpired):
                        writer.wait(0.05)
            world.sweep()
            with pytest.raises(subprocess.TimeoutExpired):
                writer.wait(0.05)
        finally:
            writer.kill()


def test_without_its_inbox_a_set_is_answered_and_archived_all_the_same(
    world: World, capfd: pytest.CaptureFixture[str]
) -> None:
    stem = world.send_new()
    shutil.rmtree(folder_of(world))
    world.work()
    assert "problem" not in capfd.readouterr().err
    assert (world.instance.layout.arch / str(world.key(stem))).is_dir()
    assert world.receipts(stem) == [[]]


def test_answers_wait_while_a_link_stands_in_the_place_of_out(
    world: World, capfd: pytest.CaptureFixture[str]
) -> None:
    out, other = folder_of(world, Folder.OUT), neighbour(world)
    stem = world.send_new()
    out.rmdir()
    out.symlink_to(other / "OUT")
    before = tree(other)
    world.work()
    assert tree(other) == before
    assert "nothing is done there" in capfd.readouterr().err
    out.unlink()
    assert folder_of(world, Folder.OUT) == out
    world.work()
    assert world.receipts(stem) == [[]]


def test_an_answer_is_not_where_a_link_leads(world: World) -> None:
    """The comparison with the database looks into the folder, not through what stands for it."""
    world.send_new()
    world.work()
    out = folder_of(world, Folder.OUT)
    aside = out.with_name("aside")
    assert list(archive_problems(world.instance)) == []
    out.rename(aside)
    out.symlink_to(aside)
    assert len(list(archive_problems(world.instance))) == 6


def test_folders_are_made_once_and_those_that_are_there_are_left(world: World) -> None:
    layout = world.instance.layout
    beneath.make_folders(layout.channels, "000077")
    made = layout.channels / "000077"
    assert sorted(os.listdir(made)) == sorted(Folder)
    assert {(made / f).stat().st_mode & 0o777 for f in Folder} == {0o700}
    before = tree(made)
    beneath.make_folders(layout.channels, "000077")
    assert tree(made) == before
    (made / "OUT").rmdir()
    beneath.make_folders(layout.channels, "000077")
    assert sorted(os.listdir(made)) == sorted(Folder)
