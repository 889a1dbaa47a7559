"""``fla-batch sign`` on a real disk: the FS it writes proves its FI, or nothing is written."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
)

from batch.cli.main import run
from batch.signing import certificate, verification
from batch.signing.policy import SignaturePolicy
from batch.signing.verdict import NotSigned, Signed
from fixtures.certificates import PKI, load
from tests.declarations import rights

STEM = "FLAD.000001.20261120.00001.R"


@pytest.fixture
def fi(tmp_path: Path) -> Path:
    path = tmp_path / f"FI.{STEM}.1.1"
    path.write_bytes(rights(3))
    return path


def sign(*arguments: object, by: str = "employer") -> int:
    """Run the command; its exit code."""
    key = ["--key", PKI / f"{by}.key.pem", "--certificate", PKI / f"{by}.pem"]
    with pytest.raises(SystemExit) as ended:
        run([str(argument) for argument in ["sign", *key, *arguments]])
    assert isinstance(ended.value.code, int)
    return ended.value.code


def judged(fs: bytes, content: bytes, by: str) -> Signed | NotSigned:
    policy = SignaturePolicy.trusting([_read("trusted-ca").der])
    begun = verification.begin(fs, [_read(by)], policy, datetime.now(UTC))
    if isinstance(begun, NotSigned):
        return begun
    begun.update(content)
    found = begun.finish()
    assert isinstance(found, (Signed, NotSigned))
    return found


def _read(name: str) -> certificate.SigningCertificate:
    return certificate.read((PKI / f"{name}.pem").read_bytes())


@pytest.mark.parametrize("by", ["employer", "mandatary", "tester"])
def test_the_fs_beside_the_fi_proves_it(fi: Path, by: str) -> None:
    assert sign(fi, by=by) == 0
    fs = (fi.parent / f"FS.{STEM}.1.1").read_bytes()
    assert isinstance(judged(fs, fi.read_bytes(), by), Signed)
    assert isinstance(judged(fs, fi.read_bytes() + b"\n", by), NotSigned)


def test_the_fs_is_one_line_of_base64(fi: Path) -> None:
    assert sign(fi) == 0
    fs = (fi.parent / f"FS.{STEM}.1.1").read_text("ascii")
    assert fs.split() == [fs]


def test_signing_again_replaces_the_fs_and_leaves_nothing_else(fi: Path) -> None:
    assert sign(fi) == 0
    fi.write_bytes(rights(4))
    assert sign(fi) == 0
    assert sorted(path.name for path in fi.parent.iterdir()) == [fi.name, f"FS.{STEM}.1.1"]
    fs = (fi.parent / f"FS.{STEM}.1.1").read_bytes()
    assert isinstance(judged(fs, fi.read_bytes(), "employer"), Signed)


def test_the_report_is_one_json_document(fi: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert sign(fi, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told == {"signed": [{"fi": str(fi), "fs": str(fi.parent / f"FS.{STEM}.1.1")}]}


def test_one_wrong_name_and_nothing_is_signed(fi: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wrong = fi.parent / "FI.FLAD.000001.20261120.00000.R.1.1"
    wrong.write_bytes(rights(1))
    assert sign(fi, wrong) == 1
    assert "127" in capsys.readouterr().err
    assert not list(fi.parent.glob("FS.*"))


def test_an_fi_that_is_not_there_is_said(fi: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fi.unlink()
    assert sign(fi) == 1
    assert "No such file" in capsys.readouterr().err


def test_a_locked_key_needs_its_password(fi: Path, capsys: pytest.CaptureFixture[str]) -> None:
    key, _ = load("employer")
    locked = fi.parent / "locked.pem"
    encryption = BestAvailableEncryption(b"correct horse")
    locked.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption))
    password = fi.parent / "password"
    password.write_text("correct horse\n", "ascii")
    assert sign(fi, "--key", locked) == 1
    assert "encrypted" in capsys.readouterr().err
    assert sign(fi, "--key", locked, "--password-file", password) == 0
    password.write_text("wrong horse\n", "ascii")
    assert sign(fi, "--key", locked, "--password-file", password) == 1


@pytest.mark.parametrize(
    ("option", "file", "says"),
    [
        ("--certificate", "mandatary.pem", "does not belong"),
        ("--certificate", "employer.key.pem", "no certificate"),
        ("--certificate", "absent.pem", "No such file"),
        ("--key", "employer.pem", "no private key"),
        ("--key", "absent.pem", "No such file"),
    ],
)
def test_a_key_or_certificate_of_no_use_is_refused_with_the_reason(
    fi: Path, option: str, file: str, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert sign(fi, option, PKI / file) == 1
    assert says in capsys.readouterr().err
    assert not list(fi.parent.glob("FS.*"))


def test_a_key_too_weak_for_the_channel_is_refused_at_once(
    fi: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert sign(fi, by="weak") == 1
    assert "1024" in capsys.readouterr().err


def test_a_missing_option_is_wrong_syntax(fi: Path) -> None:
    with pytest.raises(SystemExit) as ended:
        run(["sign", str(fi)])
    assert ended.value.code == 2


@pytest.mark.parametrize(("by", "words"), [("expired", "153"), ("encryption-only", "153")])
def test_what_the_channel_would_refuse_does_not_stay(
    fi: Path, by: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert sign(fi, by=by) == 1
    assert sorted(path.name for path in fi.parent.iterdir()) == [fi.name]
    said = capsys.readouterr().err
    assert f"would refuse it with {words}" in " ".join(said.split())
