"""The client: paramiko. What it was told is kept by the book, outside the instance."""

from __future__ import annotations

import base64
import socket
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import paramiko
from paramiko.sftp import CMD_CLOSE

from tests.acceptance.instance import Sender
from tests.crash.lab.channel import Channel

SECONDS = 40.0
"""A request that takes longer is taken for a lost connection."""


class Lost(Exception):
    """The connection is gone: nothing is known of the request that was under way."""


class Refused(Exception):
    """The channel said no."""


@dataclass
class Client:
    """One sender on one connection at a time. What returns was answered OK."""

    channel: Channel
    who: Sender
    _transport: paramiko.Transport | None = None
    _session: paramiko.SFTPClient | None = None

    def connect(self, seconds: float = SECONDS) -> None:
        """Connect, trying again while the channel is down; Lost when it stays down."""
        deadline = time.monotonic() + seconds
        while self._session is None:
            try:
                self._session = self._open()
            except (OSError, EOFError, paramiko.SSHException) as error:
                self.drop()
                if time.monotonic() > deadline:
                    raise Lost(str(error)) from error
                time.sleep(0.05)

    def drop(self) -> None:
        """Cut the connection; what was not closed is not published."""
        if self._transport is not None:
            self._transport.close()
        self._transport = self._session = None

    def store(self, folder: str, name: str, content: bytes) -> None:
        """A whole file; returns when its CLOSE was answered OK."""

        def act(sftp: paramiko.SFTPClient) -> None:
            remote = _opened(sftp, folder, name)
            if content:
                remote.write(content)
            remote.sftp._request(CMD_CLOSE, remote.handle)

        self._ask(act)

    def break_off(self, folder: str, name: str, content: bytes) -> None:
        """Half of a file, and then the connection is gone."""

        def act(sftp: paramiko.SFTPClient) -> None:
            _opened(sftp, folder, name).write(content)

        self._ask(act)
        self.drop()

    def rename(self, folder: str, old: str, new: str) -> None:
        self._ask(lambda sftp: sftp.posix_rename(f"/{folder}/{old}", f"/{folder}/{new}"))

    def remove(self, folder: str, name: str) -> None:
        self._ask(lambda sftp: sftp.remove(f"/{folder}/{name}"))

    def names(self, folder: str) -> list[str]:
        found: list[str] = []
        self._ask(lambda sftp: found.extend(sftp.listdir(f"/{folder}")))
        return found

    def fetch(self, folder: str, names: Iterable[str]) -> dict[str, bytes]:
        found: dict[str, bytes] = {}

        def act(sftp: paramiko.SFTPClient) -> None:
            for name in names:
                with sftp.open(f"/{folder}/{name}", "rb") as remote:
                    found[name] = remote.read()

        self._ask(act)
        return found

    def _ask(self, act: Callable[[paramiko.SFTPClient], object]) -> None:
        if self._session is None:
            raise Lost("not connected")
        try:
            act(self._session)
        except (EOFError, paramiko.SSHException, TimeoutError) as error:
            self.drop()
            raise Lost(str(error)) from error
        except OSError as error:
            transport = self._transport
            time.sleep(0.02)  # the end of a killed server may still be on its way to us
            if transport is None or not transport.is_active():
                self.drop()
                raise Lost(str(error)) from error
            raise Refused(str(error)) from error

    def _open(self) -> paramiko.SFTPClient:
        # Given an address, paramiko leaves its socket open when nobody listens there.
        line = socket.create_connection(("127.0.0.1", self.channel.port_now()), SECONDS)
        self._transport = paramiko.Transport(line)
        host_key = self.channel.host_key.split()[1]
        self._transport.connect(
            hostkey=paramiko.Ed25519Key(data=base64.b64decode(host_key)),
            username=self.who.user,
            pkey=paramiko.PKey.from_path(self.who.identity),
        )
        session = paramiko.SFTPClient.from_transport(self._transport)
        assert session is not None
        channel = session.get_channel()
        assert channel is not None
        channel.settimeout(SECONDS)
        return session


def _opened(sftp: paramiko.SFTPClient, folder: str, name: str) -> Any:
    """A file open for writing, which paramiko will never close by itself.

    Its ``close`` drops the status of CLOSE, in which the channel says whether the file is stored;
    and it would close, so publish, what the garbage collector finds.
    """
    remote: Any = sftp.open(f"/{folder}/{name}", "wb")
    remote._close = lambda **_: None
    return remote
