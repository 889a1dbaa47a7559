"""Files to and from the channel: by OpenSSH's ``sftp`` where installed, else by our client."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self

from batch.client import Connection, Line, gather, send_set
from batch.demo.story import PlayFailed
from batch.names import Folder, Kind

_SECONDS = 20.0
"""For one session: a login, at most a grace at GO (5 s), and some kilobytes."""

_AGENTS = ("SSH_AUTH_SOCK", "SSH_ASKPASS", "DISPLAY")
"""What could bring keys or questions of the user's own into a session."""


class Transfer(AbstractContextManager["Transfer"], Protocol):
    """One sender's way to its folders. Faults: PlayFailed, and those of ``batch.client``."""

    def put(self, files: Sequence[Path], folder: Folder) -> None:
        """Send the files of one set, given with the GO last."""
        ...

    def listed(self, folder: Folder) -> list[str]:
        """Names lying in ``folder`` now."""
        ...

    def fetch(self, names: Sequence[str], folder: Folder, into: Path) -> None:
        """Copy files of ``folder`` into a local directory, under their names."""
        ...


def program() -> str:
    """What carries the files here, in words."""
    return "OpenSSH sftp" if _openssh() else "the project's own client (paramiko)"


def open_transfer(connection: Connection) -> Transfer:
    """The way of one sender; ``connection.host_key`` holds known_hosts lines."""
    found = _openssh()
    return OpenSsh(found, connection) if found else OwnClient(connection)


def _openssh() -> str | None:
    """``sftp`` is only a face of ``ssh``: both must be there."""
    return shutil.which("sftp") if shutil.which("ssh") else None


@dataclass(frozen=True, slots=True)
class OpenSsh:
    """The ``sftp`` program in batch mode, one session per errand, with nothing of the user's own.

    It is run in the directory of the sender's key, so that no path needs quoting.
    """

    path: str
    connection: Connection

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing stays open between two errands."""

    def put(self, files: Sequence[Path], folder: Folder) -> None:
        home = self.connection.identity.parent
        self._session(*(f"put {f.relative_to(home)} {folder}/{f.name}" for f in files))

    def listed(self, folder: Folder) -> list[str]:
        said = self._session(f"ls -1 {folder}")
        return [line.partition("/")[2] for line in said if line.startswith(f"{folder}/")]

    def fetch(self, names: Sequence[str], folder: Folder, into: Path) -> None:
        local = into.relative_to(self.connection.identity.parent)
        self._session(*(f"get {folder}/{name} {local}/{name}" for name in names))

    def _session(self, *lines: str) -> list[str]:
        """Run ``lines``; what was said on stdout. The first line that fails ends the session."""
        try:
            done = subprocess.run(  # noqa: S603 - the program of this machine, our own arguments
                self._command(),
                input="\n".join(lines) + "\n",
                capture_output=True,
                text=True,
                timeout=_SECONDS,
                check=False,
                cwd=self.connection.identity.parent,
                env={k: v for k, v in os.environ.items() if k not in _AGENTS},
            )
        except subprocess.TimeoutExpired:
            raise PlayFailed(f"sftp did not end within {_SECONDS:.0f} s: {lines[0]}") from None
        if done.returncode:
            raise PlayFailed(f"sftp ended with {done.returncode}: {done.stderr.strip()}")
        return done.stdout.splitlines()

    def _command(self) -> list[str]:
        given = self.connection
        options = {
            "IdentitiesOnly": "yes",
            "IdentityAgent": "none",
            "UserKnownHostsFile": given.host_key.name,
            "GlobalKnownHostsFile": os.devnull,
            "StrictHostKeyChecking": "yes",
            "BatchMode": "yes",
        }
        flags = [part for name, value in options.items() for part in ("-o", f"{name}={value}")]
        where = ["-P", str(given.port), "-i", given.identity.name]
        return [
            self.path, "-q", "-F", os.devnull, *flags, *where, "-b", "-",
            f"{given.user}@{given.host}",
        ]  # fmt: skip


class OwnClient:
    """The client that ``fla-batch send`` uses, over one connection."""

    def __init__(self, connection: Connection) -> None:
        self._line = Line(connection)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._line.drop()

    def put(self, files: Sequence[Path], folder: Folder) -> None:
        """The set is put together from its FI files; ``folder`` follows from their letter."""
        for outgoing in gather([f for f in files if f.name.startswith(Kind.FI)]):
            if outgoing.folder is not folder:
                raise PlayFailed(f"{outgoing.stem} does not go to {folder}")
            send_set(self._line.sftp(), outgoing)

    def listed(self, folder: Folder) -> list[str]:
        return self._line.sftp().listdir(f"/{folder}")

    def fetch(self, names: Sequence[str], folder: Folder, into: Path) -> None:
        for name in names:
            self._line.sftp().get(f"/{folder}/{name}", str(into / name))
