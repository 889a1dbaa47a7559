"""An instance lies on one mount of one file system that keeps marks; else nobody serves it."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from batch import supervisor
from batch.errors import SpoolFault
from batch.settings import load
from batch.storage import file_system
from batch.storage.instance import Instance
from batch.storage.layout import Layout
from tests.integration.storage.disks import disk, memory, mounted
from tests.integration.storage.world import World, dispose

NOW = datetime.now(UTC)
PARTS = ("spool/sealed", "spool/up", "channels", "channels/000001", "channels/000001/IN", "db")


@pytest.fixture
def elsewhere(world: World) -> Iterator[Path]:
    """A directory on another file system."""
    shared = Path("/dev/shm")
    if not shared.is_dir() or shared.stat().st_dev == world.settings.data.stat().st_dev:
        pytest.skip("there is no second file system here")
    with tempfile.TemporaryDirectory(dir=shared) as place:
        yield Path(place)


def refusal(world: World) -> str:
    with pytest.raises(SpoolFault, match="one file system") as refused:
        file_system.check(world.instance.layout)
    return str(refused.value)


def test_an_instance_in_one_place_is_taken_and_nothing_is_left_of_the_look(world: World) -> None:
    world.put("a.tmp", b"so that the sender has its folders")
    for _ in range(2):
        file_system.check(world.instance.layout)
    assert os.listdir(world.instance.layout.up) == []


def test_databases_that_are_away_are_another_matter(world: World, tmp_path: Path) -> None:
    world.instance.layout.databases.rename(tmp_path / "away")
    file_system.check(world.instance.layout)


@pytest.mark.parametrize("part", PARTS)
def test_a_part_that_leads_to_another_file_system_is_refused(
    world: World, elsewhere: Path, part: str
) -> None:
    world.put("a.tmp", b"")
    path = world.settings.data / part
    shutil.copytree(path, elsewhere / "part")
    shutil.rmtree(path)
    path.symlink_to(elsewhere / "part")
    assert str(path) in refusal(world)


@pytest.mark.parametrize("part", [*PARTS, "spool/arch/a set"])
def test_a_file_system_mounted_on_a_part_is_refused(world: World, part: str) -> None:
    world.put("a.tmp", b"")
    with memory(world.settings.data / part) as place:
        for directory in (*world.instance.layout.directories(), place):
            directory.mkdir(parents=True, exist_ok=True)
        said = refusal(world)
        assert str(place.resolve()) in said
        assert "unmount" in said


@pytest.mark.parametrize("part", PARTS)
def test_a_bind_mount_of_the_same_file_system_is_refused(
    world: World, tmp_path: Path, part: str
) -> None:
    """It has the same device number, and yet no rename leads into it."""
    world.put("a.tmp", b"")
    place = world.settings.data / part
    source = shutil.copytree(place, tmp_path / "with space")
    with mounted(place, "--bind", source):
        assert place.stat().st_dev == world.settings.data.stat().st_dev
        assert str(place.resolve()) in refusal(world)
    file_system.check(world.instance.layout)


def test_a_link_into_a_bind_mount_elsewhere_is_refused(world: World, tmp_path: Path) -> None:
    layout = world.instance.layout
    source = shutil.copytree(layout.up, tmp_path / "source")
    with mounted(tmp_path / "other way", "--bind", source) as place:
        layout.up.rmdir()
        layout.up.symlink_to(place)
        assert str(layout.up) in refusal(world)
    layout.up.unlink()
    layout.up.symlink_to(source)
    file_system.check(layout)


def test_the_settings_may_be_laid_over(world: World, tmp_path: Path) -> None:
    """Containers do so; the file is only ever read."""
    (source := tmp_path / "given.toml").write_text("")
    (place := world.settings.data / "settings.toml").touch()
    with mounted(place, "--bind", source):
        file_system.check(world.instance.layout)


def test_a_mount_point_with_a_space_is_read_as_it_is(tmp_path: Path) -> None:
    with memory(tmp_path / "two words") as place:
        assert place.resolve() in [m.point for m in file_system.mounts()]


def test_a_file_system_without_marks_is_refused(tmp_path: Path) -> None:
    with mounted(tmp_path / "ram", "-t", "ramfs", "none") as place:
        with pytest.raises(SpoolFault, match="extended attributes"):
            Instance.make(load(data=place / "data"), NOW)
        assert os.listdir(place / "data" / "spool" / "up") == []


def test_an_instance_is_not_made_across_file_systems(tmp_path: Path) -> None:
    with (
        memory(tmp_path / "data" / "spool"),
        pytest.raises(SpoolFault, match="one file system"),
    ):
        Instance.make(load(data=tmp_path / "data"), NOW)


def test_serve_looks_before_it_changes_anything(world: World) -> None:
    left = world.instance.layout.up / "left by a kill"
    left.touch()
    with (
        memory(world.instance.layout.arch),
        pytest.raises(SpoolFault, match="one file system"),
    ):
        supervisor.serve(world.settings)
    assert left.exists()


@pytest.mark.parametrize("kind", ["tmpfs", "ramfs", "overlay"])
def test_a_type_that_forgets_at_a_power_cut_is_told(
    tmp_path: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    options: list[object] = []
    if kind == "overlay":
        parts = {name: tmp_path / name for name in ("lowerdir", "upperdir", "workdir")}
        for part in parts.values():
            part.mkdir()
        options = ["-o", ",".join(f"{name}={part}" for name, part in parts.items())]
    with mounted(tmp_path / "data", "-t", kind, *options, "none") as place:
        told = file_system.doubt(Layout(place))
        assert told is not None
        assert f" {kind}," in told
        if kind == "tmpfs":
            made = Instance.make(load(data=place), NOW)
            made.check_disk()
            dispose(made)
            assert "may lose accepted sets" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("kind", "megabytes", "options"), [("ext4", 16, ()), ("btrfs", 128, ("notreelog",))]
)
def test_a_disk_is_not_doubted(
    tmp_path: Path, kind: str, megabytes: int, options: tuple[str, ...]
) -> None:
    """And the data directory itself may be where it is mounted."""
    with disk(tmp_path / "data", kind, megabytes, *options) as place:
        made = Instance.make(load(data=place), NOW)
        file_system.check(made.layout)
        assert file_system.doubt(made.layout) is None
        dispose(made)


def test_a_btrfs_with_a_log_is_told(tmp_path: Path) -> None:
    with disk(tmp_path / "data", "btrfs", 128) as place:
        told = file_system.doubt(Layout(place))
    assert told is not None
    assert "notreelog" in told


def test_without_the_kernels_list_devices_alone_are_compared(
    world: World, monkeypatch: pytest.MonkeyPatch, elsewhere: Path
) -> None:
    monkeypatch.setattr(file_system, "MOUNTS", elsewhere / "no list")
    layout = world.instance.layout
    file_system.check(layout)
    assert file_system.doubt(layout) is None
    layout.up.rmdir()
    layout.up.symlink_to(elsewhere)
    assert str(layout.up) in refusal(world)
