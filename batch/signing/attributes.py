"""The signed attributes of a SignerInfo (RFC 5652 5.3 and 11) read into a frozen value.

They are what is really signed: the signature covers them, and they hold the digest of the FI.
They MUST be DER (RFC 5652 5.3), in whatever encoding the rest came.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from batch.signing.asn1 import (
    GENERALIZED_TIME,
    INTEGER,
    OBJECT_IDENTIFIER,
    OCTET_STRING,
    SEQUENCE,
    SET,
    UTC_TIME,
    Element,
    Fields,
    Malformed,
    children,
    der_faults,
    integer,
    object_identifier,
    only,
    read,
)
from batch.signing.signed_data import AlgorithmIdentifier, algorithm
from batch.signing.verdict import Cause, NotSigned

_CONTENT_TYPE: Final = "1.2.840.113549.1.9.3"
_MESSAGE_DIGEST: Final = "1.2.840.113549.1.9.4"
_SIGNING_TIME: Final = "1.2.840.113549.1.9.5"
_COUNTERSIGNATURE: Final = "1.2.840.113549.1.9.6"
_ALGORITHM_PROTECTION: Final = "1.2.840.113549.1.9.52"
_SIGNING_CERTIFICATE: Final = "1.2.840.113549.1.9.16.2.12"
_SIGNING_CERTIFICATE_V2: Final = "1.2.840.113549.1.9.16.2.47"
_SHA1: Final = "1.3.14.3.2.26"
_SHA256: Final = "2.16.840.1.101.3.4.2.1"
_ESS_DIGESTS: Final[Mapping[str, str]] = {
    _SHA1: "sha1",
    _SHA256: "sha256",
    "2.16.840.1.101.3.4.2.2": "sha384",
    "2.16.840.1.101.3.4.2.3": "sha512",
}

_TIMES: Final = {
    UTC_TIME: re.compile(rb"(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z"),
    GENERALIZED_TIME: re.compile(rb"(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z"),
}


@dataclass(frozen=True, slots=True)
class AlgorithmProtection:
    """CMSAlgorithmProtection (RFC 6211): the algorithms, once more, under the signature."""

    digest: AlgorithmIdentifier
    signature: AlgorithmIdentifier | None


@dataclass(frozen=True, slots=True)
class CertificateHash:
    """ESSCertID or ESSCertIDv2 (RFC 5035): the signer's own certificate, by hash.

    ``issuer`` (a Name as encoded) and ``serial`` when the signer says them as well.
    """

    digest: str
    value: bytes
    issuer: bytes | None = None
    serial: int | None = None

    def fits(self, certificate: bytes) -> bool:
        """Whether this is the hash of ``certificate``. SHA-1 only compares, it proves nothing."""
        name = _ESS_DIGESTS.get(self.digest)
        if name is None:
            return False
        return self.value == hashlib.new(name, certificate, usedforsecurity=False).digest()


@dataclass(frozen=True, slots=True)
class SignedAttributes:
    """What the signer signed. ``signed`` are the exact bytes under the signature (RFC 5652 5.4)."""

    signed: bytes
    content_type: str
    message_digest: bytes
    signing_time: datetime | None
    protection: AlgorithmProtection | None
    certificates: tuple[CertificateHash, ...]


def read_signed_attributes(encoded: bytes) -> SignedAttributes | NotSigned:
    """Read the [0] field of a SignerInfo."""
    try:
        # RFC 5652 5.4: digested with the tag of SET OF; in DER both tags are one byte.
        signed = b"\x31" + encoded[1:]
        for fault in der_faults(read(signed)):
            words = f"The signed attributes are not DER: {fault}."
            raise Malformed(words, Cause.ATTRIBUTES_NOT_DER)
        return _attributes(_by_type(read(encoded)), signed)
    except Malformed as malformed:
        if malformed.refusal.cause is Cause.MALFORMED:
            return NotSigned(Cause.ATTRIBUTE_MALFORMED, malformed.refusal.words)
        return malformed.refusal


def _by_type(element: Element) -> Mapping[str, tuple[Element, ...]]:
    found: dict[str, tuple[Element, ...]] = {}
    for attribute in children(element):
        fields = Fields(attribute, "Attribute")
        kind = object_identifier(fields.take(OBJECT_IDENTIFIER, "attrType"))
        values = children(fields.take(SET, "attrValues"))
        fields.end()
        if kind in found:
            raise Malformed(f"The signed attribute {kind} stands twice.", Cause.ATTRIBUTE_TWICE)
        if not values:
            raise Malformed(f"The signed attribute {kind} has no value.")
        found[kind] = values
    return found


def _attributes(found: Mapping[str, tuple[Element, ...]], signed: bytes) -> SignedAttributes:
    if _COUNTERSIGNATURE in found:
        raise Malformed("A countersignature stands among the signed attributes (RFC 5652 11.4).")
    for kind, name in ((_CONTENT_TYPE, "content-type"), (_MESSAGE_DIGEST, "message-digest")):
        if kind not in found:
            raise Malformed(f"The signed attribute {name} is missing.", Cause.ATTRIBUTE_MISSING)
    digest = only(found[_MESSAGE_DIGEST], "message-digest")
    if not digest.universal(OCTET_STRING):
        raise Malformed("The signed attribute message-digest holds no OCTET STRING.")
    return SignedAttributes(
        signed,
        object_identifier(only(found[_CONTENT_TYPE], "content-type")),
        digest.contents,
        _signing_time(found.get(_SIGNING_TIME)),
        _protection(found.get(_ALGORITHM_PROTECTION)),
        (
            *_certificate_hashes(found.get(_SIGNING_CERTIFICATE), version=1),
            *_certificate_hashes(found.get(_SIGNING_CERTIFICATE_V2), version=2),
        ),
    )


def _signing_time(values: tuple[Element, ...] | None) -> datetime | None:
    """RFC 5652 11.3: UTCTime for 1950 to 2049, GeneralizedTime without fractions beyond."""
    if values is None:
        return None
    value = only(values, "signing-time")
    pattern = _TIMES.get(value.tag) if value.tag_class == 0 else None
    found = pattern.fullmatch(value.contents) if pattern else None
    if found is None:
        raise Malformed("The signed attribute signing-time holds no time.")
    year, month, day, hour, minute, second = (int(group) for group in found.groups())
    if value.tag == UTC_TIME:
        year += 2000 if year < 50 else 1900
    try:
        return datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        raise Malformed("The signed attribute signing-time holds no real time.") from None


def _protection(values: tuple[Element, ...] | None) -> AlgorithmProtection | None:
    if values is None:
        return None
    fields = Fields(only(values, "CMSAlgorithmProtection"), "CMSAlgorithmProtection")
    digest = algorithm(fields.any("digestAlgorithm"))
    implicit = fields.context(1)
    fields.end()
    if implicit is None:
        return AlgorithmProtection(digest, None)
    # The [1] tag stands for SEQUENCE (IMPLICIT); in DER both are one byte.
    return AlgorithmProtection(digest, algorithm(read(b"\x30" + implicit.encoded[1:])))


def _certificate_hashes(
    values: tuple[Element, ...] | None, version: int
) -> tuple[CertificateHash, ...]:
    """The first certificate of SigningCertificate: the signer's (RFC 5035 section 4 and 5.4)."""
    if values is None:
        return ()
    inside = Fields(only(values, "SigningCertificate"), "SigningCertificate")
    listed = children(inside.take(SEQUENCE, "certs"))
    if not listed:
        raise Malformed("The signed attribute SigningCertificate lists no certificate.")
    fields = Fields(listed[0], "ESSCertID")
    digest = _SHA1 if version == 1 else _SHA256
    first = fields.any("certHash")
    if version == 2 and first.universal(SEQUENCE):
        digest, first = algorithm(first).oid, fields.any("certHash")
    if not first.universal(OCTET_STRING):
        raise Malformed("The hash in the signed attribute SigningCertificate is no OCTET STRING.")
    named = fields.optional()
    fields.end()
    if named is None:
        return (CertificateHash(digest, first.contents),)
    return (CertificateHash(digest, first.contents, *_issuer_serial(named)),)


def _issuer_serial(element: Element) -> tuple[bytes, int]:
    """IssuerSerial (RFC 5035 section 4): one directoryName, explicitly tagged, and a number."""
    fields = Fields(element, "IssuerSerial")
    issuer = only(children(fields.take(SEQUENCE, "issuer")), "The issuer in IssuerSerial")
    serial = integer(fields.take(INTEGER, "serialNumber"))
    fields.end()
    if not issuer.context(4):
        raise Malformed("The issuer in IssuerSerial is no directory name.")
    return only(children(issuer), "A directory name").encoded, serial
