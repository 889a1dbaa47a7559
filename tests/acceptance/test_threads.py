"""No thread can be started any more, as at a limit of processes: senders are served all the same,
and what they met then costs them nothing later."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.acceptance.clients import Mail
from tests.acceptance.conftest import Registered, Serving
from tests.acceptance.instance import Instance
from tests.acceptance.test_descriptors import sftp_process

pytestmark = pytest.mark.slow

ROOM = 6_000_000
"""Bytes of memory that may still be had: fewer than the stack of a thread, enough for requests."""
SESSIONS = 4


@contextmanager
def no_more_threads(process: Path) -> Iterator[None]:
    """A thread needs 8 MB of addresses for its stack; there are not so many left."""
    number = int(process.name)
    pages = int((process / "statm").read_text().split()[0])
    before = resource.prlimit(number, resource.RLIMIT_AS)
    few = pages * resource.getpagesize() + ROOM
    resource.prlimit(number, resource.RLIMIT_AS, (few, before[1]))
    try:
        yield
    finally:
        resource.prlimit(number, resource.RLIMIT_AS, before)


def sends_files(instance: Instance, registered: Registered, name: str) -> None:
    """Each in a session of its own."""
    for each in range(SESSIONS):
        with Mail(instance, registered.employer) as mail:
            mail.put({f"{name}{each}": b"x" * 1000}, "INTEST")
            assert f"{name}{each}" in mail.names("INTEST")


def test_senders_are_served_when_no_thread_can_be_started(
    serving: Serving, registered: Registered
) -> None:
    instance = serving()
    instance.serve()
    with no_more_threads(sftp_process(instance)):
        sends_files(instance, registered, "scarce")
    sends_files(instance, registered, "later")
    assert instance.stop() == 0
    assert '"event": "problem"' not in instance.log
