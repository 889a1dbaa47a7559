"""The numbers of the field as value types: one that exists is valid.

Parsing happens on construction (``parse``); nothing below this module knows the channel.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from typing import Self

from stdnum.be import ssn, vat
from stdnum.exceptions import ValidationError

_DIGITS = re.compile(r"[0-9]+", re.ASCII)


class InvalidIdentifier(ValueError):
    """A text that is no such number. The message names the kind and the reason, never an INSS."""


def _digits(kind: str, text: str, lengths: tuple[int, ...]) -> str:
    if not _DIGITS.fullmatch(text) or len(text) not in lengths:
        most = f" to {lengths[-1]}" if len(lengths) > 1 else ""
        raise InvalidIdentifier(f"{kind}: expected {lengths[0]}{most} digits")
    return text


@dataclass(frozen=True, slots=True, order=True)
class EnterpriseNumber:
    """CBE number of an enterprise (KBO, BCE; zone 00014 CompanyID): ten digits, mod 97.

    Nine digits without the leading zero are legal on the wire and mean the same number.
    """

    digits: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raise InvalidIdentifier when ``text`` is not a CBE number of an enterprise."""
        compact = text.strip().replace(".", "").replace(" ", "")
        padded = _digits("enterprise number", compact, (9, 10)).zfill(10)
        try:
            vat.validate(padded)
        except ValidationError as error:
            raise InvalidIdentifier(f"enterprise number {padded}: {error}") from None
        return cls(padded)

    def __str__(self) -> str:
        return self.digits


@dataclass(frozen=True, slots=True, order=True)
class NssoNumber:
    """Registration number of an employer at the NSSO (RSZ, ONSS; zone 00011), up to nine digits.

    The whole number plus one is divisible by 97; the definitive range is 100006-199999934.
    """

    digits: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raise InvalidIdentifier when ``text`` is not a definitive NSSO number."""
        compact = _digits("NSSO number", text.strip(), (6, 7, 8, 9, 10))
        number = int(compact)
        if not 100006 <= number <= 199999934:
            raise InvalidIdentifier(f"NSSO number {compact}: outside 100006-199999934")
        if number % 97 != 96:
            raise InvalidIdentifier(f"NSSO number {compact}: check digits are wrong")
        return cls(str(number))

    def __str__(self) -> str:
        return self.digits


@dataclass(frozen=True, slots=True, order=True, repr=False)
class Inss:
    """Identification number of a person (INSZ, NISS; zone 00024), BIS numbers included.

    Personal data: ``repr`` masks it, so that no log or traceback shows it by accident.
    """

    digits: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raise InvalidIdentifier (without the number) when the digits do not check."""
        compact = text
        if not (len(text) == 11 and text.isascii() and text.isdigit()):
            compact = _digits("INSS", text.strip().replace(".", "").replace("-", ""), (11,))
        if "01" <= compact[2:4] <= "12" and 97 - int(compact[:9]) % 97 == int(compact[9:]):
            return cls(
                compact
            )  # born before 2000, no BIS number: stdnum says so at ten times the cost
        try:
            ssn.validate(compact)
        except ValidationError as error:
            raise InvalidIdentifier(f"INSS: {error}") from None
        return cls(compact)

    @property
    def masked(self) -> str:
        return self.digits[:2] + "*" * 9

    def __str__(self) -> str:
        return self.digits

    def __repr__(self) -> str:
        return f"Inss({self.masked})"


@dataclass(frozen=True, slots=True, order=True)
class SenderNumber:
    """Six digits, 000001-999998: the submitter in one quality. 999999 is the institution."""

    digits: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raise InvalidIdentifier unless ``text`` is 1 to 999998, at most six digits."""
        padded = _digits("sender number", text.strip(), (1, 2, 3, 4, 5, 6)).zfill(6)
        if padded in ("000000", "999999"):
            raise InvalidIdentifier(f"sender number {padded}: not a sender")
        return cls(padded)

    def __str__(self) -> str:
        return self.digits


INSTITUTION = "999999"
"""Sender number on every file the institution emits (protocol section 1.4)."""


@dataclass(frozen=True, slots=True, order=True)
class Quarter:
    """A calendar quarter, written ``2026Q1``: the grain of a mandate (MAHIS)."""

    year: int
    number: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raise InvalidIdentifier unless ``text`` looks like 2026Q1."""
        found = re.fullmatch(r"([0-9]{4})[Qq/]?([1-4])", text.strip())
        if not found:
            raise InvalidIdentifier(f"quarter {text!r}: expected a year and a quarter, like 2026Q1")
        return cls(int(found[1]), int(found[2]))

    @classmethod
    def of(cls, day: date) -> Self:
        return cls(day.year, (day.month + 2) // 3)

    def __str__(self) -> str:
        return f"{self.year:04d}Q{self.number}"


_BASE36 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_PAIRS = tuple(first + last for first in _BASE36 for last in _BASE36)


def base36(number: int, width: int) -> str:
    """``number`` in base 36 (0-9A-Z), zero-padded; OverflowError when it needs more positions."""
    digits = ""
    rest = number
    while len(digits) + 1 < width:
        rest, last = divmod(rest, 1296)
        digits = _PAIRS[last] + digits
    if len(digits) < width:
        rest, last = divmod(rest, 36)
        digits = _BASE36[last] + digits
    if rest:
        raise OverflowError(f"{number} does not fit in {width} positions of base 36")
    return digits
