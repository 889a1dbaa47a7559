"""What this server leaves out, beside a server of asyncssh that does all of it.

Should asyncssh ask another name than the one that is replaced, the first count is no longer
nothing, or the second no longer something.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any

import asyncssh
import pytest
from asyncssh.constants import MSG_IGNORE

from batch.settings import load
from batch.sftp_server.transport import options
from tests.integration.sftp_server.support import Running, openssh_pem

ASKED = 20


class Counting(asyncssh.SSHClient):
    """A client that counts the packets it is sent."""

    def __init__(self, seen: Counter[int]) -> None:
        self._seen = seen

    def connection_made(self, conn: asyncssh.SSHClientConnection) -> None:
        hooked: Any = conn
        process = hooked.process_packet

        def counted(kind: int, number: int, packet: object) -> object:
            self._seen[kind] += 1
            return process(kind, number, packet)

        hooked.process_packet = counted


class Plain(asyncssh.SSHServer):
    """A server of asyncssh as it comes, which counts the lines that it makes for packets."""

    def __init__(self, lines: Counter[str]) -> None:
        self._lines = lines

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        hooked: Any = conn
        for name in ("log_sent_packet", "log_received_packet"):
            setattr(hooked, name, lambda *_, said=name: self._lines.update([said]))

    def begin_auth(self, username: str) -> bool:
        return False


async def ask(port: int, seen: Counter[int], **given: Any) -> None:
    """Ask for the path of the root, again and again."""
    connection, _ = await asyncssh.create_connection(
        lambda: Counting(seen), "127.0.0.1", port, known_hosts=None, config=None, **given
    )
    async with connection, connection.start_sftp_client() as sftp:
        for _ in range(ASKED):
            await sftp.realpath("/")


def test_nothing_is_sent_to_be_ignored(running: Running) -> None:
    seen: Counter[int] = Counter()
    key = asyncssh.import_private_key(openssh_pem(running.keys["alice"]))
    asyncio.run(ask(running.port, seen, username="alice", client_keys=[key]))
    assert MSG_IGNORE not in seen


def test_asyncssh_as_it_comes_sends_it_and_makes_a_line_for_each_packet() -> None:
    seen: Counter[int] = Counter()
    lines: Counter[str] = Counter()

    async def run() -> None:
        server = await asyncssh.listen(
            "127.0.0.1",
            0,
            server_factory=lambda: Plain(lines),
            server_host_keys=[asyncssh.generate_private_key("ssh-ed25519")],
            sftp_factory=True,
        )
        async with server:
            await ask(server.get_port(), seen, username="alice")

    asyncio.run(run())
    assert seen[MSG_IGNORE] >= ASKED
    assert lines["log_sent_packet"] >= ASKED
    assert lines["log_received_packet"] > 0


def test_the_names_that_are_replaced_are_those_of_asyncssh() -> None:
    for handler in (asyncssh.SSHServerConnection, asyncssh.SSHServerChannel):
        assert callable(handler.log_sent_packet)
        assert callable(handler.log_received_packet)


class Renewing(asyncssh.SSHServer):
    """A server that keeps what its options were before and after the name of a user is heard."""

    def __init__(self, seen: list[dict[str, object]]) -> None:
        self._seen = seen
        self._connection: Any = None

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._connection = conn
        self._keep()

    def begin_auth(self, username: str) -> bool:
        self._keep()
        return False

    def _keep(self) -> None:
        options = self._connection._options
        made_anew = {"config", "kwargs", "protocol_factory", "waiter"}
        held = {
            name: list(value) if isinstance(value, dict) else value  # host keys, by their bytes
            for name, value in vars(options).items()
            if name not in made_anew
        }
        self._seen.append({"object": options} | held)


def test_options_that_asyncssh_makes_anew_for_a_user_are_the_same(tmp_path: Path) -> None:
    """So that they need not be made: see ``transport.keep_options``."""
    seen: list[dict[str, object]] = []

    async def run() -> None:
        server = await asyncssh.listen(
            "127.0.0.1",
            0,
            config=None,
            server_factory=lambda: Renewing(seen),
            server_host_keys=[asyncssh.generate_private_key("ssh-ed25519")],
            send_server_host_keys=True,
            sftp_factory=True,
            **options(load(data=tmp_path)),
        )
        async with server:
            await ask(server.get_port(), Counter(), username="alice")

    asyncio.run(run())
    before, after = seen
    assert before.pop("object") is not after.pop("object"), "asyncssh no longer makes them anew"
    assert before == after


def test_no_options_are_made_anew(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[object] = []
    construct = asyncssh.SSHServerConnectionOptions.construct

    async def counted(*given: Any, **named: Any) -> Any:
        made.append(given)
        return await construct(*given, **named)

    monkeypatch.setattr(asyncssh.SSHServerConnectionOptions, "construct", counted)
    key = asyncssh.import_private_key(openssh_pem(running.keys["alice"]))
    asyncio.run(ask(running.port, Counter(), username="alice", client_keys=[key]))
    assert made == []
