"""What a batch of sets could not decide, and what becomes of a fault in the midst of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from batch import journal
from batch.states import SetKey
from batch.storage.claims import Claim, Fenced
from batch.storage.database import is_outage


@dataclass(slots=True)
class Deferrals:
    """What a batch could not decide: ``undecided`` for now (no attempt), or ``failed``.

    ``without_source`` are those of the undecided that wait for a source of revocations.
    """

    undecided: list[Claim] = field(default_factory=list)
    without_source: list[tuple[Claim, str]] = field(default_factory=list)
    failed: list[Claim] = field(default_factory=list)
    paused: list[SetKey] = field(default_factory=list)

    def add(self, taken: Claim, reason: str, *, source: bool = False) -> None:
        self.undecided.append(taken)
        if source:
            self.without_source.append((taken, reason))
        self.paused.append(taken.sealed.key)
        journal.deferred(taken.sealed.key, reason)

    def out_of_reach(self, taken: Claim, error: OSError) -> None:
        """The disk did not take or give what this set needs."""
        self.add(taken, f"{type(error).__name__}: out of reach for now")

    def take(self, others: Deferrals) -> None:
        """Those of a part of the batch."""
        self.undecided += others.undecided
        self.without_source += others.without_source
        self.failed += others.failed
        self.paused += others.paused

    @contextmanager
    def faults_of(self, taken: Claim) -> Iterator[None]:
        """A fault of one set is that set's alone: an absent source waits, a bug is counted.

        A database that is away is the fault of none: the batch ends, and nothing is counted.
        """
        try:
            yield
        except Fenced as fault:
            journal.deferred(taken.sealed.key, str(fault))
        except Exception as error:
            if is_outage(error):
                raise
            if isinstance(error, OSError):
                self.out_of_reach(taken, error)
                return
            self.failed.append(taken)
            self.paused.append(taken.sealed.key)
            journal.worker_failed(taken.sealed.key, error)
