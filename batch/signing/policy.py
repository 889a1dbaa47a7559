"""What the channel admits: algorithms, keys, usages, trust anchors. One frozen value."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Self

from batch.errors import OperatorError
from batch.signing.algorithms import Digest
from batch.signing.certificate import KeyKind, SigningCertificate, read_der


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
            if certificate.key_size >= self.rsa_bits:
                return None
            return f"Its RSA key has {certificate.key_size} bits, fewer than {self.rsa_bits}."
        if certificate.key_kind is KeyKind.EC:
            if certificate.key_curve in self.curves:
                return None
            return f"Its key is on the curve {certificate.key_curve}, which is not admitted."
        return "Its key is neither RSA nor ECDSA."


@dataclass(frozen=True, slots=True)
class SignaturePolicy:
    """The rules one verdict is made by.

    ``trust``: certificates of CAs, or single signers' certificates; NoTrust when empty.
    ``usages``: a certificate with KeyUsage must hold one of these. ``embedded_crls``: admit CRLs
    inside an FS (annex 25 code 22 forbids them). ``max_bytes``: largest FS, as a file.
    """

    trust: tuple[SigningCertificate, ...]
    digests: frozenset[Digest] = frozenset(Digest)
    keys: AdmittedKeys = field(default_factory=AdmittedKeys)
    usages: frozenset[str] = frozenset({"digitalSignature", "nonRepudiation"})
    embedded_crls: bool = False
    max_bytes: int = 64 * 1024

    def __post_init__(self) -> None:
        if not self.trust:
            raise NoTrust("no CA certificate is trusted yet: add one with fla-batch trust add FILE")

    @classmethod
    def trusting(cls, anchors: Iterable[bytes]) -> Self:
        """The default rules with these trust anchors, each in DER; CertificateError, NoTrust."""
        return cls(tuple(read_der(der) for der in anchors))
