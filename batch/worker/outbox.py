"""The answers that no set at work brings along: posted ones, those asked for again, and old ones.

Each portion is small, so that sets do not wait for it, and moves files first, then rows: whatever
stops it in between, the next look does the rest.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from batch import journal
from batch.errors import Busy, SpoolFault
from batch.states import SetKey
from batch.storage import dossiers, outbox, submissions
from batch.storage.database import Database, Transaction, reading, writing
from batch.storage.dossiers import Emission
from batch.storage.instance import Instance
from batch.storage.layout import Layout

LOOK_SECONDS = 1.0
"""So often the databases are asked while sets are at work: two queries that an index answers."""
PAUSE_SECONDS = 60.0
"""An answer that the disk would not move is left alone this long: it is told each time."""

Move = Callable[[Layout, Sequence[Emission]], None]
Ask = Callable[[Transaction, int], list[Emission]]


@dataclass(slots=True)
class Outbox:
    """What the worker does for OUT beside its sets. ``look`` takes the instant of each record."""

    instance: Instance
    _next_look: float = 0.0
    _not_before: dict[SetKey, float] = field(default_factory=dict)
    _skip: dict[tuple[Move, Database], int] = field(default_factory=dict)

    def look(self, clock: Callable[[], datetime]) -> int:
        """A portion of each kind from each database; how many answers were moved."""
        now = time.monotonic()
        if now < self._next_look:
            return 0
        done = 0
        for engine in (self.instance.production, self.instance.test):
            try:
                done += self._begin_again(engine) + self._show(engine, clock)
                done += self._withdraw(engine, clock)
            except Busy as fault:
                journal.problem("the answers in OUT cannot be looked at for now", fault)
        self._next_look = 0.0 if done else now + LOOK_SECONDS
        return done

    def _begin_again(self, engine: Database) -> int:
        """What an operator wants again is unshown from here on, whoever took it away."""
        begun = self._portion(engine, outbox.wanted, dossiers.forget_taken)
        if begun:
            with writing(engine) as connection:
                outbox.record_begun(connection, [item.id for item in begun])
            for item in begun:
                journal.redelivering(item.key, item.stem)
        return len(begun)

    def _show(self, engine: Database, clock: Callable[[], datetime]) -> int:
        """What was posted, and what is shown again (A1-A3)."""
        shown = self._portion(engine, outbox.unshown_of_nobody, dossiers.emit)
        if shown:
            with writing(engine) as connection:
                submissions.record_emitted(connection, [item.id for item in shown], clock())
            for item in shown:
                journal.answered(item.key, (item.stem,))
        return len(shown)

    def _withdraw(self, engine: Database, clock: Callable[[], datetime]) -> int:
        """What was in OUT for its whole term leaves it."""
        days = self.instance.settings.answers_kept_days
        if not days:
            return 0
        before = clock() - timedelta(days=days)

        def due(connection: Transaction, skip: int) -> list[Emission]:
            return outbox.due(connection, before, skip)

        left = self._portion(engine, due, dossiers.withdraw)
        if left:
            with writing(engine) as connection:
                outbox.record_left(connection, [item.id for item in left], clock())
            senders = {str(item.key.channel) for item in left}
            journal.withdrawn(len(left), len(senders), before)
        return len(left)

    def _portion(self, engine: Database, ask: Ask, move: Move) -> list[Emission]:
        """The next portion, moved: each home together. What could not be moved holds up no other:

        it is skipped until a portion is not full, and what was moved is in none any more.
        """
        skip = self._skip.pop((move, engine), 0)
        with reading(engine) as connection:
            items = ask(connection, skip)
        moved = [done for mine in self._by_home(items) for done in self._moved(mine, move)]
        if len(items) == outbox.PORTION and len(moved) < len(items):
            self._skip[move, engine] = skip + len(items) - len(moved)
        return moved

    def _moved(self, items: Sequence[Emission], move: Move) -> Sequence[Emission]:
        """Those that could be moved: all together, else one by one."""
        try:
            move(self.instance.layout, items)
        except (SpoolFault, OSError) as fault:
            if len(items) > 1:
                return [done for item in items for done in self._moved([item], move)]
            (item,) = items
            journal.problem(f"{item.key}: {item.stem} cannot be shown or taken away", fault)
            self._not_before[item.key] = time.monotonic() + PAUSE_SECONDS
            return []
        return items

    def _by_home(self, items: Sequence[Emission]) -> Iterator[list[Emission]]:
        now = time.monotonic()
        homes: defaultdict[tuple[str, str], list[Emission]] = defaultdict(list)
        for item in items:
            if self._not_before.get(item.key, 0.0) <= now:
                self._not_before.pop(item.key, None)
                homes[str(item.key.channel), item.key.folder.answers].append(item)
        yield from homes.values()
