"""The same FI under another stem (invariant 6), on a real database."""

from __future__ import annotations

from datetime import UTC, datetime

from batch.names import Folder
from batch.storage import claims, dossiers, quarantine, submissions
from batch.storage.database import reading, writing
from batch.storage.replays import Replays, replays
from batch.worker.loop import Worker
from tests.declarations import declaration, person, right
from tests.integration.storage.world import RECEIVED, World, files_of, new_fi, new_stem


def until_idle(world: World, worker: Worker) -> None:
    """A set that waits for another is looked at again by a worker that does not remember it."""
    worker.run_until_idle()
    world.work()


def test_an_fi_accepted_in_production_is_refused_under_a_new_stem(world: World) -> None:
    first, second, fi = new_stem(), new_stem(), new_fi()
    world.send(files_of(first, fi))
    world.work()
    world.send(files_of(second, fi))
    world.work()
    assert (world.receipts(first), world.receipts(second)) == ([RECEIVED], [["133"]])


def test_of_the_same_fi_under_two_stems_at_once_one_is_accepted(world: World) -> None:
    first, second, fi = new_stem(), new_stem(), new_fi()
    world.send(files_of(first, fi))
    world.send(files_of(second, fi))
    until_idle(world, world.worker())
    receipts = world.receipts(first) + world.receipts(second)
    assert sorted(receipts) == [RECEIVED, ["133"]]
    assert sum(len(world.notifications(stem)) for stem in (first, second)) == 1


def test_a_set_waits_while_another_with_its_fi_is_at_work(world: World) -> None:
    """A kill between reception and content of the first: the second must not overtake it."""
    first, second, fi = new_stem(), new_stem(), new_fi()
    world.send(files_of(first, fi))
    engine, layout, at = world.instance.production, world.instance.layout, datetime.now(UTC)
    home = dossiers.dossier(layout, world.key(first))
    taken = world.claim(home.sealed(), at)
    made = world.verified(taken, at)
    with writing(engine) as connection:
        submissions.record_reception(connection, taken, made.outcome, made.files, at)
    world.send(files_of(second, fi))
    other = world.claim(world.manifest(second), at)
    assert replays(engine, other) == Replays({}, first)
    until_idle(world, world.worker())
    assert (world.receipts(first), world.receipts(second)) == ([RECEIVED], [["133"]])


def test_an_fi_refused_at_reception_is_judged_afresh(world: World) -> None:
    first, second, fi = new_stem(), new_stem(), new_fi()
    world.send(files_of(first, fi, "mandatary"))
    world.work()
    world.send(files_of(second, fi))
    world.work()
    assert (world.receipts(first), world.receipts(second)) == ([["153"]], [RECEIVED])


def test_an_fi_of_which_every_form_was_refused_is_judged_afresh(world: World) -> None:
    fi = declaration(right("none/1", employer="0999999922", inss=person(1)))
    stems = [new_stem(), new_stem()]
    for stem in stems:
        world.send(files_of(stem, fi))
        world.work()
    assert [world.receipts(stem) for stem in stems] == [[RECEIVED], [RECEIVED]]


def test_test_knows_nothing_of_production_and_repeats_at_will(world: World) -> None:
    fi = new_fi()
    production, *tests = new_stem(), new_stem("T"), new_stem("T")
    world.send(files_of(production, fi))
    for stem in tests:
        world.send(files_of(stem, fi), Folder.INTEST)
        world.work()
    assert world.receipts(production) == [RECEIVED]
    assert [world.receipts(stem, Folder.OUTTEST) for stem in tests] == [[RECEIVED]] * 2


def test_a_set_retried_after_another_with_its_fi_is_not_recorded_twice(world: World) -> None:
    """Quarantined between reception and content; its sender sent the FI again meanwhile."""
    first, second, fi = new_stem(), new_stem(), new_fi()
    world.send(files_of(first, fi))
    engine, layout, at = world.instance.production, world.instance.layout, datetime.now(UTC)
    home = dossiers.dossier(layout, world.key(first))
    taken = world.claim(home.sealed(), at)
    made = world.verified(taken, at)
    with writing(engine) as connection:
        submissions.record_reception(connection, taken, made.outcome, made.files, at)
        again = claims.reread(connection, taken)
        assert again is not None
        quarantine.record_quarantined(connection, again, "stopped the worker", at)
    dossiers.move_to(layout, world.key(first), layout.quarantine)
    world.send(files_of(second, fi))
    world.work()
    with writing(engine) as connection:
        quarantine.retry(connection, taken.id, at)
    dossiers.move_to(layout, world.key(first), layout.sealed)
    until_idle(world, world.worker())
    assert (world.receipts(first), world.receipts(second)) == ([RECEIVED], [["133"]])
    with reading(engine) as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM training_right").scalar() == 1
    accepted = [world.report(stem).accepted or 0 for stem in (first, second)]
    assert sum(accepted) == 1
