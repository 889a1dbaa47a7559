"""The certificates of NIST's Public Key Interoperability Test Suite, as cryptography's package has
them, and what NIST says of each case (version 1.0.1 of its document, 2011)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import cryptography_vectors

from batch.signing.certificate import CertificateError, SigningCertificate, read_der
from batch.signing.policies import ANY_POLICY, PolicyInputs

PKITS = Path(cryptography_vectors.__file__).parent / "x509" / "PKITS_data"
AT = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)
"""PKITS holds from 2010 to 2030."""


def load(name: str) -> SigningCertificate:
    """A certificate by the name of its file; CertificateError where we read none."""
    return read_der((PKITS / "certs" / f"{name}.crt").read_bytes())


@cache
def anchor() -> SigningCertificate:
    return load("TrustAnchorRootCertificate")


@cache
def authorities() -> tuple[SigningCertificate, ...]:
    """Every certificate that is neither the anchor nor one of a case, where it can be read."""
    found = []
    for file in sorted((PKITS / "certs").glob("*Cert.crt")):
        try:
            found.append(load(file.stem))
        except CertificateError:
            continue
    return tuple(found)


@dataclass(frozen=True, slots=True)
class Case:
    """An end certificate, what is asked of its policies, and whether NIST lets the path hold."""

    name: str
    inputs: PolicyInputs
    holds: bool

    @property
    def id(self) -> str:
        named = {
            "explicit": self.inputs.explicit,
            "no mapping": self.inputs.no_mapping,
            "no any": self.inputs.no_any,
        }
        wanted = sorted(self.inputs.accepted - {ANY_POLICY})
        numbers = [policy.removeprefix(_NIST) for policy in wanted]
        return " ".join((self.name, *(text for text, on in named.items() if on), *numbers))


_NIST = "2.16.840.1.101.3.2.1.48."


def asked(
    *policies: int, explicit: bool = False, no_mapping: bool = False, no_any: bool = False
) -> PolicyInputs:
    """NIST's test policies by number; none: any."""
    accepted = frozenset(f"{_NIST}{number}" for number in policies) or frozenset({ANY_POLICY})
    return PolicyInputs(accepted, explicit, no_mapping, no_any)


NOTHING = asked()
EXPLICIT = asked(explicit=True)

POLICY_CASES = {  # 4.8 to 4.12, where NIST asks more than once, or the name says nothing
    "ValidCertificatePathTest1EE": [
        (NOTHING, True),
        (EXPLICIT, True),
        (asked(1, explicit=True), True),
        (asked(2, explicit=True), False),
        (asked(1, 2, explicit=True), True),
    ],
    "AllCertificatesNoPoliciesTest2EE": [(NOTHING, True), (EXPLICIT, False)],
    "DifferentPoliciesTest3EE": [
        (NOTHING, True),
        (EXPLICIT, False),
        (asked(1, 2, explicit=True), False),
    ],
    "DifferentPoliciesTest4EE": [(NOTHING, False)],
    "DifferentPoliciesTest5EE": [(NOTHING, False)],
    "OverlappingPoliciesTest6EE": [(NOTHING, True), (asked(1), True), (asked(2), False)],
    "DifferentPoliciesTest7EE": [(NOTHING, False)],
    "DifferentPoliciesTest8EE": [(NOTHING, False)],
    "DifferentPoliciesTest9EE": [(NOTHING, False)],
    "AllCertificatesSamePoliciesTest10EE": [
        (NOTHING, True),
        (asked(1), True),
        (asked(2), True),
    ],
    "AllCertificatesanyPolicyTest11EE": [(NOTHING, True), (asked(1), True)],
    "DifferentPoliciesTest12EE": [(NOTHING, False)],
    "AllCertificatesSamePoliciesTest13EE": [
        (asked(1), True),
        (asked(2), True),
        (asked(3), True),
    ],
    "AnyPolicyTest14EE": [(asked(1), True), (asked(2), False)],
    "UserNoticeQualifierTest15EE": [(NOTHING, True)],
    "UserNoticeQualifierTest16EE": [(NOTHING, True)],
    "UserNoticeQualifierTest17EE": [(NOTHING, True)],
    "UserNoticeQualifierTest18EE": [(asked(1), True), (asked(2), True)],
    "UserNoticeQualifierTest19EE": [(NOTHING, True)],
    "CPSPointerQualifierTest20EE": [(asked(1, explicit=True), True)],
    "ValidPolicyMappingTest1EE": [
        (asked(1), True),
        (asked(2), False),
        (asked(no_mapping=True), False),
    ],
    "InvalidPolicyMappingTest2EE": [(NOTHING, False), (asked(no_mapping=True), False)],
    "ValidPolicyMappingTest3EE": [(asked(1), False), (asked(2), True)],
    "ValidPolicyMappingTest5EE": [(asked(1), True), (asked(6), False)],
    "ValidPolicyMappingTest6EE": [(asked(1), True), (asked(6), False)],
    "ValidPolicyMappingTest12EE": [(asked(1), True), (asked(2), True)],
    "inhibitAnyPolicyTest3EE": [(NOTHING, True), (asked(no_any=True), False)],
}


def cases() -> list[Case]:
    """Every end certificate of the suite."""
    names = sorted(file.stem for file in (PKITS / "certs").glob("*EE.crt"))
    return [
        Case(name, inputs, holds)
        for name in names
        for inputs, holds in POLICY_CASES.get(name, [(NOTHING, name.startswith("Valid"))])
    ]
