"""strace on a running process: one of its calls fails with an error, as a disk would have it.

An injected error means that the call was not made. strace counts ``when=`` in each thread and for
each call by itself, and which thread works is chance; so a place is known by what was about to be
touched, and what was hit is read from the trace afterwards.
"""

from __future__ import annotations

import re
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_LINE = re.compile(r"^(?P<thread>\d+) +(?P<name>\w+)\((?P<rest>.*)$")
_RESUMED = re.compile(r"^(?P<thread>\d+) +<\.\.\. (?P<name>\w+) resumed>(?P<rest>.*)$")
_PATH = re.compile(r'<(/[^>]*)>|"(/[^"]*)"')


@dataclass(frozen=True, slots=True)
class Call:
    """A call below the instance: the ``number``-th of this name in its thread."""

    name: str
    number: int
    path: str
    about: str
    """The path without what differs from run to run."""
    injected: bool


@dataclass(frozen=True, slots=True)
class Fault:
    """``error`` for the calls of this name that ``when`` says, in strace's words."""

    name: str
    error: str
    when: str

    def __str__(self) -> str:
        return f"inject={self.name}:error={self.error}:when={self.when}"


@contextmanager
def traced(process: int, log: Path, names: tuple[str, ...], *faults: Fault) -> Iterator[None]:
    """Trace ``names`` in all threads of ``process`` while the block lasts, with these faults."""
    said = log.with_suffix(".err")
    given = [word for fault in faults for word in ("-e", str(fault))]
    with said.open("wb") as err:
        strace = subprocess.Popen(
            [
                *("strace", "-f", "-y", "-s", "0", "-p", str(process), "-o", str(log)),
                *("-e", f"trace={','.join(names)}", *given),
            ],
            stdin=subprocess.DEVNULL,
            stderr=err,
        )
    try:
        deadline = time.monotonic() + 60
        while b"attached" not in said.read_bytes():
            assert strace.poll() is None, said.read_text()
            assert time.monotonic() < deadline, "strace does not attach"
            time.sleep(0.005)
        yield
    finally:
        strace.terminate()
        strace.wait(60)


def calls(log: Path, data: Path) -> list[Call]:
    """What the trace holds that changes something below ``data``, in order."""
    counts: Counter[tuple[str, str]] = Counter()
    started: dict[str, str] = {}
    found: list[Call] = []
    for line in log.read_text(errors="replace").splitlines():
        if resumed := _RESUMED.match(line):
            line = f"{started.pop(resumed['thread'], '0 none(')} {resumed['rest']}"
        elif line.endswith("<unfinished ...>"):
            started[line.split()[0]] = line.removesuffix("<unfinished ...>")
            continue
        whole = _LINE.match(line)
        if whole is None:
            continue
        name, rest = whole["name"], whole["rest"]
        counts[whole["thread"], name] += 1
        path = _path(rest, data)
        if path and (name != "openat" or "O_CREAT" in rest):
            number = counts[whole["thread"], name]
            found.append(Call(name, number, path, _plain(path), "(INJECTED)" in rest))
    return found


def _path(rest: str, data: Path) -> str:
    """The last path of a call: its target. Nothing where it is not of the instance."""
    paths = [one or two for one, two in _PATH.findall(rest.rpartition(") = ")[0] or rest)]
    inside = [path for path in paths if path.startswith(f"{data}/")]
    return inside[-1].removeprefix(f"{data}/") if inside else ""


def _plain(path: str) -> str:
    return re.sub(r"[0-9a-f]{12,}|\d{2,}", "#", path).removesuffix(" (deleted)")
