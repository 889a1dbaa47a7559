"""Sets that failed before work alone; those of one sender do not hold up another's."""

from __future__ import annotations

from datetime import UTC, datetime

from batch.identifiers import SenderNumber
from batch.names import Folder
from batch.states import SetKey
from batch.storage import dossiers
from tests.integration.storage.world import RECEIVED, World, files_of, new_fi, new_stem

OTHER = SenderNumber("000002")
FAILED = 10


def send_and_fail(world: World) -> SetKey:
    """A set of another sender that was in hand when the worker stopped."""
    stem = new_stem(sender=str(OTHER))
    for name, content in files_of(stem, new_fi()).items():
        upload = world.instance.spool.sender(OTHER).begin(
            Folder.IN, name, keep=False, limit=len(content)
        )
        upload.write(0, content)
        upload.publish()
    key = SetKey(OTHER, Folder.IN, stem, 1)
    world.claim(dossiers.dossier(world.instance.layout, key).sealed(), datetime.now(UTC))
    return key


def test_of_many_that_failed_one_works_alone_and_then_the_others_have_their_turn(
    world: World,
) -> None:
    for _ in range(FAILED):
        send_and_fail(world)
    stem = world.send_new()
    worker = world.worker()
    assert [worker.run_once(), worker.run_once()] == [1, 1]
    assert world.receipts(stem) == [RECEIVED]


def test_sets_that_never_failed_share_a_batch_up_to_the_first_that_did(world: World) -> None:
    """Nothing is lost or left by that, and who failed is tried again too."""
    failed = send_and_fail(world)
    stems = [world.send_new() for _ in range(3)]
    worker = world.worker()
    assert sum(worker.run_once() for _ in range(4)) >= 1 + len(stems)  # its pause may be over twice
    assert [world.receipts(stem) for stem in stems] == [[RECEIVED]] * 3
    assert world.sealed() == [str(failed)]
