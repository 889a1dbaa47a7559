"""Every case of the catalogue of fixtures is answered by the server as its case.toml says.

The same cases go through ``fla-batch check`` on the same instance first, which says the same
where it can be known offline, and leaves no trace.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from fixtures import services
from fixtures.case import LIMITS, Case, all_cases
from fixtures.certificates import PKI
from tests.acceptance.answers import Answer, Outbox
from tests.acceptance.clients import Mail
from tests.acceptance.conftest import Registered, Serving
from tests.acceptance.instance import Instance, numbers_of_persons, soon
from tests.declarations import CLIENTS, EMPLOYER

ALL = all_cases()
UNFINISHED_SECONDS = 5
NOT_OFFLINE = {"130", "133", "277"}
"""What hangs on what else was sent, or will be: nobody can know it beforehand."""


def _name(case: Case) -> str:
    return case.name


@dataclass(frozen=True)
class Sending:
    """The instance, the employer's connection, and the day on which the cases are sent."""

    instance: Instance
    mail: Mail
    sender: str
    day: date

    def stem(self, case: Case) -> str:
        return case.stem_for(self.sender, self.day)

    def answers(self, case: Case) -> tuple[Answer, Answer | None]:
        """Its ACRF, and its NOTI where one comes: not from a service that judges elsewhere."""
        if case.stage != "services":
            return self.outbox(case).verdict(self.stem(case))
        [receipt] = self.outbox(case).wait(self.stem(case), 1)
        return receipt, None

    def outbox(self, case: Case) -> Outbox:
        return self.mail.outtest if case.folder == "INTEST" else self.mail.out


@pytest.fixture(scope="module")
def day() -> date:
    return datetime.now(UTC).astimezone(ZoneInfo("Europe/Brussels")).date()


@pytest.fixture(scope="module")
def instance(serving: Serving, registered: Registered) -> Instance:
    """With the services beside the FLA, and who may use them."""
    made = serving(unfinished_seconds=UNFINISHED_SECONDS, **LIMITS)
    services.bring(made.data)
    parties = ("--employer", CLIENTS[0], "--mandatary", EMPLOYER, "--service", "DIMONA")
    said = made.commands(
        *(("channel", "grant", registered.employer.number, name) for name in services.NAMES),
        ("mandate", "grant", *parties, "--from", "2024Q1", "--until", "2024Q4"),
    )
    assert all(each.code == 0 for each in said), said
    return made


@pytest.fixture(scope="module")
def checked(instance: Instance, registered: Registered, day: date) -> dict[str, dict[str, Any]]:
    """What ``check`` says of every case by its stem, before anything is sent."""
    by_folder: defaultdict[str, list[str]] = defaultdict(list)
    for case in ALL:
        for name, content in case.files(registered.employer.number, day).items():
            (instance.root / name).write_bytes(content)
            by_folder[case.folder].append(name)
    before = _recorded(instance)
    said = instance.commands(
        *(
            ["check", *names, "--folder", folder, "--sender", registered.employer.number, "--json"]
            for folder, names in by_folder.items()
        )
    )
    assert [each.code for each in said] == [1, 1], said
    assert _recorded(instance) == before
    return {found["stem"]: found for each in said for found in each.document}


def _recorded(instance: Instance) -> tuple[list[str], list[str]]:
    """Every file of the instance, and every row of its databases."""
    rows: list[str] = []
    databases = sorted((instance.data / "db").glob("*.sqlite"))
    assert len(databases) == 2
    for database in databases:
        connection = sqlite3.connect(database)
        rows += connection.iterdump()
        connection.close()
    files = [p.relative_to(instance.data) for p in instance.data.rglob("*")]
    return sorted(str(f) for f in files if f.parts[0] != "db"), rows


@pytest.fixture(scope="module")
def sending(
    instance: Instance, registered: Registered, day: date, checked: dict[str, dict[str, Any]]
) -> Iterator[Sending]:
    """All cases sent, one after another, by the employer of the fixtures."""
    assert checked
    instance.serve()
    with Mail(instance, registered.employer) as mail:
        for case in ALL:
            mail.put(case.files(registered.employer.number, day), case.folder)
        yield Sending(instance, mail, registered.employer.number, day)


@pytest.mark.parametrize("case", ALL, ids=_name)
def test_the_server_answers(sending: Sending, case: Case) -> None:
    receipt, notice = sending.answers(case)
    assert sorted(receipt.codes) == sorted(f"ACRF-{code}" for code in case.codes)
    forms = notice.forms if notice is not None else []
    assert [(form.result, form.blocking) for form in forms] == [
        (str(form.result), tuple((error.id, error.line) for error in form.errors))
        for form in case.forms
    ]


@pytest.mark.parametrize("case", [c for c in ALL if not c.readable], ids=_name)
def test_a_name_that_cannot_be_read_is_answered_by_itself(sending: Sending, case: Case) -> None:
    """After the time for unfinished sets, in the answers' folder of its own, with its letter."""
    [receipt] = sending.outbox(case).wait(sending.stem(case), 1)
    assert receipt.about == sending.stem(case)
    assert receipt.name.split(".")[5] == ("T" if case.folder == "INTEST" else "R")


@pytest.mark.parametrize("case", [c for c in ALL if not NOT_OFFLINE & set(c.codes)], ids=_name)
def test_check_says_the_same_beforehand(
    checked: dict[str, dict[str, Any]], registered: Registered, day: date, case: Case
) -> None:
    found = checked[case.listed_as(registered.employer.number, day)]
    assert found["folder"] == case.folder
    told = set(_blocking(found["reception"]))  # 125 once for each part whose signature is wrong
    assert sorted(told) == sorted((f"ACRF-{c}", None) for c in case.codes)
    assert found["reception"]["result_code"] == int(not case.codes)
    if list(case.codes) != ["122"]:  # what is only not signed yet is judged on
        assert [(form["result_code"], _blocking(form)) for form in found["forms"]] == [
            (form.result, [(error.id, error.line) for error in form.errors]) for form in case.forms
        ]
    assert found["accepted"] == (not case.codes and all(form.result for form in case.forms))
    assert set(found["undecided"]) >= NOT_OFFLINE


def _blocking(judged: dict[str, Any]) -> list[tuple[str, int | None]]:
    """Codes with their lines; a line of the reception is not in the catalogue."""
    content = "form" in judged
    return [
        (a["error_id"], a["line"] if content else None)
        for a in judged["anomalies"]
        if a["class"] == "B"
    ]


@pytest.mark.parametrize("name", sorted({case.registered for case in ALL} - {"employer"}))
def test_a_certificate_that_may_not_sign_is_not_taken_by_the_register(
    instance: Instance, registered: Registered, name: str
) -> None:
    """That is why its cases are refused as another certificate's."""
    file = PKI / f"{name}.pem"
    said = instance.command("channel", "certificate", registered.employer.number, file)
    assert said.code == 1
    assert "certificate" in said.err
    assert "Traceback" not in said.err


def test_a_fault_in_the_signature_of_a_test_is_shown_as_a_warning(sending: Sending) -> None:
    [case] = [c for c in ALL if c.name == "verify/fault-in-test"]
    sending.mail.outtest.verdict(sending.stem(case))
    shown = sending.instance.json("submission", "show", sending.stem(case))
    [warning] = [f for f in shown["findings"] if f["error_id"] == "ACRF-125"]
    assert warning["severity"] == "W"


@pytest.mark.parametrize("case", [c for c in ALL if c.cause], ids=_name)
def test_the_cause_is_shown_to_the_operator_and_by_check(
    sending: Sending, checked: dict[str, dict[str, Any]], case: Case
) -> None:
    sending.answers(case)
    shown = sending.instance.json("submission", "show", sending.stem(case))
    told = [f["cause"] for f in shown["findings"] if f["cause"]]
    assert set(told) == {case.cause}
    beforehand = checked[sending.stem(case)]["reception"]["anomalies"]
    if case.name == "verify/tampered":  # on his own disk the sender has the time of the change
        told = ["digest-differs:edited-after"]
    assert [a["cause"] for a in beforehand if a["cause"]] == told


def _all_answered(sending: Sending) -> None:
    for case in ALL:
        sending.answers(case)


def test_everything_is_answered_and_listed_once(sending: Sending) -> None:
    _all_answered(sending)
    answered = [*sending.mail.out.seen.values(), *sending.mail.outtest.seen.values()]
    assert len(answered) == sum(2 if case.forms else 1 for case in ALL)
    assert sending.instance.rests()
    listed = sending.instance.json("submission", "list")
    assert sorted(line["stem"] for line in listed) == sorted(
        case.listed_as(sending.sender, sending.day) for case in ALL
    )
    assert {line["state"] for line in listed} == {"answered"}
    assert sending.instance.json("submission", "list", "--problems") == []
    assert soon(lambda: [*sending.mail.names("IN"), *sending.mail.names("INTEST")] == [])


def test_the_log_names_every_set_and_no_person(sending: Sending) -> None:
    """Eleven digits that check as an INSS are in the files and nowhere in the log."""
    _all_answered(sending)
    log = sending.instance.log
    for case in ALL:
        assert sending.stem(case) in log, case.name
    sent = "".join(fi.decode("latin1") for case in ALL for fi, _ in case.parts())
    assert len(numbers_of_persons(sent)) > 50
    assert numbers_of_persons(log) == set()
