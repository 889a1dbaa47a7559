"""What we sign is what we accept, and only with a key and certificate that belong together."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta, timezone

import pytest
from asn1crypto import cms
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519
from hypothesis import given, settings
from hypothesis import strategies as st

from batch.errors import OperatorError
from batch.signing.certificate import KeyKind, SigningCertificate, read
from batch.signing.encoding import encode
from batch.signing.findings import NotChecked
from batch.signing.institution import make_institution
from batch.signing.path import Trusted, judge_certificate
from batch.signing.policy import SignaturePolicy
from batch.signing.signature import PrivateKey, key_signer, load_key, sign_detached, sign_with
from batch.signing.signed_data import IssuerAndSerialNumber, SignedData, read_signed_data
from batch.signing.verdict import Signed
from batch.signing.verification import Verifier, begin
from tests.unit.signing.pki import AT, FI, Pki, registered


def prove(der: bytes, certificate: SigningCertificate, pki: Pki, fi: bytes) -> object:
    verifier = begin(encode(der), registered(certificate), pki.policy, AT)
    assert isinstance(verifier, Verifier)
    verifier.update(fi)
    return verifier.finish()


@pytest.mark.parametrize("kind", ["rsa", "ec"])
def test_our_signature_is_accepted(pki: Pki, kind: str) -> None:
    key: PrivateKey = pki.rsa_key if kind == "rsa" else pki.ec_key
    certificate = pki.certificate if kind == "rsa" else pki.ec_certificate
    der = sign_detached([FI[:5], b"", FI[5:]], key, certificate, AT)
    assert prove(der, certificate, pki, FI) == Signed(
        certificate.subject,
        certificate.fingerprint,
        "sha256",
        AT,
        (certificate.der, pki.policy.trust[0].der),
        (NotChecked(certificate.fingerprint),),
        "1.2.840.113549.1.1.1" if kind == "rsa" else "1.2.840.10045.4.3.2",
    )


def test_our_signature_has_the_shape_of_annex_25(pki: Pki) -> None:
    found = read_signed_data(sign_detached([FI], pki.rsa_key, pki.certificate, AT))
    assert isinstance(found, SignedData)
    assert found.version == 1
    assert not found.attached
    assert not found.crls
    assert found.certificates == (pki.certificate.der,)
    (signer,) = found.signer_infos
    assert signer.version == 1
    assert not signer.unsigned_attributes
    assert signer.sid == IssuerAndSerialNumber(pki.certificate.issuer_name, pki.certificate.serial)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.binary(max_size=50), max_size=5))
def test_any_bytes_can_be_signed(pki: Pki, chunks: list[bytes]) -> None:
    der = sign_detached(chunks, pki.ec_key, pki.ec_certificate, AT)
    assert isinstance(prove(der, pki.ec_certificate, pki, b"".join(chunks)), Signed)


def test_rsa_signatures_are_the_same_bytes_for_the_same_instant(pki: Pki) -> None:
    """An answer that is made again after a crash must have the same FS."""
    brussels = AT.astimezone(timezone(timedelta(hours=1))) + timedelta(microseconds=5)
    first = sign_detached([FI], pki.rsa_key, pki.certificate, AT)
    assert sign_detached([FI], pki.rsa_key, pki.certificate, brussels) == first


def by_a_general_encoder(der: bytes, certificate: SigningCertificate, at: datetime | None) -> bytes:
    """The same SignedData made by asn1crypto, with the signature value of ``der`` in it."""
    value = cms.ContentInfo.load(der)["content"]["signer_infos"][0]["signature"].native
    embedded = asn1_x509.Certificate.load(certificate.der)
    sid = {"issuer": embedded.issuer, "serial_number": certificate.serial}
    ecdsa = certificate.key_kind is KeyKind.EC
    attributes: list[dict[str, object]] = [
        {"type": "content_type", "values": ["data"]},
        {"type": "message_digest", "values": [hashlib.sha256(FI).digest()]},
    ]
    if at is not None:
        kind = "utc_time" if at.year < 2050 else "generalized_time"
        time = cms.Time({kind: at.astimezone(UTC).replace(microsecond=0)})
        attributes.append({"type": "signing_time", "values": [time]})
    signer_info = {
        "version": "v1",
        "sid": cms.SignerIdentifier({"issuer_and_serial_number": sid}),
        "digest_algorithm": {"algorithm": "sha256"},
        "signed_attrs": cms.CMSAttributes(attributes),
        "signature_algorithm": {"algorithm": "sha256_ecdsa" if ecdsa else "rsassa_pkcs1v15"},
        "signature": value,
    }
    content = {
        "version": "v1",
        "digest_algorithms": [{"algorithm": "sha256"}],
        "encap_content_info": {"content_type": "data"},
        "certificates": [embedded],
        "signer_infos": [signer_info],
    }
    return bytes(cms.ContentInfo({"content_type": "signed_data", "content": content}).dump())


@pytest.mark.parametrize("kind", ["rsa", "ec"])
@settings(max_examples=25, deadline=None)
@given(at=st.none() | st.integers(1, 13_000_000_000).map(lambda s: datetime.fromtimestamp(s, UTC)))
def test_each_octet_is_as_a_general_encoder_writes_it(
    pki: Pki, kind: str, at: datetime | None
) -> None:
    key: PrivateKey = pki.rsa_key if kind == "rsa" else pki.ec_key
    certificate = pki.certificate if kind == "rsa" else pki.ec_certificate
    der = sign_with(key_signer(key, certificate), [FI], at)
    assert der == by_a_general_encoder(der, certificate, at)
    assert isinstance(prove(der, certificate, pki, FI), Signed)


def test_a_signing_time_after_2049_is_written_whole(pki: Pki) -> None:
    late = datetime(2061, 5, 6, 7, 8, 9, tzinfo=UTC)
    der = sign_detached([FI], pki.rsa_key, pki.certificate, late)
    found = prove(der, pki.certificate, pki, FI)
    assert isinstance(found, Signed)
    assert found.signing_time == late


def test_a_key_of_another_certificate_is_refused(pki: Pki) -> None:
    with pytest.raises(OperatorError, match="does not belong"):
        sign_detached([FI], pki.ec_key, pki.certificate, AT)


def test_a_weak_key_does_not_sign(pki: Pki) -> None:
    with pytest.raises(OperatorError, match="1024 bits"):
        key_signer(pki.weak_key, pki.issued(key=pki.weak_key))


def test_a_key_file_is_loaded_with_its_password(pki: Pki) -> None:
    locked = pki.ec_key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"geheim"),
    )
    assert load_key(locked, b"geheim").public_key() == pki.ec_key.public_key()
    with pytest.raises(OperatorError, match="encrypted: give its password"):
        load_key(locked)
    with pytest.raises(OperatorError, match="password is wrong"):
        load_key(locked, b"verkeerd")


def test_a_key_of_no_use_is_refused(pki: Pki) -> None:
    edwards = ed25519.Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    with pytest.raises(OperatorError, match="neither RSA nor ECDSA"):
        load_key(edwards)
    with pytest.raises(OperatorError, match="not encrypted"):
        load_key(edwards, b"geheim")
    with pytest.raises(OperatorError, match="no private key"):
        load_key(pki.certificate.loaded.public_bytes(serialization.Encoding.PEM))


def test_the_institution_can_sign_from_the_start_for_ten_years() -> None:
    key_pem, certificate_pem = make_institution("FLA transfer point", AT)
    certificate = read(certificate_pem)
    policy = SignaturePolicy((certificate,))
    for at in (AT, AT + timedelta(days=3650)):
        assert isinstance(judge_certificate(certificate, policy, at), Trusted)
    assert certificate.subject == "CN=FLA transfer point"
    assert certificate.key_kind is KeyKind.RSA
    assert certificate.key_size == 3072
    assert certificate.key_usage == frozenset({"digitalSignature", "nonRepudiation"})
    assert not certificate.ca
    constraints = certificate.loaded.extensions.get_extension_for_class(x509.BasicConstraints)
    assert constraints.critical
    key_signer(load_key(key_pem), certificate)


@pytest.mark.parametrize("name", ["", "x" * 65])
def test_an_impossible_name_for_the_institution_is_refused(name: str) -> None:
    with pytest.raises(OperatorError, match="1 to 64"):
        make_institution(name, AT)
