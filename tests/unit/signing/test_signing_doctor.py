"""The doctor's words: for every cause, of every file that is no FS, and never a secret."""

from __future__ import annotations

import base64
import hashlib
import io
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import pkcs12
from hypothesis import given, settings
from hypothesis import strategies as st

from batch.registers import Interval, RegisteredCertificate
from batch.signing import unregistered
from batch.signing.causes import CAUSES, DETAILS, Detail
from batch.signing.certificate import SigningCertificate
from batch.signing.doctor import Case, Diagnosis, Known, Origin, examine
from batch.signing.policy import SignaturePolicy
from batch.signing.variants import Search
from batch.signing.verdict import Cause, NotSigned, Signed
from batch.signing.verification import begin
from tests.unit.signing.craft import (
    NULL,
    algorithm,
    attributes_of,
    certificate_v1,
    ec_recipe,
    integer,
    pss_algorithm,
    recipe,
    seq,
)
from tests.unit.signing.pki import AT, FI, Pki, common_name, registered

LIMIT = 64 * 1024


def refused(
    fs: bytes, policy: SignaturePolicy, certificates: Sequence[RegisteredCertificate]
) -> NotSigned:
    held = [c for c in certificates if c.valid.covers(AT)]
    found = begin(fs, held, policy, AT)
    verdict = found if isinstance(found, NotSigned) else found.finish()
    assert isinstance(verdict, NotSigned)
    return verdict


def told(fs: bytes, pki: Pki, *certificates: RegisteredCertificate) -> Diagnosis:
    """What the doctor says of an FS whose FI it need not see."""
    known = certificates or registered(pki.certificate)
    found = examine(fs, refused(fs, pki.policy, known), Known(known, AT), LIMIT)
    assert isinstance(found, Diagnosis)
    return found


def test_every_cause_and_every_finding_has_a_meaning_and_a_remedy() -> None:
    assert set(CAUSES) == set(Cause)
    assert set(DETAILS) == set(Detail)
    for meaning in (*CAUSES.values(), *DETAILS.values()):
        assert meaning.happened[0].islower() or meaning.happened.split()[0].isupper()
        assert not meaning.happened.endswith(".")
        assert meaning.remedy.endswith(".")


def test_every_slug_fits_its_column() -> None:
    found = [Diagnosis(cause, detail, "").slug for cause in Cause for detail in Detail]
    assert max(map(len, found)) <= 60
    assert Diagnosis(Cause.ATTACHED, None, "").slug == "attached"


# --- files that are no FS ------------------------------------------------------------------


def _der(pki: Pki, form: serialization.PrivateFormat) -> bytes:
    encryption = serialization.NoEncryption()
    return pki.rsa_key.private_bytes(serialization.Encoding.DER, form, encryption)


def _pem(pki: Pki, form: serialization.PrivateFormat, password: bytes | None = None) -> bytes:
    encryption = (
        serialization.BestAvailableEncryption(password)
        if password
        else serialization.NoEncryption()
    )
    return pki.ec_key.private_bytes(serialization.Encoding.PEM, form, encryption)


SECRETS: dict[str, Callable[[Pki], bytes]] = {
    "PKCS #8": lambda pki: _pem(pki, serialization.PrivateFormat.PKCS8),
    "SEC 1": lambda pki: _pem(pki, serialization.PrivateFormat.TraditionalOpenSSL),
    "with a password": lambda pki: _pem(pki, serialization.PrivateFormat.PKCS8, b"password"),
    "behind its certificate": lambda pki: (
        pki.certificate.loaded.public_bytes(serialization.Encoding.PEM)
        + _pem(pki, serialization.PrivateFormat.PKCS8)
    ),
    "PKCS #8, DER": lambda pki: _der(pki, serialization.PrivateFormat.PKCS8),
    "PKCS #1, DER": lambda pki: _der(pki, serialization.PrivateFormat.TraditionalOpenSSL),
    "PKCS #8, base64": lambda pki: base64.b64encode(_der(pki, serialization.PrivateFormat.PKCS8)),
    "PKCS #12": lambda pki: pkcs12.serialize_key_and_certificates(
        None, pki.rsa_key, pki.certificate.loaded, None, serialization.NoEncryption()
    ),
}


@pytest.mark.parametrize("name", SECRETS)
def test_a_private_key_is_recognised_and_never_quoted(pki: Pki, name: str) -> None:
    fs = SECRETS[name](pki)
    found = told(fs, pki)
    assert found.detail is Detail.PRIVATE_KEY
    assert "make a new key" in found.words
    for start in range(0, len(fs) - 12, 7):
        assert fs[start : start + 12].decode("latin-1") not in found.words


def _zip() -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as made:
        made.writestr("FS", b"x")
    return held.getvalue()


XML_SIGNATURE = b'<?xml version="1.0"?><Signature xmlns="http://www.w3.org/2000/09/xmldsig#"/>'


def _certificate(pki: Pki, encoding: serialization.Encoding) -> bytes:
    return pki.certificate.loaded.public_bytes(encoding)


def _public(pki: Pki, encoding: serialization.Encoding) -> bytes:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return pki.rsa_key.public_key().public_bytes(encoding, form)


OTHERS: dict[str, tuple[Detail, Callable[[Pki], bytes]]] = {
    "certificate": (Detail.CERTIFICATE, lambda p: _certificate(p, serialization.Encoding.PEM)),
    "DER": (Detail.CERTIFICATE, lambda p: _certificate(p, serialization.Encoding.DER)),
    "public key": (Detail.PUBLIC_KEY, lambda p: _public(p, serialization.Encoding.PEM)),
    "public, DER": (Detail.PUBLIC_KEY, lambda p: _public(p, serialization.Encoding.DER)),
    "OpenPGP": (Detail.FOREIGN_SIGNATURE, lambda _: b"-----BEGIN PGP SIGNATURE-----\n\niQ=\n"),
    "JWS": (Detail.FOREIGN_SIGNATURE, lambda _: b"eyJhbGciOiJSUzI1NiJ9.e30.c2ln"),
    "XAdES": (Detail.XML_SIGNATURE, lambda _: XML_SIGNATURE),
    "FI": (Detail.XML, lambda _: FI),
    "PDF": (Detail.PDF, lambda _: b"%PDF-1.7\n%\xe2\xe3"),
    "ZIP": (Detail.ZIP, lambda _: _zip()),
    "hexadecimal": (Detail.HEXADECIMAL, lambda p: recipe(p).der().hex().encode()),
    "ECDSA value": (Detail.BARE_SIGNATURE, lambda p: base64.b64encode(bytes(range(100, 164)))),
}


@pytest.mark.parametrize("name", OTHERS)
def test_another_file_than_an_fs_is_called_by_its_name(pki: Pki, name: str) -> None:
    detail, make = OTHERS[name]
    assert told(make(pki), pki).detail is detail


def test_what_is_missing_of_a_truncated_fs_is_counted(pki: Pki) -> None:
    fs = recipe(pki).fs()
    columns = b"\r\n".join(fs[n : n + 76] for n in range(0, len(fs), 76))
    assert f"1000 of {len(fs)} base64 characters came." in told(fs[:1000], pki).words
    assert f"of {len(fs)} base64 characters came." in told(columns[:1000], pki).words
    der = recipe(pki).der()
    assert f"500 of {len(der)} bytes came." in told(der[:500], pki).words


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=400))
def test_nothing_that_may_come_breaks_the_doctor(content: bytes) -> None:
    for cause in (Cause.NOT_BASE64, Cause.MALFORMED, Cause.DIGEST_DIFFERS, Cause.OTHER_CERTIFICATE):
        found = examine(content, NotSigned(cause, "So."), Known((), AT), LIMIT)
        assert isinstance(found, Diagnosis)
        assert found.cause is cause


# --- other certificates --------------------------------------------------------------------


def _held(certificate: SigningCertificate, since: int, until: int | None) -> RegisteredCertificate:
    days = timedelta(days=1)
    end = None if until is None else AT + until * days
    return replace(registered(certificate)[0], valid=Interval(AT + since * days, end))


def test_a_certificate_of_another_time_says_which(pki: Pki) -> None:
    present = _held(pki.other, -10, None)
    former = told(recipe(pki).fs(), pki, present, _held(pki.certificate, -20, -9))
    assert former.slug == "other-certificate:former"
    assert "until 2026-02-21 10:00:00 UTC" in former.words
    coming = told(recipe(pki).fs(), pki, present, _held(pki.certificate, 5, None))
    assert coming.slug == "other-certificate:next"
    assert "from 2026-03-07 10:00:00 UTC" in coming.words


def test_a_gap_between_two_certificates_is_told_with_both_ends(pki: Pki) -> None:
    found = told(recipe(pki).fs(), pki, _held(pki.certificate, -20, -1), _held(pki.other, 2, None))
    assert found.slug == "no-certificate-registered"
    assert "The last one ended on 2026-03-01 10:00:00 UTC." in found.words
    assert "The next one begins on 2026-03-04 10:00:00 UTC." in found.words


def test_a_renewed_certificate_with_the_same_key_is_seen(pki: Pki) -> None:
    found = told(recipe(pki).fs(), pki, *registered(pki.issued(serial=4711)))
    assert found.slug == "other-certificate:renewed"
    assert "valid until 2027-01-31" in found.words


def test_the_certificate_of_an_authority_is_seen(pki: Pki) -> None:
    sid = seq(pki.ca.issuer_name, integer(pki.ca.serial))
    fs = recipe(pki).but(sid=sid, certificates=(pki.ca.der,)).fs()
    assert told(fs, pki).slug == "other-certificate:authority"


def test_the_subject_of_a_person_is_masked(pki: Pki) -> None:
    odd = pki.issued(subject=common_name("Jan 85073003328"), key=pki.ec_key)
    sid = seq(odd.issuer_name, integer(odd.serial))
    words = told(recipe(pki).but(sid=sid, certificates=(odd.der,)).fs(), pki).words
    assert "85073003328" not in words
    assert "Jan 85" in words


# --- digests -------------------------------------------------------------------------------

CHANGES: dict[str, tuple[Detail, Callable[[bytes], bytes]]] = {
    "text mode": (Detail.CRLF, lambda fi: fi.replace(b"\n", b"\r\n")),
    "mark": (Detail.BOM_REMOVED, lambda fi: b"\xef\xbb\xbf" + fi),
    "line end": (Detail.END_REMOVED, lambda fi: fi + b"\n"),
    "Ctrl-Z": (Detail.CTRL_Z, lambda fi: fi + b"\x1a"),
}


@settings(max_examples=60, deadline=None)
@given(
    lines=st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\r\n\x1a"))),
    size=st.integers(1, 40),
    name=st.sampled_from([*CHANGES]),
    digest=st.sampled_from(["sha256", "sha384", "sha512", "sha1"]),
)
def test_a_change_is_found_however_the_fi_is_cut(
    lines: list[str], size: int, name: str, digest: str
) -> None:
    fi = "\n".join(["<FLADeclaration>", *lines, "</FLADeclaration>"]).encode()
    detail, change = CHANGES[name]
    search = Search(digest, hashlib.new(digest, change(fi)).digest())
    for start in range(0, len(fi), size):
        search.update(fi[start : start + size])
    assert search.finish()[0] is detail


@pytest.mark.parametrize(
    ("sent", "signed", "found"),
    [
        (b"a\r\r\nb\r\r\n", b"a\r\nb\r\n", (Detail.CRLF,)),
        (b"a\rb\r", b"a\nb\n", (Detail.LONE_CR,)),
        (b"a\rb\r", b"a\r\nb\r\n", (Detail.LONE_CR,)),
        (b"\xef\xbb\xbfa\r\nb\r\n", b"a\nb\n", (Detail.LF, Detail.BOM_ADDED)),
        (b"\xef\xbb\xbfa\nb\n", b"a\nb", (Detail.BOM_ADDED, Detail.END_ADDED)),
        (b"a\r\nb\r\n\x1a", b"a\nb\n", (Detail.LF, Detail.CTRL_Z)),
        (b"a\r\nb\r\n", b"a\r\nb", (Detail.END_ADDED,)),
        ("<é/>\n".encode(), "<é/>\n".encode("cp1252"), (Detail.ENCODING,)),
        ("<é/>\n".encode("utf-16"), "<é/>\n".encode(), (Detail.ENCODING,)),
        (b"a\n", b"b\n", ()),
        (b"", b"\n", (Detail.END_REMOVED,)),
    ],
)
def test_changes_that_come_together_are_all_told(
    sent: bytes, signed: bytes, found: tuple[Detail, ...]
) -> None:
    search = Search("sha256", hashlib.sha256(signed).digest())
    search.update(sent)
    assert search.finish() == found


def test_a_file_of_line_ends_is_held_in_little_memory() -> None:
    search = Search("sha256", hashlib.sha256(b"").digest())
    for _ in range(200):
        search.update(b"\n" * 10_000)
    assert len(search._held) <= 16
    assert search.finish() == (Detail.EMPTY_FILE,)


def test_the_doctor_says_when_and_of_what_the_signature_is(pki: Pki) -> None:
    fs = recipe(pki).but(attributes=attributes_of(b"other")).fs()
    refusal = refused(fs, pki.policy, registered(pki.certificate))
    case = examine(fs, refusal, Known(registered(pki.certificate), AT), LIMIT)
    assert isinstance(case, Case)
    assert case.signed == hashlib.sha256(b"other").hexdigest()
    assert "made for FI.x.2.2." in case.closed((), Origin("FI.x.2.2", same_set=True)).words
    assert case.not_tried().slug == "digest-differs:not-tried"
    assert case.signing_time == AT - timedelta(hours=1)
    assert case.closed((), None, AT).detail is Detail.EDITED_AFTER
    assert case.closed((), None, case.signing_time).detail is Detail.UNEXPLAINED
    assert "signed on 2026-03-02 09:00:00 UTC" in case.closed((), None).words


# --- without a register --------------------------------------------------------------------


@dataclass(frozen=True)
class _Bare:
    der: bytes


def test_without_a_register_structure_and_digest_are_judged_and_nobody_is_proved(pki: Pki) -> None:
    right = unregistered.begin(recipe(pki).fs(), LIMIT, AT)
    assert not isinstance(right, (NotSigned, type(None)))
    right.update(FI)
    assert isinstance(right.finish(), Signed)
    assert unregistered.begin(recipe(pki).but(certificates=()).fs(), LIMIT, AT) is None
    stranger = pki.issued(not_after=AT - timedelta(days=1))
    sid = seq(stranger.issuer_name, integer(stranger.serial))
    expired = recipe(pki).but(sid=sid, certificates=(stranger.der,)).fs()
    found = unregistered.begin(expired, LIMIT, AT)
    assert isinstance(found, NotSigned)
    assert unregistered.presumed(found).cause is Cause.CERTIFICATE_EXPIRED  # type: ignore[union-attr]
    unknown = NotSigned(Cause.OTHER_CERTIFICATE, "")
    assert unregistered.presumed(unknown) is unregistered.PRESUMED


# --- SHA-1 by exception --------------------------------------------------------------------

ECDSA_WITH_SHA1 = "1.2.840.10045.4.1"
RSA_WITH_SHA1 = "1.2.840.113549.1.1.5"


def _verdict(fs: bytes, policy: SignaturePolicy, certificate: SigningCertificate) -> object:
    found = begin(fs, (_Bare(certificate.der),), policy, AT)
    if isinstance(found, NotSigned):
        return found.cause
    found.update(FI)
    ended = found.finish()
    return ended.digest if isinstance(ended, Signed) else ended


def test_sha1_is_taken_by_the_exception_for_two_schemes(pki: Pki) -> None:
    admitted = replace(pki.policy, sha1=True)
    attributes = attributes_of(FI, "sha1")
    plain = recipe(pki).but(digest="sha1", attributes=attributes)
    named = plain.but(signature_algorithm=algorithm(RSA_WITH_SHA1, NULL))
    curve = ec_recipe(pki).but(
        digest="sha1", attributes=attributes, signature_algorithm=algorithm(ECDSA_WITH_SHA1)
    )
    for made, certificate in (
        (plain, pki.certificate),
        (named, pki.certificate),
        (curve, pki.ec_certificate),
    ):
        assert _verdict(made.fs(), admitted, certificate) == "sha1"
        assert _verdict(made.fs(), pki.policy, certificate) is Cause.DIGEST_NOT_ALLOWED


def test_the_exception_admits_nothing_else(pki: Pki) -> None:
    admitted = replace(pki.policy, sha1=True)
    pss = recipe(pki).but(
        digest="sha1",
        attributes=attributes_of(FI, "sha1"),
        pss_salt=20,
        signature_algorithm=pss_algorithm("sha1", 20),
    )
    md5 = recipe(pki).but(digest="md5", attributes=attributes_of(FI, "md5"))
    mixed = recipe(pki).but(signature_algorithm=algorithm(RSA_WITH_SHA1, NULL))
    assert _verdict(pss.fs(), admitted, pki.certificate) is Cause.PSS_PARAMETERS
    assert _verdict(md5.fs(), admitted, pki.certificate) is Cause.DIGEST_NOT_ALLOWED
    assert _verdict(mixed.fs(), admitted, pki.certificate) is Cause.SIGNATURE_ALGORITHM


def test_a_certificate_signed_with_sha1_stays_refused(pki: Pki) -> None:
    from batch.signing.certificate import read_der

    ca_key, ca_name = pki.rsa_key, pki.ca.issuer_name
    old = read_der(certificate_v1(ca_key, ca_name, pki.rsa_key, "sha1"))
    policy = SignaturePolicy((pki.ca,), sha1=True)
    sid = seq(ca_name, integer(77))
    fs = recipe(pki).but(
        sid=sid, certificates=(old.der,), digest="sha1", attributes=attributes_of(FI, "sha1")
    )
    assert _verdict(fs.fs(), policy, old) is Cause.ISSUER_SIGNATURE
