"""Lists that are one of several: by scope, by another issuer or key, by changes, by time."""

from __future__ import annotations

from dataclasses import replace

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from batch.signing.certificate import key_usage
from batch.signing.findings import Good, OutOfReach, Revoked
from batch.signing.revocation import Sources, check
from tests.unit.signing.list_cases import (
    Case,
    Maker,
    Table,
    base,
    delta,
    elsewhere,
    found_again,
    found_of,
    identified,
    indirect,
    lines,
    own_key,
    separate,
)
from tests.unit.signing.pki import AT, common_name
from tests.unit.signing.revocations import (
    CA,
    DAY,
    LIST_URL,
    OTHER_CA,
    SECOND,
    Line,
    World,
    directory,
    point,
    scope,
    uri,
)

R = x509.ReasonFlags
TABLE = Table()
ALL = frozenset(R) - {R.unspecified, R.remove_from_crl}
KEYS = frozenset({R.key_compromise, R.ca_compromise})
REST = ALL - KEYS

# Its scope.
TABLE.good(
    "for users", lambda w: w.crl.but(extensions=[scope(only_contains_user_certs=True)]).der()
)
TABLE.unknown(
    "for CAs",
    "is not about this",
    lambda w: w.crl.but(extensions=[scope(only_contains_ca_certs=True)]).der(),
)
TABLE.unknown(
    "for attribute certificates",
    "is not about this",
    lambda w: w.crl.but(extensions=[scope(only_contains_attribute_certs=True)]).der(),
)
TABLE.good(
    "of its place",
    lambda w: Case([w.crl.but(extensions=[scope(full_name=uri(LIST_URL))]).der()], w.named),
)
TABLE.good(
    "of one of its places",
    lambda w: Case(
        [w.crl.but(extensions=[scope(full_name=uri("http://a/") + uri("http://b/"))]).der()],
        w.with_points(point("http://b/", "http://c/")),
    ),
)
TABLE.unknown(
    "of another place",
    "is not about this",
    lambda w: Case(
        [w.crl.but(extensions=[scope(full_name=uri("http://crl.example/2.crl"))]).der()], w.named
    ),
)
TABLE.unknown(
    "of a place, of a certificate without one",
    "is not about this",
    lambda w: w.crl.but(extensions=[scope(full_name=uri(LIST_URL))]).der(),
)
TABLE.good(
    "of its issuer's own place",
    lambda w: w.crl.but(extensions=[scope(full_name=directory(CA))]).der(),
)
TABLE.good(
    "of a place told by the end of its name",
    lambda w: Case(
        [
            w.crl.but(
                extensions=[
                    scope(full_name=directory(x509.Name([*CA.rdns, *common_name("1").rdns])))
                ]
            ).der()
        ],
        w.with_points(point(relative=common_name("1").rdns[0])),
    ),
)
TABLE.unknown(
    "for some reasons",
    "speaks only of some reasons",
    lambda w: w.crl.but(extensions=[scope(only_some_reasons=KEYS)]).der(),
)
TABLE.good(
    "two for all reasons",
    lambda w: Case(
        [w.crl.but(extensions=[scope(only_some_reasons=r)]).der() for r in (KEYS, REST)]
    ),
)
TABLE.revoked(
    "one of two for all reasons",
    lambda w: Case(
        [
            w.crl.but(extensions=[scope(only_some_reasons=KEYS)], lines=lines(w)).der(),
            w.crl.but(extensions=[scope(only_some_reasons=REST)]).der(),
        ]
    ),
)
TABLE.unknown(
    "at a point for some reasons",
    "is not about this",
    lambda w: Case(
        [
            w.crl.but(extensions=[scope(full_name=uri(LIST_URL))], issuer=OTHER_CA).der(),
            w.crl.but(extensions=[scope(full_name=uri("http://b/"))]).der(),
        ],
        w.with_points(point(LIST_URL, reasons=KEYS)),
    ),
)

TABLE.unknown(
    "of a place that is for some reasons",
    "speaks only of some reasons",
    lambda w: Case(
        [w.crl.but(extensions=[scope(full_name=uri(LIST_URL))]).der()],
        w.with_points(point(LIST_URL, reasons=KEYS)),
    ),
)

# Indirect lists, and a separate key for lists.
TABLE.good(
    "indirect, of its own issuer", lambda w: w.crl.but(extensions=[scope(indirect_crl=True)]).der()
)
TABLE.good("indirect, entry of another issuer", lambda w: indirect(w, OTHER_CA))
TABLE.revoked("indirect, entry of its issuer", lambda w: indirect(w, CA))
TABLE.good("by another that its point names", lambda w: elsewhere(w, []))
TABLE.revoked(
    "listed by another that its point names",
    lambda w: elsewhere(
        w, [replace(w.line, extra=[(x509.CertificateIssuer(directory(CA)), True)])]
    ),
)
TABLE.unknown(
    "by another, but no indirect list",
    "is not about this",
    lambda w: elsewhere(w, [], extensions=[]),
)
TABLE.unknown(
    "by another that nobody vouches for",
    "does not vouch for",
    lambda w: replace(elsewhere(w, []), authorities=()),
)
TABLE.good("a separate key", lambda w: separate(w))
TABLE.good("a separate key, called by its identifier", lambda w: identified(w))
TABLE.unknown(
    "a separate key that may not sign lists",
    "is not signed by its CA",
    lambda w: separate(w, key_usage=key_usage("digital_signature")),
)
TABLE.unknown(
    "a separate key of another root",
    "is not signed by its CA",
    lambda w: separate(w, issuer_key=w.pki.ca_key),
)
TABLE.unknown(
    "a separate key not valid then",
    "is not signed by its CA",
    lambda w: separate(w, not_after=AT - 2 * DAY),
)
TABLE.unknown(
    "a separate key that is weak",
    "is not signed by its CA",
    lambda w: separate(w, key=ec.generate_private_key(ec.SECP256K1())),
)
TABLE.unknown(
    "a separate key in a certificate that can be forged",
    "is not signed by its CA",
    lambda w: separate(w, digest=hashes.SHA224()),
)
TABLE.unknown(
    "a separate key that was revoked",
    "whose own certificate is revoked",
    lambda w: separate(w, then=lambda c: [w.root_crl.but(lines=[Line(c.serial)]).der()]),
)

# Deltas.
TABLE.unknown("a delta alone", "the complete list they go with", lambda w: delta(w).der())
TABLE.good("a delta that fits", lambda w: Case([base(w).der(), delta(w).der()]))
TABLE.revoked(
    "revoked in the delta", lambda w: Case([base(w).der(), delta(w).but(lines=lines(w)).der()])
)
TABLE.revoked(
    "revoked in the base", lambda w: Case([base(w).but(lines=lines(w)).der(), delta(w).der()])
)
TABLE.good(
    "on hold, taken off by a delta",
    lambda w: Case(
        [
            base(w).but(lines=lines(w, reason=R.certificate_hold)).der(),
            delta(w).but(lines=lines(w, reason=R.remove_from_crl)).der(),
        ]
    ),
)
TABLE.revoked(
    "on hold, taken off by a delta later than then",
    lambda w: Case(
        [
            base(w).but(lines=lines(w, reason=R.certificate_hold)).der(),
            delta(w)
            .but(made=AT + SECOND, lines=lines(w, reason=R.remove_from_crl, later=SECOND))
            .der(),
        ]
    ),
)
TABLE.good(
    "a base that has ended, brought up to date",
    lambda w: Case([base(w).but(ends=AT - SECOND).der(), delta(w).der()]),
)
TABLE.unknown(
    "a delta from a later base",
    "the complete list they go with",
    lambda w: Case([base(w).but(ends=AT - SECOND).der(), delta(w, start=6).der()]),
)
TABLE.unknown(
    "a delta of another scope",
    "the complete list they go with",
    lambda w: Case(
        [
            base(w).but(ends=AT - SECOND).der(),
            delta(w, extra=[scope(only_contains_user_certs=True)]).der(),
        ]
    ),
)
TABLE.unknown(
    "a delta with another key",
    "is not signed by its CA",
    lambda w: Case([base(w).but(ends=AT - SECOND).der(), delta(w).but(key=w.pki.ec_key).der()]),
)

ENDED = AT - SECOND
TABLE.unknown(
    "a delta before its base",
    "the complete list they go with",
    lambda w: Case(
        [base(w).but(ends=ENDED, extensions=[(x509.CRLNumber(9), False)]).der(), delta(w).der()]
    ),
)
TABLE.unknown(
    "a delta that alone tells its key",
    "the complete list they go with",
    lambda w: Case([base(w).but(ends=ENDED).der(), delta(w, extra=[own_key(w)]).der()]),
)
TABLE.good(
    "a delta and a base that tell their key",
    lambda w: Case(
        [
            base(w).but(ends=ENDED, extensions=[*base(w).extensions, own_key(w)]).der(),
            delta(w, extra=[own_key(w)]).der(),
        ]
    ),
)
TABLE.revoked(
    "on hold on a base that has ended, taken off later than then",
    lambda w: Case(
        [
            base(w).but(ends=ENDED, lines=lines(w, reason=R.certificate_hold)).der(),
            delta(w).but(made=AT + SECOND, lines=lines(w, reason=R.remove_from_crl)).der(),
        ]
    ),
)

# Several.
TABLE.revoked(
    "good, then on hold",
    lambda w: Case(
        [
            w.crl.but(made=AT - 2 * DAY).der(),
            w.crl.but(lines=lines(w, reason=R.certificate_hold)).der(),
        ]
    ),
)
TABLE.revoked(
    "on hold, then a list for other reasons",
    lambda w: Case(
        [
            w.crl.but(lines=lines(w, reason=R.certificate_hold)).der(),
            w.crl.but(made=AT, extensions=[scope(only_some_reasons=KEYS)]).der(),
        ]
    ),
)
TABLE.good(
    "on hold, then no more",
    lambda w: Case(
        [
            w.crl.but(
                made=AT - 2 * DAY, lines=lines(w, later=-3 * DAY, reason=R.certificate_hold)
            ).der(),
            w.crl.der(),
        ]
    ),
)
TABLE.revoked(
    "on hold then, no more later",
    lambda w: Case(
        [
            w.crl.but(lines=lines(w, reason=R.certificate_hold)).der(),
            w.crl.but(made=AT + SECOND).der(),
        ]
    ),
)
TABLE.revoked(
    "for good, and left out later",
    lambda w: Case([w.crl.but(lines=lines(w)).der(), w.crl.but(made=AT).der()]),
)
TABLE.good("one damaged, one right", lambda w: Case([w.crl.der()[:-9], w.crl.der()]))
TABLE.good(
    "one by another key, one right",
    lambda w: Case([w.crl.but(key=w.pki.ec_key, lines=lines(w)).der(), w.crl.der()]),
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


def test_a_separate_key_of_which_no_list_tells_is_not_believed(world: World) -> None:
    case = separate(world)
    found = check(world.chain, Sources(tuple(case.crls)), AT, case.authorities)[0]
    assert isinstance(found, OutOfReach)
    assert "whose own certificate is revoked or not known to hold" in found.words
