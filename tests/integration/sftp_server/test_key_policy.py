"""One table of keys: what may be registered, and what may log in whatever is registered."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from batch.errors import OperatorError
from batch.settings import load
from batch.storage import registers_tables as tables
from batch.storage.database import writing
from batch.storage.register_files import login_key
from tests.integration.sftp_server.bare import FAILURE, PK_OK, Bare, string
from tests.integration.sftp_server.support import Running, make_instance, register, serving
from tests.unit.signing import broken

NOW = datetime(2026, 5, 4, 9, 30, tzinfo=UTC)


def blob(line: bytes) -> bytes:
    return base64.b64decode(line.split()[1])


def made(
    key: ed25519.Ed25519PublicKey | ec.EllipticCurvePublicKey | rsa.RSAPublicKey,
) -> bytes:
    return blob(key.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH))


def rsa_of(bits: int) -> bytes:
    """A public key of this length; nobody needs to have the private half of it."""
    modulus = (1 << (bits - 1)) | 1
    made = rsa.RSAPublicNumbers(65537, modulus).public_key()
    return blob(made.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH))


def curve(of: ec.EllipticCurve) -> bytes:
    return made(ec.generate_private_key(of).public_key())


def mpint(number: int) -> bytes:
    return string(number.to_bytes(number.bit_length() // 8 + 1, "big"))


RAW = ed25519.Ed25519PrivateKey.generate().public_key()
POINT = RAW.public_bytes(Encoding.Raw, PublicFormat.Raw)
P256 = ec.generate_private_key(ec.SECP256R1()).public_key()
P256_POINT = P256.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
ED448 = ed448.Ed448PrivateKey.generate().public_key()
SK = "sk-ssh-ed25519@openssh.com"
SK_P256 = "sk-ecdsa-sha2-nistp256@openssh.com"

ACCEPTED = {
    "rsa 2048": rsa_of(2048),
    "rsa 3072": rsa_of(3072),
    "rsa 4096": rsa_of(4096),
    "rsa 8192": rsa_of(8192),
    "ed25519": made(RAW),
    "p-256": made(P256),
    "p-384": curve(ec.SECP384R1()),
}
REFUSED = {
    "rsa 1024": rsa_of(1024),
    "rsa 2047": rsa_of(2047),
    "rsa 8193": rsa_of(8193),
    "rsa 16384": rsa_of(16384),
    "rsa by a broken chip": made(broken.public(broken.ROCA)),
    "rsa of close primes": made(broken.public(broken.CLOSE)),
    "p-521": curve(ec.SECP521R1()),
    "ed448": string("ssh-ed448") + string(ED448.public_bytes(Encoding.Raw, PublicFormat.Raw)),
    "dsa": string("ssh-dss") + mpint(1 << 1023) + mpint(1 << 159) + mpint(2) + mpint(4),
    "ed25519 on a token": string(SK) + string(POINT) + string("ssh:"),
    "p-256 on a token": string(SK_P256) + string("nistp256") + string(P256_POINT) + string("ssh:"),
    "certificate": string("ssh-ed25519-cert-v01@openssh.com") + string("n") + string(POINT),
}


def kind(key: bytes) -> str:
    return key[4 : 4 + int.from_bytes(key[:4], "big")].decode()


def line(key: bytes) -> bytes:
    return f"{kind(key)} {base64.b64encode(key).decode()}".encode()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Every key of the table is registered, as a slip or an older version may have left it."""
    settings = load(data=tmp_path_factory.mktemp("i"), port=0, max_failed_logins=1000)
    instance = make_instance(settings)
    for number, (name, key) in enumerate((ACCEPTED | REFUSED).items(), 1):
        sender = f"{number:06d}"
        register(instance, sender, user(name), ed25519.Ed25519PrivateKey.generate())
        mine = tables.channel_key.c.sender == sender
        with writing(instance.production) as connection:
            connection.execute(
                tables.channel_key.update().where(mine).values(public=line(key).decode())
            )
    with serving(instance, settings) as port:
        yield Running(instance, port, {})


def user(name: str) -> str:
    return name.replace(" ", "_")


@pytest.mark.parametrize("name", ACCEPTED)
def test_a_key_that_is_good_enough_is_registered_and_would_log_in(
    running: Running, name: str
) -> None:
    assert login_key(line(ACCEPTED[name]), NOW).public == line(ACCEPTED[name]).decode()
    with Bare(running.port) as client:
        assert client.offer(user(name), kind(ACCEPTED[name]), ACCEPTED[name]) == PK_OK


@pytest.mark.parametrize("name", REFUSED)
def test_any_other_key_is_refused_at_both_doors(running: Running, name: str) -> None:
    with pytest.raises(OperatorError, match="SSH key"):
        login_key(line(REFUSED[name]), NOW)
    with Bare(running.port) as client:
        assert client.offer(user(name), kind(REFUSED[name]), REFUSED[name]) == FAILURE
