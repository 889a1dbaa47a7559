"""The disk begins to write a large file while its bytes come; only a sync makes it durable."""

from __future__ import annotations

import os

import pytest

from batch.names import Folder
from batch.storage import durable, upload
from tests.integration.storage.world import World

FI = "FI.FLAD.000001.20261122.00001.R.1.1"
BLOCK = bytes(range(256)) * 4


def test_the_disk_begins_each_time_so_much_has_come(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[int] = []
    begin = durable.begin_writing

    def begin_writing(descriptor: int) -> None:
        told.append(os.fstat(descriptor).st_size)
        begin(descriptor)

    monkeypatch.setattr(durable, "begin_writing", begin_writing)
    monkeypatch.setattr(upload, "BEGIN_WRITING_AT", 2 * len(BLOCK))
    file = world.begin(FI)
    for number in range(5):
        file.write(number * len(BLOCK), BLOCK)
    assert told == [2 * len(BLOCK), 4 * len(BLOCK)]
    file.publish()
    assert world.bytes_in(Folder.IN) == {FI: 5 * BLOCK}


def test_it_is_synced_all_the_same(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was begun may have failed, and only the sync says so: the sender must hear of it."""
    monkeypatch.setattr(upload, "BEGIN_WRITING_AT", 1)
    file = world.begin(FI)
    file.write(0, BLOCK)

    def failed(_descriptor: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", failed)
    with pytest.raises(OSError, match="Input/output error"):
        file.publish()
    assert world.bytes_in(Folder.IN) == {}
