"""What the ledger is asked of a chunk of forms, and by which statements."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, event

from batch.fla.ledger import AccountKey, Wanted
from batch.fla.service import CHUNK
from batch.storage import ledger, prepared
from batch.storage.database import reading, straight, straight_each
from batch.storage.ledger import SqlLedger
from batch.storage.ledger_sql import FEW, KNOWN, MARKS, PAIRS, TWINS
from tests import declarations
from tests.declarations import EMPLOYER, PERSONS
from tests.integration.test_ledger import engine, sent, statement

__all__ = ["engine"]


def test_more_accounts_than_one_question_holds_are_all_found(engine: Engine) -> None:
    """Of several employers, with one worker or with many; nobody's sums are another's."""
    declared = {
        (employer, person): 100 + n
        for n, (employer, person) in enumerate(
            [(EMPLOYER, declarations.person(n)) for n in range(PAIRS + 50)]
            + [("1999999943", declarations.person(n)) for n in range(20)]
            + [("0200065765", declarations.person(7))]
        )
    }
    texts = [
        declarations.right(f"R/{n}", employer=employer, inss=inss, hours=hours)
        for n, ((employer, inss), hours) in enumerate(declared.items())
    ]
    assert all(v.accepted for v in sent(engine, *texts))
    named = frozenset((employer, f"R/{n}") for n, (employer, _) in enumerate(declared))
    nobody = AccountKey(EMPLOYER, PERSONS[5])
    keys = frozenset(AccountKey(*key) for key in declared) | {nobody}
    with reading(engine) as connection:
        held = SqlLedger(connection).snapshot(Wanted(references=named, accounts=keys))
    assert len(held.objects) == len(declared)
    assert {key: account.years[2025].right[0] for key, account in held.accounts.items()} == declared


def test_a_question_has_one_of_two_lengths() -> None:
    """So that each is prepared once; what is left over asks for nobody."""
    lengths = {question: set[tuple[int, int]]() for question in (KNOWN, TWINS)}
    for question, most in ((KNOWN, PAIRS), (TWINS, MARKS)):
        for size in (1, FEW, FEW + 1, most):
            text, values = question.ask(["x"] * size * question.width)
            assert [*values] == ["x"] * size * question.width + [""] * values.count("")
            assert text.count("?") == len(values)
            lengths[question].add((len(text), len(values)))
    assert lengths[KNOWN] == {(len(KNOWN.ask([])[0]), 2 * FEW), (max(lengths[KNOWN])[0], 2 * PAIRS)}
    assert lengths[TWINS] == {(len(TWINS.ask([])[0]), FEW), (max(lengths[TWINS])[0], MARKS)}


Asked = list[tuple[str, Sequence[Any]]]
"""Statements with their values; of one that is run for many rows, the first."""


@contextmanager
def asking(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Iterator[Asked]:
    """What the ledger asks of the database, by SQLAlchemy and past it."""
    asked: Asked = []

    def one(connection: Connection, statement: str, values: Sequence[Any] = ()) -> Any:
        asked.append((statement, values))
        return straight(connection, statement, values)

    def each(connection: Connection, statement: str, rows: Sequence[Sequence[Any]]) -> None:
        asked.append((statement, rows[0]))
        straight_each(connection, statement, rows)

    def note(_c: object, _k: object, statement: str, values: Sequence[Any], *_: object) -> None:
        asked.append((statement, values))

    with monkeypatch.context() as patched:
        for module in (ledger, prepared):
            patched.setattr(module, "straight", one)
        patched.setattr(ledger, "straight_each", each)
        event.listen(engine, "before_cursor_execute", note)
        try:
            yield asked
        finally:
            event.remove(engine, "before_cursor_execute", note)


def statements(engine: Engine, monkeypatch: pytest.MonkeyPatch, *texts: str) -> Counter[str]:
    """What is asked of the database while a file is judged, by the kind of question."""
    with asking(engine, monkeypatch) as asked:
        sent(engine, *texts)
    kinds = ("sum(", "count(", "INSERT", "UPDATE")
    return Counter(k for text, _ in asked for k in ([k for k in kinds if k in text] or ["other"]))


def test_an_account_s_sums_are_asked_once_however_many_forms_it_has(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So a file with all its forms on one account costs what any other file costs."""
    sent(engine, declarations.training("T", name="Before", uses=()))
    texts = [declarations.training(f"T/{n}", uses=()) for n in range(3 * CHUNK)]
    asked = statements(engine, monkeypatch, *texts)
    assert (asked["sum("], asked["count("]) == (2, 1)
    assert asked["INSERT"] == 2 * 3
    (line,) = [r for r in statement(engine).remaining if (r.year, r.type) == (2025, "EMPLOYER")]
    assert (line.used, line.hours, line.overdrawn) == (600_400, 0, 600_400)


def test_no_look_up_reads_a_whole_table(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [
        declarations.right("R/1"),
        declarations.right("R/1", employer="1999999943", inss=PERSONS[1]),
        declarations.cancel("TrainingCancel", fla_id="1" * 24),
    ]
    sent(engine, *texts)
    plans: list[str] = []
    with asking(engine, monkeypatch) as asked:
        sent(engine, *texts)
        statement(engine)
        sent(engine, *(declarations.right(f"R/{n}", hours=n) for n in range(2, CHUNK)))
    with reading(engine) as connection:
        for text, values in asked:
            if text.strip().startswith(("SELECT", "WITH")) and "fla_sequence" not in text:
                rows = straight(connection, f"EXPLAIN QUERY PLAN {text}", values)
                plans += [row[3] for row in rows if not row[3].endswith(("wanted", "ROWS"))]
    assert len(plans) > 10
    assert [plan for plan in plans if plan.startswith("SCAN") or "AUTOMATIC" in plan] == []
