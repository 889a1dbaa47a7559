"""The commands on the registers as an operator types them, and the files he gives to them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from typer import Typer
from typer.main import get_group

from batch.cli import registers as commands
from batch.cli import trust as trust_commands
from batch.errors import OperatorError
from batch.names import BRUSSELS
from batch.storage.database import engine_for
from batch.storage.register_files import TrustKind
from batch.storage.registers_admin import RegistersAdmin
from batch.storage.schema import metadata
from fixtures.certificates import PKI, load

NOW = datetime(2026, 5, 4, 9, 30, tzinfo=UTC)

RUN = "from batch.cli.main import run; run()"

SHELL = """
import contextlib, io, json, sys
from batch.cli.main import run
for line in sys.stdin:
    code, out, err = None, io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            run(json.loads(line))
        except SystemExit as end:
            code = end.code
    print(json.dumps([code, out.getvalue(), err.getvalue()]), flush=True)
"""
"""Runs one command per line: starting the program costs a second, running a command little."""

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


@dataclass(frozen=True)
class Done:
    """What a command ended with."""

    code: int | None
    out: str
    err: str

    @property
    def answer(self) -> Any:
        """The one JSON document on stdout, of a command that succeeded."""
        assert (self.code, self.err) == (0, "")
        return json.loads(self.out)


Command = Callable[..., Done]


@pytest.fixture(scope="module")
def fla_batch() -> Iterator[Command]:
    """The program; a traceback ends it, and the test."""
    whole, wide = [sys.executable, "-c", SHELL], os.environ | {"COLUMNS": "200"}
    pipe = subprocess.PIPE
    with subprocess.Popen(whole, stdin=pipe, stdout=pipe, text=True, env=wide) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        typed, shown = process.stdin, process.stdout

        def run(*arguments: str) -> Done:
            print(json.dumps(arguments), file=typed, flush=True)
            return Done(*json.loads(shown.readline()))

        yield run


def on(data: Path, fla_batch: Command) -> Command:
    """``fla-batch`` on a new instance in ``data`` with three enterprises and one trusted CA."""
    run = partial(fla_batch, "--data", str(data))
    assert run("init").code == 0
    for number in (ACME, PAYROLL, OTHER):
        assert run("enterprise", "add", number, "--name", f"The [/b] {number}").code == 0
    assert run("trust", "add", str(PKI / "trusted-ca.pem")).code == 0
    return run


@pytest.fixture
def command(tmp_path: Path, fla_batch: Command) -> Command:
    return on(tmp_path / "data", fla_batch)


@pytest.fixture(scope="module")
def registered(tmp_path_factory: pytest.TempPathFactory, fla_batch: Command) -> Command:
    """With one open channel; shared, for commands that change nothing."""
    run = on(tmp_path_factory.mktemp("registered") / "data", fla_batch)
    assert run(*OPEN).code == 0
    return run


def test_a_channel_is_opened_changed_and_closed(command: Command, tmp_path: Path) -> None:
    opened = command(*OPEN, "--json").answer
    assert opened["sender_number"] == "000001"
    assert (opened["enterprise_number"], opened["services"]) == (ACME, ["FLA"])
    folders = {folder.name for folder in (tmp_path / "data/channels/000001").iterdir()}
    assert folders == {"IN", "OUT", "INTEST", "OUTTEST"}
    renewed = ("channel", "certificate", "000001", str(PKI / "renewed.pem"))
    changed = command(*renewed, "--from", "2026-07-01T00:00", "--json").answer
    assert changed["certificates"][1]["since"] == "2026-06-30T22:00:00+00:00"
    key = ("channel", "ssh-key", "000001", str(PKI / "tester.ssh.pub"))
    assert len(command(*key, "--json").answer["ssh_keys"]) == 2
    assert command("channel", "revoke", "1", "FLA", "--json").answer["services"] == []
    assert command("channel", "grant", "1", "FLA", "--json").answer["services"] == ["FLA"]
    closed = command("channel", "close", "000001", "--json").answer
    assert closed["closed_at"] is not None
    shown = command("channel", "show", "000001", "--json").answer
    assert [shown] == command("channel", "list", "--json").answer
    assert (shown["closed_at"], shown["grants"]) == (closed["closed_at"], closed["grants"])


def test_sha1_in_signatures_is_a_dated_exception_with_a_reason(command: Command) -> None:
    command(*OPEN)
    today = datetime.now(BRUSSELS).date()
    last = today + timedelta(days=30)
    given = ("channel", "sha1", "1", "--until", str(last), "--reason", "new software in spring")
    (held,) = command(*given, "--json").answer["exceptions"]
    assert (held["what"], held["reason"]) == ("sha1", "new software in spring")
    end = datetime.fromisoformat(held["until"]).astimezone(BRUSSELS)
    assert (end.date(), end.hour) == (last + timedelta(days=1), 0)
    assert command(*given, "--json").answer["exceptions"] == [held]  # it holds already
    assert "new software in spring" in command("channel", "show", "1").out
    shorter = (*given[:4], str(today), *given[5:])
    (ended, now) = command(*shorter, "--json").answer["exceptions"]
    assert ended["until"] == now["since"]
    ended_too = command("channel", "sha1", "1", "--off", "--json").answer["exceptions"]
    assert all(e["until"] <= datetime.now(UTC).isoformat() for e in ended_too)
    assert "no longer" in command("channel", "sha1", "1", "--off").out


def test_an_exception_without_end_or_reason_is_refused(command: Command) -> None:
    command(*OPEN)
    today = str(datetime.now(BRUSSELS).date())
    until, why = ("--until", today), ("--reason", "x")
    for words, told in {
        (): "give --until DATE and --reason TEXT, or --off alone",
        ("--until", "2099-01-01", *why): "at the latest",
        ("--until", "2020-01-01", *why): "give a day from today on",
        ("--until", "tomorrow", *why): "give a day like 2026-12-31",
        ("--until", "9999-12-31", *why): "within a year",
        (*until, "--reason", " "): "1 to 200 printable characters",
        until: "give --until DATE and --reason TEXT",
        ("--off", *why): "--off alone",
    }.items():
        done = command("channel", "sha1", "1", *words)
        assert (done.code, told in " ".join(done.err.split())) == (1, True), done
    assert command("channel", "show", "1", "--json").answer["exceptions"] == []


def test_sha1_signatures_are_a_switch_of_one_channel(command: Command) -> None:
    assert command(*OPEN, "--json").answer["legacy"] is False
    assert command("channel", "legacy", "1", "on", "--json").answer["legacy"] is True
    assert command("channel", "show", "1", "--json").answer["legacy"] is True
    assert command("channel", "list", "--json").answer[0]["legacy"] is True
    assert "no longer" in command("channel", "legacy", "000001", "off").out
    assert command("channel", "show", "1", "--json").answer["legacy"] is False
    assert command("channel", "legacy", "1", "yes").code == 1
    assert command("channel", "legacy", "2", "on").code == 1


def test_mandates_and_enterprises_are_listed_as_they_were_given(command: Command) -> None:
    given = command(*GRANT, "--until", "2026Q4", "--json").answer
    assert given == {
        "id": 1,
        "employer": ACME,
        "mandatary": PAYROLL,
        "service": "FLA",
        "from": "2026Q1",
        "until": "2026Q4",
    }
    ended = command("mandate", "end", "1", "--quarter", "2026Q2", "--json").answer
    assert command("mandate", "list", "--json").answer == [ended] == [given | {"until": "2026Q2"}]
    named = ("enterprise", "add", "403170701", "--name", "Acme", "--nsso", "000100103", "--json")
    added = command(*named).answer
    assert added == {"enterprise_number": ACME, "name": "Acme", "nsso_number": "100103"}
    listed = command("enterprise", "list", "--json").answer
    assert [e["enterprise_number"] for e in listed] == sorted([ACME, PAYROLL, OTHER])
    assert [e["kind"] for e in command("trust", "list", "--json").answer] == ["CERTIFICATE"]


def test_without_json_a_person_reads_a_sentence_or_a_table(command: Command) -> None:
    assert "channel 000001 is open: log in as EXP_ACME" in command(*OPEN).out
    assert "mandate 1" in command(*GRANT).out
    for shown, words in (
        (("channel", "list"), "EXP_ACME"),
        (("channel", "show", "000001"), "CN=Employer"),
        (("enterprise", "list"), f"The [/b] {ACME}"),
        (("mandate", "list"), "2026Q1"),
        (("trust", "list"), "Trusted Test CA"),
    ):
        done = command(*shown)
        assert (done.code, done.err) == (0, "")
        assert words in done.out


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
    assert (done.code, done.out) == (1, "")
    assert words in done.err


@pytest.mark.parametrize(
    "arguments",
    [
        ("channel", "show"),
        ("channel", "open", ACME),
        ("mandate", "end", "1"),
        ("trust", "add", "--no-such-option", "x"),
        ("enterprise", "remove", ACME),
    ],
)
def test_only_wrong_syntax_ends_2(registered: Command, arguments: tuple[str, ...]) -> None:
    assert registered(*arguments).code == 2


GROUPS: dict[str, Typer] = {
    "enterprise": commands.enterprise,
    "channel": commands.channel,
    "mandate": commands.mandate,
    "trust": trust_commands.trust,
}


@pytest.mark.parametrize("group", GROUPS)
def test_every_command_and_every_option_says_what_it_is_for(group: str) -> None:
    found = get_group(GROUPS[group])
    assert found.commands
    for name, one in found.commands.items():
        assert one.help, name
        for parameter in one.params:
            assert getattr(parameter, "help", None), (name, parameter.name)
        assert "--json" in {option for p in one.params for option in p.opts}, name


def test_without_an_instance_the_operator_is_told_to_make_one(tmp_path: Path) -> None:
    whole = [sys.executable, "-c", RUN, "--data", str(tmp_path / "none"), "enterprise", "list"]
    done = subprocess.run(whole, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (1, "")
    assert "fla-batch init" in done.stderr


@pytest.fixture
def admin(tmp_path: Path) -> Iterator[RegistersAdmin]:
    """Empty registers."""
    engine = engine_for(tmp_path / "production.sqlite", create=True)
    metadata.create_all(engine)
    yield RegistersAdmin(engine)
    engine.dispose()


def crl(name: str) -> x509.CertificateRevocationList:
    """An empty list of the authority ``name`` of the fixtures."""
    key, certificate = load(name)
    assert isinstance(key, rsa.RSAPrivateKey)
    builder = x509.CertificateRevocationListBuilder(certificate.subject, NOW, NOW)
    return builder.sign(key, SHA256())


def test_one_file_may_hold_authorities_and_their_revocation_lists(admin: RegistersAdmin) -> None:
    whole = b"".join((PKI / f"{name}-ca.pem").read_bytes() for name in ("trusted", "other"))
    added = admin.add_trust(whole + b"\nwords\n" + crl("other-ca").public_bytes(Encoding.PEM), NOW)
    assert [(entry.kind, entry.subject) for entry in added] == [
        (TrustKind.CERTIFICATE, "CN=Trusted Test CA,C=BE"),
        (TrustKind.CERTIFICATE, "CN=Other Test CA,C=BE"),
        (TrustKind.CRL, "CN=Other Test CA,C=BE"),
    ]
    assert admin.trusted() == added
    ders = [load(name)[1].public_bytes(Encoding.DER) for name in ("trusted-ca", "other-ca")]
    assert admin.trust_anchors() == ders


def test_der_is_read_and_is_the_same_as_pem(admin: RegistersAdmin) -> None:
    certificate, revoked = load("trusted-ca")[1], crl("trusted-ca")
    for entry in (certificate, revoked):
        in_der = admin.add_trust(entry.public_bytes(Encoding.DER), NOW)
        assert admin.add_trust(entry.public_bytes(Encoding.PEM) * 2, NOW) == in_der
    assert [e.kind for e in admin.trusted()] == [TrustKind.CERTIFICATE, TrustKind.CRL]


def test_a_signer_signed_by_himself_may_be_trusted_and_one_who_only_says_so_may_not(
    admin: RegistersAdmin,
) -> None:
    key, alone = load("self-signed")
    assert isinstance(key, rsa.RSAPrivateKey)
    builder = x509.CertificateBuilder(
        alone.subject,
        alone.subject,
        ec.generate_private_key(ec.SECP256R1()).public_key(),
        alone.serial_number,
        alone.not_valid_before_utc,
        alone.not_valid_after_utc,
    )
    with pytest.raises(OperatorError, match="is not a CA"):
        admin.add_trust(builder.sign(key, SHA256()).public_bytes(Encoding.DER), NOW)
    assert len(admin.add_trust(alone.public_bytes(Encoding.DER), NOW)) == 1


@pytest.mark.parametrize(
    ("words", "name", "cut"),
    [
        ("is not a CA", "employer.pem", None),
        ("no certificate", "employer.key.pem", None),
        ("is damaged", "other-ca.pem", -10),
    ],
)
def test_one_bad_block_in_a_file_and_nothing_of_it_is_trusted(
    admin: RegistersAdmin, words: str, name: str, cut: int | None
) -> None:
    good, bad = (PKI / "trusted-ca.pem").read_bytes(), (PKI / name).read_bytes()[:cut]
    for data in (bad, good + bad, bad + good):
        with pytest.raises(OperatorError, match=f"trust: .*{words}"):
            admin.add_trust(data, NOW)
    assert admin.trusted() == []


@pytest.mark.parametrize("data", [b"", b"no trust", b"-----BEGIN CERTIFICATE-----\nA\n"])
def test_a_file_without_any_trust_is_refused(admin: RegistersAdmin, data: bytes) -> None:
    with pytest.raises(OperatorError, match="trust: "):
        admin.add_trust(data, NOW)
