"""Trust: never empty, never by name alone; used at registration and at every instant."""

from __future__ import annotations

from datetime import timedelta

import pytest

from batch.errors import OperatorError
from batch.signing.certificate import read_der
from batch.signing.path import NotTrusted, Trusted, certification_path, judge_certificate
from batch.signing.policy import AdmittedKeys, NoTrust, SignaturePolicy
from batch.signing.verdict import Cause
from tests.unit.signing.craft import certificate_v1
from tests.unit.signing.pki import AT, Pki, common_name, usage


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
    assert certification_path(own, [own], AT) == Trusted((own,))
    twin = pki.issued(issuer=common_name("Bakkerij Peeters"), issuer_key=pki.rsa_key)
    assert isinstance(certification_path(twin, [own], AT), NotTrusted)


def test_an_intermediate_must_be_in_the_trust(pki: Pki) -> None:
    name = common_name("Intermediate CA")
    key = pki.ec_key
    middle = pki.issued(subject=name, key=key, ca=True, key_usage=usage("key_cert_sign"))
    leaf = pki.issued(issuer=name, issuer_key=key)
    refused = certification_path(leaf, [pki.ca], AT)
    assert isinstance(refused, NotTrusted)
    assert refused.cause is Cause.ISSUER_UNKNOWN
    assert certification_path(leaf, [pki.ca, middle], AT) == Trusted((leaf, middle))


def test_of_two_cas_with_one_name_the_one_that_signed_is_found(pki: Pki) -> None:
    """A CA renewed with a new key keeps its name."""
    name = common_name("Test CA")
    twin = pki.issued(subject=name, issuer_key=pki.ec_key, key=pki.ec_key, ca=True, key_usage=None)
    for trust in ([twin, pki.ca], [pki.ca, twin]):
        assert certification_path(pki.certificate, trust, AT) == Trusted((pki.certificate, pki.ca))


def test_validity_includes_both_ends(pki: Pki) -> None:
    leaf = pki.certificate
    second = timedelta(seconds=1)
    anchored = [leaf]
    assert isinstance(certification_path(leaf, anchored, leaf.not_before), Trusted)
    assert isinstance(certification_path(leaf, anchored, leaf.not_after), Trusted)
    assert isinstance(certification_path(leaf, anchored, leaf.not_before - second), NotTrusted)
    assert isinstance(certification_path(leaf, anchored, leaf.not_after + second), NotTrusted)


def test_a_certificate_signed_with_sha1_by_its_ca_is_refused(pki: Pki) -> None:
    name = common_name("Old CA")
    usages = usage("key_cert_sign")
    anchor = pki.issued(
        subject=name, issuer=name, issuer_key=pki.rsa_key, ca=True, key_usage=usages
    )
    found = []
    for digest in ("sha256", "sha1"):
        leaf = read_der(certificate_v1(pki.rsa_key, name.public_bytes(), pki.ec_key, digest))
        found.append(certification_path(leaf, [anchor], AT))
    assert isinstance(found[0], Trusted)
    assert isinstance(found[1], NotTrusted)
    assert found[1].cause is Cause.ISSUER_SIGNATURE
    assert "sha1" in found[1].words


def test_key_rules_are_a_value(pki: Pki) -> None:
    assert AdmittedKeys().refusal(pki.certificate) is None
    assert AdmittedKeys(rsa_bits=3072).refusal(pki.certificate) is not None
    assert AdmittedKeys(curves=frozenset()).refusal(pki.ec_certificate) is not None


@pytest.mark.parametrize("name", ["digital_signature", "content_commitment"])
def test_either_signing_usage_is_enough(pki: Pki, name: str) -> None:
    leaf = pki.issued(key_usage=usage(name, "key_encipherment"))
    assert isinstance(judge_certificate(leaf, pki.policy, AT), Trusted)
