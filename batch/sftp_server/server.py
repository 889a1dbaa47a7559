"""The SFTP process: listen, take in, drain, stop."""

from __future__ import annotations

import asyncio
import logging
import os
import resource
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import asyncssh

from batch import journal
from batch.errors import InstanceError
from batch.registers import Channel
from batch.settings import Settings
from batch.sftp_server.addresses import Addresses
from batch.sftp_server.auth import House, Visit
from batch.sftp_server.descriptors import Budget, Files, budget
from batch.sftp_server.disk import Disk, started_pool
from batch.sftp_server.doorkeeper import Doorkeeper
from batch.sftp_server.gate import Gate
from batch.sftp_server.host_keys import ShownKeys
from batch.sftp_server.memory import Memory
from batch.sftp_server.operations import Operations
from batch.sftp_server.transport import options
from batch.storage.instance import Instance
from batch.storage.registers import Registers
from batch.storage.spool import Spool

REGISTER_THREADS = 4
"""Look-ups at login at once, apart from the disk's, which a slow disk may fill."""

REGISTER_SECONDS = 2.0
"""How long a look-up waits for a locked database before it goes by memory."""

HELD_BACK_SECONDS = 5.0
"""How often it is seen whether a minute is over of which a sum must be written."""

MANY = 1_000_000
"""Descriptors to count on where there is no limit."""

DRAIN_SECONDS = 5.0
"""How long running requests may take after SIGTERM."""

LAST_SECONDS = 1.0
"""How long the threads may then take to end, before the process ends without them."""

Ready = Callable[[str, int], None]


def main(settings: Settings, ready: Ready) -> None:
    """The process entry: serve until SIGTERM or SIGINT, and end in DRAIN_SECONDS + LAST_SECONDS.

    ``ready`` is told host and port once the port is open; nothing else is printed. Raises
    InstanceError when the instance, its host key or the port is not as it must be.
    """
    _raise_file_limit()
    instance = Instance.open(settings, wait=REGISTER_SECONDS, serves=True)
    registers = Registers(instance.production)
    instance.spool.drop_staging()

    async def run() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        await serve(settings, instance.spool, registers, ready, stop)

    with asyncio.Runner(loop_factory=_fast_loop()) as runner:
        runner.run(run())
    _leave_late_threads()


async def serve(
    settings: Settings, spool: Spool, registers: Registers, ready: Ready, stop: asyncio.Event
) -> None:
    """Serve senders until ``stop`` is set; then drain and return.

    Raises InstanceError when the host key or the port cannot be had.
    """
    _quiet()
    asyncio.get_running_loop().set_exception_handler(_unhandled)
    shared = _shared_out(settings)
    spool.folders.most = shared.folders
    disk = Disk(shared.threads)
    files = Files(shared.files)
    lookups = started_pool(REGISTER_THREADS, "registers")

    def operations(channel: Channel) -> Operations:
        return Operations(spool.sender(channel.sender), settings, files.of(channel.sender))

    memory = Memory(registers, lookups)
    house = House(
        Doorkeeper(memory, lookups),
        Gate(settings, _addresses(settings), shared.connections),
        operations,
        disk,
        settings.idle_seconds,
        settings.session_seconds,
    )
    try:
        await memory.look()
        await _serve_until(stop, settings, house, ready, shared.backlog)
    finally:
        disk.close()
        lookups.shutdown(wait=False, cancel_futures=True)


async def _serve_until(
    stop: asyncio.Event, settings: Settings, house: House, ready: Ready, backlog: int
) -> None:
    shown = ShownKeys(settings)
    if settings.legacy:
        journal.legacy_offered("ECDSA P-256 host key, key exchange on NIST P-256 (setting legacy)")
    acceptor = await _listen(settings, house, shown.read(), backlog)

    async def carry_out_changes() -> None:
        await house.review()  # first: whatever the host keys are like, who was shut out goes
        keys = shown.changed()
        if keys is not None:
            acceptor.update(server_host_keys=keys)

    keeping = asyncio.gather(house.doorkeeper.memory.keep(carry_out_changes), _tell_held_back())
    try:
        host, port = settings.host, acceptor.get_port()
        journal.listening(host, port)
        ready(host, port)
        await stop.wait()
        acceptor.close()
        await _drain(house)
        journal.stopped("asked to")
    finally:
        keeping.cancel()
        with suppress(asyncio.CancelledError):
            await keeping


async def _tell_held_back() -> None:
    """Sums of a flood are written when its minute is over, though nothing else happens."""
    while True:
        await asyncio.sleep(HELD_BACK_SECONDS)
        journal.tell_held_back()


def _addresses(settings: Settings) -> Addresses:
    return Addresses(
        settings.connections_per_second,
        settings.max_failed_logins,
        settings.penalty_seconds,
        time.monotonic,
    )


async def _listen(
    settings: Settings, house: House, keys: list[asyncssh.SSHKey], backlog: int
) -> asyncssh.SSHAcceptor:
    try:
        return await asyncssh.listen(
            settings.host,
            settings.port,
            reuse_address=True,
            backlog=backlog,
            config=None,
            server_factory=lambda: Visit(house),
            server_host_keys=keys,
            send_server_host_keys=True,
            **options(settings),
        )
    except OSError as error:
        raise InstanceError(
            f"cannot listen on {settings.host} port {settings.port}: {error.strerror or error}"
        ) from error


async def _drain(house: House) -> None:
    visits = [asyncio.ensure_future(visit.drain()) for visit in tuple(house.visits)]
    if visits:
        _, late = await asyncio.wait(visits, timeout=DRAIN_SECONDS)
        for task in late:
            task.cancel()
    await asyncio.sleep(0)  # one turn of the loop, in which the closed connections go


def _leave_late_threads() -> None:
    """End as by a kill when the disk holds threads: Python itself waits for each, for ever.

    What they have in hand was not answered OK; the spool is made to be left so (docs/flow.md).
    """
    until = time.monotonic() + LAST_SECONDS
    threads = [t for t in threading.enumerate() if t is not threading.current_thread()]
    for thread in threads:
        thread.join(max(0.0, until - time.monotonic()))
    late = sum(thread.is_alive() for thread in threads)
    if late:
        journal.problem(
            f"threads that still wait for the disk: {late}; the process ends without them"
        )
        sys.stderr.flush()
        os._exit(0)


def _fast_loop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


def _shared_out(settings: Settings) -> Budget:
    """What the limit of open files allows; told when it is less than the settings want."""
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit == resource.RLIM_INFINITY:
        limit = MANY
    shared = budget(limit, settings.max_connections)
    if shared.connections < settings.max_connections:
        journal.fewer_connections(shared.connections, settings.max_connections, limit)
    return shared


def _raise_file_limit() -> None:
    """All the descriptors we may have."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _quiet() -> None:
    """The libraries' own logs hold what clients say, unescaped; what matters is in the journal."""
    for name in ("asyncssh", "asyncio"):
        library = logging.getLogger(name)
        library.addHandler(logging.NullHandler())
        library.propagate = False


def _unhandled(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    error = context.get("exception")
    journal.problem(str(context.get("message", "the event loop failed")), error)
