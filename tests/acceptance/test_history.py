"""What was sent before: repeats, replays, and what is judged afresh once all is in order."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from batch.identifiers import Quarter
from fixtures.certificates import PKI
from fixtures.declared import fs
from tests.acceptance.answers import Outbox
from tests.acceptance.clients import Mail, named, new_stem
from tests.acceptance.conftest import Registered, Serving
from tests.acceptance.instance import Instance, enterprise
from tests.declarations import CLIENTS, EMPLOYER, declaration, person, right

WORKERS = count(750_000)
FORMER = enterprise(77)
"""An employer whose mandate to the secretariat has ended."""
UNKNOWN = CLIENTS[2]
"""An employer who is in no register."""


@dataclass
class Channel:
    """A served instance and its employer's connection."""

    instance: Instance
    registered: Registered
    mail: Mail

    def send(self, fi: bytes, signer: str = "employer", stem: str | None = None) -> str:
        stem = stem or new_stem("000001")
        self.mail.put(named(stem, (fi, fs(fi, signer))))
        return stem

    def accepted(self, stem: str) -> list[str]:
        return [form.result for form in self.mail.out.judged(stem)]


@pytest.fixture(scope="module")
def channel(serving: Serving, registered: Registered) -> Iterator[Channel]:
    instance = serving()
    instance.serve()
    with Mail(instance, registered.employer) as mail:
        yield Channel(instance, registered, mail)


@dataclass(frozen=True)
class Disk:
    """A sender's folders as the operator finds them."""

    instance: Instance
    sender: str

    def names(self, folder: str) -> list[str]:
        return [path.name for path in self.instance.folder(self.sender, folder).iterdir()]

    def fetch(self, folder: str, names: Iterable[str]) -> dict[str, bytes]:
        home = self.instance.folder(self.sender, folder)
        return {name: (home / name).read_bytes() for name in names}


def one() -> bytes:
    """An FI of one right of a worker of its own."""
    worker = next(WORKERS)
    return declaration(right(f"R/history/{worker}", inss=person(worker)))


@pytest.mark.shows("ACRF-125")
def test_after_a_wrong_signature_the_same_fi_is_judged_afresh_under_a_new_name(
    channel: Channel,
) -> None:
    fi = one()
    stem = new_stem("000001")
    channel.mail.put(named(stem, (fi, fs(one()))))
    assert channel.mail.out.codes(stem) == ["ACRF-125"]
    assert channel.accepted(channel.send(fi)) == ["1"]


@pytest.mark.shows("ACRF-153")
def test_after_a_certificate_was_registered_late_the_same_set_is_judged_afresh(
    channel: Channel,
) -> None:
    fi = one()
    assert channel.mail.out.codes(channel.send(fi, "renewed")) == ["ACRF-153"]
    file = PKI / "renewed.pem"
    channel.instance.command("channel", "certificate", "000001", file).done()
    assert channel.accepted(channel.send(fi, "renewed")) == ["1"]


@pytest.mark.shows("ACRF-154")
def test_after_a_service_was_granted_late_the_same_fi_is_judged_afresh(channel: Channel) -> None:
    fi = one()
    channel.instance.command("channel", "revoke", "000001", "FLA").done()
    assert channel.mail.out.codes(channel.send(fi)) == ["ACRF-154"]
    channel.instance.command("channel", "grant", "000001", "FLA").done()
    assert channel.accepted(channel.send(fi)) == ["1"]


@pytest.mark.shows("NOTI-155")
def test_after_a_mandate_was_granted_late_the_same_fi_is_judged_afresh(channel: Channel) -> None:
    """A NOTI that refused every form: the FI was right and is no replay."""
    secretariat = channel.registered.mandatary
    parties = ("--employer", FORMER, "--mandatary", CLIENTS[0], "--service", "FLA")
    channel.instance.command("enterprise", "add", FORMER, "--name", "Former client").done()
    channel.instance.command(
        "mandate", "grant", *parties, "--from", "2024Q1", "--until", "2024Q4"
    ).done()
    fi = declaration(right("R/late", employer=FORMER, inss=person(next(WORKERS))))
    with Mail(channel.instance, secretariat) as mail:
        first, second = new_stem(secretariat.number), new_stem(secretariat.number)
        mail.put(named(first, (fi, fs(fi, "mandatary"))))
        [form] = mail.out.judged(first)
        assert [code for code, _ in form.blocking] == ["00014-155"]
        quarter = Quarter.of(datetime.now(UTC).astimezone(ZoneInfo("Europe/Brussels")).date())
        channel.instance.command("mandate", "grant", *parties, "--from", quarter).done()
        mail.put(named(second, (fi, fs(fi, "mandatary"))))
        [form] = mail.out.judged(second)
        assert form.result == "1"


@pytest.mark.shows("ACRF-133")
def test_a_replay_says_so_in_its_own_words_and_names_the_first(channel: Channel) -> None:
    """One form of it was accepted: that is enough. A used name is told in other words."""
    fi = declaration(
        right("R/replay/1", inss=person(next(WORKERS))),
        right("R/replay/2", inss=person(next(WORKERS)), employer=UNKNOWN, number=1),
    )
    first = channel.send(fi)
    assert channel.accepted(first) == ["1", "0"]
    replay = channel.send(fi)
    assert channel.mail.out.codes(replay) == ["ACRF-133"]
    assert first in _words(channel, replay)
    assert "replay" in _words(channel, replay)
    used = channel.send(one())
    channel.mail.out.verdict(used)
    channel.send(one(), stem=used)
    assert len(channel.mail.out.wait(used, 3)) == 3
    [other] = channel.instance.json("submission", "show", used)["others"]
    [finding] = other["findings"]
    assert (finding["error_id"], "replay" in finding["explanation"]) == ("ACRF-133", False)


def _words(channel: Channel, stem: str) -> str:
    [finding] = channel.instance.json("submission", "show", stem)["findings"]
    return str(finding["explanation"])


def test_in_a_test_the_same_content_may_come_under_any_name(channel: Channel) -> None:
    """A tester sends the same files over and over; only production knows replays."""
    fi = one()
    for _ in range(2):
        stem = new_stem("000001", "T")
        channel.mail.put(named(stem, (fi, None)), "INTEST")
        assert channel.mail.outtest.codes(stem) == []
    assert channel.accepted(channel.send(fi)) == ["1"], "what was tested is no replay in production"


@pytest.mark.shows("ACRF-133")
def test_a_replay_is_known_part_by_part(channel: Channel) -> None:
    """A part of which no form was accepted may come again; one that was, sinks its whole set."""
    good, bad = (
        one(),
        declaration(right("R/parts/bad", inss=person(next(WORKERS)), employer=UNKNOWN)),
    )
    fresh = one()
    first, alone, both = (new_stem("000001") for _ in range(3))
    channel.mail.put(named(first, (good, fs(good)), (bad, fs(bad))))
    assert channel.accepted(first) == ["1", "0"]
    channel.mail.put(named(alone, (bad, fs(bad))))
    assert channel.accepted(alone) == ["0"]
    channel.mail.put(named(both, (fresh, fs(fresh)), (good, fs(good))))
    assert channel.mail.out.codes(both) == ["ACRF-133"]
    assert channel.accepted(channel.send(fresh)) == ["1"]


def test_the_same_fi_under_two_names_in_the_same_moment_is_accepted_once(channel: Channel) -> None:
    """Two connections start both sets at once: one is accepted, the other is its replay."""
    pairs = [(one(), (new_stem("000001"), new_stem("000001"))) for _ in range(12)]
    for fi, stems in pairs:
        for stem in stems:
            files = named(stem, (fi, fs(fi)))
            del files[f"GO.{stem}.1"]
            channel.mail.put(files)
    _at_once(channel, [stems for _, stems in pairs])
    for _, stems in pairs:
        answers = [channel.mail.out.verdict(stem) for stem in stems]
        codes = sorted(receipt.codes for receipt, _ in answers)
        assert codes == [[], ["ACRF-133"]]
        [notice] = [notice for _, notice in answers if notice is not None]
        assert [form.result for form in notice.forms] == ["1"]


def test_two_names_of_an_fi_that_is_refused_are_both_judged(channel: Channel) -> None:
    """The first is no replay's original: every form of it was refused."""
    worker = next(WORKERS)
    fi = declaration(right("R/twice/refused", inss=person(worker), employer=UNKNOWN))
    stems = (new_stem("000001"), new_stem("000001"))
    for stem in stems:
        channel.mail.put({f"FI.{stem}.1.1": fi, f"FS.{stem}.1.1": fs(fi)})
    _at_once(channel, [stems])
    assert [channel.accepted(stem) for stem in stems] == [["0"], ["0"]]


def _at_once(channel: Channel, stems: list[tuple[str, str]]) -> None:
    """The GO of both stems of each pair over two connections, pair by pair in the same moment."""
    together = threading.Barrier(2, timeout=60)
    failed: list[BaseException] = []

    def start(side: int) -> None:
        try:
            with Mail(channel.instance, channel.registered.employer) as mail:
                for pair in stems:
                    together.wait()
                    mail.put({f"GO.{pair[side]}.1": b""})
        except BaseException as error:
            failed.append(error)
            together.abort()

    hands = [threading.Thread(target=start, args=(side,)) for side in (0, 1)]
    for hand in hands:
        hand.start()
    for hand in hands:
        hand.join()
    assert failed == []


@pytest.mark.shows("ACRF-103")
def test_what_lies_in_the_inbox_of_a_closed_channel_is_answered_by_103(channel: Channel) -> None:
    """It was uploaded before, or put there by an operator; its sender gets in no more."""
    tester = channel.registered.tester
    channel.instance.command("channel", "close", tester.number).done()
    stem = new_stem(tester.number, "T")
    _copy(named(stem, (one(), None)), channel.instance.folder(tester.number, "INTEST"))
    outbox = Outbox(Disk(channel.instance, tester.number), "OUTTEST")
    assert outbox.codes(stem) == ["ACRF-103"]


def _copy(files: dict[str, bytes], folder: Path) -> None:
    for name, content in files.items():
        (folder / name).write_bytes(content)


@pytest.mark.slow
@pytest.mark.shows("ACRF-130", "ACRF-277")
@pytest.mark.parametrize(("end", "code"), [(None, "ACRF-130"), ("TD", "ACRF-277")])
def test_what_was_never_started_or_was_cancelled_is_judged_afresh_under_a_new_name_alone(
    serving: Serving, registered: Registered, end: str | None, code: str
) -> None:
    """Its own name is used up: a GO that comes late, or all of it again, starts nothing."""
    instance = serving(unfinished_seconds=8)
    instance.serve()
    fi, stem = one(), new_stem("000001")
    files = named(stem, (fi, fs(fi)))
    started = f"GO.{stem}.1"
    with Mail(instance, registered.employer) as mail:
        mail.put({name: content for name, content in files.items() if name != started})
        if end is not None:
            mail.put({f"{end}.{stem}.1": b""})
        assert mail.out.codes(stem) == [code]
        mail.put({started: b""})
        mail.put(files)
        again = new_stem("000001")
        mail.put(named(again, (fi, fs(fi))))
        assert [form.result for form in mail.out.judged(again)] == ["1"]
        _wait_until_empty(mail)
        mail.out.look()
        assert len(mail.out.about(stem)) == 1


def _wait_until_empty(mail: Mail) -> None:
    """A GO that starts nothing goes after its grace, as what it was waiting for did not come."""
    deadline = time.monotonic() + 60
    while listed := mail.names("IN"):
        assert time.monotonic() < deadline, listed
        time.sleep(0.2)


def test_what_is_repeated_while_it_is_handled_gets_no_second_answer(channel: Channel) -> None:
    """The same set three times in a row, its last GO alone."""
    worker = person(next(WORKERS))
    fi = declaration(right("R/repeated", inss=worker))
    stem = new_stem("000001")
    files = named(stem, (fi, fs(fi)))
    for again in (files, files, {f"GO.{stem}.1": b""}):
        channel.mail.put(again)
    assert channel.accepted(stem) == ["1"]
    channel.mail.out.verdict(channel.send(one()))
    assert len(channel.mail.out.about(stem)) == 2
    shown = channel.instance.json("account", "show", worker, "--employer", EMPLOYER)
    assert len(shown["rights"]) == 1
