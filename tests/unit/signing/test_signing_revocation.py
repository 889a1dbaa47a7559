"""Revocation in the verdict on a signature, and what is asked and kept for it."""

from __future__ import annotations

import hashlib

import pytest
from asn1crypto import ocsp as asn1_ocsp
from cryptography import x509
from cryptography.x509 import ocsp

from batch.signing.certificate import SigningCertificate
from batch.signing.findings import Evidence, Good, SourceKind
from batch.signing.policy import SignaturePolicy
from batch.signing.revocation import Sources
from batch.signing.sources import (
    KeptSource,
    NamedSource,
    SourceError,
    named_sources,
    ocsp_request,
    place_in_words,
    read_source,
)
from batch.signing.verdict import Cause, NotSigned, Signed, Undecided
from batch.signing.verification import begin
from tests.unit.signing.craft import integer, recipe, seq
from tests.unit.signing.pki import AT, FI, Pki, common_name, registered
from tests.unit.signing.revocations import (
    CA,
    DAY,
    DER,
    LIST_URL,
    RESPONDER_URL,
    World,
    point,
)


def prove(
    pki: Pki, certificate: SigningCertificate, sources: Sources, fi: bytes = FI
) -> Signed | NotSigned | Undecided:
    sid = seq(certificate.issuer_name, integer(certificate.serial))
    fs = recipe(pki).but(sid=sid, certificates=(certificate.der,)).fs()
    verifier = begin(fs, registered(certificate), SignaturePolicy((pki.ca,)), AT, sources)
    if isinstance(verifier, NotSigned):
        return verifier
    verifier.update(fi)
    return verifier.finish()


def test_a_signature_names_the_list_it_rests_on(world: World) -> None:
    listed = world.crl.der()
    signed = prove(world.pki, world.leaf, Sources((listed,)))
    assert isinstance(signed, Signed)
    evidence = Evidence(SourceKind.CRL, hashlib.sha256(listed).hexdigest(), AT - DAY, AT + DAY)
    assert signed.revocation == (Good(world.leaf.fingerprint, evidence),)


@pytest.mark.parametrize("kept", ["nothing", "ended", "by another key", "damaged", "unknown"])
def test_what_cannot_be_known_yet_is_undecided(kept: str, world: World) -> None:
    unknown = world.answer.but(certificate=world.named, status=ocsp.OCSPCertStatus.UNKNOWN)
    sources = {
        "nothing": Sources(),
        "ended": Sources((world.crl.but(ends=AT).der(),)),
        "by another key": Sources((world.crl.but(key=world.pki.ec_key).der(),)),
        "damaged": Sources((world.crl.der()[:-1],)),
        "unknown": Sources((), (unknown.der(),)),
    }[kept]
    found = prove(world.pki, world.named, sources)
    assert isinstance(found, Undecided)
    assert found.words.startswith(
        "It cannot be known yet whether certificate CN=Bakkerij Peeters was revoked: "
    )


def test_a_wrong_signature_is_refused_whether_revocation_is_known_or_not(world: World) -> None:
    found = prove(world.pki, world.named, Sources(), b"another FI")
    assert isinstance(found, NotSigned)
    assert found.cause is Cause.DIGEST_DIFFERS


def test_a_revoked_certificate_is_told_with_since_when_and_why(world: World) -> None:
    listed = world.crl.but(lines=[world.line]).der()
    assert prove(world.pki, world.leaf, Sources((listed,))) == NotSigned(
        Cause.CERTIFICATE_REVOKED,
        "Certificate CN=Bakkerij Peeters was revoked on 2026-03-01 10:00 UTC (keyCompromise).",
    )


def test_the_places_of_a_certificate_are_named_each_once(world: World) -> None:
    crl, answers = SourceKind.CRL, SourceKind.OCSP
    assert named_sources(world.leaf) == ()
    assert named_sources(world.named) == (
        NamedSource(crl, LIST_URL),
        NamedSource(answers, RESPONDER_URL),
    )
    odd = world.with_points(
        point("ldap://a/b", LIST_URL, LIST_URL),
        point(relative=common_name("1").rdns[0]),
        point(crl_issuer=CA),
    )
    named = named_sources(odd)
    assert named == (
        NamedSource(crl, "ldap://a/b"),
        NamedSource(crl, LIST_URL),
        NamedSource(crl, "a directory of its CA"),
        NamedSource(crl, "directory CN=Test CA"),
    )
    assert [source.fetchable for source in named] == [False, True, False, False]


def test_the_place_of_a_delta_list_is_named_too(world: World) -> None:
    freshest = x509.FreshestCRL([point("http://crl.example/delta.crl")])
    odd = world.pki.issued(extra=[(freshest, False)])
    assert named_sources(odd) == (NamedSource(SourceKind.CRL, "http://crl.example/delta.crl"),)


@pytest.mark.parametrize(
    ("url", "fetchable"),
    [
        ("http://a/b", True),
        ("HTTP://a/b", True),
        ("https://a/b", True),
        ("http://a/b c", False),
        ("http://a/\nX: y", False),
        ("file:///etc/passwd", False),
        ("", False),
        ("http", False),
    ],
)
def test_only_http_and_https_are_fetched(url: str, fetchable: bool) -> None:
    assert NamedSource(SourceKind.CRL, url).fetchable is fetchable


def test_a_place_for_a_person_is_one_line_without_an_inss() -> None:
    place = NamedSource(SourceKind.CRL, "http://a/\n85073003328/" + "x" * 900)
    words = place_in_words(place)
    assert words.startswith("http://a/?85*********/x")
    assert len(words) == 300


def test_what_is_kept_beside_a_list_or_an_answer(world: World) -> None:
    listed, answer = world.crl.der(), world.answer.der()
    assert read_source(listed) == KeptSource(
        SourceKind.CRL,
        AT - DAY,
        AT + DAY,
        "certificates of CN=Test CA",
        hashlib.sha256(listed).hexdigest(),
    )
    kept = read_source(answer)
    assert (kept.kind, kept.this_update, kept.next_update) == (
        SourceKind.OCSP,
        world.answer.made,
        AT + DAY,
    )
    assert kept.about == f"certificate {world.leaf.serial:x}"
    assert read_source(world.crl.by_hand()).next_update is None


def test_of_an_answer_about_several_the_narrowest_period_is_kept(world: World) -> None:
    early = world.answer.but(made=AT - 2 * DAY, ends=AT + DAY / 2)
    kept = read_source(world.answer.but(others=[early]).der())
    assert (kept.this_update, kept.next_update) == (world.answer.made, AT + DAY / 2)


def test_what_tells_nothing_is_not_kept(world: World) -> None:
    error = ocsp.OCSPResponseBuilder.build_unsuccessful(ocsp.OCSPResponseStatus.TRY_LATER)
    with pytest.raises(SourceError, match="answers with an error: try later"):
        read_source(error.public_bytes(DER))
    for useless in (b"", b"<html>", world.leaf.der, world.crl.der()[:-1], b"\x30\x03\x0a\x01\x00"):
        with pytest.raises(SourceError, match="no revocation list and no OCSP answer"):
            read_source(useless)


def test_a_question_is_by_sha1_and_about_the_certificate(world: World) -> None:
    """Read by asn1crypto, and by cryptography, which made it."""
    asked = ocsp_request(world.leaf, world.ca)
    request = asn1_ocsp.OCSPRequest.load(asked, strict=True)["tbs_request"]
    assert request["request_extensions"].native is None
    cert_id = request["request_list"][0]["req_cert"]
    assert cert_id["hash_algorithm"]["algorithm"].native == "sha1"
    assert cert_id["serial_number"].native == world.leaf.serial
    name = hashlib.sha1(world.leaf.issuer_name).digest()
    assert cert_id["issuer_name_hash"].native == name
    assert ocsp.load_der_ocsp_request(asked).issuer_name_hash == name
