"""The connection to a channel: one login key, one host key, and no trust on first use."""

from __future__ import annotations

import base64
import binascii
import logging
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import paramiko
from paramiko.ssh_exception import (
    AuthenticationException,
    IncompatiblePeer,
    PasswordRequiredException,
    SSHException,
)

from batch.errors import Busy, OperatorError

# paramiko logs what it also raises; what is raised is reported by whoever catches it.
logging.getLogger("paramiko").addHandler(logging.NullHandler())

Result = TypeVar("Result")

_ALGORITHMS = {
    "ssh-ed25519": ("ssh-ed25519",),
    "ecdsa-sha2-nistp256": ("ecdsa-sha2-nistp256",),
    "ecdsa-sha2-nistp384": ("ecdsa-sha2-nistp384",),
    "ecdsa-sha2-nistp521": ("ecdsa-sha2-nistp521",),
    "ssh-rsa": ("rsa-sha2-512", "rsa-sha2-256"),
}
"""Signature algorithms to ask of the server, per type of host key; never ssh-rsa with SHA-1."""

_HANDSHAKE_SECONDS = 20.0
_REPLY_SECONDS = 120.0
"""Longer than the channel's grace at GO (5 s) and than an fsync of the largest FI."""
_KEEPALIVE_SECONDS = 15
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 30.0


class HostKeyRefused(OperatorError):
    """The server showed another host key than the one in the host key file."""


class LoginRefused(OperatorError):
    """The server does not let this user in with this key."""


@dataclass(frozen=True, slots=True)
class Connection:
    """Where to connect, as whom, and which host key must be met there.

    ``identity`` is a private key file; ``host_key`` holds OpenSSH public key lines
    (``ssh-ed25519 AAAA...``) or known_hosts lines, of which those of this host count.
    """

    host: str
    port: int
    user: str
    identity: Path
    host_key: Path

    @property
    def place(self) -> str:
        """How known_hosts names this server."""
        return self.host if self.port == 22 else f"[{self.host}]:{self.port}"


class Line:
    """One SFTP session of a ``Connection``, made when it is needed and made anew when lost."""

    def __init__(self, settings: Connection) -> None:
        """Raise OperatorError when a key file cannot be read."""
        self._settings = settings
        self._identity = _load_identity(settings.identity)
        self._host_keys = load_host_keys(settings)
        self._transport: paramiko.Transport | None = None
        self._sftp: paramiko.SFTPClient | None = None
        self.proven = False
        """True once the server let us in: what fails after that may well pass later."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.drop()

    @property
    def lost(self) -> bool:
        """Whether there is no living connection: never made, dropped, or cut."""
        channel = self._sftp.get_channel() if self._sftp is not None else None
        if self._transport is None or channel is None:
            return True
        return channel.closed or not self._transport.is_active()

    def sftp(self) -> paramiko.SFTPClient:
        """The session, connecting when there is none.

        Raise Busy when the server cannot be reached for now, HostKeyRefused when it is another
        server, LoginRefused when it does not know us.
        """
        if self._sftp is None or self.lost:
            self.drop()
            self._sftp = self._open()
            self.proven = True
        return self._sftp

    def drop(self) -> None:
        """Cut the connection; a file that was not closed by then is not published."""
        transport, self._transport, self._sftp = self._transport, None, None
        if transport is not None:
            transport.close()

    def _open(self) -> paramiko.SFTPClient:
        where = f"{self._settings.host}:{self._settings.port}"
        try:
            self._transport = transport = self._handshake()
            transport.auth_publickey(self._settings.user, self._identity)
            session = paramiko.SFTPClient.from_transport(transport)
        except AuthenticationException:
            self.drop()
            raise LoginRefused(
                f"{where} does not let {self._settings.user} in with the key "
                f"{self._settings.identity.name}"
            ) from None
        except (SSHException, EOFError, OSError) as error:
            self.drop()
            raise Busy(f"{where} cannot be reached: {_words(error)}") from error
        except OperatorError:
            self.drop()
            raise
        channel = session.get_channel() if session else None
        if session is None or channel is None:
            self.drop()
            raise Busy(f"{where} opened no SFTP session")
        channel.settimeout(_REPLY_SECONDS)
        return session

    def _handshake(self) -> paramiko.Transport:
        """Connect and compare the host key, before anything about us is told."""
        address = (self._settings.host, self._settings.port)
        line = socket.create_connection(address, _HANDSHAKE_SECONDS)
        # A packet goes out in pieces; without this each waits for the other side's delayed ACK.
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        transport = paramiko.Transport(line)
        self._transport = transport
        transport.banner_timeout = transport.auth_timeout = _HANDSHAKE_SECONDS
        wanted = (name for key in self._host_keys for name in _ALGORITHMS[key.get_name()])
        transport.get_security_options().key_types = tuple(dict.fromkeys(wanted))
        expected = " or ".join(str(key.fingerprint) for key in self._host_keys)
        try:
            transport.start_client(timeout=_HANDSHAKE_SECONDS)
        except IncompatiblePeer as error:
            raise HostKeyRefused(
                f"{self._settings.place} has no host key of the type expected "
                f"({expected}), or shares no cipher with us: {error}"
            ) from None
        shown = transport.get_remote_server_key()
        if all(shown.asbytes() != key.asbytes() for key in self._host_keys):
            raise HostKeyRefused(
                f"{self._settings.place} shows the host key {shown.fingerprint}, "
                f"expected {expected}: this is another server, or its key was changed"
            )
        transport.set_keepalive(_KEEPALIVE_SECONDS)
        return transport


def persevere(
    line: Line,
    action: Callable[[paramiko.SFTPClient], Result],
    until: float,
    on_trouble: Callable[[str], None] = lambda _: None,
) -> Result:
    """Do ``action`` on the session; when the connection is lost, connect again and do it anew.

    ``until`` is an instant of ``time.monotonic``; past it Busy is raised. The pauses double
    from half a second to half a minute. What the server refuses on a living connection (OSError)
    is raised at once, and so is a login that was refused from the start; a server that is silent
    or breaks the protocol is as good as lost.
    """
    pause = _FIRST_PAUSE
    while True:
        try:
            return action(line.sftp())
        except (SSHException, EOFError, OSError, Busy, LoginRefused) as error:
            refused = isinstance(error, OSError) and not isinstance(error, TimeoutError)
            if refused and not line.lost:
                raise
            if isinstance(error, LoginRefused) and not line.proven:
                raise
            line.drop()
            reason = str(error) if isinstance(error, Busy) else f"connection lost: {_words(error)}"
            if time.monotonic() + pause > until:
                raise Busy(reason) from error
            on_trouble(reason)
        time.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE)


def _words(error: Exception) -> str:
    return str(error) or type(error).__name__


def _load_identity(path: Path) -> paramiko.PKey:
    try:
        return paramiko.PKey.from_path(path)
    except PasswordRequiredException:
        raise OperatorError(
            f"identity {path}: the key is protected by a password; use one without"
        ) from None
    except OSError as error:
        raise OperatorError(f"identity {path}: {error.strerror}") from None
    except (SSHException, ValueError, TypeError):
        raise OperatorError(f"identity {path}: not a private key that can be read") from None


def load_host_keys(settings: Connection) -> tuple[paramiko.PKey, ...]:
    """The host keys that ``settings.host_key`` allows for this server, at least one.

    Raise OperatorError when the file cannot be read or names no key for this server.
    """
    path = settings.host_key
    try:
        lines = path.read_text(encoding="ascii").splitlines()
    except UnicodeDecodeError:
        raise OperatorError(f"host key {path}: not a text of public keys") from None
    except OSError as error:
        raise OperatorError(f"host key {path}: {error.strerror}") from None
    keys = tuple(host_keys(lines, settings.place))
    if not keys:
        raise OperatorError(f"host key {path}: holds no key for {settings.place}")
    return keys


def host_keys(lines: list[str], place: str) -> Iterator[paramiko.PKey]:
    """The keys in ``lines`` that may be met at ``place`` (host, or ``[host]:port``).

    Raise OperatorError on a line that is neither a public key nor a known_hosts line; skipping
    it could mean to skip a revocation.
    """
    for number, line in enumerate(lines, 1):
        fields = line.split()
        if not fields or fields[0].startswith("#"):
            continue
        if fields[0] in _ALGORITHMS and len(fields) > 1:
            yield _public_key(fields[0], fields[1], number)
        elif len(fields) > 2 and fields[1] in _ALGORITHMS:
            key = _public_key(fields[1], fields[2], number)
            if _names(fields[0], place, key):
                yield key
        else:
            raise OperatorError(f"host key file, line {number}: not a public key line")


def _public_key(kind: str, text: str, number: int) -> paramiko.PKey:
    try:
        return paramiko.PKey.from_type_string(kind, base64.b64decode(text, validate=True))
    except (binascii.Error, SSHException, ValueError, IndexError):
        raise OperatorError(f"host key file, line {number}: the key is damaged") from None


def _names(patterns: str, place: str, key: paramiko.PKey) -> bool:
    """Whether a known_hosts first field, hashed or not, means ``place``."""
    known = paramiko.HostKeys()
    for pattern in patterns.split(","):
        known.add(pattern, key.get_name(), key)
    return known.check(place, key)
