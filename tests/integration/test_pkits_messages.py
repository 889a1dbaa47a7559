"""The 224 signed messages of NIST's PKITS: their structure and signatures, as an FS and its FI.

A message is multipart/signed (RFC 8551 section 3.5.3): its first part, with CRLF line ends, is the
FI, the base64 of its second is the FS. Once the end certificate counts as registered and as trusted
itself, so that a path plays no part; and once only NIST's anchor is trusted, the CAs come in the
message, and all of NIST's lists are at hand: then it must be signed where NIST says it is valid.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import cryptography_vectors
import pytest

from batch.signing.certificate import CertificateError, SigningCertificate, read_der
from batch.signing.encoding import decode
from batch.signing.findings import NotChecked
from batch.signing.policy import SignaturePolicy
from batch.signing.revocation import Sources
from batch.signing.signed_data import IssuerAndSerialNumber, SignedData, read_signed_data
from batch.signing.verdict import Cause, NotSigned, Signed, Verdict
from batch.signing.verification import Verifier, begin
from tests.unit.signing.pkits.collection import AT as PKITS_AT
from tests.unit.signing.pkits.collection import NOTHING, POLICY_CASES, anchor
from tests.unit.signing.pkits.test_pkits_crls import lists

PKITS = Path(cryptography_vectors.__file__).parent / "x509" / "PKITS_data" / "smime"
MESSAGES = sorted(path.stem.removeprefix("Signed") for path in PKITS.glob("*.eml"))
AT = datetime(2020, 1, 1, tzinfo=UTC)

UNREADABLE = {
    "InvalidNegativeSerialNumberTest15": "its serial number is negative (RFC 5280 4.1.2.2)",
    "ValidDSAParameterInheritanceTest5": "its DSA key has no parameters: it inherits them",
}
"""Messages whose end certificate the channel cannot register."""

REFUSED = {
    "InvalidDSASignatureTest6": Cause.KEY_NOT_ALLOWED,
    "ValidDSASignaturesTest4": Cause.KEY_NOT_ALLOWED,
    "InvalidEEnotAfterDateTest6": Cause.CERTIFICATE_EXPIRED,
    "Invalidpre2000UTCEEnotAfterDateTest7": Cause.CERTIFICATE_EXPIRED,
    "InvalidEEnotBeforeDateTest2": Cause.CERTIFICATE_NOT_YET_VALID,
    "InvalidUnknownCriticalCertificateExtensionTest2": Cause.CRITICAL_EXTENSION,
}
"""What the end certificate itself is refused for; DSA is none of the channel's algorithms."""


@cache
def message(name: str) -> tuple[bytes, bytes]:
    """The content and the base64 of the signature."""
    raw = (PKITS / f"Signed{name}.eml").read_bytes()
    boundary = re.search(rb'boundary="([^"]+)"', raw)
    assert boundary
    parts = re.split(rb"\r?\n--" + re.escape(boundary[1]) + rb"(?:--)?\r?\n", raw)
    content = re.sub(rb"\r?\n", b"\r\n", parts[1])
    return content, re.split(rb"\r?\n\r?\n", parts[2], maxsplit=1)[1]


@cache
def structure(name: str) -> SignedData:
    der = decode(message(name)[1], 64 * 1024)
    assert isinstance(der, bytes)
    data = read_signed_data(der)
    assert isinstance(data, SignedData)
    return data


def signer(name: str) -> SigningCertificate | None:
    """The embedded certificate that the SignerInfo names; None where it cannot be read."""
    [info] = structure(name).signer_infos
    assert isinstance(info.sid, IssuerAndSerialNumber)
    for certificate in _readable(structure(name)):
        if (certificate.issuer_name, certificate.serial) == (info.sid.issuer, info.sid.serial):
            return certificate
    return None


def _readable(data: SignedData) -> Iterator[SigningCertificate]:
    for der in data.certificates:
        try:
            yield read_der(der)
        except CertificateError:
            continue


def judged(name: str, content: bytes) -> Verdict:
    """PKITS messages carry the CRLs of their path, which the channel forbids to senders."""
    own = signer(name)
    assert own is not None
    policy = replace(SignaturePolicy((own,)), embedded_crls=True)
    verifier = begin(message(name)[1], [SimpleNamespace(der=own.der)], policy, AT)
    if isinstance(verifier, NotSigned):
        return verifier
    verifier.update(content)
    return verifier.finish()


def test_all_224_are_there() -> None:
    assert len(MESSAGES) == 224
    assert set(UNREADABLE) | set(REFUSED) <= set(MESSAGES)


@pytest.mark.parametrize("name", MESSAGES)
def test_a_message_is_read_and_its_signature_is_right(name: str) -> None:
    content, _ = message(name)
    if name in UNREADABLE:
        assert signer(name) is None
        return
    found = judged(name, content)
    if name in REFUSED:
        assert isinstance(found, NotSigned)
        assert found.cause is REFUSED[name]
        return
    assert isinstance(found, Signed), found
    changed = judged(name, content + b" ")
    assert isinstance(changed, NotSigned)
    assert changed.cause is Cause.DIGEST_DIFFERS


def test_as_a_sender_would_send_them_their_crls_are_refused() -> None:
    name = "ValidSignaturesTest1"
    own = signer(name)
    assert own is not None
    found = begin(message(name)[1], [SimpleNamespace(der=own.der)], SignaturePolicy((own,)), AT)
    assert isinstance(found, NotSigned)
    assert found.cause is Cause.EMBEDDED_CRLS


SIGNED_BY_NAME = (
    "Valid",
    "AllCertificates",
    "AnyPolicy",
    "CPSPointer",
    "UserNotice",
    "inhibitAnyPolicyTest3",
)
"""Names of messages that are valid where nothing is asked of the policies."""
NOT_CHECKED = {"MissingCRLTest1", "InvalidBadCRLIssuerNameTest5", "InvalidWrongCRLTest6"}
"""Invalid to NIST, since a CA has no list; here its certificates are not checked, as is told."""


def wanted(name: str) -> bool:
    asked = dict(POLICY_CASES.get(f"{name}EE", []))
    return asked.get(NOTHING, name.startswith(SIGNED_BY_NAME))


@pytest.mark.parametrize("name", [name for name in MESSAGES if name not in UNREADABLE])
def test_a_message_is_signed_where_nist_says_that_it_is_valid(name: str) -> None:
    own, (content, fs) = signer(name), message(name)
    assert own is not None
    policy = SignaturePolicy((anchor(),), embedded_crls=True)
    found: Verifier | Verdict = begin(
        fs, [SimpleNamespace(der=own.der)], policy, PKITS_AT, Sources(crls=lists())
    )
    if isinstance(found, Verifier):
        found.update(content)
        found = found.finish()
    told = isinstance(found, Signed)
    if name in NOT_CHECKED:
        assert isinstance(found, Signed)
        assert any(isinstance(each, NotChecked) for each in found.revocation)
    elif name == "ValidDSASignaturesTest4":
        assert not told
    else:
        assert told is wanted(name), found
