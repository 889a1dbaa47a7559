"""What a .cer file says, and what is refused as none."""

from __future__ import annotations

import base64
import hashlib

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from hypothesis import given
from hypothesis import strategies as st

from batch.errors import OperatorError
from batch.signing.certificate import CertificateError, KeyKind, read, read_all, read_der
from batch.signing.signature import load_key
from tests.unit.signing.craft import algorithm, integer, seq, tlv
from tests.unit.signing.pki import Pki


def pem(der: bytes, label: str = "CERTIFICATE") -> bytes:
    body = base64.encodebytes(der).decode()
    return f"-----BEGIN {label}-----\n{body}-----END {label}-----\n".encode()


def test_pem_and_der_say_the_same(pki: Pki) -> None:
    der = pki.certificate.der
    assert read(der) == read(pem(der)) == read(b"Bag Attributes\n" + pem(der)) == pki.certificate
    assert read(pem(der).replace(b"\n", b"\r\n")) == pki.certificate


def test_everything_the_channel_asks_is_read(pki: Pki) -> None:
    found = read(pki.certificate.der)
    assert found.subject == "CN=Bakkerij Peeters"
    assert found.issuer == "CN=Test CA"
    assert found.serial == found.loaded.serial_number
    assert found.key_identifier is not None
    assert len(found.key_identifier) == 20
    assert found.not_before.tzinfo is not None
    assert found.not_before < found.not_after
    assert found.key_usage == frozenset({"digitalSignature", "nonRepudiation"})
    assert (found.key_kind, found.key_size, found.key_curve) == (KeyKind.RSA, 2048, None)
    assert found.fingerprint == hashlib.sha256(found.der).hexdigest()
    assert not found.ca
    assert pki.ca.ca


def test_an_elliptic_key_has_its_curve(pki: Pki) -> None:
    found = pki.ec_certificate
    assert (found.key_kind, found.key_size, found.key_curve) == (KeyKind.EC, 256, "secp256r1")


def test_an_absent_key_usage_restricts_nothing(pki: Pki) -> None:
    assert pki.issued(key_usage=None).key_usage is None


def test_a_chain_is_read_as_several_but_not_as_one(pki: Pki) -> None:
    both = pem(pki.certificate.der) + pem(pki.ca.der)
    assert read_all(both) == (pki.certificate, pki.ca)
    with pytest.raises(CertificateError, match="2 certificates"):
        read(both)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (b"hello", "no X.509 certificate"),
        (b"\x30" * 70000, "too large"),
        (b"-----BEGIN PKCS7-----\nMAA=\n-----END PKCS7-----\n", "'PKCS7'"),
        (pem(b"hello"), "damaged"),
        (seq(seq(integer(1))), "no X.509 certificate"),
    ],
)
def test_a_file_that_is_no_certificate_is_refused(data: bytes, words: str) -> None:
    with pytest.raises(OperatorError, match=words):
        read(data)


def test_a_private_key_is_no_certificate_and_is_not_repeated(pki: Pki) -> None:
    data = pki.rsa_key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    assert load_key(data).public_key() == pki.rsa_key.public_key()
    with pytest.raises(CertificateError, match="'PRIVATE KEY'") as refused:
        read(data)
    assert len(str(refused.value)) < 80


def test_a_serial_number_must_be_positive(pki: Pki) -> None:
    """cryptography only warns about it, and will refuse it later."""
    der = bytearray(pki.issued(serial=0x11223344556677).der)
    at = der.index(bytes.fromhex("11223344556677"))
    der[at] = 0x91
    with pytest.raises(CertificateError):
        read_der(bytes(der))


def test_other_kinds_of_keys_are_read_and_named(pki: Pki) -> None:
    edwards = pki.issued(key=ed25519.Ed25519PrivateKey.generate())
    assert edwards.key_kind is KeyKind.OTHER


def test_an_rsa_key_bound_to_pss_is_told_apart(pki: Pki) -> None:
    spki = pki.rsa_key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    plain = algorithm("1.2.840.113549.1.1.1", b"\x05\x00")
    bound = seq(algorithm("1.2.840.113549.1.1.10"), spki[spki.index(plain) + len(plain) :])
    name = pki.ca.loaded.subject.public_bytes()
    times = seq(tlv(0x17, b"260101000000Z"), tlv(0x17, b"270101000000Z"))
    ecdsa = algorithm("1.2.840.10045.4.3.2")
    found = read(seq(seq(integer(5), ecdsa, name, times, seq(), bound), ecdsa, tlv(3, b"\x00x")))
    assert found.key_kind is KeyKind.RSA_PSS
    assert found.key_size == 2048
    assert isinstance(found.loaded.public_key(), rsa.RSAPublicKey)


def test_control_characters_of_a_subject_are_not_printed(pki: Pki) -> None:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "a\x1b[2Jb\nc")])
    assert pki.issued(subject=name).subject.isprintable()


@pytest.mark.parametrize(
    "written", ["85073003328", "85.07.30-033.28", "85 07 30 033 28", "PNOBE-85073003328"]
)
def test_an_inss_in_a_subject_is_masked(pki: Pki, written: str) -> None:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, f"Jan {written}")])
    subject = pki.issued(subject=name).subject
    assert subject.endswith("85*********")
    assert "033" not in subject


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    with pytest.raises(CertificateError):
        read(data)
    with pytest.raises(CertificateError):
        read(seq(data))
