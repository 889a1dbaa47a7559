"""What an operator changes by the command holds on a running server within seconds."""

from __future__ import annotations

import json
import logging
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import paramiko
import pytest

from fixtures.certificates import PKI
from tests.acceptance.clients import Mail, named, new_stem, run
from tests.acceptance.conftest import Registered, Serving, channel
from tests.acceptance.instance import Instance, Sender, soon
from tests.declarations import CLIENTS

LOOKS = 8.0
"""Seconds in which the server has looked: it does so every three (``memory.REFRESH_SECONDS``)."""

pytestmark = pytest.mark.needs("ssh-keygen")


@pytest.fixture
def served(serving: Serving) -> Iterator[Instance]:
    instance = serving()
    instance.serve()
    yield instance
    instance.close()


def new_key(instance: Instance, name: str) -> Sender:
    """A key pair of ssh-keygen's; the sender has nothing else yet."""
    identity = instance.root / name
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", identity)
    return Sender("", name, identity, PKI / "tester.key.pem", PKI / "tester.pem")


def gets_in(instance: Instance, sender: Sender) -> bool:
    try:
        with Mail(instance, sender) as mail:
            return "IN" in mail.names("")
    except paramiko.AuthenticationException:
        return False


def is_cut(mail: Mail) -> bool:
    try:
        mail.names("IN")
    except (OSError, EOFError, paramiko.SSHException):
        return True
    return False


def test_a_new_channel_logs_in_at_once_and_a_closed_one_no_more(
    served: Instance, registered: Registered
) -> None:
    number = CLIENTS[2]
    fresh = new_key(served, "fresh")
    assert not gets_in(served, fresh)
    served.command("enterprise", "add", number, "--name", "Fresh").done()
    served.command("channel", "close", registered.tester.number).done()
    assert not gets_in(served, registered.tester)
    opened = served.command(*channel(number, "service-provider", fresh, public(fresh)))
    fresh = replace(fresh, number=opened.done().document["sender_number"])
    assert gets_in(served, fresh)
    served.command("channel", "close", fresh.number).done()
    assert not gets_in(served, fresh)


def public(sender: Sender) -> Path:
    return sender.identity.with_suffix(".pub")


def test_a_session_of_a_closed_channel_is_ended_with_what_it_was_uploading(
    served: Instance, registered: Registered
) -> None:
    with Mail(served, registered.employer) as staying, Mail(served, registered.tester) as mail:
        with mail._sftp.open("/INTEST/half", "wb") as half:
            half.write(b"x" * 100_000)
            half.flush()
            served.command("channel", "close", registered.tester.number).done()
            assert soon(lambda: is_cut(mail))
        assert not served.folder(registered.tester.number, "INTEST").joinpath("half").exists()
        assert soon(lambda: not list((served.data / "spool" / "up").iterdir()))
        assert served.says('"reason": "the channel of this session is closed"')
        assert "IN" in staying.names("")


def test_a_session_is_ended_though_the_host_keys_cannot_be_looked_at(
    served: Instance, registered: Registered
) -> None:
    """As when an operator puts a link in the place of one, and gets it wrong."""
    key = served.data / "keys" / "ssh_host_ed25519_key"
    with Mail(served, registered.employer) as staying, Mail(served, registered.tester) as mail:
        key.unlink()
        key.symlink_to(key)
        served.command("channel", "close", registered.tester.number).done()
        assert soon(lambda: is_cut(mail))
        assert "IN" in staying.names("")


@pytest.mark.slow
def test_a_session_whose_key_was_replaced_is_ended_and_the_new_key_logs_in(
    served: Instance, registered: Registered
) -> None:
    renewed = new_key(served, "renewed")
    with Mail(served, registered.employer) as staying, Mail(served, registered.mandatary) as mail:
        changed = replace(registered.mandatary, identity=renewed.identity)
        served.command("channel", "ssh-key", changed.number, public(changed)).done()
        assert gets_in(served, changed)
        assert not gets_in(served, registered.mandatary)
        assert soon(lambda: is_cut(mail))
        assert served.says('"reason": "the key of this session is no longer registered"')
        assert "IN" in staying.names("")
        with Mail(served, changed) as again:
            time.sleep(LOOKS)
            assert "IN" in again.names(""), "who has the new key is left alone"


def test_a_service_that_is_revoked_and_granted_again_counts_for_the_next_set(
    served: Instance, registered: Registered
) -> None:
    who = registered.employer
    fi = b"<?xml version='1.0'?><FLA/>"
    with Mail(served, who) as mail:
        for change, refused in (("revoke", True), ("grant", False)):
            served.command("channel", change, who.number, "FLA").done()
            stem = new_stem(who.number, "T")
            mail.put(named(stem, (fi, None)), "INTEST")
            receipt, _ = mail.outtest.verdict(stem)
            assert ("ACRF-154" in receipt.codes) == refused, receipt.codes


def test_an_upload_under_way_at_sigterm_leaves_nothing_and_its_client_hears_why(
    served: Instance, registered: Registered, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "paramiko")
    with Mail(served, registered.employer) as mail:
        done = mail._sftp.open("/INTEST/done", "wb")
        done.write(b"whole")
        done.close()
        half = mail._sftp.open("/INTEST/half", "wb")
        half.write(b"x" * 1_000_000)
        half.flush()
        assert served.stop() == 0
        assert soon(lambda: not mail._transport.is_active())
    folder = served.folder(registered.employer.number, "INTEST")
    assert (folder / "done").read_bytes() == b"whole"
    assert not (folder / "half").exists()
    assert list((served.data / "spool" / "up").iterdir()) == []
    assert "the server stops; come back in a moment" in caplog.text
    assert '"event": "abandoned"' in served.log
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", served.port))


def sftp(instance: Instance, sender: Sender, *options: str) -> subprocess.CompletedProcess[str]:
    """OpenSSH, which knows of the server what ``known_hosts`` says and asks nobody."""
    known = instance.root / "known_hosts"
    given = [
        *(f"UserKnownHostsFile={known}", "GlobalKnownHostsFile=/dev/null", "IdentityAgent=none"),
        *("StrictHostKeyChecking=yes", "IdentitiesOnly=yes", "BatchMode=yes"),
        *(f"IdentityFile={sender.identity}", f"Port={instance.port}", *options),
    ]
    words = [part for option in given for part in ("-o", option)]
    return subprocess.run(
        ["sftp", "-F", "none", *words, "-b", "-", f"{sender.user}@127.0.0.1"],
        input="ls\n",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def known_keys(instance: Instance) -> set[str]:
    lines = (instance.root / "known_hosts").read_text().splitlines()
    return {" ".join(line.split()[1:3]) for line in lines}


def host_keys(instance: Instance, *step: str) -> dict[str, str]:
    """Each role's public key after a step."""
    return {key["role"]: key["public"] for key in instance.json("host-key", *step)}


def shows_them(instance: Instance) -> bool:
    """Whether the running server has read the keys as they are: its log's last line about them."""
    lines = [line for line in instance.log.splitlines() if '"event": "host_keys"' in line]
    held = [key for key in instance.json("host-key", "list") if key["role"] != "legacy"]
    return bool(json.loads(lines[-1])["keys"] == [f"{k['role']} {k['fingerprint']}" for k in held])


@pytest.mark.slow
@pytest.mark.needs("sftp")
def test_a_client_of_openssh_learns_the_next_host_key_and_meets_it_without_a_hand(
    served: Instance, registered: Registered
) -> None:
    who, update = registered.employer, "UpdateHostKeys=yes"
    known = served.root / "known_hosts"
    known.write_text(f"[127.0.0.1]:{served.port} {served.host_key}\n")
    first = served.host_key
    assert sftp(served, who, update).returncode == 0
    assert known_keys(served) == {first}

    made = host_keys(served, "new")
    assert soon(lambda: shows_them(served))
    assert sftp(served, who, update).returncode == 0
    assert known_keys(served) == {first, made["next"]}

    switched = host_keys(served, "switch")
    assert (switched["used"], switched["former"]) == (made["next"], first)
    assert soon(lambda: shows_them(served))
    ended = sftp(served, who, update)
    assert ended.returncode == 0, ended.stderr
    assert known_keys(served) == {first, made["next"]}, "the former is still proved"

    host_keys(served, "retire")
    assert soon(lambda: shows_them(served))
    assert sftp(served, who, update).returncode == 0
    assert known_keys(served) == {made["next"]}, "the client dropped what is shown no more"

    known.write_text(f"[127.0.0.1]:{served.port} {first}\n")
    ended = sftp(served, who)
    assert ended.returncode != 0, "a client that never heard of the new key"
    assert "HOST IDENTIFICATION HAS CHANGED" in ended.stderr


def test_send_takes_a_file_with_the_old_key_and_the_new_one(
    served: Instance, registered: Registered
) -> None:
    """Its login comes after the host key: the refusal of a stranger shows that it was taken."""
    first = served.host_key
    both, old = served.root / "both", served.root / "old"
    made = host_keys(served, "new")
    both.write_text(f"{first}\n{made['next']}\n")
    old.write_text(f"{first}\n")
    assert "does not let employer in" in sent(served, both)
    host_keys(served, "switch")
    assert soon(lambda: shows_them(served))
    assert "does not let employer in" in sent(served, both)
    assert "this is another server, or its key was changed" in sent(served, old)


def sent(instance: Instance, host_key: object) -> str:
    fi = instance.root / "FI.FLAD.000001.20260101.00001.T.1.1"
    fi.write_bytes(b"<FLA/>")
    identity = instance.root / "stranger"
    if not identity.exists():
        new_key(instance, "stranger")
    place = ("--host", "127.0.0.1", "--port", instance.port, "--user", "employer")
    trust = ("--identity", identity, "--host-key", host_key)
    said = instance.command("send", fi, *place, *trust, "--timeout", "60")
    assert said.code == 1
    return said.err
