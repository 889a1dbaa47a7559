"""What a connection costs: CPU to come in and leave, memory while it is open and says nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

from tests.bench import openssh, ours
from tests.bench.clients import Idle, Server, scratch, sessions
from tests.bench.figures import Bench, Row, Run, Sample, Target, contest
from tests.bench.ours import profiled

NAME = "connections"
LOGINS, AT_ONCE = 60, 4
IDLE = 100


def rows(run: Run) -> Iterator[Row]:
    logins, idle = run.size(LOGINS, 8), run.size(IDLE, 10)
    limits = {"max_connections": idle + 50, "max_connections_per_sender": idle + 50}
    with (
        ours.serving(run, NAME, **limits) as mine,
        openssh.serving(run) as peer,
        scratch(NAME) as home,
    ):
        with profiled(run, NAME, mine, "sftp"):
            pairs = contest(
                run,
                NAME,
                lambda: _logins(mine, logins, home),
                lambda: _logins(peer, logins, home),
                "OpenSSH",
            )
        work = "server CPU per connection: key exchange, login, SFTP session, end"
        yield pairs.row(f"{NAME}-cpu", work, "cpu", "ms", Target("<=", 0.2))
        name = f"{NAME}-memory"
        pairs = contest(
            run.heavy(), name, lambda: _idle(mine, idle), lambda: _idle(peer, idle), "OpenSSH"
        )
    work = f"memory (PSS) per idle connection with an SFTP session, of {idle}"
    yield pairs.row(name, work, "memory", "KiB", Target("<=", 0.05))


def _logins(server: Server, count: int, home: Path) -> Sample:
    before = server.cpu()
    for _ in range(count // AT_ONCE):
        sessions(server, [["pwd"]] * AT_ONCE, home)
    return {"cpu": (server.cpu() - before) / (count // AT_ONCE * AT_ONCE)}


def _idle(server: Server, count: int) -> Sample:
    return {"memory": asyncio.run(_held(server, count))}


async def _held(server: Server, count: int) -> float:
    """Bytes that the server's processes have more of with ``count`` connections than before."""
    who = [(server.user, server.identity)]
    await (await Idle.open(server, who)).close()  # what the first one loads is no connection's
    server.cpu()
    before = server.memory()
    held = await Idle.open(server, who * count)
    await asyncio.sleep(0.5)
    found = (server.memory() - before) / count
    await held.close()
    return found


BENCH = Bench(
    NAME,
    "server CPU per connection with login; memory per idle connection",
    rows,
    ("sshd", "sftp", "ssh-keygen"),
)
