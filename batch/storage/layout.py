"""Where things lie in an instance. One file system holds everything, so that rename is atomic.

    <data>/channels/<sender>/IN OUT INTEST OUTTEST    what a sender sees
    <data>/spool/up          being uploaded: <random>, no name yet
    <data>/spool/seal        being sealed: <sender>.<random>/
    <data>/spool/sealed      accepted, waiting or at work: <key>/
    <data>/spool/arch        answered: <key>/, with the answers
    <data>/spool/quarantine  what stopped the worker: <key>/
    <data>/spool/taken       answers the sender deleted
    <data>/db                production.sqlite test.sqlite
    <data>/keys              host key, institution's signing key and certificate

In a set's directory the channel's own files begin with ``@``, which no sender's name can hold.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from batch.identifiers import SenderNumber
from batch.names import Folder


@dataclass(frozen=True, slots=True)
class Layout:
    """Paths of the instance in ``data``."""

    data: Path

    @property
    def spool(self) -> Path:
        return self.data / "spool"

    @property
    def up(self) -> Path:
        return self.spool / "up"

    @property
    def seal(self) -> Path:
        return self.spool / "seal"

    @property
    def sealed(self) -> Path:
        return self.spool / "sealed"

    @property
    def arch(self) -> Path:
        return self.spool / "arch"

    @property
    def quarantine(self) -> Path:
        return self.spool / "quarantine"

    @property
    def taken(self) -> Path:
        return self.spool / "taken"

    @property
    def locks(self) -> Path:
        return self.spool / "locks"

    @property
    def channels(self) -> Path:
        return self.data / "channels"

    @property
    def databases(self) -> Path:
        return self.data / "db"

    @property
    def keys(self) -> Path:
        return self.data / "keys"

    @property
    def instance_lock(self) -> Path:
        return self.data / "instance.lock"

    @property
    def host_key(self) -> Path:
        return self.keys / "ssh_host_ed25519_key"

    @property
    def legacy_host_key(self) -> Path:
        """ECDSA P-256, shown only by an instance whose setting ``legacy`` is on."""
        return self.keys / "ssh_host_ecdsa_key"

    @property
    def institution_key(self) -> Path:
        return self.keys / "institution.key"

    @property
    def institution_certificate(self) -> Path:
        return self.keys / "institution.crt"

    def folder(self, sender: SenderNumber, folder: Folder) -> Path:
        return self.channels / str(sender) / folder

    def lock_of(self, sender: SenderNumber) -> Path:
        return self.locks / str(sender)

    def taken_name(self, sender: SenderNumber, folder: Folder, name: str) -> Path:
        return self.taken / f"{sender}.{folder}.{name}"

    def directories(self) -> tuple[Path, ...]:
        """Every directory an instance has before its first channel."""
        return (
            self.data,
            self.spool,
            self.up,
            self.seal,
            self.sealed,
            self.arch,
            self.quarantine,
            self.taken,
            self.locks,
            self.channels,
            self.databases,
            self.keys,
        )
