"""Whether a list speaks of a certificate, and of which reasons (RFC 5280 6.3.3, steps b to e).

A CA may split its lists: by users and CAs, by reasons, by places that its certificates name, and
to another issuer (an indirect list). A list of another part says nothing about a certificate.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from cryptography import x509

from batch.signing.certificate import ComparableName, SigningCertificate, comparable
from batch.signing.crl import RevocationList

ALL_REASONS: Final = frozenset(x509.ReasonFlags) - {
    x509.ReasonFlags.unspecified,
    x509.ReasonFlags.remove_from_crl,
}
"""The reasons a list may be limited to (RFC 5280 4.2.1.13, ReasonFlags)."""


_DIRECTORY: Final = "directory"
PlaceName = tuple[str, ComparableName | str]
"""The kind of a name, and what compares of it."""


@dataclass(frozen=True, slots=True)
class Point:
    """A distribution point: its names, the issuers of its lists, its reasons.

    ``names`` is None where the point has none; ``elsewhere``: its lists are another issuer's, so
    that they must be indirect.
    """

    names: frozenset[PlaceName] | None
    issuers: frozenset[ComparableName]
    reasons: frozenset[x509.ReasonFlags]
    elsewhere: bool


@lru_cache(maxsize=4096)  # certificates registered and of CAs, as ``certificate.read_der`` keeps
def points(certificate: SigningCertificate) -> tuple[Point, ...]:
    """The points of the certificate, and the one that every certificate has: its issuer's list.

    That last one is for lists that no point tells of (the end of RFC 5280 6.3.3).
    """
    issuer = certificate.loaded.issuer
    key = comparable(issuer)
    own = Point(frozenset({(_DIRECTORY, key)}), frozenset({key}), ALL_REASONS, False)
    return (*(_point(point, issuer, key) for point in _extension(certificate)), own)


def _extension(certificate: SigningCertificate) -> Iterator[x509.DistributionPoint]:
    for extension in certificate.loaded.extensions:
        if isinstance(extension.value, x509.CRLDistributionPoints):
            yield from extension.value


def _point(point: x509.DistributionPoint, issuer: x509.Name, key: ComparableName) -> Point:
    elsewhere = [n.value for n in point.crl_issuer or () if isinstance(n, x509.DirectoryName)]
    over = elsewhere[0] if elsewhere else issuer
    names = _names(point.full_name, point.relative_name, over)
    issuers = frozenset(comparable(name) for name in elsewhere)
    reasons = ALL_REASONS if point.reasons is None else ALL_REASONS & point.reasons
    if point.crl_issuer is None:
        return Point(names, frozenset({key}), reasons, False)
    return Point(names, issuers, reasons, True)


def _names(
    full: Iterable[x509.GeneralName] | None,
    relative: x509.RelativeDistinguishedName | None,
    over: x509.Name,
) -> frozenset[PlaceName] | None:
    """The names of a point to compare; a relative one is completed (RFC 5280 4.2.1.13)."""
    if relative is not None:
        whole = x509.Name([*over.rdns, relative])
        return frozenset({(_DIRECTORY, comparable(whole))})
    if full is None:
        return None
    return frozenset(_place(name) for name in full)


def _place(name: x509.GeneralName) -> PlaceName:
    if isinstance(name, x509.DirectoryName):
        return _DIRECTORY, comparable(name.value)
    if isinstance(name, x509.UniformResourceIdentifier):
        return "URI", name.value
    return "other", repr(name)


@lru_cache(maxsize=4096)
def list_issuers(certificate: SigningCertificate) -> frozenset[ComparableName]:
    """Whose lists may be about it: its issuer's, and those of others that its points name."""
    return frozenset().union(*(point.issuers for point in points(certificate)))


def reasons_told(
    found: RevocationList, certificate: SigningCertificate
) -> frozenset[x509.ReasonFlags]:
    """For which reasons the list would name the certificate; empty when it is not in its scope."""
    question = ("reasons", certificate.fingerprint)
    return found.once(question, lambda: _reasons_told(found, certificate))


def _reasons_told(
    found: RevocationList, certificate: SigningCertificate
) -> frozenset[x509.ReasonFlags]:
    told: frozenset[x509.ReasonFlags] = frozenset()
    if _limited_to_others(found, certificate):
        return told
    limits = None if found.scope is None else found.scope.only_some_reasons
    listed = ALL_REASONS if limits is None else ALL_REASONS & limits
    names = None
    if found.scope is not None:
        names = _names(found.scope.full_name, found.scope.relative_name, found.issuer)
    for point in points(certificate):
        if _at_point(found, names, point):
            told |= listed & point.reasons  # (d)
    return told


def _limited_to_others(found: RevocationList, certificate: SigningCertificate) -> bool:
    """6.3.3 (b)(2)(ii) to (iv)."""
    scope = found.scope
    if scope is None:
        return False
    return (
        scope.only_contains_attribute_certs
        or (scope.only_contains_user_certs and certificate.ca)
        or (scope.only_contains_ca_certs and not certificate.ca)
    )


def _at_point(found: RevocationList, names: frozenset[PlaceName] | None, point: Point) -> bool:
    """6.3.3 (b)(1): its issuer is the one to ask; (b)(2)(i): it is the list of this place."""
    if found.issuer_key not in point.issuers or (point.elsewhere and not found.indirect):
        return False
    if names is None:
        return True
    if point.names is not None:
        return bool(names & point.names)
    return bool(names & {(_DIRECTORY, issuer) for issuer in point.issuers})
