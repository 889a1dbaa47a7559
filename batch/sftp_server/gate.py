"""How many connections there may be: in all, not yet logged in, and of one sender.

Counts only; who comes in is ``auth``'s to say. A refusal is the reason as a sentence.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from batch.identifiers import SenderNumber
from batch.settings import Settings


@dataclass(slots=True)
class Gate:
    """The counts of one server process.

    Strangers get at most half of the places, so that however many there are, senders who are
    logged in keep theirs and the rest of the places stays for them.
    """

    settings: Settings
    strangers: int = 0
    senders: Counter[SenderNumber] = field(default_factory=Counter)

    def arrives(self) -> str | None:
        """A connection was accepted; a sentence when it must be closed again."""
        if self.strangers + self.senders.total() >= self.settings.max_connections:
            return "too many connections"
        if self.strangers >= max(1, self.settings.max_connections // 2):
            return "too many connections that have not logged in"
        self.strangers += 1
        return None

    def logs_in(self, sender: SenderNumber) -> str | None:
        """A stranger proved to be ``sender``; a sentence when that sender has its share already.

        Either way it is counted as a sender's until it ``leaves``.
        """
        self.strangers -= 1
        self.senders[sender] += 1
        if self.senders[sender] > self.settings.max_connections_per_sender:
            return f"too many connections of sender {sender} at once"
        return None

    def leaves(self, sender: SenderNumber | None) -> None:
        """A counted connection is gone; ``sender`` None when it never logged in."""
        if sender is None:
            self.strangers -= 1
            return
        self.senders[sender] -= 1
        if not self.senders[sender]:
            del self.senders[sender]
