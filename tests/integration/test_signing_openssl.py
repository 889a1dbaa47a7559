"""The openssl program on the other side: its PKI, its FS judged by us, our FS judged by it."""

from __future__ import annotations

import base64
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from batch.registers import Interval, RegisteredCertificate
from batch.signing import certificate
from batch.signing.encoding import encode
from batch.signing.institution import make_institution
from batch.signing.policy import SignaturePolicy
from batch.signing.signature import load_key, sign_detached
from batch.signing.verdict import Cause, NotSigned, Signed, Undecided
from batch.signing.verification import Verifier, begin

pytestmark = pytest.mark.needs("openssl")

FI = b"<?xml version='1.0' encoding='UTF-8'?>\n<FLADeclaration>\n</FLADeclaration>\n"
CONFIG = """
[ca]
basicConstraints = critical, CA:true
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[leaf]
basicConstraints = critical, CA:false
keyUsage = critical, digitalSignature, nonRepudiation
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
"""


@dataclass(frozen=True)
class Bench:
    """A directory with a CA, three signers and an FI, all made by openssl."""

    home: Path

    def openssl(self, *arguments: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            ["openssl", *arguments], cwd=self.home, capture_output=True, check=False, timeout=60
        )

    def made(self, *arguments: str) -> bytes:
        done = self.openssl(*arguments)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout

    def sign(self, *options: str, signer: str = "rsa", program: str = "cms") -> bytes:
        """DER of ``openssl cms -sign`` over the FI."""
        keys = ("-signer", f"{signer}.crt", "-inkey", f"{signer}.key")
        return self.made(
            program, "-sign", "-in", "FI", "-outform", "DER", *keys, "-md", "sha256", *options
        )

    def certificate(self, name: str) -> certificate.SigningCertificate:
        return certificate.read((self.home / f"{name}.crt").read_bytes())

    def prove(
        self, fs: bytes, registered: Sequence[str] = ("rsa", "ec", "v1"), fi: bytes = FI
    ) -> Signed | NotSigned | Undecided:
        known = [self.certificate(name) for name in registered]
        verifier = begin(
            fs,
            [
                RegisteredCertificate(
                    c.der, c.subject, c.fingerprint, c.not_after, Interval(c.not_before)
                )
                for c in known
            ],
            SignaturePolicy.trusting([self.certificate("ca").der]),
            known[0].not_before + timedelta(minutes=1),
        )
        if isinstance(verifier, NotSigned):
            return verifier
        for at in range(0, len(fi), 7):
            verifier.update(fi[at : at + 7])
        return verifier.finish()


KEYS = {
    "ca": ("rsa_keygen_bits:2048", "RSA"),
    "rsa": ("rsa_keygen_bits:2048", "RSA"),
    "other": ("rsa_keygen_bits:2048", "RSA"),
    "v1": ("rsa_keygen_bits:2048", "RSA"),
    "ec": ("ec_paramgen_curve:P-256", "EC"),
}


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    made = Bench(tmp_path_factory.mktemp("openssl"))
    (made.home / "FI").write_bytes(FI)
    (made.home / "x509.cnf").write_text(CONFIG)
    for name, (option, kind) in KEYS.items():
        made.made("genpkey", "-algorithm", kind, "-pkeyopt", option, "-out", f"{name}.key")
        made.made(
            "req", "-new", "-key", f"{name}.key", "-subj", f"/C=BE/CN=Test {name}",
            "-out", f"{name}.csr",
        )  # fmt: skip
    made.made(
        "x509", "-req", "-in", "ca.csr", "-signkey", "ca.key", "-days", "30", "-sha256",
        "-extfile", "x509.cnf", "-extensions", "ca", "-out", "ca.crt",
    )  # fmt: skip
    for serial, name in enumerate(("rsa", "other", "ec", "v1"), start=100):
        extensions = () if name == "v1" else ("-extfile", "x509.cnf", "-extensions", "leaf")
        made.made(
            "x509", "-req", "-in", f"{name}.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-days",
            "30", "-sha256", "-set_serial", str(serial), *extensions, "-out", f"{name}.crt",
        )  # fmt: skip
    return made


def wrapped(der: bytes, width: int, end: bytes) -> bytes:
    text = base64.b64encode(der)
    return b"".join(text[at : at + width] + end for at in range(0, len(text), width))


def test_the_documented_recipe_is_accepted(bench: Bench) -> None:
    """``openssl cms -sign -binary -md sha256 -outform DER | base64 -w0`` (protocol section 3.4)."""
    found = bench.prove(base64.b64encode(bench.sign("-binary")))
    assert isinstance(found, Signed)
    assert found.subject == "CN=Test rsa,C=BE"
    assert found.digest == "sha256"
    assert found.signing_time is not None


@pytest.mark.parametrize("width", [64, 76, 100_000])
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_every_layout_is_accepted(bench: Bench, width: int, end: bytes) -> None:
    assert isinstance(bench.prove(wrapped(bench.sign("-binary"), width, end)), Signed)


@pytest.mark.parametrize("program", ["cms", "smime"])
def test_pem_as_openssl_writes_it_is_accepted(bench: Bench, program: str) -> None:
    fs = bench.sign("-binary", "-outform", "PEM", program=program)
    assert fs.startswith(b"-----BEGIN " + {"cms": b"CMS", "smime": b"PKCS7"}[program])
    assert isinstance(bench.prove(fs), Signed)


@pytest.mark.parametrize(
    ("options", "signer", "program"),
    [
        pytest.param((), "rsa", "cms", id="cms"),
        pytest.param((), "rsa", "smime", id="smime"),
        pytest.param(("-stream",), "rsa", "smime", id="smime-stream"),
        pytest.param(("-keyid",), "rsa", "cms", id="key-identifier"),
        pytest.param(("-keyopt", "rsa_padding_mode:pss"), "rsa", "cms", id="PSS"),
        pytest.param(
            ("-keyopt", "rsa_padding_mode:pss", "-keyopt", "rsa_pss_saltlen:32"),
            "rsa",
            "cms",
            id="PSS-32",
        ),
        pytest.param(("-md", "sha384"), "rsa", "cms", id="SHA-384"),
        pytest.param(("-md", "sha512"), "rsa", "cms", id="SHA-512"),
        pytest.param((), "ec", "cms", id="ECDSA"),
        pytest.param(("-md", "sha384"), "ec", "cms", id="ECDSA-SHA-384"),
        pytest.param(("-nocerts",), "rsa", "cms", id="no-certificates"),
        pytest.param(("-nosmimecap",), "rsa", "cms", id="no-capabilities"),
        pytest.param(("-certfile", "ca.crt"), "rsa", "cms", id="with-chain"),
        pytest.param(("-cades",), "rsa", "cms", id="CAdES"),
        pytest.param((), "v1", "cms", id="X.509-v1"),
    ],
)
def test_what_openssl_signs_rightly_is_accepted(
    bench: Bench, options: tuple[str, ...], signer: str, program: str
) -> None:
    der = bench.sign("-binary", *options, signer=signer, program=program)
    for fs in (base64.b64encode(der), der):
        found = bench.prove(fs)
        assert isinstance(found, Signed)
        assert found.fingerprint == bench.certificate(signer).fingerprint
    refused = bench.prove(der, fi=FI.replace(b"\n", b"\r\n"))
    assert isinstance(refused, NotSigned)
    assert refused.cause is Cause.DIGEST_DIFFERS


def test_ber_of_indefinite_length_is_accepted_as_openssl_does(bench: Bench) -> None:
    der = bench.sign("-binary")
    signed_data = content(content(der)[11:])  # after the content type, inside [0]
    end = b"\x00\x00"
    ber = b"\x30\x80" + content(der)[:11] + b"\xa0\x80\x30\x80" + content(signed_data) + end * 3
    (bench.home / "FS.ber").write_bytes(ber)
    bench.made(
        "cms", "-verify", "-binary", "-inform", "DER", "-in", "FS.ber", "-content", "FI",
        "-CAfile", "ca.crt", "-out", "content",
    )  # fmt: skip
    assert isinstance(bench.prove(ber), Signed)
    assert isinstance(bench.prove(base64.b64encode(ber)), Signed)


def content(der: bytes) -> bytes:
    """What is inside an element with a two-byte length."""
    assert der[1] == 0x82
    return der[4:]


@pytest.mark.parametrize(
    ("options", "cause", "code"),
    [
        pytest.param(("-md", "md5"), Cause.DIGEST_NOT_ALLOWED, "125", id="MD5"),
        pytest.param(("-md", "sha1"), Cause.DIGEST_NOT_ALLOWED, "125", id="SHA-1"),
        pytest.param(("-noattr",), Cause.NO_SIGNED_ATTRIBUTES, "125", id="noattr"),
        pytest.param(("-nodetach",), Cause.ATTACHED, "125", id="attached"),
        pytest.param(
            ("-signer", "other.crt", "-inkey", "other.key"),
            Cause.SEVERAL_SIGNERS,
            "125",
            id="two-signers",
        ),
        pytest.param(
            ("-econtent_type", "1.2.840.113549.1.9.16.1.4"),
            Cause.CONTENT_TYPE,
            "125",
            id="content-type",
        ),
        # openssl cms puts the content in when it streams DER, -nodetach or not.
        pytest.param(("-stream",), Cause.ATTACHED, "125", id="stream"),
    ],
)
def test_what_openssl_would_verify_but_the_channel_refuses(
    bench: Bench, options: tuple[str, ...], cause: Cause, code: str
) -> None:
    """Each of these passes ``openssl cms -verify``."""
    der = bench.sign("-binary", *options)
    (bench.home / "FS.der").write_bytes(der)
    bench.made(
        "cms", "-verify", "-binary", "-inform", "DER", "-in", "FS.der", "-content", "FI",
        "-CAfile", "ca.crt", "-purpose", "any", "-out", "content",
    )  # fmt: skip
    found = bench.prove(base64.b64encode(der))
    assert isinstance(found, NotSigned)
    assert (found.cause, found.code) == (cause, code)


@pytest.mark.parametrize("program", ["cms", "smime"])
def test_without_binary_a_file_with_lf_is_refused_and_the_words_say_why(
    bench: Bench, program: str
) -> None:
    refused = bench.prove(bench.sign(program=program))
    assert isinstance(refused, NotSigned)
    assert refused.cause is Cause.DIGEST_DIFFERS
    assert "-binary" in refused.words


def test_another_certificate_of_the_same_ca_is_refused_with_its_name(bench: Bench) -> None:
    refused = bench.prove(bench.sign("-binary", signer="other"))
    assert isinstance(refused, NotSigned)
    assert (refused.cause, refused.code) == (Cause.OTHER_CERTIFICATE, "153")
    assert "CN=Test other" in refused.words


def test_smime_output_is_refused_as_such(bench: Bench) -> None:
    refused = bench.prove(bench.sign("-binary", "-outform", "SMIME"))
    assert isinstance(refused, NotSigned)
    assert refused.cause is Cause.SMIME_HEADERS


def test_an_fs_of_another_fi_is_refused(bench: Bench) -> None:
    refused = bench.prove(bench.sign("-binary"), fi=FI + b"\n")
    assert isinstance(refused, NotSigned)
    assert refused.cause is Cause.DIGEST_DIFFERS


def test_openssl_accepts_the_institutions_answers(bench: Bench) -> None:
    """With the institution's certificate as the only trust; no -noverify, no -purpose any."""
    now = datetime.now(UTC)
    key, crt = make_institution("Test transfer point", now)
    (bench.home / "institution.crt").write_bytes(crt)
    der = sign_detached([FI], load_key(key), certificate.read(crt), now)
    (bench.home / "FS.b64").write_bytes(encode(der))
    (bench.home / "FS.der").write_bytes(base64.b64decode((bench.home / "FS.b64").read_bytes()))
    verify = (
        "cms", "-verify", "-binary", "-inform", "DER", "-in", "FS.der",
        "-CAfile", "institution.crt", "-out", "content",
    )  # fmt: skip
    assert b"successful" in bench.openssl(*verify, "-content", "FI").stderr
    assert (bench.home / "content").read_bytes() == FI
    (bench.home / "FI.changed").write_bytes(FI + b" ")
    assert bench.openssl(*verify, "-content", "FI.changed").returncode != 0


@pytest.mark.parametrize("signer", ["rsa", "ec"])
def test_openssl_accepts_a_senders_signature_made_by_us(bench: Bench, signer: str) -> None:
    key = load_key((bench.home / f"{signer}.key").read_bytes())
    der = sign_detached([FI], key, bench.certificate(signer), datetime.now(UTC))
    (bench.home / "FS.der").write_bytes(der)
    done = bench.openssl(
        "cms", "-verify", "-binary", "-inform", "DER", "-in", "FS.der", "-content", "FI",
        "-CAfile", "ca.crt", "-out", "content",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr.decode()
    assert isinstance(bench.prove(encode(der)), Signed)


def test_a_verifier_is_returned_before_the_fi_is_seen(bench: Bench) -> None:
    """The FS is judged first, so a hopeless FS never costs a pass over a large FI."""
    known = bench.certificate("rsa")
    registered = [
        RegisteredCertificate(known.der, "", "", known.not_after, Interval(known.not_before))
    ]
    policy = SignaturePolicy.trusting([bench.certificate("ca").der])
    at = known.not_before + timedelta(minutes=1)
    assert isinstance(begin(bench.sign("-binary"), registered, policy, at), Verifier)
    assert isinstance(begin(b"", registered, policy, at), NotSigned)
