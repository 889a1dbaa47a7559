"""One case per cause: an FS, everything else right, that must be refused for that cause alone."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from batch.signing.certificate import SigningCertificate
from batch.signing.encoding import encode
from batch.signing.policy import SignaturePolicy
from batch.signing.verdict import Cause
from tests.unit.signing.changes import DER_CHANGES, FS_CHANGES, RECIPE_CHANGES
from tests.unit.signing.craft import (
    Recipe,
    integer,
    oid,
    recipe,
    seq,
    tlv,
)
from tests.unit.signing.pki import AT, FI, Pki, common_name, registered, usage


@dataclass(frozen=True)
class Case:
    """What ``begin`` is given, and the FI that follows."""

    fs: bytes
    certificates: Sequence[SigningCertificate]
    policy: SignaturePolicy
    fi: bytes = FI
    at: datetime = AT

    @property
    def registered(self) -> Sequence[object]:
        return registered(*self.certificates)


Maker = Callable[[Pki], Case]
CASES: list[tuple[Cause, str, Maker]] = []


def defect(cause: Cause, name: str) -> Callable[[Maker], Maker]:
    def keep(maker: Maker) -> Maker:
        CASES.append((cause, name, maker))
        return maker

    return keep


def _from_fs(change: Callable[[bytes], bytes], pki: Pki) -> Case:
    return Case(change(recipe(pki).fs()), [pki.certificate], pki.policy)


def _from_der(change: Callable[[bytes], bytes], pki: Pki) -> Case:
    return Case(encode(change(recipe(pki).der())), [pki.certificate], pki.policy)


def _from_recipe(change: Callable[[Recipe], Recipe], pki: Pki) -> Case:
    return Case(change(recipe(pki)).fs(), [pki.certificate], pki.policy)


for _cause, _name, _fs_change in FS_CHANGES:
    CASES.append((_cause, _name, partial(_from_fs, _fs_change)))
for _cause, _name, _der_change in DER_CHANGES:
    CASES.append((_cause, _name, partial(_from_der, _der_change)))
for _cause, _name, _recipe_change in RECIPE_CHANGES:
    CASES.append((_cause, _name, partial(_from_recipe, _recipe_change)))


@defect(Cause.TOO_DEEP, "pieces of pieces")
def too_deep(pki: Pki) -> Case:
    """A signature value in pieces in pieces in pieces: BER allows it, no signer does it."""
    pieces = tlv(0x04, b"x")
    for _ in range(20):
        pieces = tlv(0x24, pieces)
    right = recipe(pki)
    signer = right.signer_info()
    value = tlv(0x04, signer[-256:])
    assert signer.endswith(value)
    deep = seq(signer[4 : -len(value)], pieces)
    inside = seq(*right.signed_data()[:-1], tlv(0x31, deep))
    der = seq(oid("1.2.840.113549.1.7.2"), tlv(0xA0, inside))
    return Case(base64.b64encode(der), [pki.certificate], pki.policy)


def _signer_is(pki: Pki, certificate: SigningCertificate, at: datetime = AT) -> Case:
    """A right FS by a registered certificate that itself is odd."""
    sid = seq(certificate.issuer_name, integer(certificate.serial))
    made = recipe(pki).but(sid=sid, certificates=(certificate.der,))
    return Case(made.fs(), [certificate], pki.policy, at=at)


@defect(Cause.NO_CERTIFICATE_REGISTERED, "none")
def none_registered(pki: Pki) -> Case:
    return Case(recipe(pki).fs(), [], pki.policy)


@defect(Cause.OTHER_CERTIFICATE, "embedded, same CA")
def other_certificate(pki: Pki) -> Case:
    return Case(recipe(pki).fs(), [pki.other], pki.policy)


@defect(Cause.OTHER_CERTIFICATE, "the registered one merely embedded")
def merely_embedded(pki: Pki) -> Case:
    sid = seq(pki.other.issuer_name, integer(pki.other.serial))
    made = recipe(pki).but(sid=sid, certificates=(pki.certificate.der, pki.other.der))
    return Case(made.fs(), [pki.certificate], pki.policy)


@defect(Cause.OTHER_CERTIFICATE, "right serial, other issuer")
def other_issuer(pki: Pki) -> Case:
    sid = seq(seq(), integer(pki.certificate.serial))
    return Case(recipe(pki).but(sid=sid).fs(), [pki.certificate], pki.policy)


@defect(Cause.OTHER_CERTIFICATE, "unknown key identifier")
def other_key_identifier(pki: Pki) -> Case:
    made = recipe(pki).but(version=3, signer_version=3, sid=tlv(0x80, b"k" * 20))
    return Case(made.fs(), [pki.certificate], pki.policy)


@defect(Cause.OTHER_CERTIFICATE, "negative serial")
def negative_serial(pki: Pki) -> Case:
    sid = seq(pki.certificate.issuer_name, integer(-pki.certificate.serial))
    return Case(recipe(pki).but(sid=sid).fs(), [pki.certificate], pki.policy)


@defect(Cause.SIGNATURE_WRONG, "other key under the registered name")
def other_key(pki: Pki) -> Case:
    """The registered certificate is named and embedded, another key signed."""
    return Case(recipe(pki).but(key=pki.weak_key).fs(), [pki.certificate], pki.policy)


@defect(Cause.CERTIFICATE_NOT_YET_VALID, "tomorrow")
def not_yet_valid(pki: Pki) -> Case:
    return _signer_is(pki, pki.certificate, at=pki.certificate.not_before - timedelta(seconds=1))


@defect(Cause.CERTIFICATE_EXPIRED, "a second ago")
def expired(pki: Pki) -> Case:
    return _signer_is(pki, pki.certificate, at=pki.certificate.not_after + timedelta(seconds=1))


@defect(Cause.KEY_NOT_ALLOWED, "RSA 1024")
def weak_key(pki: Pki) -> Case:
    return _signer_is(pki, pki.issued(key=pki.weak_key))


@defect(Cause.KEY_NOT_ALLOWED, "curve secp256k1")
def odd_curve(pki: Pki) -> Case:
    return _signer_is(pki, pki.issued(key=ec.generate_private_key(ec.SECP256K1())))


@defect(Cause.KEY_USAGE, "keyEncipherment only")
def encipherment_only(pki: Pki) -> Case:
    return _signer_is(pki, pki.issued(key_usage=usage("key_encipherment")))


@defect(Cause.CRITICAL_EXTENSION, "of nobody knows what")
def critical_extension(pki: Pki) -> Case:
    odd = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00")
    return _signer_is(pki, pki.issued(extra=[(odd, True)]))


@defect(Cause.ISSUER_UNKNOWN, "self-signed")
def self_signed(pki: Pki) -> Case:
    own = pki.issued(issuer=common_name("Bakkerij Peeters"), issuer_key=pki.rsa_key)
    return _signer_is(pki, own)


@defect(Cause.ISSUER_SIGNATURE, "same name as the CA, other key")
def false_ca(pki: Pki) -> Case:
    return _signer_is(pki, pki.issued(issuer_key=pki.ec_key))


def _under(pki: Pki, **odd: object) -> Case:
    """A right leaf under an odd CA that the operator trusts."""
    name = common_name("Odd CA")
    ca: dict[str, object] = {
        "subject": name,
        "issuer": name,
        "key": pki.ca_key,
        "ca": True,
        "key_usage": usage("key_cert_sign"),
    }
    anchor = pki.issued(**{**ca, **odd})
    case = _signer_is(pki, pki.issued(issuer=name))
    return Case(case.fs, case.certificates, SignaturePolicy((pki.ca, anchor)))


@defect(Cause.ISSUER_NOT_CA, "no basic constraints")
def issuer_without_constraints(pki: Pki) -> Case:
    return _under(pki, ca=None)


@defect(Cause.ISSUER_NOT_CA, "basic constraints false")
def issuer_is_leaf(pki: Pki) -> Case:
    return _under(pki, ca=False)


@defect(Cause.ISSUER_NOT_CA, "no keyCertSign")
def issuer_without_usage(pki: Pki) -> Case:
    return _under(pki, key_usage=usage("digital_signature"))


@defect(Cause.ISSUER_NOT_VALID, "expired")
def issuer_expired(pki: Pki) -> Case:
    return _under(pki, not_after=AT - timedelta(seconds=1))


@defect(Cause.CRITICAL_EXTENSION, "name constraints of the CA")
def issuer_constrained(pki: Pki) -> Case:
    constraints = x509.NameConstraints([x509.DNSName("be")], None)
    return _under(pki, extra=[(constraints, True)])
