"""The floor of free space, and a disk that is full: on real file systems, small ones."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from batch.errors import Denied
from batch.names import Folder
from batch.settings import Settings
from batch.storage import room
from batch.storage.room import NoRoom
from batch.storage.spool import SenderHome, Spool
from batch.storage.upload import Upload
from tests.integration.storage.conftest import MakeWorld
from tests.integration.storage.disks import disk, memory
from tests.integration.storage.world import LIMIT, RECEIVED, SENDER, files_of, new_fi, new_stem

NEVER = 10**18
PAGE = 4096
FI = "FI.FLAD.000001.20261122.00001.R.1.1"


def home_on(place: Path, *, free_bytes: int = 0, free_inodes: int = 0) -> SenderHome:
    settings = Settings(data=place, min_free_bytes=free_bytes, min_free_inodes=free_inodes)
    spool = Spool.open(place, settings)
    for path in spool.layout.directories():
        path.mkdir(parents=True, exist_ok=True)
    return spool.sender(SENDER)


def put(home: SenderHome, name: str, content: bytes, block: int = 32768) -> None:
    upload = home.begin(Folder.IN, name, keep=False, limit=LIMIT)
    try:
        for offset in range(0, len(content), block):
            upload.write(offset, content[offset : offset + block])
    except BaseException:
        upload.abandon()
        raise
    upload.publish()


def left(home: SenderHome) -> list[str]:
    return os.listdir(home.spool.layout.up)


def told(capsys: pytest.CaptureFixture[str]) -> list[str]:
    lines = capsys.readouterr().err.splitlines()
    return [line for line in lines if '"problem"' in line or '"mended"' in line]


# --- the floor --------------------------------------------------------------------------------


def test_below_the_floor_of_bytes_nothing_is_begun_until_there_is_room(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Somebody else fills the disk, and makes room again; the operator reads two lines."""
    with memory(tmp_path / "disk", size="4m") as place:
        home = home_on(place, free_bytes=1_000_000)
        put(home, "a", b"a")
        (place / "foreign").write_bytes(bytes(3_300_000))
        for name in ("FI", "FS", "GO", "TD") * 3:
            with pytest.raises(NoRoom) as refused:
                put(home, f"{name}.x", b"")
            assert refused.value.errno == errno.ENOSPC
        assert left(home) == []
        (place / "foreign").unlink()
        for _ in range(3):
            put(home, "b", b"b")
        lines = told(capsys)
        assert len(lines) == 2
        assert ('"level": "error"' in lines[0], "refused" in lines[0]) == (True, True)
        assert ('"level": "error"' in lines[1], "room again" in lines[1]) == (False, True)


def test_below_the_floor_of_inodes_nothing_is_begun(tmp_path: Path) -> None:
    with memory(tmp_path / "disk", nr_inodes=60) as place:
        home = home_on(place, free_inodes=20)
        put(home, "a", b"a")
        while os.statvfs(place).f_favail >= 20:
            (place / f"foreign{os.statvfs(place).f_favail}").touch()
        with pytest.raises(NoRoom):
            put(home, "b", b"b")
        next(place.glob("foreign*")).unlink()
        put(home, "b", b"b")


def test_where_inodes_have_no_number_they_are_not_asked(tmp_path: Path) -> None:
    with disk(tmp_path / "disk", "btrfs", 128) as place:
        assert os.statvfs(place).f_files == 0
        put(home_on(place, free_inodes=1000), "a", b"a")


@contextmanager
def looks_counted(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """The free bytes that each look at the disk found."""
    found: list[int] = []
    real = os.statvfs

    def look(path: Path) -> os.statvfs_result:
        answer = real(path)
        found.append(answer.f_bavail * answer.f_frsize)
        return answer

    with monkeypatch.context() as patched:
        patched.setattr(os, "statvfs", look)
        yield found


def grow(upload: Upload, block: int) -> None:
    """Until it is refused."""
    while True:
        upload.write(upload.size, bytes(block))


def test_a_growing_upload_stops_near_the_floor_and_looks_once_a_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    floor, block = 20_000_000, 32_768
    with memory(tmp_path / "disk", size="60m") as place:
        home = home_on(place, free_bytes=floor)
        with looks_counted(monkeypatch) as looks:
            upload = home.begin(Folder.IN, FI, keep=False, limit=100_000_000)
            with pytest.raises(NoRoom):
                grow(upload, block)
        lowest = os.statvfs(place).f_bavail * PAGE
        assert floor - room.STEP - block <= lowest < floor
        assert len(looks) <= 2 + upload.size // room.STEP
        acts: list[Callable[[], None]] = [lambda: upload.write(0, b"x"), upload.publish]
        for act in acts:
            with pytest.raises(Denied, match="nothing was stored"):
                act()
        assert (left(home), home.entries(Folder.IN)) == ([], [])
        put(home, FI, bytes(1_000_000))


def test_many_uploads_together_stop_near_the_floor(tmp_path: Path) -> None:
    """A step is shared: twenty uploads go no further below than one does."""
    floor, block = 20_000_000, 32_768
    with memory(tmp_path / "disk", size="60m") as place:
        home = home_on(place, free_bytes=floor)
        uploads = [home.begin(Folder.IN, f"{n}", keep=False, limit=LIMIT) for n in range(20)]
        alive = list(uploads)
        while alive:
            for upload in tuple(alive):
                try:
                    upload.write(upload.size, bytes(block))
                except (NoRoom, Denied):
                    alive.remove(upload)
        assert os.statvfs(place).f_bavail * PAGE >= floor - room.STEP - block
        for upload in uploads:
            upload.abandon()
        assert left(home) == []


def test_a_resume_is_an_upload_too(tmp_path: Path) -> None:
    """Its copy is stopped at the floor, and what was published stays."""
    with memory(tmp_path / "disk", size="60m") as place:
        home = home_on(place, free_bytes=20_000_000)
        content = os.urandom(25_000_000)
        upload = home.begin(Folder.IN, FI, keep=False, limit=100_000_000)
        upload.write(0, content)
        upload.publish()
        with pytest.raises(NoRoom):
            home.begin(Folder.IN, FI, keep=True, limit=100_000_000)
        (place / "foreign").write_bytes(bytes(15_000_000))
        with pytest.raises(NoRoom):
            home.begin(Folder.IN, FI, keep=True, limit=100_000_000)
        assert left(home) == []
        assert (place / "channels" / str(SENDER) / "IN" / FI).read_bytes() == content


def test_what_was_taken_in_goes_on_below_the_floor(make_world: MakeWorld) -> None:
    """Renames, deletes, the sweep, the worker and its answers, and taking those away."""
    world = make_world()
    files = files_of(stem := new_stem(), new_fi())
    other = files_of(new_stem(), new_fi())
    for name, content in files.items():
        world.put(f"{name}.part", content)
    world.put("unwanted", b"x")
    for name, content in list(other.items())[:2]:
        world.put(name, content)
    settings = world.settings.model_copy(update={"min_free_bytes": NEVER})
    world.settings = settings
    world.restart()
    with pytest.raises(NoRoom):
        world.put("another", b"x")
    world.home.remove(Folder.IN, "unwanted")
    for name in files:
        world.home.rename(Folder.IN, f"{name}.part", name, replace=False, limit=LIMIT)
    world.path(list(other)[2]).touch()  # the operator drops the GO
    assert len(world.sweep().sealed) == 1
    world.work()
    assert world.receipts(stem) == [RECEIVED]
    assert len(world.notifications(stem)) == 1
    assert world.listed() == []
    for name in world.listed(Folder.OUT):
        os.close(world.home.open_for_reading(Folder.OUT, name))
        world.home.remove(Folder.OUT, name)
    assert world.listed(Folder.OUT) == []


# --- a disk that is full -----------------------------------------------------------------------


def fill(place: Path, free: int) -> None:
    """Leave ``free`` bytes, as somebody else would."""
    foreign = place / "foreign"
    size = foreign.stat().st_size if foreign.exists() else 0
    with foreign.open("ab") as file:
        while (more := os.statvfs(place).f_bavail * os.statvfs(place).f_frsize - free) > 0:
            try:
                written = os.write(file.fileno(), bytes(min(more, 65536)))
            except OSError:
                break
            size += written
        os.fsync(file.fileno())


@pytest.mark.parametrize("kind", ["tmpfs", "ext4", pytest.param("xfs", marks=pytest.mark.slow)])
def test_a_disk_full_at_any_page_gives_ok_only_for_bytes_that_are_there(
    tmp_path: Path, kind: str
) -> None:
    """Free space from nothing to more than the upload, in pages; every answered write is read back.

    With the space back the same upload is taken at once.
    """
    content = os.urandom(20 * PAGE - 100)
    taken = refused = 0
    sizes = {"ext4": 8, "xfs": 320}
    with (
        memory(tmp_path / "disk", size="1m")
        if kind == "tmpfs"
        else disk(tmp_path / "disk", kind, sizes[kind])
    ) as place:
        home = home_on(place)
        put(home, "warm", content)
        for pages in range(26):
            fill(place, pages * PAGE)
            try:
                acknowledged = attempt(home, content)
            except OSError as error:
                refused += error.errno == errno.ENOSPC
            else:
                assert acknowledged
                taken += 1
                home.remove(Folder.IN, FI)
            assert left(home) == []
            (place / "foreign").unlink()
            put(home, FI, content)
            assert (place / "channels" / str(SENDER) / "IN" / FI).read_bytes() == content
            home.remove(Folder.IN, FI)
    print(f"{kind}: {taken} taken, {refused} refused")
    assert taken + refused == 26
    assert refused
    assert taken


def attempt(home: SenderHome, content: bytes) -> bool:
    """Upload in blocks that fit no page; compare what was answered with what is there."""
    upload = home.begin(Folder.IN, FI, keep=False, limit=LIMIT)
    try:
        for offset in range(0, len(content), 5000):
            upload.write(offset, content[offset : offset + 5000])
            (staging,) = home.spool.layout.up.iterdir()
            assert staging.read_bytes() == content[: offset + 5000]
    except OSError:
        with suppress(Denied):
            upload.write(len(content), b"what comes after an error is not taken either")
        with pytest.raises(Denied):
            upload.publish()
        assert home.entries(Folder.IN) == [e for e in home.entries(Folder.IN) if e.name != FI]
        raise
    upload.publish()
    return (home.spool.layout.folder(SENDER, Folder.IN) / FI).read_bytes() == content


def test_without_inodes_an_upload_is_refused_and_taken_when_there_are_some(tmp_path: Path) -> None:
    with memory(tmp_path / "disk", nr_inodes=40) as place:
        home = home_on(place)
        (place / "foreign").mkdir()
        with suppress(OSError):
            for number in range(40):
                (place / "foreign" / str(number)).touch()
        with pytest.raises(OSError) as refused:
            put(home, FI, b"x")
        assert refused.value.errno == errno.ENOSPC
        shutil.rmtree(place / "foreign")
        put(home, FI, b"x")


@pytest.mark.parametrize("free", range(12))
def test_a_set_that_finds_no_inode_while_it_is_sealed_is_sealed_by_the_sweep(
    tmp_path: Path, make_world: MakeWorld, free: int
) -> None:
    """Its GO is answered with a failure, or its OK holds; what was refused is sent again."""
    world = make_world(min_free_bytes=0, min_free_inodes=0)
    with memory(tmp_path / "disk", nr_inodes=120, size="20m") as place:
        data = shutil.copytree(world.settings.data, place / "data")
        world.settings = world.settings.model_copy(update={"data": data})
        world.restart()
        files = files_of(stem := new_stem(), new_fi())
        foreign = place / "foreign"
        foreign.mkdir()
        while (found := os.statvfs(place).f_favail) > free:
            (foreign / str(found)).touch()
        refused = 0
        for name, content in files.items():
            try:
                world.put(name, content)
            except OSError:
                refused += 1
        assert os.listdir(world.instance.layout.up) == []
        assert os.listdir(world.instance.layout.seal) == []
        shutil.rmtree(foreign)
        if refused:
            world.send(files)
        world.sweep()
        assert world.sealed() == [str(world.key(stem))]
        world.work()
        assert world.receipts(stem) == [RECEIVED]
        assert len(world.notifications(stem)) == 1


def test_what_could_not_be_removed_is_removed_with_the_next_upload(tmp_path: Path) -> None:
    """A directory made immutable stands for a disk that refuses."""
    with disk(tmp_path / "disk", "ext4", 16) as place:
        home = home_on(place)
        upload = home.begin(Folder.IN, FI, keep=False, limit=LIMIT)
        upload.write(0, b"x")
        up = home.spool.layout.up
        done = subprocess.run(["chattr", "+i", up], capture_output=True, check=False)
        if done.returncode:
            pytest.skip("chattr is not allowed here")
        upload.abandon()
        assert len(left(home)) == 1
        with pytest.raises(OSError):
            put(home, FI, b"x")
        subprocess.run(["chattr", "-i", up], check=True)
        put(home, FI, b"x")
        assert left(home) == []
