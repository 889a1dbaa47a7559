"""A stream to an SFTP server, over SSH or over the pipes of a program, and the packets in it."""

from __future__ import annotations

import os
import select
import socket
import struct
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol

import paramiko

LARGEST_ANSWER = 1 << 24
"""Bytes of a packet we still read: more than any server sends, less than would fill the memory."""
CHANNEL_TRIES = 50
"""A server may count a closed channel for a moment longer: so often we ask, 20 ms apart."""


class Ended(Exception):
    """The server ended the session."""


class Stream(Protocol):
    """Bytes to and from a server."""

    def send(self, data: bytes) -> None:
        """Raises OSError or EOFError when the server takes no more."""
        ...

    def receive(self, seconds: float) -> bytes:
        """Some bytes, none at the end. Raises TimeoutError when none come in ``seconds``."""
        ...

    def close(self) -> None: ...


class Program:
    """A server that speaks on its standard input and output, as ``sftp-server`` does."""

    def __init__(self, command: Sequence[str]) -> None:
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
        )

    def send(self, data: bytes) -> None:
        assert self._process.stdin is not None
        left = memoryview(data)
        while left:
            left = left[self._process.stdin.write(left) :]

    def receive(self, seconds: float) -> bytes:
        assert self._process.stdout is not None
        if not select.select([self._process.stdout], [], [], max(0.0, seconds))[0]:
            raise TimeoutError
        return os.read(self._process.stdout.fileno(), 1 << 16)

    def close(self) -> None:
        with suppress(OSError), self._process as process:
            assert process.stdin is not None
            process.stdin.close()
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()


class Channel:
    """The ``sftp`` subsystem of a channel of an SSH connection."""

    def __init__(self, transport: paramiko.Transport) -> None:
        self._channel = transport.open_session()
        self._channel.invoke_subsystem("sftp")

    def send(self, data: bytes) -> None:
        self._channel.sendall(data)

    def receive(self, seconds: float) -> bytes:
        self._channel.settimeout(max(0.001, seconds))
        return self._channel.recv(1 << 16)

    def close(self) -> None:
        self._channel.close()


def log_in(host: str, port: int, user: str, key: Path) -> paramiko.Transport:
    """An SSH connection; whatever key the host has, since nothing is kept secret from it."""
    transport = paramiko.Transport(socket.create_connection((host, port), 20))
    try:
        transport.connect(username=user, pkey=paramiko.PKey.from_path(key))
    except BaseException:
        transport.close()
        raise
    return transport


def channel_of(transport: paramiko.Transport) -> Channel:
    """One more channel of this connection."""
    for _ in range(CHANNEL_TRIES):
        try:
            return Channel(transport)
        except paramiko.ChannelException:
            time.sleep(0.02)
    return Channel(transport)


class Session:
    """Whole packets over a stream."""

    def __init__(self, stream: Stream, patience: float) -> None:
        self._stream = stream
        self.patience = patience
        """Seconds that an answer may take."""
        self._came = b""

    def send(self, data: bytes) -> None:
        """Send bytes; that the server ended the session is found at the next ``receive``."""
        with suppress(OSError, EOFError):
            self._stream.send(data)

    def receive(self, seconds: float | None = None) -> bytes:
        """The next packet without its length. Raises Ended, or TimeoutError after ``seconds``."""
        until = time.monotonic() + (self.patience if seconds is None else seconds)
        [length] = struct.unpack(">I", self._take(4, until))
        if length > LARGEST_ANSWER:
            raise Ended
        return self._take(length, until)

    def close(self) -> None:
        self._stream.close()

    def _take(self, count: int, until: float) -> bytes:
        while len(self._came) < count:
            try:
                block = self._stream.receive(until - time.monotonic())
            except TimeoutError:
                raise
            except (OSError, EOFError):
                block = b""
            if not block:
                raise Ended
            self._came += block
        taken, self._came = self._came[:count], self._came[count:]
        return taken


Connect = Callable[[], Stream]
"""Opens one more stream to the same server."""
