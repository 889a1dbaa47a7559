"""A small file stays in memory until its CLOSE; for that it is enough what is known already."""

from __future__ import annotations

import os
from dataclasses import replace
from hashlib import sha256

import pytest

from batch.errors import Denied
from batch.names import Folder
from batch.storage import sealing
from batch.storage.buffers import ALL, LARGEST
from batch.storage.upload import Upload
from tests.integration.storage.world import LIMIT, SENDER, World, new_stem

FI = "FI.FLAD.000001.20261122.00001.R.1.1"


def begun(world: World, name: str = FI) -> Upload:
    """An upload that was begun from memory, after one that looked."""
    world.begin("look").abandon()
    upload = world.home.begin_now(Folder.IN, name, limit=LIMIT)
    assert upload is not None
    return upload


def being_uploaded(world: World) -> list[str]:
    return os.listdir(world.instance.layout.up)


def free(world: World) -> int:
    return world.instance.spool.buffers.free


def test_it_touches_the_disk_only_at_its_close(world: World) -> None:
    upload = begun(world)
    assert upload.write_now(0, b"one ")
    assert upload.write_now(4, b"two")
    assert (upload.size, being_uploaded(world), free(world)) == (7, [], ALL - 7)
    upload.publish()
    assert world.bytes_in(Folder.IN) == {FI: b"one two"}
    assert (being_uploaded(world), free(world)) == ([], ALL)
    status = (world.instance.layout.folder(SENDER, Folder.IN) / FI).stat()
    assert status.st_mode & 0o777 == 0o400


def test_what_outgrows_memory_goes_to_the_disk_whole(world: World) -> None:
    upload, block = begun(world), bytes(range(256)) * 128
    sent = 0
    while upload.write_now(sent, block):
        sent += len(block)
    assert sent == LARGEST
    upload.write(sent, block)
    assert (len(being_uploaded(world)), free(world)) == (1, ALL)
    assert not upload.write_now(upload.size, b"more"), "the rest goes where the first bytes are"
    upload.publish()
    assert world.bytes_in(Folder.IN) == {FI: block * (sent // len(block) + 1)}


def test_blocks_out_of_order_meet_on_the_disk(world: World) -> None:
    upload = begun(world)
    assert upload.write_now(0, b"ab")
    assert not upload.write_now(4, b"ef")
    upload.write(4, b"ef")
    with pytest.raises(Denied, match="missing in the middle"):
        upload.publish()
    upload = begun(world)
    assert upload.write_now(0, b"ab")
    upload.write(4, b"ef")
    upload.write(2, b"cd")
    upload.publish()
    assert world.bytes_in(Folder.IN) == {FI: b"abcdef"}


def test_a_sync_or_a_cut_before_the_close_is_done(world: World) -> None:
    upload = begun(world)
    assert upload.write_now(0, b"gone")
    upload.truncate(0)
    assert (upload.size, free(world)) == (0, ALL)
    assert upload.write_now(0, b"kept")
    upload.sync()
    assert (len(being_uploaded(world)), free(world)) == (1, ALL)
    upload.publish()
    assert world.bytes_in(Folder.IN) == {FI: b"kept"}


def test_what_is_broken_off_leaves_nothing(world: World) -> None:
    upload = begun(world)
    assert upload.write_now(0, b"half")
    upload.abandon()
    assert (world.listed(), being_uploaded(world), free(world)) == ([], [], ALL)
    assert not upload.write_now(4, b"of it")
    with pytest.raises(Denied, match="abandoned"):
        upload.publish()


def test_the_memory_of_all_together_has_an_end(world: World) -> None:
    world.instance.spool.buffers.free = 10
    first, second = begun(world, "first"), begun(world, "second")
    assert first.write_now(0, b"1234567890")
    assert not second.write_now(0, b"1")
    first.abandon()
    assert second.write_now(0, b"1")
    second.abandon()
    assert free(world) == 10


def test_a_limit_of_its_name_holds_in_memory_too(world: World) -> None:
    world.begin("look").abandon()
    upload = world.home.begin_now(Folder.IN, FI, limit=4)
    assert upload is not None
    assert upload.write_now(0, b"1234")
    assert not upload.write_now(4, b"5")
    with pytest.raises(Denied, match="larger than the 4 bytes"):
        upload.write(4, b"5")


@pytest.mark.parametrize("name", [f"TD.{new_stem()}.1", f"GO.{new_stem()}.1", FI])
def test_nothing_begins_that_must_be_looked_up_first(world: World, name: str) -> None:
    """A TD may be too late; of a GO is not known how many wait; of no upload, what is there."""
    assert world.home.begin_now(Folder.IN, name, limit=LIMIT) is None


def test_a_quota_that_is_full_is_not_judged_from_memory(world: World) -> None:
    world.begin("look").abandon()
    quota = world.home.quota
    quota.most = replace(quota.most, files=1)
    one = begun(world, "one")
    assert world.home.begin_now(Folder.IN, "two", limit=LIMIT) is None
    one.abandon()


def sealed_fi(world: World, stem: str) -> str:
    """Seal a set whose FI is there already; its FI's digest in the manifest."""
    world.put(f"FS.{stem}.1.1", b"signature")
    world.put(f"GO.{stem}.1")
    (directory,) = world.instance.layout.sealed.iterdir()
    sealed = sealing.read_manifest(directory)
    (found,) = [file.sha256 for file in sealed.files if file.name.startswith("FI.")]
    assert found == sha256((directory / f"FI.{stem}.1.1").read_bytes()).hexdigest()
    return found


def test_what_this_process_stored_is_sealed_by_the_digest_of_what_it_received(
    world: World,
) -> None:
    stem = new_stem()
    upload = begun(world, f"FI.{stem}.1.1")
    assert upload.write_now(0, b"as it was sent")
    upload.publish()
    assert sealed_fi(world, stem) == sha256(b"as it was sent").hexdigest()


def test_a_file_that_was_written_to_since_is_read_again(world: World) -> None:
    stem = new_stem()
    upload = begun(world, f"FI.{stem}.1.1")
    assert upload.write_now(0, b"as it was sent")
    upload.publish()
    path = world.instance.layout.folder(SENDER, Folder.IN) / f"FI.{stem}.1.1"
    path.chmod(0o600)
    path.write_bytes(b"as somebody mad")
    assert sealed_fi(world, stem) == sha256(b"as somebody mad").hexdigest()
