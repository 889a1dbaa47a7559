"""The key and certificate the institution signs its answers with, made when none is given."""

from __future__ import annotations

from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from batch.errors import OperatorError
from batch.signing.certificate import key_usage

_YEARS = 10
_CLOCK_SKEW = timedelta(hours=1)  # a receiver's clock may be behind ours


def make_institution(name: str, at: datetime) -> tuple[bytes, bytes]:
    """A fresh key and its self-signed certificate, both PEM, valid ten years from ``at`` (aware).

    RSA 3072, since every receiver's software verifies RSA; key usage digitalSignature and
    nonRepudiation, no CA. The key is not encrypted: the shell guards the file. OperatorError when
    ``name`` is no common name (1 to 64 characters).
    """
    if not 1 <= len(name) <= 64:
        raise OperatorError("the institution's name must have 1 to 64 characters")
    key = rsa.generate_private_key(public_exponent=65537, key_size=3072)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(at - _CLOCK_SKEW)
        .not_valid_after(at + timedelta(days=_YEARS * 365 + _YEARS // 4))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_SIGNING_ONLY, critical=True)
        .add_extension(identifier, critical=False)
        .sign(key, hashes.SHA256())
    )
    key_pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return key_pem, certificate.public_bytes(serialization.Encoding.PEM)


_SIGNING_ONLY = key_usage("digital_signature", "content_commitment")
