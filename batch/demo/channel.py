"""The real ``fla-batch serve`` in a process of its own."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from batch.demo.story import PlayFailed

START_SECONDS = 20.0
"""Three interpreters have to start; on a busy machine that takes some seconds."""
STOP_SECONDS = 8.0
"""How long draining may take; with nothing under way it takes a fraction of a second."""

HOST = "127.0.0.1"

_LISTENING = re.compile(r"^listening on (.+):([0-9]+)$", re.MULTILINE)

_SERVE = (
    "import ctypes, signal; ctypes.CDLL(None).prctl(1, signal.SIGTERM); "
    "from batch.cli.main import run; run()"
)
"""``fla-batch``, which is told to drain (PR_SET_PDEATHSIG) should we be killed outright."""


@contextmanager
def serving(data: Path, log: Path) -> Iterator[int]:
    """Serve the instance ``data`` on a free port, which is given; what it says goes to ``log``.

    Raise PlayFailed when it does not come to listen.
    """
    command = [sys.executable, "-c", _SERVE, "--data", str(data)]
    command += ["serve", "--host", HOST, "--port", "0"]
    said = log.with_suffix(".out")
    with said.open("wb") as stdout, log.open("wb") as stderr:
        process = subprocess.Popen(  # noqa: S603 - our own command, our own interpreter
            command,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            start_new_session=True,  # a Ctrl-C is for us, and we end it in order
        )
    try:
        yield _port(process, said, log)
    finally:
        _stop(process)


def _port(process: subprocess.Popen[bytes], said: Path, log: Path) -> int:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        found = _LISTENING.search(said.read_text("utf-8"))
        if found:
            return int(found[2])
        if process.poll() is not None:
            break
        time.sleep(0.05)
    last = " ".join(log.read_text("utf-8", "replace").splitlines()[-3:])
    raise PlayFailed(f"serve does not listen after {START_SECONDS:.0f} s; it said: {last}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Its own processes end with it, also when it has to be killed."""
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
