"""One destination: the sets of one service, of IN or of INTEST, one after the other."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from batch import journal
from batch.dispatch import commands
from batch.dispatch.pauses import Pauses
from batch.errors import Busy, Fault
from batch.registers import Channel
from batch.storage import handover, handover_rows
from batch.storage.handover_rows import Delivery
from batch.storage.instance import Instance
from batch.storage.registers import Registers


@dataclass(slots=True)
class Rest:
    """Until when (monotonic seconds) a set that was not taken is left alone."""

    until: float = 0.0
    pauses: Pauses = field(default_factory=Pauses)


@dataclass
class Destination:
    """Hands over what is due, for as long as it takes; nothing is refused because it is away."""

    instance: Instance
    service: str
    target: Path | tuple[str, ...]
    command_seconds: float
    test: bool
    stop: threading.Event = field(default_factory=threading.Event)
    clock: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))
    pauses: Pauses = field(default_factory=Pauses)
    rests: dict[int, Rest] = field(default_factory=dict)

    def run(self) -> None:
        """Until ``stop``; the set in hand is finished first."""
        while not self.stop.is_set():
            try:
                busy = self.run_once()
            except (Busy, Fault, OSError) as fault:
                journal.problem(f"{self.service}: what is due cannot be asked for now", fault)
                self.pauses.failed()
                busy = False
            if not busy:
                self.stop.wait(self.pauses.seconds)

    def run_once(self) -> bool:
        """One set of each channel; whether there may be more that can be handed over now.

        The first that fails ends the round, since the place may be away. That set rests for a
        while of its own, so that one that is never taken does not end every round.
        """
        engine = self.instance.test if self.test else self.instance.production
        done, problem = 0, None
        due = handover_rows.due(engine, self.service)
        self.rests = {i.id: self.rests[i.id] for i in due if i.id in self.rests}
        awake = [item for item in due if not self._rests(item)]
        for item in awake:
            if self.stop.is_set():
                break
            problem = self._problem(item)
            if problem is not None:
                break
            handover_rows.record_delivered(engine, [item], self.clock())
            journal.handed_over(item.key, item.service, item.ticket)
            done += 1
        if done and self.pauses.over():
            journal.mended(f"{self.service}: sets are handed over again")
        if problem is not None:
            self._failed(item, problem)
            handover_rows.record_failed(engine, item, problem)
        return done > 0

    def _problem(self, item: Delivery) -> str | None:
        """Hand a set over; why that failed, None when it did not."""
        try:
            self._hand_over(item)
        except Fault as fault:
            return str(fault)
        except OSError as error:
            return f"{type(error).__name__}: {error.strerror or error}"
        return None

    def _rests(self, item: Delivery) -> bool:
        rest = self.rests.get(item.id)
        return rest is not None and time.monotonic() < rest.until

    def _failed(self, item: Delivery, problem: str) -> None:
        """Only a set that had not failed before says that the place may be away."""
        if item.id not in self.rests:
            self.pauses.failed()
        rest = self.rests.setdefault(item.id, Rest())
        rest.pauses.failed()
        rest.until = time.monotonic() + rest.pauses.seconds
        journal.not_handed_over(item.key, self.service, problem)

    def _hand_over(self, item: Delivery) -> None:
        channel, layout = self._channel(item), self.instance.layout
        if isinstance(self.target, Path):
            handover.to_directory(layout, item, channel, self.instance.settings.data / self.target)
            return
        with handover.copied(layout, item, channel) as place:
            commands.run(self.target, item, place, self.command_seconds, self.stop)

    def _channel(self, item: Delivery) -> Channel:
        channel = Registers(self.instance.production).channel(item.key.channel)
        if channel is None:
            raise Busy(f"the register has no channel {item.key.channel}")
        return channel
