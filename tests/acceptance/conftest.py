"""Instances for the acceptance tests: made once by the command, copied for each that serves.

``registered`` is the instance of the catalogue of fixtures: its CA, an employer (000001), a
mandatary (000002) and a tester (000003). ``official`` is one whose certificates, keys, signatures
and transfers are all made by the programs openssl and OpenSSH.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from fixtures.certificates import PKI
from tests.acceptance.clients import OpenSsh, OpenSsl, new_stem, run
from tests.acceptance.instance import Instance, Sender, Shell, enterprise
from tests.declarations import CLIENTS, EMPLOYER

NSSO = "199999934"
QUICK = {"grace_seconds": 5, "settle_seconds": 0.5, "sweep_seconds": 1}
"""Settings that shorten waits; the grace is as long as it may be: a disk can stand still in the
middle of an upload."""

ENDED, NEVER, LATER = (enterprise(number) for number in (1, 2, 3))
"""In the official instance's register: one's mandate has ended, two never gave any."""

NIGHT = timedelta(seconds=30)
"""So near to midnight no test begins: names and answers carry the day in Brussels."""

Serving = Callable[..., Instance]


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    now = datetime.now(UTC).astimezone(ZoneInfo("Europe/Brussels"))
    if (now + NIGHT).date() != now.date():
        time.sleep(NIGHT.total_seconds())


def sender_of(number: str, user: str, keys: Path) -> Sender:
    """A sender of the fixtures; its login key is copied, since a checkout may open its mode."""
    identity = keys / f"{user}.ssh"
    if not identity.exists():
        shutil.copyfile(PKI / f"{user}.ssh", identity)
        identity.chmod(0o600)
    return Sender(number, user, identity, PKI / f"{user}.key.pem", PKI / f"{user}.pem")


def channel(number: str, quality: str, sender: Sender, public: Path) -> list[object]:
    """The command that opens a channel."""
    files = ["--ssh-key", public, "--certificate", sender.certificate]
    return [
        *("channel", "open", number, "--quality", quality, "--user", sender.user),
        *(*files, "--service", "FLA", "--json"),
    ]


@dataclass(frozen=True)
class Registered:
    """An instance that nobody serves, to be copied, and those it knows."""

    instance: Instance
    employer: Sender
    mandatary: Sender
    tester: Sender


@pytest.fixture(scope="session")
def shell() -> Iterator[Shell]:
    made = Shell()
    yield made
    made.close()


@pytest.fixture(scope="session")
def registered(shell: Shell, tmp_path_factory: pytest.TempPathFactory) -> Registered:
    return register(shell, tmp_path_factory.mktemp("registered"))


def register(shell: Shell, root: Path) -> Registered:
    """Make the instance of the fixtures in ``root``."""
    instance = Instance(root, shell)
    mandatary, tester, _ = CLIENTS
    roles = (
        ("employer", EMPLOYER, "nsso-employer"),
        ("mandatary", mandatary, "social-secretariat"),
        ("tester", tester, "nsso-employer"),
    )
    senders = [sender_of(f"{n:06d}", role[0], instance.root) for n, role in enumerate(roles, 1)]
    said = instance.commands(
        ["init"],
        ["trust", "add", PKI / "trusted-ca.pem"],
        ["enterprise", "add", EMPLOYER, "--name", "Employer", "--nsso", NSSO],
        ["enterprise", "add", mandatary, "--name", "Mandatary"],
        ["enterprise", "add", tester, "--name", "Tester"],
        *(
            channel(number, quality, sender, PKI / f"{sender.user}.ssh.pub")
            for sender, (_, number, quality) in zip(senders, roles, strict=True)
        ),
    )
    opened = [each.done().document["sender_number"] for each in said[-3:]]
    assert opened == [sender.number for sender in senders]
    assert all(each.code == 0 for each in said), said
    return Registered(instance, *senders)


@pytest.fixture(scope="module")
def serving(registered: Registered, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """Makes copies of the registered instance, with settings by name; none outlives the module."""
    made: list[Instance] = []

    def copy(**settings: object) -> Instance:
        root = tmp_path_factory.mktemp("instance")
        shutil.copytree(registered.instance.data, root / "data", symlinks=True)
        made.append(Instance(root, registered.instance.shell, {**QUICK, **settings}))
        return made[-1]

    yield copy
    for instance in made:
        instance.close()


@dataclass(frozen=True)
class Official:
    """A served instance, the openssl program, and two senders at OpenSSH's ``sftp``."""

    instance: Instance
    openssl: OpenSsl
    employer: OpenSsh
    mandatary: OpenSsh
    stranger: Sender

    def send(self, fi: bytes, who: OpenSsh | None = None, stem: str | None = None) -> str:
        """Send a set of one signed part to IN; its stem."""
        who = who or self.employer
        stem = stem or new_stem(who.sender.number)
        fs = self.openssl.sign(fi, who.sender)
        who.put({f"FI.{stem}.1.1": fi, f"FS.{stem}.1.1": fs, f"GO.{stem}.1": b""})
        return stem


@pytest.fixture(scope="session")
def official(shell: Shell, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Official]:
    instance = Instance(tmp_path_factory.mktemp("official"), shell, dict(QUICK))
    home = instance.root / "senders"
    home.mkdir()
    openssl = OpenSsl(home)
    authority = openssl.authority("authority")
    employer = _made(openssl, "employer", "000001", "rsa:3072")
    mandatary = _made(openssl, "mandatary", "000002", "ec")
    stranger = _made(openssl, "stranger", "000003", "rsa:2048")
    client, other, _ = CLIENTS
    said = instance.commands(
        ["init"],
        ["trust", "add", authority],
        ["enterprise", "add", EMPLOYER, "--name", "Bakkerij Peeters", "--nsso", NSSO],
        ["enterprise", "add", client, "--name", "Secretariat"],
        ["enterprise", "add", other, "--name", "Client"],
        ["enterprise", "add", ENDED, "--name", "Former client"],
        ["enterprise", "add", NEVER, "--name", "No client"],
        ["enterprise", "add", LATER, "--name", "No client yet"],
        channel(EMPLOYER, "nsso-employer", employer, home / "employer.ssh.pub"),
        channel(client, "social-secretariat", mandatary, home / "mandatary.ssh.pub"),
        _mandate(other, client, "2024Q1"),
        _mandate(ENDED, client, "2024Q1", "--until", "2024Q4"),
    )
    assert all(each.code == 0 for each in said), said
    assert [said[n].document["sender_number"] for n in (8, 9)] == ["000001", "000002"]
    instance.serve()
    desks = _desk(instance, employer), _desk(instance, mandatary)
    yield Official(instance, openssl, *desks, stranger)
    instance.close()


def _desk(instance: Instance, sender: Sender) -> OpenSsh:
    home = instance.root / f"desk-{sender.user}"
    home.mkdir()
    return OpenSsh(instance, sender, home)


def _mandate(employer: str, mandatary: str, first: str, *more: str) -> list[object]:
    parties = ["--employer", employer, "--mandatary", mandatary]
    return ["mandate", "grant", *parties, "--service", "FLA", "--from", first, *more]


def _made(openssl: OpenSsl, user: str, number: str, kind: str) -> Sender:
    key, certificate = openssl.signer(user, "authority", kind)
    identity = openssl.home / f"{user}.ssh"
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", user, "-f", identity)
    return Sender(number, user, identity, key, certificate)
