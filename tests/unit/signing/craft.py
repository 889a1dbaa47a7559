"""SignedData put together byte by byte, so that any one thing in it can be wrong.

Written on its own, without the library that the project signs and reads with.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from tests.unit.signing.pki import AT, FI, Key, Pki

NULL = b"\x05\x00"
DIGEST_OIDS = {
    "md5": "1.2.840.113549.2.5",
    "sha1": "1.3.14.3.2.26",
    "sha256": "2.16.840.1.101.3.4.2.1",
    "sha384": "2.16.840.1.101.3.4.2.2",
    "sha512": "2.16.840.1.101.3.4.2.3",
}
HASHES: dict[str, hashes.HashAlgorithm] = {
    "md5": hashes.MD5(),
    "sha1": hashes.SHA1(),
    "sha256": hashes.SHA256(),
    "sha384": hashes.SHA384(),
    "sha512": hashes.SHA512(),
}
RSA_ENCRYPTION = "1.2.840.113549.1.1.1"
RSASSA_PSS = "1.2.840.113549.1.1.10"
MGF1 = "1.2.840.113549.1.1.8"
ECDSA_SHA256 = "1.2.840.10045.4.3.2"
DATA = "1.2.840.113549.1.7.1"
SIGNED_DATA = "1.2.840.113549.1.7.2"
CONTENT_TYPE = "1.2.840.113549.1.9.3"
MESSAGE_DIGEST = "1.2.840.113549.1.9.4"
SIGNING_TIME = "1.2.840.113549.1.9.5"


def tlv(tag: int, *contents: bytes) -> bytes:
    """One DER element with a one-byte tag."""
    body = b"".join(contents)
    if len(body) < 128:
        return bytes([tag, len(body)]) + body
    size = len(body).to_bytes((len(body).bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(size)]) + size + body


def indefinite(tag: int, *contents: bytes) -> bytes:
    """One BER element of indefinite length."""
    return bytes([tag, 0x80]) + b"".join(contents) + b"\x00\x00"


def seq(*contents: bytes) -> bytes:
    return tlv(0x30, *contents)


def set_of(*members: bytes) -> bytes:
    return tlv(0x31, *sorted(members))


def integer(value: int) -> bytes:
    return tlv(0x02, value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True))


def oid(dotted: str) -> bytes:
    first, second, *rest = (int(arc) for arc in dotted.split("."))
    body = b""
    for arc in (40 * first + second, *rest):
        septets = [arc & 0x7F]
        while arc := arc >> 7:
            septets.insert(0, 0x80 | (arc & 0x7F))
        body += bytes(septets)
    return tlv(0x06, body)


def algorithm(dotted: str, parameters: bytes = b"") -> bytes:
    return seq(oid(dotted), parameters)


def attribute(kind: str, *values: bytes) -> bytes:
    return seq(oid(kind), set_of(*values))


def pss_algorithm(digest: str, salt: int, mask: str | None = None, more: bytes = b"") -> bytes:
    over = algorithm(DIGEST_OIDS[digest])
    under = algorithm(DIGEST_OIDS[mask or digest])
    return algorithm(
        RSASSA_PSS,
        seq(
            tlv(0xA0, over),
            tlv(0xA1, algorithm(MGF1, under)),
            tlv(0xA2, integer(salt)),
            more,
        ),
    )


def attributes_of(fi: bytes, digest: str = "sha256") -> tuple[bytes, ...]:
    """Content-type, message-digest, signing-time: what every signer sends."""
    time = (AT - timedelta(hours=1)).strftime("%y%m%d%H%M%SZ").encode()
    return (
        attribute(CONTENT_TYPE, oid(DATA)),
        attribute(SIGNING_TIME, tlv(0x17, time)),
        attribute(MESSAGE_DIGEST, tlv(0x04, hashlib.new(digest, fi).digest())),
    )


def plain_set(attributes: tuple[bytes, ...]) -> bytes:
    return set_of(*attributes)


@dataclass(frozen=True)
class Recipe:
    """Everything in a SignedData; the defaults are right, ``replace`` makes one thing wrong."""

    key: Key
    sid: bytes
    certificates: tuple[bytes, ...]
    digest: str = "sha256"
    digest_algorithm: bytes = b""
    announced: tuple[bytes, ...] | None = None
    signature_algorithm: bytes = b""
    pss_salt: int | None = None
    attributes: tuple[bytes, ...] | None = attributes_of(FI)
    arrange: Callable[[tuple[bytes, ...]], bytes] = plain_set
    unsigned: bytes = b""
    version: int = 1
    signer_version: int = 1
    content_type: str = DATA
    content: bytes = b""
    crls: bytes = b""
    signers: int = 1
    outer_type: str = SIGNED_DATA
    damage: bytes | None = None

    def but(self, **odd: object) -> Recipe:
        return replace(self, **odd)  # type: ignore[arg-type]

    def _algorithms(self) -> tuple[bytes, bytes]:
        digest = self.digest_algorithm or algorithm(DIGEST_OIDS[self.digest], NULL)
        if self.signature_algorithm:
            return digest, self.signature_algorithm
        if isinstance(self.key, rsa.RSAPrivateKey):
            return digest, algorithm(RSA_ENCRYPTION, NULL)
        return digest, algorithm(ECDSA_SHA256)

    def _sign(self, over: bytes) -> bytes:
        if self.damage is not None:
            return self.damage
        digest = HASHES[self.digest]
        if isinstance(self.key, ec.EllipticCurvePrivateKey):
            return self.key.sign(over, ec.ECDSA(digest))
        if self.pss_salt is not None:
            return self.key.sign(over, padding.PSS(padding.MGF1(digest), self.pss_salt), digest)
        return self.key.sign(over, padding.PKCS1v15(), digest)

    def signer_info(self) -> bytes:
        digest, signature = self._algorithms()
        signed, over = b"", FI
        if self.attributes is not None:
            over = self.arrange(self.attributes)
            signed = b"\xa0" + over[1:]
        return seq(
            integer(self.signer_version),
            self.sid,
            digest,
            signed,
            signature,
            tlv(0x04, self._sign(over)),
            self.unsigned,
        )

    def signed_data(self) -> tuple[bytes, ...]:
        announced = (self._algorithms()[0],) if self.announced is None else self.announced
        certificates = tlv(0xA0, *self.certificates) if self.certificates else b""
        return (
            integer(self.version),
            set_of(*announced),
            seq(oid(self.content_type), self.content),
            certificates,
            self.crls,
            set_of(*[self.signer_info()] * self.signers),
        )

    def der(self) -> bytes:
        return seq(oid(self.outer_type), tlv(0xA0, seq(*self.signed_data())))

    def ber(self) -> bytes:
        """The same with indefinite lengths outside, as ``openssl cms -stream`` writes it."""
        inside = indefinite(0x30, *self.signed_data())
        return indefinite(0x30, oid(self.outer_type), indefinite(0xA0, inside))

    def fs(self) -> bytes:
        return base64.b64encode(self.der())


def recipe(pki: Pki) -> Recipe:
    """A right SignedData over FI by the employer's RSA key."""
    certificate = pki.certificate
    sid = seq(certificate.issuer_name, integer(certificate.serial))
    return Recipe(pki.rsa_key, sid, (certificate.der,))


def ec_recipe(pki: Pki) -> Recipe:
    certificate = pki.ec_certificate
    sid = seq(certificate.issuer_name, integer(certificate.serial))
    return Recipe(pki.ec_key, sid, (certificate.der,))


def certificate_v1(signer: Key, name: bytes, key: Key, digest: str = "sha256") -> bytes:
    """An X.509 v1 certificate, serial 77, year 2026, DER: no extensions at all."""
    ecdsa = isinstance(signer, ec.EllipticCurvePrivateKey)
    with_rsa = {"sha256": "1.2.840.113549.1.1.11", "sha1": "1.2.840.113549.1.1.5"}
    scheme = algorithm(ECDSA_SHA256) if ecdsa else algorithm(with_rsa[digest], NULL)
    spki = key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    times = seq(tlv(0x17, b"260101000000Z"), tlv(0x17, b"270101000000Z"))
    tbs = seq(integer(77), scheme, name, times, seq(), spki)
    if isinstance(signer, ec.EllipticCurvePrivateKey):
        value = signer.sign(tbs, ec.ECDSA(HASHES[digest]))
    else:
        value = signer.sign(tbs, padding.PKCS1v15(), HASHES[digest])
    return seq(tbs, scheme, tlv(3, b"\x00", value))
