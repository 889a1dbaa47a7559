"""Whether a certificate was revoked at an instant (RFC 5280 section 6.3, RFC 6960 section 3.2).

Pure: the lists and answers it judges by are handed in, got ahead by others. What cannot be known
now is a value of its own, never a refusal. What each source tells is in ``crl_status`` and
``ocsp``; here they are weighed together:

    1  revoked for good by any source that may be believed: revoked
    2  on hold by one, and not taken off by a later one made by the instant: revoked
    3  not revoked, for every reason there is: good, by the latest that says so
    4  a source exists, at hand or named in the certificate: out of reach
    5  else: not checked

A hold is no revocation for good, but a certificate on hold does not count while it is (regulation
910/2014, article 28 (5)): that it was lifted after the instant does not help.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import islice

from batch.signing.certificate import SigningCertificate
from batch.signing.crl import HOLD
from batch.signing.crl_scope import ALL_REASONS
from batch.signing.crl_status import Asked, told_by_lists
from batch.signing.findings import Evidence, Finding, Good, NotChecked, OutOfReach, Revoked
from batch.signing.ocsp import told_by_answers
from batch.signing.sources import named_sources, place_in_words
from batch.signing.told import Told, Useless

_SHOWN = 3  # reasons in one sentence; a person looks at the first


@dataclass(frozen=True, slots=True)
class Sources:
    """Everything there is to judge by, in DER: revocation lists, and OCSP answers."""

    crls: tuple[bytes, ...] = field(default=(), repr=False)
    ocsp: tuple[bytes, ...] = field(default=(), repr=False)


def check(
    chain: Sequence[SigningCertificate],
    sources: Sources,
    at: datetime,
    authorities: Sequence[SigningCertificate] = (),
) -> list[Finding]:
    """One finding for each certificate of ``chain`` but the anchor, which comes last, at ``at``.

    ``chain`` goes from the signer's certificate to the anchor, as ``path.Trusted`` has it.
    ``authorities``: certificates known besides, among which may be the one of a separate key that
    signs a CA's lists. A damaged or hostile source never raises: it is of no use.
    """
    path, others = tuple(chain), tuple(authorities)
    return [_find(Asked(path[n:], others, at), sources) for n in range(len(path) - 1)]


def _find(asked: Asked, sources: Sources) -> Finding:
    of_lists = list(told_by_lists(asked, sources.crls))
    of_answers = list(told_by_answers(asked, sources.ocsp, sources.crls))
    told = [word for word in (*of_lists, *of_answers) if isinstance(word, Told)]
    return _decided(asked, told) or _undecided(asked, of_lists, of_answers)


def _decided(asked: Asked, told: Sequence[Told]) -> Finding | None:
    """Steps 1 to 3."""
    fingerprint = asked.certificate.fingerprint
    for word in sorted(told, key=_since):
        entry = word.entry
        if entry is not None and not _lifted(word, told, asked.at):
            reason = None if entry.reason is None else entry.reason.value
            return Revoked(fingerprint, word.evidence, entry.since, reason)
    evidence = _good(told)
    return None if evidence is None else Good(fingerprint, evidence)


def _good(told: Sequence[Told]) -> Evidence | None:
    """Step 3. The latest, with those that speak of the reasons it leaves out."""
    rest = set(ALL_REASONS)
    used: list[Evidence] = []
    good = (word for word in told if word.entry is None)
    for word in sorted(good, key=lambda word: word.evidence.this_update, reverse=True):
        if rest & word.reasons:
            used.append(word.evidence)
            rest -= word.reasons
    if rest:
        return None
    first = used[0]
    also = {sha256 for evidence in used for sha256 in evidence.every} - {first.sha256}
    return replace(first, also=tuple(sorted(also)))


def _since(word: Told) -> tuple[bool, datetime]:
    """Those revoked for good first, the earliest first."""
    if word.entry is None:
        return True, word.evidence.this_update
    return not word.entry.for_good, word.entry.since


def _lifted(hold: Told, told: Sequence[Told], at: datetime) -> bool:
    """A later word for the same reasons, made by ``at``, no longer tells of the hold."""
    if hold.entry is None or hold.entry.for_good:
        return False
    made = hold.evidence.this_update
    return any(
        word.entry is None and HOLD in word.reasons and made < word.evidence.this_update <= at
        for word in told
    )


def _undecided(
    asked: Asked, of_lists: Sequence[Told | Useless], of_answers: Sequence[Told | Useless]
) -> Finding:
    """Steps 4 and 5."""
    certificate = asked.certificate
    why = list(islice(_why(certificate, of_lists, of_answers), _SHOWN))
    if not why:
        return NotChecked(certificate.fingerprint)
    return OutOfReach(
        certificate.fingerprint,
        f"It cannot be known yet whether certificate {certificate.subject} was revoked: "
        f"{'; '.join(why)}.",
    )


def _why(
    certificate: SigningCertificate,
    of_lists: Sequence[Told | Useless],
    of_answers: Sequence[Told | Useless],
) -> Iterator[str]:
    """What stands in the way, what is at hand first."""
    for word in (*of_lists, *of_answers):
        if isinstance(word, Useless):
            yield word.words
        else:
            yield f"the revocation list of {certificate.issuer} speaks only of some reasons"
    for source in named_sources(certificate):
        known = of_lists if source.kind.value == "CRL" else of_answers
        if not source.fetchable:
            yield f"{place_in_words(source)} cannot be fetched, give its list with trust add"
        elif not known:
            yield f"{place_in_words(source)} was not fetched yet"
