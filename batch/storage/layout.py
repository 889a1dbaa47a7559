"""Where things lie in an instance. One file system holds everything, so that rename is atomic.

    <data>/channels/<sender>/IN OUT INTEST OUTTEST    what a sender sees
    <data>/spool/up          being uploaded: <random>, no name yet
    <data>/spool/seal        being sealed: <sender>.<random>/
    <data>/spool/sealed      accepted, waiting or at work: <key>/
    <data>/spool/arch        answered: <key>/, with the answers
    <data>/spool/quarantine  what stopped the worker: <key>/
    <data>/spool/posted      answers that others gave us: <key>/
    <data>/spool/taken       answers the sender deleted, or whose time in OUT is over
    <data>/spool/hand        copies of sets that the command of a service is run for
    <data>/db                production.sqlite test.sqlite
    <data>/keys              host key, institution's signing key and certificate

In a set's directory the channel's own files begin with ``@``, which no sender's name can hold.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from batch.identifiers import SenderNumber
from batch.names import Folder


@dataclass(frozen=True)
class Layout:
    """Paths of the instance in ``data``; put together once, for each set asks for dozens."""

    data: Path

    @cached_property
    def spool(self) -> Path:
        return self.data / "spool"

    @cached_property
    def up(self) -> Path:
        return self.spool / "up"

    @cached_property
    def seal(self) -> Path:
        return self.spool / "seal"

    @cached_property
    def sealed(self) -> Path:
        return self.spool / "sealed"

    @cached_property
    def arch(self) -> Path:
        return self.spool / "arch"

    @cached_property
    def quarantine(self) -> Path:
        return self.spool / "quarantine"

    @cached_property
    def posted(self) -> Path:
        return self.spool / "posted"

    @cached_property
    def taken(self) -> Path:
        return self.spool / "taken"

    @cached_property
    def hand(self) -> Path:
        return self.spool / "hand"

    @cached_property
    def locks(self) -> Path:
        return self.spool / "locks"

    @cached_property
    def channels(self) -> Path:
        return self.data / "channels"

    @cached_property
    def databases(self) -> Path:
        return self.data / "db"

    @cached_property
    def keys(self) -> Path:
        return self.data / "keys"

    @cached_property
    def instance_lock(self) -> Path:
        return self.data / "instance.lock"

    @cached_property
    def host_key(self) -> Path:
        return self.keys / "ssh_host_ed25519_key"

    @cached_property
    def legacy_host_key(self) -> Path:
        """ECDSA P-256, shown only by an instance whose setting ``legacy`` is on."""
        return self.keys / "ssh_host_ecdsa_key"

    @cached_property
    def institution_key(self) -> Path:
        return self.keys / "institution.key"

    @cached_property
    def institution_certificate(self) -> Path:
        return self.keys / "institution.crt"

    def folder(self, sender: SenderNumber, folder: Folder) -> Path:
        return self.channels / str(sender) / folder

    def lock_of(self, sender: SenderNumber) -> Path:
        return self.locks / str(sender)

    @cached_property
    def posting(self) -> Path:
        """Held by who writes into ``posted``: one at a time, and nobody else's work is dropped."""
        return self.locks / "posting"

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
            self.posted,
            self.taken,
            self.hand,
            self.locks,
            self.channels,
            self.databases,
            self.keys,
        )
