"""Whether a certificate may sign at an instant: itself, then its path (RFC 5280 section 6).

Used when a certificate is registered and again at every sealing instant. Every certificate in the
trust is an anchor (RFC 5280 6.1.1 d), an intermediate CA too, so a path is the leaf and the anchor
that issued it, or the leaf alone when it is in the trust itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

from batch.signing.certificate import SigningCertificate
from batch.signing.policy import SignaturePolicy
from batch.signing.verdict import Cause

# Extensions whose meaning for a signature over a file is known: key usage, basic constraints,
# alternative name, policies, extended usage (it speaks of TLS and mail), QcStatements.
_UNDERSTOOD: Final = frozenset(
    {
        "2.5.29.15",
        "2.5.29.19",
        "2.5.29.17",
        "2.5.29.32",
        "2.5.29.37",
        "1.3.6.1.5.5.7.1.3",
    }
)
_CERTIFICATE_DIGESTS: Final = frozenset({"sha256", "sha384", "sha512"})


@dataclass(frozen=True, slots=True)
class Trusted:
    """The certificate may sign; ``chain`` goes from it to the anchor."""

    chain: tuple[SigningCertificate, ...]


@dataclass(frozen=True, slots=True)
class NotTrusted:
    """The certificate may not sign: one cause, one sentence for a person."""

    cause: Cause
    words: str


def judge_certificate(
    certificate: SigningCertificate, policy: SignaturePolicy, at: datetime
) -> Trusted | NotTrusted:
    """Everything asked of a signer's certificate at ``at``: validity, key, usage, path."""
    weak = policy.keys.refusal(certificate)
    if weak is not None:
        return NotTrusted(Cause.KEY_NOT_ALLOWED, f"Certificate {certificate.subject}: {weak}")
    if certificate.key_usage is not None and not certificate.key_usage & policy.usages:
        wanted = " or ".join(sorted(policy.usages))
        return NotTrusted(
            Cause.KEY_USAGE,
            f"Certificate {certificate.subject} is not for signing: its key usage lacks {wanted}.",
        )
    return certification_path(certificate, policy.trust, at)


def certification_path(
    leaf: SigningCertificate, trust: Sequence[SigningCertificate], at: datetime
) -> Trusted | NotTrusted:
    """A path from ``leaf`` to an anchor at ``at``; else the last fault found."""
    # RFC 5280 6.1.3 (a)(2): the instant lies in the validity period.
    if at < leaf.not_before:
        return NotTrusted(
            Cause.CERTIFICATE_NOT_YET_VALID,
            f"Certificate {leaf.subject} is valid only from {leaf.not_before:%Y-%m-%d %H:%M} UTC.",
        )
    if at > leaf.not_after:
        return NotTrusted(
            Cause.CERTIFICATE_EXPIRED,
            f"Certificate {leaf.subject} expired on {leaf.not_after:%Y-%m-%d %H:%M} UTC.",
        )
    # RFC 5280 4.2 and 6.1.5 (f): an unknown critical extension forbids use.
    if unknown := leaf.critical - _UNDERSTOOD:
        return NotTrusted(
            Cause.CRITICAL_EXTENSION,
            f"Certificate {leaf.subject} has the unknown critical extension {min(unknown)}.",
        )
    if any(anchor.der == leaf.der for anchor in trust):
        return Trusted((leaf,))
    return _issued(leaf, trust, at)


def _issued(
    leaf: SigningCertificate, trust: Sequence[SigningCertificate], at: datetime
) -> Trusted | NotTrusted:
    fault_found = NotTrusted(
        Cause.ISSUER_UNKNOWN,
        f"Certificate {leaf.subject} was issued by {leaf.issuer}, which is not in the trust.",
    )
    for anchor in trust:
        if anchor.loaded.subject != leaf.loaded.issuer:
            continue
        fault = _issuer_fault(leaf, anchor, at)
        if fault is None:
            return Trusted((leaf, anchor))
        fault_found = fault
    return fault_found


def _issuer_fault(
    leaf: SigningCertificate, anchor: SigningCertificate, at: datetime
) -> NotTrusted | None:
    name = anchor.subject
    # RFC 5280 6.1.4 (k) and (n): a CA by basic constraints, allowed to sign certificates.
    if not anchor.ca:
        return NotTrusted(Cause.ISSUER_NOT_CA, f"The issuer {name} is not a CA.")
    if anchor.key_usage is not None and "keyCertSign" not in anchor.key_usage:
        return NotTrusted(Cause.ISSUER_NOT_CA, f"The issuer {name} may not sign certificates.")
    # RFC 5280 6.1.4 (o): a critical extension that is not processed; name constraints are not.
    if anchor.critical - _UNDERSTOOD:
        return NotTrusted(
            Cause.CRITICAL_EXTENSION, f"The issuer {name} has an unknown critical extension."
        )
    if not anchor.valid_at(at):
        return NotTrusted(Cause.ISSUER_NOT_VALID, f"The issuer {name} was not valid then.")
    return _issuer_signature_fault(leaf, anchor)


def _issuer_signature_fault(
    leaf: SigningCertificate, anchor: SigningCertificate
) -> NotTrusted | None:
    """RFC 5280 6.1.3 (a)(1): the signature; SHA-1 and MD5 ones can be forged by collision."""
    try:
        digest = leaf.loaded.signature_hash_algorithm
        if digest is not None and digest.name not in _CERTIFICATE_DIGESTS:
            return NotTrusted(
                Cause.ISSUER_SIGNATURE,
                f"Certificate {leaf.subject} was signed by its CA with {digest.name}.",
            )
        leaf.loaded.verify_directly_issued_by(anchor.loaded)
    except (InvalidSignature, UnsupportedAlgorithm, ValueError, TypeError):
        return NotTrusted(
            Cause.ISSUER_SIGNATURE,
            f"Certificate {leaf.subject} names {anchor.subject} as its issuer but was not "
            "signed by it.",
        )
    return None
