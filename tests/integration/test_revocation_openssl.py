"""The openssl program on the other side: its lists and answers judged by us, ours judged by it.

Every list of the tables in ``tests/unit/signing`` is also given to ``openssl verify`` at the same
instant. Where it ends otherwise, ``DIFFERENT`` says why we do as we do.
"""

from __future__ import annotations

import base64
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from batch.signing.certificate import SigningCertificate, read
from batch.signing.findings import Finding, Good, NotChecked, OutOfReach, Revoked, SourceKind
from batch.signing.revocation import Sources, check
from batch.signing.sources import ocsp_request, read_source
from tests.unit.signing import test_signing_list_parts, test_signing_lists
from tests.unit.signing.list_cases import Case, Maker, found_of
from tests.unit.signing.pki import AT, make_pki
from tests.unit.signing.revocations import World, make_world

pytestmark = pytest.mark.needs("openssl")

CONFIG = """
[ca]
default_ca = here
[here]
database = index.txt
serial = serial
crlnumber = crlnumber
new_certs_dir = .
certificate = ca.crt
private_key = ca.key
default_md = sha256
default_days = 365
default_crl_days = 30
policy = any
unique_subject = no
[any]
commonName = supplied
[ca_crt]
basicConstraints = critical, CA:true
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[leaf_crt]
basicConstraints = critical, CA:false
keyUsage = critical, digitalSignature, nonRepudiation
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
[responder_crt]
basicConstraints = critical, CA:false
keyUsage = critical, digitalSignature
extendedKeyUsage = OCSPSigning
noCheck = yes
[numbered]
authorityKeyIdentifier = keyid:always
[users]
authorityKeyIdentifier = keyid:always
issuingDistributionPoint = critical, @only_users
[only_users]
onlyuser = TRUE
[authorities]
issuingDistributionPoint = critical, @only_ca
[only_ca]
onlyCA = TRUE
"""
LEAVES = ("good", "stolen", "held")


@dataclass(frozen=True)
class Authority:
    """A directory with a CA of ``openssl ca``, its certificates and its index."""

    home: Path

    def openssl(self, *arguments: str) -> bytes:
        done = subprocess.run(
            ["openssl", *arguments], cwd=self.home, capture_output=True, check=False, timeout=60
        )
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout

    def made(self, name: str, subject: str, extensions: str) -> None:
        key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
        request = ("req", *key, "-subj", subject, "-keyout", f"{name}.key", "-config", "ca.cnf")
        if name == "ca":
            self.openssl(*request, "-x509", "-extensions", extensions, "-out", "ca.crt")
            return
        self.openssl(*request, "-out", f"{name}.csr")
        ca = ("ca", "-batch", "-notext", "-config", "ca.cnf", "-extensions", extensions)
        self.openssl(*ca, "-in", f"{name}.csr", "-out", f"{name}.crt")

    def certificate(self, name: str) -> SigningCertificate:
        return read((self.home / f"{name}.crt").read_bytes())

    def revoke(self, name: str, reason: str) -> None:
        self.openssl("ca", "-config", "ca.cnf", "-revoke", f"{name}.crt", "-crl_reason", reason)

    def listed(self, *options: str) -> bytes:
        self.openssl("ca", "-config", "ca.cnf", "-gencrl", "-out", "list.pem", *options)
        return self.openssl("crl", "-in", "list.pem", "-outform", "DER")

    def answered(self, name: str, *options: str, signer: str = "responder") -> bytes:
        """``openssl ocsp`` answers the question that we ask."""
        question = ocsp_request(self.certificate(name), self.certificate("ca"))
        (self.home / "question.der").write_bytes(question)
        keys = ("-rsigner", f"{signer}.crt", "-rkey", f"{signer}.key")
        files = ("-reqin", "question.der", "-respout", "answer.der")
        self.openssl("ocsp", "-index", "index.txt", "-CA", "ca.crt", *keys, *files, *options)
        return (self.home / "answer.der").read_bytes()

    def found(self, name: str, *sources: bytes, at: datetime | None = None) -> Finding:
        chain = [self.certificate(name), self.certificate("ca")]
        crls = [s for s in sources if read_source(s).kind is SourceKind.CRL]
        answers = [s for s in sources if read_source(s).kind is SourceKind.OCSP]
        at = at or datetime.now(UTC).replace(microsecond=0)
        return check(chain, Sources(tuple(crls), tuple(answers)), at)[0]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    made = Authority(tmp_path_factory.mktemp("authority"))
    (made.home / "ca.cnf").write_text("[req]\ndistinguished_name = any\n" + CONFIG)
    (made.home / "index.txt").write_text("")
    (made.home / "serial").write_text("1000\n")
    (made.home / "crlnumber").write_text("01\n")
    made.made("ca", "/CN=Authority", "ca_crt")
    made.made("responder", "/CN=Responder", "responder_crt")
    for name in LEAVES:
        made.made(name, f"/CN={name}", "leaf_crt")
    made.revoke("stolen", "keyCompromise")
    made.revoke("held", "certificateHold")
    return made


@pytest.mark.parametrize("extensions", [(), ("-crlexts", "numbered"), ("-crlexts", "users")])
def test_lists_of_openssl_ca(authority: Authority, extensions: tuple[str, ...]) -> None:
    """Of version 1, and of version 2 with a key identifier, a number and a scope."""
    listed = authority.listed(*extensions)
    assert isinstance(authority.found("good", listed), Good)
    for name, reason in (("stolen", "keyCompromise"), ("held", "certificateHold")):
        found = authority.found(name, listed)
        assert isinstance(found, Revoked)
        assert found.reason == reason
        before = authority.found(name, listed, at=found.since - timedelta(seconds=1))
        assert isinstance(before, Good)
        assert isinstance(authority.found(name, listed, at=found.since), Revoked)


def test_lists_of_openssl_ca_that_say_nothing(authority: Authority) -> None:
    wrong = {
        "not about": authority.listed("-crlexts", "authorities"),
        "signed with sha1": authority.listed("-md", "sha1"),
        "expired on 2026-01-02": authority.listed(
            "-crl_lastupdate", "20260101000000Z", "-crl_nextupdate", "20260102000000Z"
        ),
    }
    for words, listed in wrong.items():
        found = authority.found("good", listed)
        assert isinstance(found, OutOfReach)
        assert words in found.words


@pytest.mark.parametrize(
    "options",
    [
        ("-ndays", "2"),
        ("-nmin", "5"),
        (),
        ("-resp_key_id",),
        ("-rmd", "sha512"),
    ],
)
def test_answers_of_openssl_ocsp(authority: Authority, options: tuple[str, ...]) -> None:
    assert isinstance(authority.found("good", authority.answered("good", *options)), Good)
    for name, reason in (("stolen", "keyCompromise"), ("held", "certificateHold")):
        found = authority.found(name, authority.answered(name, *options))
        assert isinstance(found, Revoked)
        assert found.reason == reason


def test_the_ca_may_answer_itself_and_others_may_not(authority: Authority) -> None:
    assert isinstance(authority.found("good", authority.answered("good", signer="ca")), Good)
    found = authority.found("good", authority.answered("good", signer="held"))
    assert isinstance(found, OutOfReach)
    assert "is not for OCSP" in found.words


def test_answers_of_openssl_ocsp_that_say_nothing(authority: Authority) -> None:
    """Its certificate is not in it; SHA-1; or about another certificate."""
    bare = authority.found("good", authority.answered("good", "-resp_no_certs"))
    assert isinstance(bare, OutOfReach)
    sha1 = authority.found("good", authority.answered("good", "-rmd", "sha1"))
    assert isinstance(sha1, OutOfReach)
    other = authority.found("good", authority.answered("stolen"))
    assert other == NotChecked(authority.certificate("good").fingerprint)


def test_a_certificate_that_the_index_lacks_is_unknown(authority: Authority) -> None:
    kept = (authority.home / "index.txt").read_text()
    good = f"{authority.certificate('good').serial:X}"
    try:
        lines = [line for line in kept.splitlines() if f"\t{good}\t" not in line]
        (authority.home / "index.txt").write_text("\n".join(lines) + "\n")
        answer = authority.answered("good")
    finally:
        (authority.home / "index.txt").write_text(kept)
    found = authority.found("good", answer)
    assert isinstance(found, OutOfReach)
    assert "does not know the certificate" in found.words


SINCE_WHEN = "openssl asks whether it is on the list, not since when; a set was sealed before"
LATER = "openssl has no use for a list made after the instant; it tells of the instant too"
DIFFERENT = {
    "revoked a second later": SINCE_WHEN,
    "an entry with an unknown extension": SINCE_WHEN,
    "whose key was lost before, as told later": SINCE_WHEN,
    "a list made later": LATER,
    "revoked after, says a later list": LATER,
    "removeFromCRL on a complete list": "RFC 5280 5.3.1: only in deltas; a list names the revoked",
    "on hold, by a list that has ended": "openssl says both; a hold may have been lifted since",
    "on hold on a base that has ended, taken off later than then": LATER,
    "on hold, taken off by a delta later than then": "openssl does not ask when a delta was made",
    "SHA-1": "openssl takes SHA-1 at its default level; such a signature can be forged",
    "bytes after it": "openssl drops them; a file that is not one list is damaged",
    "an entry of another issuer on a list of one": "RFC 5280 5.3.3: in indirect lists",
    "of its issuer's own place": "the end of RFC 5280 6.3.3: a certificate without a point has it",
    "a separate key": "openssl finds one only by its identifier (5.2.1)",
    "one by another key, one right": "openssl takes the first that seems best, and no other",
    "for good, and left out later": "a revocation for good stays one",
}
"""Cases that ``openssl verify`` ends otherwise, with the reason why we do not follow it."""


def cases() -> list[tuple[str, Maker]]:
    tables = (test_signing_lists.TABLE, test_signing_list_parts.TABLE)
    found: list[tuple[str, Maker]] = []
    for table in tables:
        found += [*table.ends_good, *table.ends_revoked]
        found += [(name, make) for name, _, make in table.ends_unknown]
    return found


@pytest.fixture(scope="module")
def world() -> World:
    return make_world(make_pki())


def pem(label: str, der: bytes) -> str:
    body = base64.encodebytes(der).decode()
    return f"-----BEGIN {label}-----\n{body}-----END {label}-----\n"


def openssl_verdict(world: World, case: Case, home: Path) -> str:
    """good, revoked, or out of reach for any other reason, of ``openssl verify``."""
    others = (case.ca or world.ca, *case.authorities)
    files = {
        "leaf.pem": pem("CERTIFICATE", (case.leaf or world.leaf).der),
        "root.pem": pem("CERTIFICATE", world.root.der),
        "others.pem": "".join(pem("CERTIFICATE", c.der) for c in others),
        "lists.pem": "".join(pem("X509 CRL", c) for c in (*case.crls, world.root_list)),
    }
    for name, text in files.items():
        (home / name).write_text(text)
    options = ["-crl_check_all", "-extended_crl", "-use_deltas", "-attime"]
    trust = [
        "-CAfile",
        "root.pem",
        "-no-CApath",
        "-untrusted",
        "others.pem",
        "-CRLfile",
        "lists.pem",
    ]
    done = subprocess.run(
        ["openssl", "verify", *options, f"{AT.timestamp():.0f}", *trust, "leaf.pem"],
        cwd=home,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    if done.returncode == 0:
        return "good"
    return "revoked" if "certificate revoked" in done.stderr else "out of reach"


def test_each_difference_is_one_of_the_cases() -> None:
    assert set(DIFFERENT) <= {name for name, _ in cases()}
    assert len(dict(cases())) == len(cases())


@pytest.mark.parametrize(("name", "make"), cases())
def test_openssl_verify_ends_as_we_do(name: str, make: Maker, world: World, tmp_path: Path) -> None:
    made = make(world)
    case = Case([made]) if isinstance(made, bytes) else made
    names: dict[type[Finding], str] = {Good: "good", Revoked: "revoked"}
    ours = names.get(type(found_of(world, case)), "out of reach")
    theirs = openssl_verdict(world, case, tmp_path)
    if name in DIFFERENT:
        assert theirs != ours, "it agrees by now: take it out of DIFFERENT"
    else:
        assert theirs == ours
