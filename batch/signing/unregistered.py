"""What can be said of an FS without any register: its structure, and whether it signs the FI.

The certificate inside the FS stands in for the registered one: it shows what is wrong whoever
signs, and proves nobody. For ``fla-batch check`` where there is no instance.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from batch.signing import encoding, verification
from batch.signing.certificate import CertificateError, read_der
from batch.signing.policy import SignaturePolicy
from batch.signing.signed_data import SignedData, read_signed_data
from batch.signing.verdict import Cause, NotSigned, Signed, Verdict

PRESUMED: Final = Signed("presumed", "", "", None)
"""The verdict on what nothing is wrong with as far as can be seen."""

_EVERYWHERE: Final = frozenset(
    {
        Cause.CERTIFICATE_EXPIRED,
        Cause.CERTIFICATE_NOT_YET_VALID,
        Cause.KEY_NOT_ALLOWED,
        Cause.KEY_USAGE,
    }
)
"""What is wrong with a certificate whichever is registered; the rest only the registers know."""


def begin(fs: bytes, limit: int, at: datetime) -> verification.Verifier | NotSigned | None:
    """Start to verify ``fs`` by the certificate in it; None when it holds none of its signer."""
    der = encoding.decode(fs, limit)
    if isinstance(der, NotSigned):
        return der
    data = read_signed_data(der)
    if isinstance(data, NotSigned):
        return data
    used = _signers(data)
    if used is None:
        return None
    policy = SignaturePolicy((read_der(used),), max_bytes=limit)
    return verification.begin(fs, (_Embedded(used),), policy, at)


def presumed(verdict: Verdict | None) -> Verdict:
    """The verdict as far as it holds without the registers."""
    if isinstance(verdict, NotSigned) and (verdict.code == "125" or verdict.cause in _EVERYWHERE):
        return verdict
    return PRESUMED


@dataclass(frozen=True, slots=True)
class _Embedded:
    """In the place of a registered certificate."""

    der: bytes


def _signers(data: SignedData) -> bytes | None:
    """The certificate in the FS that its one signer names."""
    for der in data.certificates:
        try:
            if any(verification.names(s.sid, read_der(der)) for s in data.signer_infos):
                return der
        except CertificateError:
            continue
    return None
