"""What the ledger is asked of each chunk of forms, as text.

Built by SQLAlchemy a statement costs more than the database takes over it. Where they can, pairs
come as a table of their own, so that the statement has one of few lengths; that is read first,
whatever a planner thinks of it: SQLite reads the whole ledger for a pair ``IN`` a list of pairs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from operator import itemgetter

PAIRS = 250
MARKS = 500
"""Pairs, and single values, of one look-up: the least that every database takes is 999 values. Of a
chunk of 500 forms two look-ups of pairs are full."""
FEW = 16
"""Of either, where there are no more: most sets have a few forms, and 400 pairs took two thirds of
what the database needed for all of such a set."""


@dataclass(frozen=True, slots=True)
class Question:
    """A statement with ``{}`` for its values: so many times ``mark``, each of ``width`` values."""

    words: str
    mark: str
    most: int
    width: int = 1

    def ask(self, values: Sequence[str]) -> tuple[str, Sequence[str]]:
        """The statement for that many values, and these with "", which is nobody's, for the rest.

        It has one of two lengths, so that each is prepared once.
        """
        size = FEW if len(values) <= FEW * self.width else self.most
        return _text(self, size), [*values, *[""] * (size * self.width - len(values))]


@cache
def _text(question: Question, size: int) -> str:
    return question.words.format(", ".join([question.mark] * size))


def _of_pairs(words: str) -> Question:
    words = f"WITH wanted (employer, name) AS (VALUES {{}}) {words}"
    return Question(words, "(?, ?)", PAIRS, width=2)


NAMED = _of_pairs("""
SELECT held.fla_id FROM wanted CROSS JOIN ledger_object AS held
WHERE held.employer = wanted.employer AND held.registrant_reference = wanted.name
""")
"""The objects of employers, by their references."""

KNOWN = _of_pairs("""
SELECT employer, name FROM wanted WHERE EXISTS (
  SELECT 1 FROM ledger_object AS held
  WHERE held.employer = wanted.employer AND held.inss = wanted.name
)
""")
"""The accounts on which there is anything."""

TWINS = Question(
    "SELECT twin, count(*) FROM ledger_object"
    " WHERE twin IN ({}) AND status = 'ACTIVE' GROUP BY twin",
    "?",
    MARKS,
)
"""How many objects stand under each twin mark."""

MOVED = "UPDATE ledger_object SET version = ?, status = ?, year = ?, twin = ? WHERE fla_id = ?"
"""What stands of an object after another version of it."""

RIGHTS = """
SELECT held.employer, held.inss, said.right_type, held.year, sum(said.hours)
FROM ledger_object AS held JOIN training_right AS said
  ON said.fla_id = held.fla_id AND said.version = held.version
WHERE ({}) AND held.status = 'ACTIVE'
GROUP BY held.employer, held.inss, said.right_type, held.year
"""
"""Hours of right on accounts, by type and year; see ``accounts``."""

USES = """
SELECT held.employer, held.inss, held.year,
  sum(coalesce(said.used_legal, 0)), sum(coalesce(said.used_sector, 0)),
  sum(coalesce(said.used_employer, 0)),
  sum(CASE WHEN coalesce(said.used_legal, said.used_sector, said.used_employer) IS NULL
    THEN said.hours ELSE 0 END)
FROM ledger_object AS held JOIN training AS said
  ON said.fla_id = held.fla_id AND said.version = held.version
WHERE ({}) AND held.status = 'ACTIVE'
  AND said.training_status = 'FOLLOWED' AND said.counts_for_credit
GROUP BY held.employer, held.inss, held.year
"""
"""Hours used on accounts, by year: of each type, and those without a split; see ``accounts``."""


def accounts(keys: Sequence[tuple[str, str]]) -> tuple[str, tuple[str, ...]]:
    """What picks these accounts, sorted by employer, and its values.

    Written out per employer: of a list of pairs SQLite would make an index of the whole ledger.
    """
    words: list[str] = []
    values: list[str] = []
    for employer, group in groupby(keys, itemgetter(0)):
        workers = [inss for _, inss in group]
        words.append(f"held.employer = ? AND held.inss IN ({', '.join('?' * len(workers))})")
        values += [employer, *workers]
    return " OR ".join(words), tuple(values)
