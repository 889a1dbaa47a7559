"""The host keys this server proves itself with, and those it shows so that clients learn them.

The first is used; all are announced after each login (``hostkeys-00@openssh.com``) and proved to
who asks (``hostkeys-prove-00@openssh.com``, both in OpenSSH's PROTOCOL, section 2.5).
"""

from __future__ import annotations

import asyncssh

from batch import journal
from batch.errors import InstanceError
from batch.settings import Settings
from batch.storage.host_keys import HostKey, HostKeys, Role
from batch.storage.layout import Layout


class ShownKeys:
    """Reads the keys anew whenever an operator changed them."""

    def __init__(self, settings: Settings) -> None:
        self._legacy = settings.legacy
        self._files = HostKeys(Layout(settings.data))
        self._state: tuple[object, ...] = ()

    def read(self) -> list[asyncssh.SSHKey]:
        """The keys, the one used first. Raises InstanceError when they are not as they must be."""
        self._state = self._files.state()
        held = [key for key in self._files.held() if self._legacy or key.role is not Role.LEGACY]
        if self._legacy and all(key.role is not Role.LEGACY for key in held):
            raise InstanceError("legacy: no ECDSA host key; make it with: fla-batch init")
        journal.host_keys([f"{key.role} {key.fingerprint}" for key in held])
        return [_loaded(key) for key in held]

    def changed(self) -> list[asyncssh.SSHKey] | None:
        """The keys, when they are not those last read; else, and when they cannot be read, None."""
        if self._files.state() == self._state:
            return None
        try:
            return self.read()
        except (InstanceError, OSError) as error:
            journal.problem("the host keys cannot be read again; the former stay in use", error)
            return None


def _loaded(key: HostKey) -> asyncssh.SSHKey:
    try:
        return asyncssh.import_private_key(key.private)
    except asyncssh.KeyImportError as error:
        raise InstanceError(f"host key {key.role}: {error}") from None
