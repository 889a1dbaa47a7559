"""The row of a set on a real database: who may move it, its names, and its return."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime

import pytest

from batch.names import Folder, brussels_day
from batch.states import Sealed, Stage
from batch.storage import claims, dossiers, quarantine, submissions
from batch.storage.claims import Claim, Fenced
from batch.storage.database import reading, writing
from batch.storage.durable import Unsynced
from batch.worker.steps import Decided
from tests.integration.storage.world import RECEIVED, World, files_of, new_fi, new_stem

NOW = datetime.now(UTC)


def sealed(world: World, letter: str = "R") -> Sealed:
    stem = world.send_new(letter)
    folder = Folder.IN if letter == "R" else Folder.INTEST
    return world.manifest(stem, folder)


def claim(world: World, one: Sealed, at: datetime = NOW) -> Claim:
    return world.claim(one, at)


def decide(world: World, taken: Claim) -> Decided:
    return world.verified(taken, datetime.now(UTC))


def commit(world: World, made: Decided) -> None:
    with writing(world.instance.production) as connection:
        submissions.record_reception(connection, made.taken, made.outcome, made.files, NOW)


def test_a_set_keeps_its_ticket_and_the_names_of_its_answers(world: World) -> None:
    one = sealed(world)
    first, second = claim(world, one), claim(world, one)
    assert (first.attempt, second.attempt) == (1, 2)
    assert (first.id, first.ticket, first.reception_answer, first.content_answer) == (
        second.id,
        second.ticket,
        second.reception_answer,
        second.content_answer,
    )


def test_tickets_and_answers_of_production_and_test_never_share_a_name(world: World) -> None:
    taken = [claim(world, sealed(world, letter)) for letter in ("R", "R", "T", "T", "S")]
    assert len({t.ticket for t in taken}) == len(taken)
    sequences = [t.reception_answer.split(".")[3] for t in taken]
    assert len(set(sequences)) == len(taken)
    assert all((len(s) == 5 and s.isalnum() and s.isupper()) or s.isdigit() for s in sequences)
    day = f"{brussels_day(NOW):%Y%m%d}"
    for t, letter in zip(taken, "RRTTS", strict=True):
        assert len(t.ticket) == 13
        assert t.content_answer == f"NOTI.999999.{day}.{t.content_answer.split('.')[3]}.{letter}"


def test_of_two_workers_on_a_set_the_former_is_fenced(world: World) -> None:
    one = sealed(world)
    former = decide(world, claim(world, one))
    latter = decide(world, claim(world, one))
    with pytest.raises(Fenced):
        commit(world, former)
    with reading(world.instance.production) as connection:
        assert claims.reread(connection, former.taken) is None
        assert claims.reread(connection, latter.taken) == latter.taken
    assert world.report(one.key.stem).state == Stage.SEALED
    commit(world, latter)
    world.work()
    assert world.receipts(one.key.stem) == [RECEIVED]


def test_a_fenced_worker_does_not_leave_its_answers_bytes_behind(world: World) -> None:
    """Decision 0001: what is shown is what was committed, its FO, its FS and their SHA-256."""
    one = sealed(world)
    former_claim = claim(world, one)
    latter = decide(world, claim(world, one))
    decide(world, former_claim)  # slow: it writes its files after the other wrote its own
    commit(world, latter)
    world.work()
    shown = next(a for a in world.answers() if a.layer == "ACRF")
    recorded = next(a for a in world.report(one.key.stem).answers if a.layer == "ACRF")
    assert hashlib.sha256(shown.data).hexdigest() == recorded.sha256


def test_a_fenced_ingestion_leaves_no_record(world: World) -> None:
    one = sealed(world)
    commit(world, decide(world, claim(world, one)))
    former, latter = claim(world, one), claim(world, one)
    home = dossiers.dossier(world.instance.layout, one.key)
    steps, engine = world.worker().steps, world.instance.production
    with Unsynced() as unsynced, pytest.raises(Fenced), writing(engine) as connection:
        steps.ingest(former, home, connection, NOW, unsynced)
    with reading(engine) as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM ledger_object").scalar() == 0
    with Unsynced() as unsynced, writing(engine) as connection:
        steps.ingest(latter, home, connection, NOW, unsynced)
        unsynced.sync()
    world.work()
    assert len(world.notifications(one.key.stem)) == 1


def test_waiting_is_no_attempt_and_a_stop_of_everything_neither(world: World) -> None:
    one = sealed(world)
    taken = claim(world, one)
    with writing(world.instance.production) as connection:
        claims.forgive(connection, [taken])
    assert world.report(one.key.stem).attempt == 0
    claim(world, one)
    world.restart()
    world.restart()
    assert world.report(one.key.stem).attempt == 0


def test_a_set_that_used_up_its_attempts_is_exhausted(world: World) -> None:
    one = sealed(world)
    engine = world.instance.production
    for attempt in (1, 2, 3, 4):
        with writing(engine) as connection:
            came = claims.claim(connection, [one], NOW, 3)
        counts = [len(came.todo), len(came.exhausted)]
        assert counts == ([1, 0] if attempt < 4 else [0, 1])
        assert (came.answered, came.quarantined) == ([], [])


@pytest.mark.parametrize("signer", ["employer", "mandatary"])
def test_a_set_decided_before_its_quarantine_goes_on_from_there(world: World, signer: str) -> None:
    """Retry: from where it stood. An answer that is decided is never decided again."""
    world.send(files_of(stem := new_stem(), new_fi(), signer))
    one = world.manifest(stem)
    commit(world, decide(world, claim(world, one)))
    again = claim(world, one)
    before = world.report(stem)
    layout = world.instance.layout
    with writing(world.instance.production) as connection:
        quarantine.record_quarantined(connection, again, "stopped the worker 3 times", NOW)
    dossiers.move_to(layout, one.key, layout.quarantine)
    assert world.work() == 0
    with writing(world.instance.production) as connection:
        quarantine.retry(connection, before.id, NOW)
    dossiers.move_to(layout, one.key, layout.sealed)
    world.work()
    after = world.report(stem)
    assert after.answers[0].sha256 == before.answers[0].sha256
    assert world.receipts(stem) == [[] if signer == "employer" else ["153"]]
    assert after.state == Stage.ANSWERED


def test_sets_of_one_day_are_numbered_on(world: World) -> None:
    sequences = [int(claim(world, sealed(world)).reception_answer.split(".")[3]) for _ in range(3)]
    assert sequences == [1, 2, 3]
