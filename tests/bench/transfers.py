"""One large file up and down, by OpenSSH's client: how long until the client has its OK.

Ours has every byte on the disk when it says OK to the CLOSE. The peer is measured twice: as it is,
and asked by its client (``put -f``) to sync the file before the transfer ends, which is the same
promise for the bytes, though not for the name.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from tests.acceptance.clients import new_stem
from tests.bench import openssh, ours
from tests.bench.clients import Server, scratch, sessions
from tests.bench.figures import Bench, Row, Run, Sample, Target, contest
from tests.bench.ours import profiled

NAME = "transfers"
MEGABYTES = 200
CLOCK = "!date +%s%N"
"""A line that the client has this machine run between two requests."""


def rows(run: Run) -> Iterator[Row]:
    megabytes = run.size(MEGABYTES, 8)
    with (
        ours.serving(run, NAME, unfinished_seconds=7200) as mine,
        openssh.serving(run) as peer,
        scratch(NAME) as home,
    ):
        (home / "large").write_bytes(os.urandom(megabytes * 1_000_000))

        def on_ours() -> Sample:
            stem = new_stem(mine.sender.number)
            found = _moved(
                mine, [f"put large IN/FI.{stem}.1.1", f"get IN/FI.{stem}.1.1 back"], home
            )
            return found | {"synced": found["up"]}

        def on_theirs() -> Sample:
            place = peer.folder(f"large-{new_stem(mine.sender.number)}")
            synced = _moved(
                peer, [f"put -f large {place}/synced", f"get {place}/synced back"], home
            )
            found = _moved(peer, [f"put large {place}/large", f"get {place}/large back"], home)
            return found | {"synced": synced["up"]}

        with profiled(run, NAME, mine, "sftp"):
            pairs = contest(run, NAME, on_ours, on_theirs, "OpenSSH")
    work = f"one {megabytes} MB upload, wall clock"
    yield pairs.row(f"{NAME}-up", work, "up", "MB/s", Target(">=", 1.3))
    yield pairs.row(f"{NAME}-up-synced", f"{work}, the peer syncs too", "synced", "MB/s")
    work = f"one {megabytes} MB download, wall clock"
    yield pairs.row(f"{NAME}-down", work, "down", "MB/s", Target(">=", 1.1))
    work = f"server CPU of {megabytes} MB up and down, login included"
    yield pairs.row(f"{NAME}-cpu", work, "cpu", "s")


def _moved(server: Server, lines: list[str], home: Path) -> dict[str, float]:
    """One session of an upload and a download; the clock is read inside it, so no login counts."""
    up, down = lines
    before = server.cpu()
    [said] = sessions(server, [[CLOCK, up, CLOCK, down, CLOCK]], home)
    used = server.cpu() - before
    begun, stored, ended = (int(line) / 1e9 for line in said.split(b"\n") if line.isdigit())
    size = (home / "large").stat().st_size
    assert (home / "back").stat().st_size == size
    (home / "back").unlink()
    return {"up": size / (stored - begun), "down": size / (ended - stored), "cpu": used}


BENCH = Bench(
    NAME,
    "one 200 MB file up and down, against OpenSSH, which syncs nothing, and which syncs too",
    rows,
    ("sshd", "sftp", "ssh-keygen"),
)
