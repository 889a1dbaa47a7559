"""Who may come in, and stay: judged by the registers, read afresh each time.

When the registers are out of reach, they are judged as they were when last read; when they
never were, the client is told to come back, and not that its key is wrong.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from datetime import UTC, datetime

import asyncssh

from batch import journal
from batch.errors import Busy
from batch.registers import Channel
from batch.sftp_server.keys import LEGACY_SIGNATURE, weakness
from batch.sftp_server.memory import Memory
from batch.storage.registers import USER_NAME


@dataclass(frozen=True, slots=True)
class Proof:
    """A right signature on this connection: whose, by which key (OpenSSH's line), and how."""

    user: str
    channel: Channel
    public: str
    fingerprint: str
    algorithm: str


def objection(channel: Channel | None, public: str, at: datetime) -> str | None:
    """Why nobody logs in to ``channel`` with the key ``public`` at ``at``; None when one may."""
    if channel is None:
        return "no such user"
    if not channel.open.covers(at):
        return "the channel is not open"
    if not any(k.public == public and k.valid.covers(at) for k in channel.keys):
        return "the key is not one of the channel's"
    return None


def public_line(key: asyncssh.SSHKey) -> str:
    """The key as the registers hold it: type and base64."""
    return " ".join(key.export_public_key("openssh").decode("ascii").split()[:2])


@dataclass(slots=True)
class Doorkeeper:
    """Says who comes in, and who may no longer stay."""

    memory: Memory
    pool: Executor
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    async def admits(self, user: str, key: asyncssh.SSHKey, address: str) -> Channel | str:
        """The channel that ``user`` at ``address`` proves to be with ``key`` (its signature is
        asyncssh's to check), or for our log why not."""
        if not USER_NAME.fullmatch(user):
            return "no such user name"
        weak = weakness(key)
        if weak is not None:
            return f"weak key: {weak}"
        channel = await self._channel(user, address)
        refused = objection(channel, public_line(key), self.now())
        if refused is not None or channel is None:
            return refused or "no such user"
        return channel

    async def expels(self, proof: Proof) -> str | None:
        """Why who came in by ``proof`` may not stay, as a sentence; None when it may.

        Asks memory first, which costs nothing, and the registers only when memory objects: what
        was read a moment ago may be older than this login.
        """
        if self._ended(self.memory.remembered(proof.user), proof) is None:
            return None
        loop = asyncio.get_running_loop()
        try:
            found = await loop.run_in_executor(self.pool, self.memory.channel_of_user, proof.user)
        except Busy:
            return None
        return self._ended(found, proof)

    def _ended(self, channel: Channel | None, proof: Proof) -> str | None:
        at = self.now()
        if channel is None or not channel.open.covers(at):
            return "the channel of this session is closed"
        if objection(channel, proof.public, at) is not None:
            return "the key of this session is no longer registered"
        if proof.algorithm == LEGACY_SIGNATURE and not channel.legacy:
            return "this channel no longer logs in with SHA-1 signatures"
        return None

    async def _channel(self, user: str, address: str) -> Channel | None:
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self.pool, self.memory.channel_of_user, user)
        except Busy as error:
            journal.login_refused(user, address, str(error))
            raise asyncssh.DisconnectError(
                asyncssh.DISC_SERVICE_NOT_AVAILABLE,
                "logins cannot be judged now; come back in a moment",
            ) from error
