"""Handing over: whole or not at all, once, fair, and for as long as it takes."""

from __future__ import annotations

import json
import os
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from batch.dispatch.destination import Destination
from batch.dispatch.process import destinations
from batch.identifiers import EnterpriseNumber
from batch.registers import Quality
from batch.states import Stage
from batch.storage import handover, handover_rows, quarantine, submissions
from batch.storage.database import writing
from batch.storage.registers_admin import NewChannel, RegistersAdmin
from fixtures import services
from fixtures.services import form, message
from tests.declarations import CLIENTS, EMPLOYER, person
from tests.integration.storage.conftest import MakeWorld
from tests.integration.storage.world import SENDER, World, files_of, killed_at, new_stem, pki

SERVICE = {
    "codes": ["DIMN"],
    "root": "DIMONA",
    "schemas": {"DIMONA_20261.xsd": "schemas/dimona.xsd"},
    "directory": "handed/dimona",
}


@pytest.fixture
def world(make_world: MakeWorld) -> World:
    """Its employer may send to a service that judges elsewhere."""
    return served(make_world)


def served(make_world: MakeWorld, **changes: object) -> World:
    made = make_world(services={"DIMONA": {**SERVICE, **changes}})
    services.bring(made.settings.data)
    RegistersAdmin(made.instance.production).grant(SENDER, "DIMONA", datetime.now(UTC))
    return made


def send(world: World, number: int) -> str:
    """One set, answered, and so due; its stem."""
    stem = new_stem().replace("FLAD", "DIMN")
    world.send(files_of(stem, message("DIMN", form(EMPLOYER, person(930_000 + number)))))
    world.sweep()
    world.work()
    assert world.receipts(stem) == [[]]
    assert world.report(stem).state == Stage.ANSWERED
    return stem


def send_by_another(world: World) -> str:
    """One set of a second channel, which is opened for it, answered like the others."""
    admin = RegistersAdmin(world.instance.production)
    other = EnterpriseNumber(CLIENTS[0])
    admin.add_enterprise(other, "Secretariat", None, datetime.now(UTC))
    keys = (pki("mandatary.ssh.pub"), pki("mandatary.pem"))
    wanted = NewChannel(other, Quality.SOCIAL_SECRETARIAT, "other", *keys, ("DIMONA",))
    sender = admin.open_channel(wanted, datetime.now(UTC)).sender
    stem = new_stem(sender=str(sender)).replace("FLAD", "DIMN")
    files = files_of(stem, message("DIMN", form(EMPLOYER, person(930_100))), "mandatary")
    for name, content in files.items():
        upload = world.instance.spool.sender(sender).begin(
            world.key(stem).folder, name, keep=False, limit=10**6
        )
        upload.write(0, content)
        upload.publish()
    world.work()
    return stem


def destination(world: World) -> Destination:
    [found] = list(destinations(world.instance, threading.Event()))
    return found


def place(world: World) -> Path:
    return world.settings.data / "handed" / "dimona"


def delivered(world: World, stem: str) -> bool:
    found = world.report(stem).delivery
    assert found is not None
    return found.delivered_at is not None


def test_what_is_due_is_handed_over_once(world: World) -> None:
    stem = send(world, 1)
    assert not delivered(world, stem)
    assert destination(world).run_once()
    assert delivered(world, stem)
    assert not destination(world).run_once()
    assert os.listdir(place(world)) == [world.report(stem).ticket]
    assert [e.what for e in world.report(stem).events][-1] == "delivered"


def test_killed_at_any_point_it_is_there_whole_and_once(make_world: MakeWorld) -> None:
    """A kill after the rename and before the commit hands over the same name again: it is there."""
    point = 0
    while True:
        point += 1
        world = served(make_world)
        stem = send(world, point)
        one = destination(world)
        if not killed_at(point, one.run_once):
            break
        finished = [n for n in os.listdir(place(world)) if not n.startswith(".")]
        if finished:
            _whole(world, stem)
        destination(world).run_once()
        assert delivered(world, stem)
        _whole(world, stem)
        assert len(os.listdir(place(world))) == 1, "what a kill left is gone"
    assert point > 5


def _whole(world: World, stem: str) -> None:
    ticket = world.report(stem).ticket
    told = json.loads((place(world) / ticket / handover.MANIFEST).read_text("utf-8"))
    assert [f["name"] for f in told["files"]] == [f"FI.{stem}.1.1", f"FS.{stem}.1.1"]
    for file in told["files"]:
        assert (place(world) / ticket / file["name"]).stat().st_size == file["size"]


def test_a_directory_that_is_not_there_is_not_made(world: World) -> None:
    """It may be a disk that is not mounted: what was put there would be covered later."""
    stem = send(world, 1)
    place(world).rmdir()
    assert not destination(world).run_once()
    assert not place(world).exists()
    found = world.report(stem).delivery
    assert found is not None
    assert (found.attempts, "there is no such directory" in str(found.problem)) == (1, True)
    place(world).mkdir()
    destination(world).run_once()
    assert delivered(world, stem)
    assert world.report(stem).delivery != found


def test_damaged_bytes_and_a_stranger_with_its_name_are_not_handed_over(world: World) -> None:
    stem = send(world, 1)
    ticket = world.report(stem).ticket
    (place(world) / ticket).mkdir()
    (place(world) / ticket / "theirs").write_bytes(b"")
    destination(world).run_once()
    assert "another set has this ticket" in _problem(world, stem)
    (place(world) / ticket / "theirs").unlink()
    (place(world) / ticket).rmdir()
    sealed = world.instance.layout.arch / str(world.key(stem)) / f"FI.{stem}.1.1"
    sealed.chmod(0o600)
    sealed.write_bytes(b"<DIMONA/>")
    destination(world).run_once()
    assert "is not what was sealed" in _problem(world, stem)
    assert [n for n in os.listdir(place(world)) if not n.startswith(".")] == []


def _problem(world: World, stem: str) -> str:
    found = world.report(stem).delivery
    assert found is not None
    return str(found.problem)


def test_a_reason_is_told_where_the_system_has_no_word_for_it(world: World) -> None:
    stem = send(world, 1)
    (place(world) / f".{world.report(stem).ticket}.x").symlink_to("/")
    destination(world).run_once()
    assert "symbolic link" in _problem(world, stem)


def test_a_full_channel_holds_no_other_up(world: World) -> None:
    """By counts: the one set of another channel goes with the first of many."""
    many = [send(world, n) for n in range(1, 6)]
    stem = send_by_another(world)
    destination(world).run_once()
    assert [delivered(world, each) for each in (*many, stem)] == [True, *[False] * 4, True]


def test_a_service_that_left_the_settings_keeps_its_sets(world: World) -> None:
    stem = send(world, 1)
    waiting = handover_rows.waiting(world.instance.production, "DIMONA")
    assert (waiting.sets, waiting.problem) == (1, None)
    assert not delivered(world, stem)
    assert world.restart() == []
    world.settings = world.settings.model_copy(update={"services": {}})
    [told] = world.restart()
    assert told == "sets that wait for DIMONA, which has no destination in the settings: 1"


def test_what_an_operator_gave_up_is_not_handed_over(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was received well and could not be put down: its forms are refused with 430."""
    stem = new_stem().replace("FLAD", "DIMN")
    world.send(files_of(stem, message("DIMN", form(EMPLOYER, person(930_200)))))
    monkeypatch.setattr(submissions, "record_handover", lambda *_, **__: 1 // 0)
    for _ in range(4):
        world.work()
    monkeypatch.undo()
    report = world.report(stem)
    assert report.state == Stage.QUARANTINED
    with writing(world.instance.production) as connection:
        assert quarantine.refuse(connection, report.id, datetime.now(UTC))
    world.work()
    assert len(world.notifications(stem)) == 1
    assert (world.report(stem).verdict, world.report(stem).delivery) == ("every form refused", None)
