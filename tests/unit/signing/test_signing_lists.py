"""Revocation lists, one oddity each, everything else right: what is found of the certificate."""

from __future__ import annotations

from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from batch.signing.certificate import key_usage
from batch.signing.findings import Good, OutOfReach, Revoked
from tests.unit.signing.list_cases import (
    HARMLESS,
    ODD,
    Case,
    Maker,
    Table,
    by_rsa,
    ca_of,
    found_again,
    found_of,
    lines,
    serial_of,
)
from tests.unit.signing.pki import AT, common_name
from tests.unit.signing.revocations import (
    DAY,
    OTHER_CA,
    PSS,
    SECOND,
    Line,
    World,
    directory,
)

R = x509.ReasonFlags
TABLE = Table()

# What is listed.
TABLE.good("not listed", lambda w: w.crl.der())
TABLE.good("another serial", lambda w: w.crl.but(lines=[Line(w.leaf.serial + 1)]).der())
TABLE.good("revoked a second later", lambda w: w.crl.but(lines=lines(w, later=SECOND)).der())
TABLE.good(
    "an entry with an unknown extension",
    lambda w: w.crl.but(lines=lines(w, later=SECOND, extra=[HARMLESS])).der(),
)
TABLE.good("a list with an unknown extension", lambda w: w.crl.but(extensions=[HARMLESS]).der())
TABLE.revoked("a day before", lambda w: w.crl.but(lines=lines(w)).der())
TABLE.revoked("exactly then", lambda w: w.crl.but(lines=lines(w, later=timedelta())).der())
TABLE.revoked("without a reason", lambda w: w.crl.but(lines=lines(w, reason=None)).der())
TABLE.revoked("on hold", lambda w: w.crl.but(lines=lines(w, reason=R.certificate_hold)).der())
TABLE.revoked(
    "removeFromCRL on a complete list",
    lambda w: w.crl.but(lines=lines(w, reason=R.remove_from_crl)).der(),
)
TABLE.revoked(
    "listed among others",
    lambda w: w.crl.but(lines=[Line(n) for n in range(1, 50)] + lines(w)).der(),
)
TABLE.revoked(
    "whose key was lost long before it was told",
    lambda w: w.crl.but(lines=lines(w, extra=[(x509.InvalidityDate(AT - 20 * DAY), False)])).der(),
)
TABLE.good(
    "whose key was lost before, as told later",
    lambda w: w.crl.but(
        lines=lines(w, later=DAY, extra=[(x509.InvalidityDate(AT - 20 * DAY), False)])
    ).der(),
)

# For when a list speaks.
TABLE.good("a list made later", lambda w: w.crl.but(made=AT + DAY, ends=AT + 2 * DAY).der())
TABLE.good(
    "a list without an end, made long ago", lambda w: w.crl.but(made=AT - 20 * DAY).by_hand()
)
TABLE.good(
    "revoked after, says a later list",
    lambda w: w.crl.but(made=AT + 2 * DAY, ends=AT + 9 * DAY, lines=lines(w, later=DAY)).der(),
)
TABLE.revoked(
    "a later list", lambda w: w.crl.but(made=AT + DAY, ends=AT + 2 * DAY, lines=lines(w)).der()
)
TABLE.revoked("a list without an end", lambda w: w.crl.but(lines=lines(w)).by_hand())
TABLE.revoked(
    "for good, by a list that has ended",
    lambda w: w.crl.but(made=AT - 9 * DAY, ends=AT - 8 * DAY, lines=lines(w, later=-9 * DAY)).der(),
)
TABLE.unknown(
    "ended a second ago",
    "expired on 2026-03-02 09:59 UTC",
    lambda w: w.crl.but(ends=AT - SECOND).der(),
)
TABLE.unknown("ends now", "expired on 2026-03-02 10:00 UTC", lambda w: w.crl.but(ends=AT).der())
TABLE.unknown(
    "on hold, by a list that has ended",
    "expired on",
    lambda w: w.crl.but(
        made=AT - 9 * DAY, ends=AT - DAY, lines=lines(w, later=-9 * DAY, reason=R.certificate_hold)
    ).der(),
)
TABLE.unknown(
    "made after the certificate's end",
    "may have left it out",
    lambda w: w.crl.but(made=w.leaf.not_after + DAY, ends=w.leaf.not_after + 2 * DAY).der(),
)
TABLE.revoked(
    "listed after the certificate's end",
    lambda w: w.crl.but(
        made=w.leaf.not_after + DAY, ends=w.leaf.not_after + 2 * DAY, lines=lines(w)
    ).der(),
)

# Who signed it.
TABLE.unknown("another key", "is not signed by its CA", lambda w: w.crl.but(key=w.pki.ec_key).der())
TABLE.unknown(
    "the key of the root", "is not signed by its CA", lambda w: w.crl.but(key=w.root_key).der()
)
TABLE.unknown(
    "the leaf's own key", "is not signed by its CA", lambda w: w.crl.but(key=w.pki.rsa_key).der()
)
TABLE.unknown(
    "another key, revoked",
    "is not signed by its CA",
    lambda w: w.crl.but(key=w.pki.ec_key, lines=lines(w)).der(),
)
TABLE.unknown("SHA-1", "is signed with sha1", lambda w: w.crl.by_hand(hashes.SHA1()))
TABLE.unknown(
    "another authority key identifier",
    "does not vouch for",
    lambda w: w.crl.but(
        extensions=[
            (x509.AuthorityKeyIdentifier.from_issuer_public_key(w.pki.ec_key.public_key()), False)
        ]
    ).der(),
)
TABLE.good(
    "its authority key identifier",
    lambda w: w.crl.but(
        extensions=[
            (x509.AuthorityKeyIdentifier.from_issuer_public_key(w.pki.ca_key.public_key()), False)
        ]
    ).der(),
)
TABLE.unknown(
    "a CA that may not sign lists",
    "may not sign lists",
    lambda w: Case([w.crl.der()], ca=ca_of(w, key_usage=key_usage("key_cert_sign"))),
)
TABLE.good("a CA without key usage", lambda w: Case([w.crl.der()], ca=ca_of(w, key_usage=None)))
TABLE.good(
    "a name in other letters and spaces", lambda w: w.crl.but(issuer=common_name("test  ca")).der()
)


def other_end(der: bytes) -> bytes:
    """ECDSA signs anew each time: these bytes, with the last one changed."""
    return der[:-1] + bytes([der[-1] ^ 1])


TABLE.good("an RSA key", lambda w: by_rsa(w))
TABLE.good("RSASSA-PSS", lambda w: by_rsa(w, PSS))

# Its bytes.
TABLE.unknown("cut off", "is damaged", lambda w: w.crl.der()[:-9])
TABLE.unknown("bytes after it", "is damaged", lambda w: w.crl.der() + b"\x00")
TABLE.unknown(
    "tampered",
    "is not signed by its CA",
    lambda w: w.crl.but(lines=lines(w)).der().replace(serial_of(w), b"\x42" * len(serial_of(w)), 1),
)
TABLE.unknown(
    "a tampered signature",
    "is not signed by its CA",
    lambda w: other_end(w.crl.der()),
)

# Extensions that are not understood.
TABLE.unknown(
    "critical on the list",
    "unknown critical extension 1.2.3.4",
    lambda w: w.crl.but(extensions=[ODD]).der(),
)
TABLE.unknown(
    "critical on its entry",
    "unknown critical extension 1.2.3.4",
    lambda w: w.crl.but(lines=lines(w, extra=[ODD])).der(),
)
TABLE.unknown(
    "critical on another entry",
    "unknown critical extension 1.2.3.4",
    lambda w: w.crl.but(lines=[Line(7, extra=[ODD])]).der(),
)
TABLE.unknown(
    "an entry of another issuer on a list of one",
    "critical extension 2.5.29.29",
    lambda w: w.crl.but(
        lines=[Line(7, extra=[(x509.CertificateIssuer(directory(OTHER_CA)), True)])]
    ).der(),
)


@pytest.mark.parametrize(("name", "make"), TABLE.ends_good)
def test_good(name: str, make: Maker, world: World) -> None:
    made = make(world)
    found = found_of(world, made)
    assert isinstance(found, Good), found
    assert found_again(world, made, found) == found


@pytest.mark.parametrize(("name", "make"), TABLE.ends_revoked)
def test_revoked(name: str, make: Maker, world: World) -> None:
    made = make(world)
    found = found_of(world, made)
    assert isinstance(found, Revoked), found
    assert found_again(world, made, found) == found
    assert found.since <= AT


@pytest.mark.parametrize(("name", "words", "make"), TABLE.ends_unknown)
def test_out_of_reach(name: str, words: str, make: Maker, world: World) -> None:
    found = found_of(world, make(world))
    assert isinstance(found, OutOfReach), found
    assert "revoked: the revocation list of CN=" in found.words
    assert words in found.words
    assert "certificate CN=Bakkerij Peeters" in found.words
