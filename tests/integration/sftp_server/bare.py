"""A client that says at login whatever the test wants said, and reads no list of the server's."""

from __future__ import annotations

import base64
import queue
import socket
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType

import paramiko
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, utils

SERVICE_ACCEPT, FAILURE, SUCCESS, PK_OK = 6, 51, 52, 60
CUT = 0
"""The connection was closed instead of an answer."""

RSA_HASHES: dict[str, hashes.HashAlgorithm] = {
    "ssh-rsa": hashes.SHA1(),
    "rsa-sha2-256": hashes.SHA256(),
    "rsa-sha2-512": hashes.SHA512(),
}
Key = rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey


def string(content: bytes | str) -> bytes:
    raw = content.encode() if isinstance(content, str) else content
    return len(raw).to_bytes(4, "big") + raw


def blob_of(key: Key) -> bytes:
    """The public half as SSH sends it."""
    made = key.public_key().public_bytes(
        serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    )
    return base64.b64decode(made.split()[1])


def sign(key: Key, algorithm: str, data: bytes) -> bytes:
    """A signature as SSH sends it (RFC 4253 6.6, RFC 5656 3.1.2, RFC 8332, RFC 8709)."""
    match key:
        case rsa.RSAPrivateKey():
            made = key.sign(data, padding.PKCS1v15(), RSA_HASHES[algorithm])
        case ed25519.Ed25519PrivateKey():
            made = key.sign(data)
        case _:
            digest = {256: hashes.SHA256(), 384: hashes.SHA384(), 521: hashes.SHA512()}
            der = key.sign(data, ec.ECDSA(digest[key.curve.key_size]))
            made = b"".join(string(_mpint(n)) for n in utils.decode_dss_signature(der))
    return string(algorithm) + string(made)


def _mpint(number: int) -> bytes:
    return number.to_bytes(number.bit_length() // 8 + 1, "big")


@dataclass
class _Answers:
    """Takes the place of paramiko's handler of logins: what comes is put by, not judged."""

    came: queue.Queue[tuple[int, bytes]]

    @property
    def _handler_table(self) -> dict[int, Callable[[paramiko.Message], None]]:
        def put_by(kind: int) -> Callable[[paramiko.Message], None]:
            return lambda message: self.came.put((kind, message.get_remainder()))

        return {kind: put_by(kind) for kind in (SERVICE_ACCEPT, FAILURE, SUCCESS, PK_OK)}

    def abort(self) -> None:
        self.came.put((CUT, b""))

    def is_authenticated(self) -> bool:
        return False


class Bare:
    """One connection after its key exchange; each request gives the kind of the answer."""

    def __init__(self, port: int, address: str = "127.0.0.1") -> None:
        self.transport = paramiko.Transport(
            socket.create_connection(("127.0.0.1", port), 20, (address, 0))
        )
        self._came: queue.Queue[tuple[int, bytes]] = queue.Queue()
        self.transport.start_client(timeout=60)
        self.transport.auth_handler = _Answers(self._came)  # type: ignore[assignment]
        assert self._ask(b"\x05" + string("ssh-userauth")) == SERVICE_ACCEPT
        self.said = b""

    def __enter__(self) -> Bare:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: object, _trace: TracebackType | None
    ) -> None:
        self.transport.close()

    @property
    def session(self) -> bytes:
        """The session's identifier, which every signature covers."""
        found = self.transport.session_id
        assert found is not None
        return found

    def request(self, user: str, method: str, rest: bytes = b"") -> int:
        """A request to log in by ``method``."""
        head = b"\x32" + string(user) + string("ssh-connection") + string(method)
        return self._ask(head + rest)

    def offer(self, user: str, algorithm: str, blob: bytes) -> int:
        """Ask whether a key would do."""
        return self.request(user, "publickey", b"\0" + string(algorithm) + string(blob))

    def offer_at_once(self, user: str, algorithm: str, blob: bytes) -> int:
        """The same without waiting for an answer; CUT when the connection is gone."""
        head = b"\x32" + string(user) + string("ssh-connection") + string("publickey")
        message = paramiko.Message()
        message.add_bytes(head + b"\0" + string(algorithm) + string(blob))
        try:
            self.transport._send_message(message)  # type: ignore[attr-defined]
        except (OSError, EOFError):
            return CUT
        return PK_OK if self.transport.is_alive() else CUT

    def prove(
        self,
        user: str,
        key: Key,
        algorithm: str,
        *,
        named: str | None = None,
        blob: bytes | None = None,
        session: bytes | None = None,
    ) -> int:
        """Log in with ``key``; ``named`` is the algorithm of the request where it is another,
        ``blob`` the key it speaks of, ``session`` the session that is signed."""
        mine = blob_of(key) if blob is None else blob
        rest = b"\1" + string(named or algorithm) + string(mine)
        asked = b"\x32" + string(user) + string("ssh-connection") + string("publickey") + rest
        data = string(self.session if session is None else session) + asked
        return self.request(user, "publickey", rest + string(sign(key, algorithm, data)))

    def _ask(self, packet: bytes) -> int:
        message = paramiko.Message()
        message.add_bytes(packet)
        try:
            self.transport._send_message(message)  # type: ignore[attr-defined]
        except (OSError, EOFError):
            return CUT
        kind, self.said = self._came.get(timeout=60)
        return kind
