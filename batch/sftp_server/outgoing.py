"""What asyncssh would do for each packet and this server does not need: one packet for one.

Only public names of asyncssh are replaced, on the objects of one connection; that they are still
asked is shown by ``tests/integration/sftp_server/test_outgoing.py`` (docs/decisions/0022).
"""

from __future__ import annotations

from typing import Any

import asyncssh
from asyncssh.constants import MSG_IGNORE


def send_nothing_to_ignore(connection: asyncssh.SSHServerConnection) -> None:
    """Have ``connection`` send no SSH_MSG_IGNORE before each of its packets.

    It is a defence of ciphers in CBC mode, whose next initialisation vector is known beforehand
    (RFC 4251, section 9.3.1); of those ``transport.CIPHERS`` has none.
    """
    send: Any = connection.send_packet

    def sent(kind: int, *parts: bytes, handler: Any = None) -> None:
        if kind != MSG_IGNORE:
            send(kind, *parts, handler=handler)

    hooked: Any = connection
    hooked.send_packet = sent


def log_no_packets(
    handler: asyncssh.SSHServerConnection | asyncssh.SSHServerChannel[bytes],
) -> None:
    """Have no line made up for each packet, which nobody writes: see ``server._quiet``."""
    hooked: Any = handler
    hooked.log_sent_packet = hooked.log_received_packet = _nothing


def _nothing(*_: object) -> None:
    pass
