"""Answers on a real disk: their bytes, the order they are shown in, and what is left alone."""

from __future__ import annotations

import hashlib
import io
import os
import zipfile
from datetime import UTC, datetime

import pytest

from batch.errors import SpoolFault
from batch.names import Folder
from batch.signing import certificate, verification
from batch.signing.policy import SignaturePolicy
from batch.signing.verdict import Signed
from batch.storage import dossiers, durable, outbox, submissions
from batch.storage.answer_files import AnswerFiles, AnswerName
from batch.storage.database import reading, writing
from batch.storage.dossiers import Dossier, Emission
from tests.integration.storage.conftest import MakeWorld
from tests.integration.storage.world import RECEIVED, World, new_fi


def signed(world: World, data: bytes, fs: bytes) -> bool:
    """Does an FS of an answer prove its data, by the institution's certificate?"""
    held = certificate.read(world.instance.layout.institution_certificate.read_bytes())
    verdict = verification.begin(fs, (held,), SignaturePolicy((held,)), datetime.now(UTC))
    if not isinstance(verdict, verification.Verifier):
        return False
    verdict.update(data)
    return isinstance(verdict.finish(), Signed)


def decided(world: World) -> list[Emission]:
    """A set whose ACRF is decided and committed but not shown; stopped before it could be."""
    stem = world.send_new()
    engine = world.instance.production
    at = datetime.now(UTC)
    taken = world.claim(world.manifest(stem), at)
    found = world.verified(taken, at)
    with writing(engine) as connection:
        submissions.record_reception(connection, taken, found.outcome, found.files, at)
    with reading(engine) as connection:
        return outbox.unshown_of(connection, [taken.id])


def test_answers_are_signed_by_the_institution(world: World) -> None:
    stem = world.send_new()
    world.work()
    answers = world.answers()
    assert sorted(a.layer for a in answers) == ["ACRF", "NOTI"]
    assert all(signed(world, a.data, a.signature) for a in answers)
    assert not any(signed(world, a.data + b" ", a.signature) for a in answers)
    assert stem in (answers[0].text("FileName") or "")


def test_an_answer_above_the_limit_is_a_zip_of_one_fo(make_world: MakeWorld) -> None:
    world = make_world(max_answer_bytes=900)
    world.send_new()
    world.work()
    out = world.bytes_in(Folder.OUT)
    (co,) = (name for name in out if name.startswith("CO."))
    tail = co.removeprefix("CO.")
    assert tail.startswith("NOTI.")
    assert {f"FS.{tail}", f"GO.{tail[:-2]}"} <= set(out)
    assert f"FO.{tail}" not in out
    with zipfile.ZipFile(io.BytesIO(out[co])) as archive:
        assert archive.namelist() == [f"FO.{tail}"]
        assert len(archive.read(f"FO.{tail}")) > 900
        assert archive.testzip() is None
    assert signed(world, out[co], out[f"FS.{tail}"])
    assert sum(name.startswith("FO.ACRF") for name in out) == 1


def test_showing_twice_changes_nothing(world: World) -> None:
    items = decided(world)
    dossiers.emit(world.instance.layout, items)
    before = world.bytes_in(Folder.OUT)
    dossiers.emit(world.instance.layout, items)
    assert world.bytes_in(Folder.OUT) == before
    assert len(before) == 3
    world.work()
    assert before.items() <= world.bytes_in(Folder.OUT).items()


def test_data_the_sender_took_before_go_was_shown_does_not_come_back(world: World) -> None:
    """Killed between the links of FO, FS and that of GO; the sender already read and removed FO."""
    (item,) = decided(world)
    home = world.instance.layout.sealed / str(item.key)
    fo, fs = f"FO.{item.stem}.1.1", f"FS.{item.stem}.1.1"
    os.link(home / "@ACRF.1.FO", world.path(fo, Folder.OUT))
    os.link(home / "@ACRF.1.FS", world.path(fs, Folder.OUT))
    world.home.remove(Folder.OUT, fo)
    world.restart()
    world.work()
    shown = world.listed(Folder.OUT)
    assert fo not in shown
    assert {fs, f"GO.{item.stem}.1"} <= set(shown)
    assert sum(name.startswith("GO.NOTI") for name in shown) == 1


def test_answers_the_sender_took_do_not_come_back_after_a_restart(world: World) -> None:
    (item,) = decided(world)
    dossiers.emit(world.instance.layout, [item])
    for name in world.listed(Folder.OUT):
        world.home.remove(Folder.OUT, name)
    world.restart()
    world.work()
    assert [n for n in world.listed(Folder.OUT) if "ACRF" in n] == []
    assert world.report(item.key.stem).state == "answered"


def test_another_file_under_an_answers_name_is_an_alarm_and_is_not_overwritten(
    world: World,
) -> None:
    (item,) = decided(world)
    strange = world.path(f"FS.{item.stem}.1.1", Folder.OUT)
    strange.write_bytes(b"somebody's")
    with pytest.raises(SpoolFault, match="another file"):
        dossiers.emit(world.instance.layout, [item])
    assert strange.read_bytes() == b"somebody's"
    assert not world.path(f"GO.{item.stem}.1", Folder.OUT).exists()


def test_sealed_bytes_are_checked_as_they_are_read(world: World) -> None:
    stem = world.send_new()
    home = dossiers.dossier(world.instance.layout, world.key(stem))
    file = home.sealed().parts()[0]
    assert b"".join(home.blocks(file)) == world.path(file.name).read_bytes()
    (home.path / file.name).write_bytes(b"other")
    with pytest.raises(SpoolFault, match="not what was sealed"):
        list(home.blocks(file))


def test_a_dossier_that_is_nowhere_is_a_fault(world: World) -> None:
    with pytest.raises(SpoolFault, match="missing"):
        dossiers.dossier(world.instance.layout, world.key("X"))


def test_archiving_takes_out_the_sets_own_names_only(world: World) -> None:
    """A file uploaded meanwhile under a sealed name is not the set's."""
    stem = world.send_new()
    world.put(f"FI.{stem}.1.1", b"other content, on its way")
    dossiers.archive(world.instance.layout, [world.key(stem)])
    dossiers.archive(world.instance.layout, [world.key(stem)])
    assert world.listed() == [f"FI.{stem}.1.1"]
    assert world.path(f"FI.{stem}.1.1").read_bytes() == b"other content, on its way"


def test_two_contents_of_a_stem_with_a_file_in_common_leave_together(world: World) -> None:
    """Sent again with another FI and a new GO; the FS that lies there belongs to both."""
    stem, layout = world.send_new(), world.instance.layout
    world.put(f"FI.{stem}.1.1", new_fi())
    world.put(f"GO.{stem}.1")
    both = [world.key(stem, ordinal) for ordinal in (1, 2)]
    held = [dossiers.dossier(layout, key).path / f"FS.{stem}.1.1" for key in both]
    assert held[0].samefile(held[1])
    dossiers.archive(layout, both)
    assert world.listed() == []
    assert [dossiers.dossier(layout, key).path.parent for key in both] == [layout.arch] * 2


def mark(sha256: bytes) -> bytes:
    """Stands for a signature."""
    return b"signed " + sha256


def written(home: Dossier, name: AnswerName, text: bytes) -> AnswerFiles:
    with durable.Unsynced() as unsynced:
        files = home.write_answer(name, [text], mark, 100, unsynced)
        unsynced.sync()
    return files


def test_an_answer_may_be_written_anew_until_it_is_decided(world: World) -> None:
    stem = world.send_new()
    home: Dossier = dossiers.dossier(world.instance.layout, world.key(stem))
    for attempt, text in ((1, b"one"), (1, b"another"), (2, b"the last")):
        name = AnswerName("ACRF", "ACRF.1", attempt)
        made = written(home, name, text)
        assert (made.attempt, made.size, made.data_kind) == (attempt, len(text), "FO")
        assert made.sha256 == hashlib.sha256(text).hexdigest()
        assert (
            made.signature_sha256 == hashlib.sha256(mark(hashlib.sha256(text).digest())).hexdigest()
        )
        files = {n: (home.path / n).read_bytes() for n in os.listdir(home.path) if "ACRF" in n}
        ours = f"@ACRF.{attempt}"
        assert files == {
            f"{ours}.FO": text,
            f"{ours}.FS": mark(hashlib.sha256(text).digest()),
            f"{ours}.GO": b"",
        }


def test_an_attempt_that_was_fenced_off_leaves_the_answer_of_a_later_one_alone(
    world: World,
) -> None:
    home = dossiers.dossier(world.instance.layout, world.key(world.send_new()))
    for attempt, text in ((2, b"later"), (1, b"former")):
        written(home, AnswerName("ACRF", "ACRF.1", attempt), text)
    assert home.answer_file("ACRF", 2, "FO").read_bytes() == b"later"
    signed_as = mark(hashlib.sha256(b"later").digest())
    assert home.answer_file("ACRF", 2, "FS").read_bytes() == signed_as


@pytest.mark.parametrize("kind", ["FO", "FS"])
def test_an_answer_whose_bytes_are_not_those_decided_is_not_shown(world: World, kind: str) -> None:
    """Decision 0001: what is shown is what was committed; damage is an alarm."""
    (item,) = decided(world)
    source = dossiers.dossier(world.instance.layout, item.key).answer_file("ACRF", 1, kind)
    durable.replace_file(source, source.read_bytes() + b" ")
    with pytest.raises(SpoolFault, match="not what was decided"):
        dossiers.emit(world.instance.layout, [item])
    assert f"GO.{item.stem}.1" not in world.listed(Folder.OUT)
    assert f"{kind}.{item.stem}.1.1" not in world.listed(Folder.OUT)


def test_durable_never_renames_over_nor_creates_over(world: World) -> None:
    root = world.settings.data
    for name in ("a", "b"):
        durable.write_file(root / name, name.encode())
        (root / f"{name}.d").mkdir()
    with pytest.raises(FileExistsError):
        durable.rename_new(root / "a", root / "b")
    with pytest.raises(FileExistsError):
        durable.rename_new(root / "a.d", root / "b.d")
    with pytest.raises(FileExistsError):
        durable.write_file(root / "a", b"x")
    with pytest.raises(FileNotFoundError):
        durable.rename_new(root / "none", root / "c")
    durable.replace_file(root / "a", b"new")
    assert [(root / name).read_bytes() for name in "ab"] == [b"new", b"b"]


def test_a_set_answered_is_wholly_in_the_archive(world: World) -> None:
    stem = world.send_new()
    files = world.bytes_in(Folder.IN)
    world.work()
    home = world.instance.layout.arch / str(world.key(stem))
    assert {name: (home / name).read_bytes() for name in files} == files
    answers = {name for name in os.listdir(home) if name.startswith("@")}
    kinds = {f"@{layer}.1.{kind}" for layer in ("ACRF", "NOTI") for kind in ("FO", "FS", "GO")}
    assert answers == {"@manifest.json", *kinds}
    assert world.receipts(stem) == [RECEIVED]
