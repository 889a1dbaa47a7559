"""Files with a login key as clients make them: which are taken, and why the others are not."""

from __future__ import annotations

import base64
import hashlib
from contextlib import suppress
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from batch.errors import OperatorError
from batch.storage.register_files import login_key
from fixtures.certificates import PKI

NOW = datetime(2026, 5, 4, 9, 30, tzinfo=UTC)


def rfc4716(line: bytes) -> bytes:
    """The same key as PuTTYgen saves it: headers, one of them continued, lines end with CR LF."""
    blob = line.split()[1].decode()
    body = "\r\n".join(blob[n : n + 64] for n in range(0, len(blob), 64))
    head = '---- BEGIN SSH2 PUBLIC KEY ----\r\nSubject: x\r\nComment: "a long \\\r\ncomment"\r\n'
    return f"{head}{body}\r\n---- END SSH2 PUBLIC KEY ----\r\n".encode()


def line(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)


ED25519 = (PKI / "employer.ssh.pub").read_bytes()
RSA_2048 = (PKI / "mandatary.ssh.pub").read_bytes()


@pytest.mark.parametrize(
    "key",
    [
        ED25519,
        RSA_2048,
        line(ec.generate_private_key(ec.SECP256R1())),
        line(ec.generate_private_key(ec.SECP384R1())),
    ],
)
def test_keys_of_todays_clients_are_accepted_in_both_forms(key: bytes) -> None:
    """With a comment, a byte order mark, and the fingerprint that ssh-keygen -l shows."""
    registered = login_key(key.strip() + b" someone@somewhere\n", NOW)
    assert registered.public.encode() == key.strip()
    assert login_key(rfc4716(key), NOW) == registered
    assert login_key(b"\xef\xbb\xbf# the key\r\n\r\n" + key, NOW) == registered
    digest = hashlib.sha256(base64.b64decode(key.split()[1])).digest()
    assert registered.fingerprint == f"SHA256:{base64.b64encode(digest).decode().rstrip('=')}"


@pytest.mark.parametrize(
    ("words", "data"),
    [
        ("PRIVATE key", (PKI / "employer.ssh").read_bytes()),
        ("PRIVATE key", b"PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none\n"),
        ("1024 bits is too short", line(rsa.generate_private_key(65537, 1024))),
        ("ecdsa-sha2-nistp521", line(ec.generate_private_key(ec.SECP521R1()))),
        ("sk-ssh-ed25519@openssh.com", b"sk-ssh-ed25519@openssh.com AAAA"),
        ("ssh-dss", b"ssh-dss AAAAB3NzaC1kc3MAAACB"),
        ("ssh-ed25519-cert-v01", b"ssh-ed25519-cert-v01@openssh.com AAAA"),
        ("no single public key", b""),
        ("no single public key", b"\x00\xff\xfe"),
        ("no single public key", ED25519 + RSA_2048),
        ("no single public key", b"ssh-rsa " + ED25519.split()[1]),
        ("no single public key", rfc4716(ED25519)[:-20]),
        ("no single public key", rfc4716(ED25519) + rfc4716(RSA_2048)),
        ("no single public key", b"---- BEGIN SSH2 PUBLIC KEY ----"),
    ],
)
def test_a_file_without_a_login_key_we_accept_is_refused(words: str, data: bytes) -> None:
    with pytest.raises(OperatorError, match=words):
        login_key(data, NOW)


@given(st.binary(max_size=200), st.sampled_from([b"", ED25519, rfc4716(ED25519)]))
def test_no_bytes_make_reading_a_login_key_fail_otherwise(data: bytes, start: bytes) -> None:
    with suppress(OperatorError):
        login_key(start[: len(data)] + data, NOW)
