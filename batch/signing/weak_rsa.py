"""RSA keys of full length whose factors are found all the same, by what their makers did wrong.

Two faults that leave a mark in the public key: chips that made primes of a known form (ROCA,
CVE-2017-15361; among them those of cards for qualified signatures), and primes that lie close
together (CVE-2022-26320). Lists of known bad keys, such as Debian's of 2008, are not here.
"""

from __future__ import annotations

from functools import lru_cache
from math import isqrt
from typing import Final

_GENERATOR: Final = 65537
_PRIMES: Final = tuple(p for p in range(3, 168) if all(p % d for d in range(2, isqrt(p) + 1)))
"""The odd primes that divide the base of the chips' form at each key length from 512 bits on."""
_CLOSE: Final = 100
"""Steps of Fermat's method: the keys that were found in the wild fall at the first."""


def _powers(prime: int) -> frozenset[int]:
    found, power = set[int](), 1
    while power not in found:
        found.add(power)
        power = power * _GENERATOR % prime
    return frozenset(found)


_MARKS: Final = {prime: _powers(prime) for prime in _PRIMES}
"""Remainders that a modulus of that form may have; of an honest one all fit once in 2**27 keys."""


@lru_cache(maxsize=4096)
def weakness(modulus: int) -> str | None:
    """How the factors of this RSA modulus can be found, one sentence; None when no way shows."""
    if all(modulus % prime in powers for prime, powers in _MARKS.items()):
        return "Its RSA key was made by a chip whose keys can be broken (ROCA)."
    if _close_factors(modulus):
        return "Its RSA key is the product of two primes that lie close together."
    return None


def _close_factors(modulus: int) -> bool:
    """Fermat: the modulus plus a square is a square."""
    middle = isqrt(modulus - 1) + 1
    for _ in range(_CLOSE):
        rest = middle * middle - modulus
        if isqrt(rest) ** 2 == rest:
            return True
        middle += 1
    return False
