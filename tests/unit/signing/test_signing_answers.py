"""OCSP answers, one oddity each, everything else right: what is found of the certificate."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID

from batch.signing.certificate import key_usage
from batch.signing.findings import (
    Evidence,
    Finding,
    Good,
    NotChecked,
    OutOfReach,
    Revoked,
    SourceKind,
)
from batch.signing.revocation import Sources, check
from tests.unit.signing.pki import AT, common_name
from tests.unit.signing.revocations import DAY, DER, OTHER_CA, SECOND, Line, World, make_world

R = x509.ReasonFlags
HOUR = timedelta(hours=1)
UNKNOWN = ocsp.OCSPCertStatus.UNKNOWN
ODD = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00")
Maker = Callable[[World], bytes]

GOOD: list[tuple[str, Maker]] = [
    ("by the CA", lambda w: w.answer.der()),
    ("by the CA, called by its name", lambda w: w.answer.but(by_name=True).der()),
    ("with SHA-256 in its certID", lambda w: w.answer.but(cert_id="sha256").der()),
    ("with SHA-512 over it", lambda w: w.answer.but(digest="sha512").der()),
    ("by a delegate", lambda w: w.delegated().der()),
    ("by a delegate, called by its name", lambda w: w.delegated().but(by_name=True).der()),
    (
        "by a delegate with an RSA key",
        lambda w: w.delegated(key=w.pki.rsa_key).but(key=w.pki.rsa_key).der(),
    ),
    (
        "by a delegate with RSASSA-PSS",
        lambda w: w.delegated(key=w.pki.rsa_key).but(key=w.pki.rsa_key, digest="pss").der(),
    ),
    ("by a delegate without key usage", lambda w: w.delegated(key_usage=None).der()),
    ("by a delegate that ended since", lambda w: w.delegated(not_after=AT - HOUR).der()),
    ("made later", lambda w: w.answer.but(made=AT + DAY, ends=AT + 2 * DAY).der()),
    ("made later, without an end", lambda w: w.answer.but(made=AT + DAY, ends=None).der()),
    ("a day old, without an end", lambda w: w.answer.but(made=AT - DAY, ends=None).der()),
    ("revoked a second later", lambda w: w.revoked.but(made=AT + DAY, since=AT + SECOND).der()),
    (
        "with a nonce",
        lambda w: w.answer.but(extensions=[(x509.OCSPNonce(b"12345678"), False)]).der(),
    ),
    ("with an unknown extension", lambda w: w.answer.but(extensions=[(ODD, False)]).der()),
]
REVOKED: list[tuple[str, Maker]] = [
    ("a day before", lambda w: w.revoked.der()),
    ("exactly then", lambda w: w.revoked.but(since=AT, made=AT).der()),
    ("without a reason", lambda w: w.revoked.but(reason=None).der()),
    ("on hold", lambda w: w.revoked.but(reason=R.certificate_hold).der()),
    (
        "by a delegate",
        lambda w: w.delegated().but(status=ocsp.OCSPCertStatus.REVOKED, since=AT - DAY).der(),
    ),
    ("told later", lambda w: w.revoked.but(made=AT + DAY, ends=AT + 2 * DAY).der()),
    (
        "for good, told by an answer that has ended",
        lambda w: w.revoked.but(made=AT - 5 * DAY, ends=AT - 4 * DAY, since=AT - 6 * DAY).der(),
    ),
]
OUT_OF_REACH: list[tuple[str, str, Maker]] = [
    ("unknown", "does not know the certificate", lambda w: w.answer.but(status=UNKNOWN).der()),
    (
        "ended a second ago",
        "expired on 2026-03-02 09:59 UTC",
        lambda w: w.answer.but(ends=AT - SECOND).der(),
    ),
    ("ends now", "expired on 2026-03-02 10:00 UTC", lambda w: w.answer.but(ends=AT).der()),
    (
        "more than a day old, without an end",
        "expired on 2026-03-02 09:59 UTC",
        lambda w: w.answer.but(made=AT - DAY - SECOND, ends=None).der(),
    ),
    (
        "on hold, told by an answer that has ended",
        "expired on",
        lambda w: w.revoked.but(
            reason=R.certificate_hold, made=AT - 5 * DAY, ends=AT - DAY, since=AT - 6 * DAY
        ).der(),
    ),
    (
        "made after the certificate's end",
        "may no longer know it",
        lambda w: w.answer.but(made=w.leaf.not_after + DAY, ends=w.leaf.not_after + 2 * DAY).der(),
    ),
    (
        "called another's by name",
        "is not signed by the CA",
        lambda w: w.answer.but(called=w.root, by_name=True).der(),
    ),
    (
        "called another's by key",
        "is not signed by the CA",
        lambda w: w.answer.but(called=w.root).der(),
    ),
    (
        "by a delegate, called another's by name",
        "is not signed by the CA",
        lambda w: w.delegated().but(called=w.root, by_name=True).der(),
    ),
    (
        "by a delegate, called another's by key",
        "is not signed by the CA",
        lambda w: w.delegated().but(called=w.root).der(),
    ),
    (
        "made at the end of time, without an end",
        "may no longer know it",
        lambda w: w.answer.but(made=datetime.max.replace(tzinfo=UTC), ends=None).der(),
    ),
    ("by another key", "is not signed by the CA", lambda w: w.answer.but(key=w.pki.ec_key).der()),
    (
        "by the root",
        "is not signed by the CA",
        lambda w: w.answer.but(key=w.root_key, responder=w.root).der(),
    ),
    (
        "by the leaf itself",
        "whose certificate is not for OCSP",
        lambda w: w.answer.but(key=w.pki.rsa_key, responder=w.leaf, delegated=True).der(),
    ),
    (
        "by a delegate that is not in it",
        "is not signed by the CA",
        lambda w: w.delegated().but(delegated=False).der(),
    ),
    (
        "by a delegate for another purpose",
        "is not for OCSP",
        lambda w: w.delegated(
            extra=[(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), False)]
        ).der(),
    ),
    ("by a delegate without a purpose", "is not for OCSP", lambda w: w.delegated(extra=[]).der()),
    (
        "by a delegate of another CA",
        "did not certify itself",
        lambda w: w.delegated(issuer=OTHER_CA, issuer_key=w.root_key).der(),
    ),
    (
        "by a delegate of another CA with its name",
        "did not certify itself",
        lambda w: w.delegated(issuer_key=w.root_key).der(),
    ),
    (
        "by a delegate that had ended",
        "not valid when it answered",
        lambda w: w.delegated(not_after=AT - 3 * HOUR).but(made=AT - HOUR).der(),
    ),
    (
        "by a delegate with a weak key",
        "key is not admitted",
        lambda w: w.delegated(key=w.pki.weak_key).but(key=w.pki.weak_key).der(),
    ),
    (
        "by a delegate that may not sign",
        "may not sign",
        lambda w: w.delegated(key_usage=key_usage("key_encipherment")).der(),
    ),
    (
        "with an unknown critical extension",
        "unknown critical extension 1.2.3.4",
        lambda w: w.answer.but(extensions=[(ODD, True)]).der(),
    ),
    (
        "with SHA-224 over it",
        "algorithm that is not admitted",
        lambda w: w.answer.but(digest="sha224").der(),
    ),
    (
        "with SHA-1 over it",
        "algorithm that is not admitted",
        lambda w: w.answer.but(digest="sha1").der(),
    ),
    (
        "with an unknown critical extension of its own",
        "unknown critical extension 1.2.3.4",
        lambda w: w.answer.but(of_single=[(ODD, True)]).der(),
    ),
    (
        "with one of another certificate's",
        "unknown critical extension 1.2.3.4",
        lambda w: w.answer.but(
            others=[w.answer.but(certificate=w.pki.other, of_single=[(ODD, True)])]
        ).der(),
    ),
    ("tampered", "is not signed by the CA", lambda w: tampered(w)),
]
SILENT: list[tuple[str, Maker]] = [
    ("about another serial", lambda w: w.answer.but(certificate=w.pki.other).der()),
    ("about a certificate of another CA's key", lambda w: w.answer.but(issuer=w.root).der()),
    ("an error", lambda w: error()),
    ("cut off", lambda w: w.answer.der()[:-1]),
    ("bytes after it", lambda w: w.answer.der() + b"\x00"),
    ("a revocation list", lambda w: w.crl.der()),
    ("nothing", lambda w: b""),
]


def tampered(world: World) -> bytes:
    """The certificate was revoked, the answer is changed to tell of a later time."""
    there, then = b"20260301100000Z", b"20270301100000Z"
    return world.revoked.der().replace(there, then)


def error() -> bytes:
    built = ocsp.OCSPResponseBuilder.build_unsuccessful(ocsp.OCSPResponseStatus.TRY_LATER)
    return built.public_bytes(DER)


def found_of(world: World, *answers: bytes, crls: tuple[bytes, ...] = ()) -> Finding:
    return check(world.chain, Sources((*crls, world.root_list), answers), AT)[0]


@pytest.mark.parametrize(("name", "make"), GOOD)
def test_good(name: str, make: Maker, world: World) -> None:
    found = found_of(world, make(world))
    assert isinstance(found, Good), found


@pytest.mark.parametrize(("name", "make"), REVOKED)
def test_revoked(name: str, make: Maker, world: World) -> None:
    found = found_of(world, make(world))
    assert isinstance(found, Revoked), found


@pytest.mark.parametrize(("name", "words", "make"), OUT_OF_REACH)
def test_out_of_reach(name: str, words: str, make: Maker, world: World) -> None:
    found = found_of(world, make(world))
    assert isinstance(found, OutOfReach), found
    assert "revoked: the OCSP answer " in found.words
    assert words in found.words
    assert "certificate CN=Bakkerij Peeters" in found.words


@pytest.mark.parametrize(("name", "make"), SILENT)
def test_what_is_not_about_the_certificate_says_nothing(
    name: str, make: Maker, world: World
) -> None:
    assert found_of(world, make(world)) == NotChecked(world.leaf.fingerprint)


def test_a_finding_says_what_it_rests_on(world: World) -> None:
    answer = world.revoked.der()
    sha256 = hashlib.sha256(answer).hexdigest()
    evidence = Evidence(SourceKind.OCSP, sha256, AT - 2 * HOUR, AT + DAY)
    expected = Revoked(world.leaf.fingerprint, evidence, AT - DAY, "keyCompromise")
    assert found_of(world, answer) == expected


def test_a_delegate_on_a_list_of_its_ca_says_nothing(world: World) -> None:
    """Also one with ocsp-nocheck: that spares looking for a list, not believing it."""
    made = world.delegated()
    listed = world.crl.but(lines=[Line(made.responder.serial)], ends=AT)
    found = found_of(world, made.der(), crls=(listed.der(),))
    assert isinstance(found, OutOfReach)
    assert "whose own certificate is revoked" in found.words


def test_a_list_and_an_answer_are_weighed_together(world: World) -> None:
    listed = world.crl.but(lines=[world.line]).der()
    assert isinstance(found_of(world, world.answer.der(), crls=(listed,)), Revoked)
    assert isinstance(found_of(world, world.revoked.der(), crls=(world.crl.der(),)), Revoked)
    fresh = found_of(world, world.answer.der(), crls=(world.crl.der(),))
    assert isinstance(fresh, Good)
    assert fresh.evidence.kind is SourceKind.OCSP
    ended = world.crl.but(ends=AT).der()
    assert isinstance(found_of(world, world.answer.der(), crls=(ended,)), Good)
    unknown = world.answer.but(status=UNKNOWN).der()
    assert isinstance(found_of(world, unknown, crls=(world.crl.der(),)), Good)


def test_each_certificate_but_the_anchor_has_its_finding(world: World) -> None:
    found = check(world.chain, world.sources(world.crl.der()), AT)
    assert [type(one) for one in found] == [Good, Good]
    revoked = world.root_crl.but(lines=[Line(world.ca.serial)]).der()
    found = check(world.chain, Sources((world.crl.der(), revoked)), AT)
    assert [type(one) for one in found] == [Good, Revoked]
    assert check(world.chain[:1], Sources(), AT) == []


def test_without_any_source_nothing_is_checked(world: World) -> None:
    others = make_world(world.pki).root_crl.but(issuer=common_name("Nobody")).der()
    expected = [NotChecked(world.leaf.fingerprint), NotChecked(world.ca.fingerprint)]
    assert check(world.chain, Sources(), AT) == expected
    assert check(world.chain, Sources((others, b"", b"\x30"), (b"x",)), AT) == expected


def test_a_source_that_is_only_named_is_out_of_reach(world: World) -> None:
    found = check([world.named, world.ca], Sources(), AT)[0]
    assert found == OutOfReach(
        world.named.fingerprint,
        "It cannot be known yet whether certificate CN=Bakkerij Peeters was revoked: "
        "http://crl.example/ca.crl was not fetched yet; http://ocsp.example/ was not fetched yet.",
    )
    answer = world.answer.but(certificate=world.named).der()
    assert isinstance(check([world.named, world.ca], Sources((), (answer,)), AT)[0], Good)
