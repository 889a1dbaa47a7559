"""Causes that lie in the certificate, the CA or the register: the FS itself is right.

What is wrong with an FS is in the corpus, ``fixtures/signatures``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from batch.signing.certificate import SigningCertificate, key_usage
from batch.signing.policy import SignaturePolicy
from batch.signing.revocation import Sources
from batch.signing.verdict import Cause
from batch.signing.verification import NO_SOURCES
from tests.unit.signing.craft import integer, recipe, seq, tlv
from tests.unit.signing.pki import AT, FI, Pki, common_name, registered
from tests.unit.signing.revocations import Line, ListRecipe, make_world


@dataclass(frozen=True)
class Case:
    """What ``begin`` is given, and the FI that follows."""

    fs: bytes
    certificates: Sequence[SigningCertificate]
    policy: SignaturePolicy
    fi: bytes = FI
    at: datetime = AT
    sources: Sources = NO_SOURCES

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
    return _signer_is(pki, pki.issued(key_usage=key_usage("key_encipherment")))


@defect(Cause.CRITICAL_EXTENSION, "of nobody knows what")
def critical_extension(pki: Pki) -> Case:
    odd = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00")
    return _signer_is(pki, pki.issued(extra=[(odd, True)]))


@defect(Cause.CERTIFICATE_REVOKED, "on the list of its CA")
def revoked_by_list(pki: Pki) -> Case:
    listed = ListRecipe(pki.ca_key, lines=[Line(pki.certificate.serial)]).der()
    return replace(_signer_is(pki, pki.certificate), sources=Sources((listed,)))


@defect(Cause.CERTIFICATE_REVOKED, "on hold")
def on_hold(pki: Pki) -> Case:
    hold = Line(pki.certificate.serial, reason=x509.ReasonFlags.certificate_hold)
    listed = ListRecipe(pki.ca_key, lines=[hold]).der()
    return replace(_signer_is(pki, pki.certificate), sources=Sources((listed,)))


@defect(Cause.CERTIFICATE_REVOKED, "says the responder of its CA")
def revoked_by_answer(pki: Pki) -> Case:
    answer = make_world(pki).revoked.but(issuer=pki.ca, responder=pki.ca)
    return replace(_signer_is(pki, pki.certificate), sources=Sources(ocsp=(answer.der(),)))


def _issuer_listed(pki: Pki, **odd: object) -> Case:
    """The CA stands under a root that lists it; the signer's certificate itself is good."""
    world = make_world(pki)
    listed = world.root_crl.but(lines=[Line(world.ca.serial)], **odd).der()
    policy = SignaturePolicy((world.root,), intermediates=(world.ca,))
    sources = Sources((world.crl.der(), listed))
    return replace(_signer_is(pki, pki.certificate), policy=policy, sources=sources)


@defect(Cause.ISSUER_REVOKED, "on the list of the root")
def issuer_revoked(pki: Pki) -> Case:
    return _issuer_listed(pki)


@defect(Cause.ISSUER_REVOKED, "on a list of the root that has ended")
def issuer_revoked_before(pki: Pki) -> Case:
    return _issuer_listed(pki, made=AT - timedelta(days=9), ends=AT - timedelta(hours=1))


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
        "key_usage": key_usage("key_cert_sign"),
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
    return _under(pki, key_usage=key_usage("digital_signature"))


@defect(Cause.ISSUER_NOT_VALID, "expired")
def issuer_expired(pki: Pki) -> Case:
    return _under(pki, not_after=AT - timedelta(seconds=1))


@defect(Cause.CRITICAL_EXTENSION, "of nobody knows what, in the CA's certificate")
def issuer_with_critical_extension(pki: Pki) -> Case:
    odd = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00")
    return _under(pki, extra=[(odd, True)])


@defect(Cause.ISSUER_KEY, "RSA 1024")
def issuer_with_weak_key(pki: Pki) -> Case:
    name = common_name("Odd CA")
    case = _under(pki, key=pki.weak_key)
    leaf = pki.issued(issuer=name, issuer_key=pki.weak_key)
    return Case(_signer_is(pki, leaf).fs, [leaf], case.policy)


@defect(Cause.NAME_CONSTRAINTS, "another name permitted")
def issuer_permits_others(pki: Pki) -> Case:
    other = x509.DirectoryName(common_name("Garage Dupont"))
    return _under(pki, extra=[(x509.NameConstraints([other], None), True)])


@defect(Cause.NAME_CONSTRAINTS, "this name excluded")
def issuer_excludes(pki: Pki) -> Case:
    own = x509.DirectoryName(common_name("BAKKERIJ  Peeters"))
    return _under(pki, extra=[(x509.NameConstraints(None, [own]), True)])


@defect(Cause.CERTIFICATE_POLICY, "one wanted, none given")
def issuer_wants_a_policy(pki: Pki) -> Case:
    wanted = x509.PolicyConstraints(require_explicit_policy=0, inhibit_policy_mapping=None)
    return _under(pki, extra=[(wanted, True)])


@defect(Cause.PATH_LENGTH, "a CA below one that allows none")
def path_too_long(pki: Pki) -> Case:
    upper, lower = common_name("Odd CA"), common_name("Lower CA")
    none_below = x509.BasicConstraints(ca=True, path_length=0)
    sign = key_usage("key_cert_sign")
    odd = {"subject": upper, "issuer": upper, "key": pki.ca_key, "key_usage": sign}
    anchor = pki.issued(**odd, extra=[(none_below, True)])
    between = pki.issued(subject=lower, issuer=upper, key=pki.ec_key, key_usage=sign, ca=True)
    leaf = pki.issued(issuer=lower, issuer_key=pki.ec_key)
    policy = SignaturePolicy((anchor,), intermediates=(between,))
    return Case(_signer_is(pki, leaf).fs, [leaf], policy)


@defect(Cause.NOT_QUALIFIED, "no statements, and they are wanted")
def not_qualified(pki: Pki) -> Case:
    policy = SignaturePolicy((pki.ca,), qualified=True)
    return Case(recipe(pki).fs(), [pki.certificate], policy)
