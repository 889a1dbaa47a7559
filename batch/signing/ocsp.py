"""What OCSP answers tell of a certificate at an instant (RFC 6960 3.2).

    1  it is an answer, not an error, without unknown critical extensions   4.2.1; 4.4
    2  it is about the certificate, by certID                               3.2 (1)
    3  it is signed by the CA, or by one to whom that CA delegated it       3.2 (2) to (4); 4.2.2.2
    4  it speaks for the instant                                            3.2 (5), (6); 4.2.2.1
    5  good, revoked since when, or unknown, which is not good              2.2

Nonces have no part in this: an answer is fetched ahead and used many times. What a later answer
tells of an earlier instant is as with lists (``crl_status``).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID

from batch.signing.algorithms import STRONG, Digest, Scheme, check_signature, scheme_of
from batch.signing.asn1 import (
    BIT_STRING,
    GENERALIZED_TIME,
    OCTET_STRING,
    SEQUENCE,
    Element,
    Fields,
    Malformed,
    children,
    object_identifier,
    only,
    read,
)
from batch.signing.certificate import (
    CertificateError,
    ComparableName,
    SigningCertificate,
    comparable,
    extension,
    read_der,
)
from batch.signing.crl import Entry
from batch.signing.crl_scope import ALL_REASONS
from batch.signing.crl_status import Asked, told_by_lists
from batch.signing.findings import Evidence, SourceKind
from batch.signing.path_validation import issued_strongly
from batch.signing.policy import AdmittedKeys
from batch.signing.signed_data import algorithm
from batch.signing.sources import UNREADABLE
from batch.signing.told import Told, Useless, day

WITHOUT_END: Final = timedelta(hours=24)
"""How long before the instant an answer without nextUpdate may be made.

It says that something newer can be had at any time (RFC 6960 4.2.2.1). A day is what a list of a
CA lasts, and what a set waits for a source before an operator is called.
"""
_ANSWERS: Final = 4096  # read ones kept, of 5 kB with their certificates: 20 MB
_NONCE: Final = "1.3.6.1.5.5.7.48.1.2"
_CERT_ID_HASHES: Final[dict[str, Callable[[bytes], bytes]]] = {
    # A certID only finds the certificate; SHA-1 is what requests are made with (RFC 5019 2.1.1).
    "sha1": lambda over: hashlib.sha1(over, usedforsecurity=False).digest(),
    "sha256": lambda over: hashlib.sha256(over).digest(),
    "sha384": lambda over: hashlib.sha384(over).digest(),
    "sha512": lambda over: hashlib.sha512(over).digest(),
}


@dataclass(frozen=True, slots=True)
class Single:
    """One SingleResponse (RFC 6960 4.2.1); ``entry`` when revoked, ``known`` False for unknown."""

    digest: str
    name_hash: bytes
    key_hash: bytes
    serial: int
    known: bool
    entry: Entry | None
    this_update: datetime
    next_update: datetime | None


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """An answer that can be read. ``fault``: why it says nothing all the same, in words.

    ``responder``: the name or the SHA-1 of the key by which it calls its signer.
    """

    singles: tuple[Single, ...]
    responder: ComparableName | bytes
    produced: datetime
    scheme: tuple[Scheme, Digest] | None
    signature: bytes = field(repr=False)
    signed: bytes = field(repr=False)
    certificates: tuple[bytes, ...] = field(repr=False)
    fault: str | None
    sha256: str


@lru_cache(maxsize=_ANSWERS)
def read_answer(der: bytes) -> Answer | None:
    """Step 1. None for what is no answer, an error of a responder (RFC 6960 4.2.1) included."""
    try:
        loaded = ocsp.load_der_ocsp_response(der)
        if loaded.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
            return None
        return _facts(loaded, der)
    except UNREADABLE:
        return None


def _facts(loaded: ocsp.OCSPResponse, der: bytes) -> Answer:
    name = loaded.responder_name
    responder = loaded.responder_key_hash if name is None else comparable(name)
    if responder is None:
        raise Malformed("The answer does not say whose it is.")
    encoding = serialization.Encoding.DER
    scheme = _scheme(der)
    critical = {e.oid.dotted_string for e in loaded.extensions if e.critical}
    critical |= _critical_of_singles(loaded.tbs_response_bytes)
    fault = None if scheme else "is signed with an algorithm that is not admitted"
    if unknown := critical - {_NONCE}:
        fault = f"has the unknown critical extension {min(unknown)}"
    return Answer(
        tuple(_single(single) for single in loaded.responses),
        responder,
        loaded.produced_at_utc,
        scheme,
        loaded.signature,
        loaded.tbs_response_bytes,
        tuple(certificate.public_bytes(encoding) for certificate in loaded.certificates),
        fault,
        hashlib.sha256(der).hexdigest(),
    )


def _single(single: ocsp.OCSPSingleResponse) -> Single:
    status, since = single.certificate_status, single.revocation_time_utc
    entry = None
    if status is ocsp.OCSPCertStatus.REVOKED:
        if since is None:
            raise Malformed("A revocation has no instant.")
        entry = Entry(since, single.revocation_reason)
    return Single(
        single.hash_algorithm.name,
        single.issuer_name_hash,
        single.issuer_key_hash,
        single.serial_number,
        status is not ocsp.OCSPCertStatus.UNKNOWN,
        entry,
        single.this_update_utc,
        single.next_update_utc,
    )


def _scheme(der: bytes) -> tuple[Scheme, Digest] | None:
    """The signature algorithm, by the rules for a signer's own; None when not admitted."""
    explicit = children(read(der))[1]
    response = Fields(only(children(explicit), "responseBytes"), "ResponseBytes")
    response.any("responseType")
    basic = Fields(read(response.take(OCTET_STRING, "response").contents), "BasicOCSPResponse")
    basic.take(SEQUENCE, "tbsResponseData")
    identifier = algorithm(basic.any("signatureAlgorithm"))
    for digest in STRONG:
        scheme = scheme_of(identifier, digest)
        if isinstance(scheme, Scheme):
            return scheme, digest
    return None


def _critical_of_singles(signed: bytes) -> set[str]:
    """The critical singleExtensions, which cryptography shows for one response alone."""
    data = Fields(read(signed), "ResponseData")
    data.context(0)
    data.any("responderID")
    data.take(GENERALIZED_TIME, "producedAt")
    found: set[str] = set()
    for single in children(data.take(SEQUENCE, "responses")):
        for part in children(single)[3:]:
            if part.context(1):
                found |= _critical(only(children(part), "singleExtensions"))
    return found


def _critical(extensions: Element) -> set[str]:
    """The identifiers of Extensions with three fields: the second is then ``critical``."""
    parts = [children(extension) for extension in children(extensions)]
    return {object_identifier(part[0]) for part in parts if len(part) == 3}


def told_by_answers(
    asked: Asked, answers: Sequence[bytes], crls: Sequence[bytes]
) -> Iterator[Told | Useless]:
    """What each answer about the certificate tells; the others are silent."""
    for der in answers:
        answer = read_answer(der)
        if answer is None:
            continue
        for single in answer.singles:
            if _is_about(single, asked):  # step 2
                fault = answer.fault or _signer_fault(answer, asked, crls)  # step 3
                yield _useless(fault) if fault else _at(answer, single, asked)


def _useless(why: str) -> Useless:
    return Useless(f"the OCSP answer {why}")


def _is_about(single: Single, asked: Asked) -> bool:
    """3.2 (1), by the names and the key of the issuer in the certificate's own path."""
    if single.serial != asked.certificate.serial or single.digest not in _CERT_ID_HASHES:
        return False
    hashed = _issuer_hashes(asked.certificate.issuer_name, asked.issuer, single.digest)
    return hashed == (single.name_hash, single.key_hash)


@lru_cache(maxsize=1024)  # the CAs, each by SHA-1 and SHA-256
def _issuer_hashes(name: bytes, issuer: SigningCertificate, digest: str) -> tuple[bytes, bytes]:
    compute = _CERT_ID_HASHES[digest]
    return compute(name), compute(_key_bits(issuer))


def _key_bits(certificate: SigningCertificate) -> bytes:
    """The subjectPublicKey without its tag, length and count of unused bits (RFC 6960 4.1.1)."""
    fields = Fields(read(certificate.key), "The key")
    fields.any("algorithm")
    return fields.take(BIT_STRING, "subjectPublicKey").contents[1:]


def _signer_fault(answer: Answer, asked: Asked, crls: Sequence[bytes]) -> str | None:
    """Step 3. None when the CA signed, or a responder of its own that is not revoked."""
    signer = _signer(answer, asked.issuer)
    if isinstance(signer, str):
        return signer
    if signer is asked.issuer:
        return None
    # 4.2.2.2.1: its revocation is left to us where it lacks ocsp-nocheck. What lists at hand tell
    # of it is used with and without; that none is at hand does not stop its answers, as a list
    # need not exist where a CA has a responder.
    path = (signer, *asked.path[1:])
    own = Asked(path, asked.authorities, answer.produced, of_signer=True)
    said = (word for word in told_by_lists(own, crls) if isinstance(word, Told))
    if any(word.entry is not None for word in said):
        return "is signed by a responder whose own certificate is revoked"
    return None


@lru_cache(maxsize=_ANSWERS)  # each answer with its CA
def _signer(answer: Answer, issuer: SigningCertificate) -> SigningCertificate | str:
    """Whose signature it is: the CA, or its delegate; else why it is nobody's that counts."""
    if _calls(answer, issuer) and _signed(answer, issuer):
        return issuer
    why = "is not signed by the CA or a responder of it"
    for der in answer.certificates:
        try:
            delegate = read_der(der)
        except CertificateError:
            continue
        if not (_calls(answer, delegate) and _signed(answer, delegate)):
            continue
        fault = _delegate_fault(delegate, issuer, answer.produced)
        if fault is None:
            return delegate
        why = f"is signed by a responder {fault}"
    return why


def _calls(answer: Answer, signer: SigningCertificate) -> bool:
    """4.2.2.3: the answer names its signer, by name or by the hash of its key."""
    if isinstance(answer.responder, tuple):
        return answer.responder == comparable(signer.loaded.subject)
    return answer.responder == _CERT_ID_HASHES["sha1"](_key_bits(signer))


def _signed(answer: Answer, signer: SigningCertificate) -> bool:
    if answer.scheme is None:
        return False
    scheme, digest = answer.scheme
    return check_signature(signer, scheme, digest, answer.signature, answer.signed) is None


def _delegate_fault(
    delegate: SigningCertificate, issuer: SigningCertificate, produced: datetime
) -> str | None:
    """4.2.2.2: issued directly by the CA, for this purpose, and valid when it answered."""
    if not issued_strongly(delegate, issuer):
        return "that the CA did not certify itself"
    uses = extension(delegate, x509.ExtendedKeyUsage)
    if uses is None or ExtendedKeyUsageOID.OCSP_SIGNING not in uses:
        return "whose certificate is not for OCSP"
    if not delegate.valid_at(produced):
        return "whose certificate was not valid when it answered"
    if AdmittedKeys().refusal(delegate) is not None:
        return "whose key is not admitted"
    if delegate.key_usage is not None and not delegate.key_usage & {
        "digitalSignature",
        "nonRepudiation",
    }:
        return "whose key may not sign"
    return None


def _at(answer: Answer, single: Single, asked: Asked) -> Told | Useless:
    """Steps 4 and 5."""
    at, ends = asked.at, single.next_update
    evidence = Evidence(SourceKind.OCSP, answer.sha256, single.this_update, ends)
    if not single.known:
        return _useless("says that the responder does not know the certificate")
    lasts = single.this_update >= at - WITHOUT_END if ends is None else ends > at
    entry = single.entry
    if entry is not None and entry.since <= at and (lasts or entry.for_good):
        return Told(evidence, entry, ALL_REASONS)
    if not lasts:
        return _useless(f"expired on {day(ends or single.this_update + WITHOUT_END)}")
    if entry is None and single.this_update > asked.certificate.not_after:
        return _useless("was made after the certificate had expired, and may no longer know it")
    return Told(evidence, None, ALL_REASONS)
