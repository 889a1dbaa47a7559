"""What a verdict rested on, as a document and back: the same rules, or nothing."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from datetime import UTC, datetime

import pytest

from batch.evidence import grounds, links, proof
from batch.evidence.canonical import canonical, digest, instant, read_instant
from batch.evidence.grounds import Grounds, Unreadable
from batch.evidence.steps import STEPS, step_of
from batch.signing import verification
from batch.signing.algorithms import Digest
from batch.signing.findings import Evidence, Good, NotChecked, OutOfReach, Revoked, SourceKind
from batch.signing.policy import AdmittedKeys, SignaturePolicy
from batch.signing.revocation import Sources
from batch.signing.verdict import Cause, NotSigned, Signed
from batch.states import SealedFile
from tests.unit.signing.pki import Pki

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)


def by(pki: Pki, **rules: object) -> Grounds:
    policy = replace(pki.policy, **rules)  # type: ignore[arg-type]
    return Grounds((pki.certificate.der,), policy, Sources((b"crl",), (b"ocsp",)))


def again(one: Grounds) -> Grounds:
    held = {name: piece.der for name, piece in one.materials().items()}
    return grounds.read(json.loads(canonical(one.document())), held)


CHANGED: dict[str, object] = {
    "digests": frozenset({Digest.SHA512}),
    "keys": AdmittedKeys(rsa_bits=3072, curves=frozenset({"secp521r1"})),
    "usages": frozenset({"nonRepudiation"}),
    "qualified": True,
    "sha1": True,
    "embedded_crls": True,
    "unsigned_attributes": True,
    "max_bytes": 7,
}


def test_every_rule_of_the_policy_comes_back_as_it_was(pki: Pki) -> None:
    """Also one that is new: it must be changed here, and survive."""
    known = {f.name for f in fields(SignaturePolicy)}
    assert known == {*CHANGED, "trust", "intermediates"}
    assert again(by(pki)) == by(pki)
    for name, value in CHANGED.items():
        changed = by(pki, **{name: value})
        assert again(changed) == changed
        assert canonical(changed.document()) != canonical(by(pki).document())
    between = by(pki, intermediates=(pki.ec_certificate,))
    assert again(between) == between


def test_what_is_named_and_not_held_or_not_known_is_no_grounds(pki: Pki) -> None:
    one = by(pki)
    held = {name: piece.der for name, piece in one.materials().items()}
    for name in held:
        with pytest.raises(Unreadable, match=name):
            grounds.read(one.document(), {k: v for k, v in held.items() if k != name})
    later = one.document()
    later["policy"]["witnesses"] = 2
    with pytest.raises(Unreadable, match="witnesses is not known"):
        grounds.read(later, held)
    earlier = one.document()
    del earlier["policy"]["qualified"]
    assert grounds.read(earlier, held) == one
    for damaged in ({}, {**one.document(), "policy": []}, {**one.document(), "registered": 3}):
        with pytest.raises(Unreadable):
            grounds.read(damaged, held)


def test_a_verdict_keeps_only_the_lists_it_rests_on(pki: Pki) -> None:
    data, fs = SealedFile("FI.X", None, 1, "1"), SealedFile("FS.X", None, 1, "2")
    rested = Evidence(SourceKind.CRL, digest(b"crl"), AT, None)
    chain = (pki.certificate.der,)
    good = Good(pki.certificate.fingerprint, rested)
    signed = Signed("CN=x", "f", "sha256", AT, chain, (good,), "1.2.3")
    kept = proof.prove(data, fs, signed, by(pki), AT)
    assert kept.grounds.sources == Sources((b"crl",))
    other = NotSigned(Cause.DIGEST_DIFFERS, "words")
    assert proof.prove(data, fs, other, by(pki), AT).grounds.sources == Sources()
    revoked = NotSigned(Cause.ISSUER_REVOKED, "words")
    assert proof.prove(data, fs, revoked, by(pki), AT).grounds.sources == by(pki).sources
    document = json.loads(kept.body)
    assert document["grounds"] == digest(canonical(kept.grounds.document()))
    assert document["revocation"][0]["sha256"] == rested.sha256


def test_every_finding_of_revocation_is_said_in_words() -> None:
    rested = Evidence(SourceKind.OCSP, "00", AT, AT)
    findings = (
        Good("1", rested),
        Revoked("2", rested, AT, "keyCompromise"),
        NotChecked("3"),
        OutOfReach("4", "no answer"),
    )
    signed = Signed("CN=x", "f", "sha256", None, (), findings)
    told = [found["found"] for found in proof.outcome(signed)["revocation"]]
    assert told == ["good", "revoked", "not checked: no source", "out of reach"]


def test_the_steps_are_those_of_the_verification() -> None:
    text = " ".join(str(verification.__doc__).split())
    for step in STEPS:
        assert f"{step.number} {step.words} {step.clause}" in text
    assert {step_of(cause) for cause in Cause} == set(range(1, 10))
    assert {step_of(c) for c in Cause if c.name.startswith(("CERTIFICATE_E", "ISSUER"))} == {6}


def test_links() -> None:
    first = links.after(None, {"id": "x"})
    second = links.after(first, {"a": 1})
    assert links.joined(first, second)
    assert not links.joined(second, first)
    assert (first.position, first.before) == (0, "0" * 64)
    assert second.digest == digest(f'{first.digest}\n{{"a":1}}\n')
    assert links.read(1, second.text) == second
    assert second.document() == {"a": 1}
    assert (first.fault, second.fault) == (None, None)
    for changed in (
        replace(second, body='{"a":2}'),
        replace(second, before="1" * 64),
        replace(second, digest="2" * 64),
        replace(second, position=0),
    ):
        assert changed.fault is not None
    for text in (b"", b"a\nb", b"a\nb\nc\n", b"\xff\nb\n"):
        with pytest.raises(Unreadable):
            links.read(1, text)
    with pytest.raises(Unreadable):
        replace(second, body="[]").document()


def test_instants() -> None:
    assert instant(AT) == "2026-03-01T12:00:00.000000Z"
    assert read_instant("2026-03-01T12:00:00.000000Z") == AT
