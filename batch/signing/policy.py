"""What the channel admits: algorithms, keys, usages, trust anchors. One frozen value."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Self

from batch.errors import OperatorError
from batch.signing.algorithms import STRONG, Digest
from batch.signing.certificate import KeyKind, SigningCertificate, read_der
from batch.signing.weak_rsa import weakness


class NoTrust(OperatorError):
    """There is no trust anchor. That never means: trust everybody."""


@dataclass(frozen=True, slots=True)
class AdmittedKeys:
    """Key kinds and sizes (protocol section 3.2: RSA or ECC, sizes as NIST recommends)."""

    rsa_bits: int = 2048
    curves: frozenset[str] = frozenset({"secp256r1", "secp384r1", "secp521r1"})

    def refusal(self, certificate: SigningCertificate) -> str | None:
        """Why this key is not admitted, one sentence; None when it is."""
        if certificate.key_kind in (KeyKind.RSA, KeyKind.RSA_PSS):
            if certificate.key_size < self.rsa_bits:
                return f"Its RSA key has {certificate.key_size} bits, fewer than {self.rsa_bits}."
            return weakness(certificate.rsa_modulus)
        if certificate.key_kind is KeyKind.EC:
            if certificate.key_curve in self.curves:
                return None
            return f"Its key is on the curve {certificate.key_curve}, which is not admitted."
        return "Its key is neither RSA nor ECDSA."


@dataclass(frozen=True, slots=True)
class SignaturePolicy:
    """The rules one verdict is made by.

    ``trust``: certificates of CAs, or single signers' certificates; NoTrust when empty.
    ``intermediates``: certificates of CAs that are known but vouch for nobody by themselves: they
    may stand between a signer's certificate and one of ``trust``. ``usages``: a certificate with
    KeyUsage must hold one of these. ``qualified``: only certificates that say they are qualified
    for electronic signatures or seals (ETSI EN 319 412-5). ``sha1``: admit SHA-1 as the digest, a
    dated exception of one channel. ``embedded_crls``: admit CRLs inside an FS (annex 25 code 22
    forbids them); ``unsigned_attributes``: admit them, such as a timestamp (code 23 forbids them
    to senders; answers may carry one). ``max_bytes``: largest FS, as a file.
    """

    trust: tuple[SigningCertificate, ...]
    digests: frozenset[Digest] = STRONG
    keys: AdmittedKeys = field(default_factory=AdmittedKeys)
    intermediates: tuple[SigningCertificate, ...] = ()
    usages: frozenset[str] = frozenset({"digitalSignature", "nonRepudiation"})
    qualified: bool = False
    sha1: bool = False
    embedded_crls: bool = False
    unsigned_attributes: bool = False
    max_bytes: int = 64 * 1024

    def __post_init__(self) -> None:
        if not self.trust:
            raise NoTrust("no CA certificate is trusted yet: add one with fla-batch trust add FILE")

    @classmethod
    def trusting(cls, anchors: Iterable[bytes], intermediates: Iterable[bytes] = ()) -> Self:
        """The default rules with this trust, each certificate in DER; CertificateError, NoTrust."""
        between = tuple(read_der(der) for der in intermediates)
        return cls(tuple(read_der(der) for der in anchors), intermediates=between)
