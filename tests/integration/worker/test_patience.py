"""A set whose revocation cannot be known yet: it waits, for nobody's harm, and that has an end."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from batch.names import Folder
from batch.states import Stage
from batch.storage import quarantine, revocations
from batch.storage.database import reading, writing
from batch.worker.loop import Worker
from batch.worker.patience import FEWEST_LOOKS, FIRST_SECONDS, LONGEST_SECONDS, Patience
from tests.integration.storage.conftest import MakeWorld
from tests.integration.storage.world import RECEIVED, SENDER, World, killed_at
from tests.integration.upkeep.told import Told

NOWHERE = "http://127.0.0.1:1/ca.crl"


@pytest.fixture
def told(world: World) -> Told:
    made = Told(world)
    made.register(NOWHERE)
    return made


def impatient(worker: Worker) -> None:
    """The next look comes at once."""
    worker._not_before.clear()


def test_it_waits_and_says_for_what_and_since_when(told: Told) -> None:
    stem = told.send()
    told.world.work()
    report = told.world.report(stem)
    assert (report.verdict, report.state, report.attempt) == ("undecided", Stage.SEALED, 0)
    assert NOWHERE in (report.problem or "")
    assert f"waits since {report.undecided_since:%Y-%m-%d %H:%M} UTC" in (report.problem or "")
    assert [e.what for e in report.events] == ["sealed", "undecided"]
    assert told.world.receipts_if_complete(stem) == []


def test_a_test_is_answered_at_once_and_warned(told: Told) -> None:
    stem = told.send(folder=Folder.INTEST)
    told.world.work()
    report = told.world.report(stem, test=True)
    assert (report.verdict, report.undecided_since) == ("accepted", None)
    (finding,) = report.findings
    assert (finding.error_id, finding.severity, finding.cause) == ("ACRF-153", "W", "undecided")
    assert NOWHERE in (finding.explanation or "")
    assert told.world.receipts(stem, Folder.OUTTEST) == [RECEIVED]


def test_it_keeps_its_first_instant_and_no_look_is_an_attempt(told: Told) -> None:
    stem, worker = told.send(), told.world.worker()
    worker.run_until_idle()
    first = told.world.report(stem).undecided_since
    for _ in range(told.world.settings.max_attempts + 2):
        impatient(worker)
        worker.run_until_idle()
    report = told.world.report(stem)
    assert (report.undecided_since, report.attempt) == (first, 0)
    assert [e.what for e in report.events] == ["sealed", "undecided"]


def test_a_list_given_by_hand_decides_it_at_once(told: Told) -> None:
    stem, worker = told.send(), told.world.worker()
    worker.run_until_idle()
    for key in worker._not_before:
        worker._not_before[key] += 600  # this machine may be slow
    assert worker.run_once() == 0, "it pauses"
    told.give(told.authority.crl())
    worker.run_until_idle()
    report = told.world.report(stem)
    assert told.world.receipts(stem) == [RECEIVED]
    assert (report.verdict, report.undecided_since, report.problem) == ("accepted", None, None)


@pytest.mark.shows("ACRF-153")
def test_a_certificate_that_is_on_the_list_is_refused_in_words(told: Told) -> None:
    stem = told.send()
    told.world.work()
    told.give(told.authority.crl(told.signer))
    told.world.work()
    assert told.world.receipts(stem) == [["153"]]
    [found] = told.world.report(stem).findings
    assert "was revoked on" in (found.explanation or "")


def test_it_is_judged_at_its_own_instant_however_late(told: Told) -> None:
    """Revoked after it was sealed: it was signed by who could sign."""
    stem = told.send()
    told.world.work()
    later = datetime.now(UTC) + timedelta(days=3)
    told.give(told.authority.crl(told.signer, begins=later))  # since two days from now
    told.world.work()
    assert told.world.receipts(stem) == [RECEIVED]


def test_others_do_not_wait_for_it(told: Told) -> None:
    stuck, worker = told.send(), told.world.worker()
    for _ in range(3):
        worker.run_until_idle()
        assert told.world.receipts(told.world.send_new()) == []
        impatient(worker)
        worker.run_until_idle()
    assert told.world.report(stuck).verdict == "undecided"
    assert len(told.world.notifications("")) == 3


def test_it_goes_to_quarantine_after_its_time_with_one_alarm_and_comes_back(
    make_world: MakeWorld, capfd: pytest.CaptureFixture[str]
) -> None:
    told = Told(make_world(undecided_hours=1))
    told.register(NOWHERE)
    stem, worker = told.send(), told.world.worker()
    late = datetime.now(UTC) + timedelta(hours=2)
    for _ in range(FEWEST_LOOKS - 1):
        worker.run_until_idle()
        assert told.world.report(stem).state == Stage.SEALED
        impatient(worker)
        worker.clock = lambda: late
    worker.run_until_idle()
    report = told.world.report(stem)
    assert (report.state, report.verdict) == (Stage.QUARANTINED, "technical")
    for words in (NOWHERE, "undecided since", "trust add", f"submission retry {stem}"):
        assert words in (report.problem or "")
    alarms = [line for line in capfd.readouterr().err.splitlines() if '"quarantined"' in line]
    assert len(alarms) == 1
    assert '"level": "error"' in alarms[0]
    assert told.world.receipts_if_complete(stem) == []

    told.give(told.authority.crl())
    with writing(told.world.instance.production) as connection:
        assert quarantine.retry(connection, report.id, datetime.now(UTC))
    told.world.work()
    assert told.world.receipts(stem) == [RECEIVED]


def test_a_stop_at_any_moment_loses_neither_the_set_nor_its_instant(told: Told) -> None:
    stem, point = told.send(), 1
    while killed_at(point, told.world.work):
        told.world.restart()
        point += 1
    since = told.world.report(stem).undecided_since
    assert point > 2
    assert since is not None
    told.world.restart()
    told.world.work()
    assert told.world.report(stem).undecided_since == since
    Told.give(told, told.authority.crl())
    told.world.work()
    assert told.world.receipts(stem) == [RECEIVED]


def test_pauses_grow_to_a_bound_and_never_past_the_end(told: Told) -> None:
    told.send()
    sealed = told.world.sealed()
    [key] = [told.world.key(name.split("~")[0].split(".", 2)[2]) for name in sealed]
    taken = told.world.claim(told.world.manifest(key.stem), datetime.now(UTC))
    at = datetime.now(UTC)
    patience = Patience(told.world.instance.production, hours=24)
    pauses = [patience.pause(taken, at) for _ in range(12)]
    assert pauses[:4] == [FIRST_SECONDS * 2**n for n in range(4)]
    assert pauses[-1] == LONGEST_SECONDS
    short = Patience(told.world.instance.production, hours=0.01)
    assert max(short.pause(taken, at) for _ in range(12)) == pytest.approx(36)


def test_an_answer_about_another_channel_wakes_nobody_here(told: Told) -> None:
    engine = told.world.instance.production
    before = revocations.mark(engine)
    with writing(engine) as connection:
        for number, about in enumerate((told_fingerprint(told), "f" * 64)):
            connection.exec_driver_sql(
                "INSERT INTO revocation (kind, source, certificate, sha256, this_update, "
                "obtained_at, der) VALUES ('OCSP', 'x', ?, ?, '2026-01-01T00:00:00.000000Z', "
                "'2026-01-01T00:00:00.000000Z', x'00')",
                (about, str(number)),
            )
    news = revocations.news(engine, before)
    assert (news.senders, news.everyone) == (
        frozenset({str(SENDER)}),
        True,
    )  # an unknown one: a CA's
    first = revocations.news(engine, (before[0], before[1] + 1))
    assert (first.senders, first.everyone) == (frozenset(), True)


def told_fingerprint(told: Told) -> str:
    with reading(told.world.instance.production) as connection:
        query = "SELECT fingerprint FROM channel_certificate ORDER BY id DESC LIMIT 1"
        return str(connection.exec_driver_sql(query).scalar())
