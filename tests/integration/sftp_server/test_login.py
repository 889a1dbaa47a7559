"""Who gets in, and what is to be had once in."""

from __future__ import annotations

import random
import string

import paramiko
import pytest

from tests.integration.sftp_server.support import Running, for_paramiko


@pytest.mark.parametrize("user", ["alice", "rsa"])
def test_a_registered_key_logs_in_and_sees_four_folders(running: Running, user: str) -> None:
    with running.sftp(user) as sftp:
        assert sorted(sftp.listdir("/")) == ["IN", "INTEST", "OUT", "OUTTEST"]


@pytest.mark.parametrize(
    ("user", "key"),
    [
        ("alice", "none"),
        ("alice", "bob"),
        ("nobody", "alice"),
        ("al/ice", "alice"),
        ("shut", "shut"),
        ("late", "late"),
        ("weak", "weak"),
    ],
)
def test_nobody_else_logs_in_and_all_hear_the_same(running: Running, user: str, key: str) -> None:
    with pytest.raises(paramiko.AuthenticationException, match="Authentication failed"):
        running.transport(user, key)


def test_names_without_a_key_get_in_not_once(running: Running) -> None:
    letters = random.Random(2)
    names = ["alice", "bob", "root", "", "..", "alice "]
    names += ["".join(letters.choices(string.printable, k=12)) for _ in range(94)]
    entered = 0
    for name in names:
        transport = paramiko.Transport(("127.0.0.1", running.port))
        try:
            transport.start_client(timeout=60)
            transport.auth_none(name)
            entered += 1
        except (paramiko.SSHException, EOFError):
            entered += transport.is_authenticated()
        finally:
            transport.close()
    assert entered == 0


def test_no_password_is_ever_asked_for(running: Running) -> None:
    transport = paramiko.Transport(("127.0.0.1", running.port))
    transport.start_client(timeout=60)
    with pytest.raises(paramiko.BadAuthenticationType) as refused:
        transport.auth_password("alice", "secret")
    assert refused.value.allowed_types == ["publickey"]
    transport.close()


def test_a_connection_that_tries_many_keys_is_cut(running: Running) -> None:
    transport = paramiko.Transport(("127.0.0.1", running.port))
    transport.start_client(timeout=60)
    tried = 0
    while transport.is_active() and tried < 20:
        with pytest.raises((paramiko.SSHException, EOFError, OSError)):
            transport.auth_publickey("alice", for_paramiko(running.keys["none"]))
        tried += 1
    assert tried <= 7
    transport.close()


def in_use(transport: paramiko.Transport) -> bool:
    try:
        transport.open_session(timeout=60)
    except (paramiko.SSHException, EOFError):
        return False
    return True


def test_a_sender_has_only_its_share_of_connections(running: Running) -> None:
    held = [running.transport("bob") for _ in range(4)]
    try:
        fifth = running.transport("bob")
        usable = in_use(fifth)
        fifth.close()
    except (paramiko.SSHException, EOFError):
        usable = False
    assert not usable
    other = running.transport("alice")
    assert in_use(other)
    for transport in [*held, other]:
        transport.close()


def test_a_third_channel_on_a_connection_is_refused(running: Running) -> None:
    transport = running.transport()
    held = [transport.open_session(), transport.open_session()]
    with pytest.raises(paramiko.ChannelException):
        transport.open_session()
    held[0].close()
    transport.close()
