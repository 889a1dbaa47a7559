"""Lives of the fuzzer: some sessions of one sender on one disk, made from a seed and a number.

A life is a list of events, so that one that went wrong can be lived again, with fewer events each
time, until nothing more can be left out.
"""

from __future__ import annotations

import asyncio
import random
import resource
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from batch.identifiers import SenderNumber
from batch.sftp_server.disk import Disk, Lane
from batch.sftp_server.session import Run
from tests.integration.sftp_server.fuzz.ground import Ground, Log
from tests.integration.sftp_server.fuzz.judge import (
    CLOSE,
    LARGEST_DATA,
    OPEN,
    READ,
    WRITE,
    Failure,
    Judge,
)
from tests.integration.sftp_server.fuzz.line import Line, at_once
from tests.integration.sftp_server.fuzz.packets import FRESH, MINE, Client, framed, stems, text

PACKETS = 2_500
"""Of one life: enough for deep states, few enough to be lived again."""
HELLO = framed(b"\x01\0\0\0\x03")
SHRINK_SECONDS = 60.0
WARM = 4
"""Lives after which all that is imported late is there."""
MOST_GROWTH = 40_000_000
"""Bytes that a process may grow from then on: some of the largest packets on their way, and what
the allocator keeps. Each life is a thousand packets and more, so that what stays shows."""
FLOOD = 8
WAYS_TO_END = ("finish", "cut", "drain", "drop")


@dataclass(frozen=True)
class Event:
    """``what`` happens to session ``who``: its bytes arrive in these pieces, or it ends."""

    what: str
    who: int
    pieces: tuple[bytes, ...] = ()

    def __str__(self) -> str:
        return f"{self.what} {self.who} {' '.join(p.hex() for p in self.pieces)}".rstrip()


@dataclass
class Life:
    """What is alive while events happen."""

    ground: Ground
    run: Run
    log: Log
    never: bytes
    lines: dict[int, Line] = field(default_factory=dict)
    clients: dict[int, Client] = field(default_factory=dict)
    seen: Counter[tuple[int, int]] = field(default_factory=Counter)
    loop_failures: list[str] = field(default_factory=list)

    async def happen(self, event: Event) -> None:
        """Let one event happen. Raises Failure when a promise is broken."""
        line = self.lines.get(event.who)
        if event.what == "begin":
            client = self.clients.setdefault(event.who, Client(random.Random(0)))
            judge = Judge(client.learn, self.never)
            self.lines[event.who] = Line(judge, self.ground.operations, self.run)
        elif event.what == "work":
            self.ground.work()
        elif event.what == "cool":
            self.ground.cool()
        elif line is not None:
            try:
                await self._to(line, event)
            except Failure:
                self._look()  # it says more than that a session ended
                raise
        self._look()

    async def _to(self, line: Line, event: Event) -> None:
        match event.what:
            case "say":
                line.feed(event.pieces)
                await line.settle()
            case "say and go on":
                line.feed(event.pieces)
            case "say and take nothing":
                line.take_nothing()
                line.feed(event.pieces)
                for _ in range(10):
                    await asyncio.sleep(0)
                line.take_again()
                await line.settle()
            case _:
                await self._end(line, event)

    async def _end(self, line: Line, event: Event) -> None:
        match event.what:
            case "finish" if not line.over:
                await line.finish()
            case "drain" if not line.over:
                await line.drain()
            case "drop":
                line.feed(event.pieces)
                await line.cut()
            case _:
                await line.cut()
        self.seen += line.judge.seen
        del self.lines[event.who]
        self.clients.pop(event.who, None)
        self.ground.see_sealed()

    async def end(self) -> None:
        """All sessions are cut off, and what must be true is looked at."""
        for who in tuple(self.lines):
            await self.happen(Event("cut", who))
        await asyncio.sleep(0)
        self._look()
        self.ground.check()

    def _look(self) -> None:
        if self.log.wrong is not None:
            raise Failure("journal", self.log.wrong)
        if self.loop_failures:
            raise Failure("uncaught", self.loop_failures[0])


@contextmanager
def living(seed: int, number: int) -> Iterator[tuple[Life, random.Random]]:
    """A new disk, and what happens on it. The chance is the same for the same seed and number."""
    chance = random.Random(f"{seed}/{number}")
    place = Path(tempfile.mkdtemp(prefix="fuzz-"))
    log, disk = Log(), None
    loop = asyncio.get_running_loop()
    try:
        with redirect_stderr(log):
            run: Run = at_once
            if chance.random() < 0.1:
                run = _by_threads(disk := Disk({Lane.LOOK: 2, Lane.CHANGE: 2}))
            ground = Ground.made(place, chance)
            life = Life(ground, run, log, str(place).encode())
            loop.set_exception_handler(lambda _, context: life.loop_failures.append(str(context)))
            yield life, chance
    finally:
        if disk is not None:
            disk.close()
        shutil.rmtree(place)


def _by_threads(disk: Disk) -> Run:
    return partial(disk.run, SenderNumber(MINE))


# --- new lives ------------------------------------------------------------------------------


def burst(client: Client, count: int) -> tuple[bytes, ...]:
    """Some packets of a client that goes on, cut into pieces anyhow."""
    made = [
        client.changed() if client.chance.random() < 0.2 else client.request() for _ in range(count)
    ]
    return client.pieces(b"".join(map(framed, made)))


def _story(client: Client) -> Iterator[tuple[bytes, ...]]:
    """A whole set, sent as an honest client does, so that something is sealed in each life."""
    stem = client.chance.choice(stems())
    folder = "IN" if stem.endswith("R") else "INTEST"
    for name in (f"FI.{stem}.1.1", f"FS.{stem}.1.1", f"GO.{stem}.1"):
        known = {*client.uploads}
        path = f"/{folder}/{name}".encode()
        yield (framed(client.packet(OPEN, text(path) + FRESH.to_bytes(4, "big") + bytes(4))),)
        for handle in client.uploads.keys() - known:
            content = b"m" * client.chance.randrange(400)
            write = client.packet(WRITE, text(handle) + bytes(8) + text(content))
            close = client.packet(CLOSE, text(handle))
            yield client.pieces(framed(write) + framed(close))


def _flood(client: Client) -> Iterator[tuple[str, tuple[bytes, ...]]]:
    """More at once than a session may hold: of requests, or of replies that nobody takes."""
    reads, handle = client.chance.random() < 0.5, client.handle([*client.uploads])
    if reads:
        known = {*client.downloads}
        opening = text(b"/OUT/large") + (1).to_bytes(4, "big") + bytes(4)
        yield "say", (framed(client.packet(OPEN, opening)),)
        handle = next(iter({*client.downloads} - known), handle)
    most = LARGEST_DATA.to_bytes(4, "big")
    rest = text(handle) + bytes(8) + (most if reads else text(b"m" * LARGEST_DATA))
    made = [framed(client.packet(READ if reads else WRITE, rest)) for _ in range(FLOOD)]
    yield "say and take nothing" if reads else "say", client.pieces(b"".join(made))


async def lived(seed: int, number: int, count: int) -> tuple[int, Counter[tuple[int, int]]]:
    """One life of at least ``count`` packets. Raises Failure with the shortest way to it found."""
    events: list[Event] = []
    try:
        with living(seed, number) as (life, chance):
            await _new_life(life, chance, count, events)
            await life.end()
            return sum(life.seen.values()), life.seen
    except Failure as failure:
        failed = failure
    except Exception as error:
        failed = Failure("uncaught", repr(error))
        failed.__cause__ = error
    shortest = await shrunk(seed, number, events, failed.witness)
    told = "\n".join(map(str, shortest))
    raise Failure(failed.witness, f"{failed}\nFLA_PACKETS_SEED={seed}, life {number}:\n{told}")


async def _new_life(life: Life, chance: random.Random, count: int, events: list[Event]) -> None:
    async def happen(event: Event) -> None:
        events.append(event)
        await life.happen(event)

    said = who = 0
    while said < count:
        if len(life.lines) < 2 and (not life.lines or chance.random() < 0.05):
            who += 1
            life.clients[who] = Client(chance)
            await happen(Event("begin", who))
            await happen(Event("say", who, life.clients[who].pieces(_hello(chance))))
        now = chance.choice(tuple(life.lines))
        said += await _next(life, now, chance, happen)


def _hello(chance: random.Random) -> bytes:
    """Nearly always INIT of version 3 or more."""
    kind = chance.random()
    if kind < 0.01:
        return framed(chance.randbytes(chance.randrange(12)))
    return HELLO if kind < 0.9 else framed(b"\x01\0\0\0\x06" + text(b"vendor-id") + text(b"x"))


async def _next(life: Life, who: int, chance: random.Random, happen: Callable[[Event], Any]) -> int:
    """One step of session ``who``; how many packets that were."""
    client, line, kind = life.clients[who], life.lines[who], chance.random()
    if line.over or kind < 0.01:
        pieces = burst(client, 3) if chance.random() < 0.5 else ()
        await happen(Event(chance.choice(WAYS_TO_END), who, pieces))
        return 3 if pieces else 1
    if kind < 0.02:
        await happen(Event("say", who, client.pieces(client.noise() + framed(client.request()))))
        await happen(Event(chance.choice(WAYS_TO_END), who))
        return 2
    if kind < 0.03:
        for pieces in _story(client):
            await happen(Event("say", who, pieces))
        return 9
    if kind < 0.035:
        await happen(Event(chance.choice(("work", "work", "cool")), who))
        return 0
    if kind < 0.037:
        for way, pieces in _flood(client):
            await happen(Event(way, who, pieces))
        return FLOOD
    count = chance.choice((1, 1, 4, 12, 12, 40))
    ways = ("say",) * 12 + ("say and go on", "say and take nothing")
    await happen(Event(chance.choice(ways), who, burst(client, count)))
    return count


# --- lives that went wrong ------------------------------------------------------------------


async def relived(seed: int, number: int, events: list[Event]) -> str | None:
    """The witness of what goes wrong in these events; None when nothing does."""
    try:
        with living(seed, number) as (life, _):
            for event in events:
                await life.happen(event)
            await life.end()
    except Failure as failure:
        return failure.witness
    except Exception:
        return "uncaught"
    return None


async def shrunk(seed: int, number: int, events: list[Event], witness: str) -> list[Event]:
    """Fewer events, with fewer packets each, that end with the same witness."""
    until = time.monotonic() + SHRINK_SECONDS

    async def fails(some: list[Event]) -> bool:
        return time.monotonic() < until and await relived(seed, number, some) == witness

    if not await fails(events):
        print("not seen again: it needs what the list of events does not tell", file=sys.stderr)
        return events
    apart = [one for event in events for one in _apart(event)]
    if await fails(apart):
        events = apart
    size = len(events) // 2
    while size:
        at, before = 0, len(events)
        while at < len(events):
            fewer = events[:at] + events[at + size :]
            if await fails(fewer):
                events = fewer
            else:
                at += size
        if len(events) == before:
            size //= 2
    return events


def _apart(event: Event) -> Iterator[Event]:
    """What is said packet by packet, each in one piece, as far as its stream can be cut."""
    if not event.what.startswith("say"):
        yield event
        return
    stream = b"".join(event.pieces)
    while stream:
        end = 4 + int.from_bytes(stream[:4], "big")
        yield Event("say", event.who, (stream[:end],))
        stream = stream[end:]


@dataclass(frozen=True)
class Report:
    """What a storm was: its lives, its packets, and which replies came for which requests."""

    lives: int
    packets: int
    grown: int
    """Bytes of memory."""
    seen: Counter[tuple[int, int]]


def storm(seed: int, first: int, count: int) -> Report:
    """Lives from number ``first`` on, until there were ``count`` packets. Raises Failure."""
    seen: Counter[tuple[int, int]] = Counter()
    packets, number, resident = 0, first, 0
    with asyncio.Runner() as runner:
        while packets < count:
            one, pairs = runner.run(lived(seed, number, min(PACKETS, count - packets)))
            packets, seen, number = packets + one, seen + pairs, number + 1
            resident = memory() if number - first <= WARM else resident
            if memory() - resident > MOST_GROWTH:
                raise Failure("memory", f"the process grew by {memory() - resident} bytes")
    return Report(number - first, packets, memory() - resident, seen)


def memory() -> int:
    """Bytes of this process that are in memory now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
