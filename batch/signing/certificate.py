"""What is read from an X.509 certificate (RFC 5280, annex 25: X.509 v1 to v3)."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from typing import Final, TypeVar

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from batch.errors import OperatorError
from batch.signing.asn1 import (
    Element,
    Fields,
    Malformed,
    children,
    integer,
    object_identifier,
    only,
)
from batch.signing.asn1 import read as read_element

_QC_STATEMENTS: Final = "1.3.6.1.5.5.7.1.3"
_QC_COMPLIANCE: Final = "0.4.0.1862.1.1"
_QC_TYPE: Final = "0.4.0.1862.1.6"
_QC_SIGNING: Final = frozenset({"0.4.0.1862.1.6.1", "0.4.0.1862.1.6.2"})
_RSASSA_PSS: Final = "1.2.840.113549.1.1.10"
_PEM_BLOCK: Final = re.compile(
    rb"-----BEGIN (?:X509 )?CERTIFICATE-----.*?-----END (?:X509 )?CERTIFICATE-----", re.DOTALL
)
_MAX_BYTES: Final = 64 * 1024  # a certificate has 1 to 4 kB
_INSS: Final = re.compile(r"(\d\d)[. ]?\d\d[. ]?\d\d[- ]?\d{3}[. ]?\d\d(?!\d)")
_USAGES: Final = {
    "digital_signature": "digitalSignature",
    "content_commitment": "nonRepudiation",
    "key_encipherment": "keyEncipherment",
    "data_encipherment": "dataEncipherment",
    "key_agreement": "keyAgreement",
    "key_cert_sign": "keyCertSign",
    "crl_sign": "cRLSign",
}


# What cryptography raises on bytes that are no certificate; not all of it is a ValueError.
_UNREADABLE: Final = (
    ValueError,
    TypeError,
    Malformed,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)

_Extension = TypeVar("_Extension", bound=x509.ExtensionType)


def key_usage(*names: str) -> x509.KeyUsage:
    """The extension keyUsage with these bits set, by their names in ``cryptography``.

    RFC 5280, section 4.2.1.3.
    """
    every = (*_USAGES, "encipher_only", "decipher_only")
    return x509.KeyUsage(**{name: name in names for name in every})


class CertificateError(OperatorError):
    """The bytes are no X.509 certificate that can be used."""


class KeyKind(StrEnum):
    """The kind of a public key; RSA-PSS is an RSA key bound to that scheme (RFC 4055)."""

    RSA = "RSA"
    RSA_PSS = "RSA-PSS"
    EC = "EC"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class SigningCertificate:
    """A certificate, a signer's or a CA's, with what the channel asks of it.

    ``subject`` and ``issuer`` are for people (RFC 4514, an INSS masked); ``issuer_name`` is the
    issuer as encoded, for comparing. ``key_usage`` holds the names of RFC 5280 4.2.1.3, None when
    the extension is absent: no restriction. ``key_size`` in bits. Instants are aware.
    """

    der: bytes = field(repr=False)
    subject: str
    issuer: str
    issuer_name: bytes = field(repr=False)
    serial: int
    key_identifier: bytes | None
    not_before: datetime
    not_after: datetime
    key_usage: frozenset[str] | None
    ca: bool
    critical: frozenset[str]
    key_kind: KeyKind
    key_size: int
    key_curve: str | None
    fingerprint: str
    loaded: x509.Certificate = field(repr=False, compare=False)

    @property
    def self_issued(self) -> bool:
        """Issuer and subject are one (RFC 5280 6.1): a CA's new key, or a root."""
        return same_name(self.loaded.subject, self.loaded.issuer)

    @property
    def key(self) -> bytes:
        """The public key, as a SubjectPublicKeyInfo in DER."""
        key = self.loaded.public_key()
        return key.public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )

    @property
    def qualified(self) -> bool:
        """Says it is qualified for signatures or seals (ETSI EN 319 412-5, 4.2.1 and 4.2.3).

        Without a type it is one for signatures; unreadable statements say nothing.
        """
        encoded = self.raw_extension(_QC_STATEMENTS)
        if encoded is None:
            return False
        try:
            statements = dict(map(_statement, children(read_element(encoded))))
            types = statements.get(_QC_TYPE, frozenset(_QC_SIGNING))
        except Malformed:
            return False
        return _QC_COMPLIANCE in statements and bool(types & _QC_SIGNING)

    def raw_extension(self, oid: str) -> bytes | None:
        """The contents, DER, of an extension that cryptography does not read; None when absent."""
        for found in self.loaded.extensions:
            value = found.value
            if found.oid.dotted_string == oid and isinstance(value, x509.UnrecognizedExtension):
                return value.value
        return None

    @property
    def rsa_modulus(self) -> int:
        """Of a certificate with an RSA key; ValueError for any other."""
        key = self.loaded.public_key()
        if not isinstance(key, rsa.RSAPublicKey):
            raise ValueError(f"{self.subject} has no RSA key")
        return key.public_numbers().n

    def valid_at(self, at: datetime) -> bool:
        """RFC 5280 4.1.2.5: both ends belong to the period."""
        return self.not_before <= at <= self.not_after


def read(data: bytes) -> SigningCertificate:
    """The one certificate of a .cer file, PEM or DER; CertificateError when there is not one."""
    found = read_all(data)
    if len(found) != 1:
        raise CertificateError(f"the file holds {len(found)} certificates: give one")
    return found[0]


def read_all(data: bytes) -> tuple[SigningCertificate, ...]:
    """Every certificate of a file, at least one; CertificateError when it holds none."""
    blocks = _PEM_BLOCK.findall(data)
    if not blocks:
        if b"-----BEGIN " in data:
            label = data.split(b"-----BEGIN ", 1)[1].split(b"-----", 1)[0]
            shown = label.decode("ascii", "replace")[:40]
            raise CertificateError(f"the file holds no certificate but {shown!r}")
        return (read_der(data),)
    try:
        ders = [
            x509.load_pem_x509_certificate(block).public_bytes(serialization.Encoding.DER)
            for block in blocks
        ]
    except ValueError:
        raise CertificateError("a certificate in the PEM file is damaged") from None
    return tuple(read_der(der) for der in ders)


@lru_cache(maxsize=512)  # registered certificates and anchors are read again for every FS
def read_der(der: bytes) -> SigningCertificate:
    """A certificate from its DER; CertificateError when it is none or its key is unknown."""
    if not der or len(der) > _MAX_BYTES:
        raise CertificateError("the file is empty or too large to be a certificate")
    try:
        return _facts(der)
    except _UNREADABLE:
        raise CertificateError("the file is no X.509 certificate, in PEM or DER") from None
    except UnsupportedAlgorithm:
        raise CertificateError("the certificate's key is of a kind that cannot be used") from None


def _facts(der: bytes) -> SigningCertificate:
    issuer_name = _issuer_name(der)
    loaded = x509.load_der_x509_certificate(der)
    extensions = loaded.extensions
    kind, size, curve = _key(loaded)
    constraints = among(extensions, x509.BasicConstraints)
    identifier = among(extensions, x509.SubjectKeyIdentifier)
    return SigningCertificate(
        der,
        name_in_words(loaded.subject),
        name_in_words(loaded.issuer),
        issuer_name,
        loaded.serial_number,
        None if identifier is None else identifier.digest,
        loaded.not_valid_before_utc,
        loaded.not_valid_after_utc,
        _usages(among(extensions, x509.KeyUsage)),
        constraints is not None and constraints.ca,
        frozenset(e.oid.dotted_string for e in extensions if e.critical),
        kind,
        size,
        curve,
        loaded.fingerprint(hashes.SHA256()).hex(),
        loaded,
    )


def extension(certificate: SigningCertificate, kind: type[_Extension]) -> _Extension | None:
    """The extension of this kind; None when there is none."""
    return among(certificate.loaded.extensions, kind)


def among(extensions: x509.Extensions, kind: type[_Extension]) -> _Extension | None:
    """The same of whatever has extensions: a list, or an entry of one."""
    try:
        return extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def _statement(element: Element) -> tuple[str, frozenset[str]]:
    """A QcStatement: its object identifier, and those that its information lists."""
    fields = Fields(element, "QCStatement")
    kind = object_identifier(fields.any("statementId"))
    information = fields.optional()
    if kind != _QC_TYPE or information is None:
        return kind, frozenset()
    return kind, frozenset(map(object_identifier, children(information)))


def _usages(extension: x509.KeyUsage | None) -> frozenset[str] | None:
    if extension is None:
        return None
    return frozenset(name for field_, name in _USAGES.items() if getattr(extension, field_))


def _key(loaded: x509.Certificate) -> tuple[KeyKind, int, str | None]:
    key = loaded.public_key()
    if isinstance(key, rsa.RSAPublicKey):
        bound = loaded.public_key_algorithm_oid.dotted_string == _RSASSA_PSS
        return KeyKind.RSA_PSS if bound else KeyKind.RSA, key.key_size, None
    if isinstance(key, ec.EllipticCurvePublicKey):
        return KeyKind.EC, key.key_size, key.curve.name
    return KeyKind.OTHER, 0, None


def _issuer_name(der: bytes) -> bytes:
    """The issuer as encoded: after the optional version, the serial number and the algorithm."""
    fields = children(only(children(read_element(der))[:1], "Certificate"))
    serial, _, issuer = fields[1:4] if fields and fields[0].context(0) else fields[:3]
    if integer(serial) <= 0:
        raise Malformed("The serial number is not positive (RFC 5280 4.1.2.2).")
    return issuer.encoded


def same_name(one: x509.Name, other: x509.Name) -> bool:
    """Equal as RFC 5280 7.1 compares: without case, white space and the kind of string."""
    return one == other or comparable(one) == comparable(other)


ComparableName = tuple[frozenset[tuple[str, str | bytes]], ...]


@lru_cache(maxsize=4096)
def comparable(name: x509.Name) -> ComparableName:
    """The relative names of a Name, in order, as they compare (RFC 5280 7.1, RFC 4518)."""
    return tuple(
        frozenset((part.oid.dotted_string, _folded(part.value)) for part in relative)
        for relative in name.rdns
    )


def _folded(value: str | bytes) -> str | bytes:
    if isinstance(value, bytes):
        return value
    return " ".join(unicodedata.normalize("NFKC", value).casefold().split())


def name_in_words(name: x509.Name) -> str:
    """A Name for people: one printable line, bounded; an INSS (eID certificates) is masked."""
    return in_one_line(name.rfc4514_string())


def in_one_line(text: str) -> str:
    """A text out of a certificate for people: printable, bounded, an INSS in it masked."""
    printable = "".join(c if c.isprintable() else "?" for c in text)
    return _INSS.sub(lambda found: found[1] + "*" * 9, printable)[:300]
