"""The commands on the registers as an operator types them, and the files he gives to them."""

from __future__ import annotations

import base64
import hashlib
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

from batch.errors import OperatorError
from batch.storage.database import engine_for
from batch.storage.registers import RegistersAdmin
from batch.storage.registers_tables import TrustKind, login_key
from batch.storage.schema import metadata
from fixtures.certificates import PKI, load

NOW = datetime(2026, 5, 4, 9, 30, tzinfo=UTC)

RUN = [sys.executable, "-c", "from batch.cli.main import run; run()"]

ACME, PAYROLL, OTHER = "0403170701", "0202239951", "0417497106"

OPEN = (
    *("channel", "open", ACME, "--quality", "nsso-employer", "--user", "EXP_ACME"),
    *("--ssh-key", str(PKI / "employer.ssh.pub"), "--certificate", str(PKI / "employer.pem")),
    *("--service", "FLA"),
)

GRANT = (
    *("mandate", "grant", "--employer", ACME, "--mandatary", PAYROLL),
    *("--service", "FLA", "--from", "2026Q1"),
)

Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def command(tmp_path: Path) -> Command:
    """``fla-batch`` on an instance of its own, with three enterprises and one trusted CA."""

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        whole = [*RUN, "--data", str(tmp_path / "data"), *arguments]
        return subprocess.run(whole, capture_output=True, text=True, check=False, timeout=60)

    assert run("init").returncode == 0
    for number in (ACME, PAYROLL, OTHER):
        assert run("enterprise", "add", number, "--name", f"The [/b] {number}").returncode == 0
    assert run("trust", "add", str(PKI / "trusted-ca.pem")).returncode == 0
    return run


def answer(done: subprocess.CompletedProcess[str]) -> Any:
    """The one JSON document on stdout of a command that succeeded."""
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


def test_a_channel_is_opened_changed_and_closed(command: Command, tmp_path: Path) -> None:
    opened = answer(command(*OPEN, "--json"))
    assert opened["sender_number"] == "000001"
    assert (opened["enterprise_number"], opened["services"]) == (ACME, ["FLA"])
    folders = {folder.name for folder in (tmp_path / "data/channels/000001").iterdir()}
    assert folders == {"IN", "OUT", "INTEST", "OUTTEST"}
    renewed = ("channel", "certificate", "000001", str(PKI / "renewed.pem"))
    changed = answer(command(*renewed, "--from", "2026-07-01T00:00", "--json"))
    assert changed["certificates"][1]["since"] == "2026-06-30T22:00:00+00:00"
    key = ("channel", "ssh-key", "000001", str(PKI / "tester.ssh.pub"))
    assert len(answer(command(*key, "--json"))["ssh_keys"]) == 2
    assert answer(command("channel", "revoke", "1", "FLA", "--json"))["services"] == []
    assert answer(command("channel", "grant", "1", "FLA", "--json"))["services"] == ["FLA"]
    closed = answer(command("channel", "close", "000001", "--json"))
    assert closed["closed_at"] is not None
    shown = answer(command("channel", "show", "000001", "--json"))
    assert [shown] == answer(command("channel", "list", "--json"))
    assert (shown["closed_at"], shown["grants"]) == (closed["closed_at"], closed["grants"])


def test_mandates_and_enterprises_are_listed_as_they_were_given(command: Command) -> None:
    given = answer(command(*GRANT, "--until", "2026Q4", "--json"))
    assert given == {
        "id": 1,
        "employer": ACME,
        "mandatary": PAYROLL,
        "service": "FLA",
        "from": "2026Q1",
        "until": "2026Q4",
    }
    ended = answer(command("mandate", "end", "1", "--quarter", "2026Q2", "--json"))
    assert answer(command("mandate", "list", "--json")) == [ended] == [given | {"until": "2026Q2"}]
    named = ("enterprise", "add", "403170701", "--name", "Acme", "--nsso", "000100103", "--json")
    added = answer(command(*named))
    assert added == {"enterprise_number": ACME, "name": "Acme", "nsso_number": "100103"}
    listed = answer(command("enterprise", "list", "--json"))
    assert [e["enterprise_number"] for e in listed] == sorted([ACME, PAYROLL, OTHER])
    assert [e["kind"] for e in answer(command("trust", "list", "--json"))] == ["CERTIFICATE"]


def test_without_json_a_person_reads_a_sentence_or_a_table(command: Command) -> None:
    assert "channel 000001 is open: log in as EXP_ACME" in command(*OPEN).stdout
    assert "mandate 1" in command(*GRANT).stdout
    for shown, words in (
        (("channel", "list"), "EXP_ACME"),
        (("channel", "show", "000001"), "CN=Employer"),
        (("enterprise", "list"), f"The [/b] {ACME}"),
        (("mandate", "list"), "2026Q1"),
        (("trust", "list"), "Trusted Test CA"),
    ):
        done = command(*shown)
        assert (done.returncode, done.stderr) == (0, "")
        assert words in done.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("enterprise", "add", "0403170702", "--name", "x"), "enterprise NUMBER '0403170702'"),
        (("enterprise", "add", ACME, "--name", " "), "name ''"),
        (("enterprise", "add", ACME, "--name", "x", "--nsso", "100104"), "--nsso '100104'"),
        (("channel", "show", "000002"), "SENDER 000002: no such channel"),
        (("channel", "show", "999999"), "SENDER '999999'"),
        (("channel", "grant", "000001", "DIMONA"), "service 'DIMONA': unknown; give one of FLA"),
        (("channel", "ssh-key", "000001", "/nowhere"), "ssh-key FILE /nowhere: No such file"),
        (("channel", "ssh-key", "000001", "/"), "ssh-key FILE /: Is a directory"),
        (("channel", "ssh-key", "000001", "/dev/zero"), "more than 1000000 bytes"),
        (("channel", "ssh-key", "000001", str(PKI / "tester.ssh")), "PRIVATE key"),
        (
            ("channel", "certificate", "1", str(PKI / "renewed.pem"), "--from", "soon"),
            "--from 'soon': give an instant",
        ),
        (OPEN, "channel 000001"),
        ((*OPEN, "--quality", "boss"), "--quality 'boss': unknown; give one of nsso-employer"),
        ((*OPEN, "--service", "fla"), "service 'fla'"),
        ((*GRANT, "--until", "2026-12"), "--until '2026-12'"),
        ((*GRANT, "--mandatary", "12"), "--mandatary '12'"),
        (("mandate", "end", "first", "--quarter", "2026Q1"), "ID 'first'"),
        (("mandate", "end", "9", "--quarter", "2026Q1"), "mandate 9: unknown"),
        (("trust", "add", str(PKI / "employer.pem")), "is not a CA"),
    ],
)
def test_a_bad_value_ends_1_with_the_reason_and_nothing_on_stdout(
    registered: Command, arguments: tuple[str, ...], words: str
) -> None:
    done = registered(*arguments, "--json")
    assert (done.returncode, done.stdout) == (1, "")
    assert words in done.stderr
    assert "Traceback" not in done.stderr


@pytest.fixture(scope="module")
def registered(tmp_path_factory: pytest.TempPathFactory) -> Command:
    """The same with one open channel; for commands that change nothing."""
    data = tmp_path_factory.mktemp("registered") / "data"

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        whole = [*RUN, "--data", str(data), *arguments]
        return subprocess.run(whole, capture_output=True, text=True, check=False, timeout=60)

    trust = ("trust", "add", str(PKI / "trusted-ca.pem"))
    for preparing in (("init",), ("enterprise", "add", ACME, "--name", "Acme"), trust, OPEN):
        assert run(*preparing).returncode == 0
    return run
