"""Values of the command line: text in, a fact out, or OperatorError that names the field.

Options are taken as plain text because the command line library would call a bad value bad syntax
(exit 2); here it is refused with a reason (exit 1).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime
from typing import TypeVar

from batch.errors import OperatorError
from batch.identifiers import InvalidIdentifier
from batch.names import BRUSSELS

FILE_LIMIT = 1_000_000
"""Bytes; a key or a certificate has a few thousand."""

Value = TypeVar("Value")


def parsed(field: str, parse: Callable[[str], Value], text: str) -> Value:
    """What ``parse`` makes of the text of ``field``."""
    try:
        return parse(text)
    except InvalidIdentifier as error:
        raise OperatorError(f"{field} {text!r}: {error}") from None


def one_of(field: str, allowed: Iterable[str], text: str) -> str:
    """The text of ``field``, which must be one of a few."""
    if text not in list(allowed):
        raise OperatorError(f"{field} {text!r}: unknown; give one of {', '.join(allowed)}")
    return text


def instant(field: str, text: str) -> datetime:
    """An instant of ISO 8601; without a zone it is Brussels time, as every date of the channel."""
    try:
        given = datetime.fromisoformat(text)
        aware = given if given.tzinfo else given.replace(tzinfo=BRUSSELS)
        return aware.astimezone(UTC)
    except (ValueError, OverflowError):
        raise OperatorError(
            f"{field} {text!r}: give an instant like 2026-07-01T08:00:00Z"
        ) from None


def day(field: str, text: str) -> date:
    """A calendar day of ISO 8601."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise OperatorError(f"{field} {text!r}: give a day like 2026-12-31") from None


def read_file(field: str, name: str, limit: int = FILE_LIMIT) -> bytes:
    """The bytes of the file that ``field`` names, at most ``limit``."""
    try:
        with open(name, "rb") as stream:
            data = stream.read(limit + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise OperatorError(f"{field} {name}: {reason}; give a file that can be read") from None
    if len(data) > limit:
        raise OperatorError(
            f"{field} {name}: more than {limit} bytes; this is another kind of file"
        )
    return data
