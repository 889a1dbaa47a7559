"""Who may log in while the registers are out of reach: as they were when last read.

All channels are read at the start, and again whenever an operator changed something. It is asked
when the database is not there: our outage keeps no sender out; and when the database says that
nothing has changed since, which it is asked for each login.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from dataclasses import dataclass, field

from batch import journal
from batch.errors import Busy
from batch.registers import Channel
from batch.storage.registers import Registers

REFRESH_SECONDS = 3.0
"""How often the registers are asked whether they changed: one look at one index."""
REFRESH_SHARE = 10
"""After reading them all, at least this many times what it took: 0.6 s for 10,000 channels."""
AWAY_SECONDS = 1.0
"""After a failed look-up the others go by memory this long, and do not wait for a lock as well."""


@dataclass(slots=True)
class Memory:
    """Channels by their user, as last read; looks up in the registers as long as they are there."""

    registers: Registers
    pool: Executor
    now: Callable[[], float] = time.monotonic
    _channels: dict[str, Channel] = field(default_factory=dict)
    _change: int | None = None
    _away: bool = False
    _again_at: float = 0.0

    async def keep(self, then: Callable[[], Awaitable[None]]) -> None:
        """Reads again what changed, and does what ``then`` has to be done; until cancelled."""
        took = 0.0
        while True:
            await asyncio.sleep(max(REFRESH_SECONDS, REFRESH_SHARE * took))
            begun = self.now()
            await self.look()
            took = self.now() - begun
            try:
                await then()
            except Exception as error:
                journal.problem("what changed could not be carried out", error)

    async def look(self) -> None:
        """``refresh`` in a thread; whatever fails there is told and ends nothing."""
        try:
            await asyncio.get_running_loop().run_in_executor(self.pool, self.refresh)
        except Exception as error:
            journal.problem("the registers cannot be read for the memory", error)

    def refresh(self) -> None:
        """Read all channels when something changed since the last time. Blocks."""
        try:
            change = self.registers.latest_change()
            if change != self._change:
                self._channels = {c.user: c for c in self.registers.logins()}
                self._change = change
        except Busy as error:
            self._gone(error)
        else:
            self._back()

    def channel_of_user(self, user: str) -> Channel | None:
        """The channel of ``user`` by the registers, or by memory when they are out of reach.

        Blocks. Raises Busy when they are, and were never read.
        """
        if self.now() >= self._again_at:
            try:
                found = self._afresh(user)
            except Busy as error:
                self._gone(error)
            else:
                self._back()
                return found
        if self._change is None:
            raise Busy("the registers are out of reach and were not read before")
        return self._channels.get(user)

    def remembered(self, user: str) -> Channel | None:
        """The channel of ``user`` as last read, from memory alone."""
        return self._channels.get(user)

    def _afresh(self, user: str) -> Channel | None:
        """As the registers stand now: to ask whether they changed is quicker than to read them."""
        if self.registers.latest_change() == self._change:
            return self._channels.get(user)
        found = self.registers.channel_of_user(user)
        self._remember(user, found)
        return found

    def _remember(self, user: str, found: Channel | None) -> None:
        if found is None:
            self._channels.pop(user, None)
        else:
            self._channels[user] = found

    def _gone(self, error: Busy) -> None:
        self._again_at = self.now() + AWAY_SECONDS
        if not self._away:
            self._away = True
            journal.problem("the registers are out of reach; logins are judged by memory", error)

    def _back(self) -> None:
        self._again_at = 0.0
        if self._away:
            self._away = False
            journal.mended("the registers are back; logins are judged by them again")
