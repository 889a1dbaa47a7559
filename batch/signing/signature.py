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
from functools import lru_cache
from typing import Final, Protocol, assert_never

from asn1crypto import core as asn1_core
from asn1crypto import x509 as asn1_x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from batch.errors import OperatorError
from batch.signing.certificate import SigningCertificate
from batch.signing.policy import AdmittedKeys

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


class Signer(Protocol):
    """A certificate and what signs with its key: a file's here, or ``storage.token``'s."""

    @property
    def certificate(self) -> SigningCertificate: ...

    @property
    def algorithm(self) -> str:
        """``rsassa_pkcs1v15`` or ``sha256_ecdsa``, with SHA-256 as the digest."""
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


def sign_with(signer: Signer, chunks: Iterable[bytes], at: datetime | None) -> bytes:
    """The SignedData, DER, over the joined ``chunks``; ``at`` (aware) becomes the signing time.

    None claims no time: the same bytes then get the same signature, by a key of RSA.
    """
    digest = hashlib.sha256()
    for chunk in chunks:
        digest.update(chunk)
    return sign_digest(signer, digest.digest(), at)


def sign_digest(signer: Signer, sha256: bytes, at: datetime | None) -> bytes:
    """The same over bytes of which only the SHA-256 is at hand."""
    attributes = _signed_attributes(sha256, at)
    value = signer.sign(_der(_SET, attributes))  # RFC 5652 5.4: over the DER of the SET OF
    signer_info = _der(
        _SEQUENCE,
        _VERSION_1,
        _sid(signer.certificate.der),
        _SHA256,
        _der(_FIRST, attributes),
        _SIGNATURE_ALGORITHM[signer.algorithm],
        _der(_OCTETS, value),
    )
    signed_data = _der(
        _SEQUENCE,
        _VERSION_1,
        _der(_SET, _SHA256),
        _der(_SEQUENCE, _DATA),
        _der(_FIRST, signer.certificate.der),
        _der(_SET, signer_info),
    )
    return _der(_SEQUENCE, _SIGNED_DATA, _der(_FIRST, signed_data))


# DER (X.690 8.1 and 10.1). Two answers of every set are signed, and a general encoder took longer
# for one than the key does; the tests compare each octet with one.

_SEQUENCE, _SET, _OCTETS, _OID, _FIRST = 0x30, 0x31, 0x04, 0x06, 0xA0
_UTC_TIME, _GENERALIZED_TIME = 0x17, 0x18
_VERSION_1: Final = b"\x02\x01\x01"


def _der(tag: int, *contents: bytes) -> bytes:
    """One element: its tag, the length of its contents, and these."""
    body = b"".join(contents)
    size = len(body)
    if size < 0x80:
        return bytes((tag, size)) + body
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + body


def _oid(dotted: str) -> bytes:
    return bytes(asn1_core.ObjectIdentifier(dotted).dump())


_DATA: Final = _oid("1.2.840.113549.1.7.1")
_SIGNED_DATA: Final = _oid("1.2.840.113549.1.7.2")
_CONTENT_TYPE: Final = _oid("1.2.840.113549.1.9.3")
_MESSAGE_DIGEST: Final = _oid("1.2.840.113549.1.9.4")
_SIGNING_TIME: Final = _oid("1.2.840.113549.1.9.5")
_NULL: Final = b"\x05\x00"
# RFC 5754 2 takes it with NULL and without; old verifiers want the NULL.
_SHA256: Final = _der(_SEQUENCE, _oid("2.16.840.1.101.3.4.2.1"), _NULL)
_SIGNATURE_ALGORITHM: Final = {
    "rsassa_pkcs1v15": _der(_SEQUENCE, _oid("1.2.840.113549.1.1.1"), _NULL),  # RFC 3370 3.2
    "sha256_ecdsa": _der(_SEQUENCE, _oid("1.2.840.10045.4.3.2")),  # RFC 5754 3.3
}


@lru_cache(maxsize=16)  # whoever signs here signs again
def _sid(certificate: bytes) -> bytes:
    """The signer by issuer and serial number, as its certificate has them (RFC 5652 10.2.4)."""
    read = asn1_x509.Certificate.load(certificate)["tbs_certificate"]
    return _der(_SEQUENCE, read["issuer"].dump(), read["serial_number"].dump())


def _signed_attributes(message_digest: bytes, at: datetime | None) -> bytes:
    """RFC 5652 11.1 to 11.3, in the order of a SET OF in DER: by their octets."""
    found = [
        _attribute(_CONTENT_TYPE, _DATA),
        _attribute(_MESSAGE_DIGEST, _der(_OCTETS, message_digest)),
    ]
    if at is not None:
        found.append(_attribute(_SIGNING_TIME, _time(at)))
    return b"".join(sorted(found))


def _attribute(kind: bytes, value: bytes) -> bytes:
    return _der(_SEQUENCE, kind, _der(_SET, value))


def _time(at: datetime) -> bytes:
    """RFC 5652 11.3: UTCTime up to 2049, GeneralizedTime after."""
    instant = at.astimezone(UTC)
    if instant.year < 2050:
        return _der(_UTC_TIME, f"{instant:%y%m%d%H%M%SZ}".encode())
    return _der(_GENERALIZED_TIME, f"{instant:%Y%m%d%H%M%SZ}".encode())
