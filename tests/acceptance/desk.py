"""A sender's folder, where the lines of docs/clients.md are typed, and a line that can break."""

from __future__ import annotations

import os
import select
import socket
import socketserver
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from shutil import copyfile, copytree

from tests.acceptance.clients import Mail
from tests.acceptance.instance import Instance, Sender
from tests.acceptance.page import PROGRAMS, clients

ROOT = Path(__file__).parents[2]
NODE_MODULES = ROOT / ".venv" / "node" / "node_modules"


@dataclass(frozen=True)
class Desk:
    """One sender's folder with what the page says is in it; ``client`` is the page's name."""

    instance: Instance
    sender: Sender
    client: str
    home: Path

    @classmethod
    def furnish(cls, instance: Instance, sender: Sender, client: str, home: Path) -> Desk:
        """Lay the keys and the page's small programs ready in ``home``."""
        copytree(PROGRAMS, home, dirs_exist_ok=True)
        copyfile(sender.identity, home / "login").chmod(0o600)
        public = subprocess.run(
            ["ssh-keygen", "-y", "-f", sender.identity], capture_output=True, check=True
        )
        (home / "login.pub").write_bytes(public.stdout)
        for kind in ("ed25519", "ecdsa"):
            name = f"ssh_host_{kind}_key.pub"
            copyfile(instance.data / "keys" / name, home / name)
        (home / "node_modules").symlink_to(NODE_MODULES)
        return cls(instance, sender, client, home)

    @property
    def answers(self) -> dict[str, bytes]:
        """What has been fetched."""
        return {path.name: path.read_bytes() for path in (self.home / "answers").iterdir()}

    def inbox(self, name: str) -> Path:
        return self.instance.folder(self.sender.number, "IN") / name

    def outbox(self) -> dict[str, bytes]:
        """What is in OUT, as the operator finds it."""
        folder = self.instance.folder(self.sender.number, "OUT")
        return {path.name: path.read_bytes() for path in folder.iterdir()}

    def lay(self, files: dict[str, bytes]) -> None:
        """Put files into the folder, ready to be sent."""
        for name, content in files.items():
            (self.home / name).write_bytes(content)

    def mail(self) -> Mail:
        """Another connection of the same sender, to see what the client did."""
        return Mail(self.instance, self.sender)

    def attempt(
        self, title: str, stem: str, port: int | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Type the lines of ``title``; only the four variables are not the page's."""
        search = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        given = {"H": "127.0.0.1", "P": str(port or self.instance.port)}
        return subprocess.run(
            ["bash", "-e", "-u", "-o", "pipefail", "-c", clients().script(self.client, title)],
            cwd=self.home,
            env={"PATH": search, "HOME": str(self.home), "U": self.sender.user, "S": stem, **given},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )

    def type(self, title: str, stem: str = "", port: int | None = None) -> str:
        """The same, once it is sure that all went well; what was printed."""
        ended = self.attempt(title, stem, port)
        assert ended.returncode == 0, f"{self.client}, {title}:\n{ended.stderr}{ended.stdout}"
        return ended.stdout


class _Relayed(socketserver.BaseRequestHandler):
    server: Relay

    def handle(self) -> None:
        with socket.create_connection(("127.0.0.1", self.server.target)) as other:
            ends = {self.request: other, other: self.request}
            while ready := select.select(list(ends), [], [], 120)[0]:
                for end in ready:
                    try:
                        block = end.recv(65536)
                        if not block or (end is self.request and self.server.breaks(len(block))):
                            return
                        ends[end].sendall(block)
                    except OSError:
                        return


@dataclass
class Relay(socketserver.ThreadingTCPServer):
    """A port in front of another. Counts the bytes that go up; once ``cut`` of them went through,
    it drops the connection that brought the last, and is whole from then on."""

    target: int
    cut: int | None = None
    up: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)
    daemon_threads = False
    block_on_close = True

    def __post_init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Relayed)

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def breaks(self, count: int) -> bool:
        with self._lock:
            self.up += count
            if self.cut is None or self.up < self.cut:
                return False
            self.cut = None
            return True


@contextmanager
def relay(target: int, cut: int | None = None) -> Iterator[Relay]:
    """A relay at work."""
    made = Relay(target, cut)
    thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield made
    finally:
        made.shutdown()
        thread.join()
        made.server_close()
