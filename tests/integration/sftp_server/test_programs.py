"""OpenSSH's own programs against the server."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.integration.sftp_server.support import Running, openssh_pem

pytestmark = pytest.mark.needs("sftp", "ssh", "ssh-keyscan")


@pytest.fixture
def options(running: Running, tmp_path: Path) -> list[str]:
    identity = tmp_path / "alice"
    identity.write_text(openssh_pem(running.keys["alice"]))
    identity.chmod(0o600)
    known = tmp_path / "known_hosts"
    public = running.instance.layout.host_key
    line = subprocess.run(
        ["ssh-keygen", "-y", "-f", public], capture_output=True, text=True, check=True
    ).stdout
    known.write_text(f"[127.0.0.1]:{running.port} {line}")
    given = {
        "IdentityFile": identity,
        "IdentitiesOnly": "yes",
        "UserKnownHostsFile": known,
        "StrictHostKeyChecking": "yes",
        "BatchMode": "yes",
        "Port": running.port,
    }
    return ["-F", "none", *(part for k, v in given.items() for part in ("-o", f"{k}={v}"))]


def run(command: list[str], said: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, input=said, capture_output=True, text=True, timeout=60, check=False
    )


def sftp(options: list[str], *lines: str) -> subprocess.CompletedProcess[str]:
    return run(["sftp", *options, "-b", "-", "alice@127.0.0.1"], "\n".join(lines) + "\n")


def test_openssh_puts_lists_renames_gets_and_removes(
    options: list[str], running: Running, tmp_path: Path
) -> None:
    (tmp_path / "big").write_bytes(os.urandom(3_000_000))
    (tmp_path / "empty").touch()
    done = sftp(
        options,
        f"put -p {tmp_path}/big IN/big.filepart",
        "rename IN/big.filepart IN/big",
        f"put -f {tmp_path}/empty IN/empty",
        "cd IN",
        "pwd",
        "ls -l",
        f"get big {tmp_path}/back",
        "rm big",
        "rm empty",
        "ls",
    )
    assert done.returncode == 0, done.stderr
    assert "Remote working directory: /IN" in done.stdout
    assert " 3000000 " in done.stdout
    assert (tmp_path / "back").read_bytes() == (tmp_path / "big").read_bytes()
    assert list(running.inbox.iterdir()) == []


def test_openssh_resumes_an_upload(options: list[str], running: Running, tmp_path: Path) -> None:
    whole = os.urandom(500_000)
    (tmp_path / "resumed").write_bytes(whole[:200_000])
    assert sftp(options, f"put {tmp_path}/resumed IN/resumed").returncode == 0
    (tmp_path / "resumed").write_bytes(whole)
    done = sftp(options, f"reput {tmp_path}/resumed IN/resumed")
    assert done.returncode == 0, done.stderr
    assert (running.inbox / "resumed").read_bytes() == whole
    assert sftp(options, "rm IN/resumed").returncode == 0


@pytest.mark.parametrize(
    "line",
    [
        "put {file} OUT/answer",
        "put {file} IN/.hidden",
        "put {file} answer",
        "put {file} /etc/answer",
        "mkdir IN/folder",
        "rmdir IN",
        "symlink IN/a IN/b",
        "ln IN/a IN/b",
        "get /etc/passwd {file}.got",
        "ls /..//etc",
    ],
)
def test_openssh_is_refused(options: list[str], tmp_path: Path, line: str) -> None:
    (tmp_path / "file").write_text("x")
    done = sftp(options, line.format(file=tmp_path / "file"))
    assert done.returncode == 1, done.stdout


@pytest.mark.parametrize("extra", [["id"], ["-t"], ["-N", "-o", "ExitOnForwardFailure=yes", "-R0"]])
def test_ssh_gets_no_shell_no_command_no_forwarding(options: list[str], extra: list[str]) -> None:
    done = run(["ssh", *options, *extra[:-1], "alice@127.0.0.1", extra[-1]])
    assert done.returncode not in (0, None)
    assert "uid=" not in done.stdout


def test_scp_is_sftp_here(options: list[str], running: Running, tmp_path: Path) -> None:
    (tmp_path / "copied").write_bytes(b"x" * 100_000)
    done = run(["scp", *options, f"{tmp_path}/copied", "alice@127.0.0.1:IN/copied"])
    assert done.returncode == 0, done.stderr
    assert (running.inbox / "copied").stat().st_size == 100_000
    assert sftp(options, "rm IN/copied").returncode == 0
