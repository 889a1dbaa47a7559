"""A revocation list as it is read: its facts, its entries, its signature (RFC 5280 section 5).

A list may have megabytes and is asked for every FS: it is read once, an entry is looked up once,
and its signature is verified once with each key. What was found out is kept with the list and goes
with it. What a list means for a certificate is in ``crl_scope`` and ``crl_status``.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from threading import Lock
from typing import Final, TypeVar, cast

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from batch.signing.algorithms import STRONG
from batch.signing.certificate import (
    ComparableName,
    SigningCertificate,
    among,
    comparable,
    name_in_words,
)
from batch.signing.findings import Evidence, SourceKind
from batch.signing.sources import UNREADABLE

# The extensions of a list (RFC 5280 5.2) that are understood: authority key, number, delta
# indicator, issuing distribution point. freshestCRL and AIA only say where more is.
_UNDERSTOOD: Final = frozenset(
    {"2.5.29.35", "2.5.29.20", "2.5.29.27", "2.5.29.28", "2.5.29.46", "1.3.6.1.5.5.7.1.1"}
)
# And of an entry (5.3): reason, invalidity date, certificate issuer.
_ENTRY_UNDERSTOOD: Final = frozenset({"2.5.29.21", "2.5.29.24", "2.5.29.29"})
_CERTIFICATE_ISSUER: Final = "2.5.29.29"
_CRITICAL: Final = b"\x01\x01\xff"  # BOOLEAN TRUE in DER, as ``critical`` stands in an extension
_KEPT_BYTES: Final = 256_000_000  # of lists in memory: those of four national CAs
_KEPT_ANSWERS: Final = 20_000  # with each list: about the certificates of 10,000 channels, twice

HOLD: Final = x509.ReasonFlags.certificate_hold
REMOVED: Final = x509.ReasonFlags.remove_from_crl

_NOT_ASKED: Final = object()

_Found = TypeVar("_Found")


@dataclass(frozen=True, slots=True)
class Entry:
    """A certificate on a list: revoked since when, and why (None when it does not say).

    The invalidity date (RFC 5280 5.3.2) is not used: it may lie long before the list that tells it,
    and what was accepted by all that could be known then would be refused afterwards.
    """

    since: datetime
    reason: x509.ReasonFlags | None

    @property
    def for_good(self) -> bool:
        """Every reason but a hold, which alone may be lifted (RFC 5280 5.3.1)."""
        return self.reason is not HOLD


@dataclass(frozen=True, slots=True, eq=False)
class RevocationList:
    """A list that can be read. ``fault``: why it says nothing all the same, in words.

    ``issuer_key`` is the issuer as names compare; ``base`` the number of the complete list that a
    delta list starts from, None for a complete one.
    """

    issuer: x509.Name
    issuer_key: ComparableName
    issuer_words: str
    authority_key: bytes | None
    number: int | None
    base: int | None
    scope: x509.IssuingDistributionPoint | None
    fault: str | None
    evidence: Evidence
    loaded: x509.CertificateRevocationList = field(repr=False)
    _known: dict[object, object] = field(default_factory=dict, repr=False)

    def once(self, question: object, answer: Callable[[], _Found]) -> _Found:
        """``answer`` to a question about this list, which never changes; found out once."""
        found = self._known.get(question, _NOT_ASKED)
        if found is _NOT_ASKED:
            found = answer()
            if len(self._known) >= _KEPT_ANSWERS:
                self._known.clear()
            self._known[question] = found
        return cast("_Found", found)

    @property
    def this_update(self) -> datetime:
        return self.evidence.this_update

    @property
    def indirect(self) -> bool:
        return self.scope is not None and self.scope.indirect_crl

    def lasts_at(self, at: datetime) -> bool:
        """Nothing newer was promised for before ``at``; a list made after it tells only more."""
        ends = self.evidence.next_update
        return ends is None or ends > at


class _Shelf:
    """The lists read so far, the last used last; bounded by their bytes. Used by threads."""

    def __init__(self) -> None:
        self._lists: OrderedDict[bytes, RevocationList | None] = OrderedDict()
        self._bytes = 0
        self._guard = Lock()

    def read(self, der: bytes) -> RevocationList | None:
        with self._guard:
            if der in self._lists:
                self._lists.move_to_end(der)
                return self._lists[der]
        found = _readable(der)
        with self._guard:
            self._bytes += 0 if der in self._lists else len(der)
            self._lists[der] = found
            while self._bytes > _KEPT_BYTES and len(self._lists) > 1:
                self._bytes -= len(self._lists.popitem(last=False)[0])
        return found


_SHELF: Final = _Shelf()


def read_list(der: bytes) -> RevocationList | None:
    """The list in ``der``; None when it is none. Read once for the same bytes."""
    return _SHELF.read(der)


def _readable(der: bytes) -> RevocationList | None:
    try:
        return _facts(der)
    except UNREADABLE:
        return None


def _facts(der: bytes) -> RevocationList:
    loaded = x509.load_der_x509_crl(der)
    authority = among(loaded.extensions, x509.AuthorityKeyIdentifier)
    number = among(loaded.extensions, x509.CRLNumber)
    delta = among(loaded.extensions, x509.DeltaCRLIndicator)
    return RevocationList(
        loaded.issuer,
        comparable(loaded.issuer),
        name_in_words(loaded.issuer),
        None if authority is None else authority.key_identifier,
        None if number is None else number.crl_number,
        None if delta is None else delta.crl_number,
        among(loaded.extensions, x509.IssuingDistributionPoint),
        _fault(loaded, der),
        Evidence(
            SourceKind.CRL,
            hashlib.sha256(der).hexdigest(),
            loaded.last_update_utc,
            loaded.next_update_utc,
        ),
        loaded,
    )


def _fault(loaded: x509.CertificateRevocationList, der: bytes) -> str | None:
    """Why the list may not be used for any certificate (RFC 5280 5.2 and 5.3)."""
    digest = loaded.signature_hash_algorithm
    if digest is None or digest.name not in STRONG:  # others can be forged by collision
        return f"is signed with {'an unknown digest' if digest is None else digest.name}"
    critical = [e.oid.dotted_string for e in loaded.extensions if e.critical]
    if unknown := set(critical) - _UNDERSTOOD:
        return f"has the unknown critical extension {min(unknown)}"
    if der.count(_CRITICAL) <= len(critical):
        return None  # no entry has a critical extension: none of 100,000 need be read for it
    scope = among(loaded.extensions, x509.IssuingDistributionPoint)
    understood = _ENTRY_UNDERSTOOD
    if scope is None or not scope.indirect_crl:
        understood -= {_CERTIFICATE_ISSUER}  # it would say that the list is of another CA
    for oid in _critical_in_entries(loaded):
        if oid not in understood:
            return f"has an entry with the unknown critical extension {oid}"
    return None


def _critical_in_entries(loaded: x509.CertificateRevocationList) -> Iterator[str]:
    for entry in loaded:
        for extension in entry.extensions:
            if extension.critical:
                yield extension.oid.dotted_string


def look_up(found: RevocationList, issuer: ComparableName, serial: int) -> Entry | None:
    """The entry of a certificate of that issuer; ValueError when the entries are damaged."""
    if found.indirect:
        entries = found.once("entries", lambda: dict(_indirect(found)))
        return entries.get((issuer, serial))
    return found.once(serial, lambda: _listed(found.loaded, serial))


def _listed(loaded: x509.CertificateRevocationList, serial: int) -> Entry | None:
    entry = loaded.get_revoked_certificate_by_serial_number(serial)
    return None if entry is None else _entry(entry)


def _entry(entry: x509.RevokedCertificate) -> Entry:
    reason = among(entry.extensions, x509.CRLReason)
    return Entry(entry.revocation_date_utc, None if reason is None else reason.reason)


def _indirect(found: RevocationList) -> Iterator[tuple[tuple[ComparableName, int], Entry]]:
    """The entries of an indirect list: an issuer holds until the next one (RFC 5280 5.3.3)."""
    issuers = [found.issuer_key]
    for entry in found.loaded:
        named = among(entry.extensions, x509.CertificateIssuer)
        if named is not None:
            names = named.get_values_for_type(x509.DirectoryName)
            issuers = [comparable(name) for name in names]
        for issuer in issuers:
            yield (issuer, entry.serial_number), _entry(entry)


def signed_by(found: RevocationList, signer: SigningCertificate) -> bool:
    """RFC 5280 6.3.3 (g): the list's signature, by the signer's key."""
    return found.once(("signed by", signer.fingerprint), lambda: _signed_by(found, signer))


def _signed_by(found: RevocationList, signer: SigningCertificate) -> bool:
    key = signer.loaded.public_key()
    if not isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey):
        return False
    try:
        return found.loaded.is_signature_valid(key)
    except UNREADABLE:
        return False
