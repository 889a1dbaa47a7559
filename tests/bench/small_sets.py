"""What a small set costs the server that takes it: our SFTP process against sshd and sftp-server.

Ours does more in it: every file is synced, and the set is sealed before its GO is answered. The
worker, which takes the sets meanwhile, is not counted here: see ``whole_way``.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tests.bench import openssh, ours, sets
from tests.bench.clients import Server, scratch, sessions
from tests.bench.figures import Bench, Row, Run, Sample, Target, contest
from tests.bench.openssh import OpenSsh
from tests.bench.ours import Ours, profiled

NAME = "small-sets"
AIM = Target("<=", 1.3)
SIZES = ((1, 500), (4, 600))
"""Connections, and sets by all of them together."""


def rows(run: Run) -> Iterator[Row]:
    with ours.serving(run, NAME) as mine, openssh.serving(run) as peer, scratch(NAME) as home:
        for connections, full in SIZES:
            yield from _rows(run, mine, peer, connections, run.size(full, 40), home)


def _rows(
    run: Run, mine: Ours, peer: OpenSsh, connections: int, count: int, home: Path
) -> Iterator[Row]:
    def on(server: Server) -> Sample:
        made = sets.small(mine.sender, count, home)
        folder = "IN" if server is mine else str(peer.folder(f"small-{made.stems[0]}"))
        before, kernel = server.cpu(), server.cpu_in_kernel()
        sessions(server, made.shares(connections, folder), home)
        used, kernel = server.cpu() - before, server.cpu_in_kernel() - kernel
        sets.forget([home])
        return {"cpu": used / count, "kernel": kernel / count}

    name = f"{NAME}-{connections}"
    with profiled(run, name, mine, "sftp"):
        pairs = contest(run, name, lambda: on(mine), lambda: on(peer), "OpenSSH")
    words = "1 connection" if connections == 1 else f"{connections} connections"
    work = f"server CPU per small set ({sets.SMALL_BYTES // 1000} kB FI, FS, GO), {words}"
    yield pairs.row(name, work, "cpu", "ms", AIM)
    yield pairs.row(f"{name}-kernel", "of that, in the kernel", "kernel", "ms")


BENCH = Bench(
    NAME,
    "server CPU per small set: our SFTP process against sshd and sftp-server",
    rows,
    ("sshd", "sftp", "ssh-keygen"),
)
