"""The served instance on a place: started, traced, killed as a process or with its machine."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.acceptance.instance import COMMAND, ONE_BY_ONE, Instance, Shell
from tests.crash.lab.places import Place
from tests.crash.lab.tracing import CHANGES, Call, injection, lives, options

_FORKING = """
import os, sys
import batch.cli.operate
for line in sys.stdin:
    child = os.fork()
    if not child:
        read, write = os.pipe()
        os.write(write, line.encode())
        os.close(write)
        os.dup2(read, 0)
        sys.stdin = open(0)
        exec(sys.argv[1])
        os._exit(0)
    os.waitpid(child, 0)
"""

_STARTING = """
import ctypes, json, os, signal, sys
import batch.cli.operate
from batch.cli.main import run
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
for line in sys.stdin:
    home, environment, arguments, out, err = json.loads(line)
    child = os.fork()
    if not child:
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # die with the laboratory
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for number, path in ((1, out), (2, err)):
            os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND), number)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.chdir(home)
        os.environ.clear()
        os.environ.update(environment)
        try:
            run(arguments)
        finally:
            os._exit(0)
    print(child, flush=True)
"""

SEEDS = Path(__file__).parent / "seeds"
SETTINGS = {
    "grace_seconds": 2,
    "settle_seconds": 0.2,
    "sweep_seconds": 0.5,
    "min_free_bytes": 0,
    "min_free_inodes": 0,
}
"""Short waits; the places are smaller than the floor of free space."""


class Forked(Shell):
    """Runs each command in a process that ends with it: nothing stays open on a place."""

    def __init__(self) -> None:
        super().__init__(_FORKING, ONE_BY_ONE)


class Started:
    """A process that is not our child, with what we need of a ``Popen``."""

    def __init__(self, pid: int) -> None:
        self.pid = pid

    def poll(self) -> int | None:
        return None if lives(self.pid) else 0

    def wait(self, seconds: float) -> int:
        deadline = time.monotonic() + seconds
        while lives(self.pid):
            assert time.monotonic() < deadline, f"process {self.pid} stays"
            time.sleep(0.002)
        return 0


class Starter(Shell):
    """Starts ``serve`` from an interpreter that has its modules loaded: the same, a second sooner.

    Its processes are fresh interpreters as ever.
    """

    def __init__(self) -> None:
        super().__init__(_STARTING)

    def start(self, *wanted: object) -> Started:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(wanted) + "\n")
        return Started(int(self._process.stdout.readline()))


@dataclass(init=False)
class Channel(Instance):
    """An instance that can lose its processes, or its power, at any moment."""

    def __init__(self, place: Place, outside: Path, shell: Shell, bug: str | None) -> None:
        super().__init__(outside, shell, dict(SETTINGS))
        self.place = place
        self.bug = bug
        self.given: dict[str, str] = {}
        self.starter: Starter | None = None

    @property
    def data(self) -> Path:
        return self.place.data

    def environment(self) -> dict[str, str]:
        given = super().environment() | self.given
        if self.bug is not None:
            paths = [str(SEEDS), *filter(None, [os.environ.get("PYTHONPATH")])]
            given |= {"PYTHONPATH": os.pathsep.join(paths), "FLA_CRASH_BUG": self.bug}
        return given

    @property
    def runs(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self, seconds: float = 60.0) -> None:
        """Start ``serve`` and come back when it listens."""
        self._begin([])
        self._listen(seconds)

    def start_and_die(self, before: Call | None, log: Path, seconds: float = 30.0) -> bool:
        """Start ``serve`` and have it die before a change of its recovery; whether it did.

        Without ``before`` it is only traced.
        """
        given = injection(before.name, before.number) if before else []
        names = (before.name,) if before else CHANGES
        self._begin(["strace", "-D", *options(log, names), *given, "--"])
        try:
            self._listen(seconds)
        except AssertionError:
            return True
        return False

    def _begin(self, prefix: list[str]) -> None:
        self._said = self.root / "serve.out"
        if self.starter is not None and not prefix:
            self._said.write_text("")
            words = ("--data", str(self.data), "serve", "--port", "0")
            files = (str(self._said), str(self.root / "serve.err"))
            self._process = self.starter.start(  # type: ignore[assignment]
                str(self.root), self.environment(), words, *files
            )
            return
        with self._said.open("wb") as out, (self.root / "serve.err").open("ab") as err:
            self._process = subprocess.Popen(
                [*prefix, *COMMAND, "--data", str(self.data), "serve", "--port", "0"],
                cwd=self.root,
                env=self.environment(),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
            )

    def _listen(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        assert self._process is not None
        while time.monotonic() < deadline and self._process.poll() is None:
            said = self._said.read_text()
            if said.endswith("\n"):
                self.port = int(said.split("\n")[-2].rpartition(":")[2])
                return
            time.sleep(0.01)
        raise AssertionError(f"serve does not listen: {self.log[-1000:]}")

    def port_now(self) -> int:
        """The port the SFTP process listens on, also after the supervisor started it anew."""
        lines = self._said.read_text().split("\n")
        return int(lines[-2].rpartition(":")[2]) if len(lines) > 1 else self.port

    def role(self, name: str) -> int:
        """The process that plays a role; waits for one that is being started again."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            for process in self.processes():
                if f"batch.processes\0{name}\0" in _command(process):
                    return process
            time.sleep(0.02)
        raise AssertionError(f"there is no {name} process")

    def processes(self) -> list[int]:
        """The supervisor and its children."""
        assert self._process is not None
        top = self._process.pid
        return [top, *(int(p) for p in _children(top))]

    def cut(self) -> None:
        """The power goes while everything is as it is; then it comes back."""
        processes = self.processes()
        for process in processes:
            _send(process, signal.SIGSTOP)
        self.place.cut()
        self.die(processes)
        self.place.back()

    def die(self, processes: list[int] | None = None) -> None:
        """All processes are killed, and gone."""
        processes = processes or self.processes()
        for process in processes:
            _send(process, signal.SIGKILL)
        assert self._process is not None
        self._process.wait(30)
        self._process = None
        deadline = time.monotonic() + 30
        while any(lives(process) for process in processes):
            assert time.monotonic() < deadline, "a killed process stays"
            time.sleep(0.005)

    def close(self) -> None:
        if self._process is not None:
            self.die()


def _send(process: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(process, number)


def _children(process: int) -> list[str]:
    try:
        return Path(f"/proc/{process}/task/{process}/children").read_text().split()
    except OSError:
        return []


def _command(process: int) -> str:
    try:
        return Path(f"/proc/{process}/cmdline").read_text()
    except OSError:
        return ""
