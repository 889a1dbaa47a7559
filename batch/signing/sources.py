"""Where to ask about revocations, what to ask, and what came back: for the shell that fetches.

Nothing here judges: a list or an answer is believed by ``crl`` and ``ocsp`` alone, at each verdict.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID

from batch.errors import OperatorError
from batch.signing.asn1 import Malformed
from batch.signing.certificate import SigningCertificate, in_one_line, name_in_words
from batch.signing.findings import SourceKind

# What cryptography raises on bytes that are no list or answer; not all of it is a ValueError.
UNREADABLE: Final = (
    ValueError,
    TypeError,
    NotImplementedError,
    OverflowError,
    Malformed,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)


class SourceError(OperatorError):
    """The bytes are no revocation list and no OCSP answer that tells anything."""


@dataclass(frozen=True, slots=True)
class NamedSource:
    """A place that a certificate names: of a CA's list, or of its OCSP responder.

    ``url`` as it stands in the certificate; for a place in a directory, its name in words.
    """

    kind: SourceKind
    url: str

    @property
    def fetchable(self) -> bool:
        """Over HTTP, with or without TLS: what comes proves itself (RFC 5280 section 8).

        Not out of a directory (LDAP): such a list is given by hand.
        """
        known = self.url.lower().startswith(("http://", "https://"))
        return known and self.url.isprintable() and " " not in self.url


@dataclass(frozen=True, slots=True)
class KeptSource:
    """What is kept beside a list or an answer: for when it speaks, and of whom, in words.

    ``next_update``: None when it does not say. Of an answer about several certificates the
    narrowest period. ``sha256`` in hex.
    """

    kind: SourceKind
    this_update: datetime
    next_update: datetime | None
    about: str
    sha256: str


def named_sources(certificate: SigningCertificate) -> tuple[NamedSource, ...]:
    """The places named in ``certificate``, each once, lists first (RFC 5280 4.2.1.13, 4.2.2.1).

    Places of delta lists (4.2.1.15) are among them. Those that are not ``fetchable`` are told too:
    that they exist makes the certificate one that can be revoked.
    """
    return tuple(dict.fromkeys((*_lists(certificate), *_responders(certificate))))


def _lists(certificate: SigningCertificate) -> Iterator[NamedSource]:
    for extension in certificate.loaded.extensions:
        if isinstance(extension.value, x509.CRLDistributionPoints | x509.FreshestCRL):
            for point in extension.value:
                for place in _places(point):
                    yield NamedSource(SourceKind.CRL, place)


def _places(point: x509.DistributionPoint) -> Iterator[str]:
    """The names of one distribution point; those of its CRL issuer where it has no others."""
    names = point.full_name or point.crl_issuer or ()
    for name in names:
        match name:
            case x509.UniformResourceIdentifier():
                yield name.value
            case x509.DirectoryName():
                yield f"directory {name_in_words(name.value)}"
            case _:
                yield "a place of an unknown kind"
    if point.relative_name is not None:
        yield "a directory of its CA"


def _responders(certificate: SigningCertificate) -> Iterator[NamedSource]:
    for extension in certificate.loaded.extensions:
        if isinstance(extension.value, x509.AuthorityInformationAccess):
            for access in extension.value:
                if access.access_method == AuthorityInformationAccessOID.OCSP:
                    name = access.access_location
                    known = isinstance(name, x509.UniformResourceIdentifier)
                    url = name.value if known else "a responder of an unknown kind"
                    yield NamedSource(SourceKind.OCSP, url)


def read_source(der: bytes) -> KeptSource:
    """What ``der`` is: a revocation list, or an OCSP answer. SourceError when it is neither.

    An answer that says no more than an error (RFC 6960 4.2.1) is a SourceError too.
    """
    try:
        return _read_list(der)
    except UNREADABLE:
        pass
    try:
        return _read_answer(der)
    except UNREADABLE:
        raise SourceError("the file is no revocation list and no OCSP answer, in DER") from None


def _read_list(der: bytes) -> KeptSource:
    loaded = x509.load_der_x509_crl(der)
    about = f"certificates of {name_in_words(loaded.issuer)}"
    return KeptSource(
        SourceKind.CRL,
        loaded.last_update_utc,
        loaded.next_update_utc,
        about,
        hashlib.sha256(der).hexdigest(),
    )


def _read_answer(der: bytes) -> KeptSource:
    loaded = ocsp.load_der_ocsp_response(der)
    if loaded.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
        status = loaded.response_status.name.lower().replace("_", " ")
        raise SourceError(f"the OCSP responder answers with an error: {status}")
    singles = list(loaded.responses)
    if not singles:
        raise SourceError("the OCSP answer is about no certificate")
    ends = [single.next_update_utc for single in singles if single.next_update_utc is not None]
    about = ", ".join(f"certificate {single.serial_number:x}" for single in singles[:3])
    return KeptSource(
        SourceKind.OCSP,
        max(single.this_update_utc for single in singles),
        min(ends, default=None),
        about,
        hashlib.sha256(der).hexdigest(),
    )


def ocsp_request(certificate: SigningCertificate, issuer: SigningCertificate) -> bytes:
    """The question about ``certificate``, in DER, for an HTTP POST (RFC 6960 4.1, appendix A.1).

    Its certID is by SHA-1, which only finds the certificate: responders know no other (RFC 5019
    2.1.1). Without a nonce: an answer fetched ahead is judged by the times in it.
    """
    finds_only = hashes.SHA1()  # noqa: S303
    builder = ocsp.OCSPRequestBuilder()
    builder = builder.add_certificate(certificate.loaded, issuer.loaded, finds_only)
    return builder.build().public_bytes(serialization.Encoding.DER)


def place_in_words(source: NamedSource) -> str:
    """The place for a person: one printable line, bounded, an INSS in it masked."""
    return in_one_line(source.url)
