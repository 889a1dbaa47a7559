"""Those who take part get their keys, their certificates and their channels."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from batch.demo import pki
from batch.demo.story import CLIENT, MANDATARY, OTHERS, PARTIES, Party
from batch.identifiers import Quarter
from batch.names import brussels_day

Command = Callable[..., Any]
"""Runs one command of ``fla-batch`` on the play's instance; gives its JSON document."""


@dataclass(frozen=True, slots=True)
class Cast:
    """Who has opened a channel: the sender number by login name; certificate and host key of
    the institution."""

    home: Path
    senders: Mapping[str, str]
    institution: Path
    host_key: Path

    def of(self, party: Party) -> Path:
        """The directory of a party: ``login``, ``sign.key.pem``, ``sign.pem``, its sets."""
        return self.home / party.user


def open_channels(home: Path, command: Command, at: datetime) -> Cast:
    """Make keys and certificates in ``home``, and the registers, each by its own command."""
    made = command("init")
    authority = pki.make_authority(at)
    trusted = home / "authority.pem"
    trusted.write_bytes(authority.pem)
    command("trust", "add", trusted)
    senders = {party.user: _open(party, home, authority, command, at) for party in PARTIES}
    for number, name in OTHERS.items():
        command("enterprise", "add", number, "--name", name)
    between = ("--employer", CLIENT, "--mandatary", MANDATARY.number)
    since = ("--from", Quarter.of(brussels_day(at)))
    command("mandate", "grant", *between, "--service", "FLA", *since)
    return Cast(home, senders, Path(made["institution_certificate"]), Path(made["host_key"]))


def _open(
    party: Party, home: Path, authority: pki.Authority, command: Command, at: datetime
) -> str:
    """Give a party its keys and its channel; the sender number that it got."""
    place = home / party.user
    for path in (place, place / "sent", place / "answers"):
        path.mkdir(mode=0o700)
    private, public = pki.make_login_pair()
    pki.write_private(place / "login", private)
    (place / "login.pub").write_bytes(public)
    key, certificate = pki.make_signing_pair(authority, party.name, party.on_curve, at)
    pki.write_private(place / "sign.key.pem", key)
    (place / "sign.pem").write_bytes(certificate)
    nsso = ("--nsso", party.nsso) if party.nsso else ()
    command("enterprise", "add", party.number, "--name", party.name, *nsso)
    opened = command(
        "channel", "open", party.number, "--quality", party.quality, "--user", party.user,
        "--ssh-key", place / "login.pub", "--certificate", place / "sign.pem", "--service", "FLA",
    )  # fmt: skip
    return str(opened["sender_number"])
