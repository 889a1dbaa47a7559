"""What processes cost, by the kernel's count: CPU of a tree, and memory with nothing twice."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

_TICK = os.sysconf("SC_CLK_TCK")
_UTIME = 11
"""Place in /proc/PID/stat behind the command: utime, stime, cutime, cstime follow one another."""


@dataclass(frozen=True, slots=True)
class Spent:
    """What a program took from its start to its end: CPU seconds, wall seconds, peak bytes."""

    cpu: float
    wall: float
    peak: float
    out: bytes


def cpu(pids: Iterable[int]) -> float:
    """CPU seconds of these processes so far, user and system, with the children they reaped.

    The kernel scales its ticks to the exact run time of each process; read in steps of 10 ms.
    """
    return sum(_times(pids)) / _TICK


def cpu_in_kernel(pids: Iterable[int]) -> float:
    """Of that, what the system took on their behalf: a sync is nearly all there."""
    _, system, _, reaped = _times(pids)
    return (system + reaped) / _TICK


def _times(pids: Iterable[int]) -> list[int]:
    """Ticks: user, system, and both of the reaped children."""
    total = [0, 0, 0, 0]
    for pid in pids:
        try:
            text = Path(f"/proc/{pid}/stat").read_text()
        except OSError:
            continue
        fields = text[text.rindex(")") + 2 :].split()
        times = [int(field) for field in fields[_UTIME : _UTIME + 4]]
        total = [a + b for a, b in zip(total, times, strict=True)]
    return total


def tree(root: int) -> list[int]:
    """A process and all that came of it."""
    found = [root]
    for pid in found:
        for task in Path(f"/proc/{pid}/task").glob("*/children"):
            try:
                found += [int(child) for child in task.read_text().split()]
            except OSError:
                continue
    return found


def role(root: int, name: str) -> int:
    """The process of ``serve`` that plays a role."""
    for pid in tree(root):
        command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        if b"batch.processes" in command and name.encode() in command:
            return pid
    raise AssertionError(f"there is no {name} process")


def shared_out(pids: Iterable[int]) -> int:
    """Bytes of memory (PSS): a page that several processes share counts once in all."""
    return sum(_kibibytes(f"/proc/{pid}/smaps_rollup", "Pss") for pid in pids)


def peak(pid: int) -> int:
    """The most bytes a process had resident since it began, or since ``forget_peak``."""
    return _kibibytes(f"/proc/{pid}/status", "VmHWM")


def forget_peak(pid: int) -> None:
    """Let the peak begin at what is resident now."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def _kibibytes(path: str, field: str) -> int:
    try:
        found = re.search(rf"^{field}:\s+(\d+) kB", Path(path).read_text(), re.MULTILINE)
    except OSError:
        return 0
    return int(found[1]) * 1024 if found else 0


def settled(root: int, seconds: float = 10.0) -> None:
    """Wait until a server has no more children: what they took is counted when they are reaped."""
    deadline = time.monotonic() + seconds
    while len(tree(root)) > 1:
        assert time.monotonic() < deadline, "a session does not end"
        time.sleep(0.005)


def program(*words: object) -> Spent:
    """Run a program that must succeed; what it took.

    A small process starts it, because Linux counts the memory of whoever starts a program in the
    peak of what is started.
    """
    command = [str(word) for word in words]
    read, write = os.pipe()
    try:
        done = subprocess.run(
            [sys.executable, "-I", "-S", "-c", _STARTER, str(write), *command],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            pass_fds=(write,),
            check=False,
        )
        os.set_blocking(read, False)
        code, cpu_seconds, wall, kilobytes = json.loads(os.read(read, 4096))
    finally:
        os.close(read)
        os.close(write)
    assert code == 0, f"{command}: {code}\n{done.stderr.decode()[-2000:]}"
    return Spent(cpu_seconds, wall, kilobytes * 1024.0, done.stdout)


_STARTER = """
import os, sys, time
begun = time.perf_counter()
child = os.posix_spawnp(sys.argv[2], sys.argv[2:], os.environ)
_, status, used = os.wait4(child, 0)
wall = time.perf_counter() - begun
code = os.waitstatus_to_exitcode(status)
told = [code, used.ru_utime + used.ru_stime, wall, used.ru_maxrss]
os.write(int(sys.argv[1]), repr(told).encode())
"""


def together(commands: Sequence[subprocess.Popen[bytes]]) -> Iterator[bytes]:
    """What each printed, once all have ended well."""
    for process in commands:
        out, err = process.communicate(timeout=600)
        assert process.returncode == 0, err.decode()[-2000:]
        yield out
