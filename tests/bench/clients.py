"""The sender's side, the same for both servers: OpenSSH's ``sftp`` in batch mode, and idle
connections held by one process."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import asyncssh

from tests.bench import usage

CIPHER = "aes128-gcm@openssh.com"
KEY_EXCHANGE = "curve25519-sha256"
"""Offered by both servers; left to itself each would agree on another with the same client."""
ROOM = 2 << 30
"""Bytes that must be free in memory for what lies ready; else it lies on a disk."""


class Server(Protocol):
    """A server that a client can be pointed at."""

    @property
    def port(self) -> int: ...

    @property
    def user(self) -> str: ...

    @property
    def identity(self) -> Path: ...

    def cpu(self) -> float:
        """CPU seconds that serving took so far; comes back when no session is left."""
        ...

    def cpu_in_kernel(self) -> float:
        """The part of it that the system took."""
        ...

    def memory(self) -> int:
        """Bytes of all its processes, shared pages once."""
        ...


def options(server: Server) -> list[str]:
    """What ``ssh`` and ``sftp`` are told, so that nothing of this machine's settings counts."""
    given = {
        "IdentityFile": server.identity,
        "IdentitiesOnly": "yes",
        "IdentityAgent": "none",
        "UserKnownHostsFile": os.devnull,
        "GlobalKnownHostsFile": os.devnull,
        "StrictHostKeyChecking": "no",
        "LogLevel": "ERROR",
        "BatchMode": "yes",
        "Ciphers": CIPHER,
        "KexAlgorithms": KEY_EXCHANGE,
        "Port": server.port,
    }
    return ["-F", "none", *(part for k, v in given.items() for part in ("-o", f"{k}={v}"))]


def start(server: Server, lines: Sequence[str], home: Path) -> subprocess.Popen[bytes]:
    """One session of these lines, begun; it ends at the first that fails."""
    batch = home / f"batch-{os.urandom(4).hex()}"
    batch.write_text("".join(f"{line}\n" for line in lines))
    return subprocess.Popen(
        ["sftp", *options(server), "-b", str(batch), f"{server.user}@127.0.0.1"],
        cwd=home,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def sessions(server: Server, shares: Sequence[Sequence[str]], home: Path) -> list[bytes]:
    """Several sessions at once, to their end; what each printed."""
    return list(usage.together([start(server, lines, home) for lines in shares]))


@contextmanager
def scratch(name: str) -> Iterator[Path]:
    """A directory for what the client reads and writes: in memory where that is, so that it is
    the server's disk that counts."""
    shared = Path("/dev/shm")
    roomy = shared.is_dir() and shutil.disk_usage(shared).free > ROOM
    base = shared if roomy and os.access(shared, os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix=f"fla-batch-{name}-", dir=base) as made:
        yield Path(made)


@dataclass
class Idle:
    """Connections of one process that have a session open and say nothing."""

    held: list[tuple[asyncssh.SSHClientConnection, asyncssh.SFTPClient]]

    @classmethod
    async def open(cls, server: Server, users: Sequence[tuple[str, Path]]) -> Idle:
        """One for each user and key, eight at a time."""
        gate = asyncio.Semaphore(8)

        async def one(
            user: str, key: Path
        ) -> tuple[asyncssh.SSHClientConnection, asyncssh.SFTPClient]:
            async with gate:
                return await connect(server.port, user, key)

        return cls(list(await asyncio.gather(*(one(user, key) for user, key in users))))

    async def close(self) -> None:
        for connection, _ in self.held:
            connection.close()
        await asyncio.gather(*(connection.wait_closed() for connection, _ in self.held))


async def connect(
    port: int, user: str, key: Path
) -> tuple[asyncssh.SSHClientConnection, asyncssh.SFTPClient]:
    """A connection with an SFTP session, logged in."""
    connection = await asyncssh.connect(
        "127.0.0.1",
        port,
        username=user,
        client_keys=[str(key)],
        known_hosts=None,
        config=None,
        agent_path=None,
        encryption_algs=[CIPHER],
        kex_algs=[KEY_EXCHANGE],
    )
    return connection, await connection.start_sftp_client()
