"""Threads are shared out by turns: nobody's slow work is everybody's."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from batch.identifiers import SenderNumber
from batch.sftp_server.disk import SHARE as PART
from batch.sftp_server.disk import THREADS, Disk, Lane

SENDERS = [SenderNumber(f"{n:06d}") for n in range(1, 9)]
CHANGES = THREADS[Lane.CHANGE]
SHARE = CHANGES // PART


def asked(
    disk: Disk, sender: SenderNumber, lane: Lane, work: Callable[[], Any]
) -> asyncio.Future[Any]:
    """What the work gives, to be waited for."""
    promised: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    def then(result: Any, error: BaseException | None) -> None:
        promised.set_result(result) if error is None else promised.set_exception(error)

    disk.run(sender, lane, work, then)
    return promised


@asynccontextmanager
async def stuck(disk: Disk, *senders: SenderNumber, each: int) -> AsyncIterator[None]:
    """Each of these senders has so much work that does not end while the disk hangs."""
    hangs = threading.Event()
    held = [asked(disk, s, Lane.CHANGE, hangs.wait) for _ in range(each) for s in senders]
    try:
        yield
    finally:
        hangs.set()
        await asyncio.gather(*held)


async def soon(promised: asyncio.Future[object]) -> bool:
    done, _ = await asyncio.wait([promised], timeout=40)
    return bool(done)


def test_one_senders_stuck_work_leaves_threads_to_the_others() -> None:
    async def run() -> None:
        disk = Disk()
        async with stuck(disk, SENDERS[0], each=100):
            assert await soon(asked(disk, SENDERS[1], Lane.CHANGE, lambda: 1))
            later = asked(disk, SENDERS[0], Lane.CHANGE, lambda: 1)
            assert not (await asyncio.wait([later], timeout=0.1))[0]
        assert await soon(later)
        disk.close()

    asyncio.run(run())


def test_who_only_looks_never_waits_for_those_who_change() -> None:
    async def run() -> None:
        disk = Disk()
        async with stuck(disk, *SENDERS, each=50):
            for sender in SENDERS:
                assert await soon(asked(disk, sender, Lane.LOOK, lambda: 1))
        disk.close()

    asyncio.run(run())


def test_senders_take_turns() -> None:
    """With all threads busy, one piece of a late sender goes before the rest of the early ones."""

    async def run() -> None:
        disk, order = Disk(), []
        full = SENDERS[: CHANGES // SHARE]

        def piece() -> None:
            time.sleep(0.002)  # a thread that has taken its piece comes to it before many others
            order.append("early")

        async with stuck(disk, *full, each=SHARE):
            early = [asked(disk, full[0], Lane.CHANGE, piece) for _ in range(200)]
            late = asked(disk, SENDERS[-1], Lane.CHANGE, lambda: order.append("late"))
        await asyncio.gather(*early, late)
        disk.close()
        assert order.index("late") < 100

    asyncio.run(run())


def test_an_error_is_its_askers_and_frees_the_thread() -> None:
    def fail() -> None:
        raise ValueError("no")

    async def run() -> None:
        disk = Disk()
        for _ in range(3 * CHANGES):
            with pytest.raises(ValueError, match="no"):
                await asked(disk, SENDERS[0], Lane.CHANGE, fail)
        disk.close()

    asyncio.run(run())
