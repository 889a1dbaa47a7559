"""The peer: OpenSSH's server on a port of its own, with its own configuration and host key.

It stores what it is given and does no more: no fsync, no seal. It runs as whoever runs the bench
and takes only that user's login, so it needs no right that the user has not; as root it has one
process less for each connection than it would have for another user (no second process that
lowers its rights), which is to its advantage.

Its ``internal-sftp`` serves the files: the program ``sftp-server`` does the same, but is started by
the user's login shell, which would count whatever that reads first.
"""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.bench import usage
from tests.bench.figures import Run

CONFIGURATION = """\
Port {port}
ListenAddress 127.0.0.1
HostKey {home}/host_key
AuthorizedKeysFile {home}/authorized_keys
PidFile none
UsePAM no
StrictModes no
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
UseDNS no
PrintMotd no
PrintLastLog no
MaxStartups 2000
LogLevel ERROR
Subsystem sftp internal-sftp
"""


def sshd() -> str | None:
    """Where the server is; a user's PATH often leaves the place out."""
    return shutil.which("sshd", path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin"]))


def version() -> str:
    """As ``ssh -V`` says it, which is of the same release."""
    said = subprocess.run(["ssh", "-V"], capture_output=True, text=True, check=False).stderr
    return said.split(",")[0].strip()


@dataclass(frozen=True, slots=True)
class OpenSsh:
    """A running server; what is stored lies in ``folder``."""

    process: subprocess.Popen[bytes]
    port: int
    home: Path

    @property
    def user(self) -> str:
        return getpass.getuser()

    @property
    def identity(self) -> Path:
        return self.home / "login"

    def folder(self, name: str) -> Path:
        """A new directory to store in."""
        made = self.home / "store" / name
        made.mkdir(parents=True)
        return made

    def cpu(self) -> float:
        """With all sessions that have ended."""
        usage.settled(self.process.pid)
        return usage.cpu([self.process.pid])

    def cpu_in_kernel(self) -> float:
        usage.settled(self.process.pid)
        return usage.cpu_in_kernel([self.process.pid])

    def memory(self) -> int:
        return usage.shared_out(usage.tree(self.process.pid))


@contextmanager
def serving(run: Run) -> Iterator[OpenSsh]:
    """A server in a directory of its own; it ends with the block."""
    with run.room("sshd") as home, _started(home) as made:
        yield made


@contextmanager
def _started(home: Path) -> Iterator[OpenSsh]:
    program = sshd()
    assert program is not None, "there is no sshd"
    for name in ("host_key", "login"):
        _keygen(home / name)
    shutil.copyfile(home / "login.pub", home / "authorized_keys")
    if os.getuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # it chroots there before the login
    port = _free_port()
    written = CONFIGURATION.format(port=port, home=home)
    (home / "sshd_config").write_text(written)
    with (home / "sshd.err").open("wb") as log:
        process = subprocess.Popen(
            [program, "-D", "-e", "-f", str(home / "sshd_config")],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        _await(port, process, home / "sshd.err")
        yield OpenSsh(process, port, home)
    finally:
        process.terminate()
        process.wait(30)


def _keygen(path: Path) -> None:
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "bench", "-f", str(path)]
    subprocess.run(command, check=True, capture_output=True)


def _free_port() -> int:
    with closing(socket.socket()) as asked:
        asked.bind(("127.0.0.1", 0))
        found: int = asked.getsockname()[1]
        return found


def _await(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with closing(socket.create_connection(("127.0.0.1", port), 1)) as line:
                assert line.recv(4) == b"SSH-"
            usage.settled(process.pid)
            return
        except OSError:
            time.sleep(0.02)
    raise AssertionError(f"sshd does not listen: {log.read_text()[-1000:]}")
