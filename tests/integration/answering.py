"""A real SFTP server that answers when GO is closed: asyncssh's own, in a thread.

It serves the sender's tests: towards it one can show what a sender does when the server cuts,
refuses or forges, which the project's own server never does.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import asyncssh

from batch.signing import certificate, encoding
from batch.signing.signature import load_key, sign_detached
from fixtures.certificates import PKI

STEM = "FLAD.000001.20261120.00001.R"
TICKET = "2AB001C3D4E5F"
INSTITUTION = "tester"

Answer = Callable[["Channel", str], None]
"""What the channel does when the GO of this name was closed."""


class Channel:
    """A server on ``root``; ``closed`` are the names in the order of their CLOSE."""

    def __init__(self, root: Path, answer: Answer) -> None:
        self.root = root
        self.answer = answer
        self.closed: list[str] = []
        self.cut_at_listing = 0
        self.logins = 0
        self.refuse = ""
        self.connections: list[asyncssh.SSHServerConnection] = []
        self.port = 0
        self.host_key = asyncssh.generate_private_key("ssh-ed25519")
        for folder in ("IN", "OUT", "INTEST", "OUTTEST"):
            (root / folder).mkdir()

    def put(self, code: str, sequence: str, content: bytes, kind: str = "FO") -> None:
        """Lay down an answer, GO last, signed by the institution."""
        tail = f"{code}.999999.20261120.{sequence}.R.1"
        key = load_key((PKI / f"{INSTITUTION}.key.pem").read_bytes())
        signer = certificate.read((PKI / f"{INSTITUTION}.pem").read_bytes())
        fs = encoding.encode(sign_detached([content], key, signer, datetime.now(UTC)))
        out = self.root / "OUT"
        (out / f"{kind}.{tail}.1").write_bytes(content)
        (out / f"FS.{tail}.1").write_bytes(fs)
        (out / f"GO.{tail}").touch()


def acrf(go: str, *codes: str, ticket: str = TICKET) -> bytes:
    errors = "".join(f"<ErrorID>ACRF-{code}</ErrorID>" for code in codes)
    return (
        f"<ACRF><Form><FileReference><FileName>{go}</FileName><ReferenceNbr>{ticket}"
        f"</ReferenceNbr></FileReference><ReceptionResult><ResultCode>{int(not codes)}"
        f"</ResultCode>{errors}</ReceptionResult></Form></ACRF>"
    ).encode()


def noti(*results: int, ticket: str = TICKET) -> bytes:
    anomaly = (
        "<AnomalyReport><ErrorID>00024-004</ErrorID><AnomalyClass>B</AnomalyClass>"
        "<AnomalyLocation><LineNbr>31</LineNbr></AnomalyLocation></AnomalyReport>"
    )
    forms = (
        f"<Form><FileReference><FileName>FI.{STEM}.1.1</FileName><ReferenceNbr>{ticket}"
        f"</ReferenceNbr></FileReference><HandlingResult><ResultCode>{result}</ResultCode>"
        f"{'' if result else anomaly}</HandlingResult><ApplicationData><FLAResult>"
        f'<RemainingHours type="LEGAL">3800</RemainingHours></FLAResult></ApplicationData></Form>'
        for result in results
    )
    return f"<NOTIFICATION>{''.join(forms)}</NOTIFICATION>".encode()


def accept(channel: Channel, go: str) -> None:
    channel.put("ACRF", "00001", acrf(go))
    channel.put("NOTI", "00001", noti(1, 1, 1))


def _home(channel: Channel) -> type[asyncssh.SFTPServer]:
    class Home(asyncssh.SFTPServer):
        def __init__(self, chan: asyncssh.SSHServerChannel[bytes]) -> None:
            super().__init__(chan, chroot=str(channel.root).encode())

        async def scandir(self, path: bytes) -> AsyncIterator[asyncssh.SFTPName]:
            if channel.cut_at_listing and path.endswith(b"OUT"):
                channel.cut_at_listing -= 1
                if not channel.cut_at_listing:
                    channel.connections[-1].abort()
            async for name in super().scandir(path):
                yield name

        def close(self, file_obj: object) -> None:
            path = Path(str(getattr(file_obj, "name", b""), "utf-8"))
            super().close(file_obj)
            if path.parent.name not in ("IN", "INTEST"):
                return
            name = path.name
            if channel.refuse and name.startswith(channel.refuse):
                raise asyncssh.SFTPFailure("the disk is full")
            channel.closed.append(name)
            if name.startswith("GO."):
                channel.answer(channel, name)

    return Home


class _Accounts(asyncssh.SSHServer):
    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._channel.connections.append(conn)

    def begin_auth(self, username: str) -> bool:
        return True

    def public_key_auth_supported(self) -> bool:
        return True

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        self._channel.logins += 1
        public = (PKI / "employer.ssh.pub").read_text("ascii")
        return username == "employer" and key == asyncssh.import_public_key(public)


@contextmanager
def serving(root: Path, answer: Answer) -> Iterator[Channel]:
    """A channel on ``root`` that listens on some port of loopback until the context ends."""
    made = Channel(root, answer)
    loop = asyncio.new_event_loop()

    async def start() -> asyncssh.SSHAcceptor:
        return await asyncssh.listen(
            "127.0.0.1",
            0,
            server_factory=lambda: _Accounts(made),
            server_host_keys=[made.host_key],
            sftp_factory=_home(made),
        )

    async def stop(acceptor: asyncssh.SSHAcceptor) -> None:
        acceptor.close()
        for connection in made.connections:
            connection.abort()
            await connection.wait_closed()
        await acceptor.wait_closed()

    acceptor = loop.run_until_complete(start())
    made.port = acceptor.get_port()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield made
    finally:
        asyncio.run_coroutine_threadsafe(stop(acceptor), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
