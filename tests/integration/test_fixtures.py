"""The catalogue of fixtures is whole, fresh, and judged as it says by those who did not make it."""

from __future__ import annotations

import base64
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from lxml import etree

from batch import catalogue
from batch.anomalies import Anomaly, Language, Layer
from batch.names import Kind, split
from batch.signing import certificate, verification
from batch.signing.policy import SignaturePolicy
from batch.signing.verdict import NotSigned, Signed
from fixtures import certificates
from fixtures.build import write_cases
from fixtures.case import CASES, Case, all_cases

ROOT = Path(__file__).parents[2]
NOW = datetime.now(UTC)
ALL = all_cases()
SIGNATURE_CODES = {"125", "153"}


def cases(*stages: str) -> list[Case]:
    return [case for case in ALL if case.stage in stages]


def name(case: Case) -> str:
    return case.name


def read(path: Path) -> certificate.SigningCertificate:
    return certificate.read(path.read_bytes())


def schema() -> etree.XMLSchema:
    return etree.XMLSchema(file=ROOT / "schemas" / "fla" / "FLADeclaration_20261.xsd")


def test_the_catalogue_on_disk_is_what_is_declared(tmp_path: Path) -> None:
    assert write_cases(tmp_path) == len(ALL)
    made = {p.relative_to(tmp_path): p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    kept = {p.relative_to(CASES): p.read_bytes() for p in CASES.rglob("*") if p.is_file()}
    assert made == kept, "run make fixtures"


@pytest.mark.parametrize("case", ALL, ids=name)
def test_a_case_says_what_is_wrong_and_what_must_come_of_it(case: Case) -> None:
    assert case.what.endswith(".")
    assert case.clause
    assert case.folder in ("IN", "INTEST")
    judged = bool(case.forms) or case.stage == "services"  # by others, without a word of ours
    assert not (case.codes and case.forms)
    assert case.codes or judged, "either the ACRF refuses or every form is judged"
    assert all((form.result == 0) == bool(form.errors) for form in case.forms)
    for code in case.codes:
        assert catalogue.entry(Layer.RECEPTION, code).code == code
    for error in (error for form in case.forms for error in form.errors):
        zone, code = error.id.split("-")
        assert catalogue.text(Anomaly(zone, code), Language.EN)


@pytest.mark.parametrize("case", [c for c in ALL if c.readable], ids=name)
def test_a_case_is_one_set_with_its_trigger_last(case: Case) -> None:
    files = list(case.files("000001", NOW.date()))
    names = [split(text) for text in files]
    assert all(names)
    assert {found.stem for found in names if found} == {case.stem_for("000001", NOW.date())}
    triggers = [found.kind in (Kind.GO, Kind.TD) for found in names if found]
    assert triggers == sorted(triggers)
    assert any(triggers) == ("130" not in case.codes)


@pytest.mark.parametrize("case", [c for c in ALL if not c.readable], ids=name)
def test_a_case_of_no_set_is_one_file(case: Case) -> None:
    [file] = case.files("000001", NOW.date())
    assert split(file) is None
    assert case.stem_for("000001", NOW.date()) == file


def test_no_two_cases_share_a_name() -> None:
    """So that all of them can be sent to one instance."""
    names = [(c.folder, n) for c in ALL for n in c.files("000001", NOW.date())]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    "case", [c for c in ALL if all(form.result for form in c.forms) and c.forms], ids=name
)
def test_an_accepted_declaration_is_valid(case: Case) -> None:
    count = 0
    for fi, _ in case.parts():
        document = etree.fromstring(fi)
        schema().assertValid(document)
        count += len(document)
    assert count == len(case.forms)


@pytest.mark.parametrize("case", cases("reception", "verify"), ids=name)
def test_a_set_with_a_wrong_name_or_signature_holds_a_valid_declaration(case: Case) -> None:
    for fi, _ in case.parts():
        schema().assertValid(etree.fromstring(fi))


@pytest.mark.parametrize("case", ALL, ids=name)
def test_a_signature_is_judged_as_the_case_says(case: Case) -> None:
    policy = SignaturePolicy((read(certificates.PKI / "trusted-ca.pem"),))
    registered = read(certificates.PKI / f"{case.registered}.pem")
    wrong = case.name == "verify/fault-in-test" or SIGNATURE_CODES & set(case.codes)
    for fi, fs in case.parts():
        if fs is None:
            continue
        verdict = verification.begin(fs, (registered,), policy, NOW)
        if not isinstance(verdict, NotSigned):
            verdict.update(fi)
            found = verdict.finish()
        else:
            found = verdict
        if not wrong:
            assert isinstance(found, Signed)
        else:
            assert isinstance(found, NotSigned)
            assert not case.codes or case.codes == (found.code,)


@pytest.mark.needs("openssl")
@pytest.mark.parametrize(
    "case", [c for c in cases("accepted") if c.parts()[0][1] is not None], ids=name
)
def test_openssl_takes_the_signature_of_an_accepted_case(case: Case, tmp_path: Path) -> None:
    fi, fs = case.parts()[0]
    assert fs is not None
    text = b"".join(line for line in fs.splitlines() if not line.startswith(b"-----"))
    der = fs if fs[:1] == b"0" else base64.b64decode(text, validate=True)
    (tmp_path / "fs.der").write_bytes(der)
    (tmp_path / "fi").write_bytes(fi)
    command = ["openssl", "cms", "-verify", "-binary", "-inform", "DER", "-purpose", "any"]
    files = ["-in", "fs.der", "-content", "fi", "-out", "out"]
    trusted = ["-CAfile", str(certificates.PKI / "trusted-ca.pem")]
    run = subprocess.run(
        [*command, *files, *trusted], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr


def test_right_certificates_last_and_wrong_ones_are_wrong_today() -> None:
    for name in ("employer", "mandatary", "tester", "renewed", "trusted-ca", "other-ca"):
        found = read(certificates.PKI / f"{name}.pem")
        assert found.valid_at(NOW)
        assert found.valid_at(NOW + timedelta(days=365 * 50))
    assert read(certificates.PKI / "expired.pem").not_after < NOW
    assert read(certificates.PKI / "not-yet-valid.pem").not_before > NOW


def test_every_declared_certificate_and_login_key_is_there() -> None:
    plan = certificates.declared()
    for name in plan["certificate"]:
        key, found = certificates.load(name)
        assert key.public_key() == found.public_key()
    for name in plan["ssh"]:
        assert (certificates.PKI / f"{name}.ssh.pub").read_text("ascii").startswith("ssh-")
