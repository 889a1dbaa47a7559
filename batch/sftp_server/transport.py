"""What the SSH layer offers: allow-lists and limits. All that a library would offer besides, and
this server does not stand behind, is named and turned off."""

from __future__ import annotations

import socket
from contextlib import suppress
from typing import Any

import asyncssh

from batch.settings import Settings
from batch.sftp_server.keys import SIGNATURES

KEY_EXCHANGES = (
    "mlkem768x25519-sha256",
    "curve25519-sha256",
    "curve25519-sha256@libssh.org",
)
"""Post-quantum first. No Diffie-Hellman over finite fields: group 16 costs 3.7 ms of a core where
Curve25519 costs 0.08, for anybody who knocks, and ``cryptography`` has deprecated it: support "will
be removed in a future release" (50.0, ``hazmat.primitives.asymmetric.dh``)."""

LEGACY_KEY_EXCHANGES = ("ecdh-sha2-nistp256",)
"""For clients without Curve25519, as older JSch, or not allowed to use it."""

CIPHERS = ("aes256-gcm@openssh.com", "aes128-gcm@openssh.com", "aes256-ctr", "aes128-ctr")
MACS = (
    "hmac-sha2-256-etm@openssh.com",
    "hmac-sha2-512-etm@openssh.com",
    "hmac-sha2-256",
    "hmac-sha2-512",
)
"""GCM first: fastest here, and not touched by prefix truncation. MACs serve CTR; those of
libssh2 come last. ChaCha20-Poly1305 is left out because unpatched peers make it truncatable."""

VERSION_LINE = "fla-batch"
"""What the server calls itself; no version, which would only help strangers."""

KEEPALIVE_SECONDS = 30
KEEPALIVES = 3
"""A client that answers none of these is gone: under two minutes."""

TCP_DELACK_MAX_US = 46
"""From linux/tcp.h, since Linux 6.15; Python has no name for it."""
SHORTEST_DELAYS = (2_000, 8_000, 20_000)
"""Microseconds: two ticks of kernels with 1000, 250 and 100 a second; shorter ones are refused."""


def acknowledge_soon(connection: asyncssh.SSHServerConnection) -> None:
    """Have the kernel wait less than its 40 ms before it acknowledges, where it knows how.

    Clients that leave Nagle's algorithm on (paramiko, ssh2 of Node) send a packet in pieces, and
    hold the next piece back until the one before is acknowledged.
    """
    line = connection.get_extra_info("socket")
    if line is None:
        return
    for microseconds in SHORTEST_DELAYS:
        with suppress(OSError):
            line.setsockopt(socket.IPPROTO_TCP, TCP_DELACK_MAX_US, microseconds)
            return


def keep_options(connection: asyncssh.SSHServerConnection) -> None:
    """Have ``connection`` keep its options when it hears the name of a user.

    asyncssh makes all of them anew then, in a thread, because a configuration file may have others
    for that user. Here is none: ``listen`` is given ``config=None``.
    """
    hooked: Any = connection
    hooked.reload_config = _kept


async def _kept() -> None:
    pass


def key_exchanges(settings: Settings) -> list[str]:
    """The key exchanges this instance offers, best first."""
    return [*KEY_EXCHANGES, *(LEGACY_KEY_EXCHANGES if settings.legacy else ())]


def options(settings: Settings) -> dict[str, Any]:
    """Allow-lists and limits, as asyncssh's ``listen`` takes them."""
    return {
        "server_version": VERSION_LINE,
        "kex_algs": key_exchanges(settings),
        "encryption_algs": list(CIPHERS),
        "mac_algs": list(MACS),
        "compression_algs": None,
        "signature_algs": sorted(SIGNATURES),
        "authorized_client_keys": None,
        "public_key_auth": True,
        "password_auth": False,
        "kbdint_auth": False,
        "host_based_auth": False,
        "gss_host": None,
        "gss_kex": False,
        "gss_auth": False,
        "x509_trusted_certs": None,
        "allow_pty": False,
        "allow_scp": False,
        "agent_forwarding": False,
        "x11_forwarding": False,
        "line_editor": False,
        "encoding": None,
        "login_timeout": settings.login_seconds,
        "keepalive_interval": KEEPALIVE_SECONDS,
        "keepalive_count_max": KEEPALIVES,
    }
