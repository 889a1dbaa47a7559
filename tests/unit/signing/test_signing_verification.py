"""What is accepted, and that nothing else can be made of it."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from batch.signing.algorithms import Digest
from batch.signing.certificate import SigningCertificate, read
from batch.signing.encoding import encode
from batch.signing.findings import NotChecked
from batch.signing.policy import SignaturePolicy
from batch.signing.verdict import Cause, NotSigned, Signed, Undecided
from batch.signing.verification import begin
from tests.unit.signing.craft import (
    DIGEST_OIDS,
    NULL,
    algorithm,
    attribute,
    attributes_of,
    certificate_v1,
    ec_recipe,
    indefinite,
    integer,
    oid,
    pss_algorithm,
    recipe,
    seq,
    tlv,
)
from tests.unit.signing.pki import AT, FI, Pki, registered

EXAMPLES = settings(
    max_examples=400,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def prove(
    fs: bytes,
    pki: Pki,
    *certificates: SigningCertificate,
    fi: bytes = FI,
    policy: SignaturePolicy | None = None,
) -> Signed | NotSigned | Undecided:
    known = registered(*(certificates or (pki.certificate,)))
    verifier = begin(fs, known, policy or pki.policy, AT)
    if isinstance(verifier, NotSigned):
        return verifier
    verifier.update(fi)
    return verifier.finish()


def test_a_right_signature_says_by_whom_when_and_how(pki: Pki) -> None:
    assert prove(recipe(pki).fs(), pki) == Signed(
        "CN=Bakkerij Peeters",
        hashlib.sha256(pki.certificate.der).hexdigest(),
        "sha256",
        AT - timedelta(hours=1),
        (pki.certificate.der, pki.policy.trust[0].der),
        (NotChecked(pki.certificate.fingerprint),),
        "1.2.840.113549.1.1.1",
    )


@pytest.mark.parametrize("digest", ["sha256", "sha384", "sha512"])
@pytest.mark.parametrize("parameters", [b"", NULL])
def test_rsa_is_accepted_with_each_digest(pki: Pki, digest: str, parameters: bytes) -> None:
    made = recipe(pki).but(
        digest=digest,
        attributes=attributes_of(FI, digest),
        digest_algorithm=algorithm(DIGEST_OIDS[digest], parameters),
    )
    found = prove(made.fs(), pki)
    assert isinstance(found, Signed)
    assert found.digest == digest


@pytest.mark.parametrize("salt", [0, 20, 32, 222])
def test_pss_is_accepted_with_any_salt_that_fits(pki: Pki, salt: int) -> None:
    made = recipe(pki).but(pss_salt=salt, signature_algorithm=pss_algorithm("sha256", salt))
    assert isinstance(prove(made.fs(), pki), Signed)


@pytest.mark.parametrize("curve", [ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1()])
def test_ecdsa_is_accepted_on_each_curve(pki: Pki, curve: ec.EllipticCurve) -> None:
    key = ec.generate_private_key(curve)
    certificate = pki.issued(key=key)
    sid = seq(certificate.issuer_name, integer(certificate.serial))
    made = ec_recipe(pki).but(key=key, sid=sid, certificates=())
    assert isinstance(prove(made.fs(), pki, certificate), Signed)


def test_the_embedded_certificate_may_be_absent_or_rubbish(pki: Pki) -> None:
    """It is never believed, so nothing hangs on it."""
    assert isinstance(prove(recipe(pki).but(certificates=()).fs(), pki), Signed)
    rubbish = (seq(b""), seq(tlv(4, b"?")))
    assert isinstance(prove(recipe(pki).but(certificates=rubbish).fs(), pki), Signed)


def test_a_signer_named_by_key_identifier_is_found(pki: Pki) -> None:
    identifier = pki.certificate.key_identifier
    assert identifier is not None
    made = recipe(pki).but(version=3, signer_version=3, sid=tlv(0x80, identifier))
    assert isinstance(prove(made.fs(), pki, pki.ec_certificate, pki.certificate), Signed)


def test_a_certificate_without_key_identifier_is_not_found_by_an_empty_one(pki: Pki) -> None:
    bare = pki.issued(identifier=False)
    made = recipe(pki).but(version=3, signer_version=3, sid=tlv(0x80))
    refused = prove(made.fs(), pki, bare)
    assert isinstance(refused, NotSigned)
    assert refused.cause is Cause.OTHER_CERTIFICATE


def test_a_reencoded_issuer_name_is_the_same_name(pki: Pki) -> None:
    """RFC 5280 7.1: some software writes PrintableString where the CA wrote UTF8String."""
    printable = seq(tlv(0x31, seq(oid("2.5.4.3"), tlv(0x13, b"Test  CA"))))
    assert printable != pki.certificate.issuer_name
    made = recipe(pki).but(sid=seq(printable, integer(pki.certificate.serial)))
    assert isinstance(prove(made.fs(), pki), Signed)


def test_of_two_registered_certificates_with_one_key_the_valid_one_counts(pki: Pki) -> None:
    old = pki.issued(not_before=AT - timedelta(days=900), not_after=AT - timedelta(days=1))
    identifier = pki.certificate.key_identifier
    assert identifier is not None
    made = recipe(pki).but(version=3, signer_version=3, sid=tlv(0x80, identifier))
    found = prove(made.fs(), pki, old, pki.certificate)
    assert isinstance(found, Signed)
    assert found.fingerprint == pki.certificate.fingerprint


def test_ber_is_read_around_the_signed_attributes(pki: Pki) -> None:
    assert isinstance(prove(encode(recipe(pki).ber()), pki), Signed)


def test_a_signature_value_in_pieces_is_read(pki: Pki) -> None:
    right = recipe(pki)
    signer = right.signer_info()
    value = signer[-256:]
    pieces = indefinite(0x24, tlv(4, value[:100]), tlv(4, value[100:]))
    in_pieces = seq(signer[4 : -len(tlv(4, value))], pieces)
    inside = seq(*right.signed_data()[:-1], tlv(0x31, in_pieces))
    der = seq(oid("1.2.840.113549.1.7.2"), tlv(0xA0, inside))
    assert isinstance(prove(encode(der), pki), Signed)


def test_algorithm_protection_and_signing_certificate_are_accepted_when_right(pki: Pki) -> None:
    protection = seq(
        algorithm(DIGEST_OIDS["sha256"]),
        tlv(0xA1, oid("1.2.840.113549.1.1.1"), NULL),
    )
    own = seq(seq(seq(tlv(4, hashlib.sha256(pki.certificate.der).digest()))))
    old = seq(seq(seq(tlv(4, hashlib.sha1(pki.certificate.der).digest()))))
    made = recipe(pki).but(
        attributes=(
            *attributes_of(FI),
            attribute("1.2.840.113549.1.9.52", protection),
            attribute("1.2.840.113549.1.9.16.2.47", own),
            attribute("1.2.840.113549.1.9.16.2.12", old),
        )
    )
    assert isinstance(prove(made.fs(), pki), Signed)


def test_signing_time_is_optional_and_may_be_generalized(pki: Pki) -> None:
    without = recipe(pki).but(attributes=attributes_of(FI)[::2])
    found = prove(without.fs(), pki)
    assert isinstance(found, Signed)
    assert found.signing_time is None
    late = attribute("1.2.840.113549.1.9.5", tlv(0x18, b"20510102030405Z"))
    found = prove(recipe(pki).but(attributes=(*attributes_of(FI)[::2], late)).fs(), pki)
    assert isinstance(found, Signed)
    assert found.signing_time == datetime(2051, 1, 2, 3, 4, 5, tzinfo=UTC)


def test_embedded_crls_are_admitted_only_by_policy(pki: Pki) -> None:
    made = recipe(pki).but(crls=tlv(0xA1))
    lenient = replace(pki.policy, embedded_crls=True)
    assert isinstance(prove(made.fs(), pki, policy=lenient), Signed)


def test_a_digest_outside_the_policy_is_refused(pki: Pki) -> None:
    narrow = replace(pki.policy, digests=frozenset({Digest.SHA512}))
    refused = prove(recipe(pki).fs(), pki, policy=narrow)
    assert isinstance(refused, NotSigned)
    assert refused.cause is Cause.DIGEST_NOT_ALLOWED


def test_the_words_for_another_certificate_say_whose(pki: Pki) -> None:
    refused = prove(recipe(pki).fs(), pki, pki.other)
    assert isinstance(refused, NotSigned)
    assert "CN=Bakkerij Peeters" in refused.words
    assert "CN=Garage Dupont" in refused.words
    assert refused.code == "153"


def test_an_inss_in_a_subject_never_reaches_the_words(pki: Pki) -> None:
    """An eID certificate holds its owner's INSS as serial number of the subject."""
    subject = x509.Name(
        [
            x509.NameAttribute(x509.NameOID.COMMON_NAME, "Jan Peeters (Signature)"),
            x509.NameAttribute(x509.NameOID.SERIAL_NUMBER, "85073003328"),
        ]
    )
    person = pki.issued(subject=subject)
    sid = seq(person.issuer_name, integer(person.serial))
    made = recipe(pki).but(sid=sid, certificates=(person.der,))
    refused = prove(made.fs(), pki)
    assert isinstance(refused, NotSigned)
    assert "Jan Peeters" in refused.words
    assert "85073003328" not in refused.words
    assert "85*********" in refused.words


def test_stripped_attributes_do_not_make_a_signature_over_them(pki: Pki) -> None:
    """The attributes' bytes sent as FI, under an FS without attributes: a known forgery."""
    right = recipe(pki)
    assert right.attributes is not None
    over = right.arrange(right.attributes)
    value = pki.rsa_key.sign(over, padding.PKCS1v15(), hashes.SHA256())
    forged = right.but(attributes=None, damage=value)
    refused = prove(forged.fs(), pki, fi=over)
    assert isinstance(refused, NotSigned)
    assert refused.cause is Cause.NO_SIGNED_ATTRIBUTES


def test_chunks_do_not_matter(pki: Pki) -> None:
    verifier = begin(recipe(pki).fs(), registered(pki.certificate), pki.policy, AT)
    assert not isinstance(verifier, NotSigned)
    for at in range(len(FI)):
        verifier.update(FI[at : at + 1])
    assert isinstance(verifier.finish(), Signed)


def test_an_x509_v1_certificate_is_accepted(pki: Pki) -> None:
    """Annex 25 admits v1 to v3; version 1 has no extensions, so no restriction either."""
    name = pki.ca.loaded.subject.public_bytes()
    der = certificate_v1(pki.ca_key, name, pki.rsa_key)
    first = read(der)
    assert first.loaded.version is x509.Version.v1
    assert first.key_usage is None
    made = recipe(pki).but(sid=seq(name, integer(77)), certificates=(der,))
    assert isinstance(prove(made.fs(), pki, first), Signed)


@EXAMPLES
@given(st.data())
def test_a_changed_fi_is_never_accepted(pki: Pki, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(FI) - 1))
    kind = data.draw(st.sampled_from(["flip", "cut", "add", "swap"]))
    match kind:
        case "flip":
            changed = FI[:at] + bytes([FI[at] ^ data.draw(st.integers(1, 255))]) + FI[at + 1 :]
        case "cut":
            changed = FI[:at] + FI[at + 1 :]
        case "add":
            changed = FI[:at] + data.draw(st.binary(min_size=1, max_size=4)) + FI[at:]
        case _:
            changed = data.draw(st.binary(max_size=80))
    if changed == FI:
        return
    refused = prove(recipe(pki).fs(), pki, fi=changed)
    assert isinstance(refused, NotSigned)
    assert refused.cause is Cause.DIGEST_DIFFERS


@EXAMPLES
@given(st.binary(max_size=200))
def test_any_bytes_as_fs_are_refused_and_never_raise(pki: Pki, fs: bytes) -> None:
    for given_fs in (fs, b"\x30" + fs, encode(fs), encode(b"\x30\x80" + fs)):
        assert isinstance(prove(given_fs, pki), NotSigned)


def test_a_truncated_fs_is_refused_at_every_length(pki: Pki) -> None:
    der = recipe(pki).but(certificates=()).der()
    assert isinstance(prove(encode(der), pki), Signed)
    for length in range(len(der)):
        assert isinstance(prove(encode(der[:length]), pki), NotSigned)
