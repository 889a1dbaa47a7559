"""A sender that does one thing after the other, hears every answer, and believes none unseen.

Not on paramiko, which would hide that a CLOSE failed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import asyncssh

from fixtures.declared import fs
from tests.acceptance.clients import new_stem
from tests.acceptance.instance import Instance, Sender
from tests.declarations import declaration, person, right


class Failed(Exception):
    """The sender was told that this act failed."""


@dataclass(frozen=True)
class Set:
    """One set that is right."""

    stem: str
    fi: bytes
    fs: bytes

    @property
    def tail(self) -> str:
        return f"{self.stem}.1.1"


@dataclass
class Client:
    """A sender that does one thing after the other and stops at the first that fails."""

    instance: Instance
    sender: Sender
    made: list[Set] = field(default_factory=list)
    _runner: asyncio.Runner = field(default_factory=asyncio.Runner)
    _connection: asyncssh.SSHClientConnection | None = None
    _sftp: asyncssh.SFTPClient | None = None

    def new(self) -> Set:
        number = len(self.made)
        fi = declaration(right(f"R/error/{number}", inss=person(number)))
        self.made.append(Set(new_stem(self.sender.number), fi, fs(fi)))
        return self.made[-1]

    def send(self, one: Set) -> None:
        """A part, the rest by a resume, a rename, a file that is thought better of, the trigger.

        Raises Failed; then nothing later was tried. Whatever was answered OK is on the disk.
        """
        name, half = f"FI.{one.tail}", len(one.fi) // 2
        self._put(f"{name}.part", one.fi[:half])
        self._put(f"{name}.part", one.fi[half:], "ab", one.fi)
        self._told(lambda sftp: sftp.posix_rename(f"/IN/{name}.part", f"/IN/{name}"))
        assert self._file(name).read_bytes() == one.fi
        self._put(f"FS.{one.tail}", one.fs)
        self._put("mistake", b"x")
        self._told(lambda sftp: sftp.remove("/IN/mistake"))
        self._put(f"GO.{one.stem}.1", b"")

    def _put(self, name: str, content: bytes, mode: str = "wb", whole: bytes | None = None) -> None:
        async def act(sftp: asyncssh.SFTPClient) -> None:
            handle = await sftp.open(f"/IN/{name}", mode)
            try:
                await handle.write(content)
            except asyncssh.SFTPError:
                assert not await _closes(handle), f"{name}: OK after a write that failed"
                raise
            await handle.close()

        self._told(act)
        if not name.startswith("GO."):
            assert self._file(name).read_bytes() == (content if whole is None else whole), name

    def _told(self, act: Callable[[asyncssh.SFTPClient], Awaitable[None]]) -> None:
        """Do it and wait for the answer."""
        try:
            self._runner.run(self._within(act))
        except asyncssh.SFTPError as error:
            if isinstance(error, asyncssh.SFTPConnectionLost | asyncssh.SFTPNoConnection):
                self._sftp = None
            raise Failed(error.reason) from error
        except (asyncssh.Error, OSError) as error:
            self._sftp = None
            raise Failed(str(error)) from error

    async def _within(self, act: Callable[[asyncssh.SFTPClient], Awaitable[None]]) -> None:
        async with asyncio.timeout(60):
            await act(self._sftp or await self._connect())

    def _file(self, name: str) -> Path:
        return self.instance.folder(self.sender.number, "IN") / name

    async def _connect(self) -> asyncssh.SFTPClient:
        self._connection = await asyncssh.connect(
            "127.0.0.1",
            self.instance.port,
            config=[],
            username=self.sender.user,
            client_keys=[asyncssh.read_private_key(self.sender.identity)],
            agent_path=None,
            known_hosts=([asyncssh.import_public_key(self.instance.host_key)], [], []),
        )
        self._sftp = await self._connection.start_sftp_client()
        return self._sftp

    def close(self) -> None:
        if self._connection is not None:
            self._connection.abort()
            self._runner.run(self._connection.wait_closed())
        self._runner.close()


async def _closes(handle: asyncssh.SFTPClientFile) -> bool:
    """Whether a CLOSE is answered OK, as a client asks that looks at nothing before."""
    try:
        await handle.close()
    except asyncssh.SFTPError:
        return False
    return True
