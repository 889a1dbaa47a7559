"""A client that is cut off at any packet of its uploads leaves whole files or none.

What was closed with OK is there, what was not closed is not, and what was closed without an answer
is there whole or not at all.
"""

from __future__ import annotations

import os
import random
import struct
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519

from batch.names import brussels_day
from batch.settings import load
from batch.sftp_server.protocol import Packet, Status
from tests.integration.sftp_server.support import (
    FRESH,
    Raw,
    Running,
    make_instance,
    offset,
    register,
    serving,
    text,
)

BLOCKS = {"few packets": 4096, "as clients do": 1500, "many packets": 300}
"""Bytes of one WRITE."""


@dataclass(frozen=True)
class Step:
    """One packet of an upload: OPEN, WRITE or CLOSE of ``name``."""

    kind: Packet
    name: str
    at: int = 0
    data: bytes = b""

    def packet(self, handle: bytes) -> bytes:
        match self.kind:
            case Packet.OPEN:
                rest = text(b"/IN/" + self.name.encode()) + struct.pack(">II", FRESH, 0)
            case Packet.WRITE:
                rest = text(handle) + struct.pack(">II", *offset(self.at)) + text(self.data)
            case _:
                rest = text(handle)
        body = bytes([self.kind]) + struct.pack(">I", 7) + rest
        return struct.pack(">I", len(body)) + body


@dataclass
class Attempt:
    """One upload of a set that was cut: what was sent of it, and what was answered with OK."""

    files: dict[str, bytes]
    asked: set[str] = field(default_factory=set)
    """Files of which all of the CLOSE may have arrived."""
    granted: set[str] = field(default_factory=set)


def set_of(number: int) -> dict[str, bytes]:
    chosen = random.Random(number)
    stem = f"FLAD.000001.{brussels_day(datetime.now(UTC)):%Y%m%d}.{number:05d}.R"
    fi, fs = chosen.randbytes(12_000), chosen.randbytes(3000)
    return {f"FI.{stem}.1.1": fi, f"FS.{stem}.1.1": fs, f"GO.{stem}.1": b""}


def steps_of(files: dict[str, bytes], block: int) -> list[Step]:
    steps: list[Step] = []
    for name, content in files.items():
        steps.append(Step(Packet.OPEN, name))
        for at in range(0, len(content), block):
            steps.append(Step(Packet.WRITE, name, at, content[at : at + block]))
        steps.append(Step(Packet.CLOSE, name))
    return steps


def upload(running: Running, files: dict[str, bytes], steps: list[Step], half: bool) -> Attempt:
    """Send ``steps``, the last only by ``half`` or without waiting for its answer; then cut."""
    made, handle = Attempt(files), b""
    raw = Raw(running)
    for number, step in enumerate(steps, 1):
        packet = step.packet(handle)
        last = number == len(steps)
        raw.channel.sendall(packet[: len(packet) // 2] if last and half else packet)
        if step.kind is Packet.CLOSE and not (last and half):
            made.asked.add(step.name)
        if last:
            break
        answer = raw.receive()
        if step.kind is Packet.OPEN:
            handle = answer[9:]
        else:
            assert answer[5:9] == Status.OK.to_bytes(4, "big"), answer
        if step.kind is Packet.CLOSE:
            made.granted.add(step.name)
    raw.transport.sock.close()
    raw.transport.close()
    return made


def check(running: Running, attempt: Attempt) -> None:
    there = {n: running.inbox / n for n in attempt.files if (running.inbox / n).exists()}
    assert attempt.granted <= set(there) <= attempt.asked
    for name, path in there.items():
        assert path.read_bytes() == attempt.files[name], name
    [fi, *_] = attempt.files
    sealed = list(running.instance.layout.sealed.glob(f"*{fi[3:-4]}*"))
    assert bool(sealed) >= (set(attempt.files) <= attempt.granted)
    assert bool(sealed) <= (set(attempt.files) <= attempt.asked)
    for directory in sealed:
        assert {n: (directory / n).read_bytes() for n in attempt.files} == attempt.files


def cut(data: Path, block: int, share: float) -> int:
    """Cut uploads at this share of the places there are; how many that was."""
    settings = load(data=data, port=0, max_connections_per_sender=150, max_sender_files=100_000)
    instance = make_instance(settings)
    key = ed25519.Ed25519PrivateKey.generate()
    register(instance, "000001", "alice", key)
    steps = len(steps_of(set_of(1), block))
    places = [(end, half) for end in range(1, steps + 1) for half in (True, False)]
    chosen = random.Random(block).sample(places, max(1, int(len(places) * share)))
    attempts = []
    with serving(instance, settings) as port:
        running = Running(instance, port, {"alice": key})
        for number, (end, half) in enumerate(chosen, 1):
            files = set_of(number)
            attempts.append(upload(running, files, steps_of(files, block)[:end], half))
    # The server is stopped: nothing of what was sent is still under way.
    assert os.listdir(instance.layout.up) == []
    assert os.listdir(instance.layout.seal) == []
    wanted = {name for attempt in attempts for name in attempt.files}
    assert {path.name for path in running.inbox.iterdir()} <= wanted
    for attempt in attempts:
        check(running, attempt)
    assert sum(bool(attempt.granted) for attempt in attempts) >= len(attempts) // 20
    return len(attempts)


@pytest.mark.parametrize("blocks", BLOCKS)
def test_a_sample_of_cuts_publishes_no_part_of_a_file(tmp_path: Path, blocks: str) -> None:
    wanted = 15
    share = wanted / (2 * len(steps_of(set_of(1), BLOCKS[blocks])))
    assert cut(tmp_path / "data", BLOCKS[blocks], share) >= wanted - 1


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_cut_at_any_packet_publishes_no_part_of_a_file(tmp_path: Path) -> None:
    """Before a packet is whole and before it is answered, of uploads in small and large blocks."""
    sizes = (*BLOCKS.values(), 100, 53)
    cuts = [cut(tmp_path / str(size), size, 1.0) for size in sizes]
    print(f"{sum(cuts)} cuts in uploads of {[n // 2 for n in cuts]} packets")
    assert sum(cuts) >= 1000
