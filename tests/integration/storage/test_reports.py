"""What an operator is told of sets, read from a real database."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime

import pytest

from batch.names import Folder
from batch.storage import reports
from tests.integration.storage.world import World, files_of, new_fi, new_stem


def test_the_latest_sets_come_first_with_their_codes(world: World) -> None:
    right, wrong = world.send_new(), new_stem()
    world.send(files_of(wrong, new_fi(), "mandatary"))
    world.work()
    found = reports.lines(world.instance.production, 10)
    assert [line.stem for line in found] == [wrong, right]
    assert [line.codes for line in found] == [("ACRF-153",), ()]
    assert [(line.state, line.accepted) for line in found] == [("answered", None), ("answered", 1)]
    assert [line.stem for line in reports.lines(world.instance.production, 1)] == [wrong]
    assert reports.lines(world.instance.production, 10, only_problems=True) == []


def test_every_content_of_a_stem_is_reported_with_its_answers_and_events(world: World) -> None:
    stem = world.send_new()
    world.work()
    world.send(files_of(stem, new_fi()))
    world.work()
    first, second = reports.reports(world.instance.production, stem)
    assert (first.ordinal, second.ordinal) == (1, 2)
    assert [f.error_id for f in second.findings] == ["ACRF-133"]
    assert [e.what for e in first.events] == ["sealed", "verified", "ingested", "answered"]
    assert [e.what for e in second.events] == ["sealed", "refused", "answered"]
    out = world.bytes_in(Folder.OUT)
    for shown in (*first.answers, *second.answers):
        assert hashlib.sha256(out[shown.name]).hexdigest() == shown.sha256
        assert shown.size == len(out[shown.name])
        assert shown.emitted_at is not None
        assert shown.decided_at <= shown.emitted_at <= datetime.now(UTC)


@pytest.mark.parametrize("name", ["FI.{}.1.1", "GO.{}.1", "FS.{}", "{}"])
def test_a_stem_may_be_given_by_any_name_of_its_set(name: str) -> None:
    stem = new_stem()
    assert reports.stem_of(name.format(stem)) == stem


def test_an_unknown_stem_has_no_report(world: World) -> None:
    assert reports.reports(world.instance.production, "none") == []
