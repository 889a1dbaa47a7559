"""What a sender does wrong with the real openssl, and what the channel says of it, and only there.

The ACRF has 125 or 153 and no more; ``submission show`` and ``check`` have the cause.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from batch.cli.main import run
from batch.names import Folder
from batch.registers import SHA1, Exemption, Interval
from batch.storage.registers_admin import RegistersAdmin
from batch.storage.registers_tables import register_event
from batch.worker import steps
from fixtures.certificates import PKI
from fixtures.declared import fs
from tests.integration.storage.conftest import MakeWorld
from tests.integration.storage.world import RECEIVED, SENDER, World, new_fi, new_stem, pki

pytestmark = pytest.mark.needs("openssl")

SIGN = ("openssl", "cms", "-sign", "-md", "sha256", "-outform", "DER")
MAIL = ("openssl", "smime", "-sign", "-md", "sha256")
BINARY = (*SIGN, "-binary")
EMPLOYER = ("-signer", str(PKI / "employer.pem"), "-inkey", str(PKI / "employer.key.pem"))
BY_EMPLOYER = (*BINARY, *EMPLOYER)


def openssl(fi: bytes, *command: str) -> bytes:
    ended = subprocess.run(command, input=fi, capture_output=True, check=True, timeout=30)
    return ended.stdout


def signed(fi: bytes, *command: str) -> bytes:
    """An FS over ``fi`` as the command makes it."""
    return base64.b64encode(openssl(fi, *(command or BY_EMPLOYER)))


@pytest.fixture
def shown(capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    """What a command of the operator prints with --json."""

    def ask(data: Path, *words: str) -> Any:
        capsys.readouterr()
        with pytest.raises(SystemExit):
            run(["--data", str(data), *words, "--json"])
        return json.loads(capsys.readouterr().out)

    return ask


def sent(world: World, fi: bytes, fs_file: bytes, folder: Folder = Folder.IN) -> str:
    stem = new_stem("T" if folder.is_test else "R")
    files = {f"FI.{stem}.1.1": fi, f"FS.{stem}.1.1": fs_file, f"GO.{stem}.1": b""}
    world.send(files, folder)
    return stem


Mistake = Callable[[bytes], tuple[bytes, bytes]]
"""From a right FI to the FI and FS as they are sent."""


def _ftp_text(fi: bytes) -> tuple[bytes, bytes]:
    return fi.replace(b"\n", b"\r\n"), signed(fi)


def _saved_by_an_editor(fi: bytes) -> tuple[bytes, bytes]:
    return b"\xef\xbb\xbf" + fi, signed(fi)


def _editor_and_text_mode(fi: bytes) -> tuple[bytes, bytes]:
    return b"\xef\xbb\xbf" + fi, signed(fi, *SIGN, *EMPLOYER)


def _edited(fi: bytes) -> tuple[bytes, bytes]:
    return fi.replace(b">3800<", b">3600<"), signed(fi)


def _pss(*more: str) -> tuple[str, ...]:
    return (*BY_EMPLOYER, "-keyopt", "rsa_padding_mode:pss", *more)


MISTAKES: dict[str, tuple[str, Mistake]] = {
    "not binary": ("digest-differs:crlf", lambda fi: (fi, signed(fi, *SIGN, *EMPLOYER))),
    "smime, not binary, SHA-512": (
        "digest-differs:crlf",
        lambda fi: (fi, signed(fi, *SIGN, *EMPLOYER, "-md", "sha512")),
    ),
    "text header": (
        "digest-differs:text-header",
        lambda fi: (fi, signed(fi, *SIGN, *EMPLOYER, "-text")),
    ),
    "sent in text mode": ("digest-differs:lf", _ftp_text),
    "saved by an editor": ("digest-differs:bom-added", _saved_by_an_editor),
    "editor and text mode": ("digest-differs:crlf", _editor_and_text_mode),
    "mark lost": (
        "digest-differs:bom-removed",
        lambda fi: (fi, signed(b"\xef\xbb\xbf" + fi)),
    ),
    "end added": ("digest-differs:end-added", lambda fi: (fi, signed(fi.rstrip(b"\n")))),
    "end lost": ("digest-differs:end-removed", lambda fi: (fi.rstrip(b"\n"), signed(fi))),
    "Ctrl-Z": ("digest-differs:ctrl-z", lambda fi: (fi + b"\n", signed(fi + b"\n\x1a"))),
    "UTF-16": (
        "digest-differs:encoding",
        lambda fi: (fi, signed(b"\xff\xfe" + fi.decode().encode("utf-16-le"))),
    ),
    "the digest signed": (
        "digest-differs:digest-of-digest",
        lambda fi: (fi, signed(openssl(fi, "openssl", "dgst", "-sha256", "-binary"))),
    ),
    "an empty file signed": ("digest-differs:empty-file", lambda fi: (fi, signed(b""))),
    "edited": ("digest-differs:unexplained", _edited),
    "attached": ("attached", lambda fi: (fi, signed(fi, *BY_EMPLOYER, "-nodetach"))),
    "no attributes": (
        "no-signed-attributes",
        lambda fi: (fi, signed(fi, *BY_EMPLOYER, "-noattr")),
    ),
    "SHA-1": ("digest-not-allowed", lambda fi: (fi, signed(fi, *BY_EMPLOYER, "-md", "sha1"))),
    "a whole mail": ("smime-headers", lambda fi: (fi, openssl(fi, *MAIL, *EMPLOYER))),
    "cut short": ("base64-padding:truncated", lambda fi: (fi, signed(fi)[:-401])),
    "cut short at four": ("malformed:truncated", lambda fi: (fi, signed(fi)[:-400])),
    "DER cut short": ("malformed:truncated", lambda fi: (fi, openssl(fi, *BY_EMPLOYER)[:-400])),
    "a certificate": ("armour:certificate", lambda fi: (fi, pki("employer.pem"))),
    "a private key": ("armour:private-key", lambda fi: (fi, pki("employer.key.pem"))),
    "the FI again": ("not-base64:xml", lambda fi: (fi, fi)),
    "a bare signature": (
        "malformed:bare-signature",
        # Over what is always the same: one in some hundred signatures begins as an element does.
        lambda fi: (
            fi,
            signed(b"", "openssl", "dgst", "-sha256", "-sign", str(PKI / "employer.key.pem")),
        ),
    ),
    "encoded twice": (
        "not-base64:twice-encoded",
        lambda fi: (fi, base64.b64encode(signed(fi))),
    ),
    "PowerShell": ("not-base64:unicode", lambda fi: (fi, signed(fi).decode().encode("utf-16"))),
    "encrypted": (
        "not-signed-data:encrypted",
        lambda fi: (
            fi,
            signed(fi, "openssl", "cms", "-encrypt", "-outform", "DER", str(PKI / "employer.pem")),
        ),
    ),
    "of the mandatary": ("other-certificate", lambda fi: (fi, fs(fi, "mandatary"))),
}


def test_every_mistake_is_told_by_its_cause_and_what_to_do(world: World) -> None:
    made = {name: make(new_fi()) for name, (_, make) in MISTAKES.items()}
    stems = {name: sent(world, *files) for name, files in made.items()}
    world.work()
    found, told = {}, {}
    for name, stem in stems.items():
        (finding,) = world.report(stem).findings
        assert world.receipts(stem) == [[finding.error_id.removeprefix("ACRF-")]], name
        found[name] = finding.cause
        told[name] = finding.explanation or ""
    assert found == {name: cause for name, (cause, _) in MISTAKES.items()}
    assert all(text.endswith(".") and len(text) > 40 for text in told.values()), told
    assert "base64 characters came" in told["cut short"]
    assert "key" in told["a private key"]
    assert "PRIVATE" not in told["a private key"]
    assert "byte order mark" in told["editor and text mode"]
    assert "by the signer's clock" in told["edited"]


def test_the_cause_is_in_submission_show_and_in_check(
    world: World, tmp_path: Path, shown: Callable[..., Any]
) -> None:
    fi = new_fi()
    stem = sent(world, fi, signed(fi, *SIGN, *EMPLOYER))
    world.work()
    (finding,) = shown(world.settings.data, "submission", "show", stem)["findings"]
    assert (finding["error_id"], finding["cause"]) == ("ACRF-125", "digest-differs:crlf")
    assert "-binary" in finding["explanation"]
    files = [tmp_path / f"FI.{stem}.1.1", tmp_path / f"FS.{stem}.1.1"]
    files[0].write_bytes(fi)
    files[1].write_bytes(signed(fi, *SIGN, *EMPLOYER))
    (checked,) = shown(world.settings.data, "check", *map(str, files))
    assert [a["cause"] for a in checked["reception"]["anomalies"]] == ["digest-differs:crlf"]


def test_without_an_instance_check_still_explains_structure_and_digest(
    tmp_path: Path, shown: Callable[..., Any]
) -> None:
    expected: dict[str, list[str]] = {
        "not binary": ["digest-differs:crlf"],
        "attached": ["attached"],
        "edited": ["digest-differs:edited-after"],
        "of the mandatary": [],
    }
    names, files = {}, []
    for name in expected:
        stem = new_stem()
        names[stem] = name
        for kind, content in zip(("FI", "FS"), MISTAKES[name][1](new_fi()), strict=True):
            files.append(tmp_path / f"{kind}.{stem}.1.1")
            files[-1].write_bytes(content)
            os.utime(files[-1], (2_000_000_000, 2_000_000_000))
    found = shown(tmp_path / "none", "check", *map(str, files))
    assert expected == {
        names[one["stem"]]: [a["cause"] for a in one["reception"]["anomalies"]] for one in found
    }


@pytest.mark.parametrize("digest", ["sha256", "sha512"])
def test_parts_that_were_swapped_are_told_each_by_the_other(world: World, digest: str) -> None:
    stem, one, two = new_stem(), new_fi(), new_fi()
    files = {f"FI.{stem}.2.1": one, f"FI.{stem}.2.2": two}
    for number, fi in ((1, two), (2, one)):
        files[f"FS.{stem}.2.{number}"] = signed(fi, *BY_EMPLOYER, "-md", digest)
    files[f"GO.{stem}.2"] = b""
    world.send(files)
    world.work()
    assert world.receipts(stem) == [["125"]]
    told = {f.part: (f.cause, f.explanation) for f in world.report(stem).findings}
    assert {part: cause for part, (cause, _) in told.items()} == {
        f"FS.{stem}.2.{n}": "digest-differs:other-part" for n in (1, 2)
    }
    assert f"FI.{stem}.2.2" in (told[f"FS.{stem}.2.1"][1] or "")


def test_the_signature_of_an_fi_sent_before_is_told_by_its_name(world: World) -> None:
    before, fi = new_fi(), new_fi()
    first = sent(world, before, signed(before))
    world.work()
    stem = sent(world, fi, signed(before))
    world.work()
    (finding,) = world.report(stem).findings
    assert finding.cause == "digest-differs:other-file"
    assert f"FI.{first}.1.1" in (finding.explanation or "")


def test_a_former_a_coming_and_a_renewed_certificate_are_told_apart(world: World) -> None:
    admin, now = RegistersAdmin(world.instance.production), datetime.now(UTC)
    fi = new_fi()
    unknown = sent(world, fi, fs(fi, "renewed"))
    world.work()
    admin.set_certificate(SENDER, pki("renewed.pem"), now, now + timedelta(days=3))
    other = new_fi()
    coming = sent(world, other, fs(other, "renewed"))
    world.work()
    with world.instance.production.begin() as connection:
        old = (now - timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        ended, begun = f"until = '{old}' WHERE id = 1", f"since = '{old}' WHERE id = 2"
        for change in (ended, begun):
            connection.exec_driver_sql(f"UPDATE channel_certificate SET {change}")
    third = new_fi()
    former = sent(world, third, fs(third))
    world.work()
    found = {s: world.report(s).findings[0] for s in (unknown, coming, former)}
    assert [found[s].error_id for s in found] == ["ACRF-153"] * 3
    assert found[coming].cause == "other-certificate:next"
    assert f"from {now + timedelta(days=3):%Y-%m-%d}" in (found[coming].explanation or "")
    assert found[former].cause == "other-certificate:former"
    assert f"until {now - timedelta(days=1):%Y-%m-%d}" in (found[former].explanation or "")
    assert "valid until" in (found[unknown].explanation or "")


def test_in_intest_the_cause_is_a_warning(world: World) -> None:
    fi = new_fi()
    stem = sent(world, fi, signed(fi, *SIGN, *EMPLOYER), Folder.INTEST)
    world.work()
    (finding,) = [f for f in world.report(stem, test=True).findings if f.error_id == "ACRF-125"]
    assert (finding.severity, finding.cause) == ("W", "digest-differs:crlf")


def test_what_is_too_large_to_look_through_is_said_to_be(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    fi = new_fi()
    stem = sent(world, fi, signed(fi, *SIGN, *EMPLOYER))
    monkeypatch.setattr(steps, "MOST_BYTES", len(fi) - 1)
    world.work()
    (finding,) = world.report(stem).findings
    assert finding.cause == "digest-differs:not-tried"
    assert "fla-batch check" in (finding.explanation or "")


# --- SHA-1 -------------------------------------------------------------------------------


@pytest.fixture
def excepted(make_world: MakeWorld) -> World:
    world = make_world()
    now = datetime.now(UTC)
    wanted = Exemption(SHA1, "old payroll software", Interval(now, now + timedelta(days=30)))
    RegistersAdmin(world.instance.production).set_exception(SENDER, wanted, now)
    return world


def test_sha1_is_taken_by_the_exception_and_never_silently(
    excepted: World, capfd: pytest.CaptureFixture[str]
) -> None:
    fi = new_fi()
    stem = sent(excepted, fi, signed(fi, *BY_EMPLOYER, "-md", "sha1"))
    excepted.work()
    assert excepted.receipts(stem) == [RECEIVED]
    (finding,) = [f for f in excepted.report(stem).findings if f.cause]
    assert (finding.severity, finding.cause) == ("W", "sha1-exception")
    assert f"{datetime.now(UTC) + timedelta(days=30):%Y-%m-%d}" in (finding.explanation or "")
    with excepted.instance.production.connect() as connection:
        [kept] = connection.execute(
            select(register_event.c.detail).where(
                register_event.c.what == "channel_exception_added"
            )
        ).scalars()
    assert kept["sender_number"] == str(SENDER)
    assert (kept["exception"], kept["reason"]) == ("sha1", "old payroll software")
    line = next(x for x in capfd.readouterr().err.splitlines() if "signed_with_sha1" in x)
    assert str(SENDER) in line
    assert "Bakkerij" not in line


def test_the_exception_is_for_sha1_with_these_schemes_alone(excepted: World) -> None:
    fi = [new_fi() for _ in range(3)]
    made = {
        "MD5": signed(fi[0], *BY_EMPLOYER, "-md", "md5"),
        "PSS": signed(fi[1], *_pss("-md", "sha1")),
        "SHA-256": signed(fi[2]),
    }
    stems = {
        name: sent(excepted, one, file) for one, (name, file) in zip(fi, made.items(), strict=True)
    }
    excepted.work()
    found = {
        name: [f.cause for f in excepted.report(stem).findings] for name, stem in stems.items()
    }
    assert found == {"MD5": ["digest-not-allowed"], "PSS": ["pss-parameters"], "SHA-256": []}


def test_the_exception_is_judged_at_the_sealing_instant(excepted: World) -> None:
    fi, other = new_fi(), new_fi()
    before = sent(excepted, fi, signed(fi, *BY_EMPLOYER, "-md", "sha1"))
    admin = RegistersAdmin(excepted.instance.production)
    admin.end_exception(SENDER, SHA1, datetime.now(UTC))
    after = sent(excepted, other, signed(other, *BY_EMPLOYER, "-md", "sha1"))
    excepted.work()
    assert (excepted.receipts(before), excepted.receipts(after)) == ([RECEIVED], [["125"]])
