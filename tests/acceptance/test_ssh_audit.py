"""What an auditor's tool says of a served instance; the library's own defaults are the control."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import asyncssh
import pytest

from tests.acceptance.conftest import Serving

PROGRAM = Path(sys.executable).with_name("ssh-audit")
FAILED = 3
"""How ssh-audit ends when anything is marked ``fail``; 0 is good, 2 has warnings."""


def audit(port: int) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [PROGRAM, "--no-colors", "--skip-rate-test", "--port", str(port), "127.0.0.1"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_by_default_nothing_fails(serving: Serving) -> None:
    instance = serving()
    instance.serve()
    said = audit(instance.port)
    assert said.returncode in (0, 2), said.stdout + said.stderr
    assert "[fail]" not in said.stdout
    assert "SSH-2.0-fla-batch" in said.stdout
    assert "kex-strict-s-v00@openssh.com" in said.stdout
    instance.close()


def test_with_legacy_what_is_added_fails_and_nothing_else(serving: Serving) -> None:
    """The price of the switch, as an auditor will name it."""
    instance = serving(legacy=1)
    instance.serve()
    said = audit(instance.port)
    failed = {line.split()[1] for line in said.stdout.splitlines() if "[fail]" in line}
    assert said.returncode == FAILED
    assert failed <= {"ecdsa-sha2-nistp256", "ecdh-sha2-nistp256", "`-"}
    instance.close()


def test_the_library_s_own_defaults_fail() -> None:
    """Else the tool would prove nothing."""

    async def run() -> subprocess.CompletedProcess[str]:
        key = asyncssh.generate_private_key("ssh-ed25519")  # at which nothing can be found
        listening = await asyncssh.listen(
            "127.0.0.1", 0, server_factory=asyncssh.SSHServer, server_host_keys=[key], config=None
        )
        try:
            return await asyncio.to_thread(audit, listening.get_port())
        finally:
            listening.close()
            await listening.wait_closed()

    said = asyncio.run(run())
    assert said.returncode == FAILED
    assert "[fail]" in said.stdout


@pytest.fixture(autouse=True)
def _needed() -> None:
    assert PROGRAM.exists(), "it is in requirements.lock: make setup"
