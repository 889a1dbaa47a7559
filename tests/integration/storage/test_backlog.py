"""Too many sets wait: whose GO is refused, and whose is taken."""

from __future__ import annotations

import shutil
import time

import pytest

from batch.identifiers import SenderNumber
from batch.names import Folder
from batch.storage.backlog import Backlogged
from batch.storage.spool import SenderHome
from tests.integration.storage.conftest import MakeWorld
from tests.integration.storage.world import LIMIT, files_of, new_stem


def test_a_go_that_began_before_too_many_wait_is_refused_at_its_close(
    make_world: MakeWorld,
) -> None:
    world = make_world(max_waiting_sets=1)
    begun = world.begin(f"GO.{new_stem()}.1")
    world.send_new()
    with pytest.raises(Backlogged):
        begun.publish()


def test_a_sender_may_have_as_many_sets_waiting_as_places_are_left(make_world: MakeWorld) -> None:
    """One that sends without end keeps nobody out, and is taken again when its sets are gone."""
    world = make_world(max_waiting_sets=8)
    greedy, other, third = (
        world.instance.spool.sender(SenderNumber(number))
        for number in ("000001", "000002", "000003")
    )

    def sets_of(home: SenderHome) -> int:
        """Sets it can send now, and the GO that is refused."""
        for taken in range(9):
            stem = new_stem(sender=str(home.sender))
            try:
                for name, content in files_of(stem, b"anything").items():
                    upload = home.begin(Folder.IN, name, keep=False, limit=LIMIT)
                    upload.write(0, content)
                    upload.publish()
            except Backlogged:
                return taken
        return 9

    assert [sets_of(home) for home in (greedy, other, greedy, third)] == [4, 2, 0, 1]
    for name in world.sealed():
        if name.startswith("000001."):
            shutil.rmtree(world.instance.layout.sealed / name)
    counted_again = world.instance.spool.backlog._look_at
    time.sleep(max(0.0, counted_again - time.monotonic()))
    assert sets_of(greedy) == 3
