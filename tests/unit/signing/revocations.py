"""Revocation lists and OCSP answers, right but for what a test makes odd."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID

from batch.signing.certificate import SigningCertificate, key_usage
from batch.signing.revocation import Sources
from tests.unit.signing.craft import (
    DIGEST_OIDS,
    ECDSA_SHA256,
    HASHES,
    NULL,
    integer,
    oid,
    pss_algorithm,
    seq,
    tlv,
)
from tests.unit.signing.pki import AT, Key, Pki, Template, common_name

DAY, SECOND = timedelta(days=1), timedelta(seconds=1)
ROOT, CA, OTHER_CA = common_name("Root"), common_name("Test CA"), common_name("Other CA")
LIST_URL = "http://crl.example/ca.crl"
RESPONDER_URL = "http://ocsp.example/"
Extension = tuple[x509.ExtensionType, bool]
ECDSA_SHA1 = "1.2.840.10045.4.1"
DER = serialization.Encoding.DER
R = x509.ReasonFlags
ORDER = ["sha224", "sha256", "sha384", "sha512", "sha1"]  # of the last arc of ECDSA with each
PSS = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
SIGNED_OVER = {**HASHES, "sha224": hashes.SHA224()}


def uri(text: str) -> list[x509.GeneralName]:
    return [x509.UniformResourceIdentifier(text)]


def directory(name: x509.Name) -> list[x509.GeneralName]:
    return [x509.DirectoryName(name)]


def point(
    *urls: str,
    crl_issuer: x509.Name | None = None,
    reasons: frozenset[x509.ReasonFlags] | None = None,
    relative: x509.RelativeDistinguishedName | None = None,
) -> x509.DistributionPoint:
    names = [name for url in urls for name in uri(url)] or None
    issuer = directory(crl_issuer) if crl_issuer else None
    return x509.DistributionPoint(names, relative, reasons, issuer)


def scope(**odd: object) -> Extension:
    plain: dict[str, object] = {
        "full_name": None,
        "relative_name": None,
        "only_contains_user_certs": False,
        "only_contains_ca_certs": False,
        "only_some_reasons": None,
        "indirect_crl": False,
        "only_contains_attribute_certs": False,
    }
    return x509.IssuingDistributionPoint(**{**plain, **odd}), True  # type: ignore[arg-type]


@dataclass(frozen=True)
class Line:
    """An entry of a list; ``later`` from the instant."""

    serial: int
    later: timedelta = -DAY
    reason: x509.ReasonFlags | None = x509.ReasonFlags.key_compromise
    extra: Sequence[Extension] = ()

    def built(self) -> x509.RevokedCertificate:
        builder = x509.RevokedCertificateBuilder().serial_number(self.serial)
        builder = builder.revocation_date(AT + self.later)
        if self.reason is not None:
            builder = builder.add_extension(x509.CRLReason(self.reason), critical=False)
        for extension, critical in self.extra:
            builder = builder.add_extension(extension, critical)
        return builder.build()


@dataclass(frozen=True)
class ListRecipe:
    """A list to be signed; every field may be made odd."""

    key: Key
    issuer: x509.Name = CA
    made: datetime = AT - DAY
    ends: datetime = AT + DAY
    lines: Sequence[Line] = ()
    extensions: Sequence[Extension] = ()
    pss: padding.PSS | None = None

    def but(self, **odd: object) -> ListRecipe:
        return replace(self, **odd)  # type: ignore[arg-type]

    def der(self) -> bytes:
        builder = x509.CertificateRevocationListBuilder().issuer_name(self.issuer)
        builder = builder.last_update(self.made).next_update(self.ends)
        for line in self.lines:
            builder = builder.add_revoked_certificate(line.built())
        for extension, critical in self.extensions:
            builder = builder.add_extension(extension, critical)
        return builder.sign(self.key, hashes.SHA256(), rsa_padding=self.pss).public_bytes(DER)

    def by_hand(self, digest: hashes.HashAlgorithm | None = None) -> bytes:
        """In version 1, without nextUpdate, by any digest: cryptography makes no such list."""
        assert isinstance(self.key, ec.EllipticCurvePrivateKey)
        made = tlv(0x17, self.made.strftime("%y%m%d%H%M%SZ").encode())
        lines = [
            seq(
                integer(line.serial),
                tlv(0x17, (AT + line.later).strftime("%y%m%d%H%M%SZ").encode()),
            )
            for line in self.lines
        ]
        named = seq(oid(ECDSA_SHA1 if isinstance(digest, hashes.SHA1) else ECDSA_SHA256))
        inside = seq(named, self.issuer.public_bytes(), made, *([seq(*lines)] if lines else []))
        signature = self.key.sign(inside, ec.ECDSA(digest or hashes.SHA256()))
        return seq(inside, named, tlv(0x03, b"\x00", signature))


@dataclass(frozen=True)
class AnswerRecipe:
    """An OCSP answer to be signed; every field may be made odd. Put together by hand."""

    certificate: SigningCertificate
    issuer: SigningCertificate
    key: Key
    responder: SigningCertificate
    delegated: bool = False
    status: ocsp.OCSPCertStatus = ocsp.OCSPCertStatus.GOOD
    made: datetime = AT - timedelta(hours=2)
    ends: datetime | None = AT + DAY
    since: datetime | None = None
    reason: x509.ReasonFlags | None = None
    cert_id: str = "sha1"
    digest: str = "sha256"
    by_name: bool = False
    called: SigningCertificate | None = None
    extensions: Sequence[Extension] = ()
    of_single: Sequence[Extension] = ()
    others: Sequence[AnswerRecipe] = ()

    def but(self, **odd: object) -> AnswerRecipe:
        return replace(self, **odd)  # type: ignore[arg-type]

    def der(self) -> bytes:
        """RFC 6960 4.2.1, from the inside out."""
        called = self.called or self.responder
        who = (
            tlv(0xA1, called.loaded.subject.public_bytes())
            if self.by_name
            else tlv(0xA2, tlv(0x04, hashlib.sha1(key_bits(called)).digest()))
        )
        singles = seq(self.single(), *(other.single() for other in self.others))
        data = seq(who, instant(self.made), singles, *encoded(self.extensions))
        return response(self.key, self.digest, data, [self.responder.der] * self.delegated)

    def single(self) -> bytes:
        over = (self.certificate.issuer_name, key_bits(self.issuer))
        named = seq(oid(DIGEST_OIDS[self.cert_id]), NULL)
        found = [tlv(0x04, hashlib.new(self.cert_id, one).digest()) for one in over]
        cert_id = seq(named, *found, integer(self.certificate.serial))
        ends = [tlv(0xA0, instant(self.ends))] if self.ends else []
        return seq(cert_id, self.verdict(), instant(self.made), *ends, *encoded(self.of_single))

    def verdict(self) -> bytes:
        if self.status is ocsp.OCSPCertStatus.GOOD:
            return tlv(0x80)
        if self.status is ocsp.OCSPCertStatus.UNKNOWN:
            return tlv(0x82)
        assert self.since is not None
        codes = {R.key_compromise: b"\x01", R.certificate_hold: b"\x06"}
        why = [tlv(0xA0, tlv(0x0A, codes[self.reason]))] if self.reason else []
        return tlv(0xA1, instant(self.since), *why)


def response(key: Key, digest: str, data: bytes, certificates: Sequence[bytes] = ()) -> bytes:
    """An OCSPResponse with these ResponseData, whatever they are."""
    named, signature = signed_with(key, digest, data)
    embedded = [tlv(0xA0, seq(*certificates))] if certificates else []
    basic = seq(data, named, tlv(0x03, b"\x00", signature), *embedded)
    inside = seq(oid("1.3.6.1.5.5.7.48.1.1"), tlv(0x04, basic))
    return seq(tlv(0x0A, b"\x00"), tlv(0xA0, inside))


def instant(at: datetime) -> bytes:
    return tlv(0x18, at.strftime("%Y%m%d%H%M%SZ").encode())


def encoded(extensions: Sequence[Extension]) -> list[bytes]:
    """Extensions under [1], where there are any."""
    members = [
        seq(
            oid(value.oid.dotted_string),
            *([tlv(0x01, b"\xff")] if critical else []),
            tlv(0x04, value.public_bytes()),
        )
        for value, critical in extensions
    ]
    return [tlv(0xA1, seq(*members))] if members else []


def key_bits(certificate: SigningCertificate) -> bytes:
    """By asn1crypto, unlike the project."""
    info = asn1_x509.Certificate.load(certificate.der)["tbs_certificate"]["subject_public_key_info"]
    return bytes(info["public_key"].contents[1:])


def signed_with(key: Key, digest: str, data: bytes) -> tuple[bytes, bytes]:
    """The AlgorithmIdentifier, and the signature."""
    if isinstance(key, ec.EllipticCurvePrivateKey):
        named = seq(oid(f"1.2.840.10045.4.3.{ORDER.index(digest) + 1}"))
        return (
            seq(oid(ECDSA_SHA1)) if digest == "sha1" else named,
            key.sign(data, ec.ECDSA(SIGNED_OVER[digest])),
        )
    if digest == "pss":
        return pss_algorithm("sha256", 32), key.sign(data, PSS, hashes.SHA256())
    signature = key.sign(data, padding.PKCS1v15(), SIGNED_OVER[digest])
    return seq(oid("1.2.840.113549.1.1.11"), NULL), signature


@dataclass(frozen=True)
class World:
    """A root, a CA under it, an employer's certificate, and keys to go wrong with."""

    pki: Pki
    root_key: ec.EllipticCurvePrivateKey
    root: SigningCertificate
    ca: SigningCertificate
    leaf: SigningCertificate
    named: SigningCertificate
    root_list: bytes

    @property
    def chain(self) -> list[SigningCertificate]:
        return [self.leaf, self.ca, self.root]

    @property
    def crl(self) -> ListRecipe:
        return ListRecipe(self.pki.ca_key)

    @property
    def root_crl(self) -> ListRecipe:
        return ListRecipe(self.root_key, issuer=ROOT)

    @property
    def line(self) -> Line:
        return Line(self.leaf.serial)

    @property
    def answer(self) -> AnswerRecipe:
        return AnswerRecipe(self.leaf, self.ca, self.pki.ca_key, self.ca)

    @property
    def revoked(self) -> AnswerRecipe:
        status = ocsp.OCSPCertStatus.REVOKED
        return self.answer.but(
            status=status, since=AT - DAY, reason=x509.ReasonFlags.key_compromise
        )

    def with_points(self, *points: x509.DistributionPoint, **odd: object) -> SigningCertificate:
        return self.pki.issued(extra=[(x509.CRLDistributionPoints(points), False)], **odd)

    def responder(self, **odd: object) -> SigningCertificate:
        purpose = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.OCSP_SIGNING])
        plain: dict[str, object] = {
            "subject": common_name("Responder"),
            "key": self.pki.ec_key,
            "key_usage": key_usage("digital_signature"),
            "extra": [(purpose, False), (x509.OCSPNoCheck(), False)],
        }
        return self.pki.issued(**{**plain, **odd})

    def delegated(self, **odd: object) -> AnswerRecipe:
        responder = self.responder(**odd)
        return self.answer.but(key=self.pki.ec_key, responder=responder, delegated=True)

    def sources(self, *crls: bytes, ocsp: Sequence[bytes] = ()) -> Sources:
        """What a test is about, and a right list of the root for the CA."""
        return Sources((*crls, self.root_list), tuple(ocsp))


def make_world(pki: Pki) -> World:
    root_key = ec.generate_private_key(ec.SECP256R1())
    signing = key_usage("key_cert_sign", "crl_sign")
    root = Template(ROOT, root_key, ROOT, root_key, key_usage=signing, ca=True).issue()
    ca = Template(CA, pki.ca_key, ROOT, root_key, key_usage=signing, ca=True).issue()
    access = x509.AuthorityInformationAccess(
        [x509.AccessDescription(AuthorityInformationAccessOID.OCSP, uri(RESPONDER_URL)[0])]
    )
    points = x509.CRLDistributionPoints([point(LIST_URL)])
    named = pki.issued(extra=[(points, False), (access, False)])
    root_list = ListRecipe(root_key, issuer=ROOT).der()
    return World(pki, root_key, root, ca, pki.certificate, named, root_list)
