"""The command keeps the contract's word: help, one JSON document, and the three exit codes.

0 is done, 1 refused or failed with the reason on stderr (a bad value included), 2 wrong syntax.
"""

from __future__ import annotations

import re
import shutil
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from fixtures.certificates import PKI
from fixtures.declared import fs
from tests.acceptance.clients import Mail, named, new_stem
from tests.acceptance.conftest import Registered, Serving
from tests.acceptance.instance import Instance, Said, Shell, numbers_of_persons
from tests.declarations import CLIENTS, EMPLOYER, PERSONS, declaration, person, right, rights

MANDATARY = CLIENTS[0]
NOBODY = f"{int(PERSONS[0]) + 1}"
"""Eleven digits that do not check."""

GROUPS = {
    "": "--help init serve demo check sign send anomaly",
    "enterprise": "add list",
    "channel": "open list show grant revoke certificate ssh-key close",
    "mandate": "grant list end",
    "submission": "list show retry refuse resend",
    "answer": "post redeliver list",
    "account": "show",
    "trust": "add list",
}
HELP = [f"{group} {name}".strip() for group in GROUPS for name in ("", *GROUPS[group].split())][1:]

KEY = re.compile("[a-z][a-z0-9_]*")


@pytest.fixture(scope="module")
def idle(serving: Serving) -> Instance:
    """An instance that nobody serves, and some files where its commands are typed."""
    made = serving()
    for name in ("stranger.ssh", "stranger.ssh.pub", "employer.pem", "expired.pem"):
        shutil.copy(PKI / name, made.root)
    shutil.copy(PKI / "employer.key.pem", made.root)
    return made


def _lines(*lines: str) -> list[list[str]]:
    return [line.split() for line in lines]


def test_every_command_has_help(idle: Instance) -> None:
    for line, said in zip(
        HELP, idle.commands(*([*line.split(), "--help"] for line in HELP)), strict=True
    ):
        assert said.code == 0, line
        assert not said.err, line
        words = "" if line == "--help" else f" {line}"
        assert f"Usage: fla-batch{words} [OPTIONS]" in " ".join(said.out.split()), line


def test_reports_and_changes_print_one_json_document(
    serving: Serving, registered: Registered, tmp_path: Path
) -> None:
    """Keys in snake_case, sender numbers with their zeros as strings; nothing else on stdout."""
    name = f"FI.{new_stem('000001')}.1.1"
    (tmp_path / name).write_bytes(declaration(right("R/json")))
    signer = ["--key", registered.employer.key, "--certificate", registered.employer.certificate]
    mandate = ["--employer", EMPLOYER, "--mandatary", MANDATARY, "--service", "FLA"]
    instance = serving()
    said = instance.commands(
        *_lines("init --json", "enterprise add 0477.472.701 --name Again --json"),
        *_lines("channel list --json", "channel show 000001 --json", "channel show 1 --json"),
        *_lines("channel revoke 000001 FLA --json", "channel grant 000001 FLA --json"),
        ["channel", "certificate", "000001", PKI / "renewed.pem", "--json"],
        ["channel", "ssh-key", "000001", PKI / "stranger.ssh.pub", "--json"],
        *_lines("channel close 000003 --json"),
        ["mandate", "grant", *mandate, "--from", "2024Q1", "--json"],
        *_lines("mandate list --json", "mandate end 1 --quarter 2026Q4 --json"),
        *_lines("trust list --json", "submission list --json", "anomaly ACRF-125 --json"),
        *_lines("answer list --json"),
        ["answer", "post", tmp_path / name, *_lines("--sender 1 --code DMNO --json")[0]],
        ["trust", "add", PKI / "other-ca.pem", "--json"],
        ["account", "show", PERSONS[0], "--employer", EMPLOYER, "--json"],
        ["sign", tmp_path / name, *signer, "--json"],
        ["check", tmp_path / name, tmp_path / f"FS{name[2:]}", "--json"],
    )
    for each in said:
        document = each.done().document
        assert all(KEY.fullmatch(key) for key in _keys(document)), each.arguments
        assert "\x1b" not in each.out
    assert said[3].document["sender_number"] == said[4].document["sender_number"] == "000001"
    assert said[-1].document[0]["accepted"] is True
    assert {"rights", "trainings", "remaining"} <= set(said[-3].document)


def _keys(document: Any) -> set[str]:
    match document:
        case dict():
            return set(document) | {key for value in document.values() for key in _keys(value)}
        case list():
            return {key for value in document for key in _keys(value)}
        case _:
            return set()


def _open(
    number: str = EMPLOYER,
    quality: str = "service-provider",
    user: str = "somebody",
    key: str = "stranger.ssh.pub",
    certificate: str = "employer.pem",
    service: str = "FLA",
) -> str:
    files = f"--ssh-key {key} --certificate {certificate}"
    return f"channel open {number} --quality {quality} --user {user} {files} --service {service}"


_GRANT = f"mandate grant --employer {EMPLOYER} --mandatary"
_SIGNER = "--key employer.key.pem --certificate employer.pem"
_SEND = "send absent --host 127.0.0.1 --user x --identity stranger.ssh --host-key stranger.ssh.pub"
BAD_VALUES = (
    "enterprise add 0123456748 --name Nobody",
    "enterprise add 12 --name Nobody",
    "enterprise add 0123456749 --name Nobody --nsso 199999935",
    _open(number="0999999922"),
    _open(quality="employer"),
    _open(user="employer"),
    _open(key="absent"),
    _open(key="stranger.ssh"),
    _open(certificate="expired.pem"),
    _open(certificate="stranger.ssh.pub"),
    _open(service="DIMONA"),
    "channel show 000042",
    "channel show abc",
    "channel show 999999",
    "channel grant 000001 DIMONA",
    "channel certificate 000001 employer.pem --from yesterday",
    "channel certificate 000001 expired.pem",
    "channel ssh-key 000001 employer.pem",
    "channel close 000042",
    f"{_GRANT} {MANDATARY} --service FLA --from 2026Q5",
    f"{_GRANT} {MANDATARY} --service FLA --from 2026Q2 --until 2026Q1",
    f"{_GRANT} 0999999922 --service FLA --from 2026Q1",
    f"{_GRANT} {EMPLOYER} --service FLA --from 2026Q1",
    "mandate end 77 --quarter 2026Q4",
    "mandate end x --quarter 2026Q4",
    f"account show {NOBODY} --employer {EMPLOYER}",
    f"account show {PERSONS[0]} --employer 0123456748",
    f"account show {PERSONS[0]} --employer {EMPLOYER} --environment staging",
    "submission show NOTHING",
    "submission retry FLAD.000001.20260101.00001.R",
    "submission refuse FLAD.000001.20260101.00001.R",
    "submission resend FLAD.000001.20260101.00001.R",
    "answer redeliver NOTHING",
    "answer redeliver NOTHING --folder OUT",
    "answer redeliver NOTHING --sender abc",
    "answer list --sender abc",
    "answer post absent --sender 000001 --code DMNO",
    "answer post employer.pem --sender 000042 --code DMNO",
    "answer post employer.pem --sender 000001 --code ACRF",
    "answer post employer.pem --sender 000001 --code DMNO --environment X",
    "submission list --thorough",
    "submission list --limit many",
    "anomaly 999",
    "trust add stranger.ssh.pub",
    "trust add absent",
    "check absent",
    "check employer.pem --folder OUT",
    f"sign employer.pem {_SIGNER}",
    f"sign absent {_SIGNER}",
    f"{_SEND} --port 1",
    f"{_SEND} --port 0",
    "serve --port 70000",
    "serve --port many",
)

WRONG_SYNTAX = (
    "--no-such-option",
    "no-such-command",
    "channel no-such-command",
    "init --no-such-option",
    "init something",
    "init --data elsewhere",
    "enterprise add",
    "enterprise add 0123456749",
    "channel show",
    "channel open 0123456749 --quality nsso-employer",
    "mandate grant --employer 0123456749",
    "mandate end 1",
    "account show 85073003328",
    "account show --employer 0123456749",
    "submission show",
    "answer redeliver",
    "answer post --sender 000001 --code DMNO",
    "answer post x --code DMNO",
    "trust add",
    "check",
    "sign x",
    "send x",
    "serve --port",
    "channel list --json=yes",
    "anomaly",
)


def test_a_bad_value_is_refused_with_its_reason_and_exit_1(idle: Instance) -> None:
    """On stderr, in words, without traceback or number of a person; and nothing has changed."""
    after = _lines("channel list --json", "mandate list --json", "trust list --json")
    said = idle.commands(*(line.split() for line in BAD_VALUES), *after)
    wrong = [problem for each in said[:-3] for problem in _problems(each, 1)]
    assert not wrong, "\n".join(wrong)
    channels, mandates, trust = (each.done().document for each in said[-3:])
    assert [held["sender_number"] for held in channels] == ["000001", "000002", "000003"]
    assert (mandates, len(trust)) == ([], 1)


def test_wrong_syntax_ends_with_2(idle: Instance) -> None:
    lines = [line.split() for line in WRONG_SYNTAX]
    wrong = [problem for said in idle.commands(*lines) for problem in _problems(said, 2)]
    assert not wrong, "\n".join(wrong)


def _problems(said: Said, code: int) -> list[str]:
    line = " ".join(said.arguments[2:])
    found = []
    if said.code != code:
        found.append(f"{line}: exit {said.code} instead of {code}")
    if not said.err.strip() or said.out.strip():
        found.append(f"{line}: stdout {said.out!r}, stderr {said.err!r}")
    if "Traceback" in said.err or NOBODY in said.err or numbers_of_persons(said.err):
        found.append(f"{line}: {said.err}")
    return found


def test_init_twice_changes_nothing(serving: Serving) -> None:
    instance = serving()
    keys = instance.data / "keys"
    before = {p.name: sha256(p.read_bytes()).hexdigest() for p in keys.iterdir()}
    first, second, channels = instance.commands(
        *_lines("init --json", "init --json", "channel list --json")
    )
    assert first.done().document == second.done().document
    assert {p.name: sha256(p.read_bytes()).hexdigest() for p in keys.iterdir()} == before
    assert len(channels.done().document) == 3


def test_what_is_no_instance_is_refused_and_left_alone(shell: Shell, tmp_path: Path) -> None:
    absent, file = Instance(tmp_path / "absent", shell), Instance(tmp_path / "file", shell)
    for instance in (absent, file):
        instance.root.mkdir()
    file.data.write_text("no directory")
    lines = _lines("serve --port 0", "submission list", "channel list", "trust list")
    for said in (*absent.commands(*lines), *file.commands(*lines), absent.process(*lines[0])):
        assert said.code == 1, said
        assert "init" in said.err
        assert "Traceback" not in said.err
    assert list(absent.root.iterdir()) == []
    assert file.data.read_text() == "no directory"


def test_the_environment_names_the_instance_where_data_does_not(idle: Instance) -> None:
    environment = idle.environment() | {"FLA_BATCH_DATA": str(idle.data)}
    said = idle.shell.run(idle.root, environment, ("channel", "list", "--json"))
    assert len(said.done().document) == 3


@pytest.mark.parametrize(
    ("line", "code"), [("--version", 0), ("channel show 000042", 1), ("channel show", 2)]
)
def test_a_process_ends_with_the_code(idle: Instance, line: str, code: int) -> None:
    said = idle.process(*line.split())
    assert said.code == code
    assert bool(said.out) == (code == 0)
    assert bool(said.err) == (code != 0)


def test_a_setting_out_of_its_bounds_is_named(serving: Serving) -> None:
    said = serving(grace_seconds=60).command("channel", "list")
    assert said.code == 1
    assert "grace_seconds" in said.err


def test_a_busy_instance_is_not_served_twice(serving: Serving) -> None:
    instance = serving()
    instance.serve()
    said = instance.process("serve", "--port", 0)
    assert said.code == 1
    assert "another" in said.err
    assert "listening" not in said.out
    assert instance.stop() == 0


def test_sigterm_drains_and_ends_with_0(serving: Serving, registered: Registered) -> None:
    """Sets whose GO was taken just before are answered, by this run or by the next one."""
    instance, sender = serving(), registered.employer
    instance.serve()
    stems = [new_stem(sender.number) for _ in range(20)]
    with Mail(instance, sender) as mail:
        for n, stem in enumerate(stems):
            fi = declaration(right(f"R/drain/{n}", inss=person(730_000 + n)))
            mail.put(named(stem, (fi, fs(fi))))
        assert instance.stop() == 0
    assert list((instance.data / "spool" / "up").iterdir()) == []
    instance.serve()
    with Mail(instance, sender) as mail:
        for stem in stems:
            assert [form.result for form in mail.out.judged(stem)] == ["1"]
    assert instance.stop() == 0


def test_the_senders_own_commands_carry_a_set_to_its_verdict(
    serving: Serving, registered: Registered, tmp_path: Path
) -> None:
    """``sign``, ``send --wait``: 0 for a good set, 1 for a refused one; no log names a person."""
    instance, sender = serving(), registered.employer
    instance.serve()
    good, bad = (tmp_path / f"FI.{new_stem(sender.number)}.1.1" for _ in range(2))
    good.write_bytes(rights(3, prefix="R/send"))
    bad.write_bytes(declaration(right("R/bad")))
    (tmp_path / "host.pub").write_text(instance.host_key)
    to = [
        *("--host", "127.0.0.1", "--port", instance.port, "--user", sender.user),
        *("--identity", sender.identity, "--host-key", tmp_path / "host.pub"),
        *("--wait", "--timeout", 60, "--json"),
    ]
    signer = ["--key", sender.key, "--certificate", sender.certificate]
    trusting = ["--institution", instance.institution, "--answers", tmp_path / "answers"]
    signed, sent, other = instance.commands(
        ["sign", good, bad, *signer],
        ["send", good, *to, *trusting],
        ["send", bad, *to, "--key", PKI / "renewed.key.pem", "--certificate", PKI / "renewed.pem"],
    )
    assert signed.code == 0
    assert sent.done().document["sets"][0]["verdict"] == "accepted"
    assert len(list((tmp_path / "answers").iterdir())) >= 4
    assert other.code == 1
    assert other.document["sets"][0]["receipt"]["codes"] == ["ACRF-153"]
    with Mail(instance, sender) as mail:
        mail.put({PERSONS[0]: b"named by a worker's number"})
    assert instance.stop() == 0
    assert good.name.removeprefix("FI.").removesuffix(".1.1") in instance.log
    assert numbers_of_persons(instance.log) == set()
