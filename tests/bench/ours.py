"""Our side: a served instance in a directory of its own, made by the command, as operators do."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.acceptance.conftest import register
from tests.acceptance.instance import Instance, Sender, Shell
from tests.bench import usage
from tests.bench.figures import Run

ROLES = ("sftp", "worker", "upkeep")


@dataclass(slots=True)
class Told:
    """What the log said so far of notices that were shown."""

    count: int = 0
    _read: int = 0

    def notices(self, log: Path) -> int:
        """All of them; only what is new in the log is read."""
        with log.open("rb") as stream:
            stream.seek(self._read)
            new = stream.read()
        whole = new[: new.rfind(b"\n") + 1]
        self._read += len(whole)
        for line in whole.splitlines():
            if b'"answered"' in line:
                self.count += line.count(b'"NOTI.')
        return self.count


@dataclass(frozen=True, slots=True)
class Ours:
    """A served instance and the sender whose sets it gets; ``pid`` is that of ``serve``."""

    instance: Instance
    sender: Sender
    other: Sender
    pid: int
    told: Told = field(default_factory=Told)

    @property
    def port(self) -> int:
        return self.instance.port

    @property
    def user(self) -> str:
        return self.sender.user

    @property
    def identity(self) -> Path:
        return self.sender.identity

    def role(self, name: str) -> int:
        return usage.role(self.pid, name)

    def cpu(self) -> float:
        """Of the SFTP process: that it ends what the last session left takes a moment."""
        time.sleep(0.05)
        return usage.cpu([self.role("sftp")])

    def cpu_in_kernel(self) -> float:
        return usage.cpu_in_kernel([self.role("sftp")])

    def cpu_of_all(self) -> float:
        """Of ``serve`` and its processes, the worker's with it."""
        return usage.cpu(usage.tree(self.pid))

    def memory(self) -> int:
        return usage.shared_out(usage.tree(self.pid))

    def answered(self) -> int:
        """How many sets have their NOTI in OUT, by the log, which says so a moment later.

        To list OUT over and over would take the processors from those that are measured.
        """
        return self.told.notices(self.instance.root / "serve.err")

    def await_answered(self, count: int, seconds: float = 3600.0) -> None:
        """Come back as soon as that many sets are answered, and their answers are in OUT."""
        deadline = time.monotonic() + seconds
        while self.answered() < count:
            assert time.monotonic() < deadline, f"not answered: {self.instance.log[-1500:]}"
            time.sleep(0.01)
        names = os.listdir(self.instance.folder(self.sender.number, "OUT"))
        assert sum(1 for name in names if name.startswith("GO.NOTI.")) >= count

    def accepted(self, stem: str) -> int:
        """How many forms of an answered set were accepted."""
        found: int = self.instance.json("submission", "show", stem)["accepted"]
        return found


@contextmanager
def serving(run: Run, name: str, **settings: object) -> Iterator[Ours]:
    """An instance with the settings of the product but those given; it ends with the block."""
    with run.room(name) as home:
        shell = Shell()
        registered = register(shell, home)
        instance = Instance(registered.instance.root, shell, dict(settings))
        try:
            yield started(instance, registered.employer, registered.mandatary)
        finally:
            instance.close()
            shell.close()


def started(instance: Instance, sender: Sender, other: Sender) -> Ours:
    """Serve it, and wait until all its processes are there."""
    instance.serve()
    assert instance._process is not None
    made = Ours(instance, sender, other, instance._process.pid)
    for role in ROLES:
        _await_role(made, role)
    return made


def _await_role(made: Ours, role: str) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        with suppress(AssertionError, OSError):
            made.role(role)
            return
        time.sleep(0.02)
    raise AssertionError(f"no {role} process")


_TITLE = re.compile(r'(<text id="title"[^>]*>)[^<]*(</text>)')
"""Of a flame graph: the command, with places that are only this machine's."""


@contextmanager
def profiled(run: Run, name: str, made: Ours, *roles: str) -> Iterator[None]:
    """With ``--profile``: py-spy beside these processes, a flame graph (SVG) of each."""
    if run.profiles is None:
        yield
        return
    run.profiles.mkdir(parents=True, exist_ok=True)
    files = [run.profiles / f"{name}-{role}.svg" for role in roles]
    for file in files:
        file.unlink(missing_ok=True)
    spies = [_spy(made.role(role), file) for role, file in zip(roles, files, strict=True)]
    time.sleep(0.5)
    try:
        yield
    finally:
        for spy in spies:
            spy.send_signal(signal.SIGINT)  # it writes what it has
        for spy in spies:
            spy.wait(60)
    assert all(file.exists() for file in files), "py-spy may not look at our processes"
    for file in files:
        graph = file.read_text("utf-8")
        file.write_text(_TITLE.sub(rf"\g<1>{file.stem}\g<2>", graph, count=1), "utf-8")


def _spy(pid: int, target: Path) -> subprocess.Popen[bytes]:
    program = Path(sys.executable).with_name("py-spy")
    words = ["record", "--function", "--format", "flamegraph", "--rate", "200"]
    return subprocess.Popen(
        [str(program), *words, "--output", str(target), "--pid", str(pid)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
