"""How many connections there may be: in all, not yet logged in, of one address, of one sender.

Who comes in is ``auth``'s to say. A refusal is the reason as a sentence.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from batch.identifiers import SenderNumber
from batch.settings import Settings
from batch.sftp_server.addresses import Addresses, network

MADE_ROOM = "it took too long to log in, and others wait"

Leave = Callable[[str], None]
"""Closes a connection, for the reason given."""


@dataclass(frozen=True, slots=True, eq=False)
class Stranger:
    """A connection that has not logged in."""

    address: str
    leave: Leave


@dataclass(slots=True)
class Gate:
    """The counts of one server process.

    Strangers get at most half of the places, so that however many there are, senders who are
    logged in keep theirs. Where their share is full, the one who has waited longest makes room, of
    the address that has most: silent connections keep nobody out who logs in at once, and those of
    many addresses crowd out each other. ``most``: connections there is place for in all.
    """

    settings: Settings
    addresses: Addresses
    most: int
    senders: Counter[SenderNumber] = field(default_factory=Counter)
    _strangers: OrderedDict[int, Stranger] = field(default_factory=OrderedDict)
    _of_address: Counter[str] = field(default_factory=Counter)

    @property
    def strangers(self) -> int:
        return len(self._strangers)

    def arrives(self, address: str, leave: Leave) -> Stranger | str:
        """A connection was accepted; a sentence when it must be closed again."""
        refused = self.addresses.arrives(address)
        if refused is not None:
            return refused
        mine = network(address)
        if self._of_address[mine] >= self.settings.max_strangers_per_address:
            self._make_room(mine)
        elif self.strangers >= max(1, self.most // 2) or self._all() >= self.most:
            if not self._strangers:
                return "too many connections"
            self._make_room()
        stranger = Stranger(mine, leave)
        self._strangers[id(stranger)] = stranger
        self._of_address[mine] += 1
        return stranger

    def logs_in(self, stranger: Stranger, sender: SenderNumber) -> str | None:
        """A stranger proved to be ``sender``; a sentence when that sender has its share already.

        Either way it is counted as a sender's until it ``goes``.
        """
        self._forget(stranger)
        self.senders[sender] += 1
        if self.senders[sender] > self.settings.max_connections_per_sender:
            return f"too many connections of sender {sender} at once"
        self.addresses.succeeded(stranger.address)
        return None

    def leaves(self, stranger: Stranger, *, tried: bool) -> None:
        """A connection ended without a login; ``tried``: it asked to be let in."""
        self._forget(stranger)
        if tried:
            self.addresses.failed(stranger.address)

    def goes(self, sender: SenderNumber) -> None:
        """A connection of ``sender`` ended."""
        self.senders[sender] -= 1
        if not self.senders[sender]:
            del self.senders[sender]

    def _all(self) -> int:
        return self.strangers + self.senders.total()

    def _make_room(self, address: str | None = None) -> None:
        """The one who has waited longest leaves: of ``address``, or of the one that has most."""
        waiting = (s for s in self._strangers.values() if address in (None, s.address))
        stranger = max(waiting, key=lambda s: self._of_address[s.address])
        self._forget(stranger)
        stranger.leave(MADE_ROOM)

    def _forget(self, stranger: Stranger) -> None:
        if self._strangers.pop(id(stranger), None) is not None:
            self._of_address[stranger.address] -= 1
            if not self._of_address[stranger.address]:
                del self._of_address[stranger.address]
