"""The FLA service on a real database: what it judges, stores, and shows of an account."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, func, select

from batch.cli.output import plain
from batch.fla.account import Window, account_of, balances
from batch.fla.ledger import AccountKey, Wanted
from batch.fla.service import CHUNK, fla_service
from batch.identifiers import EnterpriseNumber, Inss, NssoNumber
from batch.ingest.plain import forms
from batch.ingest.services import ContentFacts, FormVerdict, Service
from batch.names import Environment
from batch.registers import Enterprise, Standing
from batch.settings import Settings
from batch.storage.accounts import AccountStatement, show
from batch.storage.database import engine_for, reading, trying, writing
from batch.storage.ledger import SqlLedger
from batch.storage.ledger_tables import fla_sequence, ledger_object, training, training_right
from batch.storage.schema import metadata
from tests import declarations
from tests.declarations import CLIENTS, EMPLOYER, PERSONS

NOW = datetime(2026, 1, 20, 9, 0, tzinfo=UTC)
SETTINGS = Settings()
PART = "FI.FLAD.000001.20260120.00001.R.1.1"
NSSO = NssoNumber.parse("199999934")


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    made = engine_for(tmp_path / "ledger.sqlite", create=True)
    with writing(made) as connection:
        metadata.create_all(connection)
    yield made
    made.dispose()


def facts(submission: int = 1, at: datetime = NOW) -> ContentFacts:
    """The register knows one employer; all may be spoken for but those of CLIENTS."""
    known = Enterprise(EnterpriseNumber.parse(EMPLOYER), "Acme", NSSO)
    standings = dict(zip(CLIENTS, list(Standing)[1:], strict=True))
    return ContentFacts(
        at=at,
        environment=Environment.PRODUCTION,
        submission=submission,
        employer=lambda number: known if number == known.number else None,
        speaks=lambda number: standings.get(str(number), Standing.MAY_SPEAK),
        ticket=lambda n: f"{n:013d}",
    )


def judged(
    connection: Connection, *texts: str, submission: int = 1, at: datetime = NOW
) -> list[FormVerdict]:
    """The verdicts on a declaration of these forms, read as the channel reads it."""
    service: Service = fla_service(SETTINGS, SqlLedger(connection))
    elements = forms([declarations.declaration(*texts)], "Form", service.description.plain)
    return list(service.judge(((PART, e) for e in elements), facts(submission, at)))


def sent(engine: Engine, *texts: str, submission: int = 1, at: datetime = NOW) -> list[FormVerdict]:
    with writing(engine) as connection:
        return judged(connection, *texts, submission=submission, at=at)


def ids(verdict: FormVerdict) -> list[str]:
    return [each.error_id for each in verdict.anomalies]


def result(verdict: FormVerdict) -> dict[str, str]:
    assert verdict.result_name == "FLAResult"
    return {f.attributes[0][1] if f.attributes else f.tag: f.text for f in verdict.result}


def rows(engine: Engine) -> dict[str, list[Any]]:
    """Everything the ledger holds."""
    tables = (ledger_object, training_right, training, fla_sequence)
    with reading(engine) as connection:
        return {t.name: [tuple(r) for r in connection.execute(select(t))] for t in tables}


def statement(
    engine: Engine, person: str = PERSONS[0], *, history: bool = False
) -> AccountStatement:
    with reading(engine) as connection:
        worker, employer = Inss.parse(person), EnterpriseNumber.parse(EMPLOYER)
        return show(connection, worker, employer, SETTINGS, history=history)


def test_a_right_and_a_training_are_stored_and_answered(engine: Engine) -> None:
    right, used = sent(engine, declarations.right("R/1"), declarations.training("T/1"))
    assert (right.accepted, used.accepted) == (True, True)
    assert (str(right.employer), str(right.inss)) == (EMPLOYER, PERSONS[0])
    assert right.nsso == NSSO
    got = result(used)
    assert got["FLAId"].startswith("20260120")
    assert int(got["FLAId"][22:]) == 97 - int(got["FLAId"][:22]) % 97
    del got["FLAId"]
    left = {"LEGAL": "3400", "SECTOR": "0", "EMPLOYER": "0"}
    assert got == {"Version": "1", "RegistrantReference": "T/1", **left}


def test_the_same_file_again_stores_nothing_and_is_answered_the_same(engine: Engine) -> None:
    texts = (declarations.right("R/1"), declarations.training("T/1"))
    first = sent(engine, *texts)
    before = rows(engine)
    assert [v.result for v in sent(engine, *texts[::-1], submission=2)] == [
        first[1].result,
        (*first[0].result[:3], *first[1].result[3:]),
    ]
    assert rows(engine) == before


def test_a_judging_cut_off_before_its_commit_leaves_nothing(engine: Engine) -> None:
    texts = (declarations.right("R/1"), declarations.right_update("R/1", hours=1))
    before = rows(engine)
    with trying(engine) as connection:
        first = judged(connection, *texts)
    assert rows(engine) == before
    assert sent(engine, *texts) == first


def test_versions_keep_what_made_them(engine: Engine) -> None:
    sent(engine, declarations.right("R/1", hours=100))
    update, cancel, gone = sent(
        engine,
        declarations.right_update("R/1", hours=200),
        declarations.cancel("TrainingRightCancel", reference="R/1"),
        declarations.cancel("TrainingRightCancel", reference="R/1"),
        submission=2,
    )
    assert (result(update)["LEGAL"], result(cancel)["LEGAL"]) == ("200", "0")
    assert (result(cancel)["Version"], ids(gone)) == ("3", ["FLA02-241"])
    (right,) = plain(statement(engine, history=True))["rights"]
    assert (right["status"], right["version"], right["hours"]) == ("CANCELLED", 3, 200)
    made = [
        (v["operation"], v["hours"], v["submission"], v["form_ticket"]) for v in right["history"]
    ]
    assert made == [
        ("IN", 100, 1, "0000000000001"),
        ("UPDATE", 200, 2, "0000000000001"),
        ("CANCEL", 200, 2, "0000000000002"),
    ]


def test_an_object_is_found_by_its_fla_id(engine: Engine) -> None:
    (right,) = sent(engine, declarations.right("R/1"))
    number = result(right)["FLAId"]
    other = declarations.cancel("TrainingRightCancel", fla_id=number, inss=PERSONS[1])
    own = declarations.cancel("TrainingRightCancel", fla_id=number)
    refused, done = sent(engine, other, own)
    assert ids(refused) == ["FLA02-234"]
    assert result(done)["FLAId"] == number


@pytest.mark.shows("NOTI-444")
def test_what_changes_nothing_stores_nothing(engine: Engine) -> None:
    sent(engine, declarations.right("R/1"))
    before = rows(engine)
    update, other = sent(
        engine, declarations.right_update("R/1"), declarations.right("R/1", hours=1)
    )
    assert (ids(update), result(update)["Version"]) == (["FLB05-444"], "1")
    assert (ids(other), other.result) == (["FLA01-006"], ())
    assert rows(engine) == before


def test_doubles_are_found_across_files(engine: Engine) -> None:
    sent(engine, declarations.right("R/1"), declarations.training("T/1"))
    right, used = sent(engine, declarations.right("R/2"), declarations.training("T/2"))
    assert (ids(right), right.accepted) == (["FLB01-272"], False)
    assert (ids(used), used.accepted) == (["FLB04-272"], True)


@pytest.mark.parametrize("client", CLIENTS)
def test_who_may_not_speak_learns_nothing_of_the_ledger(engine: Engine, client: str) -> None:
    (verdict,) = sent(engine, declarations.cancel("TrainingCancel", reference="x", employer=client))
    code = {"0477472701": "101", "1000000021": "155", "0999999922": "230"}[client]
    assert ids(verdict) == [f"00014-{code}"]
    assert verdict.nsso is None


def test_a_bad_form_does_not_sink_its_neighbours(engine: Engine) -> None:
    bad = declarations.right("R/2").replace("<TypeForm>SU", "<TypeForm>XX")
    wrong = declarations.training("T/1", starts=date(2025, 11, 12), ends=date(2025, 11, 11))
    first, second, third, fourth = sent(
        engine, declarations.right("R/1"), bad, wrong, declarations.right("R/3", year=2026)
    )
    assert (first.accepted, fourth.accepted) == (True, True)
    assert (ids(second), ids(third)) == (["00297-008"], ["00911-014"])
    assert [a.location for a in (*second.anomalies, *third.anomalies)] == ["1,2,5", "1,3,8,2,5"]
    assert {a.part for a in (*second.anomalies, *third.anomalies)} == {PART}
    assert (str(second.employer), second.nsso) == (EMPLOYER, NSSO)


@pytest.mark.shows("NOTI-047", "NOTI-460")
def test_anomalies_point_at_their_line(engine: Engine) -> None:
    texts = (
        declarations.cancel("TrainingCancel", reference="no"),
        declarations.training("T/1", starts=date(2025, 1, 6)),
    )
    lines = declarations.declaration(*texts).decode().splitlines()
    unknown, late = sent(engine, *texts)
    found = {
        a.error_id: lines[(a.line or 0) - 1].strip() for a in unknown.anomalies + late.anomalies
    }
    assert found["FLA02-234"] == "<RegistrantReference>no</RegistrantReference>"
    assert found["FLB04-460"] == "<TrainingIn>"
    assert "UsedHours" in found["FLA15-047"]
    assert {a.location for a in late.anomalies} == {"1,2,8", "1,2,8,2,8,2"}


def test_forms_are_counted_per_part_and_ticketed_per_set(engine: Engine) -> None:
    one = declarations.declaration(declarations.right("R/1"))
    two = declarations.declaration(
        declarations.right("R/2", inss="1"), declarations.right("R/3", year=2026)
    )
    with writing(engine) as connection:
        service = fla_service(SETTINGS, SqlLedger(connection))
        pairs = ((n, e) for n, fi in (("a", one), ("b", two)) for e in forms([fi], "Form", None))
        _, refused, _ = service.judge(pairs, facts())
    (anomaly,) = refused.anomalies
    assert (anomaly.part, anomaly.location) == ("b", "1,1,7,1")
    tickets = [row[5] for row in sorted(rows(engine)["training_right"])]
    assert tickets == ["0000000000001", "0000000000003"]


def test_what_one_chunk_stores_the_next_finds(engine: Engine) -> None:
    texts = [declarations.right(f"R/{n}", inss=declarations.person(n)) for n in range(CHUNK)]
    texts[0] = declarations.right("R/0", hours=100)
    texts += [declarations.right_update("R/0", hours=200), declarations.right("R/0", hours=100)]
    *_, update, again = sent(engine, *texts)
    assert (result(update)["Version"], result(again)["Version"]) == ("2", "2")
    assert result(update)["LEGAL"] == "200"
    ids_given = [row[0] for row in rows(engine)["ledger_object"]]
    assert len(set(ids_given)) == len(ids_given) == CHUNK


def test_numbers_are_reserved_without_gaps_or_doubles(engine: Engine) -> None:
    with writing(engine) as connection:
        ledger = SqlLedger(connection)
        assert [ledger.reserve(n) for n in (3, 1, 10)] == [1, 4, 5]
    with trying(engine) as connection:
        assert SqlLedger(connection).reserve(1) == 15
    with writing(engine) as connection:
        assert SqlLedger(connection).reserve(1) == 15


OPERATIONS = st.lists(
    st.one_of(
        st.builds(
            declarations.right,
            st.sampled_from(["A", "B"]),
            kind=st.sampled_from(["LEGAL", "EMPLOYER"]),
            year=st.sampled_from([2024, 2025]),
            hours=st.integers(0, 5),
        ),
        st.builds(declarations.right_update, st.sampled_from(["A", "B"]), hours=st.integers(0, 5)),
        st.builds(
            declarations.training,
            st.sampled_from(["B", "C"]),
            starts=st.sampled_from([date(2024, 5, 6), date(2025, 5, 6), date(2026, 5, 6)]),
            status=st.sampled_from(["FOLLOWED", "PLANNED"]),
            hours=st.integers(3, 9),
            counts=st.booleans(),
            uses=st.sampled_from([(), (("LEGAL", 3),), (("EMPLOYER", 1), ("LEGAL", 2))]),
        ),
        st.builds(
            declarations.cancel,
            st.sampled_from(["TrainingRightCancel", "TrainingCancel"]),
            reference=st.sampled_from(["A", "B", "C"]),
        ),
    ),
    max_size=12,
)


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    max_examples=60,
)
@given(OPERATIONS, st.integers(1, 4))
def test_sums_answers_and_objects_agree_whatever_is_sent(
    engine: Engine, operations: list[str], files: int
) -> None:
    """In one file or in several: same answers; the sums are those of the objects that stand."""
    with trying(engine) as connection:
        whole = judged(connection, *operations)
    with trying(engine) as connection:
        size = len(operations) // files + 1
        portions = [operations[n : n + size] for n in range(0, len(operations), size)]
        verdicts = [v for portion in portions for v in judged(connection, *portion)]
        key = AccountKey(EMPLOYER, PERSONS[0])
        named = frozenset((EMPLOYER, reference) for reference in "ABC")
        held = SqlLedger(connection).snapshot(Wanted(references=named, accounts=frozenset({key})))
        counted = connection.execute(select(func.count()).select_from(ledger_object)).scalar_one()
    assert [(ids(v), outcome(v)) for v in verdicts] == [(ids(v), outcome(v)) for v in whole]
    standing = account_of(o.content for o in held.objects if not o.cancelled)
    window = Window(2024, 2028)
    for year in range(2023, 2030):
        stored = held.accounts.get(key, account_of(()))
        assert balances(stored, year, window) == balances(standing, year, window)
    assert counted == len(held.objects)


def outcome(verdict: FormVerdict) -> list[tuple[str, object]]:
    return [(f.tag, f.text) for f in verdict.result if f.tag != "FLAId"]


def test_a_statement_shows_each_object_once_and_what_is_left(engine: Engine) -> None:
    texts = (
        declarations.right("R/1", year=2024, hours=1000),
        declarations.right("R/2", hours=3800),
        declarations.training("T/1"),
        declarations.training("T/2", name="Planned", status="PLANNED", uses=()),
        declarations.right("R/9", inss=PERSONS[1]),
    )
    sent(engine, *texts)
    document = plain(statement(engine))
    assert document["employer"] == EMPLOYER
    assert [r["reference"] for r in document["rights"]] == ["R/1", "R/2"]
    assert [(t["reference"], t["status"]) for t in document["trainings"]] == [
        ("T/1", "FOLLOWED"),
        ("T/2", "PLANNED"),
    ]
    (used, _) = document["trainings"]
    assert used["uses"] == [{"type": "LEGAL", "hours": 400}]
    assert (used["starting_date"], used["year"]) == ("2025-11-12", 2025)
    assert not any("history" in each for each in document["rights"] + document["trainings"])
    left = {(r["year"], r["type"]): r["hours"] for r in document["remaining"]}
    assert [left[year, "LEGAL"] for year in range(2024, 2029)] == [1000, 4400, 4400, 4400, 4400]
    assert left[2025, "SECTOR"] == 0
    nobody = statement(engine, PERSONS[2])
    assert (nobody.rights, nobody.trainings, nobody.remaining) == ((), (), ())


def test_ten_thousand_forms_with_three_broken(engine: Engine) -> None:
    texts = [declarations.right(f"R/{n}", inss=declarations.person(n)) for n in range(10_000)]
    texts[17] = texts[17].replace("<CalendarYear>2025", "<CalendarYear>1925")
    texts[5000] = declarations.right("R/5000", inss="01014900147")
    texts[9999] = texts[9999].replace("<TypeForm>SU</TypeForm>", "")
    verdicts = sent(engine, *texts)
    refused = {n: ids(v) for n, v in enumerate(verdicts) if not v.accepted}
    assert refused == {17: ["01004-008"], 5000: ["00024-004"], 9999: ["00297-001"]}
    assert len(rows(engine)["ledger_object"]) == 9_997
