"""How a cost grows: points, and whether it grows faster than n log n."""

from __future__ import annotations

import math
from dataclasses import dataclass

LAST_DECADES = 2
"""The exponent is fitted over so much of the end: at the beginning what is constant weighs most."""
TOLERANCE = 0.1
"""Of the exponent: the points are single measurements."""


@dataclass(frozen=True, slots=True)
class Curve:
    """CPU (or bytes) per unit where there are ``n`` of them: points (n, cost of one).

    The cost of all n is n times that; ``exponent`` is of the total: 1 is linear.
    """

    axis: str
    what: str
    unit: str
    points: tuple[tuple[int, float], ...]

    @property
    def window(self) -> tuple[tuple[int, float], ...]:
        """The points over which it is fitted."""
        most = max(n for n, _ in self.points)
        found = tuple(
            (n, cost)
            for n, cost in self.points
            if n * 10**LAST_DECADES >= most and n > 1 and cost > 0
        )
        return found if len(found) > 1 else ()

    @property
    def exponent(self) -> float | None:
        """Least squares in the logarithms; None where there are too few points."""
        if not self.window:
            return None
        xs = [math.log(n) for n, _ in self.window]
        ys = [math.log(n * cost) for n, cost in self.window]
        x, y = sum(xs) / len(xs), sum(ys) / len(ys)
        return sum((a - x) * (b - y) for a, b in zip(xs, ys, strict=True)) / sum(
            (a - x) ** 2 for a in xs
        )

    @property
    def allowed(self) -> float | None:
        """The exponent that n log n has over the same points."""
        if not self.window:
            return None
        ideal = Curve("", "", "", tuple((n, math.log(n)) for n, _ in self.window))
        return ideal.exponent

    @property
    def met(self) -> bool | None:
        """Not worse than n log n."""
        if self.exponent is None or self.allowed is None:
            return None
        return self.exponent <= self.allowed + TOLERANCE
