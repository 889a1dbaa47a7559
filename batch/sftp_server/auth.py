"""Who comes in: public keys of the registers, and nothing else.

``Doorkeeper.admits`` is the one place that can say yes. asyncssh lets a client in without any
credential when ``begin_auth`` gives something false, so it is written to give True and nothing
else, and ``Visit`` opens no session for a connection that ``admits`` did not name.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Literal

import asyncssh
from asyncssh.constants import MSG_DISCONNECT, MSG_USERAUTH_REQUEST
from asyncssh.packet import SSHPacket, String, UInt32

from batch import journal
from batch.registers import Channel
from batch.sftp_server import wire
from batch.sftp_server.disk import Disk
from batch.sftp_server.doorkeeper import Doorkeeper, Proof, public_line
from batch.sftp_server.gate import Gate, Stranger
from batch.sftp_server.keys import LEGACY_SIGNATURE, SIGNATURES, guard
from batch.sftp_server.nothing_else import NothingElse, limit_proofs
from batch.sftp_server.operations import Operations
from batch.sftp_server.outgoing import log_no_packets, send_nothing_to_ignore
from batch.sftp_server.session import SftpSession
from batch.sftp_server.transport import acknowledge_soon, keep_options

MOST_TRIES = 6
"""Keys that one connection may try, as OpenSSH's MaxAuthTries."""

MOST_REQUESTS = 2 * MOST_TRIES
"""Requests to log in on one connection, of any method: each key is offered and then proved."""

MOST_CHANNELS = 2
"""SFTP channels of one connection: clients open one, some a second one for listings."""

MOST_REFUSALS = 8
"""Requests refused on one connection that are told in full; of more, only the first word."""

LINGER_SECONDS = 1.0
"""How long a client that was told to go may take to hang up before its socket is closed."""

REFUSAL_SECONDS = 0.1
"""A refusal is answered this long after the question, whatever made it: the time a look-up
takes does not tell whether the user exists."""

BLUR_SECONDS = 0.01
"""And up to this much later, at random: the event loop counts whole milliseconds from the end of
the look-up, so that a fixed delay would keep the look-up's fraction of one."""

_random = random.SystemRandom()


@dataclass(slots=True)
class House:
    """What all connections of one server share."""

    doorkeeper: Doorkeeper
    gate: Gate
    operations: Callable[[Channel], Operations]
    disk: Disk
    idle_seconds: float
    session_seconds: float
    visits: set[Visit] = field(default_factory=set)

    async def review(self) -> None:
        """End the visits of those who would not be let in any more."""
        for visit in tuple(self.visits):
            if visit.proof is None:
                continue
            expelled = await self.doorkeeper.expels(visit.proof)
            if expelled is not None:
                visit.leave(asyncssh.DISC_BY_APPLICATION, expelled)


class Visit(NothingElse):
    """One connection, from its acceptance to its end."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._connection: asyncssh.SSHServerConnection | None = None
        self._address = "?"
        self._since = time.monotonic()
        self._last = self._since
        self._stranger: Stranger | None = None
        self._refused = 0
        self._asked = 0
        self._failures = 0
        self._first_method: bytes | None = None
        self._too_often = False
        self._sent_away = False
        self._offers = 0
        self._proven: Proof | None = None
        self._channel: Channel | None = None
        self._sessions: set[SftpSession] = set()
        self._refusals: set[str] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._reason = "closed by the client"
        self._leaving = False
        self._gone = asyncio.Event()
        self.writable = True

    # --- the connection -----------------------------------------------------------------

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._connection = conn
        peer = conn.get_extra_info("peername")
        self._address = str(peer[0]) if peer else "?"
        arrived = self._house.gate.arrives(self._address, self._make_room)
        if isinstance(arrived, str):
            journal.connection_refused(self._address, arrived)
            conn.abort()
            return
        self._stranger = arrived
        acknowledge_soon(conn)
        keep_options(conn)
        send_nothing_to_ignore(conn)
        log_no_packets(conn)
        self._house.visits.add(self)
        # asyncssh lets a client try without end by methods and keys that we are not asked about.
        # It ignores that its transport is full; a client that asks and never reads would
        # otherwise have us hold everything it asked for.
        fail = conn.send_userauth_failure
        conn.send_userauth_failure = partial(self._fail, fail)  # type: ignore[method-assign]
        limit_proofs(conn, self.refused)
        conn.process_packet = partial(self._hear, conn.process_packet)  # type: ignore[method-assign]
        conn.pause_writing = self._pause  # type: ignore[method-assign]
        conn.resume_writing = self._resume  # type: ignore[method-assign]

    def connection_lost(self, exc: Exception | None) -> None:
        self._connection = None
        self._gone.set()
        self._set_timer(None)
        self._leave_gate()
        if self._channel is not None:
            seconds = time.monotonic() - self._since
            reason = str(exc) if exc and not self._leaving else self._reason
            journal.session_ended(self._channel.sender, self._address, seconds, reason)
        if not self._sessions:
            self._house.visits.discard(self)

    def _leave_gate(self) -> None:
        stranger, self._stranger = self._stranger, None
        if stranger is not None and self._channel is None:
            self._house.gate.leaves(stranger, tried=self._tried)
        elif stranger is not None and self._channel is not None:
            self._house.gate.goes(self._channel.sender)

    def _make_room(self, reason: str) -> None:
        journal.connection_refused(self._address, reason)
        self._sent_away = True
        if self._connection is not None:
            self._connection.abort()

    def leave(self, code: int, reason: str) -> None:
        """Hear nothing more from the client, tell it ``reason``, and let it hang up.

        asyncssh's own ``disconnect`` closes the channels first and the socket at once: a client
        that answers the closed channel finds no socket, and never reads the reason.
        """
        if self._connection is None or self._leaving:
            return
        self._leaving = True
        self._reason = reason
        for session in tuple(self._sessions):
            session.stop()
        self._connection.send_packet(MSG_DISCONNECT, UInt32(code), String(reason), String(""))
        loop = asyncio.get_running_loop()
        self._set_timer(loop.call_later(LINGER_SECONDS, self._connection.abort))

    async def drain(self) -> None:
        """Let running requests end, then close."""
        for session in tuple(self._sessions):
            await session.drain()
        self.leave(asyncssh.DISC_BY_APPLICATION, "the server stops; come back in a moment")
        await self._gone.wait()

    def _set_timer(self, timer: asyncio.TimerHandle | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = timer

    def _pause(self) -> None:
        self.writable = False

    def _resume(self) -> None:
        self.writable = True
        for session in tuple(self._sessions):
            session.proceed()

    # --- login --------------------------------------------------------------------------

    @property
    def proof(self) -> Proof | None:
        """By what this visitor came in; None before it is in."""
        return self._proven if self._channel is not None else None

    def begin_auth(self, username: str) -> Literal[True]:
        self._proven = None
        return True

    def public_key_auth_supported(self) -> bool:
        return True

    def password_auth_supported(self) -> bool:
        return False

    def kbdint_auth_supported(self) -> bool:
        return False

    async def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        self._proven = None
        self._asked += 1
        if self._asked > MOST_REQUESTS:  # also those that did not wait for their answer
            raise self._too_many()
        answer_at = time.monotonic() + REFUSAL_SECONDS + _random.uniform(0, BLUR_SECONDS)
        judged = await self._house.doorkeeper.admits(username, key, self._address)
        if isinstance(judged, str):
            await self._refuse(username, judged, answer_at)
            return False
        self._offers += 1
        if self._offers > MOST_TRIES:  # the key is public; only its owner can sign with it
            journal.login_refused(username, self._address, "right key, no right signature")
            raise self._too_many()
        self._await_proof(username, judged, key)
        return True

    def _await_proof(self, user: str, channel: Channel, key: asyncssh.SSHKey) -> None:
        """Only a right signature by ``key``, that asyncssh asks for next, proves ``channel``."""
        public, mark = public_line(key), key.get_fingerprint()
        allowed = SIGNATURES | {LEGACY_SIGNATURE} if channel.legacy else SIGNATURES

        def judged(refused: str | None, algorithm: str) -> None:
            if refused is not None:
                journal.login_refused(user, self._address, f"{refused}: {algorithm}")
            else:
                self._proven = Proof(user, channel, public, mark, algorithm)

        guard(key, allowed, judged)

    def _fail(self, send: Callable[[bool], None], partly: bool) -> None:
        self._failures += 1
        if self._failures > MOST_REQUESTS:
            raise self._too_many()
        send(partly)

    def _hear(
        self,
        process: Callable[[int, int, SSHPacket], bool | Awaitable[None]],
        kind: int,
        number: int,
        packet: SSHPacket,
    ) -> bool | Awaitable[None]:
        """Note by which method the client began: asyncssh tells us of keys alone."""
        if kind == MSG_USERAUTH_REQUEST and self._first_method is None:
            named = wire.strings(packet.get_remaining_payload(), 3)
            self._first_method = named[2] if named else b""
        return process(kind, number, packet)

    @property
    def _tried(self) -> bool:
        """Did it try to get in? Most clients begin by asking for no login at all, to hear what
        there is; who only looks, or says nothing, tried nothing. Who had to make room for others
        may have been about to offer the right key; what it costs us is counted by its rate."""
        free = 1 if self._first_method == b"none" else 0
        failed = self._refused > 0 or self._failures > free
        return self._too_often or (failed and not self._sent_away)

    def _too_many(self) -> asyncssh.DisconnectError:
        self._too_often = True
        return asyncssh.DisconnectError(
            asyncssh.DISC_NO_MORE_AUTH_METHODS_AVAILABLE, "too many tries to log in"
        )

    async def _refuse(self, user: str, reason: str, answer_at: float) -> None:
        journal.login_refused(user, self._address, reason)
        self._refused += 1  # whether or not the client waits for its answer
        await asyncio.sleep(max(0.0, answer_at - time.monotonic()))
        if self._refused >= MOST_TRIES:
            raise self._too_many()

    def auth_completed(self) -> None:
        connection, proven = self._connection, self._proven
        if connection is None:
            return
        if proven is None or proven.user != connection.get_extra_info("username"):
            journal.problem("a login was completed that nobody admitted; the connection is closed")
            connection.abort()
            return
        self._channel = proven.channel
        sender = self._channel.sender
        assert self._stranger is not None
        too_many = self._house.gate.logs_in(self._stranger, sender)
        if too_many is not None:
            journal.connection_refused(self._address, too_many)
            self.leave(asyncssh.DISC_TOO_MANY_CONNECTIONS, too_many)
            return
        journal.login(sender, proven.user, self._address, proven.fingerprint)
        self._tell_legacy(connection, proven)
        self._last = self._since = time.monotonic()
        self._watch_time()

    def _tell_legacy(self, connection: asyncssh.SSHServerConnection, proven: Proof) -> None:
        shown = connection.get_server_host_key()
        if proven.algorithm == LEGACY_SIGNATURE:
            what = "signature with SHA-1 (channel legacy)"
            journal.legacy_login(proven.channel.sender, self._address, what)
        if shown is not None and shown.algorithm.startswith(b"ecdsa-"):
            what = "ECDSA host key (setting legacy)"
            journal.legacy_login(proven.channel.sender, self._address, what)

    # --- the session --------------------------------------------------------------------

    def session_requested(self) -> SftpSession | bool:
        channel = self._channel
        if channel is None or self._leaving:
            return False
        if len(self._sessions) >= MOST_CHANNELS:
            raise asyncssh.ChannelOpenError(
                asyncssh.OPEN_RESOURCE_SHORTAGE, "too many channels on this connection"
            )
        house = self._house
        run = partial(house.disk.run, channel.sender)
        session = SftpSession(self, lambda: house.operations(channel), run)
        self._sessions.add(session)
        return session

    def touched(self) -> None:
        """A session heard from the client, or answered it."""
        self._last = time.monotonic()

    def refused(self, what: str) -> None:
        """Something other than SFTP was asked for; told once however often it is asked."""
        kind = what.split(" ")[0] if len(self._refusals) >= MOST_REFUSALS else what
        if kind not in self._refusals:
            self._refusals.add(kind)
            journal.request_refused(self._channel.sender if self._channel else "?", kind)

    def ended(self, session: SftpSession) -> None:
        """A session has tidied up after itself."""
        self._sessions.discard(session)
        if self._connection is None and not self._sessions:
            self._house.visits.discard(self)

    def _watch_time(self) -> None:
        """Close what was idle too long, or lasted too long; look again when either may be."""
        now, house = time.monotonic(), self._house
        if now - self._last >= house.idle_seconds:
            return self.leave(asyncssh.DISC_BY_APPLICATION, "nothing was asked for too long")
        if now - self._since >= house.session_seconds:
            return self.leave(asyncssh.DISC_BY_APPLICATION, "the session lasted too long")
        left = min(self._last + house.idle_seconds, self._since + house.session_seconds) - now
        self._set_timer(asyncio.get_running_loop().call_later(left, self._watch_time))
        return None
