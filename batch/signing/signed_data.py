"""SignedData and SignerInfo (RFC 5652 sections 3 and 5) read into frozen values.

Only the grammar is judged here; what the channel admits is judged by ``verification``. BER with
indefinite lengths is read, as RFC 5652 allows everywhere but in the signed attributes: those are
kept as they were sent. Embedded certificates are kept as bytes and never trusted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from batch.signing.asn1 import (
    CONTEXT,
    INTEGER,
    OCTET_STRING,
    SEQUENCE,
    SET,
    Element,
    Fields,
    Malformed,
    children,
    integer,
    object_identifier,
    octets,
    read,
)
from batch.signing.verdict import Cause, NotSigned

ID_DATA: Final = "1.2.840.113549.1.7.1"
ID_SIGNED_DATA: Final = "1.2.840.113549.1.7.2"


@dataclass(frozen=True, slots=True)
class AlgorithmIdentifier:
    """An algorithm by object identifier; ``parameters`` as encoded, None when absent."""

    oid: str
    parameters: bytes | None


@dataclass(frozen=True, slots=True)
class IssuerAndSerialNumber:
    """Names the signer's certificate (RFC 5652 10.2.4); ``issuer`` is a Name as encoded."""

    issuer: bytes
    serial: int


@dataclass(frozen=True, slots=True)
class SubjectKeyIdentifier:
    """Names the signer's certificate by its key identifier extension (RFC 5652 5.3)."""

    key: bytes


SignerIdentifier = IssuerAndSerialNumber | SubjectKeyIdentifier


@dataclass(frozen=True, slots=True)
class SignerInfo:
    """One signature (RFC 5652 5.3). ``signed_attributes`` as sent, with their [0] tag, or None."""

    version: int
    sid: SignerIdentifier
    digest_algorithm: AlgorithmIdentifier
    signed_attributes: bytes | None
    signature_algorithm: AlgorithmIdentifier
    signature: bytes
    unsigned_attributes: bool


@dataclass(frozen=True, slots=True)
class SignedData:
    """A SignedData (RFC 5652 5.1) and the type of the content it is about."""

    version: int
    digest_algorithms: tuple[AlgorithmIdentifier, ...]
    content_type: str
    attached: bool
    certificates: tuple[bytes, ...]
    crls: bool
    signer_infos: tuple[SignerInfo, ...]


def read_signed_data(encoded: bytes) -> SignedData | NotSigned:
    """Read the ContentInfo that ``encoded`` holds, alone."""
    try:
        content_info = Fields(read(encoded), "ContentInfo")
        content_type = object_identifier(content_info.any("contentType"))
        if content_type != ID_SIGNED_DATA:
            return NotSigned(
                Cause.NOT_SIGNED_DATA, f"The FS holds no SignedData but the type {content_type}."
            )
        content = content_info.context(0)
        content_info.end()
        if content is None:
            raise Malformed("ContentInfo lacks its content.")
        inside = children(content)
        if len(inside) != 1:
            raise Malformed("ContentInfo has not exactly one content.")
        return _signed_data(inside[0])
    except Malformed as malformed:
        return malformed.refusal


def _signed_data(element: Element) -> SignedData:
    fields = Fields(element, "SignedData")
    version = integer(fields.take(INTEGER, "version"))
    digests = children(fields.take(SET, "digestAlgorithms"))
    content_type, attached = _encapsulated(fields.take(SEQUENCE, "encapContentInfo"))
    certificates = fields.context(0)
    crls = fields.context(1)
    signers = children(fields.take(SET, "signerInfos"))
    fields.end()
    return SignedData(
        version,
        tuple(algorithm(digest) for digest in digests),
        content_type,
        attached,
        _certificates(certificates),
        crls is not None,
        tuple(_signer_info(signer) for signer in signers),
    )


def _encapsulated(element: Element) -> tuple[str, bool]:
    fields = Fields(element, "EncapsulatedContentInfo")
    content_type = object_identifier(fields.any("eContentType"))
    content = fields.context(0)
    fields.end()
    return content_type, content is not None


def _certificates(element: Element | None) -> tuple[bytes, ...]:
    if element is None:
        return ()
    found = children(element)
    if any(not certificate.universal(SEQUENCE) for certificate in found):
        raise Malformed(
            "A certificate in the FS is not X.509: attribute certificates have no place here.",
            Cause.CERTIFICATE_FORMAT,
        )
    return tuple(certificate.encoded for certificate in found)


def _signer_info(element: Element) -> SignerInfo:
    fields = Fields(element, "SignerInfo")
    version = integer(fields.take(INTEGER, "version"))
    sid = _signer_identifier(fields.any("sid"))
    digest_algorithm = algorithm(fields.any("digestAlgorithm"))
    signed = fields.context(0)
    signature_algorithm = algorithm(fields.any("signatureAlgorithm"))
    signature = octets(fields.take(OCTET_STRING, "signature"))
    unsigned = fields.context(1)
    fields.end()
    return SignerInfo(
        version,
        sid,
        digest_algorithm,
        None if signed is None else signed.encoded,
        signature_algorithm,
        signature,
        unsigned is not None,
    )


def _signer_identifier(element: Element) -> SignerIdentifier:
    if element.tag_class == CONTEXT and element.tag == 0:
        return SubjectKeyIdentifier(octets(element))
    fields = Fields(element, "IssuerAndSerialNumber")
    issuer = fields.take(SEQUENCE, "issuer")
    serial = integer(fields.take(INTEGER, "serialNumber"))
    fields.end()
    return IssuerAndSerialNumber(issuer.encoded, serial)


def algorithm(element: Element) -> AlgorithmIdentifier:
    """Read an AlgorithmIdentifier (RFC 5280 4.1.1.2); Malformed when it is none."""
    fields = Fields(element, "AlgorithmIdentifier")
    oid = object_identifier(fields.any("algorithm"))
    parameters = fields.optional()
    fields.end()
    return AlgorithmIdentifier(oid, None if parameters is None else parameters.encoded)
