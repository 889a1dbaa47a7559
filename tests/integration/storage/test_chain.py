"""The chain of verdicts on a real database: no gap, no fork, no verdict without its link."""

from __future__ import annotations

import json
import multiprocessing
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy.exc import IntegrityError

from batch.evidence.links import Link
from batch.names import Folder
from batch.storage import audit, chain, quarantine
from batch.storage.database import engine_for, part, reading, writing
from batch.worker.heads import DAY, Heads
from tests.integration.storage.conftest import MakeWorld
from tests.integration.storage.world import World, files_of, killed_at, new_fi, new_stem

NOW = datetime.now(UTC)


def links(world: World, *, test: bool = False) -> list[Link]:
    engine = world.instance.test if test else world.instance.production
    with reading(engine) as connection:
        rows = connection.exec_driver_sql(
            "SELECT position, before, body, digest FROM link ORDER BY position"
        )
        return [Link(*row) for row in rows]


def states(world: World, *, test: bool = False) -> list[str]:
    return [one.document()["state"] for one in links(world, test=test)[1:]]


def walked(world: World, *heads: str) -> audit.Walked:
    return audit.walk(world.instance.production, "production", heads)


def broken(world: World) -> tuple[int, str | None, str] | None:
    found = walked(world).broken
    return None if found is None else (found.position, found.stem, found.words)


def test_every_verdict_is_a_link_of_its_own_database(world: World) -> None:
    world.send_new()
    world.send(files_of(new_stem(), new_fi(), "mandatary"))
    world.send_new("T")
    world.send_new("S")
    world.work()
    assert Counter(states(world)) == {"verified": 1, "ingested": 1, "refused": 1}
    assert Counter(states(world, test=True)) == {"verified": 2, "ingested": 2}
    ids = {links(world, test=test)[0].document()["id"] for test in (False, True)}
    assert len(ids) == 2
    assert broken(world) is None
    assert audit.walk(world.instance.test, "test").broken is None
    [refused] = [one for one in links(world)[1:] if one.document()["state"] == "refused"]
    assert refused.document()["codes"] == ["ACRF-153"]
    assert len(refused.document()["proofs"]) == 1


def test_what_a_proof_names_is_kept_and_cannot_be_deleted(world: World) -> None:
    stem = world.send_new()
    world.send_new()
    world.work()
    with reading(world.instance.production) as connection:
        [first, _] = connection.exec_driver_sql("SELECT grounds, body FROM proof").all()
        grounds = connection.exec_driver_sql("SELECT sha256, body FROM grounds").all()
        kept = set(connection.exec_driver_sql("SELECT sha256 FROM material").scalars())
    body = json.loads(first.body)
    assert [row.sha256 for row in grounds] == [first.grounds] == [body["grounds"]]
    assert {body["certificate"], *body["chain"]} <= kept
    assert (body["verdict"], body["data"]["name"]) == ("signed", f"FI.{stem}.1.1")
    for table in ("material", "grounds", "submission"):
        with pytest.raises(IntegrityError), writing(world.instance.production) as connection:
            connection.exec_driver_sql(f"DELETE FROM {table}")


def test_of_a_simulation_no_proof_is_kept(world: World) -> None:
    world.send(files_of(new_stem("S"), new_fi()), Folder.INTEST)
    world.work()
    with reading(world.instance.test) as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM proof").scalar() == 0


def test_a_part_that_is_undone_leaves_no_gap(world: World) -> None:
    """As in a batch of sets: what fails for one is that one's alone."""
    taken = [world.claim(world.manifest(world.send_new()), NOW) for _ in range(5)]
    with writing(world.instance.production) as connection:
        for number, one in enumerate(taken):
            try:
                with part(connection):
                    chain.add(connection, one, "verified", NOW)
                    if number in (0, 2, 4):
                        raise RuntimeError("of this set alone")
            except RuntimeError:
                continue
    assert [one.position for one in links(world)] == [0, 1, 2]
    assert broken(world) is None


def _appends(path: Path, submission_id: int, count: int) -> None:
    engine = engine_for(path)
    for _ in range(count):
        with writing(engine) as connection:
            chain.add_given_up(connection, submission_id, NOW)


def test_two_processes_that_write_at_once_make_one_chain(world: World) -> None:
    taken = world.claim(world.manifest(world.send_new()), NOW)
    arguments = (world.instance.production_path, taken.id, 40)
    spawn = multiprocessing.get_context("spawn")
    both = [spawn.Process(target=_appends, args=arguments) for _ in range(2)]
    for process in both:
        process.start()
    for process in both:
        process.join(60)
    assert [process.exitcode for process in both] == [0, 0]
    assert [one.position for one in links(world)] == list(range(81))
    assert broken(world) is None


def test_a_second_link_at_a_position_is_refused_by_the_database(world: World) -> None:
    """What keeps the chain whole on a database that lets writers run side by side."""
    world.send_new()
    world.work()
    last = links(world)[-1]
    with pytest.raises(IntegrityError), writing(world.instance.production) as connection:
        chain._insert(connection, 1, Link(last.position, last.before, "{}", "0" * 64))


def test_a_kill_anywhere_leaves_verdict_answer_proof_and_link_or_none(
    make_world: MakeWorld,
) -> None:
    """Killed before each change of disk and database of one set's way to its end."""
    for point in range(1, 400, 7):
        world = make_world()
        stem = world.send_new()
        done = not killed_at(point, world.work)
        with reading(world.instance.production) as connection:
            counts = [
                connection.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar()
                for table in ("answer", "link", "proof")
            ]
        assert counts in ([0, 0, 0], [1, 2, 1], [2, 3, 1])
        assert broken(world) is None
        world.restart()
        world.work()
        assert states(world) == ["verified", "ingested"]
        assert broken(world) is None
        assert len(world.receipts(stem)) == 1
        if done:
            return
    raise AssertionError("the way of one set has more changes than this")


def _both(world: World) -> tuple[str, str]:
    """Two sets that were answered; their links are at 1 to 4."""
    stems = world.send_new(), world.send_new()
    world.work()
    return stems


TAMPERED: dict[str, tuple[tuple[str, ...], int, str]] = {
    "a body": (("UPDATE link SET body = replace(body, 'R', 'X') WHERE position = 2",), 2, "digest"),
    "a digest": (("UPDATE link SET digest = 'x' WHERE position = 3",), 3, "digest"),
    "a link is gone": (("DELETE FROM link WHERE position = 2",), 2, "no link is here"),
    "the first is gone": (("DELETE FROM link WHERE position = 0",), 0, "no link is here"),
    "the last is gone": (("DELETE FROM link WHERE position = 4",), 4, "no link tells"),
    "all are gone": (("DELETE FROM link",), 0, "no chain"),
    "an answer": (("UPDATE answer SET sha256 = 'x' WHERE id = 1",), 1, "other bytes"),
    "an answer's FS": (
        ("UPDATE answer SET signature_sha256 = 'x' WHERE id = 4",),
        4,
        "other bytes",
    ),
    "an answer is gone": (("DELETE FROM answer WHERE id = 2",), 2, "not there any more"),
    "a proof": (("UPDATE proof SET body = '{}'",), 1, "judged by"),
    "a finding more": (
        ("INSERT INTO finding (submission_id, error_id, severity) VALUES (1, 'ACRF-125', 'B')",),
        1,
        "other codes",
    ),
    "a ticket": (("UPDATE submission SET ticket = 'x' WHERE id = 2",), 2, "another ticket"),
    "two change places": (
        (
            "UPDATE link SET position = 9 WHERE position = 2",
            "UPDATE link SET position = 2 WHERE position = 3",
            "UPDATE link SET position = 3 WHERE position = 9",
        ),
        2,
        "does not follow",
    ),
}


@pytest.mark.parametrize("what", TAMPERED)
def test_the_first_break_is_told_by_position_and_stem(world: World, what: str) -> None:
    stems = _both(world)
    statements, position, words = TAMPERED[what]
    assert broken(world) is None
    with writing(world.instance.production) as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)
    found = broken(world)
    assert found is not None
    assert (found[0], words in found[2]) == (position, True), found
    assert found[1] in (None, *stems)


def test_a_chain_made_anew_is_whole_and_lacks_the_head_that_was_noted(world: World) -> None:
    """What a chain beside its rows cannot show: see docs/audit.md."""
    _both(world)
    noted = links(world)[-1].digest
    assert walked(world, noted, "0" * 64).heads == (noted,)
    with writing(world.instance.production) as connection:
        connection.exec_driver_sql("DELETE FROM link WHERE position = 4")
        connection.exec_driver_sql("DELETE FROM answer WHERE id = 4")
    assert (broken(world), walked(world, noted).heads) == (None, ())


def test_answers_from_before_there_was_a_chain_are_no_break(world: World) -> None:
    _both(world)
    with writing(world.instance.production) as connection:
        for table in ("link", "proof"):
            connection.exec_driver_sql(f"DELETE FROM {table}")
    assert broken(world) is None
    world.send_new()
    world.work()
    assert (len(links(world)), broken(world)) == (3, None)


def test_more_links_than_a_portion_are_walked(world: World) -> None:
    taken = world.claim(world.manifest(world.send_new()), NOW)
    with writing(world.instance.production) as connection:
        for _ in range(2 * audit.PORTION + 1):
            chain.add(connection, taken, "quarantined", NOW)
    assert walked(world).links == 2 * audit.PORTION + 2
    engine = world.instance.production
    positions = [line.position for line in audit.lines(engine, "production")]
    assert positions == list(range(2 * audit.PORTION + 2))
    newest = [line.position for line in audit.latest(engine, "production", 3)]
    assert newest == positions[:-4:-1]


def test_the_heads_are_told_at_the_start_and_once_a_day(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    _both(world)
    now = [0.0]
    heads = Heads(world.instance, lambda: now[0])
    capsys.readouterr()
    for at in (0.0, 1.0, DAY - 1, DAY, DAY + 1):
        now[0] = at
        heads.tell()
    told = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [line["event"] for line in told] == ["chain_head"] * 2
    head = links(world)[-1]
    assert (told[0]["position"], told[0]["digest"].replace(":", "")) == (4, head.digest)


def test_an_operators_last_word_is_a_link(world: World) -> None:
    stem = world.send_new()
    taken = world.claim(world.manifest(stem), NOW)
    engine = world.instance.production
    with writing(engine) as connection:
        quarantine.record_quarantined(connection, taken, "stopped the worker", NOW)
    with writing(engine) as connection:
        assert quarantine.refuse(connection, taken.id, NOW)
        assert not quarantine.refuse(connection, taken.id, NOW)
    world.work()
    assert states(world) == ["quarantined", "given up", "refused"]
    assert broken(world) is None
