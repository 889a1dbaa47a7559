"""The session in the README runs as it stands there."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SESSION = re.compile(r"<!-- session: .*? -->\n```console\n(.*?)```", re.DOTALL)


def _commands() -> list[str]:
    found = SESSION.search((ROOT / "README.md").read_text(encoding="utf-8"))
    assert found, "the README has no session"
    lines = [line.removeprefix("$ ") for line in found[1].splitlines()]
    assert len(lines) > 10
    return lines


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.needs("bash")
def test_the_session_of_the_readme_ends_well(tmp_path: Path) -> None:
    """Every command ends 0; only the port is another, and the venv the one of the tests."""
    (tmp_path / "fixtures").symlink_to(ROOT / "fixtures")
    (tmp_path / ".venv").symlink_to(sys.prefix)
    port = str(_free_port())
    script = "\n".join(c for c in _commands() if c != "make setup").replace("8022", port)
    done = subprocess.run(
        ["bash", "-m", "-e", "-u", "-o", "pipefail"],
        input=script + "\nwait\n",
        cwd=tmp_path,
        env={**os.environ, "FLA_BATCH_PORT": port},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3800" not in done.stdout  # hours are shown as hours
    assert re.search(r"2025 +LEGAL +38\.00", done.stdout), done.stdout
