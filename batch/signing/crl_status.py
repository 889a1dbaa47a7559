"""What revocation lists tell of a certificate at an instant (RFC 5280 6.3.3).

    1  the list is about the certificate: its issuer, its scope             6.3.3 (b), (d)
    2  it can be used: digest, critical extensions                          5.2, 5.3
    3  the key that signed it is the CA's, or one the CA's path vouches for 6.3.3 (f)
    4  that key's certificate admits signing lists, and is not revoked      6.3.3 (f); 4.2.1.3
    5  the signature is by that key                                         6.3.3 (g), (h)
    6  a delta list is read over a complete one that it fits                6.3.3 (c); 5.2.4
    7  it speaks for the instant                                            6.3.3 (a)
    8  the certificate's entry                                              6.3.3 (i) to (k)

About time. A set is judged at the instant it was sealed, which is past. A list made later speaks
for it too, and knows more: an entry tells since when. But it may leave out a certificate that had
expired before it was made, and then its silence says nothing. A list whose successor was due by
the instant says nothing good; a revocation for good on it stays one.

Which keys (step 3): the issuer's own; or, for a CA with a separate key for lists and for indirect
lists, a certificate among ``authorities`` with the list's issuer as its subject and cRLSign, issued
directly by a certificate of the path above. A longer path to such a key is not looked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from batch.signing.certificate import SigningCertificate, comparable
from batch.signing.crl import (
    REMOVED,
    Entry,
    RevocationList,
    look_up,
    read_list,
    signed_by,
)
from batch.signing.crl_scope import list_issuers, reasons_told
from batch.signing.findings import Evidence
from batch.signing.path_validation import issued_strongly
from batch.signing.policy import AdmittedKeys
from batch.signing.sources import UNREADABLE
from batch.signing.told import Told, Useless, day

_HEAD = 1024  # bytes; the issuer's name stands at the start of a list, also of one cut off
_NAME = "the revocation list of"


@dataclass(frozen=True, slots=True)
class Asked:
    """About whom: ``path`` goes from the certificate to the anchor, at ``at``.

    ``authorities``: other certificates whose keys may sign lists; ``of_signer``: the certificate
    is itself such a one, and whoever signed its list is not asked about in turn: one that lists
    itself would never be decided.
    """

    path: tuple[SigningCertificate, ...]
    authorities: tuple[SigningCertificate, ...]
    at: datetime
    of_signer: bool = False

    @property
    def certificate(self) -> SigningCertificate:
        return self.path[0]

    @property
    def issuer(self) -> SigningCertificate:
        return self.path[1]


@dataclass(frozen=True, slots=True)
class _Believed:
    """A list that may be believed; ``also``: those that tell of its separate key, by SHA-256."""

    found: RevocationList
    also: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Combined:
    """A complete list, alone or with the delta that brings it up to date."""

    complete: _Believed
    delta: _Believed | None = None

    @property
    def latest(self) -> RevocationList:
        return (self.delta or self.complete).found

    @property
    def evidence(self) -> Evidence:
        own = self.complete.found.evidence
        if self.delta is None:
            return replace(own, also=self.complete.also)
        also = (own.sha256, *self.complete.also, *self.delta.also)
        return replace(self.delta.found.evidence, also=also)


def told_by_lists(asked: Asked, crls: Sequence[bytes]) -> Iterator[Told | Useless]:
    """What each list of ``crls`` that is about the certificate tells; the others are silent."""
    believed: list[_Believed] = []
    issuers = list_issuers(asked.certificate)
    for der in crls:
        found = read_list(der)
        if found is None:
            if asked.certificate.issuer_name in der[:_HEAD]:
                yield Useless(f"{_NAME} {asked.certificate.issuer} is damaged and cannot be read")
        elif found.issuer_key in issuers:  # step 1
            judged = _judged(found, asked, crls)
            if isinstance(judged, Useless):
                yield judged
            else:
                believed.append(judged)
    yield from _read_together(asked, believed)


def _useless(found: RevocationList, why: str) -> Useless:
    return Useless(f"{_NAME} {found.issuer_words} {why}")


def _judged(found: RevocationList, asked: Asked, crls: Sequence[bytes]) -> _Believed | Useless:
    """Steps 1 to 5."""
    if not reasons_told(found, asked.certificate):
        return _useless(found, "is not about this kind of certificate or this place")
    if found.fault is not None:  # step 2
        return _useless(found, found.fault)
    signers = list(_signers(found, asked))  # step 3
    if not signers:
        return _useless(found, "is by a key that the certificate's path does not vouch for")
    why = "is not signed by its CA"
    for signer in signers:
        if not signed_by(found, signer):  # step 5
            continue
        if signer.key_usage is not None and "cRLSign" not in signer.key_usage:  # step 4
            why = "is signed by a key that may not sign lists"
            continue
        also = _still_vouched_for(signer, asked, crls)
        if also is not None:
            return _Believed(found, also)
        why = "is signed by a key whose own certificate is revoked or not known to hold"
    return _useless(found, why)


def _signers(found: RevocationList, asked: Asked) -> Iterator[SigningCertificate]:
    """Step 3: whose key may have signed; an authority key identifier only narrows (5.2.1)."""
    for signer in (asked.issuer, *asked.authorities):
        if comparable(signer.loaded.subject) != found.issuer_key:
            continue
        if None not in (found.authority_key, signer.key_identifier) and (
            found.authority_key != signer.key_identifier
        ):
            continue
        if signer is asked.issuer or _vouched_for(signer, asked.path[1:], found.this_update):
            yield signer


def _vouched_for(
    signer: SigningCertificate, path: Sequence[SigningCertificate], made: datetime
) -> bool:
    """A certificate for signing lists, under the same anchor, when the list was made."""
    if any(signer.der == above.der for above in path):
        return True
    named = signer.key_usage is not None and "cRLSign" in signer.key_usage
    strong = AdmittedKeys().refusal(signer) is None
    return named and strong and signer.valid_at(made) and _issuer_among(signer, path) is not None


def _issuer_among(signer: SigningCertificate, path: Sequence[SigningCertificate]) -> int | None:
    return next((n for n, above in enumerate(path) if issued_strongly(signer, above)), None)


def _still_vouched_for(
    signer: SigningCertificate, asked: Asked, crls: Sequence[bytes]
) -> tuple[str, ...] | None:
    """Step 4: the certificate of a separate key is asked about like any other.

    The lists that tell it is not revoked, by SHA-256; None when none does, or one that it is.
    """
    path = asked.path[1:]
    if asked.of_signer or any(signer.der == above.der for above in path):
        return ()  # a certificate of the path is asked about in its own place
    above = _issuer_among(signer, path)
    assert above is not None  # _vouched_for has found it
    own = Asked((signer, *path[above:]), asked.authorities, asked.at, of_signer=True)
    said = [word for word in told_by_lists(own, crls) if isinstance(word, Told)]
    if not said or any(word.entry is not None for word in said):
        return None
    return tuple(sorted({one for word in said for one in word.evidence.every}))


def _read_together(asked: Asked, believed: Sequence[_Believed]) -> Iterator[Told | Useless]:
    """Step 6. A delta alone tells nothing: it names only what has changed."""
    complete = [one for one in believed if one.found.base is None]
    for one in complete:
        yield _at(asked, _Combined(one))
    for delta in believed:
        if delta.found.base is None:
            continue
        under = [one for one in complete if _fits(delta.found, one.found)]
        for one in under:
            yield _at(asked, _Combined(one, delta))
        if not under:
            why = "tells only changes, and the complete list they go with is not there"
            yield _useless(delta.found, why)


def _fits(delta: RevocationList, complete: RevocationList) -> bool:
    """6.3.3 (c) and 5.2.4: same issuer, same scope, same key; no change in between is missing."""
    if delta.base is None or delta.number is None or complete.number is None:
        return False
    return (
        delta.issuer_key == complete.issuer_key
        and delta.scope == complete.scope
        and delta.authority_key == complete.authority_key
        and delta.base <= complete.number < delta.number
    )


def _at(asked: Asked, combined: _Combined) -> Told | Useless:
    """Steps 7 and 8."""
    certificate, at, latest = asked.certificate, asked.at, combined.latest
    try:
        entry = _entry(combined, asked)
    except UNREADABLE:
        return _useless(latest, "has damaged entries")
    reasons = reasons_told(combined.complete.found, certificate)
    revoked = entry is not None and entry.since <= at
    lasts = latest.lasts_at(at)
    if revoked and (lasts or (entry is not None and entry.for_good)):
        return Told(combined.evidence, entry, reasons)
    if not lasts:
        ended = latest.evidence.next_update
        return _useless(latest, f"expired on {day(ended)}" if ended else "is too old")
    if entry is None and latest.this_update > certificate.not_after:
        why = "was made after the certificate had expired, and may have left it out"
        return _useless(latest, why)
    return Told(combined.evidence, None, reasons)


def _entry(combined: _Combined, asked: Asked) -> Entry | None:
    """Step 8: what a delta says goes before the complete list; removeFromCRL takes off it.

    A hold that was lifted after the instant was a hold at the instant, and stands. On a complete
    list removeFromCRL has no meaning (5.3.1); what is listed there is revoked.
    """
    key, serial = comparable(asked.certificate.loaded.issuer), asked.certificate.serial
    if combined.delta is not None:
        changed = look_up(combined.delta.found, key, serial)
        if changed is not None and changed.reason is not REMOVED:
            return changed
        if changed is not None and combined.latest.this_update <= asked.at:
            return None
    return look_up(combined.complete.found, key, serial)
