"""One path, from the trust anchor to the signer's certificate, validated (RFC 5280 section 6.1).

Every certificate in the trust is an anchor, an intermediate CA's too. What an anchor says of those
below it (length, names, policies, key usage) binds them as it would in any other CA's certificate:
that is stricter than 6.1.1 (d) and what an operator expects.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from batch.signing.algorithms import STRONG
from batch.signing.certificate import SigningCertificate, extension, same_name
from batch.signing.name_constraints import NameConstraints
from batch.signing.policies import Policies, PolicyInputs
from batch.signing.policy import AdmittedKeys
from batch.signing.verdict import Cause

# Extensions whose meaning for a signature over a file is known and weighed, here or elsewhere: key
# usage, basic constraints, names and their constraints, policies, extended usage (it speaks of TLS
# and mail), key identifiers, QcStatements, distribution points (the revocation's).
_UNDERSTOOD: Final = frozenset(
    {
        "2.5.29.14",
        "2.5.29.15",
        "2.5.29.17",
        "2.5.29.18",
        "2.5.29.19",
        "2.5.29.30",
        "2.5.29.31",
        "2.5.29.32",
        "2.5.29.33",
        "2.5.29.35",
        "2.5.29.36",
        "2.5.29.37",
        "2.5.29.54",
        "1.3.6.1.5.5.7.1.3",
    }
)


@dataclass(frozen=True, slots=True)
class NotTrusted:
    """The certificate may not sign: one cause, one sentence for a person."""

    cause: Cause
    words: str


@dataclass(frozen=True, slots=True)
class Inputs:
    """What a path is judged by: the instant, the keys admitted for CAs, the policies wanted."""

    at: datetime
    keys: AdmittedKeys
    policies: PolicyInputs


def path_fault(chain: Sequence[SigningCertificate], inputs: Inputs) -> NotTrusted | None:
    """Why ``chain``, from the signer's certificate to the anchor, does not hold; None: it does."""
    path = list(reversed(chain))
    names, policies, room = NameConstraints(), Policies(inputs.policies, len(path)), len(path)
    for place, certificate in enumerate(path):
        last = place == len(path) - 1
        if place > 0:
            fault = _step_fault(certificate, path[place - 1], inputs.at)
            # 6.1.3 (b), (c): a CA that issues itself a new certificate keeps its name.
            wrong = None if certificate.self_issued and not last else names.fault(certificate)
            fault = fault or _told(Cause.NAME_CONSTRAINTS, certificate, wrong)
            fault = fault or _told(
                Cause.CERTIFICATE_POLICY, certificate, policies.enter(certificate, last=last)
            )
            if fault is not None:
                return fault
        if not last:
            if not certificate.self_issued and place > 0:  # 6.1.4 (l)
                if room <= 0:
                    return _told(Cause.PATH_LENGTH, certificate, "a CA above it allows none here")
                room -= 1
            fault = _ca_fault(certificate, inputs)
            fault = fault or _told(
                Cause.CERTIFICATE_POLICY, certificate, policies.leave(certificate)
            )
            if fault is not None:
                return fault
            names.add(certificate)
            room = min(room, _length(certificate, room))
    return _told(Cause.CERTIFICATE_POLICY, chain[0], policies.end(chain[0]))


def leaf_fault(leaf: SigningCertificate, at: datetime) -> NotTrusted | None:
    """What is wrong with the signer's certificate whatever path it has (6.1.3 a 2, 6.1.5 f)."""
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
    if unknown := leaf.critical - _UNDERSTOOD:
        return NotTrusted(
            Cause.CRITICAL_EXTENSION,
            f"Certificate {leaf.subject} has the unknown critical extension {min(unknown)}.",
        )
    return None


def issued(certificate: SigningCertificate, issuer: SigningCertificate) -> bool:
    """Whether ``issuer`` has the issuer's name and its key made the signature (6.1.3 a 1, a 4)."""
    return same_name(issuer.loaded.subject, certificate.loaded.issuer) and _signed(
        certificate, issuer
    )


def issued_strongly(certificate: SigningCertificate, issuer: SigningCertificate) -> bool:
    """The same, with a digest for which nobody can forge a certificate (SHA-1 and MD5 are none)."""
    return _digest(certificate) in STRONG and issued(certificate, issuer)


@lru_cache(maxsize=4096)  # the same few hundred certificates come again with every FS
def _signed(certificate: SigningCertificate, issuer: SigningCertificate) -> bool:
    """By the key alone: names that differ in case or in kind of string are equal."""
    loaded, key = certificate.loaded, issuer.loaded.public_key()
    try:
        scheme, digest = loaded.signature_algorithm_parameters, loaded.signature_hash_algorithm
        signed = loaded.tbs_certificate_bytes
        if isinstance(key, rsa.RSAPublicKey) and not isinstance(scheme, ec.ECDSA | None):
            if digest is not None:
                key.verify(loaded.signature, signed, scheme, digest)
                return True
        elif isinstance(key, ec.EllipticCurvePublicKey) and isinstance(scheme, ec.ECDSA):
            key.verify(loaded.signature, signed, scheme)
            return True
    except (InvalidSignature, UnsupportedAlgorithm, ValueError, TypeError):
        pass
    return False


def _step_fault(
    certificate: SigningCertificate, issuer: SigningCertificate, at: datetime
) -> NotTrusted | None:
    """6.1.3 (a): signature, validity, names. By SHA-1 and MD5 one is forged by collision."""
    subject, scheme = certificate.subject, _digest(certificate)
    if scheme not in STRONG:
        words = f"Certificate {subject} was signed by its CA with {scheme}."
        return NotTrusted(Cause.ISSUER_SIGNATURE, words)
    if not issued(certificate, issuer):
        return NotTrusted(
            Cause.ISSUER_SIGNATURE,
            f"Certificate {subject} names {issuer.subject} as its issuer but was not signed by it.",
        )
    if not issuer.valid_at(at):
        return NotTrusted(
            Cause.ISSUER_NOT_VALID, f"The issuer {issuer.subject} was not valid then."
        )
    return None


def _digest(certificate: SigningCertificate) -> str:
    """What the CA digested it with, as cryptography names it; else the algorithm's identifier."""
    try:
        digest = certificate.loaded.signature_hash_algorithm
    except UnsupportedAlgorithm:
        digest = None
    return (
        certificate.loaded.signature_algorithm_oid.dotted_string if digest is None else digest.name
    )


def _ca_fault(ca: SigningCertificate, inputs: Inputs) -> NotTrusted | None:
    """6.1.4 (k), (n), (o): a CA by basic constraints, that may sign certificates, understood."""
    name = ca.subject
    if not ca.ca:
        return NotTrusted(Cause.ISSUER_NOT_CA, f"The issuer {name} is not a CA.")
    if ca.key_usage is not None and "keyCertSign" not in ca.key_usage:
        return NotTrusted(Cause.ISSUER_NOT_CA, f"The issuer {name} may not sign certificates.")
    if ca.critical - _UNDERSTOOD:
        return NotTrusted(
            Cause.CRITICAL_EXTENSION, f"The issuer {name} has an unknown critical extension."
        )
    weak = inputs.keys.refusal(ca)
    if weak is not None:
        return NotTrusted(Cause.ISSUER_KEY, f"The issuer {name} has a key that is refused: {weak}")
    return None


def _length(ca: SigningCertificate, room: int) -> int:
    """6.1.4 (m): how many more CAs may follow."""
    constraints = extension(ca, x509.BasicConstraints)
    length = constraints.path_length if constraints is not None else None
    return room if length is None else length


def _told(cause: Cause, certificate: SigningCertificate, wrong: str | None) -> NotTrusted | None:
    if wrong is None:
        return None
    return NotTrusted(cause, f"Certificate {certificate.subject} is not trusted: {wrong}.")
