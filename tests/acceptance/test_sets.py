"""A set is taken once, whatever its files' order and way; what came before is never contradicted.

The sender's part is openssl and OpenSSH's sftp alone.
"""

from __future__ import annotations

import subprocess

import pytest

from tests.acceptance.answers import Answer
from tests.acceptance.clients import new_stem
from tests.acceptance.conftest import ENDED, LATER, NEVER, Official
from tests.declarations import (
    CLIENTS,
    EMPLOYER,
    declaration,
    person,
    right,
    right_update,
)

pytestmark = pytest.mark.needs("openssl", "sftp", "ssh-keygen", "base64")


def _fi(number: int, *, hours: int = 3800) -> bytes:
    return declaration(right(f"R/sets/{number}", inss=person(720_000 + number), hours=hours))


def _files(official: Official, stem: str, fi: bytes) -> dict[str, bytes]:
    fs = official.openssl.sign(fi, official.employer.sender)
    return {f"FI.{stem}.1.1": fi, f"FS.{stem}.1.1": fs, f"GO.{stem}.1": b""}


def _account(official: Official, number: int, environment: str = "production") -> list[str]:
    """The references of the rights of the ``number``-th worker of this module."""
    shown = official.instance.json(
        *("account", "show", person(720_000 + number), "--employer", EMPLOYER),
        *("--environment", environment),
    )
    return [held["reference"] for held in shown["rights"]]


def _after_another(official: Official, stem: str, number: int) -> list[Answer]:
    """The answers about ``stem`` once a set sent after it has its own."""
    official.employer.out.verdict(official.send(_fi(number)))
    return official.employer.out.about(stem)


def test_an_identical_repeat_is_taken_and_gets_no_new_answer(official: Official) -> None:
    """Also when its FS is another one: the FI alone is the identity."""
    stem = official.send(_fi(1))
    before = official.employer.out.wait(stem)
    official.send(_fi(1), stem=stem)
    files = _files(official, stem, _fi(1))
    official.employer.put({**files, f"FS.{stem}.1.1": files[f"FS.{stem}.1.1"].replace(b"\n", b"")})
    after = _after_another(official, stem, 2)
    assert [(a.name, a.sent) for a in after] == [(a.name, a.sent) for a in before]
    assert len(after) == 2


@pytest.mark.shows("ACRF-133")
def test_other_content_under_a_used_stem_gets_its_own_133(official: Official) -> None:
    stem = official.send(_fi(3))
    receipt, _ = official.employer.out.verdict(stem)
    official.send(_fi(3, hours=1900), stem=stem)
    answers = official.employer.out.wait(stem, 3)
    [new] = [a for a in answers if a.layer == "ACRF" and a.name != receipt.name]
    assert new.codes == ["ACRF-133"]
    assert new.ticket != receipt.ticket
    assert len(_after_another(official, stem, 4)) == 3
    shown = official.instance.json("account", "show", person(720_003), "--employer", EMPLOYER)
    assert [held["hours"] for held in shown["rights"]] == [3800]


def test_a_stem_is_used_up_by_a_refusal_too(official: Official) -> None:
    """The right FS under the stem of a refused set changes nothing; right content gets 133."""
    stem = new_stem("000001")
    tampered = _files(official, stem, _fi(5, hours=1))
    official.employer.put({**tampered, f"FI.{stem}.1.1": _fi(5)})
    assert official.employer.out.codes(stem) == ["ACRF-125"]
    official.employer.put(_files(official, stem, _fi(5)))
    assert len(_after_another(official, stem, 6)) == 1
    official.employer.put(_files(official, stem, _fi(5, hours=1)))
    answers = official.employer.out.wait(stem, 2)
    assert sorted(code for a in answers for code in a.codes) == ["ACRF-125", "ACRF-133"]


@pytest.mark.shows("ACRF-133")
def test_the_same_fi_under_a_new_stem_is_a_replay_once_it_was_accepted(official: Official) -> None:
    official.employer.out.verdict(official.send(_fi(7)))
    assert official.employer.out.codes(official.send(_fi(7))) == ["ACRF-133"]


def test_the_same_fi_after_a_wrong_fs_is_judged_afresh(official: Official) -> None:
    stem = new_stem("000001")
    files = _files(official, stem, _fi(8, hours=1))
    official.employer.put({**files, f"FI.{stem}.1.1": _fi(8)})
    assert official.employer.out.codes(stem) == ["ACRF-125"]
    [form] = official.employer.out.judged(official.send(_fi(8)))
    assert form.result == "1"
    assert _account(official, 8) == ["R/sets/8"]


@pytest.mark.shows("ACRF-277")
def test_a_cancelled_set_is_answered_by_277(official: Official) -> None:
    """TD comes before GO; a GO that comes later finds nothing to start."""
    stem = new_stem("000001")
    files = _files(official, stem, _fi(9))
    go = files.pop(f"GO.{stem}.1")
    official.employer.put(files | {f"TD.{stem}.1": b""})
    receipt, notice = official.employer.out.verdict(stem)
    assert (receipt.codes, notice) == (["ACRF-277"], None)
    official.employer.put({f"GO.{stem}.1": go})
    assert len(_after_another(official, stem, 10)) == 1
    assert _account(official, 9) == []


def test_a_cancellation_after_go_is_too_late(official: Official) -> None:
    stem = official.send(_fi(11))
    lines = official.employer.puts({f"TD.{stem}.1": b""})
    assert official.employer.attempt(*lines).returncode != 0
    [form] = official.employer.out.judged(stem)
    assert form.result == "1"


def test_a_test_without_signature_is_recorded_in_the_test_ledger_alone(official: Official) -> None:
    stem = new_stem("000001", "T")
    official.employer.put({f"FI.{stem}.1.1": _fi(12), f"GO.{stem}.1": b""}, "INTEST")
    [form] = official.employer.outtest.judged(stem)
    assert form.result == "1"
    assert official.employer.out.about(stem) == []
    assert _account(official, 12, "test") == ["R/sets/12"]
    assert _account(official, 12) == []


def test_a_simulation_is_judged_against_the_test_ledger_and_recorded_nowhere(
    official: Official,
) -> None:
    """An update finds what an earlier test created, and leaves it as it was."""
    created, simulated = new_stem("000001", "T"), new_stem("000001", "S")
    update = right_update("R/sets/13", inss=person(720_013), hours=1900)
    new = right("R/sets/13/new", inss=person(720_013), kind="SECTOR", committee="200", number=1)
    official.employer.put({f"FI.{created}.1.1": _fi(13), f"GO.{created}.1": b""}, "INTEST")
    official.employer.outtest.verdict(created)
    fi = declaration(update, new)
    official.employer.put({f"FI.{simulated}.1.1": fi, f"GO.{simulated}.1": b""}, "INTEST")
    assert [form.result for form in official.employer.outtest.judged(simulated)] == ["1", "1"]
    shown = official.instance.json(
        *("account", "show", person(720_013), "--employer", EMPLOYER, "--environment", "test")
    )
    assert [(h["reference"], h["version"], h["hours"]) for h in shown["rights"]] == [
        ("R/sets/13", 1, 3800)
    ]
    assert _account(official, 13) == []


def test_two_parts_are_one_set_with_one_acrf_and_one_noti(official: Official) -> None:
    """Also when the second part comes first; the forms are answered in the order of the parts."""
    stem = new_stem("000001")
    parts = {
        number: declaration(
            *(
                right(f"R/parts/{number}/{n}", inss=person(720_100 + 10 * number + n), number=n)
                for n in range(2)
            )
        )
        for number in (2, 1)
    }
    files: dict[str, bytes] = {}
    for number, fi in parts.items():
        files[f"FI.{stem}.2.{number}"] = fi
        files[f"FS.{stem}.2.{number}"] = official.openssl.sign(fi, official.employer.sender)
    official.employer.put(files | {f"GO.{stem}.2": b""})
    forms = official.employer.out.judged(stem)
    assert [(f.part, f.reference, f.result) for f in forms] == [
        (f"FI.{stem}.2.{number}", f"R/parts/{number}/{n}", "1") for number in (1, 2) for n in (0, 1)
    ]


def test_files_that_come_after_go_but_within_the_grace_are_waited_for(official: Official) -> None:
    stem = new_stem("000001")
    files = _files(official, stem, _fi(14))
    later = official.employer.puts(files)
    official.employer.session(later[2], "!sleep 0.4", later[0], "!sleep 0.4", later[1])
    [form] = official.employer.out.judged(stem)
    assert form.result == "1"


def test_a_file_renamed_into_its_place_counts_from_then_on(official: Official) -> None:
    """As clients do that upload under a name of their own first."""
    stem = new_stem("000001")
    files = _files(official, stem, _fi(19))
    lines: list[str] = []
    for name, put in zip(files, official.employer.puts(files), strict=True):
        lines += [f"{put}.filepart", f"rename IN/{name}.filepart IN/{name}"]
    official.employer.session(*lines)
    [form] = official.employer.out.judged(stem)
    assert form.result == "1"


def test_an_answer_disappears_by_the_senders_hand_alone_and_stays_away(official: Official) -> None:
    stem = official.send(_fi(20))
    receipt, notice = official.employer.out.verdict(stem)
    assert notice is not None
    kept = {f"{kind}{notice.name[2:]}" for kind in ("FO", "FS")} | {f"GO{notice.name[2:-2]}"}
    mine = [f"{kind}{receipt.name[2:]}" for kind in ("FO", "FS")] + [f"GO{receipt.name[2:-2]}"]
    official.employer.session(*(f"rm OUT/{name}" for name in mine))
    official.employer.out.verdict(official.send(_fi(21)))
    listed = set(official.employer.names("OUT"))
    assert listed.isdisjoint(mine)
    assert kept <= listed


def test_names_without_total_and_part_are_read_and_answered_with_both(official: Official) -> None:
    """Older senders leave them out; answers always have them."""
    stem = new_stem("000001")
    fi = _fi(15)
    fs = official.openssl.sign(fi, official.employer.sender)
    official.employer.put({f"FI.{stem}": fi, f"FS.{stem}": fs, f"GO.{stem}": b""})
    receipt, notice = official.employer.out.verdict(stem)
    assert notice is not None
    assert receipt.about == f"GO.{stem}"
    assert [f.part for f in notice.forms] == [f"FI.{stem}"]
    assert receipt.name.endswith(".R.1.1")


def test_files_copied_into_in_by_an_operator_are_answered(official: Official) -> None:
    """By ``cp``, as ordinary files with an ordinary mode: the sweep finds them."""
    stem = new_stem("000001")
    files = _files(official, stem, _fi(16))
    official.employer.puts(files)
    inbox = official.instance.folder("000001", "IN")
    subprocess.run(["cp", *files, inbox], cwd=official.employer.home, check=True)
    [form] = official.employer.out.judged(stem)
    assert form.result == "1"
    assert _account(official, 16) == ["R/sets/16"]


def test_the_inbox_is_empty_once_all_is_answered(official: Official) -> None:
    stem = official.send(_fi(17))
    official.employer.out.verdict(stem)
    [form] = official.employer.out.judged(official.send(_fi(18)))
    assert form.result == "1"
    assert not [name for name in official.employer.names("IN") if stem in name]


@pytest.mark.shows("NOTI-101", "NOTI-155", "NOTI-230")
def test_a_mandatary_speaks_for_its_clients_alone(official: Official) -> None:
    """One file for five employers: each form by its own mandate."""
    own, client, _ = CLIENTS
    employers = (client, NEVER, CLIENTS[2], ENDED, own)
    forms = [
        right(f"R/mandate/{n}", employer=number, inss=person(720_200 + n), number=n)
        for n, number in enumerate(employers)
    ]
    stem = official.send(declaration(*forms), official.mandatary)
    judged = official.mandatary.out.judged(stem)
    assert [(f.result, [code for code, _ in f.blocking]) for f in judged] == [
        ("1", []),
        ("0", ["00014-230"]),
        ("0", ["00014-101"]),
        ("0", ["00014-155"]),
        ("1", []),
    ]


def test_an_employer_speaks_for_nobody_else(official: Official) -> None:
    fi = declaration(right("R/not-mine", employer=CLIENTS[1]))
    [form] = official.employer.out.judged(official.send(fi))
    assert [code for code, _ in form.blocking] == ["00014-230"]


def test_a_set_refused_for_want_of_a_mandate_is_judged_afresh_once_it_is_there(
    official: Official,
) -> None:
    """The FI was right; a NOTI that refused every form does not make it a replay."""
    fi = declaration(right("R/late-mandate", employer=LATER))
    [form] = official.mandatary.out.judged(official.send(fi, official.mandatary))
    assert [code for code, _ in form.blocking] == ["00014-230"]
    parties = ("--employer", LATER, "--mandatary", CLIENTS[0])
    official.instance.command(
        *("mandate", "grant", *parties, "--service", "FLA", "--from", "2024Q1")
    ).done()
    [form] = official.mandatary.out.judged(official.send(fi, official.mandatary))
    assert form.result == "1"
