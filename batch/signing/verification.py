"""From an FS and an FI to *signed by whom*, in numbered steps.

An FS is accepted when all of this is shown, in this order; the first that fails is the cause:

    1  the file is base64 (or DER) of one SignedData, and nothing else      contract 2; RFC 5652 3
    2  its form is the channel's: version, type data, detached, no CRLs     RFC 5652 5.1; annex 25
    3  it has exactly one signer, without unsigned attributes               RFC 5652 5.3; annex 25
    4  the signed attributes are there, in DER, once each, about data       RFC 5652 5.3, 11.1, 11.2
    5  the signer is a certificate registered for the channel               protocol 3.3
    6  that certificate may sign at the sealing instant, and is not revoked RFC 5280 6.1, 6.3
    7  the algorithms are admitted and agree with one another               RFC 5652 5.3; RFC 6211
    8  the signature over the signed attributes is that certificate's       RFC 5652 5.4, 5.6
    9  the digest of the FI is the one in the signed attributes             RFC 5652 5.4, 11.2

Steps 1 to 8 need only the FS (``begin``); step 9 streams over the FI, so memory is flat at any
size. What is right in all nine but whose revocation cannot be known yet is undecided. A certificate
embedded in the FS is never believed: it serves to say whose it is.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from asn1crypto import x509 as asn1_x509

from batch.signing import encoding
from batch.signing.algorithms import Digest, check_signature, digest_of, same_algorithm, scheme_of
from batch.signing.attributes import (
    CertificateHash,
    SignedAttributes,
    read_signed_attributes,
)
from batch.signing.certificate import SigningCertificate, read_der
from batch.signing.findings import Finding, OutOfReach, Revoked
from batch.signing.path import NotTrusted, Trusted, judge_certificate
from batch.signing.policy import SignaturePolicy
from batch.signing.revocation import Sources, check
from batch.signing.signed_data import (
    ID_DATA,
    IssuerAndSerialNumber,
    SignedData,
    SignerIdentifier,
    SignerInfo,
    SubjectKeyIdentifier,
    read_signed_data,
)
from batch.signing.verdict import Cause, NotSigned, Signed, Undecided

NO_SOURCES = Sources()
_MAX_EMBEDDED = 16  # a signer sends his own certificate and its CAs: four


class Registered(Protocol):
    """A certificate registered for the channel: ``batch.registers.RegisteredCertificate``."""

    @property
    def der(self) -> bytes: ...


@dataclass(frozen=True, slots=True)
class _Proof:
    """What steps 1 to 8 have shown, and the digest that step 9 must find."""

    standing: _Standing
    digest: Digest
    message_digest: bytes
    signing_time: datetime | None
    algorithm: str


@dataclass(frozen=True, slots=True)
class _Standing:
    """What step 6 has shown: the path, and what was found of each certificate but the anchor."""

    chain: tuple[SigningCertificate, ...]
    revocation: tuple[Finding, ...]

    @property
    def certificate(self) -> SigningCertificate:
        return self.chain[0]


class Verifier:
    """Step 9: fed with the FI, chunk by chunk, then asked once; or told the FI's digest."""

    def __init__(self, proof: _Proof) -> None:
        self._proof = proof
        self._hash = hashlib.new(proof.digest.value)

    def update(self, chunk: bytes) -> None:
        self._hash.update(chunk)

    @property
    def digest(self) -> Digest:
        """The algorithm over the FI."""
        return self._proof.digest

    def finish(self) -> Signed | NotSigned | Undecided:
        return self.conclude(self._hash.digest())

    def conclude(self, digest: bytes) -> Signed | NotSigned | Undecided:
        """The verdict on an FI whose ``digest``, by ``self.digest``, somebody vouches for."""
        proof = self._proof
        if not hmac.compare_digest(digest, proof.message_digest):
            return NotSigned(
                Cause.DIGEST_DIFFERS,
                "The registered certificate signed other bytes than this FI: it was changed after "
                "signing, signed as text (openssl without -binary), or is not the FI of this FS.",
            )
        standing = proof.standing
        missing = [found for found in standing.revocation if isinstance(found, OutOfReach)]
        if missing:
            return Undecided(missing[0].words)
        return Signed(
            standing.certificate.subject,
            standing.certificate.fingerprint,
            proof.digest.value,
            proof.signing_time,
            tuple(certificate.der for certificate in standing.chain),
            standing.revocation,
            proof.algorithm,
        )


def begin(
    fs: bytes,
    registered: Sequence[Registered],
    policy: SignaturePolicy,
    at: datetime,
    sources: Sources = NO_SOURCES,
) -> Verifier | NotSigned:
    """Steps 1 to 8 on an FS file, against the certificates valid for the channel at ``at``.

    ``sources``: the revocation lists and OCSP answers at hand. Raise CertificateError when a
    registered certificate cannot be read: our register is damaged.
    """
    der = encoding.decode(fs, policy.max_bytes)  # step 1
    if isinstance(der, NotSigned):
        return der
    data = read_signed_data(der)
    if isinstance(data, NotSigned):
        return data
    fault = _form_fault(data, policy)  # step 2
    if fault is not None:
        return fault
    signer = _one_signer(data, policy)  # step 3
    if isinstance(signer, NotSigned):
        return signer
    proof = _prove_signer(data, signer, _Wanted(registered, policy, at, sources))
    return proof if isinstance(proof, NotSigned) else Verifier(proof)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """By what the signer is judged."""

    registered: Sequence[Registered]
    policy: SignaturePolicy
    at: datetime
    sources: Sources


def _prove_signer(data: SignedData, signer: SignerInfo, wanted: _Wanted) -> _Proof | NotSigned:
    attributes = _attributes(signer)  # step 4
    if isinstance(attributes, NotSigned):
        return attributes
    certificate = _registered_signer(data, signer.sid, wanted.registered, wanted.at)  # step 5
    if isinstance(certificate, NotSigned):
        return certificate
    standing = _standing(certificate, wanted, data)  # step 6
    if isinstance(standing, NotSigned):
        return standing
    return _prove_signature(data, signer, attributes, standing, wanted.policy)


def _standing(
    certificate: SigningCertificate, wanted: _Wanted, data: SignedData
) -> _Standing | NotSigned:
    """Step 6. CAs in the FS may help to find a path; a revoked one takes all it issued with it."""
    brought = _readable_of(data)
    judged = judge_certificate(certificate, wanted.policy, wanted.at, brought)
    if isinstance(judged, NotTrusted):
        return NotSigned(judged.cause, judged.words)
    return _not_revoked(judged, wanted, brought)


def _not_revoked(
    judged: Trusted, wanted: _Wanted, brought: Sequence[SigningCertificate]
) -> _Standing | NotSigned:
    """A CA may sign its lists with a key of their own, whose certificate the FS may bring as well:
    only one that says so, for the lists themselves never come out of an FS."""
    for_lists = (c for c in brought if c.key_usage is not None and "cRLSign" in c.key_usage)
    known = (*wanted.policy.intermediates, *wanted.policy.trust, *for_lists)
    found = check(judged.chain, wanted.sources, wanted.at, known)
    for certificate, finding in zip(judged.chain, found, strict=False):
        if isinstance(finding, Revoked):
            own = certificate is judged.chain[0]
            return NotSigned(
                Cause.CERTIFICATE_REVOKED if own else Cause.ISSUER_REVOKED,
                f"Certificate {certificate.subject} {finding.words}.",
            )
    return _Standing(judged.chain, tuple(found))


def _form_fault(data: SignedData, policy: SignaturePolicy) -> NotSigned | None:
    """Step 2. Version 3 comes with a signer named by key identifier (RFC 5652 5.1)."""
    if data.version not in (1, 3):
        return NotSigned(Cause.VERSION, f"The SignedData has version {data.version}, not 1 or 3.")
    if data.content_type != ID_DATA:
        return NotSigned(
            Cause.CONTENT_TYPE,
            f"The SignedData is about a content of type {data.content_type}, not data.",
        )
    if data.attached:
        return NotSigned(
            Cause.ATTACHED, "The signed content is inside the FS; a detached signature is wanted."
        )
    if data.crls and not policy.embedded_crls:
        return NotSigned(Cause.EMBEDDED_CRLS, "The FS holds revocation lists (annex 25, code 22).")
    return None


def _one_signer(data: SignedData, policy: SignaturePolicy) -> SignerInfo | NotSigned:
    """Step 3."""
    if not data.signer_infos:
        return NotSigned(Cause.NO_SIGNER, "The FS holds certificates but no signature.")
    if len(data.signer_infos) > 1:
        return NotSigned(
            Cause.SEVERAL_SIGNERS,
            f"The FS holds {len(data.signer_infos)} signatures; exactly one is wanted.",
        )
    signer = data.signer_infos[0]
    wanted = 1 if isinstance(signer.sid, IssuerAndSerialNumber) else 3
    if signer.version != wanted:
        return NotSigned(
            Cause.VERSION,
            f"The SignerInfo has version {signer.version}; its signer needs {wanted}.",
        )
    if signer.unsigned_attributes and not policy.unsigned_attributes:
        return NotSigned(
            Cause.UNSIGNED_ATTRIBUTES,
            "The FS holds unsigned attributes, such as a timestamp (annex 25, code 23).",
        )
    if data.version == 1 and wanted == 3:
        return NotSigned(Cause.VERSION, "The SignedData has version 1; its signer needs 3.")
    return signer


def _attributes(signer: SignerInfo) -> SignedAttributes | NotSigned:
    """Step 4. Without them a signature can be moved to another content (RFC 5652 section 12)."""
    if signer.signed_attributes is None:
        return NotSigned(
            Cause.NO_SIGNED_ATTRIBUTES, "The FS has no signed attributes (openssl -noattr)."
        )
    attributes = read_signed_attributes(signer.signed_attributes)
    if isinstance(attributes, SignedAttributes) and attributes.content_type != ID_DATA:
        return NotSigned(
            Cause.CONTENT_TYPE_ATTRIBUTE, "The signed attribute content-type is not data."
        )
    return attributes


def _registered_signer(
    data: SignedData, sid: SignerIdentifier, registered: Sequence[Registered], at: datetime
) -> SigningCertificate | NotSigned:
    """Step 5. Of several that fit (renewed with the same key), one that is valid at ``at``."""
    known = [read_der(certificate.der) for certificate in registered]
    if not known:
        return NotSigned(
            Cause.NO_CERTIFICATE_REGISTERED, "The channel has no certificate at this instant."
        )
    fitting = [certificate for certificate in known if names(sid, certificate)]
    if fitting:
        return next((c for c in fitting if c.valid_at(at)), fitting[0])
    used = next((c for c in _readable_of(data) if names(sid, c)), None)
    whose = "a certificate that is not in the FS"
    if used is not None:
        whose = (
            f"the certificate of {used.subject}, issued by {used.issuer}, valid until "
            f"{used.not_after:%Y-%m-%d}, SHA-256 {used.fingerprint[:16]}"
        )
    ours = "; ".join(f"{c.subject}, SHA-256 {c.fingerprint[:16]}" for c in known)
    return NotSigned(
        Cause.OTHER_CERTIFICATE,
        f"The FS was made with {whose}; registered for the channel is: {ours}.",
    )


def names(sid: SignerIdentifier, certificate: SigningCertificate) -> bool:
    match sid:
        case IssuerAndSerialNumber(issuer=issuer, serial=serial):
            return serial == certificate.serial and _same_name(issuer, certificate.issuer_name)
        case SubjectKeyIdentifier(key=key):
            return key == certificate.key_identifier


def _same_name(one: bytes, other: bytes) -> bool:
    """Equal as encoded, or as RFC 5280 7.1 compares: signing software re-encodes Names."""
    if one == other:
        return True
    try:
        return bool(asn1_x509.Name.load(one) == asn1_x509.Name.load(other))
    except Exception:  # asn1crypto raises what it pleases on a damaged Name
        return False


def _readable_of(data: SignedData) -> list[SigningCertificate]:
    """The embedded certificates that can be read."""
    found = map(_readable, data.certificates[:_MAX_EMBEDDED])
    return [certificate for certificate in found if certificate is not None]


def _readable(der: bytes) -> SigningCertificate | None:
    """An embedded certificate, when it can be read; only to name the one that was used."""
    try:
        return read_der(der)
    except Exception:  # hostile bytes that only serve for words must not stop a verdict
        return None


def _prove_signature(
    data: SignedData,
    signer: SignerInfo,
    attributes: SignedAttributes,
    standing: _Standing,
    policy: SignaturePolicy,
) -> _Proof | NotSigned:
    """Steps 7 and 8."""
    certificate = standing.certificate
    digest = digest_of(signer.digest_algorithm, sha1=policy.sha1)
    if isinstance(digest, NotSigned):
        return digest
    if digest is not Digest.SHA1 and digest not in policy.digests:
        return NotSigned(Cause.DIGEST_NOT_ALLOWED, f"The digest {digest} is not admitted.")
    fault = _agreement_fault(data, signer, attributes, certificate)
    if fault is not None:
        return fault
    scheme = scheme_of(signer.signature_algorithm, digest)
    if isinstance(scheme, NotSigned):
        return scheme
    wrong = check_signature(certificate, scheme, digest, signer.signature, attributes.signed)
    if wrong is not None:
        return wrong
    return _Proof(
        standing,
        digest,
        attributes.message_digest,
        attributes.signing_time,
        signer.signature_algorithm.oid,
    )


def _agreement_fault(
    data: SignedData,
    signer: SignerInfo,
    attributes: SignedAttributes,
    certificate: SigningCertificate,
) -> NotSigned | None:
    """What is said twice must be said the same way."""
    if all(a.oid != signer.digest_algorithm.oid for a in data.digest_algorithms):
        return NotSigned(
            Cause.DIGEST_NOT_ANNOUNCED,
            "The SignedData does not announce the digest algorithm its signer used.",
        )
    protection = attributes.protection
    if protection is not None and not (
        protection.signature is not None
        and same_algorithm(protection.digest, signer.digest_algorithm)
        and same_algorithm(protection.signature, signer.signature_algorithm)
    ):
        return NotSigned(
            Cause.ALGORITHM_PROTECTION,
            "The signed attributes name other algorithms than the signature uses (RFC 6211).",
        )
    for listed in attributes.certificates:
        if not (listed.fits(certificate.der) and _named_so(listed, certificate)):
            return NotSigned(
                Cause.SIGNING_CERTIFICATE_ATTRIBUTE,
                "The signed attributes name another certificate as the signer's (RFC 5035).",
            )
    return None


def _named_so(listed: CertificateHash, certificate: SigningCertificate) -> bool:
    """RFC 5035 asks for the hash alone; a number or issuer that contradicts it is no slip."""
    if listed.issuer is None:
        return True
    same = listed.serial == certificate.serial
    return same and _same_name(listed.issuer, certificate.issuer_name)
