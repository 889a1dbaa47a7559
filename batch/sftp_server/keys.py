"""What a login key must be, and what its signature must be. Nothing here knows a channel's keys."""

from __future__ import annotations

from collections.abc import Callable, Set

import asyncssh
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from batch.sftp_server import wire
from batch.signing import weak_rsa
from batch.storage.register_files import LARGEST_RSA, SMALLEST_RSA

SIGNATURES = frozenset(
    {"ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "rsa-sha2-256", "rsa-sha2-512"}
)
"""Signature algorithms accepted at login: no SHA-1 (RFC 8332)."""

LEGACY_SIGNATURE = "ssh-rsa"
"""RSA with SHA-1: only for a channel whose ``legacy`` is on."""

_USERAUTH_REQUEST = 50


def weakness(key: asyncssh.SSHKey) -> str | None:
    """Why a key of this kind is never accepted; None when the policy allows it.

    RSA of 2048 to 8192 bits that is not known to be broken, Ed25519, ECDSA on P-256 or P-384
    (NIST SP 800-131A). A key on a security token (``sk-``) signs something else than asked, and is
    another kind of key.
    """
    kind = key.get_algorithm()
    if kind.startswith("sk-"):
        return kind
    match key.convert_to_public().pyca_key:
        case RSAPublicKey() as rsa:
            if not SMALLEST_RSA <= rsa.key_size <= LARGEST_RSA:
                return f"RSA of {rsa.key_size} bits"
            return weak_rsa.weakness(rsa.public_numbers().n)
        case Ed25519PublicKey():
            return None
        case EllipticCurvePublicKey() as curve:
            return None if curve.curve.name in ("secp256r1", "secp384r1") else curve.curve.name
        case _:
            return kind


def guard(
    key: asyncssh.SSHKey, allowed: Set[str], judged: Callable[[str | None, str], None]
) -> None:
    """Let ``key`` accept a right signature by one of ``allowed`` alone.

    asyncssh advertises a list of signature algorithms and then accepts any it knows, whatever the
    request calls it. It makes the key object for one attempt and asks nothing but its ``verify``,
    so the rule is put there. The name in the request must be that in the signature (RFC 8332,
    section 3.2). ``judged`` hears of each signature: why it is refused, or None, and its algorithm.
    """
    rightly_signed = key.verify

    def verify(signed: bytes, signature: bytes) -> bool:
        algorithm = wire.first_text(signature)
        reason = None
        if algorithm not in allowed:
            reason = "a signature algorithm that is not allowed"
        elif algorithm != _requested(signed):
            reason = "the signature is by another algorithm than the request says"
        elif not rightly_signed(signed, signature):
            reason = "right key, wrong signature"
        judged(reason, algorithm)
        return reason is None

    key.verify = verify  # type: ignore[method-assign, assignment]


def _requested(signed: bytes) -> str:
    """The algorithm named in a request (RFC 4252, section 7): what is signed is the session's
    identifier, the request's number, user, service, method, TRUE, algorithm and key."""
    session = wire.strings(signed, 1)
    request = signed[wire.size(session) :]
    if not session or request[:1] != bytes([_USERAUTH_REQUEST]):
        return ""
    named = wire.strings(request[1:], 3)
    after_true = 1 + wire.size(named) + 1
    return wire.first_text(request[after_true:]) if named else ""
