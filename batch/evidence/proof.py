"""The proof of one FI: how its signature was judged, and by what, as one canonical document."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, assert_never

from batch import __version__
from batch.evidence.canonical import Document, canonical, digest, instant
from batch.evidence.grounds import Grounds, digest_of
from batch.signing.findings import Evidence, Finding, Good, NotChecked, OutOfReach, Revoked
from batch.signing.revocation import Sources
from batch.signing.verdict import Cause, NotSigned, Signed
from batch.signing.verification import NO_SOURCES
from batch.states import SealedFile

NO_SOURCE = "not checked: no source"
_REVOKED = frozenset({Cause.CERTIFICATE_REVOKED, Cause.ISSUER_REVOKED})


@dataclass(frozen=True, slots=True)
class Proof:
    """What is kept of one FI's signature: ``body`` names its grounds, which are kept beside it."""

    part: str
    body: str
    grounds: Grounds


def prove(
    data: SealedFile,
    signature: SealedFile,
    verdict: Signed | NotSigned,
    judged_by: Grounds,
    at: datetime,
) -> Proof:
    """The proof of the verdict on ``data`` by its ``signature``, judged at the instant ``at``."""
    grounds = replace(judged_by, sources=_needed(judged_by.sources, verdict))
    body: Document = {
        "sealed_at": instant(at),
        "data": _file(data),
        "signature": _file(signature),
        "grounds": digest(canonical(grounds.document())),
        "sha1_exception": grounds.policy.sha1,
        "program": __version__,
        **outcome(verdict),
    }
    return Proof(data.name, canonical(body), grounds)


def outcome(verdict: Signed | NotSigned) -> Document:
    """The part of a proof that another judgement of the same bytes must give again."""
    match verdict:
        case Signed():
            return {
                "verdict": "signed",
                "signer": verdict.subject,
                "certificate": verdict.fingerprint,
                "chain": [digest(der) for der in verdict.chain],
                "revocation": [_finding(found) for found in verdict.revocation],
                "digest": verdict.digest,
                "signature_algorithm": verdict.algorithm,
                "signing_time": instant(verdict.signing_time),
            }
        case NotSigned():
            return {
                "verdict": "refused",
                "cause": verdict.cause.value,
                "code": verdict.code,
                "words": verdict.words,
            }
        case _:
            assert_never(verdict)


def _needed(sources: Sources, verdict: Signed | NotSigned) -> Sources:
    """Of the lists and answers at hand those that the verdict rests on, which gives it again.

    There may be tens of megabytes of them. A refusal names none: then all, or none where
    revocation was not its cause.
    """
    match verdict:
        case Signed():
            rested = (f.evidence for f in verdict.revocation if isinstance(f, Good | Revoked))
            found = frozenset(mark for evidence in rested for mark in evidence.every)
            return Sources(
                tuple(der for der in sources.crls if digest_of(der) in found),
                tuple(der for der in sources.ocsp if digest_of(der) in found),
            )
        case NotSigned():
            return sources if verdict.cause in _REVOKED else NO_SOURCES
        case _:
            assert_never(verdict)


def _file(file: SealedFile) -> Document:
    return {"name": file.name, "size": file.size, "sha256": file.sha256}


def _finding(found: Finding) -> Document:
    match found:
        case Good():
            return {"certificate": found.certificate, "found": "good", **_evidence(found.evidence)}
        case Revoked():
            return {
                "certificate": found.certificate,
                "found": "revoked",
                "since": instant(found.since),
                "reason": found.reason,
                **_evidence(found.evidence),
            }
        case NotChecked():
            return {"certificate": found.certificate, "found": NO_SOURCE}
        case OutOfReach():
            return {"certificate": found.certificate, "found": "out of reach", "words": found.words}
        case _:
            assert_never(found)


def _evidence(evidence: Evidence) -> dict[str, Any]:
    return {
        "kind": evidence.kind.value,
        "sha256": evidence.sha256,
        "also": sorted(evidence.also),
        "this_update": instant(evidence.this_update),
        "next_update": instant(evidence.next_update),
    }
