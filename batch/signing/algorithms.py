"""Digests and signature schemes: from object identifiers to the primitives of cryptography.

What is not listed here does not exist for the channel. MD5 is known by name only, to say what is
wrong (protocol section 3.2); SHA-1 only for the one who asks for it (``SignaturePolicy.sha1``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, assert_never

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from batch.signing.asn1 import (
    INTEGER,
    Element,
    Fields,
    Malformed,
    children,
    integer,
    only,
    read,
)
from batch.signing.certificate import KeyKind, SigningCertificate
from batch.signing.signed_data import AlgorithmIdentifier, algorithm
from batch.signing.verdict import Cause, NotSigned


class Digest(StrEnum):
    """A digest algorithm; the value is hashlib's name. SHA-1 only by exception."""

    SHA1 = "sha1"
    SHA256 = "sha256"
    SHA384 = "sha384"
    SHA512 = "sha512"


DIGESTS: Final[Mapping[str, Digest]] = {
    "2.16.840.1.101.3.4.2.1": Digest.SHA256,
    "2.16.840.1.101.3.4.2.2": Digest.SHA384,
    "2.16.840.1.101.3.4.2.3": Digest.SHA512,
}
STRONG: Final = frozenset(DIGESTS.values())
"""The digests that need no exception."""
_SHA1: Final = "1.3.14.3.2.26"
_REFUSED_DIGESTS: Final[Mapping[str, str]] = {
    "1.2.840.113549.2.5": "MD5",
    _SHA1: "SHA-1",
    "2.16.840.1.101.3.4.2.4": "SHA-224",
}
HASHES: Final[Mapping[Digest, hashes.HashAlgorithm]] = {
    Digest.SHA1: hashes.SHA1(),  # noqa: S303 - verified only, and only by exception
    Digest.SHA256: hashes.SHA256(),
    Digest.SHA384: hashes.SHA384(),
    Digest.SHA512: hashes.SHA512(),
}
_NULL: Final = b"\x05\x00"

_RSA_ENCRYPTION: Final = "1.2.840.113549.1.1.1"
_RSASSA_PSS: Final = "1.2.840.113549.1.1.10"
_MGF1: Final = "1.2.840.113549.1.1.8"
_RSA_WITH_DIGEST: Final[Mapping[str, Digest]] = {
    "1.2.840.113549.1.1.11": Digest.SHA256,
    "1.2.840.113549.1.1.12": Digest.SHA384,
    "1.2.840.113549.1.1.13": Digest.SHA512,
}
_RSA_WITH_SHA1: Final = "1.2.840.113549.1.1.5"
_ECDSA_WITH_SHA1: Final = "1.2.840.10045.4.1"
_ECDSA_WITH_DIGEST: Final[Mapping[str, Digest]] = {
    "1.2.840.10045.4.3.2": Digest.SHA256,
    "1.2.840.10045.4.3.3": Digest.SHA384,
    "1.2.840.10045.4.3.4": Digest.SHA512,
}


@dataclass(frozen=True, slots=True)
class Pkcs1v15:
    """RSASSA-PKCS1-v1_5 (RFC 3370 3.2, RFC 5754 3.2)."""


@dataclass(frozen=True, slots=True)
class Pss:
    """RSASSA-PSS with MGF1 over the same digest (RFC 4056); ``salt_length`` in bytes."""

    salt_length: int


@dataclass(frozen=True, slots=True)
class Ecdsa:
    """ECDSA over a named curve (RFC 5753 2.1)."""


Scheme = Pkcs1v15 | Pss | Ecdsa


def digest_of(identifier: AlgorithmIdentifier, *, sha1: bool = False) -> Digest | NotSigned:
    """The digest an AlgorithmIdentifier names; parameters absent or NULL (RFC 5754 section 2).

    ``sha1``: take SHA-1 too (RFC 3370 2.1).
    """
    digest = Digest.SHA1 if sha1 and identifier.oid == _SHA1 else DIGESTS.get(identifier.oid)
    if digest is None:
        name = _REFUSED_DIGESTS.get(identifier.oid, identifier.oid)
        return NotSigned(
            Cause.DIGEST_NOT_ALLOWED, f"The digest algorithm is {name}; use SHA-256 (-md sha256)."
        )
    if identifier.parameters not in (None, _NULL):
        return NotSigned(Cause.DIGEST_NOT_ALLOWED, "The digest algorithm has parameters.")
    return digest


def scheme_of(identifier: AlgorithmIdentifier, digest: Digest) -> Scheme | NotSigned:
    """The signature scheme an AlgorithmIdentifier names, given the SignerInfo's digest."""
    oid = identifier.oid
    if digest is Digest.SHA1 and oid in (_RSA_WITH_SHA1, _ECDSA_WITH_SHA1):
        return _fixed(identifier, Pkcs1v15() if oid == _RSA_WITH_SHA1 else Ecdsa(), digest, digest)
    if oid == _RSASSA_PSS:
        return _pss(identifier.parameters, digest)
    if oid == _RSA_ENCRYPTION or oid in _RSA_WITH_DIGEST:
        return _fixed(identifier, Pkcs1v15(), _RSA_WITH_DIGEST.get(oid, digest), digest)
    if oid in _ECDSA_WITH_DIGEST:
        return _fixed(identifier, Ecdsa(), _ECDSA_WITH_DIGEST[oid], digest)
    return NotSigned(
        Cause.SIGNATURE_ALGORITHM, f"The signature algorithm {oid} is not one the channel takes."
    )


def _fixed(
    identifier: AlgorithmIdentifier, scheme: Scheme, implied: Digest, digest: Digest
) -> Scheme | NotSigned:
    if implied is not digest:
        return NotSigned(
            Cause.ALGORITHMS_DISAGREE,
            f"The signature algorithm says {implied}, the digest algorithm {digest}.",
        )
    if identifier.parameters not in (None, _NULL):
        return NotSigned(Cause.SIGNATURE_ALGORITHM, "The signature algorithm has parameters.")
    return scheme


def _pss(parameters: bytes | None, digest: Digest) -> Scheme | NotSigned:
    if parameters is None:
        return NotSigned(Cause.PSS_PARAMETERS, "RSASSA-PSS is named without its parameters.")
    try:
        return _pss_parameters(read(parameters), digest)
    except Malformed as malformed:
        return NotSigned(Cause.PSS_PARAMETERS, malformed.refusal.words)


def _pss_parameters(element: Element, digest: Digest) -> Pss:
    """RSASSA-PSS-params (RFC 4055 3.1); its defaults mean SHA-1, so both hashes must be there."""
    fields = Fields(element, "RSASSA-PSS-params")
    hashed = fields.context(0)
    mask = fields.context(1)
    salt = fields.context(2)
    trailer = fields.context(3)
    fields.end()
    if hashed is None or mask is None:
        raise Malformed("The RSASSA-PSS parameters fall back on SHA-1.")
    over = algorithm(only(children(hashed), "hashAlgorithm"))
    generation = algorithm(only(children(mask), "maskGenAlgorithm"))
    if generation.oid != _MGF1 or generation.parameters is None:
        raise Malformed("The RSASSA-PSS mask is not MGF1 with a digest.")
    for named in (over, algorithm(read(generation.parameters))):
        if digest_of(named) != digest:
            raise Malformed("The RSASSA-PSS parameters name another digest than the SignerInfo.")
    if trailer is not None and _explicit_integer(trailer) != 1:
        raise Malformed("The RSASSA-PSS trailer is not 1.")
    length = 20 if salt is None else _explicit_integer(salt)
    if not 0 <= length <= 1024:
        raise Malformed("The RSASSA-PSS salt has no possible length.")
    return Pss(length)


def _explicit_integer(element: Element) -> int:
    inside = only(children(element), "An RSASSA-PSS parameter")
    if not inside.universal(INTEGER):
        raise Malformed("An RSASSA-PSS parameter is no INTEGER.")
    return integer(inside)


def same_algorithm(one: AlgorithmIdentifier, other: AlgorithmIdentifier) -> bool:
    """Equal but for NULL against absent parameters (RFC 6211 section 2)."""
    return one.oid == other.oid and (one.parameters or _NULL) == (other.parameters or _NULL)


def check_signature(
    certificate: SigningCertificate, scheme: Scheme, digest: Digest, signature: bytes, over: bytes
) -> NotSigned | None:
    """None when ``signature`` over ``over`` was made with the certificate's key (RFC 5652 5.6)."""
    kinds = _kinds(scheme)
    if certificate.key_kind not in kinds:
        return NotSigned(
            Cause.ALGORITHMS_DISAGREE,
            f"The signature algorithm is not for the {certificate.key_kind} key of the registered "
            "certificate.",
        )
    try:
        _verify(certificate, scheme, HASHES[digest], signature, over)
    except (InvalidSignature, ValueError, UnsupportedAlgorithm):
        return NotSigned(
            Cause.SIGNATURE_WRONG,
            "The signature was not made by the key of the registered certificate, or was damaged.",
        )
    return None


def _kinds(scheme: Scheme) -> tuple[KeyKind, ...]:
    match scheme:
        case Pkcs1v15():
            return (KeyKind.RSA,)
        case Pss():
            return (KeyKind.RSA, KeyKind.RSA_PSS)
        case Ecdsa():
            return (KeyKind.EC,)
        case _:
            assert_never(scheme)


def _verify(
    certificate: SigningCertificate,
    scheme: Scheme,
    over_hash: hashes.HashAlgorithm,
    signature: bytes,
    over: bytes,
) -> None:
    """Raise InvalidSignature, or ValueError for a salt the key cannot hold."""
    key = certificate.loaded.public_key()
    match scheme:
        case Pkcs1v15():
            assert isinstance(key, rsa.RSAPublicKey)
            key.verify(signature, over, padding.PKCS1v15(), over_hash)
        case Pss(salt_length=length):
            assert isinstance(key, rsa.RSAPublicKey)
            pss = padding.PSS(padding.MGF1(over_hash), length)
            key.verify(signature, over, pss, over_hash)
        case Ecdsa():
            assert isinstance(key, ec.EllipticCurvePublicKey)
            key.verify(signature, over, ec.ECDSA(over_hash))
        case _:
            assert_never(scheme)
