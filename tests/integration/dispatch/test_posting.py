"""Answers that others give us: named, signed and shown like our own, each once."""

from __future__ import annotations

import hashlib
import os
import threading
import zipfile
from datetime import UTC, datetime
from io import BytesIO
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from batch.dispatch import posting
from batch.dispatch.posting import post_answer
from batch.errors import OperatorError, SpoolFault
from batch.identifiers import SenderNumber
from batch.names import Environment, Folder
from batch.storage import dossiers, reconcile
from batch.storage.answer_files import AnswerFiles
from batch.storage.posts import Post, Posted
from tests.integration.storage.conftest import MakeWorld
from tests.integration.storage.test_dossiers import signed
from tests.integration.storage.world import SENDER, World, copied, killed_at

BYTES = b"<DimonaNotification/>\n" * 40


def wish(
    reference: str | None = None,
    *,
    code: str = "DMNO",
    letter: str = "R",
    sender: SenderNumber = SENDER,
) -> Post:
    return Post(sender, code, Environment(letter), reference, "anna")


def post(world: World, wanted: Post, content: bytes = BYTES) -> Posted:
    file = world.settings.data.parent / "given"
    file.write_bytes(content)
    signer = world.instance.institution_signer()
    return post_answer(world.instance, signer, wanted, file, datetime.now(UTC))


def posted_directories(world: World) -> list[str]:
    return os.listdir(world.instance.layout.posted)


@pytest.mark.parametrize(
    ("letter", "folder"), [("R", Folder.OUT), ("T", Folder.OUTTEST), ("S", Folder.OUTTEST)]
)
def test_a_file_becomes_a_signed_answer_in_the_folder_of_its_letter(
    world: World, letter: str, folder: Folder
) -> None:
    made = post(world, wish("their-1", letter=letter))
    assert made.name == f"FO.{made.stem}.1.1"
    assert made.stem.startswith("DMNO.999999.")
    assert made.stem.endswith(f".{letter}")
    assert (made.reference, made.state, len(made.ticket)) == ("their-1", "waiting", 13)
    assert world.listed(folder) == []
    assert world.work() == 1
    out = world.bytes_in(folder)
    fs = f"FS.{made.stem}.1.1"
    assert out == {made.name: BYTES, fs: out[fs], f"GO.{made.stem}.1": b""}
    assert signed(world, BYTES, out[fs])
    other = Folder.OUT if folder is Folder.OUTTEST else Folder.OUTTEST
    assert world.listed(other) == []
    assert list(reconcile.archive_problems(world.instance)) == []


def test_above_the_limit_it_is_a_zip_of_one(make_world: MakeWorld) -> None:
    world = make_world(max_answer_bytes=len(BYTES) - 1)
    made = post(world, wish())
    assert made.name == f"CO.{made.stem}.1.1"
    world.work()
    out = world.bytes_in(Folder.OUT)
    with zipfile.ZipFile(BytesIO(out[made.name])) as archive:
        assert archive.namelist() == [f"FO.{made.stem}.1.1"]
        assert archive.read(f"FO.{made.stem}.1.1") == BYTES
    assert signed(world, out[made.name], out[f"FS.{made.stem}.1.1"])


def test_the_same_reference_is_one_answer_before_and_after_it_is_shown(world: World) -> None:
    first = post(world, wish("their-1"))
    assert post(world, wish("their-1")) == first
    world.work()
    again = post(world, wish("their-1"))
    assert (again.stem, again.ticket, again.state) == (first.stem, first.ticket, "shown")
    world.work()
    assert len(world.listed(Folder.OUT)) == 3
    assert len(posted_directories(world)) == 1


def test_another_content_under_a_reference_is_refused_and_changes_nothing(world: World) -> None:
    first = post(world, wish("their-1"))
    with pytest.raises(OperatorError, match="another content"):
        post(world, wish("their-1"), BYTES + b" ")
    assert post(world, wish("their-1")) == first


def test_a_reference_is_one_senders_for_one_code_and_letter(world: World) -> None:
    made = [
        post(world, wish("their-1")),
        post(world, wish("their-1", code="FINO")),
        post(world, wish("their-1", letter="T")),
        post(world, wish("their-1", letter="S")),
        post(world, wish()),
        post(world, wish()),
    ]
    assert len({one.stem for one in made}) == len({one.ticket for one in made}) == 6


@pytest.mark.parametrize(
    ("wanted", "content", "said"),
    [
        (wish(code="ACRF"), BYTES, "which is ours"),
        (wish(code="dmno"), BYTES, "four letters"),
        (wish(code="DMNOX"), BYTES, "four letters"),
        (wish(sender=SenderNumber("000077")), BYTES, "no such channel"),
        (wish(" x"), BYTES, "reference"),
        (wish("x\n"), BYTES, "reference"),
        (wish("x" * 101), BYTES, "reference"),
        (wish(""), BYTES, "reference"),
        (wish(), b"", "empty"),
    ],
)
def test_what_cannot_be_posted_is_refused_with_its_reason(
    world: World, wanted: Post, content: bytes, said: str
) -> None:
    with pytest.raises(OperatorError, match=said):
        post(world, wanted, content)
    assert posted_directories(world) == []
    assert world.work() == 0


def test_a_pipe_is_refused_and_not_waited_for(world: World) -> None:
    pipe = world.settings.data.parent / "pipe"
    os.mkfifo(pipe)
    signer = world.instance.institution_signer()
    with pytest.raises(OperatorError, match="no regular file"):
        post_answer(world.instance, signer, wish(), pipe, datetime.now(UTC))


def test_a_file_that_changes_meanwhile_is_no_answer(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = world.settings.data.parent / "given"

    def write(*given: Any) -> AnswerFiles:
        file.write_bytes(BYTES + b"more")
        return real(*given)

    real = posting._write
    monkeypatch.setattr(posting, "_write", write)
    with pytest.raises(SpoolFault, match="changed while it was posted"):
        post(world, wish("their-1"))
    monkeypatch.undo()
    assert world.work() == 0
    assert world.listed(Folder.OUT) == []
    made = post(world, wish("their-1"), BYTES + b"more")
    assert len(posted_directories(world)) == 1, "what was not finished is dropped"
    world.work()
    assert world.bytes_in(Folder.OUT)[made.name] == BYTES + b"more"


def test_a_directory_that_the_database_forgot_is_neither_used_nor_dropped(world: World) -> None:
    """It went back to a copy of itself, and gives a number that was given before."""
    first = post(world, wish("their-1"))
    [name] = posted_directories(world)
    before = world.instance.layout.posted / name.replace(".00001.R", ".00002.R")
    before.mkdir()
    (before / "kept").write_bytes(b"x")
    for _ in range(2):
        assert post(world, wish("their-2")).stem == first.stem.replace(".00001.R", ".00003.R")
    assert (before / "kept").exists()


def test_many_at_once_under_one_reference_are_one_answer(world: World) -> None:
    file = world.settings.data.parent / "given"
    file.write_bytes(BYTES)
    signer = world.instance.institution_signer()
    made: list[Posted] = []

    def one(reference: str | None) -> None:
        made.append(post_answer(world.instance, signer, wish(reference), file, datetime.now(UTC)))

    threads = [threading.Thread(target=one, args=(f"their-{n % 2}",)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 8
    assert len({one.stem for one in made}) == 2
    world.work()
    assert len(world.listed(Folder.OUT)) == 6


@pytest.mark.slow
def test_it_is_one_answer_wherever_its_poster_or_the_worker_is_killed(
    template: Path, tmp_path: Path
) -> None:
    """Posted again under its reference, as whoever got no OK does."""
    for point in count(1):
        with copied(template, tmp_path / f"{point}") as world:

            def act() -> None:
                post(world, wish("their-1"))
                world.work()

            killed = killed_at(point, act)
            told = world.restart()
            assert told == []
            before = world.bytes_in(Folder.OUT)
            made = post(world, wish("their-1"))
            world.work()
            out = world.bytes_in(Folder.OUT)
            assert before.items() <= out.items()
            assert {hashlib.sha256(text).digest() for n, text in out.items() if n[:2] == "FO"} == {
                hashlib.sha256(BYTES).digest()
            }
            assert sorted(n[:2] for n in out) == ["FO", "FS", "GO"]
            assert signed(world, BYTES, out[f"FS.{made.stem}.1.1"])
            assert list(reconcile.archive_problems(world.instance)) == []
            if not killed:
                break
    assert point > 15


def test_what_is_posted_and_lost_on_the_disk_is_told(world: World) -> None:
    made = post(world, wish())
    (name,) = posted_directories(world)
    home = world.instance.layout.posted / name
    assert dossiers.place(world.instance.layout, name) == home
    home.rename(world.settings.data / "elsewhere")
    assert list(reconcile.problems(world.instance)) == [
        f"{name}: posted, but its directory is missing"
    ]
    (world.settings.data / "elsewhere").rename(home)
    (home / "@DMNO.1.FS").unlink()
    assert list(reconcile.problems(world.instance)) == [
        f"{name}: its DMNO is decided, but @DMNO.1.FS is missing"
    ]
    world.work()
    assert made.name not in world.listed(Folder.OUT)
