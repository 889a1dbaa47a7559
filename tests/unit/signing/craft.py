"""SignedData put together byte by byte, with the certificates of the PKI in memory.

The parts are those of the corpus: ``fixtures.corpus.der`` and ``fixtures.corpus.recipe``.
"""

from __future__ import annotations

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding

from fixtures.corpus.der import (
    CONTENT_TYPE,
    DATA,
    DIGEST_OIDS,
    ECDSA_SHA256,
    MESSAGE_DIGEST,
    MGF1,
    NULL,
    RSA_ENCRYPTION,
    RSASSA_PSS,
    SIGNED_DATA,
    SIGNING_TIME,
    algorithm,
    attribute,
    indefinite,
    integer,
    oid,
    pss_algorithm,
    seq,
    set_of,
    tlv,
)
from fixtures.corpus.recipe import HASHES, Recipe, attributes_of, plain_set
from tests.unit.signing.pki import Key, Pki

__all__ = [
    "CONTENT_TYPE",
    "DATA",
    "DIGEST_OIDS",
    "ECDSA_SHA256",
    "HASHES",
    "MESSAGE_DIGEST",
    "MGF1",
    "NULL",
    "RSASSA_PSS",
    "RSA_ENCRYPTION",
    "SIGNED_DATA",
    "SIGNING_TIME",
    "Recipe",
    "algorithm",
    "attribute",
    "attributes_of",
    "certificate_v1",
    "ec_recipe",
    "indefinite",
    "integer",
    "oid",
    "plain_set",
    "pss_algorithm",
    "recipe",
    "seq",
    "set_of",
    "tlv",
]


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
