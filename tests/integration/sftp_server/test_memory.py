"""Logins while the registers are out of reach: as they were when last read, and then only."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from sqlalchemy import Connection, insert

from batch.errors import Busy
from batch.registers import Channel
from batch.settings import load
from batch.sftp_server.memory import AWAY_SECONDS, Memory
from batch.storage import registers_tables as tables
from batch.storage.database import writing
from batch.storage.instance import Instance
from batch.storage.registers import Registers
from tests.integration.sftp_server.support import LONG_AGO, make_instance, register


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[Instance]:
    made = make_instance(load(data=tmp_path / "data"))
    register(made, "000001", "alice", ed25519.Ed25519PrivateKey.generate())
    yield made
    made.production.dispose()


@pytest.fixture
def memory(instance: Instance) -> Iterator[Memory]:
    with ThreadPoolExecutor(1) as pool:
        yield Memory(Registers(instance.production), pool)


@contextmanager
def changing(instance: Instance) -> Iterator[Connection]:
    """A change as an operator makes it: it leaves an event behind."""
    with writing(instance.production) as connection:
        yield connection
        connection.execute(insert(tables.register_event).values(at=LONG_AGO, what="x", detail={}))


@contextmanager
def away(instance: Instance) -> Iterator[None]:
    path = instance.production_path
    path.rename(path.with_name("away"))
    yield
    path.with_name("away").rename(path)


def test_who_never_logged_in_is_known_with_its_keys(instance: Instance, memory: Memory) -> None:
    memory.refresh()
    afresh = memory.channel_of_user("alice")
    memory.refresh()
    with away(instance):
        found = memory.channel_of_user("alice")
        assert found is not None
        assert afresh is not None
        assert (found.keys, found.open) == (afresh.keys, afresh.open)
        assert memory.channel_of_user("bob") is None


def test_registers_that_were_never_read_refuse_nobody(instance: Instance, memory: Memory) -> None:
    with away(instance):
        memory.refresh()
        with pytest.raises(Busy):
            memory.channel_of_user("alice")


def test_a_change_is_read_at_the_next_look(instance: Instance, memory: Memory) -> None:
    memory.refresh()
    with changing(instance) as connection:
        connection.execute(tables.channel_key.update().values(until=LONG_AGO))
    memory.refresh()
    with away(instance):
        found = memory.channel_of_user("alice")
        assert found is not None
        assert [key.valid.until for key in found.keys] == [LONG_AGO]


def test_what_a_login_saw_is_remembered_before_the_next_look(
    instance: Instance, memory: Memory
) -> None:
    memory.refresh()
    with changing(instance) as connection:
        connection.execute(tables.channel.update().values(closed_at=LONG_AGO))
    memory.channel_of_user("alice")
    with away(instance):
        found = memory.channel_of_user("alice")
        assert found is not None
        assert found.open.until == LONG_AGO


def test_a_login_reads_a_channel_only_when_something_changed(
    instance: Instance, memory: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    channel_of_user = memory.registers.channel_of_user

    def counted(user: str) -> Channel | None:
        read.append(user)
        return channel_of_user(user)

    monkeypatch.setattr(memory.registers, "channel_of_user", counted)
    assert memory.channel_of_user("alice") is not None
    assert read == ["alice"], "nothing is known before the first look"
    memory.refresh()
    assert memory.channel_of_user("alice") is not None
    assert memory.channel_of_user("bob") is None
    assert read == ["alice"]
    with changing(instance) as connection:
        connection.execute(tables.channel.update().values(closed_at=LONG_AGO))
    found = memory.channel_of_user("alice")
    assert found is not None
    assert found.open.until == LONG_AGO, "at once, whenever the next look is"
    assert read == ["alice", "alice"]


def test_memory_is_not_asked_once_the_registers_are_back(
    instance: Instance, memory: Memory, capfd: pytest.CaptureFixture[str]
) -> None:
    memory.refresh()
    with away(instance):
        assert memory.channel_of_user("alice") is not None
    with changing(instance) as connection:
        connection.execute(tables.channel.update().values(user="carol"))
    time.sleep(AWAY_SECONDS)
    assert memory.channel_of_user("alice") is None
    assert memory.channel_of_user("carol") is not None
    told = [json.loads(line) for line in capfd.readouterr().err.splitlines()]
    assert [(line["event"], line.get("level")) for line in told] == [
        ("problem", "error"),
        ("mended", None),
    ]
