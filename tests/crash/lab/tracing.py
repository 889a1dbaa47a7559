"""strace: which calls of a process change the disk, and a kill before the n-th of them.

strace counts ``when=`` for each thread and each call by itself; so a point is named by role,
call and number, and dies in whichever thread gets there first. What was about to happen is read
from the trace afterwards.
"""

from __future__ import annotations

import re
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

CHANGES = (
    *("pwrite64", "write", "fsync", "fdatasync", "ftruncate", "openat", "fchmod", "fsetxattr"),
    *("rename", "renameat", "renameat2", "link", "linkat", "unlink", "unlinkat"),
    *("mkdir", "mkdirat", "rmdir"),
)
"""Every call by which the channel, Python and SQLite change a file system."""

_CALL = re.compile(r"^(?P<thread>\d+) +(?P<name>\w+)\((?P<arguments>.*)")
_PATH = re.compile(r'<(/[^>]*)>|"(/[^"]*)"')


@dataclass(frozen=True, slots=True, order=True)
class Call:
    """The ``number``-th call of this name in some thread; ``about`` names what it touches."""

    name: str
    number: int
    about: str


def injection(name: str, number: int) -> list[str]:
    """Die before the ``number``-th call; the error keeps the call itself from being made."""
    return ["-e", f"inject={name}:error=EIO:signal=KILL:when={number}"]


def options(log: Path, names: tuple[str, ...]) -> list[str]:
    return ["-y", "-s", "0", "-o", str(log), "-e", f"trace={','.join(names)}"]


class Tracer:
    """strace on a running process and all its threads."""

    def __init__(self, process: int, log: Path, die_before: Call | None = None) -> None:
        self.log = log
        self._process = process
        names = CHANGES if die_before is None else (die_before.name,)
        given = [] if die_before is None else injection(die_before.name, die_before.number)
        self._said = log.with_suffix(".err")
        with self._said.open("wb") as said:
            self._strace = subprocess.Popen(
                ["strace", "-f", "-p", str(process), *options(log, names), *given],
                stdin=subprocess.DEVNULL,
                stderr=said,
            )
        self._wait_until_attached()

    def wait(self) -> None:
        """Until the process is dead, or strace let go of it."""
        while self._strace.poll() is None:
            if not lives(self._process):
                return self.close()
            time.sleep(0.002)
        return None

    def close(self) -> None:
        """Let go of the process. strace may wait for ever for a thread of one that was killed."""
        if self._strace.poll() is None:
            self._strace.terminate()
        try:
            self._strace.wait(0.3)
        except subprocess.TimeoutExpired:
            self._strace.kill()
            self._strace.wait(10)

    def _wait_until_attached(self) -> None:
        deadline = time.monotonic() + 60
        while b"attached" not in self._said.read_bytes():
            assert self._strace.poll() is None, self._said.read_text()
            assert time.monotonic() < deadline, "strace does not attach"
            time.sleep(0.005)


def lives(process: int) -> bool:
    """Whether a process is there and not dead; of a dead one some threads may still be going."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def calls(log: Path, data: Path) -> Iterator[Call]:
    """The changes below ``data`` in a trace, each with its number in its own thread."""
    counts: Counter[tuple[str, str]] = Counter()
    for line in log.read_text(errors="replace").splitlines():
        found = _matched(line)
        if found is None or "resumed>" in line:
            continue
        name, arguments = found["name"], found["arguments"]
        counts[found["thread"], name] += 1
        about = described(arguments, data)
        if about and (name != "openat" or "O_EXCL" in arguments):
            yield Call(name, counts[found["thread"], name], about)


def killed_before(log: Path, data: Path) -> str | None:
    """What the process was about to do when it was killed; None when it was not."""
    text = log.read_text(errors="replace")
    if "(INJECTED)" not in text and "killed by SIGKILL" not in text and "= ?" not in text:
        return None
    made = [_matched(line) for line in text.splitlines() if "resumed>" not in line]
    last = [found for found in made if found is not None]
    return f"{last[-1]['name']} {described(last[-1]['arguments'], data)}" if last else "?"


def _matched(line: str) -> re.Match[str] | None:
    return _CALL.match(line) or _CALL.match(f"0 {line}")


def described(arguments: str, data: Path) -> str:
    """What a call touches, without what differs from run to run; empty: nothing of the instance."""
    paths = [a or b for a, b in _PATH.findall(arguments)]
    inside = [p for p in paths if p.startswith(f"{data}/")]
    if not inside:
        return ""
    shown = [re.sub(r"[0-9a-f]{16,}|\d{2,}", "#", p[len(str(data)) + 1 :]) for p in inside]
    return " ".join(dict.fromkeys(shown))
