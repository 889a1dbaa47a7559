"""Making, opening and owning an instance on a real disk."""

from __future__ import annotations

import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from batch.errors import Busy, InstanceError
from batch.settings import load
from batch.storage import instance as module
from batch.storage.database import writing
from batch.storage.instance import Instance
from tests.integration.storage.world import World, dispose

NOW = datetime.now(UTC)


def contents(data: Path) -> dict[str, bytes]:
    kept = (p for p in data.rglob("*") if p.is_file() and p.parent.name != "db")
    return {str(p.relative_to(data)): p.read_bytes() for p in kept}


def test_an_instance_is_private_whole_and_made_only_once(tmp_path: Path) -> None:
    settings = load(data=tmp_path / "data")
    with pytest.raises(InstanceError, match="init"):
        Instance.open(settings)
    made = Instance.make(settings, NOW)
    before = contents(settings.data)
    assert {oct(p.stat().st_mode & 0o077) for p in made.layout.directories()} == {"0o0"}
    assert made.layout.host_key.stat().st_mode & 0o077 == 0
    assert made.layout.institution_key.stat().st_mode & 0o077 == 0
    again = Instance.make(settings, NOW)
    assert contents(settings.data) == before
    opened = Instance.open(settings)
    for one in (made, again, opened):
        dispose(one)


def test_databases_are_durable_and_keep_their_references(world: World) -> None:
    for engine in (world.instance.production, world.instance.test):
        with engine.connect() as connection:
            said = [
                connection.exec_driver_sql(f"PRAGMA {name}").scalar()
                for name in ("journal_mode", "synchronous", "foreign_keys")
            ]
        assert said == ["wal", 2, 1]


@pytest.mark.parametrize("gone", ["spool/up", "db/test.sqlite", "spool/taken"])
def test_what_is_missing_is_named_and_made_again(world: World, gone: str) -> None:
    path = world.settings.data / gone
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    with pytest.raises((InstanceError, Busy), match=path.name):
        Instance.open(world.settings)
    dispose(Instance.make(world.settings, NOW))
    dispose(Instance.open(world.settings))


def test_a_database_of_another_version_is_not_opened(world: World) -> None:
    with writing(world.instance.production) as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = 'x'")
    with pytest.raises(InstanceError, match="version x"):
        Instance.open(world.settings)


@pytest.mark.parametrize("left", ["keys/ssh_host_ed25519_key", "keys/institution.crt"])
def test_a_key_that_a_kill_left_empty_is_made_anew(tmp_path: Path, left: str) -> None:
    """Init may be run again after a kill at any instant: this one came between open and write."""
    settings = load(data=tmp_path / "data")
    dispose(Instance.make(settings, NOW))
    for path in (settings.data / "keys").iterdir():
        if path.name != left.rsplit("/", maxsplit=1)[-1]:
            path.unlink()
    (settings.data / left).chmod(0o600)
    (settings.data / left).write_bytes(b"")
    made = Instance.make(settings, NOW)
    dispose(made)
    assert (settings.data / left).read_bytes()
    assert made.layout.host_key.read_bytes().startswith(b"-----BEGIN OPENSSH PRIVATE KEY")


def test_one_living_process_owns_an_instance(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """And so do its children: they hold the lock until the last of them is gone."""
    monkeypatch.setattr(module, "OWNER_SECONDS", 0.2)
    with world.instance.owned():
        with pytest.raises(InstanceError, match="another living process"), world.instance.owned():
            pass
        child = subprocess.Popen(
            [sys.executable, "-c", "input()"], stdin=subprocess.PIPE, close_fds=False
        )
    with pytest.raises(InstanceError, match="another living process"), world.instance.owned():
        pass
    child.communicate(b"\n", timeout=60)
    with world.instance.owned():
        pass
