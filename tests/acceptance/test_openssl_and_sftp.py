"""A sender with nothing but openssl and OpenSSH's sftp is heard, recorded, refused and answered.

Keys, CA and certificates are made by openssl, FS by ``openssl cms -sign | base64``; sets go up and
answers come down by ``sftp -b``; ``openssl cms -verify`` judges the answers.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from watchdog.events import FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer

from tests.acceptance.answers import leaves
from tests.acceptance.clients import new_stem, today
from tests.acceptance.conftest import NSSO, Official
from tests.declarations import EMPLOYER, PERSONS, declaration, person, right, training

pytestmark = pytest.mark.needs("openssl", "sftp", "ssh-keygen", "base64")

TICKET = re.compile(r"[0-9A-Z]{13}")
HEADER = ["Identification", "FormCreationDate", "FormCreationHour", "AttestationStatus", "TypeForm"]


def test_a_signed_set_is_recorded_and_answered_in_the_shapes_of_the_contract(
    official: Official,
) -> None:
    """The ACRF, the NOTI, their names and the ledger say the same of a right and a training."""
    worker = PERSONS[0]
    reference = (
        "   <Reference><ReferenceType>1</ReferenceType><ReferenceOrigin>1</ReferenceOrigin>"
        "<ReferenceNbr>HR-2025-000001</ReferenceNbr></Reference>\n"
    )
    first = right("R/2025/E0042", inss=worker).replace("</TypeForm>\n", f"</TypeForm>\n{reference}")
    second = training("T/2025/0815", inss=worker, starts=date(2025, 11, 12), hours=400, number=1)
    user_reference = "<NaturalPersonUserReference>E0042</NaturalPersonUserReference>"
    second = second.replace("</INSS>", f"</INSS>{user_reference}")
    fi = declaration(first, second)
    stem = official.send(fi)

    receipt, notice = official.employer.out.verdict(stem)
    assert notice is not None
    assert TICKET.fullmatch(receipt.ticket)
    for answer in (receipt, notice):
        assert re.fullmatch(
            rf"FO\.{answer.layer}\.999999\.{today()}\.[0-9A-Z]{{5}}\.R\.1\.1", answer.name
        )
        official.openssl.verify(answer, official.instance.institution)

    header = ["ACRF001", _day(), None, "0", "FA"]
    expected: list[tuple[str, str | None]] = [
        *((f"Form/{name}", text) for name, text in zip(HEADER, header, strict=True)),
        ("Form/FileReference/FileName", f"GO.{stem}.1"),
        ("Form/FileReference/ReferenceOrigin", "2"),
        ("Form/FileReference/ReferenceNbr", receipt.ticket),
        ("Form/ReceptionResult/ResultCode", "1"),
    ]
    assert receipt.root.tag == "ACRF"
    assert _masked(leaves(receipt.root)) == _masked(expected)

    account = official.instance.json("account", "show", worker, "--employer", EMPLOYER)
    [held] = account["rights"]
    [followed] = account["trainings"]
    tickets = [form.ticket for form in notice.forms]
    assert len({receipt.ticket, *tickets}) == 3
    assert notice.root.tag == "NOTIFICATION"
    late = fi[: fi.index(b"<TrainingIn>")].count(b"\n") + 1
    expected = [
        *_handled(stem, receipt.ticket, 0, tickets[0], held["fla_id"], late),
        *_handled(stem, receipt.ticket, 1, tickets[1], followed["fla_id"], late),
    ]
    assert _masked(leaves(notice.root)) == _masked(expected)
    assert re.fullmatch("[0-9]{24}", held["fla_id"])
    assert _picked(held, "reference", "version", "status", "type", "year", "hours") == [
        *("R/2025/E0042", 1, "ACTIVE", "LEGAL", 2025, 3800)
    ]
    assert _picked(followed, "reference", "version", "status", "year", "hours") == [
        *("T/2025/0815", 1, "FOLLOWED", 2025, 400)
    ]
    left = {r["type"]: r["hours"] for r in account["remaining"] if r["year"] == 2025}
    assert left["LEGAL"] == 3400
    assert not any(left.get(kind) for kind in ("SECTOR", "EMPLOYER"))


def _picked(facts: dict[str, Any], *names: str) -> list[object]:
    return [facts[name] for name in names]


def _day() -> str:
    text = today()
    return f"{text[:4]}-{text[4:6]}-{text[6:]}"


def _masked(pairs: Iterable[tuple[str, str | None]]) -> list[tuple[str, str | None]]:
    """The hour of an answer is not foretold; that it is one, the schema says."""
    return [(path, None if path == "Form/FormCreationHour" else text) for path, text in pairs]


def _handled(
    stem: str, ticket: str, number: int, own: str, fla_id: str, late: int
) -> list[tuple[str, str | None]]:
    """A NOTI form for one of the two forms of the set above; ``late`` is the training's line."""
    worker = PERSONS[0]
    original = ["FLA001", "2026-01-20", f"09:00:00.00{number}", "0", "SU"]
    pairs: list[tuple[str, str | None]] = [
        *zip(HEADER, ["NOTI001", _day(), None, "0", "FA"], strict=True),
        ("FileReference/FileName", f"FI.{stem}.1.1"),
        ("FileReference/ReferenceOrigin", "2"),
        ("FileReference/ReferenceNbr", ticket),
        ("HandledOriginalFile/SenderId", "000001"),
        *((f"HandledOriginalForm/{n}", t) for n, t in zip(HEADER, original, strict=True)),
    ]
    if number == 0:
        given = {"ReferenceType": "1", "ReferenceOrigin": "1", "ReferenceNbr": "HR-2025-000001"}
        pairs += [(f"Reference/{name}", text) for name, text in given.items()]
    pairs += [("EmployerId/NOSSRegistrationNbr", NSSO), ("EmployerId/CompanyID", EMPLOYER)]
    pairs += [("NaturalPerson/INSS", worker)]
    if number == 1:
        pairs += [("NaturalPerson/NaturalPersonUserReference", "E0042")]
    pairs += [
        ("HandledReference/ReferenceType", "1"),
        ("HandledReference/ReferenceOrigin", "2"),
        ("HandledReference/ReferenceNbr", own),
        ("HandlingResult/ResultCode", "1"),
    ]
    if number == 1:  # the deadline of the training's quarter is long past
        report = {"ErrorID": "FLB04-460", "TagName": "TrainingIn", "AnomalyClass": "W"}
        report |= {"AnomalyLocation/LineNbr": f"{late}", "AnomalyLocation/Location": "1,2,8"}
        report |= {"Path/CompanyID": EMPLOYER, "Path/INSS": worker}
        pairs += [(f"HandlingResult/AnomalyReport/{name}", text) for name, text in report.items()]
    result = {
        "FLAId": fla_id,
        "Version": "1",
        "RegistrantReference": ("R/2025/E0042", "T/2025/0815")[number],
        "RemainingHours[type=LEGAL]": ("3800", "3400")[number],
        "RemainingHours[type=SECTOR]": "0",
        "RemainingHours[type=EMPLOYER]": "0",
    }
    pairs += [(f"ApplicationData/FLAResult/{name}", text) for name, text in result.items()]
    return [(f"Form/{path}", text) for path, text in pairs]


def test_go_comes_last_of_an_answer(official: Official) -> None:
    """Seen in the folder itself: FO and FS have their names before GO gets its own."""
    arrivals = _Arrivals()
    observer = Observer()
    observer.schedule(arrivals, str(official.instance.folder("000001", "OUT")))
    observer.start()
    try:
        stem = official.send(declaration(right("R/last", inss=person(700_001))))
        official.employer.out.verdict(stem)
        assert arrivals.enough.wait(60)
    finally:
        observer.stop()
        observer.join()
    for layer in ("ACRF", "NOTI"):
        [go] = [name for name in arrivals.names if name.startswith(f"GO.{layer}.")]
        before = arrivals.names[: arrivals.names.index(go)]
        assert {f"{kind}{go[2:]}.1" for kind in ("FO", "FS")} <= set(before)


class _Arrivals(FileSystemEventHandler):
    """The names that files got in a folder, in order, each at its first."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.enough = threading.Event()

    def on_any_event(self, event: FileSystemEvent) -> None:
        if event.is_directory or event.event_type not in ("created", "moved"):
            return
        name = str(event.dest_path or event.src_path).rpartition("/")[2]
        if name not in self.names:
            self.names.append(name)
        if all(any(n.startswith(f"GO.{layer}.") for n in self.names) for layer in ("ACRF", "NOTI")):
            self.enough.set()


def _plain(number: int) -> bytes:
    return declaration(right(f"R/refused/{number}", inss=person(710_000 + number)))


def _edited(number: int, old: bytes, new: bytes) -> bytes:
    fi = _plain(number)
    assert fi.count(old) >= 1
    return fi.replace(old, new)


DOCTYPE = b'<!DOCTYPE FLADeclaration [<!ENTITY a "x">]>\n<FLADeclaration '
Broken = tuple[bytes, Callable[[Official, bytes], bytes | None], str, list[str]]


def _signed(official: Official, fi: bytes) -> bytes:
    return official.openssl.sign(fi, official.employer.sender)


def _before_a_change(official: Official, fi: bytes) -> bytes:
    return _signed(official, fi.replace(b">3800<", b">1800<"))


def _by_a_stranger(official: Official, fi: bytes) -> bytes:
    return official.openssl.sign(fi, official.stranger)


def _with_the_mandatarys(official: Official, fi: bytes) -> bytes:
    return official.openssl.sign(fi, official.mandatary.sender)


def _no_fs(_official: Official, _fi: bytes) -> None:
    return None


BROKEN: dict[str, Broken] = {
    "changed after signing": (_plain(1), _before_a_change, "FLAD.R", ["ACRF-125"]),
    "another certificate of the same CA": (_plain(2), _by_a_stranger, "FLAD.R", ["ACRF-153"]),
    "the certificate of another channel": (_plain(3), _with_the_mandatarys, "FLAD.R", ["ACRF-153"]),
    "no FS": (_plain(4), _no_fs, "FLAD.R", ["ACRF-122"]),
    "unknown purpose code": (_plain(5), _signed, "QQQQ.R", ["ACRF-129"]),
    "official purpose code, not served": (_plain(6), _signed, "DMFA.R", ["ACRF-154"]),
    "DOCTYPE": (_edited(7, b"<FLADeclaration ", DOCTYPE), _signed, "FLAD.R", ["ACRF-003"]),
    "not well-formed": (_edited(8, b"</TypeForm>", b""), _signed, "FLAD.R", ["ACRF-102"]),
    "T in IN": (_plain(9), _signed, "FLAD.T", ["ACRF-119"]),
    "S in IN": (_plain(10), _signed, "FLAD.S", ["ACRF-257"]),
    "no letter": (_plain(11), _signed, "FLAD.X", ["ACRF-117"]),
    "two mistakes": (_plain(12), _by_a_stranger, "QQQQ.R", ["ACRF-129", "ACRF-153"]),
}


@pytest.fixture(scope="module")
def refused(official: Official) -> dict[str, str]:
    """All of BROKEN sent in one session; the stem of each."""
    stems: dict[str, str] = {}
    lines: list[str] = []
    for name, (fi, make_fs, where, _) in BROKEN.items():
        code, letter = where.split(".")
        stem = stems[name] = new_stem("000001", letter, code)
        fs = make_fs(official, fi)
        files = {f"FI.{stem}.1.1": fi} | ({f"FS.{stem}.1.1": fs} if fs is not None else {})
        lines += official.employer.puts(files | {f"GO.{stem}.1": b""})
    official.employer.session(*lines)
    return stems


@pytest.mark.parametrize("name", BROKEN)
def test_a_wrong_set_is_refused_by_its_acrf(
    official: Official, refused: dict[str, str], name: str
) -> None:
    receipt, notice = official.employer.out.verdict(refused[name])
    assert sorted(receipt.codes) == BROKEN[name][3]
    assert notice is None
    assert receipt.about == f"GO.{refused[name]}.1"
    letter = refused[name][-1]
    assert receipt.name.split(".")[5] == (letter if letter in "RTS" else "R")


def test_the_letter_r_in_intest_is_refused_in_outtest(official: Official) -> None:
    stem = new_stem("000001")
    official.employer.put({f"FI.{stem}.1.1": _plain(20), f"GO.{stem}.1": b""}, "INTEST")
    assert official.employer.outtest.codes(stem) == ["ACRF-118"]
    assert official.employer.out.about(stem) == []


def test_a_service_that_is_not_granted_is_refused_until_it_is(official: Official) -> None:
    official.instance.command("channel", "revoke", "000002", "FLA").done()
    try:
        stem = official.send(_plain(21), official.mandatary)
        assert official.mandatary.out.codes(stem) == ["ACRF-154"]
    finally:
        official.instance.command("channel", "grant", "000002", "FLA").done()
    stem = official.send(declaration(right("R/granted", employer="1000000021")), official.mandatary)
    assert official.mandatary.out.judged(stem)[0].result == "1"


def test_submission_show_gives_the_text_of_a_code(
    official: Official, refused: dict[str, str]
) -> None:
    stem = refused["changed after signing"]
    official.employer.out.verdict(stem)
    shown = official.instance.json("submission", "show", stem)
    [finding] = shown["findings"]
    assert finding["error_id"] == "ACRF-125"
    assert len(finding["text"]) > 20
    assert len(shown["answers"]) == 1


def test_nothing_of_a_refused_set_is_recorded(official: Official, refused: dict[str, str]) -> None:
    for stem in refused.values():
        official.employer.out.verdict(stem)
    said = official.instance.commands(
        *(
            ["account", "show", person(710_000 + n), "--employer", EMPLOYER, "--json"]
            for n in range(1, 13)
        )
    )
    for each in said:
        account = each.done().document
        assert (account["rights"], account["trainings"]) == ([], [])


def test_a_stranger_cannot_log_in(official: Official) -> None:
    """Not with a key of nobody, and not with the key of another as the employer."""
    for who in (official.stranger, official.mandatary.sender):
        pretender = replace(official.employer.sender, identity=who.identity)
        ended = replace(official.employer, sender=pretender).attempt("ls IN")
        assert ended.returncode != 0
        assert "Permission denied" in ended.stderr


def test_openssl_accepts_every_answer_of_this_run(
    official: Official, refused: dict[str, str]
) -> None:
    answers = [a for who in (official.employer, official.mandatary) for a in who.out.seen.values()]
    assert len(answers) > len(refused) / 2
    for answer in answers:
        official.openssl.verify(answer, official.instance.institution)
