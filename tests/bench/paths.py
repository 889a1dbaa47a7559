"""The hot paths whose instructions are counted: each lays its work ready and gives it back, to be
done while somebody counts.

Clocks and random names stay as they are: they cost the same number of instructions, or nearly.
"""

from __future__ import annotations

import asyncio
import os
import struct
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import asyncssh

from batch import names
from batch.ingest.plain import forms
from batch.names import Folder
from batch.settings import Settings
from batch.sftp_server.descriptors import Files
from batch.sftp_server.disk import Lane, Then
from batch.sftp_server.operations import Operations
from batch.sftp_server.session import SftpSession
from batch.signing import encoding, signature, verification
from batch.signing.verdict import NotSigned, Signed
from batch.storage.database import trying
from batch.storage.instance import Instance
from batch.storage.ledger import SqlLedger
from batch.worker.process import make_worker
from tests.acceptance.clients import named
from tests.bench import accounts, bulk, sets, signatures

Work = Callable[[], None]
Ready = Callable[[int], Work]
"""Given how often, lays that much work ready."""


def reference(_: Path) -> Ready:
    """What other interpreters are compared by: numbers, texts and dictionaries, none of ours."""

    def ready(count: int) -> Work:
        def work() -> None:
            for _ in range(count):
                held: dict[str, int] = {}
                for number in range(100):
                    held[f"{number:04d}"] = number * number % 97
                assert sum(held.values()) > 0

        return work

    return ready


def name_split(_: Path) -> Ready:
    """One file name of a set taken apart."""

    def ready(count: int) -> Work:
        given = [f"FI.FLAD.000001.20260101.{n:05d}.R.1.1" for n in range(1, count + 1)]

        def work() -> None:
            for name in given:
                assert names.split(name) is not None

        return work

    return ready


def signature_proved(_: Path) -> Ready:
    """One small FS proved over its FI, from its bytes to the verdict."""
    who, at = signatures.signer(), datetime.now(UTC)
    fs = encoding.encode(signature.sign_with(who, [signatures.SMALL], at))
    trusting, known = signatures.policy(), (signatures.registered(who.certificate),)

    def ready(count: int) -> Work:
        def work() -> None:
            for _ in range(count):
                begun = verification.begin(fs, known, trusting, at)
                assert not isinstance(begun, NotSigned)
                begun.update(signatures.SMALL)
                assert isinstance(begun.finish(), Signed)

        return work

    return ready


def form_judged(data: Path) -> Ready:
    """One form read, validated, judged against a ledger and stored (and undone at the end)."""
    engine = bulk.created(data.parent / "ledger.sqlite")
    bulk.store(engine, bulk.changes(0, 1000))
    with trying(engine):
        pass  # the connection is there

    def ready(count: int) -> Work:
        fi = accounts.document(5_000_000, count)

        def work() -> None:
            with trying(engine) as connection:
                SqlLedger(connection).reserve(1000)
                service = accounts.service(SqlLedger(connection))
                given = (("FI", form) for form in forms([fi], "Form", service.description.plain))
                found = list(service.judge(given, accounts.facts()))
                assert all(verdict.accepted for verdict in found)

        return work

    return ready


def set_worked_on(data: Path) -> Ready:
    """One small set by the worker: from sealed to both answers in OUT."""
    instance = Instance.open(Settings(data=data))
    worker, who = make_worker(instance), sets.employer()
    home = instance.spool.sender(accounts.SENDER)
    signer, used = sets.signer_of(who), iter(range(1, 10_000))

    def ready(count: int) -> Work:
        for _ in range(count):
            stem = f"FLAD.{who.number}.{datetime.now(UTC):%Y%m%d}.{next(used):05d}.R"
            fi = sets.small_fi()
            fs = encoding.encode(signature.sign_with(signer, [fi], datetime.now(UTC)))
            for name, content in named(stem, (fi, fs)).items():
                upload = home.begin(Folder.IN, name, keep=False, limit=1 << 20)
                upload.write(0, content)
                upload.publish()

        def work() -> None:
            assert worker.run_until_idle() >= count

        return work

    return ready


# --- one WRITE of an SFTP session ------------------------------------------------------------

BLOCK = os.urandom(4096)


class _Below:
    """What is below the session: an SSH channel that keeps the replies, and its connection."""

    writable = True

    def __init__(self) -> None:
        self.replies: list[bytes] = []
        self.answered = asyncio.Event()

    def process_packet(self, *_: object) -> bool:
        return True

    def touched(self) -> None: ...

    def refused(self, what: str) -> None:
        raise AssertionError(what)

    def ended(self, session: SftpSession) -> None: ...

    def write(self, data: bytes) -> None:
        self.replies.append(data)
        self.answered.set()

    def is_closing(self) -> bool:
        return False


def write_answered(data: Path) -> Ready:
    """One WRITE of 4 kB read, decoded, kept or written to a staging file, and answered.

    The hand-over to a thread is left out: how often that happens is the clients' doing.
    """
    settings = Settings(data=data)
    home = Instance.open(settings).spool.sender(accounts.SENDER)
    loop, below, files = asyncio.new_event_loop(), _Below(), Files(100)

    def run(_: Lane, work: Callable[[], Any], then: Then) -> None:
        loop.call_soon(then, work(), None)

    def make() -> Operations:
        return Operations(home, settings, files.of(accounts.SENDER))

    async def began() -> SftpSession:
        return SftpSession(below, make, run)

    async def asked(packets: list[bytes]) -> list[bytes]:
        below.replies.clear()
        for packet in packets:
            below.answered.clear()
            session.data_received(packet, None)
            await below.answered.wait()
        return list(below.replies)

    session = loop.run_until_complete(began())
    session.connection_made(cast("asyncssh.SSHServerChannel[bytes]", below))
    path = b"/IN/FI.FLAD.000001.20260101.99999.R.1.1"
    opened = _packet(3, 1, _text(path), struct.pack(">II", 0x1A, 0))
    _, reply = loop.run_until_complete(asked([struct.pack(">IBI", 5, 1, 3), opened]))
    assert reply[4] == 102, reply
    handle, offsets = reply[9:], _offsets()

    def ready(count: int) -> Work:
        packets = [_write(handle, next(offsets)) for _ in range(count)]

        def work() -> None:
            for reply in loop.run_until_complete(asked(packets)):
                assert reply[4] == 101
                assert reply[9:13] == b"\0\0\0\0"

        return work

    return ready


def _offsets() -> Iterator[int]:
    at = 0
    while True:
        yield at
        at += len(BLOCK)


def _write(handle: bytes, offset: int) -> bytes:
    return _packet(6, 7, handle, struct.pack(">Q", offset), _text(BLOCK))


def _text(given: bytes) -> bytes:
    return struct.pack(">I", len(given)) + given


def _packet(kind: int, identifier: int, *fields: bytes) -> bytes:
    body = struct.pack(">BI", kind, identifier) + b"".join(fields)
    return _text(body)


PATHS: dict[str, tuple[Callable[[Path], Ready], int]] = {
    "reference": (reference, 20),
    "name-split": (name_split, 200),
    "signature-proved": (signature_proved, 10),
    "form-judged": (form_judged, 40),
    "write-answered": (write_answered, 50),
    "set-worked-on": (set_worked_on, 4),
}
"""Each path with how often it is done; then twice that, and the difference counts."""
