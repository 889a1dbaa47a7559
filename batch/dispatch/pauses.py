"""How long to wait before something that is away is asked again."""

from __future__ import annotations

from dataclasses import dataclass

LOOK_SECONDS = 0.5
"""Between looks while all is well: a look costs less than a millisecond."""
LONGEST_SECONDS = 60.0
"""What is away is asked again after 1, 2, 4 ... seconds, at most after this."""


@dataclass(slots=True)
class Pauses:
    """Counts failures in a row."""

    _failures: int = 0

    def failed(self) -> None:
        self._failures += 1

    def over(self) -> bool:
        """It went well; whether it had failed before."""
        before, self._failures = self._failures, 0
        return before > 0

    @property
    def seconds(self) -> float:
        if not self._failures:
            return LOOK_SECONDS
        return min(LONGEST_SECONDS, 2.0 ** min(self._failures - 1, 10))
