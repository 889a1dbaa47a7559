"""What the ledger is asked of a chunk of forms, where that is more than one statement holds."""

from __future__ import annotations

from sqlalchemy import Engine

from batch.fla.ledger import AccountKey, Wanted
from batch.storage.database import reading
from batch.storage.ledger import SqlLedger
from batch.storage.ledger_sql import PAIRS
from tests import declarations
from tests.declarations import EMPLOYER, PERSONS
from tests.integration.test_ledger import engine, sent

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
