"""Trust: never empty, never by name alone; used at registration and at every instant."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from batch.errors import OperatorError
from batch.signing.certificate import SigningCertificate, key_usage, read_der
from batch.signing.path import NotTrusted, Trusted, certification_path, judge_certificate
from batch.signing.policy import AdmittedKeys, NoTrust, SignaturePolicy
from batch.signing.verdict import Cause, NotSigned, Signed
from batch.signing.verification import Verifier, begin
from tests.unit.signing.craft import certificate_v1, integer, oid, recipe, seq
from tests.unit.signing.pki import AT, FI, Pki, common_name, registered


def path(
    leaf: SigningCertificate, trust: Sequence[SigningCertificate], at: datetime
) -> Trusted | NotTrusted:
    return certification_path(leaf, SignaturePolicy(tuple(trust)), at)


def test_an_empty_trust_is_an_error() -> None:
    with pytest.raises(NoTrust):
        SignaturePolicy(())
    with pytest.raises(OperatorError):
        SignaturePolicy.trusting([])


def test_a_certificate_of_a_trusted_ca_is_trusted(pki: Pki) -> None:
    policy = SignaturePolicy.trusting([pki.other.der, pki.ca.der])
    found = judge_certificate(pki.certificate, policy, AT)
    assert found == Trusted((pki.certificate, pki.ca))


def test_a_certificate_in_the_trust_is_trusted_by_itself(pki: Pki) -> None:
    own = pki.issued(issuer=common_name("Bakkerij Peeters"), issuer_key=pki.rsa_key)
    assert path(own, [own], AT) == Trusted((own,))
    twin = pki.issued(issuer=common_name("Bakkerij Peeters"), issuer_key=pki.rsa_key)
    assert isinstance(path(twin, [own], AT), NotTrusted)


def below(pki: Pki) -> tuple[SigningCertificate, SigningCertificate]:
    """A signer's certificate under an intermediate CA of the trusted one."""
    name, key = common_name("Intermediate CA"), pki.ec_key
    middle = pki.issued(subject=name, key=key, ca=True, key_usage=key_usage("key_cert_sign"))
    return pki.issued(issuer=name, issuer_key=key), middle


def test_an_intermediate_must_be_known_or_come_along(pki: Pki) -> None:
    leaf, middle = below(pki)
    refused = path(leaf, [pki.ca], AT)
    assert isinstance(refused, NotTrusted)
    assert refused.cause is Cause.ISSUER_UNKNOWN
    whole = Trusted((leaf, middle, pki.ca))
    known = SignaturePolicy((pki.ca,), intermediates=(middle,))
    assert certification_path(leaf, known, AT) == whole
    assert certification_path(leaf, pki.policy, AT, [pki.other, middle]) == whole
    assert path(leaf, [pki.ca, middle], AT) == Trusted((leaf, middle))


def test_an_intermediate_vouches_for_nobody_by_itself(pki: Pki) -> None:
    leaf, middle = below(pki)
    elsewhere = pki.issued(
        subject=common_name("Other"), issuer=common_name("Other"), issuer_key=pki.rsa_key, ca=True
    )
    policy = SignaturePolicy((elsewhere,), intermediates=(middle, pki.ca))
    refused = certification_path(leaf, policy, AT, [middle, pki.ca])
    assert isinstance(refused, NotTrusted)
    assert refused.cause is Cause.ISSUER_UNKNOWN


def test_an_intermediate_in_the_fs_helps_and_the_signer_is_still_the_registered_one(
    pki: Pki,
) -> None:
    leaf, middle = below(pki)
    sid = seq(leaf.issuer_name, integer(leaf.serial))
    made = recipe(pki).but(sid=sid, certificates=(leaf.der, middle.der))
    begun = begin(made.fs(), registered(leaf), pki.policy, AT)
    assert isinstance(begun, Verifier)
    begun.update(FI)
    found = begun.finish()
    assert isinstance(found, Signed)
    assert found.chain == (leaf.der, middle.der, pki.ca.der)
    refused = begin(made.fs(), registered(pki.certificate), pki.policy, AT)
    assert isinstance(refused, NotSigned)
    assert refused.cause is Cause.OTHER_CERTIFICATE


@pytest.mark.parametrize("many", [4, 12])
def test_cas_that_certify_one_another_in_every_way_cost_little(pki: Pki, many: int) -> None:
    """Each has a certificate by each of the others, and none of them by the trusted one."""
    keys = [ec.generate_private_key(ec.SECP256R1()) for _ in range(many)]
    named = [(common_name(f"CA {number}"), key) for number, key in enumerate(keys)]
    circle = [
        pki.issued(subject=one, key=mine, issuer=other, issuer_key=its, ca=True)
        for one, mine in named
        for other, its in named
    ]
    leaf = pki.issued(issuer=named[0][0], issuer_key=named[0][1])
    start = time.process_time()
    refused = certification_path(leaf, pki.policy, AT, circle)
    assert isinstance(refused, NotTrusted)
    assert refused.cause is Cause.ISSUER_UNKNOWN
    assert time.process_time() - start < 2.0  # without a bound it does not end


QC_STATEMENTS = x509.ObjectIdentifier("1.3.6.1.5.5.7.1.3")
COMPLIANCE = seq(oid("0.4.0.1862.1.1"))


def qc_type(*kinds: int) -> bytes:
    return seq(oid("0.4.0.1862.1.6"), seq(*(oid(f"0.4.0.1862.1.6.{kind}") for kind in kinds)))


@pytest.mark.parametrize(
    ("statements", "qualified"),
    [
        (None, False),
        (seq(), False),
        (seq(COMPLIANCE), True),
        (seq(COMPLIANCE, qc_type(1)), True),
        (seq(COMPLIANCE, qc_type(2)), True),
        (seq(COMPLIANCE, qc_type(3)), False),
        (seq(COMPLIANCE, qc_type(3, 1)), True),
        (seq(qc_type(1)), False),
        (b"\x05\x00", False),
        (b"\x30\x80", False),
    ],
)
def test_qualified_is_what_its_statements_say(
    pki: Pki, statements: bytes | None, qualified: bool
) -> None:
    extra = [(x509.UnrecognizedExtension(QC_STATEMENTS, statements), False)] if statements else []
    leaf = pki.issued(extra=extra)
    policy = SignaturePolicy((pki.ca,), qualified=True)
    found = judge_certificate(leaf, policy, AT)
    assert isinstance(found, Trusted) is qualified
    if isinstance(found, NotTrusted):
        assert found.cause is Cause.NOT_QUALIFIED


def test_of_two_cas_with_one_name_the_one_that_signed_is_found(pki: Pki) -> None:
    """A CA renewed with a new key keeps its name."""
    name = common_name("Test CA")
    twin = pki.issued(subject=name, issuer_key=pki.ec_key, key=pki.ec_key, ca=True, key_usage=None)
    for trust in ([twin, pki.ca], [pki.ca, twin]):
        assert path(pki.certificate, trust, AT) == Trusted((pki.certificate, pki.ca))


def test_validity_includes_both_ends(pki: Pki) -> None:
    leaf = pki.certificate
    second = timedelta(seconds=1)
    anchored = [leaf]
    assert isinstance(path(leaf, anchored, leaf.not_before), Trusted)
    assert isinstance(path(leaf, anchored, leaf.not_after), Trusted)
    assert isinstance(path(leaf, anchored, leaf.not_before - second), NotTrusted)
    assert isinstance(path(leaf, anchored, leaf.not_after + second), NotTrusted)


def test_a_certificate_signed_with_sha1_by_its_ca_is_refused(pki: Pki) -> None:
    name = common_name("Old CA")
    usages = key_usage("key_cert_sign")
    anchor = pki.issued(
        subject=name, issuer=name, issuer_key=pki.rsa_key, ca=True, key_usage=usages
    )
    found = []
    for digest in ("sha256", "sha1"):
        leaf = read_der(certificate_v1(pki.rsa_key, name.public_bytes(), pki.ec_key, digest))
        found.append(path(leaf, [anchor], AT))
    assert isinstance(found[0], Trusted)
    assert isinstance(found[1], NotTrusted)
    assert found[1].cause is Cause.ISSUER_SIGNATURE
    assert "sha1" in found[1].words


def test_a_certificate_signed_by_an_algorithm_nobody_knows_is_refused(pki: Pki) -> None:
    known, unknown = bytes.fromhex("06082a8648ce3d040302"), bytes.fromhex("06082a8648ce3d040309")
    leaf = read_der(pki.certificate.der.replace(known, unknown))
    assert leaf.der != pki.certificate.der
    refused = path(leaf, [pki.ca], AT)
    assert isinstance(refused, NotTrusted)
    assert refused.cause is Cause.ISSUER_SIGNATURE
    assert "1.2.840.10045.4.3.9" in refused.words


def test_key_rules_are_a_value(pki: Pki) -> None:
    assert AdmittedKeys().refusal(pki.certificate) is None
    assert AdmittedKeys(rsa_bits=3072).refusal(pki.certificate) is not None
    assert AdmittedKeys(curves=frozenset()).refusal(pki.ec_certificate) is not None


@pytest.mark.parametrize("name", ["digital_signature", "content_commitment"])
def test_either_signing_usage_is_enough(pki: Pki, name: str) -> None:
    leaf = pki.issued(key_usage=key_usage(name, "key_encipherment"))
    assert isinstance(judge_certificate(leaf, pki.policy, AT), Trusted)


def test_a_key_that_is_dear_to_ask_is_not_asked_when_only_the_fs_brings_it(pki: Pki) -> None:
    """An RSA exponent as long as the modulus: a signature takes milliseconds instead of 0.03."""
    plain = pki.rsa_key.private_numbers()
    p, q, d = plain.p, plain.q, 65537  # the two exponents change places
    e = pow(d, -1, (p - 1) * (q - 1))
    public = rsa.RSAPublicNumbers(e, p * q)
    dear = rsa.RSAPrivateNumbers(p, q, d, d % (p - 1), d % (q - 1), plain.iqmp, public)
    key, name = dear.private_key(), common_name("Dear CA")
    middle = pki.issued(subject=name, key=key, ca=True, key_usage=key_usage("key_cert_sign"))
    leaf = pki.issued(issuer=name, issuer_key=key)
    refused = certification_path(leaf, pki.policy, AT, [middle])
    assert isinstance(refused, NotTrusted)
    assert refused.cause is Cause.ISSUER_UNKNOWN
    known = SignaturePolicy((pki.ca,), intermediates=(middle,))
    assert certification_path(leaf, known, AT) == Trusted((leaf, middle, pki.ca))
