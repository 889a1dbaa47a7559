"""``fla-batch send``: the order of sending, waiting for answers, and every way it may go wrong."""

from __future__ import annotations

import json
import threading
import zipfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from batch.cli.main import run
from fixtures.certificates import PKI
from tests.declarations import rights
from tests.integration.answering import (
    INSTITUTION,
    STEM,
    TICKET,
    Channel,
    accept,
    acrf,
    noti,
    serving,
)


@pytest.fixture
def channel(tmp_path: Path) -> Iterator[Channel]:
    root = tmp_path / "home"
    root.mkdir()
    with serving(root, accept) as made:
        (tmp_path / "host.pub").write_bytes(made.host_key.export_public_key())
        yield made


class Sender:
    """A sender with one FI in its directory."""

    def __init__(self, channel: Channel, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.channel, self.home, self._capsys = channel, home, capsys
        self.fi = home / f"FI.{STEM}.1.1"
        self.fi.write_bytes(rights(3))
        self.said = self.complained = ""

    def __call__(self, *arguments: object, sign: bool = True) -> int:
        """Send; the exit code."""
        place = ["--host", "127.0.0.1", "--port", self.channel.port, "--user", "employer"]
        trust = ["--identity", PKI / "employer.ssh", "--host-key", self.home / "host.pub"]
        key = ["--key", PKI / "employer.key.pem", "--certificate", PKI / "employer.pem"]
        command = ["send", *place, *trust, *(key if sign else ()), *(arguments or (self.fi,))]
        with pytest.raises(SystemExit) as ended:
            run([str(argument) for argument in command])
        self.said, self.complained = self._capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return ended.value.code

    def wait(self, *arguments: object, timeout: float = 90) -> int:
        return self(self.fi, "--wait", "--json", "--timeout", timeout, *arguments)

    @property
    def report(self) -> dict[str, Any]:
        (found,) = json.loads(self.said)["sets"]
        assert isinstance(found, dict)
        return found


@pytest.fixture
def sender(channel: Channel, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Sender:
    return Sender(channel, tmp_path, capsys)


def test_the_data_goes_first_then_the_signatures_then_the_trigger(
    channel: Channel, sender: Sender
) -> None:
    parts = [sender.home / f"FI.{STEM}.2.{part}" for part in (2, 1)]
    for part in parts:
        part.write_bytes(rights(200, prefix=part.name))
    assert sender(*parts) == 0
    assert channel.closed == [
        f"FI.{STEM}.2.1",
        f"FI.{STEM}.2.2",
        f"FS.{STEM}.2.1",
        f"FS.{STEM}.2.2",
        f"GO.{STEM}.2",
    ]
    for part in parts:
        assert (channel.root / "IN" / part.name).read_bytes() == part.read_bytes()


def test_a_large_file_arrives_octet_for_octet(channel: Channel, sender: Sender) -> None:
    sender.fi.write_bytes(rights(9000))
    assert sender.fi.stat().st_size > 5_000_000
    assert sender() == 0
    assert (channel.root / "IN" / sender.fi.name).read_bytes() == sender.fi.read_bytes()


def test_everything_accepted_ends_with_0_and_tells_the_remaining_hours(sender: Sender) -> None:
    assert sender.wait() == 0
    assert sender.report["verdict"] == "accepted"
    assert sender.report["receipt"]["ticket"] == TICKET
    assert sender.report["notice"]["accepted"] == 3
    assert sender.report["notice"]["forms"][0]["remaining"] == {"LEGAL": 3800}


def test_the_table_shows_code_and_text(channel: Channel, sender: Sender) -> None:
    channel.answer = lambda c, go: c.put("ACRF", "00001", acrf(go, "125"))
    assert sender(sender.fi, "--wait") == 1
    assert "ACRF-125" in sender.said
    assert "signature" in sender.said.lower()


def test_one_refused_form_ends_with_1(channel: Channel, sender: Sender) -> None:
    def answer(c: Channel, go: str) -> None:
        c.put("ACRF", "00001", acrf(go))
        c.put("NOTI", "00001", noti(1, 0, 1))

    channel.answer = answer
    assert sender.wait() == 1
    assert sender.report["verdict"] == "partly"
    (anomaly,) = sender.report["notice"]["forms"][1]["anomalies"]
    assert (anomaly["error_id"], anomaly["line"], anomaly["class"]) == ("00024-004", 31, "B")


def test_an_answer_without_its_trigger_is_not_read(channel: Channel, sender: Sender) -> None:
    def answer(c: Channel, go: str) -> None:
        c.put("ACRF", "00001", acrf(go))
        (c.root / "OUT" / "GO.ACRF.999999.20261120.00001.R.1").unlink()

    channel.answer = answer
    assert sender.wait(timeout=1) == 1
    assert sender.report["verdict"] == "unanswered"


def test_a_packed_answer_is_read(channel: Channel, sender: Sender) -> None:
    def answer(c: Channel, go: str) -> None:
        packed = BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("FO.NOTI.999999.20261120.00001.R.1.1", noti(1))
        c.put("ACRF", "00001", acrf(go))
        c.put("NOTI", "00001", packed.getvalue(), "CO")

    channel.answer = answer
    assert sender.wait("--institution", PKI / f"{INSTITUTION}.pem") == 0
    assert sender.report["notice"]["proof"] == "verified"


def test_ours_are_saved_and_removed_and_those_of_others_stay(
    channel: Channel, sender: Sender
) -> None:
    channel.put("ACRF", "0000Z", acrf("GO.FLAD.000001.20261119.00009.R.1", ticket="OTHER"))
    channel.put("NOTI", "0000Z", noti(1, ticket="OTHER"))
    (channel.root / "OUT" / "FO.DMNO.999999.20261120.00010.R.1.1").write_bytes(b"unrelated")
    others = {path.name for path in (channel.root / "OUT").iterdir()}
    saved = sender.home / "answers"
    assert sender.wait("--answers", saved, "--remove") == 0
    assert {path.name for path in (channel.root / "OUT").iterdir()} == others
    assert sorted(path.name for path in saved.iterdir()) == [
        f"{kind}.{code}.999999.20261120.00001.R.1{part}"
        for kind, part in (("FO", ".1"), ("FS", ".1"), ("GO", ""))
        for code in ("ACRF", "NOTI")
    ]


def test_nothing_is_removed_unasked(channel: Channel, sender: Sender) -> None:
    assert sender.wait() == 0
    assert len(list((channel.root / "OUT").iterdir())) == 6


def test_answers_are_proved_with_the_certificate_of_the_institution(sender: Sender) -> None:
    assert sender.wait("--institution", PKI / f"{INSTITUTION}.pem") == 0
    assert sender.report["receipt"]["proof"] == "verified"


def test_an_answer_signed_by_another_is_not_believed_and_not_removed(
    channel: Channel, sender: Sender
) -> None:
    assert sender.wait("--institution", PKI / "renewed.pem", "--remove") == 1
    assert sender.report["verdict"] == "unproven"
    assert len(list((channel.root / "OUT").iterdir())) == 6


def test_a_connection_lost_while_waiting_is_made_anew(channel: Channel, sender: Sender) -> None:
    def later(c: Channel, go: str) -> None:
        threading.Timer(1.5, accept, (c, go)).start()

    channel.answer = later
    channel.cut_at_listing = 3
    assert sender.wait() == 0
    assert channel.cut_at_listing == 0
    assert len(channel.connections) == 2


def test_a_repeat_finds_the_answers_it_had_before(channel: Channel, sender: Sender) -> None:
    assert sender.wait() == 0
    for path in (channel.root / "IN").iterdir():
        path.unlink()
    channel.answer = lambda c, go: None
    assert sender.wait(timeout=20) == 0
    assert sender.report["receipt"]["ticket"] == TICKET
    assert not sender.report["already"]


def test_a_new_answer_outweighs_one_from_before(channel: Channel, sender: Sender) -> None:
    """Other content under a used stem gets its own receipt, which is not that of the first."""
    assert sender.wait() == 0
    for path in (channel.root / "IN").iterdir():
        path.unlink()
    sender.fi.write_bytes(rights(4))
    channel.answer = lambda c, go: c.put("ACRF", "00002", acrf(go, "133", ticket="SECOND"))
    assert sender.wait() == 1
    assert sender.report["receipt"]["codes"] == ["ACRF-133"]


def test_a_set_that_lies_there_whole_is_not_sent_again(channel: Channel, sender: Sender) -> None:
    assert sender() == 0
    assert sender.wait(timeout=20) == 0
    assert channel.closed.count(f"GO.{STEM}.1") == 1
    assert sender.report["already"]


def test_what_the_channel_says_to_close_is_heard(channel: Channel, sender: Sender) -> None:
    channel.refuse = "FI."
    assert sender() == 1
    assert "the disk is full" in sender.complained
    assert not channel.closed


def test_an_unsigned_set_for_in_is_not_sent(channel: Channel, sender: Sender) -> None:
    assert sender(sign=False) == 1
    assert "must be signed" in sender.complained
    assert channel.logins == 0


def test_the_fs_lying_beside_is_sent(channel: Channel, sender: Sender) -> None:
    (sender.home / f"FS.{STEM}.1.1").write_bytes(b"MII=")
    assert sender(sign=False) == 0
    assert (channel.root / "IN" / f"FS.{STEM}.1.1").read_bytes() == b"MII="


def test_a_test_needs_no_signature_and_goes_to_intest(channel: Channel, sender: Sender) -> None:
    test = sender.home / "FI.FLAD.000001.20261120.00001.T.1.1"
    test.write_bytes(rights(1))
    assert sender(test, sign=False) == 0
    assert sorted(path.name[:2] for path in (channel.root / "INTEST").iterdir()) == ["FI", "GO"]


def test_another_host_key_is_refused_before_logging_in(channel: Channel, sender: Sender) -> None:
    other = asyncssh.generate_private_key("ssh-ed25519")
    (sender.home / "host.pub").write_bytes(other.export_public_key())
    assert sender() == 1
    assert "another server" in sender.complained
    assert channel.logins == 0


def test_a_key_nobody_registered_does_not_get_in(sender: Sender) -> None:
    assert sender(sender.fi, "--identity", PKI / "stranger.ssh") == 1
    assert "does not let employer in" in sender.complained


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--port", "65536"), "not a port"),
        (("--port", "many"), "not a port"),
        (("--wait", "--timeout", "-1"), "seconds"),
        (("--wait", "--timeout", "nan"), "seconds"),
        (("--remove",), "need --wait"),
        (("--host-key", "absent.pub"), "No such file"),
        (("--identity", "absent"), "No such file"),
        (("--port", "1"), "cannot be reached"),
    ],
)
def test_a_bad_value_ends_with_1_and_the_reason(
    sender: Sender, arguments: tuple[str, ...], says: str
) -> None:
    assert sender(sender.fi, *arguments) == 1
    assert says in sender.complained
