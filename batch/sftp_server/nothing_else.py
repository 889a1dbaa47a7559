"""Everything SSH knows besides an SFTP session, refused in one place and told in the log.

Shells, commands and other subsystems are refused by the session itself (``session.py``).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Literal

import asyncssh
from asyncssh.constants import (
    MSG_CHANNEL_FAILURE,
    MSG_CHANNEL_REQUEST,
    MSG_GLOBAL_REQUEST,
    MSG_REQUEST_FAILURE,
)
from asyncssh.packet import SSHPacket

from batch.sftp_server import wire

JUDGED_BY_THE_SESSION = frozenset({"subsystem", "shell", "exec"})
"""Requests that begin a session; each channel hears one of them."""

QUIET = frozenset({"keepalive@openssh.com", "eow@openssh.com"})
"""Said by honest clients as they go; not worth a line."""


PROVE = "hostkeys-prove-00@openssh.com"
LONGEST_PROOF = 1024
"""Bytes of a request to prove host keys: each key in it costs a signature, and we have few."""


class NothingElse(asyncssh.SSHServer):
    """Refuses every kind of channel but a session, and every forwarding."""

    def refused(self, what: str) -> None:
        """Something other than SFTP was asked for."""
        raise NotImplementedError

    def connection_requested(
        self, dest_host: str, dest_port: int, orig_host: str, orig_port: int
    ) -> Literal[False]:
        return self._never(f"direct-tcpip {dest_host}:{dest_port}")

    def unix_connection_requested(self, dest_path: str) -> Literal[False]:
        return self._never(f"direct-streamlocal {dest_path}")

    def server_requested(self, listen_host: str, listen_port: int) -> Literal[False]:
        return self._never(f"tcpip-forward {listen_host}:{listen_port}")

    def unix_server_requested(self, listen_path: str) -> Literal[False]:
        return self._never(f"streamlocal-forward {listen_path}")

    def tun_requested(self, unit: int | None) -> Literal[False]:
        return self._never("tun")

    def tap_requested(self, unit: int | None) -> Literal[False]:
        return self._never("tap")

    def _never(self, what: str) -> Literal[False]:
        self.refused(what)
        return False


def refuse_requests(
    channel: asyncssh.SSHServerChannel[bytes], refused: Callable[[str], None]
) -> None:
    """Let ``channel`` hear no request but those that begin a session.

    asyncssh accepts any number of environment variables and keeps them, and tells nobody of a
    terminal, an agent or an X11 display that it refuses.
    """
    process = channel.process_packet

    def judged(kind: int, number: int, packet: SSHPacket) -> bool | Awaitable[None]:
        if kind != MSG_CHANNEL_REQUEST:
            return process(kind, number, packet)
        body = packet.get_remaining_payload()
        name = wire.first_text(body)
        if name in JUDGED_BY_THE_SESSION:
            return process(kind, number, packet)
        if name not in QUIET:
            refused(f"request {name}")
        if body[4 + len(name) : 5 + len(name)] != b"\0":
            channel.send_packet(MSG_CHANNEL_FAILURE)
        return True

    hooked: Any = channel
    hooked.process_packet = judged


def limit_proofs(connection: asyncssh.SSHServerConnection, refused: Callable[[str], None]) -> None:
    """Let ``connection`` ask once, and for few, that host keys are proved: clients do no more.

    asyncssh would sign as often as asked, in the event loop.
    """
    process, proved = connection.process_packet, False

    def judged(kind: int, number: int, packet: SSHPacket) -> bool | Awaitable[None]:
        nonlocal proved
        body = packet.get_remaining_payload() if kind == MSG_GLOBAL_REQUEST else b""
        if wire.first_text(body) != PROVE:
            return process(kind, number, packet)
        if not proved and len(body) <= LONGEST_PROOF:
            proved = True
            return process(kind, number, packet)
        refused(f"request {PROVE}")
        connection.send_packet(MSG_REQUEST_FAILURE)
        return True

    hooked: Any = connection
    hooked.process_packet = judged
