"""The worker on a real instance: every set ends once, whatever fails beside it."""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from batch.ingest import content
from batch.names import Folder
from batch.signing.signature import Signer
from batch.states import Stage
from batch.storage import dossiers, quarantine
from batch.storage.database import reading, writing
from batch.storage.registers_admin import RegistersAdmin
from tests.declarations import EMPLOYER, declaration, person, right, right_update
from tests.integration.storage.conftest import MakeWorld
from tests.integration.storage.world import (
    RECEIVED,
    SENDER,
    World,
    files_of,
    new_fi,
    new_stem,
    pki,
)


def rows(world: World, table: str, *, test: bool = False) -> int:
    engine = world.instance.test if test else world.instance.production
    with reading(engine) as connection:
        return int(connection.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar() or 0)


# --- where things are recorded ----------------------------------------------------------


def test_production_is_recorded_in_production_only(world: World) -> None:
    stem = world.send_new()
    world.work()
    assert (rows(world, "ledger_object"), rows(world, "ledger_object", test=True)) == (1, 0)
    assert (rows(world, "submission"), rows(world, "submission", test=True)) == (1, 0)
    assert world.listed(Folder.OUTTEST) == []
    assert len(world.notifications(stem)) == 1


def test_a_circuit_test_is_recorded_in_the_test_database_only(world: World) -> None:
    stem = world.send_new("T")
    world.work()
    assert world.receipts(stem, Folder.OUTTEST) == [RECEIVED]
    assert (rows(world, "ledger_object"), rows(world, "ledger_object", test=True)) == (0, 1)
    assert rows(world, "submission") == 0
    assert world.listed(Folder.OUT) == []


def test_a_simulation_is_answered_like_a_test_and_recorded_nowhere(world: World) -> None:
    """Its FLAId may not be given again to what is recorded later, and its like finds nothing."""
    fi = new_fi()
    for _ in range(2):
        world.send(files_of(stem := new_stem("S"), fi), Folder.INTEST)
        world.work()
        (noti,) = world.notifications(stem, Folder.OUTTEST)
        assert noti.text("HandlingResult/ResultCode") == "1"
    for test in (False, True):
        for table in ("ledger_object", "training_right", "training", "fla_sequence"):
            assert rows(world, table, test=test) == 0


def test_a_simulation_is_judged_against_the_test_ledger(world: World) -> None:
    """An update finds what an earlier test recorded, and nothing that was only simulated."""
    made = declaration(right("S/1", inss=person(9000)))
    changed = declaration(right_update("S/1", inss=person(9000), hours=4000))
    results: list[str | None] = []
    for letter, fi in (("S", made), ("S", changed), ("T", made), ("S", changed), ("S", changed)):
        world.send(files_of(stem := new_stem(letter), fi), Folder.INTEST)
        world.work()
        (noti,) = world.notifications(stem, Folder.OUTTEST)
        results.append(noti.text("HandlingResult/ResultCode"))
    assert results == ["1", "0", "1", "1", "1"]
    assert rows(world, "training_right", test=True) == 1


# --- facts at the instant of sealing -----------------------------------------------------


def test_a_certificate_that_came_after_the_sealing_is_not_judged_by(world: World) -> None:
    stem = new_stem()
    world.send(files_of(stem, new_fi(), "renewed"))
    admin = RegistersAdmin(world.instance.production)
    admin.set_certificate(SENDER, pki("renewed.pem"), datetime.now(UTC))
    later = new_stem()
    world.send(files_of(later, new_fi(), "renewed"))
    world.work()
    assert (world.receipts(stem), world.receipts(later)) == ([["153"]], [RECEIVED])


def test_a_certificate_replaced_after_the_sealing_still_proves_the_set(world: World) -> None:
    stem = world.send_new()
    with writing(world.instance.production) as connection:
        ended = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        connection.exec_driver_sql(f"UPDATE channel_certificate SET until = '{ended}'")
    admin = RegistersAdmin(world.instance.production)
    admin.set_certificate(SENDER, pki("renewed.pem"), datetime.now(UTC))
    later = world.send_new()
    world.work()
    assert (world.receipts(stem), world.receipts(later)) == ([RECEIVED], [["153"]])


def test_a_service_revoked_after_the_sealing_was_granted(world: World) -> None:
    stem = world.send_new()
    RegistersAdmin(world.instance.production).revoke(SENDER, "FLA", datetime.now(UTC))
    later = world.send_new()
    world.work()
    assert (world.receipts(stem), world.receipts(later)) == ([RECEIVED], [["154"]])


# --- what fails ---------------------------------------------------------------------------


@contextmanager
def impatient(world: World) -> Iterator[sqlite3.Connection]:
    """Writers give up at once, and another connection is there to hold the database."""

    def hurry(connection: sqlite3.Connection, _record: object) -> None:
        connection.execute("PRAGMA busy_timeout=50")

    event.listen(world.instance.production, "connect", hurry)
    path = world.instance.production_path
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        yield other


def test_nothing_is_refused_or_counted_while_the_database_is_busy(world: World) -> None:
    stem = world.send_new()
    with impatient(world) as other:
        other.execute("BEGIN IMMEDIATE")
        for _ in range(5):
            assert world.work() == 0
        assert rows(world, "submission") == 0
        other.execute("ROLLBACK")
        world.work()
    assert world.receipts(stem) == [RECEIVED]
    assert world.report(stem).attempt == 1


@dataclass
class Meddling:
    """The institution's signer; ``other`` takes the database each time it signs, or lets go."""

    inner: Signer
    other: sqlite3.Connection
    at: int = 1
    signed: int = 0

    def __getattr__(self, name: str) -> object:
        return getattr(self.inner, name)

    def sign(self, data: bytes) -> bytes:
        self.signed += 1
        if self.signed == self.at:
            self.other.execute("BEGIN IMMEDIATE")
        return self.inner.sign(data)


def test_a_database_busy_at_the_verdict_costs_no_attempt(world: World) -> None:
    """Busy: nothing is refused because of it, however often it happens, nor set aside."""
    stems = [world.send_new() for _ in range(2)]
    worker = world.worker()
    steps = worker.steps
    with impatient(world) as other:
        for _ in range(5):
            meddling: Any = Meddling(steps.signer, other)
            worker.steps = replace(steps, signer=meddling)
            worker.run_until_idle()
            other.execute("ROLLBACK")  # an error when it was never taken
        worker.steps = steps
        worker.run_until_idle()
    for stem in stems:
        report = world.report(stem)
        assert (report.state, report.attempt) == (Stage.ANSWERED, 1)
        assert world.receipts(stem) == [RECEIVED]


def test_a_set_that_breaks_the_service_three_times_is_set_aside_and_may_be_retried(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its neighbours of the same batch are answered; after the retry it has one ACRF, one NOTI."""
    before, stem, after = (world.send_new() for _ in range(3))
    breaking = BreaksOn(stem)
    monkeypatch.setattr(content, "handle", breaking)
    for _ in range(6):
        world.work()
    assert [world.receipts(s) for s in (before, after)] == [[RECEIVED]] * 2
    assert [len(world.notifications(s)) for s in (before, stem, after)] == [1, 0, 1]
    assert world.report(stem).state == Stage.QUARANTINED
    assert breaking.failed == 3
    assert rows(world, "ledger_object") == 2
    seen = world.bytes_in(Folder.OUT)
    monkeypatch.undo()
    with writing(world.instance.production) as connection:
        quarantine.retry(connection, world.report(stem).id, datetime.now(UTC))
    dossiers.move_to(world.instance.layout, world.key(stem), world.instance.layout.sealed)
    world.work()
    assert world.receipts(stem) == [RECEIVED]
    assert len(world.notifications(stem)) == 1
    assert seen.items() <= world.bytes_in(Folder.OUT).items()
    assert rows(world, "ledger_object") == 3
    assert world.restart() == []


@dataclass
class BreaksOn:
    """Content is handled as ever, but for one set it breaks after its first form."""

    stem: str
    failed: int = 0
    real: object = field(default=content.handle)

    def __call__(self, verified: object, *arguments: object) -> Iterator[object]:
        for handled in self.real(verified, *arguments):  # type: ignore[operator]
            yield handled
            if verified.sealed.key.stem == self.stem:  # type: ignore[attr-defined]
                self.failed += 1
                raise RuntimeError("the service broke on this form")


def test_a_set_whose_answer_cannot_be_shown_sinks_no_other_and_is_shown_later(
    world: World,
) -> None:
    """Another file has its answer's name: an alarm, for an operator to clear away."""
    first, second = world.send_new(), world.send_new()
    day = first.split(".")[2]
    strange = world.path(f"FS.ACRF.999999.{day}.00001.R.1.1", Folder.OUT)
    strange.write_bytes(b"somebody's")
    for _ in range(6):
        world.work()
    strange_is = strange.read_bytes()
    states = [world.report(stem).state for stem in (first, second)]
    assert strange_is == b"somebody's"
    assert Stage.QUARANTINED not in states
    strange.unlink()
    world.work()
    assert [world.receipts(stem) for stem in (first, second)] == [[RECEIVED], [RECEIVED]]
    assert states.count(Stage.ANSWERED) == 1


def opened() -> list[str]:
    """What this process holds open."""
    held = Path("/proc/self/fd")
    return [os.readlink(each) for each in held.iterdir() if each.is_symlink()]


@pytest.mark.parametrize("layer", ["ACRF", "NOTI"])
def test_a_set_whose_answer_cannot_be_synced_sinks_no_other_and_is_decided_later(
    world: World, monkeypatch: pytest.MonkeyPatch, layer: str
) -> None:
    """Answers of a batch are synced together; what one sync did not say is written anew."""
    stems = [world.send_new() for _ in range(4)]
    bad, fsync, made = str(world.key(stems[1])), os.fsync, list[int]()

    def failing(descriptor: int) -> None:
        path = os.readlink(f"/proc/self/fd/{descriptor}")
        if f"/{bad}/@{layer}." in path:
            made.append(os.fstat(descriptor).st_ctime_ns)
            raise OSError(errno.EIO, "the disk says no")
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", failing)
    world.work()
    assert not [path for path in opened() if f"/@{layer}." in path], "files are left open"
    complete = [stem for stem in stems if world.notifications(stem)]
    assert complete == [stem for stem in stems if stem != stems[1]]
    assert len(set(made)) == len(made) >= 2, "a sync that failed is never asked again"
    assert world.report(stems[1]).state == (Stage.SEALED if layer == "ACRF" else Stage.VERIFIED)
    monkeypatch.undo()
    world.work()
    for stem in stems:
        assert (world.receipts(stem), len(world.notifications(stem))) == ([RECEIVED], 1)


# --- many sets -----------------------------------------------------------------------------


def test_seventy_sets_are_answered_once_each_in_order_of_sealing(world: World) -> None:
    stems = [world.send_new() for _ in range(70)]
    taken = world.work()
    assert taken >= 70
    assert all(world.report(stem).state == Stage.ANSWERED for stem in stems)
    assert len(world.answers()) == 140
    numbers = [world.report(stem).ticket for stem in stems]
    assert all(a < b for a, b in pairwise(numbers))
    assert world.work() == 0


def test_a_set_of_two_parts_has_one_noti_in_their_order(world: World) -> None:
    stem = new_stem()
    parts = [new_fi(), new_fi()]
    files: dict[str, bytes] = {}
    for number, fi in enumerate(parts, 1):
        made = files_of(stem, fi)
        files[f"FI.{stem}.2.{number}"] = fi
        files[f"FS.{stem}.2.{number}"] = made[f"FS.{stem}.1.1"]
    world.send({**files, f"GO.{stem}.2": b""})
    world.work()
    (noti,) = world.notifications(stem)
    assert noti.data.index(f"FI.{stem}.2.1".encode()) < noti.data.index(f"FI.{stem}.2.2".encode())


def test_one_bad_form_sinks_no_other(world: World) -> None:
    stem = new_stem()
    forms = [
        right(f"B/{n}", inss=person(7000 + n), number=n, employer=number)
        for n, number in enumerate((EMPLOYER, "0999999922", EMPLOYER))
    ]
    world.send(files_of(stem, declaration(*forms)))
    world.work()
    report = world.report(stem)
    assert (report.accepted, report.refused) == (2, 1)
    assert [(f.error_id, f.form) for f in report.findings] == [("00014-101", 2)]


def test_the_worker_asks_its_clock_for_every_time_it_writes(make_world: MakeWorld) -> None:
    world = make_world()
    stem = world.send_new()
    worker = world.worker()
    at = datetime.now(UTC) + timedelta(days=2)
    worker.clock = lambda: at
    worker.run_until_idle()
    report = world.report(stem)
    assert {a.decided_at for a in report.answers} == {at}
    assert {a.emitted_at for a in report.answers} == {at}
    assert report.sealed_at < at
