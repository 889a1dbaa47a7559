"""The keys by which senders know the server, and how one follows another.

    next     made ahead and shown to clients, so that they learn it before it is used
    used     the one the server proves itself with
    former   used before; still shown and proved until it is retired

Each step leaves whole files: whenever it is interrupted, the server finds a key to use.
"""

from __future__ import annotations

import base64
import stat
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_ssh_private_key,
    ssh_key_fingerprint,
)

from batch.errors import InstanceError, OperatorError
from batch.storage import durable
from batch.storage.layout import Layout

_KINDS = (
    ("Ed25519", ed25519.Ed25519PublicKey),
    ("ECDSA P-256", ec.EllipticCurvePublicKey),
)
"""What the server offers to prove itself by: the second by the legacy key, the first by others."""


class Role(StrEnum):
    """What a host key is for, in the order in which clients are shown them."""

    USED = "used"
    NEXT = "next"
    FORMER = "former"
    LEGACY = "legacy"


@dataclass(frozen=True, slots=True)
class HostKey:
    """One host key: ``private`` as in OpenSSH's file, ``public`` as its one line."""

    role: Role
    private: bytes
    public: str
    fingerprint: str


class HostKeys:
    """The host keys of one instance, as files in ``keys``."""

    def __init__(self, layout: Layout) -> None:
        self._directory = layout.keys
        self._paths = {
            Role.USED: layout.host_key,
            Role.NEXT: layout.host_key.with_name(layout.host_key.name + "_next"),
            Role.FORMER: layout.host_key.with_name(layout.host_key.name + "_former"),
            Role.LEGACY: layout.legacy_host_key,
        }

    def make(self) -> None:
        """Make what is missing: the used key, the legacy one, and the public half of each."""
        for role, made in ((Role.USED, _ed25519), (Role.LEGACY, _p256)):
            path = self._paths[role]
            if not path.exists() or not path.stat().st_size:
                durable.replace_file(path, made())
        self._write_public()

    def held(self) -> list[HostKey]:
        """All there are, in the order of their roles, each key once.

        Raises InstanceError when there is none to use, or one that others may read.
        """
        found = [self._read(role) for role in Role if role in (Role.USED, *self._present())]
        each: dict[str, HostKey] = {}
        for key in found:  # after a switch that was interrupted, the former is still the used one
            each.setdefault(key.public, key)
        return list(each.values())

    def state(self) -> tuple[object, ...]:
        """Something that differs once the keys were changed; cheap."""
        return tuple(_state(path) for path in self._paths.values())

    def make_next(self) -> None:
        """Make the key that will follow; OperatorError when one is there already."""
        if Role.NEXT in self._present():
            raise OperatorError(
                "host key: there is a next one already; use it with fla-batch host-key switch, "
                "or drop it with fla-batch host-key retire next"
            )
        durable.replace_file(self._paths[Role.NEXT], _ed25519())
        self._write_public()

    def switch(self) -> None:
        """Use the next key from now on; the one used so far becomes the former.

        OperatorError when there is no next one, or the former one of an earlier switch is there.
        """
        if Role.NEXT not in self._present():
            raise OperatorError("host key: there is no next one; make it: fla-batch host-key new")
        former = self._paths[Role.FORMER]
        used = self._paths[Role.USED].read_bytes()
        if Role.FORMER in self._present() and former.read_bytes() != used:
            raise OperatorError(
                "host key: an earlier one is still shown; end it first: fla-batch host-key retire"
            )
        durable.replace_file(former, used)
        durable.sync_directory(self._directory)
        self._paths[Role.NEXT].rename(self._paths[Role.USED])
        self._write_public()

    def retire(self, role: Role) -> None:
        """Show the former or the next key no more and destroy it; OperatorError when not there."""
        if role not in (Role.FORMER, Role.NEXT) or role not in self._present():
            raise OperatorError(f"host key: there is no {role} one; see fla-batch host-key list")
        self._paths[role].unlink()
        self._write_public()

    def _present(self) -> list[Role]:
        return [role for role, path in self._paths.items() if path.exists()]

    def _read(self, role: Role) -> HostKey:
        path = self._paths[role]
        try:
            if stat.S_IMODE(path.stat().st_mode) & 0o077:
                raise InstanceError(f"{path}: others than its owner may read it; chmod 600")
            private = path.read_bytes()
            key = load_ssh_private_key(private, None).public_key()
        except FileNotFoundError:
            raise InstanceError(f"{path}: no host key; make it with: fla-batch init") from None
        except (ValueError, TypeError, UnsupportedAlgorithm):
            raise InstanceError(f"{path}: not a private key in OpenSSH's format") from None
        kind, wanted = _KINDS[role is Role.LEGACY]
        if not isinstance(key, wanted) or getattr(key, "key_size", 256) != 256:
            raise InstanceError(
                f"{path}: not an {kind} key; put the right one back, or move it away and make one "
                "with: fla-batch init"
            )
        line = key.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode("ascii")
        digest = base64.b64encode(ssh_key_fingerprint(key, SHA256())).decode().rstrip("=")
        return HostKey(role, private, line, f"SHA256:{digest}")

    def _write_public(self) -> None:
        """Beside each private key its public half, as it is now; none beside one that is gone."""
        present = self._present()
        for role, path in self._paths.items():
            public = path.with_name(path.name + ".pub")
            if role not in present:
                public.unlink(missing_ok=True)
                continue
            line = f"{self._read(role).public} fla-batch\n".encode()
            if not public.exists() or public.read_bytes() != line:
                durable.replace_file(public, line)
        durable.sync_directory(self._directory)


def _state(path: Path) -> tuple[int, ...]:
    try:
        found = path.stat()
    except OSError as error:  # whoever reads the key will say what is wrong
        return (error.errno or 0,)
    return found.st_ino, found.st_mtime_ns, found.st_ctime_ns, found.st_size


def _ed25519() -> bytes:
    return _openssh(ed25519.Ed25519PrivateKey.generate())


def _p256() -> bytes:
    return _openssh(ec.generate_private_key(ec.SECP256R1()))


def _openssh(key: ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
