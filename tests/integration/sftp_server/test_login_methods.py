"""No method, no key and no signature but the right one gets anybody in."""

from __future__ import annotations

import random
import string as letters
from collections.abc import Iterator

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from batch.settings import load
from tests.integration.sftp_server.bare import (
    CUT,
    FAILURE,
    PK_OK,
    SUCCESS,
    Bare,
    Key,
    blob_of,
    sign,
    string,
)
from tests.integration.sftp_server.support import Running, make_instance, register, serving

METHODS: dict[str, bytes] = {
    "none": b"",
    "password": b"\0" + string("secret"),
    "keyboard-interactive": string("") + string(""),
    "hostbased": string("ssh-ed25519") + 4 * string("x"),
    "gssapi-with-mic": b"\0\0\0\1" + string("\x06\x09\x2a"),
    "gssapi-keyex": string("mic"),
    "": b"",
}
ED25519 = ed25519.Ed25519PrivateKey.generate()
KEYS: dict[str, Key] = {
    "alice": ED25519,
    "rsa": rsa.generate_private_key(65537, 2048),
    "p256": ec.generate_private_key(ec.SECP256R1()),
    "p384": ec.generate_private_key(ec.SECP384R1()),
}
ALGORITHM = {
    "alice": "ssh-ed25519",
    "rsa": "rsa-sha2-512",
    "p256": "ecdsa-sha2-nistp256",
    "p384": "ecdsa-sha2-nistp384",
}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    settings = load(
        data=tmp_path_factory.mktemp("instance"), port=0, max_failed_logins=10_000, login_seconds=5
    )
    instance = make_instance(settings)
    for number, (user, key) in enumerate(KEYS.items(), 1):
        register(instance, f"{number:06d}", user, key)
    with serving(instance, settings) as port:
        yield Running(instance, port, dict(KEYS))


def names() -> list[str]:
    chosen = random.Random(2)
    fixed = [*KEYS, "root", "", "..", "alice ", " alice", "Alice", "alice\0", "\uff41lice", "a/b"]
    made = ["".join(chosen.choices(letters.printable, k=12)) for _ in range(100)]
    return fixed + made


def test_a_hundred_names_get_in_not_once_by_any_method(running: Running) -> None:
    answers = set()
    for name in names():
        with Bare(running.port) as client:
            for method, rest in METHODS.items():
                answers.add(client.request(name, method, rest))
            stranger = ed25519.Ed25519PrivateKey.generate()
            answers.add(client.prove(name, stranger, "ssh-ed25519"))
    assert answers == {FAILURE, CUT}, "CUT: a name that is no text, or no name (RFC 4013)"


@pytest.mark.parametrize("user", KEYS)
def test_the_right_key_gets_in_and_is_said_to_do_before(running: Running, user: str) -> None:
    with Bare(running.port) as client:
        assert client.offer(user, ALGORITHM[user], blob_of(KEYS[user])) == PK_OK
        for method, rest in METHODS.items():
            assert client.request(user, method, rest) == FAILURE, "a key that would do is no login"
        assert client.prove(user, KEYS[user], ALGORITHM[user]) == SUCCESS


def another(key: Key) -> Key:
    """A key of the same kind."""
    match key:
        case rsa.RSAPrivateKey():
            return rsa.generate_private_key(65537, 2048)
        case ed25519.Ed25519PrivateKey():
            return ed25519.Ed25519PrivateKey.generate()
        case _:
            return ec.generate_private_key(key.curve)


@pytest.mark.parametrize("user", KEYS)
def test_a_signature_of_another_session_key_or_user_does_not(running: Running, user: str) -> None:
    key, algorithm, blob = KEYS[user], ALGORITHM[user], blob_of(KEYS[user])
    other = another(key)
    with Bare(running.port) as earlier, Bare(running.port) as client:
        assert client.prove(user, key, algorithm, session=earlier.session) == FAILURE
        assert client.prove(user, other, algorithm, blob=blob) == FAILURE
        assert client.prove(user, other, algorithm) == FAILURE
        as_another = _signed(client, "nobody", key, algorithm)
        assert client.request(user, "publickey", as_another) == FAILURE
        assert client.prove(user, key, algorithm) == SUCCESS


def _signed(client: Bare, user: str, key: Key, algorithm: str) -> bytes:
    """What ``user`` would send after the method's name."""
    rest = b"\1" + string(algorithm) + string(blob_of(key))
    asked = b"\x32" + string(user) + string("ssh-connection") + string("publickey") + rest
    return rest + string(sign(key, algorithm, string(client.session) + asked))


@pytest.mark.parametrize("cut", [0, 1, 4, 20, 40])
def test_a_signature_that_is_cut_short_does_not(running: Running, cut: int) -> None:
    with Bare(running.port) as client:
        blob = blob_of(ED25519)
        asked = b"\1" + string("ssh-ed25519") + string(blob)
        assert client.request("alice", "publickey", asked + string(b"\0" * cut)) == FAILURE


HOSTILE = {
    "empty": b"",
    "rsa of nothing": string("ssh-rsa") + string(b"") + string(b""),
    "rsa exponent 1": string("ssh-rsa") + string(b"\1") + string(b"\0" + b"\xff" * 256),
    "rsa exponent even": string("ssh-rsa") + string(b"\2") + string(b"\0" + b"\xff" * 256),
    "rsa negative": string("ssh-rsa") + string(b"\xff") + string(b"\xff" * 256),
    "rsa of 200,000 bits": string("ssh-rsa") + string(b"\1\0\1") + string(b"\x7f" * 25_000),
    "short ed25519": string("ssh-ed25519") + string(b"x" * 31),
    "point of no curve": string("ecdsa-sha2-nistp256")
    + string("nistp256")
    + string(b"\4" + b"\1" * 64),
    "point at infinity": string("ecdsa-sha2-nistp256") + string("nistp256") + string(b"\0"),
    "unknown": string("ssh-xmss@openssh.com") + string(b"x"),
    "certificate": string("ssh-ed25519-cert-v01@openssh.com") + 9 * string(b"x" * 32),
    "trailing": blob_of(ED25519) + b"x",
}


@pytest.mark.parametrize("what", HOSTILE)
def test_a_blob_that_is_no_key_is_refused_without_an_error_of_ours(
    running: Running, what: str, capfd: pytest.CaptureFixture[str]
) -> None:
    capfd.readouterr()
    with Bare(running.port) as client:
        said = client.offer("alice", "ssh-ed25519", HOSTILE[what])
    assert said in (FAILURE, CUT)
    assert '"event": "problem"' not in capfd.readouterr().err
    with Bare(running.port) as client:
        assert client.prove("alice", ED25519, "ssh-ed25519") == SUCCESS


@pytest.mark.parametrize("waiting", [True, False])
def test_tries_end_whatever_their_method_and_whether_they_wait(
    running: Running, waiting: bool
) -> None:
    with Bare(running.port) as client:
        for _ in range(40):
            if waiting:
                said = client.request("alice", "none")
            else:
                blob = blob_of(ed25519.Ed25519PrivateKey.generate())
                said = client.offer_at_once("alice", "ssh-ed25519", blob)
            if said == CUT:
                break
        client.transport.join(60)
        assert not client.transport.is_alive()
