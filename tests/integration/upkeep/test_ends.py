"""What ends is warned of once for each threshold, and shown."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from urllib.request import urlopen

import pytest
from rich.console import Console

from batch.cli import output, rollover
from batch.cli.main import run
from batch.storage import ends
from batch.storage.database import reading
from batch.storage.instance import Instance
from batch.storage.registers import Registers
from batch.upkeep import metrics
from batch.upkeep.metrics import Measured
from batch.upkeep.process import Upkeep
from tests.integration.storage.world import SENDER, World
from tests.integration.upkeep.places import free_port
from tests.integration.upkeep.told import Told


def warned(world: World, at: datetime) -> list[tuple[str, int]]:
    """As after a restart: nothing is remembered but in the database."""
    fresh = Instance(world.settings)
    return [(end.mark, days) for end, days in ends.warn(fresh, at)]


def gap(world: World) -> datetime:
    channel = Registers(world.instance.production).channel(SENDER)
    assert channel is not None
    found = channel.first_gap(datetime.now(UTC))
    assert found is not None
    return found


def test_each_threshold_is_told_once_also_after_a_restart(world: World) -> None:
    end, mine = gap(world), f"channel {SENDER}"
    told = []
    for days in (100, 89, 88, 31, 29, 28, 6, 5, -1, -2):
        found = warned(world, end - timedelta(days=days))
        told += [(days, limit) for mark, limit in found if mark == mine]
    assert told == [(89, 90), (29, 30), (6, 7), (-1, 0)]


def test_who_comes_late_is_told_the_nearest_only(world: World) -> None:
    at = gap(world) - timedelta(days=3)
    assert (f"channel {SENDER}", 7) in warned(world, at)
    assert warned(world, at) == []


def test_a_renewal_is_warned_of_anew(world: World) -> None:
    told = Told(world)
    end = gap(world)
    assert (f"channel {SENDER}", 0) in warned(world, end + timedelta(days=1))
    told.at = datetime.now(UTC)
    told.register(life=timedelta(days=365 * 300))
    later = gap(world)
    assert later != end
    assert (f"channel {SENDER}", 90) in warned(world, later - timedelta(days=60))


def test_the_institutions_certificate_and_the_trust_end_too(world: World) -> None:
    told = Told(world)
    told.give(told.authority.crl())
    marks = {mark for mark, _ in warned(world, datetime.now(UTC) + timedelta(days=365 * 500))}
    with reading(world.instance.production) as connection:
        kinds = connection.exec_driver_sql("SELECT kind, fingerprint FROM trust").all()
    assert len(kinds) == 3
    assert {mark for _, mark in kinds} < marks
    assert len(marks) == 5  # and the channel, and the institution


def test_a_list_for_a_week_is_warned_of_at_its_end_and_not_when_another_follows(
    world: World,
) -> None:
    told = Told(world)
    told.give(told.authority.crl())
    now = datetime.now(UTC)
    assert not [e for e in ends.warn(world.instance, now) if e[0].life]
    told.give(told.authority.crl(begins=now + timedelta(days=1)))
    assert not [e for e in ends.warn(world.instance, now + timedelta(days=7.5)) if e[0].life]
    assert [e for e in ends.warn(world.instance, now + timedelta(days=9)) if e[0].life]


def test_the_commands_say_how_many_days_are_left(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    told = Told(world)
    told.give(told.authority.crl())
    document = []
    for words in (["channel", "list"], ["channel", "show", str(SENDER)], ["trust", "list"]):
        with pytest.raises(SystemExit) as ended:
            run(["--data", str(world.settings.data), *words, "--json"])
        assert not ended.value.code
        document.append(json.loads(capsys.readouterr().out))
    [listed], shown, trust = document
    left = (gap(world) - datetime.now(UTC)).days
    assert listed["certificate_days_left"] == shown["certificate_days_left"] == left
    assert listed["certificate_warning"] is None
    assert [entry["days_left"] for entry in trust][2] == 6
    assert all(entry["ends_at"] for entry in trust)


def test_what_is_measured_names_nobody(world: World) -> None:
    told = Told(world)
    told.register("http://127.0.0.1:1/ca.crl")
    fetcher = told.fetcher()
    fetcher.look()
    told.send()
    told.world.work()
    port = free_port()
    metrics.serve(world.instance, fetcher, port)
    with urlopen(f"http://127.0.0.1:{port}/metrics") as page:
        text = page.read().decode()
    for line in (
        "fla_batch_up 1.0",
        "fla_batch_sets_sealed 1.0",
        "fla_batch_sets_undecided 1.0",
        "fla_batch_sets_quarantined 0.0",
        "fla_batch_answers_not_shown 0.0",
        'fla_batch_revocation_source_away{kind="CRL",url="http://127.0.0.1:1/ca.crl"} 1.0',
    ):
        assert f"\n{line}\n" in text, line
    assert f'fla_batch_certificate_days{{sender="{SENDER}"}} ' in text
    assert "Told" not in text
    assert "CN=" not in text


def test_a_database_that_is_away_is_told_as_such(world: World) -> None:
    measured = Measured(world.instance, Told(world).fetcher())
    world.instance.production_path.rename(world.instance.production_path.with_suffix(".away"))
    world.instance.production.dispose()
    found = list(measured.collect())
    assert [(m.name, m.samples[0].value) for m in found] == [("fla_batch_up", 0.0)]


def test_a_turn_waits_for_a_database_that_is_away_with_one_line(
    world: World, capfd: pytest.CaptureFixture[str]
) -> None:
    upkeep = Upkeep(world.instance, Told(world).fetcher())
    place = world.instance.production_path
    world.instance.production.dispose()
    place.rename(place.with_suffix(".away"))
    for _ in range(3):
        upkeep.turn()
    place.with_suffix(".away").rename(place)
    for _ in range(2):
        upkeep.turn()
    said = capfd.readouterr().err
    assert (said.count('"problem"'), said.count('"mended"')) == (1, 1)


def test_a_near_end_has_its_colour_on_a_terminal_only(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    facts = {"certificate_days_left": 5, "certificate_warning": 7}
    cell = rollover.coloured(facts, "certificate_days_left")
    assert rollover.coloured(facts | {"certificate_warning": None}, "certificate_days_left") is None
    for terminal in (True, False):
        shown = Console(force_terminal=terminal, width=80)
        monkeypatch.setattr(output, "console", shown)
        output.table("Channels", ["days"], [[cell]])
        assert ("\x1b[1;31m" in capsys.readouterr().out) is terminal
