"""What an operator hands in as a file, read: login keys, and what is trusted."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_ssh_public_key,
    ssh_key_fingerprint,
)

from batch.errors import OperatorError
from batch.registers import Interval, LoginKey
from batch.signing.certificate import CertificateError, SigningCertificate, name_in_words, read_der
from batch.signing.weak_rsa import weakness


class TrustKind(StrEnum):
    """What stands in the trust: an authority's certificate, one that only stands between a signer
    and an authority, or a revocation list."""

    CERTIFICATE = "CERTIFICATE"
    INTERMEDIATE = "INTERMEDIATE"
    CRL = "CRL"


@dataclass(frozen=True, slots=True)
class Trusted:
    """One entry of the trust. ``subject`` is the issuer's name where it is a revocation list."""

    kind: TrustKind
    subject: str
    fingerprint: str
    added_at: datetime
    der: bytes


LOGIN_KEY_TYPES = frozenset(
    {"ssh-rsa", "ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384"}
)
"""Types of login key we accept: what today's clients make and our server may verify."""

SMALLEST_RSA = 2048
"""Bits; what is smaller is not accepted for login (112 bits of strength, NIST SP 800-57)."""

LARGEST_RSA = 8192
"""Bits; a signature by 16384 bits costs four times as much to check, and stronger is Ed25519."""

_WANTED_KEY = (
    "give the public half of an Ed25519, ECDSA P-256 or P-384, or RSA key of 2048 to 8192 bits, "
    "for example one made by ssh-keygen -t ed25519"
)


def login_key(data: bytes, since: datetime) -> LoginKey:
    """The login key in a file: OpenSSH's one line, or RFC 4716 as PuTTYgen saves it.

    Raises OperatorError when it is a private key, no key, more than one, or one we do not accept.
    """
    text = data.decode("utf-8-sig", errors="replace").strip()
    if "PRIVATE KEY" in text or text.startswith("PuTTY-User-Key-File"):
        raise OperatorError(
            "SSH key: this file is a PRIVATE key, which nobody but its owner may hold; give the "
            "public one (the .pub file), and make a new pair if this file left the owner's machine"
        )
    try:
        kind, blob = _ssh2_block(text) if text.startswith("---- BEGIN SSH2") else _one_line(text)
        if kind not in LOGIN_KEY_TYPES:
            raise OperatorError(f"SSH key: type {kind!r} is not accepted; {_WANTED_KEY}")
        key = load_ssh_public_key(f"{kind} {blob}".encode())
    except (ValueError, UnsupportedAlgorithm):
        raise OperatorError(
            f"SSH key: the file holds no single public key; {_WANTED_KEY}"
        ) from None
    assert isinstance(key, rsa.RSAPublicKey | ed25519.Ed25519PublicKey | ec.EllipticCurvePublicKey)
    if isinstance(key, rsa.RSAPublicKey) and not SMALLEST_RSA <= key.key_size <= LARGEST_RSA:
        measure = "short" if key.key_size < SMALLEST_RSA else "long"
        raise OperatorError(f"SSH key: RSA of {key.key_size} bits is too {measure}; {_WANTED_KEY}")
    broken = weakness(key.public_numbers().n) if isinstance(key, rsa.RSAPublicKey) else None
    if broken is not None:
        raise OperatorError(f"SSH key: {broken} Make a new pair elsewhere; {_WANTED_KEY}")
    digest = base64.b64encode(ssh_key_fingerprint(key, SHA256())).decode().rstrip("=")
    public = key.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    return LoginKey(public, f"SHA256:{digest}", Interval(since))


def _one_line(text: str) -> tuple[str, str]:
    [line] = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    kind, blob, *_comment = line.split(maxsplit=2)
    return kind, blob


def _ssh2_block(text: str) -> tuple[str, str]:
    """Type and base64 of an RFC 4716 file: headers hold a colon and may go on after a backslash."""
    begin, *lines, end = text.splitlines()
    if "BEGIN SSH2 PUBLIC KEY" not in begin or "END SSH2 PUBLIC KEY" not in end:
        raise ValueError("no block of one public key")
    body, in_header = [], False
    for line in lines:
        if not in_header and ":" not in line:
            body.append(line.strip())
        else:
            in_header = line.endswith("\\")
    blob = base64.b64decode("".join(body), validate=True)
    return blob[4 : 4 + int.from_bytes(blob[:4])].decode("ascii"), "".join(body)


_PEM = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----(.*?)-----END \1-----", re.DOTALL)


def trust_entries(data: bytes, at: datetime, *, intermediate: bool = False) -> list[Trusted]:
    """The authorities' certificates and revocation lists in a file: PEM, one or more, or one DER.

    ``intermediate``: the certificates are those of CAs that somebody else must vouch for. Raises
    OperatorError when one of them cannot be read or is a certificate that is no CA's.
    """
    try:
        ders = [base64.b64decode(text) for _label, text in _PEM.findall(data)]
    except ValueError:
        ders = []
    if len(ders) != data.count(b"-----BEGIN "):
        raise OperatorError("trust: a PEM block in the file is damaged; export the file anew")
    return [_trusted(der, at, intermediate) for der in ders or [data]]


def _trusted(der: bytes, at: datetime, intermediate: bool) -> Trusted:
    try:
        crl = x509.load_der_x509_crl(der)
        issuer, mark = name_in_words(crl.issuer), crl.fingerprint(SHA256()).hex()
        return Trusted(TrustKind.CRL, issuer, mark, at, der)
    except ValueError:
        found = _read_authority(der)
    if intermediate and _is_self_signed(found.loaded):
        raise OperatorError(
            f"--intermediate: {found.subject} is signed by itself, so no other CA vouches for it; "
            "trust it without --intermediate, or leave it out of the file"
        )
    kind = TrustKind.INTERMEDIATE if intermediate else TrustKind.CERTIFICATE
    return Trusted(kind, found.subject, found.fingerprint, at, der)


def _read_authority(der: bytes) -> SigningCertificate:
    """A certificate that may vouch for others (RFC 5280 section 4.2.1.9), or for itself alone."""
    try:
        found = read_der(der)
    except CertificateError as error:
        raise OperatorError(f"trust: no CRL and no certificate: {error}") from None
    if not found.ca and not _is_self_signed(found.loaded):
        raise OperatorError(
            f"trust: {found.subject} is not a CA (basicConstraints); "
            f"give the certificate of its issuer, {found.issuer}"
        )
    return found


def _is_self_signed(certificate: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(certificate)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True
