"""A CA run by the openssl program, that tells of revocations where its certificates say."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from socket import socket

from tests.acceptance.clients import run
from tests.acceptance.instance import Sender

_CONFIG = """
[req]
distinguished_name = name
prompt = no
[name]
[ca]
default_ca = this
[this]
dir = {home}
database = {home}/index.txt
serial = {home}/serial
crlnumber = {home}/crlnumber
new_certs_dir = {home}
certificate = {home}/ca.pem
private_key = {home}/ca.key
default_md = sha256
default_days = 30
default_crl_days = 7
policy = any
[any]
commonName = supplied
[authority]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign, digitalSignature
subjectKeyIdentifier = hash
[signer]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature, nonRepudiation
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
{places}
"""


def free_port() -> int:
    with socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Certifier:
    """A CA in ``home`` with an HTTP server for its list and an OCSP responder, each up or down."""

    home: Path
    list_port: int = field(default_factory=free_port)
    answer_port: int = field(default_factory=free_port)
    _running: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def __post_init__(self) -> None:
        for name, text in (("index.txt", ""), ("serial", "1001\n"), ("crlnumber", "01\n")):
            (self.home / name).write_text(text)
        (self.home / "served").mkdir()
        run(
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-sha256", "-days", "60"),
            *("-keyout", self.home / "ca.key", "-out", self.certificate, "-subj", "/CN=Certifier"),
            *("-config", self._config(), "-extensions", "authority"),
        )

    @property
    def certificate(self) -> Path:
        return self.home / "ca.pem"

    @property
    def list_url(self) -> str:
        return f"http://127.0.0.1:{self.list_port}/ca.crl"

    @property
    def answer_url(self) -> str:
        return f"http://127.0.0.1:{self.answer_port}"

    def sender(self, user: str, number: str, places: str) -> Sender:
        """A sender with a login key and a certificate that names ``places``: config lines."""
        key, request, made = (self.home / f"{user}.{end}" for end in ("key", "csr", "pem"))
        run(
            *("openssl", "req", "-new", "-newkey", "rsa:2048", "-nodes", "-sha256"),
            *("-keyout", key, "-out", request, "-subj", f"/CN={user}", "-config", self._config()),
        )
        run(
            *("openssl", "ca", "-batch", "-notext", "-in", request, "-out", made),
            *("-config", self._config(places), "-extensions", "signer"),
        )
        identity = self.home / f"{user}.ssh"
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", user, "-f", identity)
        return Sender(number, user, identity, key, made)

    def revoke(self, sender: Sender) -> None:
        reason = ("-crl_reason", "keyCompromise")
        run("openssl", "ca", "-config", self._config(), "-revoke", sender.certificate, *reason)

    def make_list(self) -> Path:
        """The list as it is now, in DER, where it is served from."""
        pem, der = self.home / "crl.pem", self.home / "served" / "ca.crl"
        run("openssl", "ca", "-config", self._config(), "-gencrl", "-out", pem)
        run("openssl", "crl", "-in", pem, "-outform", "DER", "-out", der)
        return der

    def list_up(self) -> None:
        self.make_list()
        served = ("--bind", "127.0.0.1", "--directory", str(self.home / "served"))
        command = (sys.executable, "-u", "-m", "http.server", str(self.list_port), *served)
        self._up(command, self.list_port)

    def answers_up(self) -> None:
        ca, key = str(self.certificate), str(self.home / "ca.key")
        by = ("-index", str(self.home / "index.txt"), "-CA", ca, "-rsigner", ca, "-rkey", key)
        command = ("openssl", "ocsp", "-port", str(self.answer_port), "-nmin", "60", *by)
        self._up(command, self.answer_port)

    def down(self) -> None:
        """Everything that was put up."""
        for process in self._running:
            process.kill()
            process.wait(10)
        self._running.clear()

    def _up(self, command: Sequence[str], port: int) -> None:
        """Until it says that it listens: the responder of openssl hangs after a mere probe."""
        said = self.home / f"{port}.said"
        with said.open("wb") as out:
            self._running.append(
                subprocess.Popen(
                    command, cwd=self.home, stdin=subprocess.DEVNULL, stdout=out, stderr=out
                )
            )
        deadline = time.monotonic() + 40
        while time.monotonic() < deadline:
            if b"ACCEPT" in said.read_bytes() or b"Serving HTTP" in said.read_bytes():
                return
            time.sleep(0.05)
        raise AssertionError(f"{command[0]} did not listen: {said.read_text()}")

    def _config(self, places: str = "") -> Path:
        file = self.home / "ca.cnf"
        file.write_text(_CONFIG.format(home=self.home, places=places))
        return file
