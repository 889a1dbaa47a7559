"""A throw-away authority, the signing certificates it issues, and keys to log in with."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from cryptography.x509.oid import NameOID

from batch.signing.certificate import key_usage

SigningKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey

_VALID = timedelta(days=30)
_CLOCK_SKEW = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Authority:
    """A CA of this one play: its key never leaves the memory, so nobody can issue after it."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)


def make_authority(at: datetime) -> Authority:
    """A self-signed CA certificate, valid from ``at`` (aware) for a month."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name("Throw-away CA of the demonstration")
    usages = ("key_cert_sign", "crl_sign")
    built = _builder(name, name, key, at, usages)
    return Authority(key, built.sign(key, hashes.SHA256()))


def make_signing_pair(
    authority: Authority, common_name: str, on_curve: bool, at: datetime
) -> tuple[bytes, bytes]:
    """A private key (PKCS#8) and its certificate, both PEM: ECDSA P-256, or else RSA 2048."""
    key: SigningKey = (
        ec.generate_private_key(ec.SECP256R1())
        if on_curve
        else rsa.generate_private_key(public_exponent=65537, key_size=2048)
    )
    usages = ("digital_signature", "content_commitment")
    issuing = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key())
    built = _builder(_name(common_name), authority.certificate.subject, key, at, usages)
    certificate = built.add_extension(issuing, critical=False).sign(authority.key, hashes.SHA256())
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return private, certificate.public_bytes(Encoding.PEM)


def make_login_pair() -> tuple[bytes, bytes]:
    """An Ed25519 key pair to log in with: private in OpenSSH's form, public in one line."""
    key = ed25519.Ed25519PrivateKey.generate()
    public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    return key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()), public + b"\n"


def write_private(path: Path, content: bytes) -> Path:
    """Write a key for its owner's eyes alone: OpenSSH refuses one that others may read."""
    path.touch(mode=0o600)
    path.write_bytes(content)
    return path


def _builder(
    subject: x509.Name, issuer: x509.Name, key: SigningKey, at: datetime, usages: tuple[str, ...]
) -> x509.CertificateBuilder:
    """A certificate without its signature; one that may sign certificates is a CA's."""
    is_authority = "key_cert_sign" in usages
    usage = key_usage(*usages)
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(at - _CLOCK_SKEW)
        .not_valid_after(at + _VALID)
        .add_extension(x509.BasicConstraints(is_authority, None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(identifier, critical=False)
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "BE"),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )
