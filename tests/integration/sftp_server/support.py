"""A server on a loopback port with the real spool and registers, and ways to speak to it."""

from __future__ import annotations

import asyncio
import io
import os
import struct
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import paramiko
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from batch.settings import Settings
from batch.sftp_server.protocol import Packet
from batch.sftp_server.server import serve
from batch.storage import migrations
from batch.storage import registers_tables as tables
from batch.storage.database import engine_for, writing
from batch.storage.instance import Instance
from batch.storage.registers import Registers

LONG_AGO = datetime.now(UTC) - timedelta(days=30)
YESTERDAY = datetime.now(UTC) - timedelta(days=1)

Private = ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


@dataclass(frozen=True)
class Running:
    """A server at work, and the keys of those it knows."""

    instance: Instance
    port: int
    keys: dict[str, Private]

    @property
    def inbox(self) -> Path:
        return self.instance.layout.channels / "000001" / "IN"

    @property
    def outbox(self) -> Path:
        return self.instance.layout.channels / "000001" / "OUT"

    def being_uploaded(self) -> list[str]:
        return os.listdir(self.instance.layout.up)

    def transport(self, user: str = "alice", key: str | None = None) -> paramiko.Transport:
        transport = paramiko.Transport(("127.0.0.1", self.port))
        transport.banner_timeout = transport.auth_timeout = transport.handshake_timeout = 60
        try:
            transport.connect(username=user, pkey=for_paramiko(self.keys[key or user]))
        except BaseException:
            transport.close()
            raise
        return transport

    @contextmanager
    def sftp(self, user: str = "alice") -> Iterator[paramiko.SFTPClient]:
        transport = self.transport(user)
        client = paramiko.SFTPClient.from_transport(transport)
        assert client is not None
        try:
            yield client
        finally:
            client.close()
            transport.close()


def openssh_pem(key: Private) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.OpenSSH,
        serialization.NoEncryption(),
    ).decode()


def for_paramiko(key: Private) -> paramiko.PKey:
    kinds: dict[type, type[paramiko.PKey]] = {
        rsa.RSAPrivateKey: paramiko.RSAKey,
        ed25519.Ed25519PrivateKey: paramiko.Ed25519Key,
        ec.EllipticCurvePrivateKey: paramiko.ECDSAKey,
    }
    kind = next(made for known, made in kinds.items() if isinstance(key, known))
    return kind.from_private_key(io.StringIO(openssh_pem(key)))


def public_line(key: Private) -> str:
    public = key.public_key().public_bytes(
        serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    )
    return public.decode()


def make_instance(settings: Settings) -> Instance:
    """As much of an instance as the SFTP server stands on: directories, registers, host key."""
    instance = Instance(settings)
    for path in instance.layout.directories():
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
    made = engine_for(instance.production_path, create=True)
    migrations.upgrade(made)
    made.dispose()
    for path, key in (
        (instance.layout.host_key, ed25519.Ed25519PrivateKey.generate()),
        (instance.layout.legacy_host_key, ec.generate_private_key(ec.SECP256R1())),
    ):
        path.write_text(openssh_pem(key))
        path.chmod(0o600)
    return instance


def register(
    instance: Instance,
    sender: str,
    user: str,
    key: Private,
    *,
    closed: datetime | None = None,
    key_until: datetime | None = None,
    legacy: bool = False,
) -> None:
    """A channel with a login key, as an administrator's change would leave it."""
    enterprise = f"04{sender}00"
    with writing(instance.production) as connection:
        connection.execute(tables.enterprise.insert().values(number=enterprise, name=user))
        connection.execute(
            tables.channel.insert().values(
                sender=sender,
                enterprise=enterprise,
                quality="nsso-employer",
                user=user,
                opened_at=LONG_AGO,
                closed_at=closed,
                legacy=legacy,
            )
        )
        connection.execute(
            tables.channel_key.insert().values(
                sender=sender,
                public=public_line(key),
                fingerprint="SHA256:-",
                since=LONG_AGO,
                until=key_until,
            )
        )


@contextmanager
def serving(instance: Instance, settings: Settings) -> Iterator[int]:
    """Run the server on a loop of its own; gives its port, and drains it at the end."""
    ready: Future[int] = Future()
    stops: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    async def run() -> None:
        stop = asyncio.Event()
        stops.append((asyncio.get_running_loop(), stop))
        registers = Registers(instance.production)
        await serve(settings, instance.spool, registers, lambda _, p: ready.set_result(p), stop)

    thread = threading.Thread(target=asyncio.run, args=(run(),))
    thread.start()
    try:
        yield ready.result(timeout=60)
    finally:
        loop, stop = stops[0]
        loop.call_soon_threadsafe(stop.set)
        thread.join(timeout=60)
        instance.production.dispose()
    assert not thread.is_alive()


def told(capfd: pytest.CaptureFixture[str], event: str) -> str:
    """What the log says until it has told of ``event``, which may be after the client knows."""
    return heard(capfd, f'"event": "{event}"')


def heard(capfd: pytest.CaptureFixture[str], words: str) -> str:
    """The same, until it has said ``words``."""
    said, deadline = "", time.monotonic() + 40
    while words not in said:
        assert time.monotonic() < deadline, said
        time.sleep(0.02)
        said += capfd.readouterr().err
    return said


class Raw:
    """SFTP spoken packet by packet, to say what no client's library would."""

    def __init__(self, running: Running, user: str = "alice") -> None:
        self.transport = running.transport(user)
        self.channel = self.transport.open_session()
        self.channel.invoke_subsystem("sftp")
        self.channel.settimeout(60)
        self.send(bytes([Packet.INIT]) + struct.pack(">I", 3))
        self.version = self.receive()

    def __enter__(self) -> Raw:
        return self

    def __exit__(self, *_: object) -> None:
        self.transport.close()

    def send(self, body: bytes) -> None:
        self.channel.sendall(struct.pack(">I", len(body)) + body)

    def receive(self) -> bytes:
        return self._exactly(struct.unpack(">I", self._exactly(4))[0])

    def ask(self, kind: Packet, *fields: bytes | int) -> tuple[int, bytes]:
        """One request with id 7; strings for bytes, uint32 for numbers. Type and rest back."""
        packed = [text(f) if isinstance(f, bytes) else struct.pack(">I", f) for f in fields]
        self.send(bytes([kind]) + struct.pack(">I", 7) + b"".join(packed))
        reply = self.receive()
        assert reply[1:5] == b"\0\0\0\x07"
        return reply[0], reply[5:]

    def status(self, kind: Packet, *fields: bytes | int) -> tuple[int, str]:
        found, rest = self.ask(kind, *fields)
        assert found == Packet.STATUS
        code, length = struct.unpack(">II", rest[:8])
        return code, rest[8 : 8 + length].decode()

    def open(self, path: bytes, flags: int) -> bytes:
        found, rest = self.ask(Packet.OPEN, path, flags, 0)
        assert found == Packet.HANDLE, rest
        return rest[4:]

    def _exactly(self, count: int) -> bytes:
        got = b""
        while len(got) < count:
            block = self.channel.recv(count - len(got))
            if not block:
                raise EOFError
            got += block
        return got


def text(content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + content


def offset(number: int) -> tuple[int, int]:
    return number >> 32, number & 0xFFFFFFFF


WRITE, CREATE, TRUNCATE, EXCLUSIVE = 0x02, 0x08, 0x10, 0x20
FRESH = WRITE | CREATE | TRUNCATE
