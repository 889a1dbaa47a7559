"""One host key follows another, on a real disk; each step leaves a key to use."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from batch.errors import InstanceError, OperatorError
from batch.storage.host_keys import HostKey, HostKeys, Role
from batch.storage.layout import Layout


@pytest.fixture
def keys(tmp_path: Path) -> HostKeys:
    (tmp_path / "keys").mkdir()
    made = HostKeys(Layout(tmp_path))
    made.make()
    return made


def by_role(keys: HostKeys) -> dict[Role, HostKey]:
    return {key.role: key for key in keys.held()}


def files(keys: HostKeys) -> dict[str, bytes]:
    directory = keys._directory
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def test_a_key_is_made_shown_used_and_retired(keys: HostKeys) -> None:
    first = by_role(keys)
    assert list(first) == [Role.USED, Role.LEGACY]
    keys.make_next()
    second = by_role(keys)
    assert list(second) == [Role.USED, Role.NEXT, Role.LEGACY]
    assert second[Role.USED] == first[Role.USED]
    keys.switch()
    third = by_role(keys)
    assert list(third) == [Role.USED, Role.FORMER, Role.LEGACY]
    assert third[Role.USED].public == second[Role.NEXT].public
    assert third[Role.FORMER].public == first[Role.USED].public
    keys.retire(Role.FORMER)
    assert list(by_role(keys)) == [Role.USED, Role.LEGACY]
    assert sorted(files(keys)) == [
        "ssh_host_ecdsa_key",
        "ssh_host_ecdsa_key.pub",
        "ssh_host_ed25519_key",
        "ssh_host_ed25519_key.pub",
    ]


def test_every_public_half_is_beside_its_private_one(keys: HostKeys) -> None:
    keys.make_next()
    keys.switch()
    keys.make_next()
    found = files(keys)
    assert len(found) == 8
    for key in keys.held():
        [private] = [name for name, content in found.items() if content == key.private]
        assert found[f"{private}.pub"].decode() == f"{key.public} fla-batch\n"


def test_making_again_changes_nothing_and_mends_a_public_half(keys: HostKeys) -> None:
    before = files(keys)
    keys.make()
    assert files(keys) == before
    (keys._directory / "ssh_host_ed25519_key.pub").write_text("of another key")
    keys.make()
    assert files(keys) == before


def test_a_step_out_of_turn_is_refused_and_changes_nothing(keys: HostKeys) -> None:
    for step in (keys.switch, lambda: keys.retire(Role.FORMER), lambda: keys.retire(Role.NEXT)):
        before = files(keys)
        with pytest.raises(OperatorError, match="host-key"):
            step()
        assert files(keys) == before
    for role in (Role.USED, Role.LEGACY):
        with pytest.raises(OperatorError):
            keys.retire(role)
    keys.make_next()
    with pytest.raises(OperatorError, match="next one already"):
        keys.make_next()
    keys.switch()
    keys.make_next()
    with pytest.raises(OperatorError, match="retire"):
        keys.switch()


def test_a_switch_that_was_interrupted_is_done_by_the_next_one(keys: HostKeys) -> None:
    """The former is laid down first: until the rename the server goes on with the one it has."""
    keys.make_next()
    used = keys._directory / "ssh_host_ed25519_key"
    former = keys._directory / "ssh_host_ed25519_key_former"
    former.write_bytes(used.read_bytes())
    former.chmod(0o400)
    half = by_role(keys)
    assert list(half) == [Role.USED, Role.NEXT, Role.LEGACY]
    keys.switch()
    assert by_role(keys)[Role.FORMER].public == half[Role.USED].public
    assert by_role(keys)[Role.USED].public == half[Role.NEXT].public


@pytest.mark.parametrize("content", [b"", b"no key", b"-----BEGIN OPENSSH PRIVATE KEY-----\n"])
def test_what_is_no_private_key_is_named(keys: HostKeys, content: bytes) -> None:
    path = keys._directory / "ssh_host_ed25519_key"
    path.chmod(0o600)
    path.write_bytes(content)
    with pytest.raises(InstanceError, match="ssh_host_ed25519_key"):
        keys.held()


@pytest.mark.needs("ssh-keygen")
@pytest.mark.parametrize("name", ["ssh_host_ed25519_key", "ssh_host_ecdsa_key"])
@pytest.mark.parametrize("kind", [("rsa", "2048"), ("ecdsa", "384")])
def test_a_key_of_another_kind_is_named(keys: HostKeys, name: str, kind: tuple[str, str]) -> None:
    """As when the host's own keys are copied here."""
    path = keys._directory / name
    path.unlink()
    command = ["ssh-keygen", "-q", "-t", kind[0], "-b", kind[1], "-N", "", "-f", str(path)]
    subprocess.run(command, check=True, timeout=60)
    with pytest.raises(InstanceError, match=f"{name}: not an? (Ed25519|ECDSA P-256) key"):
        keys.held()
