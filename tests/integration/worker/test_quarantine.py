"""The technical verdict on a real instance: who is set aside, and an operator's last word."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Callable, Container
from datetime import UTC, datetime
from pathlib import Path

import pytest

from batch.ingest import content
from batch.names import Folder
from batch.states import Stage
from batch.storage import dossiers, quarantine, submissions, waiting
from batch.storage.database import writing
from batch.storage.layout import Layout
from batch.worker import loop, plan
from tests.declarations import declaration, person, right
from tests.integration.storage.world import (
    RECEIVED,
    World,
    copied,
    dispose,
    files_of,
    killed_at,
    new_stem,
)
from tests.integration.worker.test_loop import BreaksOn

NOW = datetime.now(UTC)


def set_aside(
    world: World, monkeypatch: pytest.MonkeyPatch, *, received: bool
) -> tuple[str, bytes]:
    """A set of three forms that broke the worker three times: its stem and its FI."""
    forms = [right(f"aside/{n}", inss=person(5000 + n), number=n) for n in range(3)]
    world.send(files_of(stem := new_stem(), fi := declaration(*forms)))
    if received:
        monkeypatch.setattr(content, "handle", BreaksOn(stem))
    else:
        monkeypatch.setattr("batch.worker.steps.look", lambda *_: 1 // 0)
    for _ in range(4):
        world.work()
    monkeypatch.undo()
    assert world.report(stem).state == Stage.QUARANTINED
    return stem, fi


def wish(world: World, stem: str, what: Callable[..., bool]) -> bool:
    with writing(world.instance.production) as connection:
        return what(connection, world.report(stem).id, NOW)


@pytest.mark.parametrize("received", [False, True])
def test_the_technical_verdict_is_ours_and_says_where_and_what_to_do(
    world: World, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], received: bool
) -> None:
    stem, _ = set_aside(world, monkeypatch, received=received)
    report = world.report(stem)
    assert report.verdict == "technical"
    step = "ingest" if received else "verify"
    assert f"stopped the worker 3 times, last in the step {step}" in (report.problem or "")
    assert f"submission retry {stem}" in (report.problem or "")
    assert f"submission refuse {stem}" in (report.problem or "")
    assert (world.receipts(stem), world.notifications(stem)) == ([RECEIVED] * received, [])
    alarms = [line for line in capfd.readouterr().err.splitlines() if '"quarantined"' in line]
    assert len(alarms) == 1
    assert '"level": "error"' in alarms[0]


@pytest.mark.shows("ACRF-430")
def test_one_given_up_before_its_reception_gets_one_negative_receipt(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    stem, fi = set_aside(world, monkeypatch, received=False)
    assert wish(world, stem, quarantine.refuse)
    monkeypatch.setattr("batch.worker.steps.look", lambda *_: 1 // 0)
    world.work()
    monkeypatch.undo()
    assert world.receipts(stem) == [["430"]]
    ended(world, stem, fi, "refused at reception")


@pytest.mark.shows("NOTI-430")
def test_one_given_up_after_its_reception_gets_one_noti_that_refuses_every_form(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The content is not read again: no form of it is echoed."""
    stem, fi = set_aside(world, monkeypatch, received=True)
    seen = world.bytes_in(Folder.OUT)
    assert wish(world, stem, quarantine.refuse)
    monkeypatch.setattr(dossiers.Dossier, "blocks", lambda *_: 1 // 0)
    world.work()
    monkeypatch.undo()
    assert seen.items() < world.bytes_in(Folder.OUT).items()
    assert world.receipts(stem) == [RECEIVED]
    (noti,) = world.notifications(stem)
    assert noti.data.count(b"<ErrorID>90059-430</ErrorID>") == 3
    assert noti.data.count(b"<Form>") == 3
    assert b"INSS" not in noti.data
    report = world.report(stem)
    assert [(f.error_id, f.form) for f in report.findings] == [("90059-430", n) for n in (1, 2, 3)]
    assert (report.accepted, report.refused) == (0, 3)
    ended(world, stem, fi, "every form refused")


def ended(world: World, stem: str, fi: bytes, verdict: str) -> None:
    """Answered, archived, told; and the same FI under a new stem is judged afresh."""
    report = world.report(stem)
    assert (report.state, report.verdict) == (Stage.ANSWERED, verdict)
    assert [e.what for e in report.events].count("given up") == 1
    assert (world.instance.layout.arch / str(world.key(stem))).is_dir()
    assert world.listed() == []
    assert world.restart() == []
    world.send(files_of(again := new_stem(), fi))
    world.work()
    assert world.receipts(again) == [RECEIVED]
    assert world.report(again).accepted == 3


def test_a_receipt_decided_before_the_quarantine_is_shown_all_the_same(world: World) -> None:
    """The worker was killed each time between the receipt's commit and its way to OUT."""
    stem = world.send_new()
    taken = world.claim(world.manifest(stem), NOW)
    made = world.verified(taken, NOW)
    with writing(world.instance.production) as connection:
        submissions.record_reception(connection, taken, made.outcome, made.files, NOW)
        connection.exec_driver_sql("UPDATE submission SET attempt = 3")
    assert world.listed(Folder.OUT) == []
    world.worker().run_until_idle()
    assert world.report(stem).state == Stage.QUARANTINED
    assert world.receipts(stem) == [RECEIVED]
    assert world.sealed() == []


@pytest.mark.parametrize("what", [quarantine.retry, quarantine.refuse])
def test_only_a_set_in_quarantine_is_retried_or_given_up(
    world: World, monkeypatch: pytest.MonkeyPatch, what: Callable[..., bool]
) -> None:
    """Each wish is granted once; the final word is final."""
    done = world.send_new()
    world.work()
    stem, _ = set_aside(world, monkeypatch, received=False)
    before = world.report(done)
    assert not wish(world, done, what)
    assert world.report(done) == before
    assert wish(world, stem, what)
    after = world.report(stem)
    assert not wish(world, stem, quarantine.retry)
    assert not wish(world, stem, quarantine.refuse)
    assert world.report(stem) == after


def test_a_wish_needs_nothing_but_the_row_and_the_worker_finds_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker that is running, not only the next one."""
    worker = world.worker()
    stem, _ = set_aside(world, monkeypatch, received=False)
    assert worker.run_until_idle() == 0
    assert wish(world, stem, quarantine.retry)
    worker.run_until_idle()
    assert world.receipts(stem) == [RECEIVED]
    assert len(world.notifications(stem)) == 1


@pytest.mark.parametrize("received", [False, True])
def test_a_kill_at_any_instant_of_the_last_word_gives_the_same_one_answer(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, received: bool
) -> None:
    stem, _ = set_aside(world, monkeypatch, received=received)
    assert wish(world, stem, quarantine.refuse)
    dispose(world.instance)
    killed, point = True, 0
    while killed:
        point += 1
        with copied(world.settings.data, tmp_path / str(point)) as other:
            killed = killed_at(point, lambda: (other.work(), None)[1])
            seen = other.bytes_in(Folder.OUT)
            assert other.restart() == []
            other.work()
            assert seen.items() <= other.bytes_in(Folder.OUT).items()
            wanted = [RECEIVED] if received else [["430"]]
            assert (other.receipts(stem), len(other.notifications(stem))) == (wanted, received)
            assert other.report(stem).state == Stage.ANSWERED
            assert other.restart() == []
        shutil.rmtree(tmp_path / str(point))
    assert point > 10


def test_kills_of_the_worker_blame_no_set_that_was_only_there(world: World) -> None:
    """Three kills, whoever was in hand: all in company, then one alone, then another."""
    stems = [world.send_new() for _ in range(5)]
    dispose(world.instance)
    for _ in range(3):
        assert killed_at(1000, lambda: die_on(world, "~1"))
    attempts = sorted(world.report(stem).attempt for stem in stems)
    assert attempts == [1, 1, 1, 2, 2]
    world.work()
    assert [world.receipts(stem) for stem in stems] == [[RECEIVED]] * 5
    assert {world.report(stem).state for stem in stems} == {Stage.ANSWERED}


def test_a_set_that_kills_the_worker_alone_is_set_aside_and_nobody_else(world: World) -> None:
    stems = [world.send_new() for _ in range(3)]
    poison = world.key(stems[1])
    dispose(world.instance)
    kills = 0
    while kills < 9 and killed_at(1000, lambda: die_on(world, str(poison))):
        kills += 1
    assert kills == 3
    states = [world.report(stem).state for stem in stems]
    assert states == [Stage.ANSWERED, Stage.QUARANTINED, Stage.ANSWERED]
    assert [world.receipts(s) for s in stems] == [[RECEIVED], [], [RECEIVED]]


def die_on(world: World, key: str) -> None:
    """Work in a process that ends with SIGKILL when it opens an FI of a set whose key ends so."""

    def audit(what: str, arguments: tuple[object, ...]) -> None:
        if what == "open" and f"{key}/FI." in str(arguments[0]):
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(audit)
    world.work()


@pytest.mark.parametrize(
    ("limit", "value", "attempts"), [("MAX_SETS", 2, 0), ("MAX_BYTES", 1, 0), ("MAX_SETS", 64, 1)]
)
def test_waiting_sets_are_listed_in_a_share_of_the_time_and_not_by_the_batch(
    world: World, monkeypatch: pytest.MonkeyPatch, limit: str, value: int, attempts: int
) -> None:
    """100,000 would else be listed 1,563 times; what a batch had no room for is not lost.

    With ``attempts`` each was in hand when the worker died, and so works alone.
    """
    monkeypatch.setattr(plan, limit, value)
    monkeypatch.setattr(loop, "LOOK_SECONDS", 3600.0)
    monkeypatch.setattr(loop, "LOOK_SHARE", 10**9)
    looks: list[int] = []
    look = waiting.newcomers

    def counted(layout: Layout, known: Container[str]) -> list[str]:
        looks.append(len(found := look(layout, known)))
        return found

    monkeypatch.setattr(waiting, "newcomers", counted)
    stems = [world.send_new() for _ in range(10)]
    for stem in stems[: 10 * attempts]:
        world.claim(world.manifest(stem), NOW)
    assert world.work() == 10
    assert looks == [10, 0]
    assert {world.report(stem).state for stem in stems} == {Stage.ANSWERED}


def test_a_newcomer_is_seen_while_others_wait(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan, "MAX_SETS", 2)
    monkeypatch.setattr(loop, "LOOK_SECONDS", 0.0)
    for _ in range(6):
        world.send_new()
    worker = world.worker()
    assert worker.run_once() == 2
    test = world.send_new("T")
    assert worker.run_once() == 3
    assert world.receipts(test, Folder.OUTTEST) == [RECEIVED]
