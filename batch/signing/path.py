"""Whether a certificate may sign at an instant: itself, then a path to the trust (RFC 5280 6).

Asked when a certificate is registered and again at every sealing instant. A path goes from the
signer's certificate over CAs that are known but vouch for nobody to one that is trusted. Those may
come from the register or out of the FS: each is only a candidate, and the whole path is validated.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from cryptography.hazmat.primitives.asymmetric import rsa

from batch.signing.certificate import SigningCertificate, same_name
from batch.signing.path_validation import Inputs, NotTrusted, issued, leaf_fault, path_fault
from batch.signing.policies import PolicyInputs
from batch.signing.policy import SignaturePolicy
from batch.signing.verdict import Cause

__all__ = ["NotTrusted", "Trusted", "certification_path", "judge_certificate"]

_MAX_CAS: Final = 8  # real paths have one to three; PKITS has one of seven
_MAX_STEPS: Final = 64  # a sender may embed CAs that certify one another in every way
_MAX_PATHS: Final = 32  # of those that are complete
_LARGEST_RSA: Final = 8192  # bits of a key that a stranger brings; CAs have up to 4096
_LONGEST_EXPONENT: Final = 32  # bits; CAs have 65537, and one of 3072 takes 9 ms to ask
_ANY_POLICY: Final = PolicyInputs()


@dataclass(frozen=True, slots=True)
class Trusted:
    """The certificate may sign; ``chain`` goes from it to the anchor."""

    chain: tuple[SigningCertificate, ...]


def judge_certificate(
    certificate: SigningCertificate,
    policy: SignaturePolicy,
    at: datetime,
    candidates: Sequence[SigningCertificate] = (),
) -> Trusted | NotTrusted:
    """Everything asked of a signer's certificate at ``at``: validity, key, usage, path.

    ``candidates``: certificates of CAs that came with the signature, trusted for nothing.
    """
    weak = policy.keys.refusal(certificate)
    if weak is not None:
        return NotTrusted(Cause.KEY_NOT_ALLOWED, f"Certificate {certificate.subject}: {weak}")
    if certificate.key_usage is not None and not certificate.key_usage & policy.usages:
        wanted = " or ".join(sorted(policy.usages))
        return NotTrusted(
            Cause.KEY_USAGE,
            f"Certificate {certificate.subject} is not for signing: its key usage lacks {wanted}.",
        )
    if policy.qualified and not certificate.qualified:
        return NotTrusted(
            Cause.NOT_QUALIFIED,
            f"Certificate {certificate.subject} does not say that it is qualified for electronic "
            "signatures or seals, and the channel takes no other.",
        )
    return certification_path(certificate, policy, at, candidates)


def certification_path(
    leaf: SigningCertificate,
    policy: SignaturePolicy,
    at: datetime,
    candidates: Sequence[SigningCertificate] = (),
    wanted: PolicyInputs = _ANY_POLICY,
) -> Trusted | NotTrusted:
    """The first path from ``leaf`` to an anchor that holds at ``at``; else what is wrong.

    The fault told is that of the first complete path; without one, that the issuer is unknown.
    """
    fault = leaf_fault(leaf, at)
    if fault is not None:
        return fault
    if any(anchor.der == leaf.der for anchor in policy.trust):
        return Trusted((leaf,))
    inputs = Inputs(at, policy.keys, wanted)
    between = (*policy.intermediates, *(c for c in candidates if c.ca and _quick(c)))
    for tried, chain in enumerate(_chains(leaf, policy.trust, between)):
        found = path_fault(chain, inputs)
        if found is None:
            return Trusted(chain)
        fault = fault or found
        if tried + 1 == _MAX_PATHS:
            break
    return fault or NotTrusted(
        Cause.ISSUER_UNKNOWN,
        f"Certificate {leaf.subject} was issued by {leaf.issuer}, which is not in the trust.",
    )


def _chains(
    leaf: SigningCertificate,
    trust: Sequence[SigningCertificate],
    between: Sequence[SigningCertificate],
) -> Iterator[tuple[SigningCertificate, ...]]:
    """Every way up from ``leaf`` to an anchor, within the bounds.

    A certificate that only has the issuer's name is gone on with when it is an anchor, so that its
    wrong signature can be told; any other must have signed, or a hostile FS would make us walk.
    """
    begun: list[tuple[SigningCertificate, ...]] = [(leaf,)]
    for _ in range(_MAX_STEPS):
        if not begun:
            return
        chain = begun.pop()
        for anchor in trust:
            if same_name(anchor.loaded.subject, chain[-1].loaded.issuer):
                yield (*chain, anchor)
        if len(chain) <= _MAX_CAS:
            further = [ca for ca in between if _leads_on(chain, ca)]
            begun += [(*chain, ca) for ca in reversed(further)]


def _quick(ca: SigningCertificate) -> bool:
    """Whether asking a stranger's key costs little: whoever wrote the FS may have chosen it."""
    key = ca.loaded.public_key()
    return not isinstance(key, rsa.RSAPublicKey) or (
        key.key_size <= _LARGEST_RSA and key.public_numbers().e.bit_length() <= _LONGEST_EXPONENT
    )


def _leads_on(chain: tuple[SigningCertificate, ...], ca: SigningCertificate) -> bool:
    """One that issued the last of the chain, and is not in it; a name may come again, with a new
    key."""
    return issued(chain[-1], ca) and all(
        (ca.loaded.subject, ca.key) != (each.loaded.subject, each.key) for each in chain
    )
