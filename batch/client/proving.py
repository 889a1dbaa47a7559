"""Whether an answer was signed by the institution: the channel's own verification, turned round."""

from __future__ import annotations

from datetime import UTC, datetime

from batch.client.answers import Proof
from batch.signing.certificate import SigningCertificate
from batch.signing.policy import SignaturePolicy
from batch.signing.verdict import NotSigned, Signed
from batch.signing.verification import begin


def prove(content: bytes, fs: bytes | None, institution: SigningCertificate | None) -> Proof:
    """Judge ``fs`` over the bytes of an FO or CO; UNVERIFIED when no certificate was given.

    Unsigned attributes are taken: an answer may be timestamped after it was signed (CAdES-T). An
    answer without FS is WRONG then: every answer has one (contract, section 3).
    """
    if institution is None:
        return Proof.UNVERIFIED
    if fs is None:
        return Proof.WRONG
    policy = SignaturePolicy((institution,), unsigned_attributes=True)
    verifier = begin(fs, (institution,), policy, datetime.now(UTC))
    if isinstance(verifier, NotSigned):
        return Proof.WRONG
    verifier.update(content)
    return Proof.VERIFIED if isinstance(verifier.finish(), Signed) else Proof.WRONG
