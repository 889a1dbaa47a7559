"""Each algorithm alone: one we stand behind connects, any other a client knows is refused."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import dataclass
from typing import Any

import asyncssh
import pytest
from asyncssh.compression import get_compression_algs
from asyncssh.encryption import get_encryption_algs
from asyncssh.kex import get_kex_algs
from asyncssh.mac import get_mac_algs
from asyncssh.public_key import get_public_key_algs

from batch.sftp_server import wire
from tests.integration.sftp_server.support import Running, openssh_pem

KEX = [
    "mlkem768x25519-sha256",
    "curve25519-sha256",
    "curve25519-sha256@libssh.org",
]
CIPHERS = ["aes256-gcm@openssh.com", "aes128-gcm@openssh.com", "aes256-ctr", "aes128-ctr"]
MACS = [
    "hmac-sha2-256-etm@openssh.com",
    "hmac-sha2-512-etm@openssh.com",
    "hmac-sha2-256",
    "hmac-sha2-512",
]
HOST_KEYS = ["ssh-ed25519"]
CTR = {"encryption_algs": ["aes256-ctr"]}
"""A MAC counts only beside a cipher that needs one."""


@dataclass(frozen=True)
class Offer:
    """What a client offers, all other things being as by default."""

    what: str
    options: dict[str, Any]

    def __str__(self) -> str:
        return self.what


def offers(kind: str, names: list[str], **more: Any) -> list[Offer]:
    return [Offer(name, {kind: [name], **more}) for name in names]


def known(found: list[bytes], allowed: list[str]) -> list[str]:
    """All that this client's library can do, and is not ``allowed``."""
    names = [one.decode() for one in found]
    return [name for name in names if name not in allowed and not name.startswith("gss-")]


ALLOWED = [
    *offers("kex_algs", KEX),
    *offers("encryption_algs", CIPHERS),
    *offers("mac_algs", MACS, **CTR),
    *offers("server_host_key_algs", HOST_KEYS),
    *offers("compression_algs", ["none"]),
]
FORBIDDEN = [
    *offers("kex_algs", known(get_kex_algs(), KEX)),
    *offers("encryption_algs", known(get_encryption_algs(), CIPHERS)),
    *offers("mac_algs", known(get_mac_algs(), MACS), **CTR),
    *offers("server_host_key_algs", known(get_public_key_algs(), HOST_KEYS)),
    *offers("compression_algs", known(get_compression_algs(), ["none"])),
]


async def connect(running: Running, options: dict[str, Any]) -> dict[str, Any]:
    """Log in and open SFTP; what was agreed on."""
    key = asyncssh.import_private_key(openssh_pem(running.keys["alice"]))
    async with asyncssh.connect(
        *("127.0.0.1", running.port),
        username="alice",
        known_hosts=None,
        config=None,
        client_keys=[key],
        **options,
    ) as connection:
        async with connection.start_sftp_client() as sftp:
            assert "IN" in await sftp.listdir("/")
        names = ("send_cipher", "send_mac", "send_compression", "recv_cipher", "recv_mac")
        return {name: connection.get_extra_info(name) for name in names}


@pytest.mark.parametrize("offer", ALLOWED, ids=str)
def test_each_algorithm_we_stand_behind_connects_alone(running: Running, offer: Offer) -> None:
    agreed = asyncio.run(connect(running, offer.options))
    assert agreed["send_compression"] == "none"


def test_there_is_something_to_refuse() -> None:
    assert len(FORBIDDEN) >= 40
    for kind in ("kex_algs", "encryption_algs", "mac_algs", "server_host_key_algs"):
        assert sum(kind in offer.options for offer in FORBIDDEN) >= 5, kind
    assert {"zlib", "zlib@openssh.com", "ssh-rsa", "hmac-sha1"} <= {o.what for o in FORBIDDEN}


@pytest.mark.parametrize("offer", FORBIDDEN, ids=str)
def test_a_client_that_offers_only_this_is_refused(running: Running, offer: Offer) -> None:
    """The server may have hung up before the client finds out by itself."""
    with pytest.raises((asyncssh.KeyExchangeFailed, asyncssh.ConnectionLost, ConnectionError)):
        asyncio.run(connect(running, offer.options))
    assert asyncio.run(connect(running, {})), "it was for the algorithm"


def offered(port: int) -> list[list[str]]:
    """The lists of the server's first KEXINIT (RFC 4253, section 7.1), before any agreement."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as stream:
        stream.sendall(b"SSH-2.0-test\r\n")
        received = stream.makefile("rb")
        assert received.readline() == b"SSH-2.0-fla-batch\r\n"
        length = int.from_bytes(received.read(4), "big")
        packet = received.read(length)
        assert packet[1] == 20
        return [names.decode().split(",") for names in wire.strings(packet[18:], 10)]


def test_the_server_offers_its_lists_best_first_and_strict_key_exchange(running: Running) -> None:
    kex, host_keys, *both_ways = offered(running.port)
    extensions = {"ext-info-s", "kex-strict-s-v00@openssh.com"}
    assert [name for name in kex if name not in extensions] == KEX
    assert "kex-strict-s-v00@openssh.com" in kex
    assert host_keys == HOST_KEYS
    nothing = [""]
    assert both_ways == [CIPHERS, CIPHERS, MACS, MACS, ["none"], ["none"], nothing, nothing]
