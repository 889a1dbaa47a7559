"""What only a ``legacy`` switch lets in, and nobody by default."""

from __future__ import annotations

from collections.abc import Iterator

import paramiko
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

from batch.settings import load
from tests.integration.sftp_server.bare import CUT, FAILURE, PK_OK, SUCCESS, Bare, blob_of
from tests.integration.sftp_server.support import (
    Private,
    Running,
    for_paramiko,
    make_instance,
    register,
    serving,
    told,
)

OLD_KEX = ("ecdh-sha2-nistp256",)
OLD_HOST_KEY = ("ecdsa-sha2-nistp256",)


def served(root: pytest.TempPathFactory, legacy: bool) -> Iterator[Running]:
    settings = load(data=root.mktemp("instance"), port=0, legacy=legacy)
    instance = make_instance(settings)
    keys: dict[str, Private] = {
        "alice": rsa.generate_private_key(65537, 2048),
        "old": rsa.generate_private_key(65537, 2048),
        "new": ed25519.Ed25519PrivateKey.generate(),
    }
    register(instance, "000001", "alice", keys["alice"])
    register(instance, "000002", "old", keys["old"], legacy=True)
    register(instance, "000003", "new", keys["new"])
    with serving(instance, settings) as port:
        yield Running(instance, port, keys)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    yield from served(tmp_path_factory, False)


@pytest.fixture(scope="module")
def legacy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    yield from served(tmp_path_factory, True)


def key(running: Running, user: str) -> rsa.RSAPrivateKey:
    held = running.keys[user]
    assert isinstance(held, rsa.RSAPrivateKey)
    return held


@pytest.mark.parametrize("algorithm", ["rsa-sha2-256", "rsa-sha2-512"])
@pytest.mark.parametrize("user", ["alice", "old"])
def test_signatures_of_today_log_in(plain: Running, user: str, algorithm: str) -> None:
    with Bare(plain.port) as client:
        assert client.offer(user, algorithm, blob_of(key(plain, user))) == PK_OK
        assert client.prove(user, key(plain, user), algorithm) == SUCCESS


@pytest.mark.parametrize("named", ["ssh-rsa", "rsa-sha2-256", "rsa-sha2-512", "ssh-ed25519", ""])
def test_sha1_is_refused_whatever_the_request_calls_it(plain: Running, named: str) -> None:
    """The client reads no list of the server's; the signature itself says what it is."""
    with Bare(plain.port) as client:
        said = client.prove("alice", key(plain, "alice"), "ssh-rsa", named=named)
        assert said == FAILURE


def test_the_setting_of_the_instance_does_not_allow_sha1(legacy: Running) -> None:
    with Bare(legacy.port) as client:
        assert client.prove("alice", key(legacy, "alice"), "ssh-rsa") == FAILURE


@pytest.mark.parametrize("setting", ["plain", "legacy"])
def test_sha1_logs_in_where_the_channel_has_the_switch_and_is_told(
    setting: str, request: pytest.FixtureRequest, capfd: pytest.CaptureFixture[str]
) -> None:
    running: Running = request.getfixturevalue(setting)
    capfd.readouterr()
    with Bare(running.port) as client:
        assert client.prove("old", key(running, "old"), "ssh-rsa") == SUCCESS
    said = told(capfd, "legacy_login")
    assert '"event": "legacy_login", "level": "warning", "sender": "000002"' in said
    assert "SHA-1" in said


def test_a_login_of_today_is_no_legacy_login_even_with_the_switch(
    plain: Running, capfd: pytest.CaptureFixture[str]
) -> None:
    capfd.readouterr()
    with Bare(plain.port) as client:
        assert client.prove("old", key(plain, "old"), "rsa-sha2-512") == SUCCESS
    assert "legacy_login" not in told(capfd, "session_ended")


@pytest.mark.parametrize(
    ("algorithm", "named"),
    [
        ("ssh-rsa", "rsa-sha2-256"),
        ("rsa-sha2-256", "ssh-rsa"),
        ("rsa-sha2-256", "rsa-sha2-512"),
        ("rsa-sha2-512", "ssh-ed25519"),
        ("rsa-sha2-512", "ssh-rsa-cert-v01@openssh.com"),
    ],
)
def test_a_request_that_names_another_algorithm_is_refused_with_the_switch_too(
    plain: Running, algorithm: str, named: str
) -> None:
    with Bare(plain.port) as client:
        assert client.prove("old", key(plain, "old"), algorithm, named=named) == FAILURE


def test_the_switch_lets_no_other_key_and_no_other_session_in(plain: Running) -> None:
    with Bare(plain.port) as other, Bare(plain.port) as client:
        stranger, mine = key(plain, "alice"), key(plain, "old")
        assert client.prove("old", stranger, "ssh-rsa") == FAILURE
        assert client.prove("old", stranger, "ssh-rsa", blob=blob_of(mine)) == FAILURE
        assert client.prove("old", mine, "ssh-rsa", session=other.session) == FAILURE
        assert client.prove("old", mine, "ssh-rsa") == SUCCESS


class Old(paramiko.Transport):
    """Knows nothing newer than NIST P-256."""

    _preferred_kex = OLD_KEX
    _preferred_keys = OLD_HOST_KEY


class OldExchange(paramiko.Transport):
    _preferred_kex = OLD_KEX


class OldHostKey(paramiko.Transport):
    _preferred_keys = OLD_HOST_KEY


@pytest.mark.parametrize("kind", [Old, OldExchange, OldHostKey])
def test_old_algorithms_are_offered_by_the_setting_alone(
    plain: Running, legacy: Running, kind: type[paramiko.Transport]
) -> None:
    refused = kind(("127.0.0.1", plain.port))
    with pytest.raises((paramiko.SSHException, EOFError, OSError)):
        refused.connect(username="new", pkey=for_paramiko(plain.keys["new"]))
    refused.close()
    admitted = kind(("127.0.0.1", legacy.port))
    admitted.connect(username="new", pkey=for_paramiko(legacy.keys["new"]))
    assert admitted.open_session(timeout=60) is not None
    admitted.close()


def test_a_login_over_the_old_host_key_is_told(
    legacy: Running, capfd: pytest.CaptureFixture[str]
) -> None:
    capfd.readouterr()
    old = Old(("127.0.0.1", legacy.port))
    old.connect(username="new", pkey=for_paramiko(legacy.keys["new"]))
    old.close()
    assert '"what": "ECDSA host key (setting legacy)"' in told(capfd, "legacy_login")


def test_each_start_names_what_the_setting_offers(
    tmp_path_factory: pytest.TempPathFactory, capfd: pytest.CaptureFixture[str]
) -> None:
    for _ in served(tmp_path_factory, True):
        pass
    assert '"event": "legacy_offered", "level": "warning"' in capfd.readouterr().err
    for _ in served(tmp_path_factory, False):
        pass
    assert "legacy" not in capfd.readouterr().err


def test_cut_is_no_answer(plain: Running) -> None:
    """The client of these tests can tell a refusal from a closed connection."""
    with Bare(plain.port) as client:
        client.transport.sock.close()
        assert client.offer("alice", "rsa-sha2-256", b"") == CUT
