"""What a session remembers of what it published, by a clock that nobody can set."""

from __future__ import annotations

import time

import pytest

from batch.names import Folder
from batch.sftp_server.home import EntryPlace
from batch.sftp_server.recent import REMEMBERED, REMEMBERED_SECONDS, Recent

PLACE = EntryPlace(Folder.IN, "name")


@pytest.mark.parametrize("jump", [-1e9, -61.0, 61.0, 1e9])
def test_a_wall_clock_that_is_set_changes_nothing(
    monkeypatch: pytest.MonkeyPatch, jump: float
) -> None:
    now = [1000.0]
    held = Recent(lambda: now[0])
    held.remember(PLACE, 5)
    wall = time.time() + jump
    monkeypatch.setattr(time, "time", lambda: wall)
    now[0] += REMEMBERED_SECONDS
    found = held.find(PLACE)
    assert found is not None
    assert found.size == 5
    now[0] += 0.5
    assert held.find(PLACE) is None


def test_what_is_removed_or_too_old_is_not_remembered() -> None:
    held = Recent()
    held.remember(PLACE, 5)
    held.forget(PLACE)
    assert held.find(PLACE) is None
    held.remember(PLACE, 6)
    for number in range(REMEMBERED):
        held.remember(EntryPlace(Folder.IN, f"name{number}"), number)
    assert held.find(PLACE) is None
    assert held.find(EntryPlace(Folder.IN, "name0")) is not None
