"""An answer may be timestamped after it was signed, by openssl, and changes in nothing else."""

from __future__ import annotations

import base64
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
from asn1crypto import cms

from batch.client.answers import Proof
from batch.client.proving import prove
from batch.signing import encoding
from batch.signing.certificate import read
from batch.signing.institution import make_institution
from batch.signing.policy import SignaturePolicy
from batch.signing.signature import key_signer, load_key, sign_with
from batch.signing.verdict import Cause, NotSigned
from batch.signing.verification import begin

pytestmark = pytest.mark.needs("openssl")

ANSWER = b"<ACRF>\n</ACRF>\n"
TOKEN = "1.2.840.113549.1.9.16.2.14"
"""id-aa-timeStampToken (RFC 3161, appendix A)."""

AUTHORITY = """
[req]
distinguished_name = name
prompt = no
[name]
CN = Timestamps
[stamps]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = critical, timeStamping
[tsa]
default_tsa = one
[one]
serial = {home}/serial
signer_digest = sha256
default_policy = 1.2.3.4
digests = sha256
ess_cert_id_alg = sha256
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A place with a signed answer, the institution's certificate, and a timestamp authority."""
    home = tmp_path_factory.mktemp("stamps")
    (home / "tsa.cnf").write_text(AUTHORITY.format(home=home))
    (home / "serial").write_text("01\n")
    openssl(
        home,
        *("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-config", "tsa.cnf"),
        *("-extensions", "stamps", "-keyout", "tsa.key", "-out", "tsa.pem"),
    )
    now = datetime.now(UTC)
    key, certificate = make_institution("Institution", now)
    (home / "institution.pem").write_bytes(certificate)
    signer = key_signer(load_key(key), read(certificate))
    (home / "FO").write_bytes(ANSWER)
    (home / "plain.der").write_bytes(sign_with(signer, [ANSWER], now))
    (home / "stamped.der").write_bytes(stamped(home, (home / "plain.der").read_bytes()))
    return home


def openssl(home: Path, *words: str) -> None:
    subprocess.run(["openssl", *words], cwd=home, check=True, capture_output=True, timeout=30)


def stamped(home: Path, der: bytes) -> bytes:
    """The same SignedData with a timestamp over its signature value (RFC 5126, 6.1.1)."""
    whole = cms.ContentInfo.load(der)
    signer = whole["content"]["signer_infos"][0]
    (home / "value").write_bytes(signer["signature"].native)
    openssl(home, "ts", "-query", "-data", "value", "-sha256", "-cert", "-out", "query")
    openssl(
        home,
        *("ts", "-reply", "-config", "tsa.cnf", "-queryfile", "query", "-signer", "tsa.pem"),
        *("-inkey", "tsa.key", "-token_out", "-out", "token"),
    )
    token = cms.ContentInfo.load((home / "token").read_bytes())
    signer["unsigned_attrs"] = cms.CMSAttributes([{"type": TOKEN, "values": [token]}])
    return bytes(whole.dump(force=True))


@pytest.mark.parametrize("name", ["plain", "stamped"])
def test_openssl_and_our_client_take_the_answer(home: Path, name: str) -> None:
    openssl(
        home,
        *("cms", "-verify", "-binary", "-inform", "DER", "-in", f"{name}.der", "-content", "FO"),
        *("-CAfile", "institution.pem", "-out", "verified"),
    )
    assert (home / "verified").read_bytes() == ANSWER
    institution = read((home / "institution.pem").read_bytes())
    fs = encoding.encode((home / f"{name}.der").read_bytes())
    assert prove(ANSWER, fs, institution) is Proof.VERIFIED
    assert prove(ANSWER + b" ", fs, institution) is Proof.WRONG


def test_the_stamp_changes_nothing_that_was_signed(home: Path) -> None:
    plain, added = (
        cms.ContentInfo.load((home / f"{name}.der").read_bytes())["content"]["signer_infos"][0]
        for name in ("plain", "stamped")
    )
    assert added["unsigned_attrs"][0]["type"].dotted == TOKEN
    for field in ("signed_attrs", "signature", "sid"):
        assert added[field].dump() == plain[field].dump()


def test_a_sender_may_not_stamp(home: Path) -> None:
    institution = read((home / "institution.pem").read_bytes())
    fs = base64.b64encode((home / "stamped.der").read_bytes())
    found = begin(fs, (institution,), SignaturePolicy((institution,)), datetime.now(UTC))
    assert isinstance(found, NotSigned)
    assert found.cause is Cause.UNSIGNED_ATTRIBUTES
