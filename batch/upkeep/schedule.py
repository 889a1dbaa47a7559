"""When a source is asked again. Pure: what was obtained and what failed tell the instant."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from batch.storage.revocations import Obtained

LONGEST = timedelta(hours=1)
"""Between two fetches: a certificate that is revoked after a theft signs no longer than this."""
SHORTEST = timedelta(minutes=1)
"""But no sooner: one that renews its answers each second is not asked so often."""
LONGEST_PAUSE = timedelta(minutes=5)
"""What fails is asked again after 1, 2, 4 ... seconds, at most after this."""
LONGEST_PAUSE_WANTED = timedelta(seconds=10)
"""The same while a set waits for it: its sender waits for an answer."""


@dataclass(slots=True)
class Failures:
    """Of a source, in a row: how many, and when last."""

    count: int = 0
    last: datetime | None = None

    def failed(self, at: datetime) -> bool:
        """Put one down; whether it is the first."""
        self.count, self.last = self.count + 1, at
        return self.count == 1

    def over(self) -> bool:
        """It went well; whether it had failed before."""
        before, self.count, self.last = self.count, 0, None
        return before > 0

    def again_at(self, *, wanted: bool) -> datetime | None:
        """When it is asked again; None: it did not fail."""
        if self.last is None:
            return None
        longest = LONGEST_PAUSE_WANTED if wanted else LONGEST_PAUSE
        return self.last + min(longest, timedelta(seconds=2.0 ** min(self.count - 1, 20)))


def due_at(held: Obtained | None, wanted_since: datetime | None) -> datetime | None:
    """When a source is asked that did not fail; None: at once.

    At half of the life that what it gave had left: then there is as much time again to mend an
    outage. ``wanted_since``: a set waits since then, and what is ``held`` was no help.
    """
    if held is None or (wanted_since is not None and held.obtained_at < wanted_since):
        return None
    period = LONGEST
    if held.next_update is not None:
        period = min(period, max(SHORTEST, (held.next_update - held.obtained_at) / 2))
    return held.obtained_at + period
