"""The directory of a service's answers, as a careless service fills it."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

import pytest

from batch.dispatch import posting
from batch.dispatch.returns import Returns
from batch.errors import SpoolFault
from batch.names import Folder
from batch.storage.answer_files import AnswerFiles
from tests.integration.dispatch.rights import nobodys_master
from tests.integration.storage.world import World

BYTES = b"<DimonaNotification/>\n"


def returns_of(world: World) -> Returns:
    place = world.settings.data / "answers"
    place.mkdir()
    return Returns(world.instance, "DIMONA", place, world.instance.institution_signer())


def shown(world: World) -> list[str]:
    world.work()
    return [n[:2] for n in world.listed(Folder.OUT)]


def put(place: Path, name: str, content: bytes = BYTES) -> Path:
    (place / name).write_bytes(content)
    return place / name


def test_a_file_that_may_not_be_read_is_set_aside_and_holds_no_other_up(world: World) -> None:
    one = returns_of(world)
    put(one.place, "000001.DMNO.R.first").chmod(0)
    put(one.place, "000001.DMNO.R.second")
    with nobodys_master():
        assert one.run_once() == 1
    assert os.listdir(one.place / ".refused") == ["000001.DMNO.R.first"]
    assert shown(world) == ["FO", "FS", "GO"]


def test_a_file_that_changes_holds_no_other_up(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It stays where it is, and is taken when it is whole."""
    one = returns_of(world)
    first = put(one.place, "000001.DMNO.R.first")
    put(one.place, "000001.DMNO.R.second")

    def write(*given: Any) -> AnswerFiles:
        if first.stat().st_size == len(BYTES):
            first.write_bytes(BYTES + b"more")
        return real(*given)

    real = posting._write
    monkeypatch.setattr(posting, "_write", write)
    with pytest.raises(SpoolFault, match="changed"):
        one.run_once()
    assert os.listdir(one.place) == [first.name]
    assert shown(world) == ["FO", "FS", "GO"]
    assert one.run_once() == 1


def test_what_is_no_file_stays_and_what_has_no_name_of_ours_is_set_aside(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = returns_of(world)
    monkeypatch.chdir(one.place)  # The path of a socket has room for 108 bytes only.
    os.mkfifo(one.place / "000001.DMNO.R.fifo")
    os.symlink("/etc/passwd", one.place / "000001.DMNO.R.link")
    (one.place / "000001.DMNO.R.dir").mkdir()
    with socket.socket(socket.AF_UNIX) as made:
        made.bind("000001.DMNO.R.sock")
    strange = [b"000001.DMNO.R.a\nb", b"000001.DMNO.R.\xff", b"x" * 255, b"000001.DMNO.R.z\n"]
    for name in strange:
        with open(os.path.join(os.fsencode(one.place), name), "wb") as file:
            file.write(BYTES)
    assert one.run_once() == 0
    assert sorted(os.listdir(os.fsencode(one.place / ".refused"))) == sorted(strange)
    assert len(os.listdir(one.place)) == 5
    assert shown(world) == []
