"""Receiving on a real disk: what an explicit CLOSE promises, and what nothing else does."""

from __future__ import annotations

import errno
import multiprocessing
import os
import resource
import stat
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from signal import SIG_IGN, SIGXFSZ, signal

import pytest

from batch.errors import Denied
from batch.names import Folder
from batch.settings import Settings
from batch.storage.spool import Spool
from tests.descriptors import descriptors
from tests.integration.storage.world import (
    LIMIT,
    RECEIVED,
    SENDER,
    World,
    files_of,
    new_fi,
    new_stem,
)

NAME = "FI.FLAD.000001.20261122.00001.R.1.1"


def up(world: World) -> list[str]:
    return os.listdir(world.instance.layout.up)


def test_nothing_is_published_without_an_explicit_close(world: World) -> None:
    upload = world.begin(NAME)
    upload.write(0, b"all of it")
    upload.sync()
    assert world.listed() == []
    upload.abandon()
    upload.abandon()
    assert (world.listed(), up(world)) == ([], [])
    with pytest.raises(Denied, match="abandoned"):
        upload.publish()
    assert world.listed() == []


def test_a_published_file_has_its_bytes_mode_0400_and_one_link(world: World) -> None:
    world.put(NAME, b"bytes")
    status = world.path(NAME).lstat()
    assert world.path(NAME).read_bytes() == b"bytes"
    assert (stat.S_IMODE(status.st_mode), status.st_nlink) == (0o400, 1)
    assert up(world) == []


@pytest.mark.parametrize(
    "written", [[(1, b"x")], [(0, b"ab"), (3, b"d")], [(5, b"f"), (0, b"abcd")]]
)
def test_a_gap_is_refused_at_the_close(world: World, written: list[tuple[int, bytes]]) -> None:
    upload = world.begin(NAME)
    for offset, data in written:
        upload.write(offset, data)
    with pytest.raises(Denied, match="missing in the middle"):
        upload.publish()
    assert (world.listed(), up(world)) == ([], [])


def test_blocks_may_come_in_any_order_and_overlap(world: World) -> None:
    upload = world.begin(NAME)
    for offset, data in ((4, b"efg"), (0, b"abc"), (2, b"cde"), (0, b"")):
        upload.write(offset, data)
    upload.publish()
    assert world.path(NAME).read_bytes() == b"abcdefg"


def test_blocks_in_a_hostile_order_do_not_stop_the_server(world: World) -> None:
    """Writes are answered in the event loop: each must stay cheap, or be refused."""
    upload = world.begin(NAME)
    began = time.process_time()
    with suppress(Denied):
        for offset in range(0, 10_000, 2):
            upload.write(offset, b"x")
    spent = time.process_time() - began
    upload.abandon()
    assert spent < 1, f"{spent:.1f} s of processor for 5 kB"


def test_more_than_the_limit_poisons_the_upload(world: World) -> None:
    upload = world.home.begin(Folder.IN, NAME, keep=False, limit=10)
    upload.write(0, b"0123456789")
    with pytest.raises(Denied, match="10 bytes"):
        upload.write(10, b"a")
    acts: list[Callable[[], None]] = [
        lambda: upload.write(0, b"a"),
        upload.sync,
        lambda: upload.truncate(0),
    ]
    for act in acts:
        with pytest.raises(Denied, match="10 bytes"):
            act()
    with pytest.raises(Denied, match="10 bytes"):
        upload.publish()
    assert (world.listed(), up(world)) == ([], [])


@contextmanager
def no_file_larger_than(size: int) -> Iterator[None]:
    """The kernel refuses to write beyond ``size``: real short writes and real EFBIG."""
    former = resource.getrlimit(resource.RLIMIT_FSIZE)
    signals = signal(SIGXFSZ, SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, former[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, former)
        signal(SIGXFSZ, signals)


@pytest.mark.parametrize("room", [0, 1, 4095, 4096, 9999])
def test_an_upload_the_disk_did_not_take_is_never_published(world: World, room: int) -> None:
    """A short write is not taken for a whole one, and later success heals nothing."""
    upload = world.begin(NAME)
    with no_file_larger_than(room), pytest.raises(OSError) as failed:
        upload.write(0, bytes(10_000))
    assert failed.value.errno == errno.EFBIG
    with pytest.raises(Denied, match="nothing was stored"):
        upload.write(0, bytes(10_000))
    with pytest.raises(Denied, match="nothing was stored"):
        upload.publish()
    assert (world.listed(), up(world)) == ([], [])
    world.put(NAME, bytes(10_000))
    assert world.path(NAME).stat().st_size == 10_000


def test_what_was_published_before_stays_when_its_successor_fails(world: World) -> None:
    world.put(NAME, b"first")
    upload = world.begin(NAME)
    with no_file_larger_than(2), pytest.raises(OSError):
        upload.write(0, b"second")
    with pytest.raises(Denied):
        upload.publish()
    assert world.path(NAME).read_bytes() == b"first"


def test_a_full_disk_poisons_the_upload_and_is_forgotten_when_there_is_room(
    small_disk: Path,
) -> None:
    settings = Settings(data=small_disk, min_free_bytes=0, min_free_inodes=0)
    spool = Spool.open(small_disk, settings)
    for path in spool.layout.directories():
        path.mkdir(parents=True, exist_ok=True)
    home = spool.sender(SENDER)
    first = home.begin(Folder.IN, "large", keep=False, limit=LIMIT)
    with pytest.raises(OSError) as failed:
        first.write(0, bytes(2_000_000))
    assert failed.value.errno == errno.ENOSPC
    with pytest.raises(Denied):
        first.publish()
    second = home.begin(Folder.IN, "small", keep=False, limit=LIMIT)
    second.write(0, bytes(200_000))
    second.publish()
    assert [(e.name, e.size) for e in home.entries(Folder.IN)] == [("small", 200_000)]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte; skipped where mounting is not allowed."""
    place = tmp_path / "disk"
    place.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "none", place], capture_output=True, check=False
    )
    if done.returncode:
        pytest.skip("no file system may be mounted here")
    yield place
    subprocess.run(["umount", "-l", place], check=True)


def test_a_resumed_upload_begins_with_the_published_bytes(world: World) -> None:
    world.put(NAME, b"first half, ")
    upload = world.home.begin(Folder.IN, NAME, keep=True, limit=LIMIT)
    assert upload.size == 12
    upload.write(12, b"second half")
    assert world.path(NAME).read_bytes() == b"first half, "
    upload.publish()
    assert world.path(NAME).read_bytes() == b"first half, second half"


def test_a_sealed_file_is_not_resumed(world: World) -> None:
    """Decision 0004: removing, renaming or resuming a sealed file is refused."""
    stem = world.send_new()
    with pytest.raises(Denied, match="sealed"):
        world.home.begin(Folder.IN, f"FI.{stem}.1.1", keep=True, limit=LIMIT)


def test_a_resume_begun_before_the_sealing_does_not_end_after_it(world: World) -> None:
    """The bytes it began with are sealed by the time it is closed."""
    files = files_of(stem := new_stem(), new_fi())
    fi, signature, go = files
    world.put(fi, files[fi])
    upload = world.home.begin(Folder.IN, fi, keep=True, limit=LIMIT)
    upload.write(upload.size, b"<!-- more -->")
    world.put(signature, files[signature])
    world.put(go)
    assert world.sealed() == [str(world.key(stem))]
    with pytest.raises(Denied, match=fi):
        upload.publish()


def test_a_resume_that_fails_at_its_beginning_leaves_nothing(world: World) -> None:
    """Else each retry on a full disk would fill it further, until the next restart."""
    world.put(NAME, bytes(10_000))
    before = descriptors(world.settings.data)
    with no_file_larger_than(5_000), pytest.raises(OSError):
        world.home.begin(Folder.IN, NAME, keep=True, limit=LIMIT)
    assert (up(world), descriptors(world.settings.data)) == ([], before)


def test_truncating_is_to_nothing_or_to_the_present_size(world: World) -> None:
    upload = world.begin(NAME)
    upload.write(0, b"abc")
    upload.truncate(3)
    with pytest.raises(Denied, match="cut or grown"):
        upload.truncate(2)
    upload.truncate(0)
    upload.write(0, b"x")
    upload.publish()
    assert world.path(NAME).read_bytes() == b"x"


@pytest.mark.parametrize("folder", [Folder.OUT, Folder.OUTTEST])
def test_nothing_is_uploaded_to_a_folder_of_answers(world: World, folder: Folder) -> None:
    with pytest.raises(AssertionError, match="the table"):
        world.begin(NAME, folder)
    assert up(world) == []


def test_an_unsealed_file_is_removed_and_renamed_and_a_sealed_one_is_not(world: World) -> None:
    world.put("a.tmp", b"a")
    world.put("b.tmp", b"b")
    with pytest.raises(FileExistsError):
        world.home.rename(Folder.IN, "a.tmp", "b.tmp", replace=False, limit=LIMIT)
    world.home.rename(Folder.IN, "a.tmp", "b.tmp", replace=True, limit=LIMIT)
    assert world.path("b.tmp").read_bytes() == b"a"
    world.home.remove(Folder.IN, "b.tmp")
    assert world.listed() == []
    world.send_new()
    for name in world.listed():
        with pytest.raises(Denied, match="sealed"):
            world.home.remove(Folder.IN, name)
        with pytest.raises(Denied, match="sealed"):
            world.home.rename(Folder.IN, name, "other", replace=True, limit=LIMIT)
    assert [e.sealed for e in world.home.entries(Folder.IN)] == [True] * 3


def test_a_rename_may_complete_a_set(world: World) -> None:
    files = files_of(stem := new_stem(), new_fi())
    for name, content in files.items():
        world.put(f"{name}.part", content)
    for name in files:
        world.home.rename(Folder.IN, f"{name}.part", name, replace=False, limit=LIMIT)
    assert world.sealed() == [str(world.key(stem))]


def test_a_removed_answer_is_kept_aside(world: World) -> None:
    world.send_new()
    world.work()
    out = world.bytes_in(Folder.OUT)
    for name in out:
        world.home.remove(Folder.OUT, name)
    layout = world.instance.layout
    kept = {p.name.removeprefix("000001.OUT."): p.read_bytes() for p in layout.taken.iterdir()}
    assert (world.listed(Folder.OUT), kept) == ([], out)
    with pytest.raises(FileNotFoundError):
        world.home.remove(Folder.OUT, next(iter(out)))


def link(path: Path) -> None:
    (path.parents[4] / "elsewhere").write_bytes(b"not for senders")
    path.symlink_to(path.parents[4] / "elsewhere")


STRANGE: dict[str, Callable[[Path], None]] = {
    "link": link,
    "dead-link": lambda path: path.symlink_to("nothing"),
    "fifo": os.mkfifo,
    "directory": Path.mkdir,
}


@pytest.mark.parametrize("make", STRANGE.values(), ids=STRANGE)
def test_what_is_no_file_is_not_listed_read_or_removed(
    world: World, make: Callable[[Path], None]
) -> None:
    make(world.path(NAME))
    assert world.listed() == []
    for act in (
        lambda: world.home.open_for_reading(Folder.IN, NAME),
        lambda: world.home.entry(Folder.IN, NAME),
        lambda: world.home.remove(Folder.IN, NAME),
        lambda: world.home.rename(Folder.IN, NAME, "other", replace=True, limit=LIMIT),
    ):
        with pytest.raises(OSError):
            act()
    assert os.path.lexists(world.path(NAME))


def test_a_file_with_an_unsafe_name_is_not_listed(world: World) -> None:
    for name in ("-rf", ".hidden", "with space", "a\nb", "é"):
        world.path(name).write_bytes(b"")
    assert world.listed() == []
    assert world.sweep().sealed == ()


def both_send(data: Path, files: dict[str, bytes], rounds: int, barrier: threading.Barrier) -> None:
    """One of two senders of the same stems at once; its OK is that nothing is raised."""
    home = Spool.open(data, Settings(data=data)).sender(SENDER)
    for number in range(rounds):
        barrier.wait(60)
        for name, content in files.items():
            upload = home.begin(
                Folder.IN, name.replace(".00000.", f".{number:05d}."), keep=False, limit=LIMIT
            )
            upload.write(0, content)
            upload.publish()


@pytest.mark.parametrize("kind", ["threads", "processes"])
def test_two_that_send_the_same_set_at_once_make_one_set(world: World, kind: str) -> None:
    rounds = 300
    files = {f"{k}.FLAD.000001.20261122.00000.R.1": k.encode() for k in ("FI", "FS")}
    files = {f"{name}.1": content for name, content in files.items()}
    files["GO.FLAD.000001.20261122.00000.R.1"] = b""
    data = world.settings.data
    if kind == "threads":
        barrier = threading.Barrier(2)
        failed: list[BaseException] = []

        def send() -> None:
            try:
                both_send(data, files, rounds, barrier)
            except BaseException as error:
                failed.append(error)
                barrier.abort()

        pair = [threading.Thread(target=send) for _ in range(2)]
        for one in pair:
            one.start()
        for one in pair:
            one.join()
        assert failed == []
    else:
        context = multiprocessing.get_context("spawn")
        shared = context.Barrier(2)
        arguments = (data, files, rounds, shared)
        processes = [context.Process(target=both_send, args=arguments) for _ in range(2)]
        for process in processes:
            process.start()
        for process in processes:
            process.join()
        assert [process.exitcode for process in processes] == [0, 0]
    stems = [f"FLAD.000001.20261122.{number:05d}.R" for number in range(rounds)]
    assert world.sealed() == [f"000001.IN.{stem}~1" for stem in stems]
    assert (os.listdir(world.instance.layout.seal), up(world)) == ([], [])


def test_a_sweep_and_a_sender_at_once_make_one_set(world: World) -> None:
    stop = threading.Event()

    def sweep() -> None:
        while not stop.is_set():
            world.sweep()

    thread = threading.Thread(target=sweep)
    thread.start()
    stems = [new_stem() for _ in range(20)]
    try:
        for stem in stems:
            world.send(dict(reversed(files_of(stem, new_fi()).items())))
            world.send(files_of(stem, new_fi()))
    finally:
        stop.set()
        thread.join()
    world.sweep()
    assert all(world.arrived(stem)[0].endswith("~1") for stem in stems)
    world.work()
    for stem in stems:
        receipts = world.receipts(stem)
        assert len(receipts) == len(world.arrived(stem))
        assert receipts.count(RECEIVED) <= 1
