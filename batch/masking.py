"""What leaves no line of a log as it came: every value escaped and cut, and no INSS in it."""

from __future__ import annotations

import re
from collections.abc import MutableMapping
from typing import Any

LONGEST = 256
"""Characters kept of any text: enough to recognise it, too few to flood the log with."""

_INSS_LIKE = re.compile(
    r"(?<![0-9])[0-9]{2}(?:[./ -]?[0-9]{2}){2}[./ -]?[0-9]{3}[./ -]?[0-9]{2}(?![0-9])", re.ASCII
)


def plain_text(
    _logger: object, _method: str, facts: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Every value escaped to printable ASCII and cut: no client can forge or flood a line."""
    return {key: _plain(value) for key, value in facts.items()}


def without_inss(
    _logger: object, _method: str, facts: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Mask every eleven digits, however grouped, whose last two check the nine before."""
    return {key: _masked(value) for key, value in facts.items()}


def _plain(value: object) -> Any:
    match value:
        case None | bool() | int() | float():
            return value
        case list() | tuple():
            return [_plain(item) for item in value]
        case _:
            return ascii(str(value))[1:-1][:LONGEST]


def _masked(value: object) -> Any:
    match value:
        case list():
            return [_masked(item) for item in value]
        case str():
            return _INSS_LIKE.sub(_mask, value)
        case int() if value >= 10**9 and _mask_needed(f"{value:011d}"):
            return "[INSS]"
        case _:
            return value


def _mask(found: re.Match[str]) -> str:
    return "[INSS]" if _mask_needed(re.sub("[^0-9]", "", found[0])) else found[0]


def _mask_needed(digits: str) -> bool:
    """Does the check number fit, for a birth before 2000 or (a 2 in front) after?

    Wider than the value type on purpose: a date that cannot be is masked as well.
    """
    if len(digits) != 11:
        return False
    body, check = digits[:9], int(digits[9:])
    return check in (97 - int(body) % 97, 97 - int("2" + body) % 97)
