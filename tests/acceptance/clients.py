"""The sender's side without any code of the project: OpenSSH and openssl, or paramiko."""

from __future__ import annotations

import base64
import itertools
import os
import shlex
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from zoneinfo import ZoneInfo

import paramiko

from tests.acceptance.answers import Answer, Outbox
from tests.acceptance.instance import Instance, Sender

PATIENCE = 60.0
"""Seconds that a login may take: the library's own 15 are few where others use the machine."""

_SEQUENCES = itertools.count(10_001)


def today() -> str:
    """The day in Brussels as names have it."""
    return f"{datetime.now(UTC).astimezone(ZoneInfo('Europe/Brussels')):%Y%m%d}"


def new_stem(sender: str, letter: str = "R", code: str = "FLAD") -> str:
    """A stem that nobody used in this run."""
    return f"{code}.{sender}.{today()}.{next(_SEQUENCES):05d}.{letter}"


def named(stem: str, *parts: tuple[bytes, bytes | None]) -> dict[str, bytes]:
    """The files of a set in the order of sending: FI and FS of each part, GO last."""
    total = len(parts)
    files: dict[str, bytes] = {}
    for number, (fi, fs) in enumerate(parts, 1):
        files[f"FI.{stem}.{total}.{number}"] = fi
        if fs is not None:
            files[f"FS.{stem}.{total}.{number}"] = fs
    return files | {f"GO.{stem}.{total}": b""}


def run(*command: object, said: str = "", cwd: Path | None = None) -> str:
    """Run a program that must succeed; its stdout."""
    words = [str(word) for word in command]
    ended = subprocess.run(
        words, input=said, capture_output=True, text=True, timeout=120, check=False, cwd=cwd
    )
    assert ended.returncode == 0, f"{shlex.join(words)}\n{ended.stderr}{ended.stdout}"
    return ended.stdout


@dataclass(frozen=True)
class OpenSsl:
    """A CA, keys, certificates and signatures, all made by the openssl program in ``home``."""

    home: Path

    def authority(self, name: str) -> Path:
        """A CA of its own; its certificate."""
        certificate = self.home / f"{name}.pem"
        run(
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-sha256"),
            *("-keyout", self.home / f"{name}.key", "-out", certificate, "-days", "30"),
            *("-subj", f"/C=BE/CN={name}", "-config", self._config()),
            *("-extensions", "authority"),
        )
        return certificate

    def signer(self, name: str, authority: str, kind: str = "rsa:2048") -> tuple[Path, Path]:
        """A key and the certificate that ``authority`` gives it."""
        key, request = self.home / f"{name}.key", self.home / f"{name}.csr"
        certificate = self.home / f"{name}.pem"
        curve = ("-pkeyopt", "ec_paramgen_curve:P-256") if kind == "ec" else ()
        run(
            *("openssl", "req", "-new", "-newkey", kind, *curve, "-nodes", "-sha256"),
            *("-keyout", key, "-out", request, "-subj", f"/C=BE/CN={name}"),
            *("-config", self._config()),
        )
        run(
            *("openssl", "x509", "-req", "-in", request, "-out", certificate, "-days", "30"),
            *("-CA", self.home / f"{authority}.pem", "-CAkey", self.home / f"{authority}.key"),
            *("-CAcreateserial", "-sha256", "-extfile", self._config(), "-extensions", "signer"),
        )
        return key, certificate

    def sign(self, fi: bytes, sender: Sender) -> bytes:
        """An FS by ``openssl cms -sign | base64``."""
        (self.home / "fi").write_bytes(fi)
        command = shlex.join(
            [
                *("openssl", "cms", "-sign", "-binary", "-md", "sha256", "-outform", "DER"),
                *("-signer", str(sender.certificate), "-inkey", str(sender.key), "-in", "fi"),
            ]
        )
        run("sh", "-ec", f"{command} > fs.der; base64 fs.der > fs", cwd=self.home)
        return (self.home / "fs").read_bytes()

    def verify(self, answer: Answer, institution: Path) -> None:
        """AssertionError unless ``openssl cms -verify`` accepts the answer."""
        self.proved(answer.sent, answer.signature, institution)

    def proved(self, sent: bytes, signature: bytes, institution: Path) -> None:
        """The same of any two files."""
        (self.home / "FO").write_bytes(sent)
        (self.home / "FS").write_bytes(signature)
        run("sh", "-ec", "base64 -d FS > FS.der", cwd=self.home)
        run(
            *("openssl", "cms", "-verify", "-binary", "-inform", "DER", "-in", "FS.der"),
            *("-content", "FO", "-CAfile", institution, "-out", "verified"),
            cwd=self.home,
        )
        assert (self.home / "verified").read_bytes() == sent

    def _config(self) -> Path:
        file = self.home / "openssl.cnf"
        if not file.exists():
            file.write_text(
                "[req]\ndistinguished_name = name\nprompt = no\n[name]\n"
                "[authority]\nbasicConstraints = critical, CA:TRUE\n"
                "keyUsage = critical, keyCertSign, cRLSign\nsubjectKeyIdentifier = hash\n"
                "[signer]\nbasicConstraints = critical, CA:FALSE\n"
                "keyUsage = critical, digitalSignature, nonRepudiation\n"
                "subjectKeyIdentifier = hash\nauthorityKeyIdentifier = keyid\n"
            )
        return file


@dataclass
class OpenSsh:
    """One sender at OpenSSH's ``sftp -b``; ``home`` holds what goes out and comes in."""

    instance: Instance
    sender: Sender
    home: Path
    folders: dict[str, Outbox] = field(default_factory=dict)

    @property
    def out(self) -> Outbox:
        return self.folders.setdefault("OUT", Outbox(self, "OUT"))

    @property
    def outtest(self) -> Outbox:
        return self.folders.setdefault("OUTTEST", Outbox(self, "OUTTEST"))

    def attempt(self, *lines: str) -> subprocess.CompletedProcess[str]:
        """One session of these lines; it ends at the first that fails, unless marked with ``-``."""
        known = self.home / "known_hosts"
        known.write_text(f"[127.0.0.1]:{self.instance.port} {self.instance.host_key}\n")
        given = {
            "IdentityFile": self.sender.identity,
            "IdentitiesOnly": "yes",
            "IdentityAgent": "none",
            "UserKnownHostsFile": known,
            "GlobalKnownHostsFile": os.devnull,
            "StrictHostKeyChecking": "yes",
            "BatchMode": "yes",
            "Port": self.instance.port,
        }
        options = [part for k, v in given.items() for part in ("-o", f"{k}={v}")]
        return subprocess.run(
            ["sftp", "-F", "none", *options, "-b", "-", f"{self.sender.user}@127.0.0.1"],
            input="".join(f"{line}\n" for line in lines),
            cwd=self.home,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def session(self, *lines: str) -> str:
        """One session in which every line must succeed; what it printed."""
        ended = self.attempt(*lines)
        assert ended.returncode == 0, ended.stderr
        return ended.stdout

    def put(self, files: Mapping[str, bytes], folder: str = "IN") -> None:
        """Upload in the order given; all must be taken."""
        self.session(*self.puts(files, folder))

    def puts(self, files: Mapping[str, bytes], folder: str = "IN") -> list[str]:
        """The lines that upload ``files``, which are laid ready."""
        for name, content in files.items():
            (self.home / name).write_bytes(content)
        return [f"put {name} {folder}/{name}" for name in files]

    def names(self, folder: str) -> list[str]:
        listed = self.session(f"ls -1 {folder}").splitlines()
        return [line.rpartition("/")[2].strip() for line in listed if not line.startswith("sftp>")]

    def fetch(self, folder: str, names: Iterable[str]) -> dict[str, bytes]:
        wanted = list(names)
        self.session(*(f"get {folder}/{name} {name}" for name in wanted))
        return {name: (self.home / name).read_bytes() for name in wanted}


class Mail:
    """One sender on one connection of paramiko."""

    def __init__(self, instance: Instance, sender: Sender) -> None:
        self._transport = paramiko.Transport(("127.0.0.1", instance.port))
        self._transport.banner_timeout = self._transport.auth_timeout = PATIENCE
        self._transport.handshake_timeout = PATIENCE
        try:
            host_key = paramiko.Ed25519Key(data=base64.b64decode(instance.host_key.split()[1]))
            identity = paramiko.PKey.from_path(sender.identity)
            self._transport.connect(hostkey=host_key, username=sender.user, pkey=identity)
            session = paramiko.SFTPClient.from_transport(self._transport)
        except BaseException:
            self._transport.close()
            raise
        assert session is not None
        self._sftp = session
        self.out, self.outtest = Outbox(self, "OUT"), Outbox(self, "OUTTEST")

    def __enter__(self) -> Mail:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: object, _trace: TracebackType | None
    ) -> None:
        self._sftp.close()
        self._transport.close()

    def put(self, files: Mapping[str, bytes], folder: str = "IN") -> None:
        """Upload in the order given."""
        for name, content in files.items():
            with self._sftp.open(f"/{folder}/{name}", "wb") as remote:
                remote.set_pipelined(True)
                remote.write(content)

    def remove(self, folder: str, names: Iterable[str]) -> None:
        for name in names:
            self._sftp.remove(f"/{folder}/{name}")

    def names(self, folder: str) -> list[str]:
        return self._sftp.listdir(f"/{folder}")

    def fetch(self, folder: str, names: Iterable[str]) -> dict[str, bytes]:
        found: dict[str, bytes] = {}
        for name in names:
            with self._sftp.open(f"/{folder}/{name}", "rb") as remote:
                remote.prefetch()
                found[name] = remote.read()
        return found
