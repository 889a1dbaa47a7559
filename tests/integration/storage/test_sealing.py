"""Sealing on a real disk: what becomes a set, when, and what can no longer change it."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from batch.errors import Denied, SpoolFault
from batch.ingest.receive import Ready, Waits
from batch.names import Folder, Kind
from batch.states import Trigger
from batch.storage import sealing, sweeping
from batch.storage.dossiers import dossier
from tests.integration.storage.test_spool import STRANGE
from tests.integration.storage.world import (
    LIMIT,
    NO_PATIENCE_BUT_FOR_GO,
    RECEIVED,
    World,
    files_of,
    new_fi,
    new_stem,
)

LATE = Waits(grace=5.0, unfinished=900.0, settle=0.0)


def manifest(world: World, stem: str, ordinal: int = 1) -> dict[str, object]:
    path = world.instance.layout.sealed / str(world.key(stem, ordinal)) / "@manifest.json"
    return dict(json.loads(path.read_bytes()))


def names_in(world: World, stem: str, ordinal: int = 1) -> list[str]:
    sealed = dossier(world.instance.layout, world.key(stem, ordinal)).sealed()
    return sorted(file.name for file in sealed.files)


def test_a_complete_set_is_sealed_at_the_close_of_its_go(world: World) -> None:
    before = datetime.now(UTC)
    files = files_of(stem := new_stem(), new_fi())
    world.send(files)
    sealed = dossier(world.instance.layout, world.key(stem)).sealed()
    assert sealed.key == world.key(stem)
    assert sealed.trigger is Trigger.GO
    assert before <= sealed.sealed_at <= datetime.now(UTC)
    assert {(f.name, f.size, f.sha256) for f in sealed.files} == {
        (name, len(content), hashlib.sha256(content).hexdigest()) for name, content in files.items()
    }
    assert world.listed() == sorted(files)
    assert [e.sealed for e in world.home.entries(Folder.IN)] == [True] * 3


@pytest.mark.parametrize("last", [0, 1])
def test_a_set_whose_go_came_early_is_sealed_at_the_close_of_its_last_file(
    world: World, last: int
) -> None:
    files = files_of(stem := new_stem(), new_fi())
    late = list(files)[last]
    world.put(list(files)[2])
    world.put(list(files)[1 - last], files[list(files)[1 - last]])
    assert world.sealed() == []
    world.put(late, files[late])
    assert world.sealed() == [str(world.key(stem))]


def test_a_test_set_needs_no_fs_and_takes_one_that_is_there(world: World) -> None:
    with_fs, without = new_stem("T"), new_stem("T")
    files = files_of(without, new_fi())
    del files[f"FS.{without}.1.1"]
    world.send(files, Folder.INTEST)
    world.send(files_of(with_fs, new_fi()), Folder.INTEST)
    sealed = [
        dossier(world.instance.layout, world.key(s, 1, Folder.INTEST)).sealed()
        for s in (without, with_fs)
    ]
    assert [len(s.of_kind(Kind.FS)) for s in sealed] == [0, 1]


def test_a_go_waits_its_grace_for_files_still_under_way_and_no_longer(world: World) -> None:
    stem = new_stem()
    world.put(f"GO.{stem}.1")
    assert world.sweep(LATE) == sweeping.Swept((), True, ())
    assert world.sweep(NO_PATIENCE_BUT_FOR_GO) == sweeping.Swept((world.key(stem),), False, ())
    world.work()
    assert world.receipts(stem) == [["142", "122"]]


def test_files_without_a_go_and_names_that_do_not_split_are_given_up_on(world: World) -> None:
    stem = new_stem()
    world.put(f"FI.{stem}.1.1", new_fi())
    world.put("readme.txt", b"hello")
    assert world.sweep(NO_PATIENCE_BUT_FOR_GO) == sweeping.Swept((), True, ())
    assert len(world.sweep().sealed) == 2
    assert world.sweep() == sweeping.Swept((), False, ())
    world.work()
    codes = sorted(a.codes for a in world.answers())
    assert codes == [["129"], ["130", "122"]]
    assert world.listed() == []


def test_every_file_of_the_stem_belongs_to_the_set_its_go_decides(world: World) -> None:
    """Contract 2: a name of known kind with the right number of elements belongs to the set."""
    files = files_of(stem := new_stem(), new_fi())
    world.send({f"FI.{stem}.2.2": new_fi(), **files})
    world.sweep()
    world.work()
    assert world.sweep() == sweeping.Swept((), False, ())
    world.work()
    assert world.receipts(stem) == [["120"]]


def test_a_set_is_sealed_once_however_often_it_is_looked_at(world: World) -> None:
    stem = world.send_new()
    before = manifest(world, stem)
    for _ in range(3):
        assert world.sweep().sealed == ()
    assert manifest(world, stem) == before
    with world.home.locked():
        names = tuple(world.listed())
        ready = Ready(stem, names, Trigger.GO)
        with world.inbox() as inbox:
            assert sealing.seal(inbox, ready, datetime.now(UTC)) is None
    assert len(world.listed()) == 3
    assert os.listdir(world.instance.layout.seal) == []


def when_sealed(_: World) -> None:
    """At once, while the first is still at work."""


@pytest.mark.parametrize("meanwhile", [when_sealed, World.work], ids=["sealed", "answered"])
def test_an_identical_repeat_is_taken_and_leaves_no_new_set(
    world: World, meanwhile: Callable[[World], object]
) -> None:
    files = files_of(stem := new_stem(), new_fi())
    world.send(files)
    meanwhile(world)
    world.send(files)
    world.send(files)
    assert world.arrived(stem) == [str(world.key(stem))]
    world.work()
    assert world.receipts(stem) == [RECEIVED]
    assert len(world.notifications(stem)) == 1
    assert world.listed() == []


@pytest.mark.parametrize("meanwhile", [when_sealed, World.work], ids=["sealed", "answered"])
def test_a_repeat_with_another_fs_is_a_repeat(
    world: World, meanwhile: Callable[[World], object]
) -> None:
    """Invariant 6: the identity of a content is its FI, never the FS."""
    files = files_of(stem := new_stem(), new_fi())
    world.send(files)
    meanwhile(world)
    world.send({**files, f"FS.{stem}.1.1": b"other"})
    world.work()
    assert world.receipts(stem) == [RECEIVED]
    assert world.listed() == []


@pytest.mark.parametrize("meanwhile", [when_sealed, World.work], ids=["sealed", "answered"])
@pytest.mark.parametrize("kinds", ["GO", "FS", "FS GO"])
def test_a_go_or_fs_alone_for_a_used_stem_adds_nothing(
    world: World, meanwhile: Callable[[World], object], kinds: str
) -> None:
    files = files_of(stem := new_stem(), new_fi())
    world.send(files)
    meanwhile(world)
    world.send({name: content for name, content in files.items() if name[:2] in kinds.split()})
    world.sweep()
    world.work()
    assert world.receipts(stem) == [RECEIVED]
    assert world.arrived(stem) == [str(world.key(stem))]
    assert world.listed() == []


@pytest.mark.parametrize("meanwhile", [when_sealed, World.work], ids=["sealed", "answered"])
def test_other_content_under_a_used_stem_is_the_second_and_refused_with_133(
    world: World, meanwhile: Callable[[World], object]
) -> None:
    """The first stands; each distinct content has one answer and a ticket of its own."""
    first, second = new_fi(), new_fi()
    world.send(files_of(stem := new_stem(), first))
    meanwhile(world)
    for fi in (second, second, first, new_fi(), second):
        world.send(files_of(stem, fi))
    assert world.arrived(stem) == [str(world.key(stem, n)) for n in (1, 2, 3)]
    world.work()
    assert sorted(world.receipts(stem)) == [RECEIVED, ["133"], ["133"]]
    assert len(world.notifications(stem)) == 1
    assert world.report(stem).accepted == 1
    assert len({a.text("ReferenceNbr") for a in world.answers() if a.layer == "ACRF"}) == 3
    assert world.listed() == []


def test_an_upload_under_a_sealed_name_does_not_touch_the_sealed_bytes(world: World) -> None:
    stem = world.send_new()
    home = world.instance.layout.sealed / str(world.key(stem))
    before = (home / f"FI.{stem}.1.1").read_bytes()
    world.put(f"FI.{stem}.1.1", b"other")
    assert (home / f"FI.{stem}.1.1").read_bytes() == before
    world.work()
    assert world.receipts(stem) == [RECEIVED]


def test_a_td_before_the_seal_cancels(world: World) -> None:
    files = files_of(stem := new_stem(), new_fi())
    world.send({name: content for name, content in files.items() if name[:2] != "GO"})
    world.put(f"TD.{stem}.1")
    world.work()
    assert world.receipts(stem) == [["277"]]
    assert world.listed() == []
    world.send(files_of(stem, new_fi()))
    world.work()
    assert world.receipts(stem) == [["277"], ["133"]]


@pytest.mark.parametrize("meanwhile", [when_sealed, World.work], ids=["sealed", "answered"])
@pytest.mark.parametrize("way", ["upload", "rename"])
def test_a_td_after_the_seal_is_refused_with_the_reason(
    world: World, meanwhile: Callable[[World], object], way: str
) -> None:
    """OK would tell the sender that its set is cancelled (flow, seal 1)."""
    stem = world.send_new()
    meanwhile(world)

    def cancel() -> None:
        if way == "upload":
            world.put(f"TD.{stem}.1")
        else:
            world.put("cancel.part")
            world.home.rename(Folder.IN, "cancel.part", f"TD.{stem}.1", replace=False, limit=LIMIT)

    with pytest.raises(Denied, match="already sealed"):
        cancel()
    assert f"TD.{stem}.1" not in world.listed()
    world.work()
    assert world.receipts(stem) == [RECEIVED]


def test_a_td_that_an_operator_copied_in_after_the_seal_leaves_no_answer(world: World) -> None:
    stem = world.send_new()
    world.path(f"TD.{stem}.1").write_bytes(b"")
    world.sweep()
    world.work()
    assert world.receipts(stem) == [RECEIVED]
    assert world.listed() == []


# --- an operator's files ----------------------------------------------------------------


@pytest.mark.parametrize("mode", [0o644, 0o400, 0o444], ids=oct)
def test_what_an_operator_still_writes_to_cannot_change_sealed_bytes(
    world: World, mode: int
) -> None:
    """cp gives the copy of a read-only file that file's mode while it is still being written."""
    files = files_of(stem := new_stem(), new_fi())
    for name, content in files.items():
        world.path(name).write_bytes(content)
    with open(world.path(f"FI.{stem}.1.1"), "ab") as writer:
        for name in files:
            world.path(name).chmod(mode)
        assert [str(k) for k in world.sweep().sealed] == [str(world.key(stem))]
        writer.write(b"<!-- and more -->")
    home = dossier(world.instance.layout, world.key(stem))
    assert (home.path / f"FI.{stem}.1.1").read_bytes() == files[f"FI.{stem}.1.1"]
    world.work()
    assert world.receipts(stem) == [RECEIVED]
    assert world.listed() == []


def test_an_operators_files_must_be_unchanged_for_a_while(world: World) -> None:
    files = files_of(new_stem(), new_fi())
    for name, content in files.items():
        world.path(name).write_bytes(content)
    assert world.sweep(Waits(0.0, 0.0, 60.0)) == sweeping.Swept((), True, ())
    assert len(world.sweep(Waits(0.0, 0.0, 0.0)).sealed) == 1


def test_a_file_dated_in_the_future_is_sealed_all_the_same(world: World) -> None:
    """Copied with its time from a machine whose clock is ahead: silence is a defect."""
    files = files_of(stem := new_stem(), new_fi())
    for name, content in files.items():
        world.path(name).write_bytes(content)
        os.utime(world.path(name), (4e9, 4e9))
    assert [str(k) for k in world.sweep().sealed] == [str(world.key(stem))]


@pytest.mark.parametrize("make", STRANGE.values(), ids=STRANGE)
@pytest.mark.parametrize("kind", ["FI", "FS"])
def test_what_is_no_file_is_no_part_of_a_set(
    world: World, make: Callable[[Path], None], kind: str
) -> None:
    """The GO is taken, and its set waits its grace for the file that is not there."""
    files = files_of(stem := new_stem(), new_fi())
    strange = f"{kind}.{stem}.1.1"
    make(world.path(strange))
    world.send({name: content for name, content in files.items() if name != strange})
    assert world.sealed() == []
    assert world.sweep(LATE).sealed == ()
    assert len(world.sweep(NO_PATIENCE_BUT_FOR_GO).sealed) == 1
    world.work()
    assert world.receipts(stem) == [["142"] if kind == "FI" else ["122"]]
    assert os.path.lexists(world.path(strange))


@pytest.mark.parametrize("make", STRANGE.values(), ids=STRANGE)
def test_what_is_no_file_is_no_go(world: World, make: Callable[[Path], None]) -> None:
    files = files_of(stem := new_stem(), new_fi())
    make(world.path(f"GO.{stem}.1"))
    world.send({name: content for name, content in files.items() if name[:2] != "GO"})
    assert world.sealed() == []
    assert world.sweep(NO_PATIENCE_BUT_FOR_GO).sealed == ()


@pytest.mark.parametrize("make", STRANGE.values(), ids=STRANGE)
def test_what_is_no_file_hurts_nobody_else(world: World, make: Callable[[Path], None]) -> None:
    """Under names that are nobody's, of every sort, in both inboxes."""
    strange = [
        world.path(name, folder)
        for name in ("FI.odd", f"GO.{new_stem()}.1", "x")
        for folder in (Folder.IN, Folder.INTEST)
    ]
    for path in strange:
        make(path) if make is not STRANGE["link"] else path.symlink_to(path.parents[4])
    assert world.sweep() == sweeping.Swept((), False, ())
    stem = world.send_new()
    assert world.restart() == []
    world.work()
    assert world.receipts(stem) == [RECEIVED]
    assert all(os.path.lexists(path) for path in strange)


def test_one_set_that_cannot_be_sealed_does_not_stop_the_others(world: World) -> None:
    """Silence is a defect: the manifest of one answered set is damaged, its sender repeats it."""
    first, second = sorted(new_stem() for _ in range(2))
    files = files_of(first, new_fi())
    world.send(files)
    world.work()
    archived = world.instance.layout.arch / str(world.key(first)) / "@manifest.json"
    archived.write_bytes(b"{")
    with pytest.raises(SpoolFault):
        world.send(files)
    world.put(f"GO.{second}.1")
    for sealed in ((world.key(second),), ()):
        swept = world.sweep(NO_PATIENCE_BUT_FOR_GO)
        assert (swept.sealed, swept.waiting) == (sealed, True)
        assert [(stem, type(error)) for stem, error in swept.failed] == [(first, SpoolFault)]
    world.work()
    assert world.receipts(second) == [["142", "122"]]


def test_of_what_waits_for_the_worker_only_a_stem_with_something_new_is_gone_through(
    world: World,
) -> None:
    """Ten thousand sets may wait: a sweep must not take each apart."""
    waiting, resent = world.send_new(), world.send_new()
    world.put(f"FI.{resent}.2.2", b"<more/>")
    with world.inbox() as inbox:
        found = sweeping.Seen().look(inbox, None)
    assert {(a.name, a.sealed) for a in found} == {
        (f"FI.{resent}.1.1", True),
        (f"FS.{resent}.1.1", True),
        (f"GO.{resent}.1", True),
        (f"FI.{resent}.2.2", False),
    }
    assert len(world.listed()) == 7
    assert [name for name in world.listed() if waiting in name] != []
