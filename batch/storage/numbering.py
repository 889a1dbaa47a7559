"""Numbers given out: tickets and the sequence of answers' names, never twice.

Each set takes one number of its day; its ticket and the names of its ACRF and NOTI come from it. So
does an answer that others gave us.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import Connection, and_, bindparam, select, update

from batch.identifiers import INSTITUTION, base36
from batch.names import Environment, brussels_day
from batch.storage.prepared import Prepared, row_of
from batch.storage.submission_tables import counter

_FIRST_DAY = date(2020, 1, 1).toordinal()
_PER_LETTER = 36**4

_MINE = and_(counter.c.name == bindparam("of"), counter.c.day == bindparam("on"))
_VALUE = Prepared(select(counter.c.value).where(_MINE))
_COUNT = Prepared(update(counter).where(_MINE).values(value=counter.c.value + 1))
_BEGIN = row_of(counter, "name", "day", "value")


@dataclass(frozen=True, slots=True)
class Numbers:
    """What a set is answered under: ticket (13 of 0-9A-Z) and the stems of its two answers."""

    ticket: str
    reception_answer: str
    content_answer: str


@dataclass(frozen=True, slots=True)
class PostedNumbers:
    """The same of an answer that others gave us: its ticket and its own stem."""

    ticket: str
    stem: str


def next_numbers(
    connection: Connection, environment: Environment, test: bool, at: datetime
) -> Numbers:
    """Take the next number of the Brussels day of ``at``.

    A ticket is 2 (3 for tests), the day since 2020, the number, and 00000 for the set itself:
    its forms put their place there.
    """
    ticket, stem = _take(connection, environment, test, at)
    return Numbers(ticket, f"ACRF.{stem}", f"NOTI.{stem}")


def next_posted(
    connection: Connection, code: str, environment: Environment, at: datetime
) -> PostedNumbers:
    """Take the next number for an answer of purpose code ``code``: of the same row as the sets'."""
    test = environment is not Environment.PRODUCTION
    ticket, stem = _take(connection, environment, test, at)
    return PostedNumbers(ticket, f"{code}.{stem}")


def _take(
    connection: Connection, environment: Environment, test: bool, at: datetime
) -> tuple[str, str]:
    """A ticket, and a stem without its code."""
    today = brussels_day(at)
    day = f"{today:%Y%m%d}"
    number = _next(connection, "set", day)
    days = today.toordinal() - _FIRST_DAY
    ticket = f"{3 if test else 2}{base36(days, 3)}{base36(number, 4)}00000"
    return ticket, f"{INSTITUTION}.{day}.{_sequence(number, test)}.{environment}"


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
    if not _COUNT.change(connection, of=name, on=day):
        _BEGIN.add(connection, name=name, day=day, value=1)
    return int(_VALUE.first(connection, of=name, on=day).value)
