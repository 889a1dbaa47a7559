"""Whatever SSH knows besides SFTP is refused, told in the log, and costs the session nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import asyncssh
import paramiko
import pytest

from tests.integration.sftp_server.support import Running, heard, openssh_pem, told

Ask = Callable[[paramiko.Transport], object]


def shell(transport: paramiko.Transport) -> None:
    transport.open_session().invoke_shell()


def execute(transport: paramiko.Transport) -> None:
    transport.open_session().exec_command("id")


def scp(transport: paramiko.Transport) -> None:
    transport.open_session().exec_command("scp -t /IN")


def other_subsystem(transport: paramiko.Transport) -> None:
    transport.open_session().invoke_subsystem("netconf")


def terminal(transport: paramiko.Transport) -> None:
    transport.open_session().get_pty()


def x11(transport: paramiko.Transport) -> None:
    transport.open_session().request_x11()


def forward(transport: paramiko.Transport) -> None:
    transport.open_channel("direct-tcpip", ("127.0.0.1", 22), ("127.0.0.1", 1))


def listen(transport: paramiko.Transport) -> None:
    transport.request_port_forward("127.0.0.1", 0)


@pytest.mark.parametrize(
    ("ask", "what"),
    [
        (shell, "shell"),
        (execute, "exec id"),
        (scp, "exec scp -t /IN"),
        (other_subsystem, "subsystem netconf"),
        (terminal, "request pty-req"),
        (x11, "request x11-req"),
        (forward, "direct-tcpip 127.0.0.1:22"),
        (listen, "tcpip-forward 127.0.0.1:0"),
    ],
)
def test_it_is_refused_and_told(
    running: Running, ask: Ask, what: str, capfd: pytest.CaptureFixture[str]
) -> None:
    capfd.readouterr()
    transport = running.transport()
    with pytest.raises(paramiko.SSHException):
        ask(transport)
    assert f'"what": "{what}"' in told(capfd, "request_refused")
    assert transport.is_authenticated()
    transport.close()


def asked(name: str, body: bytes = b"", reply: bool = True) -> Callable[[paramiko.Channel], None]:
    """A request on a channel (RFC 4254, section 5.4), as no library of today would send it."""

    def ask(channel: paramiko.Channel) -> None:
        message = paramiko.Message()
        message.add_byte(b"\x62")
        message.add_int(channel.remote_chanid)
        message.add_string(name)
        message.add_boolean(reply)
        message.add_bytes(body)
        if reply:
            channel._event_pending()  # type: ignore[attr-defined]
        channel.get_transport()._send_user_message(message)  # type: ignore[attr-defined]
        if reply:
            channel._wait_for_event()  # type: ignore[attr-defined]

    return ask


VARIABLE = b"\0\0\0\4LANG\0\0\0\1C"


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("env", VARIABLE),
        ("auth-agent-req@openssh.com", b""),
        ("window-change", b"\0" * 16),
        ("signal", b"\0\0\0\4TERM"),
        ("no-such-request@example.org", b"anything"),
        ("env", b"not even well-formed"),
    ],
)
def test_any_other_request_is_refused_and_the_session_goes_on(
    running: Running, name: str, body: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    capfd.readouterr()
    transport = running.transport()
    channel = transport.open_session()
    with pytest.raises(paramiko.SSHException):
        asked(name, body)(channel)
    assert f'"what": "request {name}"' in told(capfd, "request_refused")
    transport.close()


def test_variables_of_an_honest_client_do_not_keep_it_from_its_files(
    running: Running, capfd: pytest.CaptureFixture[str]
) -> None:
    """OpenSSH of Debian sends LANG and waits for no reply; one line tells of any number."""
    capfd.readouterr()
    transport = running.transport()
    channel = transport.open_session()
    for _ in range(1000):
        asked("env", VARIABLE, reply=False)(channel)
    channel.invoke_subsystem("sftp")
    assert "IN" in paramiko.SFTPClient(channel).listdir("/")
    transport.close()
    assert told(capfd, "session_ended").count("request_refused") == 1


def proofs(transport: paramiko.Transport, *keys: bytes) -> paramiko.Message | None:
    """Ask that the server proves these host keys; its signatures, None when it refuses."""
    return transport.global_request("hostkeys-prove-00@openssh.com", keys, wait=True)


def test_host_keys_are_proved_once_and_few_at_a_time(
    running: Running, capfd: pytest.CaptureFixture[str]
) -> None:
    capfd.readouterr()
    private = paramiko.Ed25519Key.from_private_key_file(str(running.instance.layout.host_key))
    for keys in ([private.asbytes()] * 100, [b"no key of ours"]):
        transport = running.transport()
        assert proofs(transport, *keys) is None
        transport.close()
    transport = running.transport()
    signed = proofs(transport, private.asbytes())
    assert signed is not None
    data = paramiko.Message()
    data.add_string("hostkeys-prove-00@openssh.com")
    data.add_string(transport.session_id or b"")
    data.add_string(private.asbytes())
    public = paramiko.Ed25519Key(data=private.asbytes())
    assert public.verify_ssh_sig(data.asbytes(), paramiko.Message(signed.get_binary()))
    assert proofs(transport, private.asbytes()) is None
    assert "IN" in sftp(transport).listdir("/")
    transport.close()
    assert "request hostkeys-prove-00@openssh.com" in told(capfd, "request_refused")


def sftp(transport: paramiko.Transport) -> paramiko.SFTPClient:
    client = paramiko.SFTPClient.from_transport(transport)
    assert client is not None
    return client


async def unix_forward(connection: asyncssh.SSHClientConnection) -> None:
    await connection.open_unix_connection("/run/some.sock")


async def unix_listen(connection: asyncssh.SSHClientConnection) -> None:
    await connection.forward_remote_path("/run/some.sock", "/run/other.sock")


async def tun(connection: asyncssh.SSHClientConnection) -> None:
    await connection.open_tun()


async def tap(connection: asyncssh.SSHClientConnection) -> None:
    await connection.open_tap()


@pytest.mark.parametrize(
    ("ask", "what"),
    [
        (unix_forward, "direct-streamlocal /run/some.sock"),
        (unix_listen, "streamlocal-forward /run/some.sock"),
        (tun, "tun"),
        (tap, "tap"),
    ],
)
def test_openssh_s_own_forwardings_are_refused_and_told(
    running: Running,
    ask: Callable[[asyncssh.SSHClientConnection], Awaitable[None]],
    what: str,
    capfd: pytest.CaptureFixture[str],
) -> None:
    async def run() -> None:
        key = asyncssh.import_private_key(openssh_pem(running.keys["alice"]))
        async with asyncssh.connect(
            *("127.0.0.1", running.port),
            username="alice",
            known_hosts=None,
            config=None,
            client_keys=[key],
        ) as connection:
            with pytest.raises((asyncssh.ChannelOpenError, asyncssh.ChannelListenError)):
                await ask(connection)
            async with connection.start_sftp_client() as sftp:
                assert "IN" in await sftp.listdir("/")

    capfd.readouterr()
    asyncio.run(run())
    heard(capfd, f'"what": "{what}"')
