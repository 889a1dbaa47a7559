"""Numbers given out: tickets and the sequence of answers' names, never twice.

Each set takes one number of its day; its ticket and the names of its ACRF and NOTI come from it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import Connection, and_, insert, select, update

from batch.identifiers import INSTITUTION, base36
from batch.names import Environment, brussels_day
from batch.storage.submission_tables import counter

_FIRST_DAY = date(2020, 1, 1).toordinal()
_PER_LETTER = 36**4


@dataclass(frozen=True, slots=True)
class Numbers:
    """What a set is answered under: ticket (13 of 0-9A-Z) and the stems of its two answers."""

    ticket: str
    reception_answer: str
    content_answer: str


def next_numbers(
    connection: Connection, environment: Environment, test: bool, at: datetime
) -> Numbers:
    """Take the next number of the Brussels day of ``at``.

    A ticket is 2 (3 for tests), the day since 2020, the number, and 00000 for the set itself:
    its forms put their place there.
    """
    today = brussels_day(at)
    day = f"{today:%Y%m%d}"
    number = _next(connection, "set", day)
    days = today.toordinal() - _FIRST_DAY
    stem = f"{INSTITUTION}.{day}.{_sequence(number, test)}.{environment}"
    ticket = f"{3 if test else 2}{base36(days, 3)}{base36(number, 4)}00000"
    return Numbers(ticket, f"ACRF.{stem}", f"NOTI.{stem}")


def form_ticket(ticket: str, ordinal: int) -> str:
    """The ticket of the ``ordinal``-th form (1-based) of the set with ``ticket``."""
    return ticket[:8] + base36(ordinal, 5)


def _sequence(number: int, test: bool) -> str:
    """Five positions for the ``number``-th set of a day: digits while they last, T... for tests.

    Production and test never share a name, though each counts for itself.
    """
    if test:
        return base36(29 * _PER_LETTER + number, 5)
    if number < 100_000:
        return f"{number:05d}"
    return base36(10 * _PER_LETTER + number - 100_000, 5)


def _next(connection: Connection, name: str, day: str) -> int:
    where = and_(counter.c.name == name, counter.c.day == day)
    value = connection.execute(select(counter.c.value).where(where)).scalar()
    if value is None:
        connection.execute(insert(counter).values(name=name, day=day, value=1))
        return 1
    connection.execute(update(counter).where(where).values(value=value + 1))
    return int(value) + 1
