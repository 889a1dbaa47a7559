"""The quota of a sender: never more, whoever sends at once, and never in the way of finishing."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest

from batch.errors import Denied
from batch.names import INBOXES, Folder
from batch.settings import Settings
from batch.storage import quota
from batch.storage.quota import SPARE_FILES, Amount, OverQuota
from batch.storage.spool import SenderHome, Spool
from tests.integration.storage.conftest import MakeWorld
from tests.integration.storage.world import LIMIT, SENDER, files_of, new_fi, new_stem


def home_in(place: Path, *, size: int = 10**12, files: int = 10**6) -> SenderHome:
    settings = Settings(data=place, max_sender_bytes=size, max_sender_files=files)
    spool = Spool.open(place, settings)
    for path in spool.layout.directories():
        path.mkdir(parents=True, exist_ok=True)
    return spool.sender(SENDER)


def put(home: SenderHome, name: str, content: bytes, folder: Folder = Folder.IN) -> None:
    upload = home.begin(folder, name, keep=False, limit=LIMIT)
    try:
        if content:
            upload.write(0, content)
    except BaseException:
        upload.abandon()
        raise
    upload.publish()


def lying(home: SenderHome) -> Amount:
    """By the disk alone."""
    found = [e for folder in INBOXES for e in home.entries(folder) if not e.sealed]
    return Amount(sum(e.size for e in found), len(found))


def many(home: SenderHome, count: int) -> None:
    """Files as uploads leave them, made without their cost."""
    folder = home.spool.layout.folder(SENDER, Folder.IN)
    for number in range(count):
        os.close(os.open(folder / f"X.{number}", os.O_CREAT | os.O_WRONLY, 0o400))


def timed(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What each look takes from now on."""
    spent: list[float] = []
    look = quota._unsealed

    def looked(folders: tuple[Path, ...], being_sealed: Callable[[], set[int]]) -> Amount:
        began = time.monotonic()
        found = look(folders, being_sealed)
        spent.append(time.monotonic() - began)
        return found

    monkeypatch.setattr(quota, "_unsealed", looked)
    return spent


def test_files_are_refused_at_their_opening_beyond_the_quota_of_both_folders(
    tmp_path: Path,
) -> None:
    home = home_in(tmp_path, files=4)
    for number in range(4):
        put(home, f"x{number}", b"x", INBOXES[number % 2])
    with pytest.raises(OverQuota, match="4 files that may wait there; send again after"):
        home.begin(Folder.IN, "x4", keep=False, limit=LIMIT)
    home.remove(Folder.INTEST, "x1")
    put(home, "x4", b"x")
    with pytest.raises(OverQuota):
        home.begin(Folder.INTEST, "x5", keep=False, limit=LIMIT)
    assert lying(home).files == 4
    assert os.listdir(home.spool.layout.up) == []


def test_bytes_that_run_out_fail_the_upload_and_only_it(tmp_path: Path) -> None:
    home = home_in(tmp_path, size=1000)
    put(home, "first", bytes(600))
    second = home.begin(Folder.IN, "second", keep=False, limit=LIMIT)
    second.write(0, bytes(300))
    with pytest.raises(OverQuota, match="1000 bytes"):
        second.write(300, bytes(101))
    with pytest.raises(Denied, match="send again after your waiting sets are answered"):
        second.publish()
    assert lying(home) == Amount(600, 1)
    put(home, "third", bytes(400))
    with pytest.raises(OverQuota):
        home.begin(Folder.IN, "fourth", keep=False, limit=LIMIT)


def test_bytes_written_twice_count_once_and_an_emptied_file_nothing(tmp_path: Path) -> None:
    home = home_in(tmp_path, size=1000)
    upload = home.begin(Folder.IN, "x", keep=False, limit=LIMIT)
    for _ in range(3):
        upload.write(0, bytes(900))
    upload.truncate(0)
    upload.write(0, bytes(1000))
    upload.publish()
    assert lying(home) == Amount(1000, 1)


def test_what_was_there_before_the_start_counts_and_is_never_taken_away(tmp_path: Path) -> None:
    put(home_in(tmp_path), "old", bytes(700))
    home = home_in(tmp_path, size=500)
    with pytest.raises(OverQuota):
        home.begin(Folder.IN, "new", keep=False, limit=LIMIT)
    assert lying(home) == Amount(700, 1)


def test_what_is_abandoned_or_replaced_is_given_back(tmp_path: Path) -> None:
    home = home_in(tmp_path, size=1000, files=2)
    for _ in range(5):
        upload = home.begin(Folder.IN, "x", keep=False, limit=LIMIT)
        upload.write(0, bytes(900))
        upload.abandon()
    for _ in range(5):
        put(home, "x", bytes(400))
    put(home, "y", bytes(600))
    assert lying(home) == Amount(1000, 2)


def test_what_is_sealed_waits_for_us_and_does_not_count(make_world: MakeWorld) -> None:
    """Nobody works here, so that each set stays sealed; a set is three files of the four."""
    world = make_world(max_sender_files=4)
    for _ in range(5):
        for name, content in files_of(new_stem(), new_fi()).items():
            put(world.home, name, content)
    assert len(list(world.instance.layout.sealed.iterdir())) == 5
    assert lying(world.home).files == 0


def test_what_is_being_sealed_counts_until_it_is(make_world: MakeWorld) -> None:
    """A seal may fail, again and again: its links are made by hand here, and nothing ends it."""
    world = make_world(max_sender_files=2)
    files = files_of(new_stem(), new_fi())
    for name in list(files)[:2]:
        put(world.home, name, files[name])
    staging = world.instance.layout.seal / f"{SENDER}.00"
    staging.mkdir()
    for name in list(files)[:2]:
        os.link(world.path(name), staging / name)
    time.sleep(quota.AGAIN_SECONDS)
    with pytest.raises(OverQuota):
        put(world.home, "more", b"x")
    for path in staging.iterdir():
        path.unlink()
    staging.rmdir()
    world.home.quota.freed()
    with pytest.raises(OverQuota):
        put(world.home, "more", b"x")
    put(world.home, list(files)[2], b"")
    put(world.home, "more", b"x")


@pytest.mark.parametrize("trigger", ["GO.{stem}.1", "TD.{stem}.1", "GO.{stem}"])
@pytest.mark.parametrize("suffix", ["", ".filepart", ".x1y2.partial"])
def test_who_is_at_the_quota_can_end_the_set_that_is_there(
    make_world: MakeWorld, trigger: str, suffix: str
) -> None:
    stem = new_stem()
    world = make_world(max_sender_files=2)
    files = files_of(stem, new_fi())
    for name in list(files)[:2]:
        put(world.home, name, files[name])
    name = trigger.format(stem=stem)
    with pytest.raises(OverQuota):
        put(world.home, f"GO.{new_stem()}.1", b"")
    put(world.home, name + suffix, b"")
    if suffix:
        world.home.rename(Folder.IN, name + suffix, name, replace=False, limit=LIMIT)
    put(world.home, "next", b"x")


def test_places_to_spare_are_counted_too(make_world: MakeWorld) -> None:
    """A set that never ends gives nobody folders without an end."""
    stem = new_stem()
    world = make_world(max_sender_files=1)
    put(world.home, f"FI.{stem}.2.1", new_fi())
    for number in range(SPARE_FILES):
        put(world.home, f"GO.{stem}.2.x{number}", b"")
    with pytest.raises(OverQuota):
        put(world.home, f"GO.{stem}.2.more", b"")
    assert lying(world.home).files == 1 + SPARE_FILES


def test_eight_at_once_never_have_more_than_the_quota_and_use_all_of_it(tmp_path: Path) -> None:
    home = home_in(tmp_path, size=64_000, files=40)
    above: list[Amount] = []
    over = threading.Event()

    def watch() -> None:
        while not over.is_set():
            found = lying(home)
            if found.bytes > 64_000 or found.files > 40:
                above.append(found)

    def send(sender: int) -> int:
        done = 0
        for number in range(40):
            try:
                put(home, f"x{sender}.{number}", bytes(1000))
                done += 1
            except (OverQuota, Denied):
                time.sleep(0.001)
        return done

    watching = threading.Thread(target=watch)
    watching.start()
    with ThreadPoolExecutor(8) as pool:
        taken = sum(pool.map(send, range(8)))
    over.set()
    watching.join()
    assert above == []
    assert (taken, lying(home).files) == (40, 40)


def test_a_full_folder_is_not_looked_at_for_each_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = home_in(tmp_path)
    many(home, 5000)
    spent = timed(monkeypatch)
    for number in range(200):
        put(home, f"y{number}", b"x")
    assert len(spent) == 1


def test_a_border_with_many_files_is_looked_at_for_a_share_of_the_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = home_in(tmp_path, files=5000)
    many(home, 5000)
    spent = timed(monkeypatch)
    began = time.monotonic()
    took = 0.0
    while took < 2 or sum(spent) >= quota.BURST_SECONDS + 0.2 * took:
        assert took < 60, "the looks do not rest"
        with pytest.raises(OverQuota):
            home.begin(Folder.IN, "one.more", keep=False, limit=LIMIT)
        home.quota.freed()
        took = time.monotonic() - began
    assert len(spent) >= 2


def test_one_slow_look_refuses_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that was busy for a moment; what is given back right after it is seen."""
    home = home_in(tmp_path, files=1)
    look, now = quota._unsealed, [time.monotonic()]

    def slowly(folders: tuple[Path, ...], being_sealed: Callable[[], set[int]]) -> Amount:
        now[0] += 0.05
        return look(folders, being_sealed)

    monkeypatch.setattr(quota, "time", SimpleNamespace(monotonic=lambda: now[0]))
    monkeypatch.setattr(quota, "_unsealed", slowly)
    for _ in range(3):
        put(home, "x", b"x")
        home.remove(Folder.IN, "x")


def test_the_space_that_is_told_is_the_quotas_or_the_disks(tmp_path: Path) -> None:
    home = home_in(tmp_path, size=10_000, files=5)
    put(home, "x", bytes(4000))
    assert home.space() == (Amount(4000, 1), Amount(6000, 4))
    settings = Settings(data=tmp_path, min_free_bytes=10**18, min_free_inodes=10**12)
    nowhere = Spool.open(tmp_path, settings).sender(SENDER)
    used, left = nowhere.space()
    assert used == Amount(4000, 1)
    assert left.bytes == 0


def test_what_the_sweep_seals_is_given_back(make_world: MakeWorld) -> None:
    world = make_world(max_sender_files=2)
    files = files_of(new_stem(), new_fi())
    for name in list(files)[:2]:
        put(world.home, name, files[name])
    with pytest.raises(OverQuota):
        put(world.home, "next", b"x")
    world.sweep()
    assert len(world.sealed()) == 1
    time.sleep(quota.AGAIN_SECONDS)
    put(world.home, "next", b"x")
