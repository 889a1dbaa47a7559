"""Running an operator's command for one set, in a copy of it that is thrown away afterwards."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from batch.errors import Busy
from batch.storage.handover_rows import Delivery

_KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "TZ")
"""Variables a command may need; ours, which may hold what is not its business, are not given."""


STOP_SECONDS = 5.0
"""What is left to a command when we stop: less than our supervisor leaves us."""
_LOOK_SECONDS = 0.05


def run(
    command: tuple[str, ...], item: Delivery, place: Path, seconds: float, stop: threading.Event
) -> None:
    """Run ``command`` in ``place``; Busy, with the reason, unless it ends with 0 in time.

    It and whatever it started in its process group are killed when time is up. What it writes
    is not read: it may hold personal data, and our log must not.
    """
    try:
        process = subprocess.Popen(  # noqa: S603 - the operator's own, from the settings
            command,
            cwd=place,
            env=_environment(item),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError as error:
        raise Busy(f"{command[0]} cannot be run: {error.strerror}") from None
    try:
        code = _wait(process, seconds, stop)
    finally:
        _kill_group(process)
    if code is None:
        raise Busy(f"{command[0]} had not ended in its time")
    if code:
        ended = f"was killed by signal {-code}" if code < 0 else f"ended with {code}"
        raise Busy(f"{command[0]} {ended}")


def _wait(process: subprocess.Popen[bytes], seconds: float, stop: threading.Event) -> int | None:
    """How it ended; None when its time is up, which comes sooner when we stop."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if stop.is_set():
            end = min(end, time.monotonic() + STOP_SECONDS)
            stop = threading.Event()
        with suppress(subprocess.TimeoutExpired):
            return process.wait(_LOOK_SECONDS)
    return None


def _environment(item: Delivery) -> dict[str, str]:
    return {
        **{name: os.environ[name] for name in _KEPT if name in os.environ},
        "FLA_BATCH_TICKET": item.ticket,
        "FLA_BATCH_SERVICE": item.service,
        "FLA_BATCH_STEM": item.key.stem,
        "FLA_BATCH_ENVIRONMENT": str(item.environment),
        "FLA_BATCH_SENDER": str(item.key.channel),
    }


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    """Its children as well: what outlived the command would work on in a directory that is gone."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def end_left(hand: Path) -> None:
    """End what still works in a copy: its dispatcher was killed, and the set is run again.

    Two commands at once for one set are worse than one that was stopped, as by its time.
    """
    inside, end = f"{hand.resolve()}/", time.monotonic() + STOP_SECONDS
    while time.monotonic() < end:
        if not list(_killed(inside)):
            return
        time.sleep(_LOOK_SECONDS)  # a kill takes its time, and one may have forked meanwhile


def _killed(inside: str) -> Iterator[int]:
    """Kill every process that works in a place whose path begins so."""
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            with suppress(OSError):  # it has ended, or is not ours
                if os.readlink(process / "cwd").startswith(inside):
                    os.kill(int(process.name), signal.SIGKILL)
                    yield int(process.name)
