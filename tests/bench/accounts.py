"""What a form costs, and a look at one account, where the ledger holds many."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from batch.fla.service import CHUNK, fla_service
from batch.identifiers import EnterpriseNumber, Inss, SenderNumber
from batch.ingest.plain import forms
from batch.ingest.services import ContentFacts, Service
from batch.names import Environment
from batch.registers import Enterprise, Standing
from batch.settings import Settings
from batch.storage.accounts import show
from batch.storage.database import Database, reading, trying, writing
from batch.storage.ledger import SqlLedger
from tests.bench import bulk
from tests.bench.curves import Curve
from tests.bench.figures import Run
from tests.declarations import EMPLOYER, declaration, person, right

JUDGED, SHOWN = 2 * CHUNK, 200
AT_ONCE = 10_000
"""Accounts stored in one transaction."""
_NEW = 10_000_000
"""Persons that have no account yet."""
SENDER = SenderNumber("000001")
NOW = datetime(2026, 1, 20, 9, 0, tzinfo=UTC)


def curves(run: Run) -> Iterator[Curve]:
    wanted = run.numbers((1000, 10_000, 100_000), 1_000_000, (500, 2000))
    points: dict[str, list[tuple[int, float]]] = {}
    with run.room("accounts") as home:
        engine = bulk.created(home / "ledger.sqlite")
        held = 0
        for n in wanted:
            run.say(f"growth: {n:,} accounts")
            storing, held = _filled(engine, held, n), n
            for what, cost in (
                ("stored in bulk, per account", storing),
                ("a form of a new account", _judged(engine, _NEW)),
                ("a form of a known account", _judged(engine, 0)),
                ("an account shown", _shown(engine, n)),
            ):
                points.setdefault(what, []).append((n, 1000 * cost))
        engine.dispose()
    for what, found in points.items():
        yield Curve("accounts", what, "ms", tuple(found))


def _filled(engine: Database, held: int, wanted: int) -> float:
    """Store accounts until there are so many; CPU seconds of one."""
    used = 0.0
    for first in range(held, wanted, AT_ONCE):
        made = bulk.changes(first, min(AT_ONCE, wanted - first))
        with writing(engine) as connection:
            SqlLedger(connection).reserve(len(made))  # so that no form gets a number of theirs
        begun = time.process_time()
        bulk.store(engine, made)
        used += time.process_time() - begun
    return used / (wanted - held)


def service(ledger: SqlLedger) -> Service:
    """The FLA on this ledger."""
    return fla_service(Settings(data=Path("unused")), ledger)


def facts() -> ContentFacts:
    """The register knows the one employer, and the sender may speak for it."""
    known = Enterprise(EnterpriseNumber.parse(EMPLOYER), "Employer", None)
    return ContentFacts(
        at=NOW,
        environment=Environment.PRODUCTION,
        submission=1,
        employer=lambda _: known,
        speaks=lambda _: Standing.MAY_SPEAK,
        ticket=lambda place: f"{place:013d}",
    )


def document(first: int, count: int = JUDGED) -> bytes:
    """Rights of persons from the ``first`` on; of another year than those stored in bulk."""
    made = (
        right(f"judged/{first + n}", inss=person(first + n), year=2024, number=n)
        for n in range(count)
    )
    return declaration(*made)


def _judged(engine: Database, first: int) -> float:
    """CPU seconds of one form, read, judged against the ledger and stored; undone afterwards."""
    fi = document(first)
    gc.collect()  # what the accounts were stored from is no part of a worker, which freezes as well
    gc.freeze()
    with trying(engine) as connection:
        begun = time.process_time()
        judging = service(SqlLedger(connection))
        plain = judging.description.plain
        for verdict in judging.judge(
            (("FI", form) for form in forms([fi], "Form", plain)), facts()
        ):
            assert verdict.accepted, verdict.anomalies
        return (time.process_time() - begun) / JUDGED


def _shown(engine: Database, n: int) -> float:
    settings, employer = Settings(data=Path("unused")), EnterpriseNumber.parse(EMPLOYER)
    with reading(engine) as connection:
        begun = time.process_time()
        for number in range(SHOWN):
            who = Inss.parse(person(number * 7919 % n))
            assert show(connection, who, employer, settings).rights
        return (time.process_time() - begun) / SHOWN
