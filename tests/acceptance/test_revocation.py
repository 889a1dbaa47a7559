"""Revocation with real parts: a CA and responder of openssl, a served channel, OpenSSH's sftp.

What cannot be known is waited for, and nobody is refused for it; what is revoked is refused with
its day; what stays unknown is an operator's after its time, and no stop loses any of it.
"""

from __future__ import annotations

import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.certifying import Certifier
from tests.acceptance.clients import OpenSsh, OpenSsl, new_stem
from tests.acceptance.conftest import QUICK, channel
from tests.acceptance.instance import Instance, Sender, Shell
from tests.declarations import EMPLOYER, declaration, person, right

pytestmark = [pytest.mark.slow, pytest.mark.needs("openssl", "sftp", "ssh-keygen", "base64")]


@dataclass
class Desk:
    """A served instance, its only sender, and the CA that certified it."""

    instance: Instance
    certifier: Certifier
    openssl: OpenSsl
    client: OpenSsh
    opened: Any
    sent: int = 0

    def send(self) -> str:
        """A right set; its stem."""
        stem = new_stem(self.client.sender.number)
        self.sent += 1
        fi = declaration(right(f"R/{self.sent}", inss=person(7000 + self.sent)))
        fs = self.openssl.sign(fi, self.client.sender)
        self.client.put({f"FI.{stem}.1.1": fi, f"FS.{stem}.1.1": fs, f"GO.{stem}.1": b""})
        return stem

    def until(self, stem: str, verdict: str, seconds: float = 40) -> Any:
        """The set, once it has this verdict."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            said = self.instance.command("submission", "show", stem, "--json")
            if said.code == 0 and (found := said.document)["verdict"] == verdict:
                return found
            time.sleep(0.2)
        raise AssertionError(f"{said.out}\n{said.err}\n{self.instance.log[-3000:]}")

    def judged_again(self, stem: str, place: Path) -> tuple[int, Any, list[str]]:
        """Its evidence, judged without the instance: exit code, what was said, the members."""
        archive = place / "evidence.zip"
        self.instance.json("submission", "evidence", stem, "--output", str(archive))
        said = self.instance.command("evidence", "verify", str(archive), "--json")
        with zipfile.ZipFile(archive) as opened:
            return said.code, said.document, opened.namelist()

    def told(self, event: str, times: int, seconds: float = 40) -> None:
        """Wait until the log has so many lines of an event."""
        deadline = time.monotonic() + seconds
        while self.instance.log.count(f'"{event}"') < times:
            assert time.monotonic() < deadline, self.instance.log[-3000:]
            time.sleep(0.1)


Make = Callable[..., Desk]


@pytest.fixture
def make(shell: Shell, tmp_path: Path) -> Iterator[Make]:
    made: list[Desk] = []

    def desk(places: Callable[[Certifier], str], **settings: object) -> Desk:
        home = tmp_path / "ca"
        home.mkdir()
        certifier = Certifier(home)
        sender = certifier.sender("peeters", "000001", places(certifier))
        given = {**QUICK, "revocation_private": True, **settings}
        instance = Instance(tmp_path, shell, given)
        opened = _register(instance, certifier, sender)
        (tmp_path / "desk").mkdir()
        client = OpenSsh(instance, sender, tmp_path / "desk")
        instance.serve()
        made.append(Desk(instance, certifier, OpenSsl(tmp_path / "desk"), client, opened))
        return made[-1]

    yield desk
    for one in made:
        one.instance.close()
        one.certifier.down()


def _register(instance: Instance, certifier: Certifier, sender: Sender) -> Any:
    said = instance.commands(
        ["init"],
        ["trust", "add", certifier.certificate],
        ["enterprise", "add", EMPLOYER, "--name", "Bakkerij Peeters", "--nsso", "199999934"],
        channel(EMPLOYER, "nsso-employer", sender, certifier.home / "peeters.ssh.pub"),
    )
    assert all(each.code == 0 for each in said), said
    assert "not known yet whether it is revoked" in said[-1].err
    return said[-1].document


def by_list(certifier: Certifier) -> str:
    return f"crlDistributionPoints = URI:{certifier.list_url}"


def by_answer(certifier: Certifier) -> str:
    return f"authorityInfoAccess = OCSP;URI:{certifier.answer_url}"


@pytest.mark.parametrize("places", [by_list, by_answer])
def test_a_source_that_is_down_is_waited_for_through_a_kill_and_answered_when_it_is_up(
    make: Make, places: Callable[[Certifier], str], tmp_path: Path
) -> None:
    desk = make(places)
    assert len(desk.opened["warnings"]) == 1
    stem = desk.send()
    waits = desk.until(stem, "undecided")
    url = desk.certifier.list_url if places is by_list else desk.certifier.answer_url
    assert url in waits["problem"]
    assert waits["undecided_since"]
    assert desk.client.names("OUT") == []
    [listed] = desk.instance.json("submission", "list")
    assert (listed["verdict"], listed["problem"]) == ("undecided", waits["problem"])

    desk.instance.kill()
    desk.instance.serve()
    again = desk.until(stem, "undecided")
    assert again["undecided_since"] == waits["undecided_since"]
    desk.told("source_away", 2)  # one line for each run of serve

    desk.certifier.list_up() if places is by_list else desk.certifier.answers_up()
    done = desk.until(stem, "accepted", 60)
    assert (done["undecided_since"], done["problem"]) == (None, None)
    receipt, notice = desk.client.out.verdict(stem)
    assert (receipt.codes, notice is not None) == ([], True)
    assert done["sealed_at"] == waits["sealed_at"]
    desk.told("source_back", 1)
    log = desk.instance.log
    assert (log.count('"source_away"'), log.count('"source_back"')) == (2, 1)
    desk.until(desk.send(), "accepted")  # and no more waits
    desk.certifier.down()
    code, said, members = desk.judged_again(stem, tmp_path)
    assert code == 0, said
    kind = ".crl" if places is by_list else ".ocsp"
    assert any(kind in member.lower() for member in members), members


@pytest.mark.shows("ACRF-153")
@pytest.mark.parametrize("places", [by_list, by_answer])
def test_a_revoked_certificate_is_refused_with_its_day(
    make: Make, places: Callable[[Certifier], str], tmp_path: Path
) -> None:
    desk = make(places)
    desk.certifier.revoke(desk.client.sender)
    desk.certifier.list_up() if places is by_list else desk.certifier.answers_up()
    time.sleep(1.1)  # openssl revokes in whole seconds; the set is sealed after that one
    stem = desk.send()
    found = desk.until(stem, "refused at reception")
    [finding] = found["findings"]
    assert finding["error_id"] == "ACRF-153"
    assert "was revoked on" in finding["explanation"]
    receipt, notice = desk.client.out.verdict(stem)
    assert (receipt.codes, notice) == (["ACRF-153"], None)
    code, said, _ = desk.judged_again(stem, tmp_path)
    assert code == 0, said  # the same refusal comes of it again
    refused = desk.instance.command("channel", "certificate", "1", desk.client.sender.certificate)
    assert refused.code == 1
    assert "was revoked on" in refused.err


def test_what_stays_unknown_is_an_operators_and_its_retry_answers(make: Make) -> None:
    desk = make(by_list, undecided_hours=6 / 3600)
    stem = desk.send()
    aside = desk.until(stem, "technical")
    assert aside["state"] == "quarantined"
    for words in (desk.certifier.list_url, "undecided since", f"submission retry {stem}"):
        assert words in aside["problem"]
    assert desk.client.names("OUT") == []
    desk.told("quarantined", 1)
    assert desk.instance.log.count('"quarantined"') == 1
    desk.certifier.list_up()
    desk.instance.command("submission", "retry", stem).done()
    desk.until(stem, "accepted")
    assert desk.client.out.verdict(stem)[0].codes == []


def test_without_fetching_a_list_given_by_hand_is_enough(make: Make) -> None:
    desk = make(by_list, revocation_fetch=False)
    desk.certifier.list_up()
    stem = desk.send()
    desk.until(stem, "undecided")
    desk.instance.command("trust", "add", desk.certifier.make_list()).done()
    desk.until(stem, "accepted")
    assert "source_fetched" not in desk.instance.log
