"""NIST PKITS: the paths. What is wrong only with a revocation list is judged in test_pkits_crls."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from batch.signing.certificate import CertificateError, SigningCertificate
from batch.signing.path import Trusted, certification_path
from batch.signing.path_validation import NotTrusted
from batch.signing.policy import SignaturePolicy
from tests.unit.signing.pkits.collection import (
    AT,
    Case,
    anchor,
    authorities,
    cases,
    load,
)

OF_LISTS = (
    *("BadCRLIssuerName", "BadCRLSignature", "BasicSelfIssuedCRLSigningKeyTest7", "MissingCRL"),
    *("BasicSelfIssuedNewWithOldTest5", "BasicSelfIssuedOldWithNewTest2", "IDPwithindirectCRL"),
    *("LongSerialNumber", "OldCRLnextUpdate", "RevokedCA", "RevokedEE", "UnknownCRL", "WrongCRL"),
    *("SeparateCertificateandCRLKeys", "cRLIssuer", "deltaCRL", "distributionPoint", "onlySome"),
    *(
        "keyUsageCriticalcRLSignFalse",
        "keyUsageNotCriticalcRLSignFalse",
        "onlyContains",
        "pre2000CRL",
    ),
)
"""Invalid in NIST's table for what a list says, or lacks; their paths hold."""

NOT_AS_NIST = {
    "ValidDSASignaturesTest4EE": "its CA signs with DSA, which the channel does not take",
}
UNREAD = {
    "ValidDSAParameterInheritanceTest5EE": "a DSA key without its parameters is no key here",
    "InvalidNegativeSerialNumberTest15EE": "RFC 5280 4.1.2.2 forbids a serial number below zero",
}


def of_lists(name: str) -> bool:
    return name.startswith("Invalid") and name.removeprefix("Invalid").startswith(OF_LISTS)


def judged(case: Case) -> Trusted | NotTrusted:
    policy = SignaturePolicy((anchor(),), intermediates=authorities())
    return certification_path(load(case.name), policy, AT, wanted=case.inputs)


READ = [case for case in cases() if case.name not in UNREAD]


def test_the_whole_suite_is_here() -> None:
    assert len(cases()) == 247
    assert len({case.name for case in cases()}) == 223
    assert sum(of_lists(case.name) for case in cases()) == 45


@pytest.mark.parametrize("case", READ, ids=lambda case: case.id)
def test_a_path_holds_where_nist_says_so(case: Case) -> None:
    found = judged(case)
    wanted = (case.holds or of_lists(case.name)) and case.name not in NOT_AS_NIST
    assert isinstance(found, Trusted) is wanted, found


@pytest.mark.parametrize("name", UNREAD)
def test_what_is_not_read_is_refused_as_a_certificate(name: str) -> None:
    with pytest.raises(CertificateError):
        load(name)


@pytest.mark.parametrize("case", [c for c in READ if c.holds][::7], ids=lambda case: case.id)
def test_a_path_found_lacks_nothing_and_has_nothing_too_much(case: Case) -> None:
    """Its CAs alone are enough, and each of them is needed."""
    whole = judged(case)
    if not isinstance(whole, Trusted):
        return
    leaf, *between, top = whole.chain
    again = SignaturePolicy((top,), intermediates=tuple(reversed(between)))
    assert certification_path(leaf, again, AT, wanted=case.inputs) == whole
    for left_out in between:
        rest = SignaturePolicy((top,), intermediates=tuple(c for c in between if c != left_out))
        assert isinstance(certification_path(leaf, rest, AT, wanted=case.inputs), NotTrusted)


OPENSSL_DIFFERS = {
    "ValidDSASignaturesTest4EE": "OpenSSL takes DSA",
}


@pytest.mark.slow
@pytest.mark.needs("openssl")
def test_openssl_says_the_same_of_every_path(tmp_path: Path) -> None:
    """Without its lists, and with the policies that NIST asks for."""
    pem(tmp_path / "anchor.pem", anchor())
    pem(tmp_path / "others.pem", *authorities())
    differ = {}
    for case in READ:
        pem(tmp_path / "leaf.pem", load(case.name))
        theirs = openssl(tmp_path, case)
        if theirs is not isinstance(judged(case), Trusted):
            differ[case.id] = theirs
    assert set(differ) == set(OPENSSL_DIFFERS), differ


def openssl(place: Path, case: Case) -> bool:
    asked = [text for policy in sorted(case.inputs.accepted) for text in ("-policy", policy)]
    switches = (case.inputs.explicit, case.inputs.no_mapping, case.inputs.no_any)
    for text, on in zip(
        ("-explicit_policy", "-inhibit_map", "-inhibit_any"), switches, strict=True
    ):
        asked += [text] if on else []
    command = ["openssl", "verify", "-policy_check", *asked]
    command += ["-attime", str(int(AT.timestamp())), "-CAfile", "anchor.pem"]
    command += ["-untrusted", "others.pem", "leaf.pem"]
    return subprocess.run(command, cwd=place, capture_output=True, check=False).returncode == 0


def pem(path: Path, *certificates: SigningCertificate) -> None:
    path.write_bytes(b"".join(c.loaded.public_bytes(Encoding.PEM) for c in certificates))
