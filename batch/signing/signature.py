"""Making an FS: a detached SignedData (RFC 5652 5.1) over a stream of bytes.

The shape is the one every verifier takes and annex 25 wants: version 1, signer by issuer and
serial number, signed attributes, the signer's certificate embedded, no CRLs, no unsigned
attributes (a timestamp can be put there later without a change of format).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol, assert_never

from asn1crypto import cms
from asn1crypto import x509 as asn1_x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from batch.errors import OperatorError
from batch.signing.certificate import SigningCertificate
from batch.signing.policy import AdmittedKeys

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


class Signer(Protocol):
    """A certificate and something that signs with its key: a file's key here, a token's later."""

    @property
    def certificate(self) -> SigningCertificate: ...

    @property
    def algorithm(self) -> str:
        """asn1crypto's name of the signature algorithm, with SHA-256 as the digest."""
        ...

    def sign(self, data: bytes) -> bytes:
        """The signature value over ``data``."""
        ...


@dataclass(frozen=True, slots=True)
class KeySigner:
    """A Signer whose key is in memory. Make it with ``key_signer``."""

    key: PrivateKey
    certificate: SigningCertificate

    @property
    def algorithm(self) -> str:
        match self.key:
            case rsa.RSAPrivateKey():
                return "rsassa_pkcs1v15"
            case ec.EllipticCurvePrivateKey():
                return "sha256_ecdsa"
            case _:
                assert_never(self.key)

    def sign(self, data: bytes) -> bytes:
        match self.key:
            case rsa.RSAPrivateKey():
                return self.key.sign(data, padding.PKCS1v15(), hashes.SHA256())
            case ec.EllipticCurvePrivateKey():
                return self.key.sign(data, ec.ECDSA(hashes.SHA256()))
            case _:
                assert_never(self.key)


def load_key(pem: bytes, password: bytes | None = None) -> PrivateKey:
    """The private key of a PEM file; OperatorError when it is none, or locked, or of no use."""
    try:
        key = serialization.load_pem_private_key(pem, password)
    except TypeError:
        said = "is encrypted: give its password" if password is None else "is not encrypted"
        raise OperatorError(f"the private key {said}") from None
    except (ValueError, UnsupportedAlgorithm):
        reason = "" if password is None else ", or its password is wrong"
        raise OperatorError(f"the file is no private key in PEM{reason}") from None
    if not isinstance(key, (rsa.RSAPrivateKey, ec.EllipticCurvePrivateKey)):
        raise OperatorError("the private key is neither RSA nor ECDSA")
    return key


def key_signer(key: PrivateKey, certificate: SigningCertificate) -> KeySigner:
    """Join a key and its certificate; OperatorError unless they belong together and may sign."""
    if key.public_key() != certificate.loaded.public_key():
        raise OperatorError(
            f"the private key does not belong to the certificate of {certificate.subject}"
        )
    weak = AdmittedKeys().refusal(certificate)
    if weak is not None:
        raise OperatorError(f"certificate of {certificate.subject}: {weak}")
    return KeySigner(key, certificate)


def sign_detached(
    chunks: Iterable[bytes], key: PrivateKey, certificate: SigningCertificate, at: datetime
) -> bytes:
    """The SignedData, DER, over the joined ``chunks``; OperatorError as ``key_signer``."""
    return sign_with(key_signer(key, certificate), chunks, at)


def sign_with(signer: Signer, chunks: Iterable[bytes], at: datetime) -> bytes:
    """The SignedData, DER, over the joined ``chunks``; ``at`` (aware) becomes the signing time."""
    digest = hashlib.sha256()
    for chunk in chunks:
        digest.update(chunk)
    attributes = _signed_attributes(digest.digest(), at)
    embedded = asn1_x509.Certificate.load(signer.certificate.der)
    signer_info = {
        "version": "v1",
        "sid": cms.SignerIdentifier(
            {
                "issuer_and_serial_number": {
                    "issuer": embedded.issuer,
                    "serial_number": signer.certificate.serial,
                }
            }
        ),
        "digest_algorithm": {"algorithm": "sha256"},
        "signed_attrs": attributes,
        "signature_algorithm": {"algorithm": signer.algorithm},
        "signature": signer.sign(attributes.dump()),  # RFC 5652 5.4: over the DER of the SET OF
    }
    signed_data = {
        "version": "v1",
        "digest_algorithms": [{"algorithm": "sha256"}],
        "encap_content_info": {"content_type": "data"},
        "certificates": [embedded],
        "signer_infos": [signer_info],
    }
    content_info = cms.ContentInfo({"content_type": "signed_data", "content": signed_data})
    return bytes(content_info.dump())


def _signed_attributes(message_digest: bytes, at: datetime) -> cms.CMSAttributes:
    """RFC 5652 11.1 to 11.3; UTCTime up to 2049, GeneralizedTime after."""
    instant = at.astimezone(UTC).replace(microsecond=0)
    time = "utc_time" if instant.year < 2050 else "generalized_time"
    return cms.CMSAttributes(
        [
            {"type": "content_type", "values": ["data"]},
            {"type": "signing_time", "values": [cms.Time({time: instant})]},
            {"type": "message_digest", "values": [message_digest]},
        ]
    )
