"""An archive of evidence on a real instance: what is in it, and that it is judged alone."""

from __future__ import annotations

import io
import os
import stat
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from batch.errors import OperatorError
from batch.evidence import judging
from batch.evidence.checks import Check, Given, Outcome
from batch.names import Folder
from batch.signing.certificate import read_all
from batch.storage import evidence, quarantine
from batch.storage.database import writing
from batch.storage.evidence import Target, Wanted
from tests.integration.storage.world import World, files_of, new_fi, new_stem, pki


def archive(world: World, stem: str, target: Path, **which: int) -> bytes:
    path = target / "evidence.zip"
    evidence.write(world.instance, Wanted(stem, **which), Target(path, force=True))  # type: ignore[arg-type]
    return path.read_bytes()


def judged(data: bytes, given: Given | None = None) -> list[Check]:
    return judging.verify(io.BytesIO(data), given or Given())


def wrong(data: bytes, given: Given | None = None) -> list[Check]:
    return [check for check in judged(data, given) if check.outcome is Outcome.FAILED]


def institution(world: World) -> Given:
    made = world.instance.layout.institution_certificate.read_bytes()
    return Given(read_all(made), read_all(pki("trusted-ca.pem")))


def test_an_accepted_set_is_proved_by_its_archive_alone(world: World, tmp_path: Path) -> None:
    stem = world.send_new()
    world.send_new()
    world.work()
    data = archive(world, stem, tmp_path)
    lines = judged(data, institution(world))
    assert {line.outcome for line in lines} == {Outcome.OK}, lines
    assert [line.check for line in lines] == [
        *("members", "signature of the index", "sealed files", "verdict", "trust"),
        *("answer", "answer", "chain", "chain"),
    ]


def test_the_same_state_gives_the_same_bytes(world: World, tmp_path: Path) -> None:
    stem = world.send_new()
    world.work()
    assert archive(world, stem, tmp_path) == archive(world, stem, tmp_path)


REFUSED: dict[str, Callable[[str, bytes], dict[str, bytes]]] = {
    "digest-differs": lambda stem, fi: files_of(stem, fi) | {f"FI.{stem}.1.1": fi + b"\n"},
    "other-certificate": lambda stem, fi: files_of(stem, fi, "mandatary"),
    "empty": lambda stem, fi: files_of(stem, fi) | {f"FS.{stem}.1.1": b""},
}


@pytest.mark.parametrize("cause", REFUSED)
def test_a_refusal_is_given_again_with_its_cause(world: World, tmp_path: Path, cause: str) -> None:
    world.send(REFUSED[cause](stem := new_stem(), new_fi()))
    world.work()
    data = archive(world, stem, tmp_path)
    lines = judged(data, institution(world))
    [verdict] = [line for line in lines if line.check == "verdict"]
    assert (verdict.outcome, f"cause {cause}" in verdict.words) == (Outcome.OK, True)
    assert wrong(data) == []
    text = zipfile.ZipFile(io.BytesIO(data)).read("verdict.txt").decode()
    assert f"cause        {cause}, code" in text
    assert "NOT SHOWN" in text


def test_a_set_without_signature_and_a_simulation_have_no_verdict_on_one(
    world: World, tmp_path: Path
) -> None:
    unsigned, simulated, tested = new_stem("T"), new_stem("S"), new_stem("T")
    fi = new_fi()
    world.send({f"FI.{unsigned}.1.1": fi, f"GO.{unsigned}.1": b""}, Folder.INTEST)
    world.send(files_of(simulated, new_fi()), Folder.INTEST)
    world.send(files_of(tested, new_fi()), Folder.INTEST)
    world.work()
    for stem, outcome in (
        (unsigned, Outcome.NOT_CHECKED),
        (simulated, Outcome.NOT_CHECKED),
        (tested, Outcome.OK),
    ):
        lines = judged(archive(world, stem, tmp_path), institution(world))
        assert [line.outcome for line in lines if line.check == "verdict"] == [outcome]
        assert not [line for line in lines if line.outcome is Outcome.FAILED]


def test_a_quarantined_set_and_one_that_was_given_up(world: World, tmp_path: Path) -> None:
    stem, now = world.send_new(), datetime.now(UTC)
    taken = world.claim(world.manifest(stem), now)
    with writing(world.instance.production) as connection:
        quarantine.record_quarantined(connection, taken, "stopped the worker 3 times", now)
    data = archive(world, stem, tmp_path)
    assert [c.words.split(" at ")[0] for c in judged(data) if c.check == "chain"] == ["quarantined"]
    assert b"stopped the worker 3 times" in data
    with writing(world.instance.production) as connection:
        quarantine.refuse(connection, world.report(stem).id, now)
    world.work()
    data = archive(world, stem, tmp_path)
    states = [c.words.split(" at ")[0] for c in judged(data) if c.check == "chain"]
    assert states == ["quarantined", "given up", "refused"]
    assert wrong(data) == []


def test_every_content_of_a_stem_or_one_of_them(world: World, tmp_path: Path) -> None:
    stem = world.send_new()
    world.send(files_of(stem, new_fi()))
    world.work()
    both, second = archive(world, stem, tmp_path), archive(world, stem, tmp_path, ordinal=2)
    names = [zipfile.ZipFile(io.BytesIO(data)).namelist() for data in (both, second)]
    heads = [sorted({n.split("/")[0] for n in own if n.startswith("content-")}) for own in names]
    assert heads == [["content-1", "content-2"], ["content-2"]]
    assert (wrong(both), wrong(second)) == ([], [])
    with pytest.raises(OperatorError, match="no such set"):
        archive(world, stem, tmp_path, ordinal=3)


def test_it_is_its_owners_alone_and_writes_over_nothing(world: World, tmp_path: Path) -> None:
    stem = world.send_new()
    world.work()
    path = tmp_path / "one.zip"
    evidence.write(world.instance, Wanted(stem), Target(path))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.write_bytes(b"mine")
    with pytest.raises(OperatorError, match="--force"):
        evidence.write(world.instance, Wanted(stem), Target(path))
    assert path.read_bytes() == b"mine"


def test_a_damaged_set_leaves_nothing_behind(world: World, tmp_path: Path) -> None:
    stem = world.send_new()
    world.work()
    place = world.instance.layout.arch / str(world.key(stem))
    (place / f"FI.{stem}.1.1").unlink()
    out = tmp_path / "out"
    out.mkdir()
    with pytest.raises(Exception, match="missing"):
        evidence.write(world.instance, Wanted(stem), Target(out / "one.zip"))
    assert os.listdir(out) == []


def test_what_was_changed_before_the_archive_was_written_is_told(
    world: World, tmp_path: Path
) -> None:
    """The institution is not believed either: files, rows and links must fit together."""
    stem = world.send_new()
    world.work()
    place = world.instance.layout.arch / str(world.key(stem))
    fi = place / f"FI.{stem}.1.1"
    held = fi.read_bytes()
    fi.chmod(0o600)
    fi.write_bytes(held.replace(b"3800", b"3801"))
    assert {c.check for c in wrong(archive(world, stem, tmp_path))} == {"sealed files", "verdict"}
    fi.write_bytes(held)
    for change, check in (
        ("UPDATE proof SET body = replace(body, 'sha256', 'sha512')", {"verdict", "chain"}),
        ("UPDATE answer SET sha256 = '0'", {"answer", "chain"}),
        ("UPDATE link SET body = replace(body, 'verified', 'refused')", {"chain"}),
        ("UPDATE submission SET ticket = 'AAAAAAAAAAAAA'", {"chain"}),
        ("UPDATE material SET der = x'00'", {"verdict"}),
    ):
        with writing(world.instance.production) as connection:
            connection.exec_driver_sql("SAVEPOINT before")
            connection.exec_driver_sql(change)
            rows = evidence._rows(connection, Wanted(stem))
            path = tmp_path / "changed.zip"
            evidence._write(connection, world.instance, rows, Target(path, force=True))
            connection.exec_driver_sql("ROLLBACK TO before")
        assert {c.check for c in wrong(path.read_bytes())} == check, change


def test_only_a_certificate_that_was_given_says_whose_it_is(world: World, tmp_path: Path) -> None:
    stem = world.send_new()
    world.work()
    data = archive(world, stem, tmp_path)
    other = Given(read_all(pki("trusted-ca.pem")), read_all(pki("other-ca.pem")))
    assert {c.check for c in wrong(data, other)} == {"signature of the index", "answer", "trust"}
    said = " ".join(c.words for c in judged(data))
    assert said.count("as the archive itself says") == 3
