"""Sets that wait for a source of revocations: when to look again, and when that has an end."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from batch import journal
from batch.errors import Busy
from batch.states import SetKey
from batch.storage import revocations
from batch.storage.claims import Claim
from batch.storage.database import Database

FIRST_SECONDS = 2.0
"""The first pause; each is twice the one before."""
LONGEST_SECONDS = 600.0
"""Each look reads the set again, up to 500 MB: 144 times a day at most. What helps is noticed at
once, so this only serves where nothing tells us of it."""
FEWEST_LOOKS = 3
"""Before the end: after a stop of days the sources get some seconds to be fetched."""


@dataclass(slots=True)
class Patience:
    """Of one worker; a new one begins with the first pause again, which loses nothing."""

    registers: Database
    hours: float
    _looks: dict[SetKey, int] = field(default_factory=dict)
    _mark: tuple[int, int] = (0, 0)

    def pause(self, taken: Claim, at: datetime) -> float:
        """Count a look that decided nothing; how many seconds until the next."""
        key = taken.sealed.key
        looks = self._looks[key] = self._looks.get(key, 0) + 1
        left = (self._end(taken, at) - at).total_seconds()
        pause = min(LONGEST_SECONDS, FIRST_SECONDS * 2.0 ** min(looks - 1, 10))
        return min(pause, max(left, FIRST_SECONDS))

    def is_over(self, taken: Claim, at: datetime) -> bool:
        """Whether the set has waited for as long as the setting says."""
        enough = self._looks.get(taken.sealed.key, 0) >= FEWEST_LOOKS
        return enough and at >= self._end(taken, at)

    def end(self, key: SetKey) -> None:
        """Decided, or set aside."""
        self._looks.pop(key, None)

    def helped(self) -> list[SetKey]:
        """The sets for which a list or an answer has come since the last time this was asked."""
        try:
            if not self._looks:
                self._mark = revocations.mark(self.registers)
                return []
            news = revocations.news(self.registers, self._mark)
        except Busy as fault:
            journal.problem("the revocation lists cannot be looked at for now", fault)
            return []
        self._mark = news.mark
        return [k for k in self._looks if news.everyone or str(k.channel) in news.senders]

    def _end(self, taken: Claim, at: datetime) -> datetime:
        return (taken.undecided_since or at) + timedelta(hours=self.hours)


def waits(reason: str, since: datetime) -> str:
    """What is told of a set that waits."""
    return f"waits since {_words(since)} for a source of revocations: {reason}"


def set_aside(reason: str, since: datetime, stem: str) -> str:
    """What is told of one that has waited long enough; what to do first, since logs cut."""
    return (
        f"undecided since {_words(since)}: mend the source of revocations, or give its list with "
        f"trust add FILE, then submission retry {stem}. {reason}"
    )


def _words(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"
