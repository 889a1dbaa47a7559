"""One sender's full inbox is swept by turns: others' sets are sealed meanwhile."""

from __future__ import annotations

import json
import os
from datetime import datetime
from pathlib import Path

from batch.identifiers import SenderNumber
from batch.names import Folder
from batch.storage.sealing import MANIFEST
from batch.storage.sweeping import SEALS_A_VISIT
from tests.integration.storage.conftest import MakeWorld
from tests.integration.storage.world import World, new_stem
from tests.integration.worker.test_watcher import soon, watching

MANDATARY, EMPLOYER = SenderNumber("000001"), SenderNumber("000002")
MANY = 3 * SEALS_A_VISIT


def in_order_of_sealing(world: World) -> list[str]:
    sealed = world.instance.layout.sealed
    return sorted(os.listdir(sealed), key=lambda name: sealed_at(Path(sealed, name)))


def sealed_at(place: Path) -> datetime:
    """By its manifest: the time of a directory goes by the ticks of the kernel."""
    manifest = json.loads((place / MANIFEST).read_bytes())
    return datetime.fromisoformat(manifest["sealed_at"])


def drop(world: World, sender: SenderNumber, name: str, folder: Folder = Folder.IN) -> None:
    upload = world.instance.spool.sender(sender).begin(folder, name, keep=False, limit=10)
    upload.write(0, b"<a/>")
    upload.publish()


def test_a_go_whose_grace_is_over_waits_for_one_turn_of_another_senders_inbox(
    make_world: MakeWorld,
) -> None:
    """Each waits for the sweep alone: none of these sets is complete."""
    world = make_world(sweep_seconds=600)
    for _ in range(MANY):
        drop(world, MANDATARY, f"GO.{new_stem()}.1")
    stem = new_stem(sender=str(EMPLOYER))
    drop(world, EMPLOYER, f"GO.{stem}.1")
    with watching(world, watchdog=False):
        assert soon(lambda: len(world.sealed()) == MANY + 1, 60)
    mine = str(EMPLOYER)
    place = [name.startswith(mine) for name in in_order_of_sealing(world)].index(True)
    assert place == SEALS_A_VISIT


def test_what_is_given_up_comes_after_what_was_started(make_world: MakeWorld) -> None:
    """Both kinds of it, files without a GO and names that say nothing, however many they are."""
    world = make_world()
    for number in range(SEALS_A_VISIT // 2):
        drop(world, MANDATARY, f"FI.{new_stem()}.1.1")
        drop(world, MANDATARY, f"a-note-{number}")
    late = f"ZZZZ.{MANDATARY}.20260101.00001.R"
    drop(world, MANDATARY, f"GO.{late}.1")
    first = world.sweep()
    assert (len(first.sealed), first.waiting, first.more) == (SEALS_A_VISIT, True, True)
    assert world.key(late) in first.sealed
    second = world.sweep()
    assert (len(second.sealed), second.waiting, second.more) == (1, False, False)
