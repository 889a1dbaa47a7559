"""Sets of other services: validated as a whole, answered by an ACRF, handed to their destination.

The services are those an operator would write into settings.toml (``fixtures/services``); the
destinations are real directories and a real command.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from fixtures import services
from fixtures.services import form, message
from tests.acceptance.clients import Mail, OpenSsl, named, new_stem
from tests.acceptance.conftest import Registered, Serving
from tests.acceptance.instance import numbers_of_persons
from tests.acceptance.servicing import Channel, dimona, until
from tests.declarations import CLIENTS, EMPLOYER, PERSONS, declaration, person, right

pytestmark = pytest.mark.needs("openssl")

TAKE = """\
if [ -e {gate} ]; then sleep 60 & echo $! > {gate}.child; wait; fi
mkdir -p {taken}
cp manifest.json {taken}/$FLA_BATCH_TICKET.json
env > {taken}/$FLA_BATCH_TICKET.env
"""


@pytest.fixture(scope="module")
def channel(
    serving: Serving, registered: Registered, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Channel]:
    instance = serving()
    services.bring(instance.data)
    taken, gate = instance.data / "handed" / "dmfa", instance.root / "gate"
    script = instance.root / "take.sh"
    script.write_text(TAKE.format(taken=taken, gate=gate))
    settings = instance.data / "settings.toml"
    settings.write_text(settings.read_text().replace('"take.sh"', json.dumps(str(script))))
    for sender in (registered.employer, registered.mandatary):
        for name in services.NAMES:
            instance.command("channel", "grant", sender.number, name).done()
    instance.serve()
    openssl = OpenSsl(tmp_path_factory.mktemp("openssl"))
    with Mail(instance, registered.employer) as one, Mail(instance, registered.mandatary) as two:
        yield Channel(instance, openssl, registered, one, two)


def test_a_set_is_answered_by_one_acrf_and_handed_over_whole(channel: Channel) -> None:
    fi = dimona(worker=1)
    stem = channel.send("DIMN", fi)
    assert channel.codes(stem) == []
    shown = channel.handed(stem)
    assert (shown["verdict"], shown["service"], shown["accepted"]) == ("received", "DIMONA", 1)
    place = channel.place("dimona") / shown["ticket"]
    told = json.loads((place / "manifest.json").read_text("utf-8"))
    names = [f"FI.{stem}.1.1", f"FS.{stem}.1.1"]
    assert sorted(os.listdir(place)) == [*names, "manifest.json"]
    assert [file["name"] for file in told["files"]] == names
    for file in told["files"]:
        held = (place / file["name"]).read_bytes()
        assert (len(held), hashlib.sha256(held).hexdigest()) == (file["size"], file["sha256"])
    assert (place / names[0]).read_bytes() == fi
    expected = {
        "ticket": shown["ticket"],
        "service": "DIMONA",
        "stem": stem,
        "environment": "R",
        "sender_number": channel.registered.employer.number,
        "enterprise": EMPLOYER,
        "quality": "nsso-employer",
        "sealed_at": shown["sealed_at"],
    }
    assert {key: told[key] for key in expected} == expected
    assert [each["layer"] for each in shown["answers"]] == ["ACRF"]
    assert channel.instance.says("handed_over")
    assert numbers_of_persons(channel.instance.log) == set()


def test_tests_go_to_the_tests_destination_or_nowhere(channel: Channel) -> None:
    stem = channel.send("DIMN", dimona(worker=2), letter="T")
    assert channel.codes(stem) == []
    shown = channel.handed(stem)
    assert (channel.place("dimona-test") / shown["ticket"] / f"FI.{stem}.1.1").exists()
    assert not (channel.place("dimona") / shown["ticket"]).exists()
    nowhere = channel.send("LOIC", message("LOIC", form(EMPLOYER, person(910_003))), letter="T")
    assert channel.codes(nowhere) == []
    until(lambda: _state(channel, nowhere) == "answered")
    assert channel.instance.json("submission", "show", nowhere)["delivery"] is None


def _state(channel: Channel, stem: str) -> str:
    return str(channel.instance.json("submission", "show", stem)["state"])


REFUSED = {
    "312": message("DIMN", form(EMPLOYER, "x")),
    "158-root": declaration(right("R/services/1")),
    "158": message("DIMN", form(EMPLOYER, PERSONS[0], identification="DMFA")),
    "089": message("DIMN", root="Dimona"),
    "088": message("DIMN", form(EMPLOYER, PERSONS[0]), schema="DIMONA_20251.xsd"),
    "102": message("DIMN", form(EMPLOYER, PERSONS[0]))[:-3],
    "134": b"",
    "101": message("DIMN", form("0999999922", PERSONS[0])),
    "230": message("DIMN", form("1000000021", PERSONS[0])),
    "275": message("DIMN", *[form(EMPLOYER, PERSONS[0])] * 6),
}


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.shows("ACRF-101", "ACRF-134", "ACRF-158", "ACRF-230", "ACRF-312")
def test_what_reception_refuses(channel: Channel, name: str) -> None:
    stem = channel.send("DIMN", REFUSED[name])
    assert channel.codes(stem) == [f"ACRF-{name[:3]}"]
    shown = channel.instance.json("submission", "show", stem)
    assert (shown["verdict"], shown["delivery"]) == ("refused at reception", None)


def test_every_mistake_of_a_file_is_listed(channel: Channel) -> None:
    fi = message("DIMN", form("0999999922", PERSONS[0]), form("1000000021", PERSONS[0]))
    assert sorted(channel.codes(channel.send("DIMN", fi))) == ["ACRF-101", "ACRF-230"]
    assert sorted(channel.codes(channel.send("DIMN", message("DIMN")))) == ["ACRF-101", "ACRF-157"]


@pytest.mark.shows("ACRF-155", "ACRF-230")
def test_a_mandate_opens_the_way_and_its_end_closes_it(channel: Channel) -> None:
    """Of the service itself: one for the FLA says nothing here."""
    mandatary = CLIENTS[0]
    by = "mandatary"
    assert channel.codes(channel.send("DIMN", dimona(worker=3), by=by), by) == ["ACRF-230"]
    parties = ["--employer", EMPLOYER, "--mandatary", mandatary, "--from", "2020Q1"]
    run = channel.instance.json
    granted = run("mandate", "grant", *parties, "--service", "DIMONA")
    stem = channel.send("DIMN", dimona(worker=3), by=by)
    assert channel.codes(stem, by) == []
    channel.handed(stem)
    channel.instance.command("mandate", "end", granted["id"], "--quarter", "2024Q4").done()
    assert channel.codes(channel.send("DIMN", dimona(worker=4), by=by), by) == ["ACRF-155"]


@pytest.mark.shows("ACRF-121")
def test_a_service_that_takes_no_signature(channel: Channel) -> None:
    """Its GO waits for none: the set is sealed as it is closed."""
    stem = channel.send("LOIC", message("LOIC", form(EMPLOYER, person(910_020))))
    assert channel.instance.says(f'"sealed", "set": "000001.IN.{stem}~1"')
    assert channel.codes(stem) == []
    channel.handed(stem)
    fi = message("LOIC", form(EMPLOYER, person(910_021)))
    signed = new_stem(channel.registered.employer.number, code="LOIC")
    fs = channel.openssl.sign(fi, channel.registered.employer)
    channel.employer.put(named(signed, (fi, fs)), "IN")
    assert channel.codes(signed) == ["ACRF-121"]


@pytest.mark.shows("ACRF-427")
def test_a_command_is_run_in_a_copy_and_with_no_setting_of_ours(channel: Channel) -> None:
    """Senders of a quality that the service does not take are told 427."""
    fi = message("DMFA", form(EMPLOYER, person(910_030)))
    assert channel.codes(channel.send("DMFA", fi)) == ["ACRF-427"]
    stem = channel.send("DMFA", fi, by="mandatary")
    assert channel.codes(stem, "mandatary") == []
    ticket = channel.handed(stem)["ticket"]
    given = (channel.place("dmfa") / f"{ticket}.env").read_text()
    assert f"FLA_BATCH_STEM={stem}\n" in given
    assert "FLA_BATCH_SWEEP_SECONDS" not in given
    assert json.loads((channel.place("dmfa") / f"{ticket}.json").read_text())["stem"] == stem
    assert list((channel.instance.data / "spool" / "hand").iterdir()) == []
    unnamed = message("DMFA", form(EMPLOYER, person(910_031)), schema="")
    assert channel.codes(channel.send("DMFA", unnamed, by="mandatary"), "mandatary") == ["ACRF-088"]


@pytest.mark.slow
def test_a_command_that_hangs_is_killed_with_its_children_and_run_again(channel: Channel) -> None:
    gate = channel.instance.root / "gate"
    gate.touch()
    stem = channel.send("DMFA", message("DMFA", form(EMPLOYER, person(910_032))), by="mandatary")
    assert channel.codes(stem, "mandatary") == []
    until(lambda: _problem(channel, stem))
    assert "had not ended in its time" in str(_problem(channel, stem))
    child = int((channel.instance.root / "gate.child").read_text())
    until(lambda: not Path(f"/proc/{child}").exists())
    gate.unlink()
    assert channel.handed(stem)["delivery"]["problem"] is None


def _problem(channel: Channel, stem: str) -> object:
    return channel.instance.json("submission", "show", stem)["delivery"]["problem"]


def test_a_destination_that_is_away_holds_nobody_up(channel: Channel) -> None:
    """Receipts and other services go on; what waits is handed over when it is back."""
    place, away = channel.place("dimona"), channel.place("dimona-away")
    place.rename(away)
    waiting = [channel.send("DIMN", dimona(worker=40 + n)) for n in range(3)]
    assert [channel.codes(stem) for stem in waiting] == [[], [], []]
    other = channel.send("LOIC", message("LOIC", form(EMPLOYER, person(910_050))))
    assert channel.codes(other) == []
    channel.handed(other)
    fla = channel.send("FLAD", declaration(right("R/services/2", inss=person(910_051))))
    receipt, notice = channel.employer.out.verdict(fla)
    assert (receipt.codes, notice is not None) == ([], True)
    until(lambda: _problem(channel, waiting[0]))
    [listed] = [s for s in channel.instance.json("service", "list") if s["service"] == "DIMONA"]
    assert (listed["waiting"], "there is no such directory" in listed["problem"]) == (3, True)
    away.rename(place)
    for stem in waiting:
        channel.handed(stem)
    assert channel.instance.says("DIMONA: sets are handed over again")


def test_the_same_fi_under_another_name_is_a_replay_unless_the_service_takes_it(
    channel: Channel,
) -> None:
    fi = dimona(worker=60)
    first = channel.send("DIMN", fi)
    assert channel.codes(first) == []
    channel.handed(first)
    assert channel.codes(channel.send("DIMN", fi)) == ["ACRF-133"]
    twice = message("DMFA", form(EMPLOYER, person(910_061)))
    for _ in range(2):
        stem = channel.send("DMFA", twice, by="mandatary")
        assert channel.codes(stem, "mandatary") == []
        channel.handed(stem)


def test_who_was_not_granted_a_service_is_told_154(channel: Channel) -> None:
    number = channel.registered.employer.number
    channel.instance.command("channel", "revoke", number, "DIMONA").done()
    assert channel.codes(channel.send("DIMN", dimona(worker=70))) == ["ACRF-154"]
    channel.instance.command("channel", "grant", number, "DIMONA").done()
    assert channel.codes(channel.send("DIMN", dimona(worker=71))) == []


def test_check_says_the_same_beforehand(channel: Channel) -> None:
    for name, fi in REFUSED.items():
        file = channel.instance.root / f"FI.{new_stem('000001', code='DIMN')}.1.1"
        fs = file.with_name("FS" + file.name[2:])
        file.write_bytes(fi)
        fs.write_bytes(channel.openssl.sign(fi, channel.registered.employer))
        said = channel.instance.command("check", file, fs, "--sender", "000001", "--json")
        [found] = said.document
        assert [a["error_id"] for a in found["reception"]["anomalies"]] == [f"ACRF-{name[:3]}"]
    assert said.code == 1


@pytest.mark.parametrize("signed", [True, False])
def test_check_says_of_a_right_file_that_it_would_be_received(
    channel: Channel, signed: bool
) -> None:
    fi = dimona(worker=90 + signed)
    file = channel.instance.root / f"FI.{new_stem('000001', code='DIMN')}.1.1"
    file.write_bytes(fi)
    files = [file]
    if signed:
        files.append(file.with_name("FS" + file.name[2:]))
        files[1].write_bytes(channel.openssl.sign(fi, channel.registered.employer))
    said = channel.instance.command("check", *files, "--sender", "000001", "--json")
    [found] = said.document
    assert (found["accepted"], found["forms"]) == (signed, [])
    assert [a["error_id"] for a in found["reception"]["anomalies"]] == ["ACRF-122"] * (not signed)
    assert said.code == int(not signed), said.err


def test_send_waits_for_the_receipt_where_no_notification_comes(channel: Channel) -> None:
    sender = channel.registered.employer
    file = channel.instance.root / f"FI.{new_stem(sender.number, code='DIMN')}.1.1"
    file.write_bytes(dimona(worker=95))
    known = channel.instance.root / "known"
    known.write_text(channel.instance.host_key)
    said = channel.instance.command(
        *("send", file, "--host", "127.0.0.1", "--port", channel.instance.port),
        *("--user", sender.user, "--identity", sender.identity, "--host-key", known),
        *("--key", sender.key, "--certificate", sender.certificate),
        *("--institution", channel.instance.institution, "--wait", "--receipt", "--json"),
    )
    [found] = said.done().document["sets"]
    assert (found["verdict"], found["receipt"]["accepted"]) == ("received", True)


def give(channel: Channel, name: str, content: bytes) -> None:
    """As a service does: under a name that is not finished, then the right one."""
    place = channel.place("answers")
    (place / f".{name}").write_bytes(content)
    (place / f".{name}").rename(place / name)


def test_an_answer_of_the_service_comes_signed_into_out_and_once(channel: Channel) -> None:
    number = channel.registered.employer.number
    name = f"{number}.DMNO.R.R-17"
    give(channel, name, b"<DimonaNotification/>")
    until(lambda: _named(channel, "OUT", "GO.DMNO"))
    place = channel.place("answers")
    until(lambda: not (place / name).exists())
    [go] = _named(channel, "OUT", "GO.DMNO")
    fo, fs = f"FO{go[2:]}.1", f"FS{go[2:]}.1"
    got = channel.employer.fetch("OUT", [fo, fs])
    assert got[fo] == b"<DimonaNotification/>"
    channel.openssl.proved(got[fo], got[fs], channel.instance.institution)
    give(channel, name, b"<DimonaNotification/>")
    until(lambda: not (place / name).exists())
    give(channel, f"{number}.DMNO.T.R-17", b"<Test/>")
    until(lambda: _named(channel, "OUTTEST", "GO.DMNO"))
    assert len(_named(channel, "OUT", "GO.DMNO")) == 1
    for folder in ("OUT", "OUTTEST"):  # the sender has read them
        read = [name for name in channel.employer.names(folder) if ".DMNO." in name]
        channel.employer.remove(folder, read)


def test_an_answer_that_cannot_be_posted_is_set_aside_and_told(channel: Channel) -> None:
    number = channel.registered.employer.number
    wrong = {
        "notes.txt": b"?",
        "000099.DMNO.R.1": b"for nobody",
        f"{number}.ACRF.R.1": b"<ACRF/>",
        f"{number}.DMNO.R.empty": b"",
    }
    for name, content in wrong.items():
        give(channel, name, content)
    aside = channel.place("answers") / ".refused"
    until(lambda: aside.is_dir() and sorted(os.listdir(aside)) == sorted(wrong))
    for name, content in wrong.items():
        assert (aside / name).read_bytes() == content
    until(lambda: channel.instance.log.count("an answer was set aside") >= len(wrong))
    assert channel.instance.log.count("an answer was set aside") == len(wrong)
    assert _named(channel, "OUT", "GO.ACRF.999999.R") == []


def _named(channel: Channel, folder: str, begin: str) -> list[str]:
    return [name for name in channel.employer.names(folder) if name.startswith(begin)]


def test_a_restart_hands_over_what_waited_and_nothing_twice(channel: Channel) -> None:
    place, away = channel.place("dimona"), channel.place("dimona-away")
    before = {p.name for p in place.iterdir()}
    place.rename(away)
    stem = channel.send("DIMN", dimona(worker=80))
    assert channel.codes(stem) == []
    until(lambda: _problem(channel, stem))
    channel.instance.kill()
    away.rename(place)
    channel.instance.serve()
    ticket = channel.handed(stem)["ticket"]
    assert {p.name for p in place.iterdir()} == before | {ticket}
