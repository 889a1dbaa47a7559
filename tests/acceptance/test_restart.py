"""Ten thousand sets wait when ``serve`` starts: it listens within 5 s and answers 10 s later."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from batch.identifiers import SenderNumber
from batch.names import Folder, Kind
from batch.states import Sealed, SealedFile, SetKey, Trigger
from batch.storage.sealing import MANIFEST, manifest_bytes
from tests.acceptance.clients import today
from tests.acceptance.conftest import Registered, Serving
from tests.acceptance.instance import Instance
from tests.declarations import declaration, person, right

SETS = 10_000
LISTENING, FIRST_ANSWER = 5.0, 10.0
"""Seconds. Three times as long is asserted, for a busy disk: a sync for each set takes longer."""
SLACK = 3

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def seal(instance: Instance, sender: str, number: int, sealed_at: datetime) -> None:
    """Put a circuit test of one form in ``sealed`` as sealing leaves it, unsynced."""
    stem = f"FLAD.{sender}.{today()}.{number:05d}.T"
    key = SetKey(SenderNumber(sender), Folder.INTEST, stem, 1)
    home = instance.data / "spool" / "sealed" / str(key)
    home.mkdir(mode=0o700)
    contents = {
        f"FI.{stem}.1.1": declaration(right(f"restart/{number}", inss=person(number))),
        f"GO.{stem}.1": b"",
    }
    files = []
    for name, content in contents.items():
        (home / name).write_bytes(content)
        os.link(home / name, instance.folder(sender, "INTEST") / name)
        digest = hashlib.sha256(content).hexdigest()
        files.append(SealedFile(name, Kind(name[:2]), len(content), digest))
    made = Sealed(key, Trigger.GO, tuple(files), sealed_at)
    (home / MANIFEST).write_bytes(manifest_bytes(made))


def seconds_until(done: Callable[[], object], limit: float) -> float:
    start = time.monotonic()
    while not done():
        assert time.monotonic() - start < limit
        time.sleep(0.02)
    return time.monotonic() - start


def triggers(out: Path) -> int:
    return sum(name.startswith("GO.") for name in os.listdir(out))


def test_with_ten_thousand_sets_waiting_it_listens_and_answers_soon(
    serving: Serving, registered: Registered, capsys: pytest.CaptureFixture[str]
) -> None:
    instance, sender = serving(), registered.employer.number
    for folder in ("IN", "INTEST", "OUT", "OUTTEST"):
        instance.folder(sender, folder).mkdir(parents=True, exist_ok=True)
    at = datetime.now(UTC)
    for number in range(1, SETS + 1):
        seal(instance, sender, number, at)

    os.sync()  # what the test itself left to be written is not the restart's

    out = instance.folder(sender, "OUTTEST")
    start = time.monotonic()
    instance.serve()
    listening = time.monotonic() - start
    first = seconds_until(lambda: triggers(out), SLACK * FIRST_ANSWER)
    with capsys.disabled():
        print(f"\n{SETS} sets wait: listens after {listening:.1f} s, answers {first:.1f} s later")
    assert listening < SLACK * LISTENING
    assert instance.stop() == 0
    assert {json.loads(line)["event"] for line in instance.log.splitlines()}.isdisjoint(
        {"problem", "quarantined", "worker_failed"}
    )
