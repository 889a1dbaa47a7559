"""``serve``: own the instance, recover it, keep the SFTP process and the worker process running.

When the supervisor is killed its processes die with it, and the lock on the instance with them.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from types import FrameType

from batch import journal
from batch.settings import Settings
from batch.storage import recovery
from batch.storage.instance import Instance

LAST = "upkeep"
"""Started when the others are: nobody waits for it, and on a small machine they would."""
ROLES = (LAST, "worker", "sftp")
"""Always; ``dispatch`` as well where there are services that judge elsewhere."""
DRAIN_SECONDS = 15.0
"""How long a process may take to finish what it has in hand after SIGTERM."""
RESTART_SECONDS = 1.0
"""Pause before a process that ended is started again."""
EARLY_SECONDS = 30.0
"""A process that cannot start sooner than this after the first start never will: serve ends."""
DATABASE_SECONDS = 2.0
"""How long the start waits for a locked database before it begins without."""
CANNOT_START = 3
"""How a process ends that has said on stderr why it cannot work here."""
_PR_SET_PDEATHSIG = 1


def die_with(supervisor: int) -> None:
    """Be killed by the kernel when the supervisor is gone; leave if it is gone already."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != supervisor:
        os._exit(1)


@dataclass
class Supervisor:
    """The parent of one instance's processes."""

    settings: Settings
    _running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    _stopping: bool = False

    def run(self) -> int:
        """Until SIGTERM; 0 when drained, 1 when a process could not start."""
        instance = Instance.open(self.settings, wait=DATABASE_SECONDS, serves=True)
        with instance.owned():
            instance.check_disk()
            for found in recovery.recover(instance):
                journal.problem(found)
            signal.signal(signal.SIGTERM, self._stop)
            signal.signal(signal.SIGINT, self._stop)
            for role in sorted(self._roles, key=lambda role: role == LAST):
                self._start(role)
            code = self._watch(time.monotonic())
            self._drain()
            return code

    @property
    def _roles(self) -> tuple[str, ...]:
        return ("dispatch", *ROLES) if self.settings.services else ROLES

    def _start_again(self, role: str) -> None:
        """A machine without a process or a descriptor to spare is tried again, and ends nothing."""
        try:
            self._start(role)
        except OSError as error:
            journal.problem(f"the {role} process cannot be started for now", error)

    def _start(self, role: str) -> None:
        given = self.settings.model_dump_json()
        self._running[role] = subprocess.Popen(  # noqa: S603 - our own module, our own settings
            [sys.executable, "-m", "batch.processes", role, str(os.getpid()), given],
            stdin=subprocess.DEVNULL,
            close_fds=False,  # they hold the instance's lock with us
        )

    def _watch(self, started: float) -> int:
        while not self._stopping:
            time.sleep(0.1)
            for role, process in list(self._running.items()):
                code = process.poll()
                if code is None or self._stopping:
                    continue
                journal.problem(f"the {role} process ended with {code}")
                if code == CANNOT_START and time.monotonic() - started < EARLY_SECONDS:
                    return 1
                time.sleep(RESTART_SECONDS)
                self._start_again(role)
        return 0

    def _stop(self, _number: int, _frame: FrameType | None) -> None:
        self._stopping = True

    def _drain(self) -> None:
        """First nothing new comes in, then the others finish what they have in hand."""
        for role in reversed(self._roles):
            process = self._running[role]
            process.terminate()
            try:
                process.wait(DRAIN_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def serve(settings: Settings) -> int:
    """Run until told to stop; InstanceError when the instance is not as it must be."""
    return Supervisor(settings).run()
