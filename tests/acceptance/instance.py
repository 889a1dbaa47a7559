"""An instance as its operator has it: made, changed, served and killed by the command alone."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

COMMAND = (sys.executable, "-c", "from batch.cli.main import run; run()")
"""What the console script does, for a source tree and for an installed package alike."""

ONE_BY_ONE = """
import json, os, sys, tempfile, traceback
from batch.cli.main import run
answers = os.dup(1)
for line in sys.stdin:
    home, environment, arguments = json.loads(line)
    os.chdir(home)
    os.environ.clear()
    os.environ.update(environment)
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        os.dup2(out.fileno(), 1)
        os.dup2(err.fileno(), 2)
        try:
            run(arguments)
            code = 0
        except SystemExit as end:
            code = end.code or 0
        except BaseException:
            traceback.print_exc()
            code = 99
        sys.stdout.flush()
        sys.stderr.flush()
        texts = []
        for stream in (out, err):
            stream.seek(0)
            texts.append(stream.read().decode())
    os.write(answers, json.dumps([code, *texts]).encode() + b"\\n")
"""

SOON = 40.0
"""Seconds within which what must come has come, also where a disk stands still for ten."""

ELEVEN_DIGITS = re.compile(r"(?<![0-9])[0-9]{11}(?![0-9])")


def soon(holds: Callable[[], object], seconds: float = SOON) -> bool:
    """Whether it holds, now or within this time."""
    deadline = time.monotonic() + seconds
    while not (held := bool(holds())) and time.monotonic() < deadline:
        time.sleep(0.05)
    return held


@dataclass(frozen=True, slots=True)
class Said:
    """How a command ended and what it printed."""

    arguments: tuple[str, ...]
    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """The one JSON document on stdout; anything else there raises ValueError."""
        return json.loads(self.out)

    def done(self) -> Said:
        """The same, once it is sure that the command ended with 0."""
        assert self.code == 0, f"{shlex.join(self.arguments)}: {self.code}\n{self.err}{self.out}"
        return self


class Shell:
    """An interpreter that runs one command after another: starting it costs more than most do."""

    def __init__(self, *program: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", *(program or (ONE_BY_ONE,))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )

    def run(self, home: Path, environment: dict[str, str], words: tuple[str, ...]) -> Said:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([str(home), environment, words]) + "\n")
        guard = threading.Timer(120, self._process.kill)
        guard.start()
        line = self._process.stdout.readline()
        guard.cancel()
        assert line, f"{shlex.join(words)} did not come back"
        return Said(words, *json.loads(line))

    def close(self) -> None:
        self._process.communicate(timeout=30)


@dataclass(frozen=True, slots=True)
class Sender:
    """A channel as its owner knows it; ``key`` and ``certificate`` are PEM files."""

    number: str
    user: str
    identity: Path
    key: Path
    certificate: Path


@dataclass
class Instance:
    """A directory of its own, served on a free port of the loopback; ``settings`` by name."""

    root: Path
    shell: Shell
    settings: dict[str, object] = field(default_factory=dict)
    port: int = 0
    wrapper: tuple[str, ...] = ()
    """A program that starts ``serve``: with fewer descriptors, or traced."""
    _process: subprocess.Popen[bytes] | None = None

    @property
    def data(self) -> Path:
        return self.root / "data"

    @property
    def host_key(self) -> str:
        """The server's public key as ``init`` left it: type and base64."""
        text = (self.data / "keys" / "ssh_host_ed25519_key.pub").read_text("ascii")
        return " ".join(text.split()[:2])

    @property
    def institution(self) -> Path:
        """The certificate that signs the answers."""
        return self.data / "keys" / "institution.crt"

    @property
    def log(self) -> str:
        """All that ``serve`` has written to stderr so far."""
        return (self.root / "serve.err").read_text("utf-8")

    def says(self, words: str, seconds: float = SOON) -> bool:
        """Whether the log has the words, soon: a line comes after what it tells of."""
        return soon(lambda: words in self.log, seconds)

    def rests(self, seconds: float = SOON) -> bool:
        """Whether all that was sealed is recorded as answered and put away, soon: the answers are
        seen before that."""
        return soon(lambda: not os.listdir(self.data / "spool" / "sealed"), seconds)

    def environment(self) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith("FLA_BATCH_")}
        given = {f"FLA_BATCH_{k.upper()}": str(v) for k, v in self.settings.items()}
        return kept | given | {"HOME": str(self.root), "TERM": "dumb", "COLUMNS": "200"}

    def command(self, *arguments: object) -> Said:
        """One command on this instance."""
        words = ("--data", str(self.data), *map(str, arguments))
        return self.shell.run(self.root, self.environment(), words)

    def commands(self, *lines: Iterable[object]) -> list[Said]:
        """Commands on this instance, one after another."""
        return [self.command(*line) for line in lines]

    def process(self, *arguments: object) -> Said:
        """One command on this instance, as a process of its own."""
        words = ("--data", str(self.data), *map(str, arguments))
        ended = subprocess.run(
            [*COMMAND, *words],
            cwd=self.root,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        return Said(words, ended.returncode, ended.stdout, ended.stderr)

    def json(self, *arguments: object) -> Any:
        """The document that a command prints with --json, once it is sure that it ended with 0."""
        return self.command(*arguments, "--json").done().document

    def serve(self, port: int = 0) -> None:
        """Start ``serve`` and come back when it says where it listens."""
        said, log = self.root / "serve.out", self.root / "serve.err"
        with said.open("ab") as out, log.open("ab") as err:
            before = out.tell()
            self._process = subprocess.Popen(
                [*self.wrapper, *COMMAND, "--data", str(self.data), "serve", "--port", str(port)],
                cwd=self.root,
                env=self.environment(),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
            )
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and self._process.poll() is None:
            text = said.read_bytes()[before:].decode()
            if found := re.search(r"^listening on 127\.0\.0\.1:([0-9]+)$", text, re.MULTILINE):
                self.port = int(found[1])
                return
            time.sleep(0.02)
        raise AssertionError(f"serve did not listen\n{self.log[-3000:]}")

    def kill(self) -> None:
        """SIGKILL to ``serve``; its processes are the kernel's to end, which waits for the disk."""
        assert self._process is not None
        number = self._process.pid
        mine = Path(f"/proc/{number}/task/{number}/children").read_text("ascii").split()
        self._process.kill()
        self._process.wait(60)
        self._process = None
        assert soon(lambda: not any(map(_lives, mine))), "a process outlives its supervisor"

    def stop(self) -> int:
        """SIGTERM to ``serve``; its exit code."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        code = self._process.wait(60)
        self._process = None
        return code

    def close(self) -> None:
        """Leave nothing running."""
        if self._process is not None:
            self.kill()

    def folder(self, sender: str, name: str) -> Path:
        """A sender's folder as the operator finds it on the disk."""
        return self.data / "channels" / sender / name


def _lives(process: str) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text("utf-8").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def numbers_of_persons(text: str) -> set[str]:
    """The texts of eleven digits in ``text`` that check as an INSS (domain, section 3.1)."""
    return {digits for digits in ELEVEN_DIGITS.findall(text) if _checks(digits)}


def _checks(digits: str) -> bool:
    body, check = digits[:9], int(digits[9:])
    return check in (97 - int(body) % 97, 97 - int(f"2{body}") % 97)


def enterprise(number: int) -> str:
    """The ``number``-th invented enterprise number: it checks and is nobody's."""
    front = f"{9_000_000 + number:08d}"
    return f"{front}{97 - int(front) % 97:02d}"
