"""NIST PKITS with its lists: basic revocation (4.4), distribution points (4.14), deltas (4.15), and
then the whole suite, path and lists together.

The cases are NIST's own table, by the name of the certificate's file: what is Valid there is good
here, for every certificate of its path; what is Invalid is revoked or out of reach. Every case gets
all 173 lists at once, so that it must find its own.

NO_SOURCE marks where the channel differs: NIST wants a path refused whose CA has no list at all.
The channel accepts it and says so in the evidence, where no list of that CA was given and the
certificate names no place of one. Where it names one, it is out of reach.
"""

from __future__ import annotations

from functools import cache
from hashlib import sha256

import pytest

from batch.signing.certificate import CertificateError
from batch.signing.findings import Finding, Good, OutOfReach, Revoked
from batch.signing.path import Trusted, certification_path
from batch.signing.policy import SignaturePolicy
from batch.signing.revocation import Sources, check
from tests.unit.signing.pkits.collection import (
    AT,
    PKITS,
    Case,
    anchor,
    asked,
    authorities,
    cases,
    load,
)
from tests.unit.signing.pkits.test_pkits_paths import NOT_AS_NIST, READ

REVOKED, UNKNOWN, GOOD, NO_SOURCE = "revoked", "out of reach", "good", "not checked"

BASIC = {  # 4.4
    "InvalidMissingCRLTest1EE": NO_SOURCE,
    "InvalidRevokedCATest2EE": REVOKED,
    "InvalidRevokedEETest3EE": REVOKED,
    "InvalidBadCRLSignatureTest4EE": UNKNOWN,
    "InvalidBadCRLIssuerNameTest5EE": NO_SOURCE,
    "InvalidWrongCRLTest6EE": NO_SOURCE,
    "ValidTwoCRLsTest7EE": GOOD,
    "InvalidUnknownCRLEntryExtensionTest8EE": UNKNOWN,
    "InvalidUnknownCRLExtensionTest9EE": UNKNOWN,
    "InvalidUnknownCRLExtensionTest10EE": UNKNOWN,
    "InvalidOldCRLnextUpdateTest11EE": UNKNOWN,
    "Invalidpre2000CRLnextUpdateTest12EE": UNKNOWN,
    "ValidGeneralizedTimeCRLnextUpdateTest13EE": GOOD,
    "ValidNegativeSerialNumberTest14EE": GOOD,
    "InvalidLongSerialNumberTest18EE": REVOKED,
    "ValidLongSerialNumberTest16EE": GOOD,
    "ValidLongSerialNumberTest17EE": GOOD,
    "ValidSeparateCertificateandCRLKeysTest19EE": GOOD,
    "InvalidSeparateCertificateandCRLKeysTest20EE": REVOKED,
    "InvalidSeparateCertificateandCRLKeysTest21EE": UNKNOWN,
}
POINTS = {  # 4.14
    "ValiddistributionPointTest1EE": GOOD,
    "InvaliddistributionPointTest2EE": REVOKED,
    "InvaliddistributionPointTest3EE": UNKNOWN,
    "ValiddistributionPointTest4EE": GOOD,
    "ValiddistributionPointTest5EE": GOOD,
    "InvaliddistributionPointTest6EE": REVOKED,
    "ValiddistributionPointTest7EE": GOOD,
    "InvaliddistributionPointTest8EE": UNKNOWN,
    "InvaliddistributionPointTest9EE": UNKNOWN,
    "ValidNoissuingDistributionPointTest10EE": GOOD,
    "InvalidonlyContainsUserCertsTest11EE": UNKNOWN,
    "InvalidonlyContainsCACertsTest12EE": UNKNOWN,
    "ValidonlyContainsCACertsTest13EE": GOOD,
    "InvalidonlyContainsAttributeCertsTest14EE": UNKNOWN,
    "InvalidonlySomeReasonsTest15EE": REVOKED,
    "InvalidonlySomeReasonsTest16EE": REVOKED,
    "InvalidonlySomeReasonsTest17EE": UNKNOWN,
    "ValidonlySomeReasonsTest18EE": GOOD,
    "ValidonlySomeReasonsTest19EE": GOOD,
    "InvalidonlySomeReasonsTest20EE": REVOKED,
    "InvalidonlySomeReasonsTest21EE": REVOKED,
    "ValidIDPwithindirectCRLTest22EE": GOOD,
    "InvalidIDPwithindirectCRLTest23EE": REVOKED,
    "ValidIDPwithindirectCRLTest24EE": GOOD,
    "ValidIDPwithindirectCRLTest25EE": GOOD,
    "InvalidIDPwithindirectCRLTest26EE": UNKNOWN,
    "InvalidcRLIssuerTest27EE": UNKNOWN,
    "ValidcRLIssuerTest28EE": GOOD,
    "ValidcRLIssuerTest29EE": GOOD,
    "ValidcRLIssuerTest30EE": GOOD,
    "InvalidcRLIssuerTest31EE": REVOKED,
    "InvalidcRLIssuerTest32EE": REVOKED,
    "ValidcRLIssuerTest33EE": GOOD,
    "InvalidcRLIssuerTest34EE": REVOKED,
    "InvalidcRLIssuerTest35EE": UNKNOWN,
}
DELTAS = {  # 4.15
    "InvaliddeltaCRLIndicatorNoBaseTest1EE": UNKNOWN,
    "ValiddeltaCRLTest2EE": GOOD,
    "InvaliddeltaCRLTest3EE": REVOKED,
    "InvaliddeltaCRLTest4EE": REVOKED,
    "ValiddeltaCRLTest5EE": GOOD,
    "InvaliddeltaCRLTest6EE": REVOKED,
    "ValiddeltaCRLTest7EE": GOOD,
    "ValiddeltaCRLTest8EE": GOOD,
    "InvaliddeltaCRLTest9EE": REVOKED,
    "InvaliddeltaCRLTest10EE": UNKNOWN,
}
USAGE = {  # 4.5 and 4.7: keys for lists, in other sections
    "InvalidkeyUsageCriticalcRLSignFalseTest4EE": UNKNOWN,
    "InvalidkeyUsageNotCriticalcRLSignFalseTest5EE": UNKNOWN,
    "InvalidBasicSelfIssuedOldWithNewTest2EE": REVOKED,
    "InvalidBasicSelfIssuedNewWithOldTest5EE": REVOKED,
    "InvalidBasicSelfIssuedCRLSigningKeyTest7EE": REVOKED,
}
CASES = {**BASIC, **POINTS, **DELTAS, **USAGE}


@cache
def lists() -> tuple[bytes, ...]:
    return tuple(file.read_bytes() for file in sorted((PKITS / "crls").glob("*.crl")))


def found_of(case: Case) -> tuple[Trusted, list[Finding]] | None:
    """None when the path does not hold."""
    policy = SignaturePolicy((anchor(),), intermediates=authorities())
    path = certification_path(load(case.name), policy, AT, wanted=case.inputs)
    if not isinstance(path, Trusted):
        return None
    return path, check(path.chain, Sources(crls=lists()), AT, authorities())


def outcome(findings: list[Finding]) -> str:
    if any(isinstance(found, Revoked) for found in findings):
        return REVOKED
    if all(isinstance(found, Good) for found in findings):
        return GOOD
    return UNKNOWN if any(isinstance(found, OutOfReach) for found in findings) else NO_SOURCE


def test_there_are_173_lists_and_each_case_is_one_of_nist() -> None:
    assert len(lists()) == 173
    assert set(CASES) <= {case.name for case in cases()}


@pytest.mark.parametrize("name", CASES)
def test_a_case_of_pkits_ends_as_nist_says(name: str) -> None:
    found = found_of(Case(name, asked(), name.startswith("Valid")))
    assert found is not None
    path, findings = found
    assert outcome(findings) == CASES[name], findings
    told = [found.evidence.every for found in findings if isinstance(found, Good | Revoked)]
    named = [der for der in lists() if any(sha256(der).hexdigest() in one for one in told)]
    again = check(path.chain, Sources(crls=tuple(named)), AT, authorities())
    for before, after in zip(findings, again, strict=True):
        assert before == after or not isinstance(before, Good | Revoked)


def test_the_whole_suite_ends_as_nist_says() -> None:
    """Path and lists together: accepted where NIST says Valid, and nowhere else."""
    accepted = {NO_SOURCE, GOOD}
    differ = set()
    for case in READ:
        found = found_of(case)
        if (found is not None and outcome(found[1]) in accepted) is not case.holds:
            differ.add(case.name)
    without = {name for name, ends in CASES.items() if ends == NO_SOURCE}
    assert differ == without | set(NOT_AS_NIST)


def test_a_serial_number_below_zero_is_no_certificate() -> None:
    """4.4.15: RFC 5280 4.1.2.2 forbids it; the certificate is refused before any list is read."""
    with pytest.raises(CertificateError):
        load("InvalidNegativeSerialNumberTest15EE")
