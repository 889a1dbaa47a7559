"""Few descriptors: one sender opens all it can, strangers come, and the next sender is served."""

from __future__ import annotations

import os
import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import paramiko
import pytest

from tests.acceptance.clients import Mail, new_stem
from tests.acceptance.conftest import Registered, Serving
from tests.acceptance.instance import Instance, soon
from tests.declarations import declaration, person, right

pytestmark = [pytest.mark.slow, pytest.mark.needs("prlimit")]

LIMIT = 200
SECONDS = 20.0
"""How long it lasts: enough to count lines by."""
LINES_PER_MINUTE = 100
FLOOD = 500
"""Strangers that come meanwhile, however long that takes."""

WITHOUT_UVLOOP = "raise ImportError('not here')\n"


@pytest.fixture(params=["uvloop", "asyncio"])
def scarce(
    request: pytest.FixtureRequest,
    serving: Serving,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> Iterator[Instance]:
    """A served instance with few descriptors, on either event loop: they take connections in
    different ways."""
    if request.param == "asyncio":
        (tmp_path / "uvloop.py").write_text(WITHOUT_UVLOOP)
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    instance = serving()
    instance.wrapper = ("prlimit", f"--nofile={LIMIT}:{LIMIT}", "--")
    instance.serve()
    yield instance
    assert instance.stop() == 0


def sftp_process(instance: Instance) -> Path:
    """Where the kernel tells of the process that listens."""
    for entry in Path("/proc").iterdir():
        with_data = str(instance.data).encode()
        if entry.name.isdigit():
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if b"sftp" in words and any(with_data in word for word in words):
                return entry
    raise AssertionError("no sftp process")


def opens_all_it_can(mail: Mail, made: list[object]) -> str:
    """Open files until one is refused; what was said."""
    while True:
        try:
            made.append(mail._sftp.open(f"/IN/open{len(made)}", "wb"))
        except OSError as error:
            return str(error)


@contextmanager
def strangers(instance: Instance) -> Iterator[list[int]]:
    """From another address, many that stay as long as they may, and always new ones."""
    over, came = threading.Event(), [0]
    here, there = ("127.0.0.1", instance.port), ("127.0.0.3", 0)

    def keep_coming() -> None:
        with ExitStack() as held:
            for _ in range(50):
                held.enter_context(socket.create_connection(here, source_address=there))
            while not over.is_set():
                try:
                    socket.create_connection(here, 1, there).close()
                except OSError:
                    time.sleep(0.01)
                came[0] += 1

    threads = [threading.Thread(target=keep_coming) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        yield came
    finally:
        over.set()
        for thread in threads:
            thread.join()


def sends_a_set(instance: Instance, registered: Registered, number: int) -> None:
    stem = new_stem(registered.employer.number, "T")
    fi = declaration(right(f"R/few/{number}", inss=person(740_000 + number)))
    with Mail(instance, registered.employer) as mail:
        mail.put({f"FI.{stem}.1.1": fi, f"GO.{stem}.1": b""}, "INTEST")
        receipt, _ = mail.outtest.verdict(stem)
        assert receipt.result == "1"


def test_descriptors_run_out_for_who_takes_them_and_for_nobody_else(
    scarce: Instance, registered: Registered
) -> None:
    process = sftp_process(scarce)
    before = len(scarce.log.splitlines())
    assert "fewer_connections" in scarce.log
    began, sent = time.monotonic(), 0
    with ExitStack() as stack:
        greedy = [stack.enter_context(Mail(scarce, registered.mandatary)) for _ in range(4)]
        made: list[object] = []
        for mail in greedy:
            assert "too many" in opens_all_it_can(mail, made)
        came = stack.enter_context(strangers(scarce))
        while time.monotonic() - began < SECONDS or sent < 3 or came[0] < FLOOD:
            assert time.monotonic() - began < 10 * SECONDS, "this was no flood"
            sends_a_set(scarce, registered, sent)
            sent += 1
            assert "too many" in opens_all_it_can(greedy[0], made)
            assert len(os.listdir(process / "fd")) < LIMIT
    took = time.monotonic() - began
    lines = [line for line in scarce.log.splitlines()[before:] if not _of_senders(line)]
    assert len(lines) < LINES_PER_MINUTE * max(1.0, took / 60), lines
    recovers(scarce, registered)


def recovers(instance: Instance, registered: Registered) -> None:
    """As many can be opened again as before, once all have gone."""

    def opens_ten() -> bool:
        made: list[object] = []
        try:
            with Mail(instance, registered.mandatary) as mail:
                opens_all_it_can(mail, made)
        except (paramiko.SSHException, EOFError):
            return False
        return len(made) >= 10

    assert soon(opens_ten), "descriptors did not come back"


def _of_senders(line: str) -> bool:
    """What a sender who is let in did, each of which has its line."""
    events = "login|session_ended|published|abandoned|sealed|verified|ingested|answered"
    return re.search(rf'"event": "({events})"', line) is not None
