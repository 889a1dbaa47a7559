"""``python -m tests.bench.waiting DATA SENDER FIRST COUNT``: put sealed sets into an instance that
nobody serves, by the product's own receiving side.

Nothing is measured here, so nothing is synced either: a hundred thousand sets would take an hour.
"""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from batch.identifiers import SenderNumber
from batch.names import Folder
from batch.settings import Settings
from batch.signing import encoding, signature
from batch.storage.instance import Instance
from tests.acceptance.clients import named
from tests.bench.sets import employer, signer_of
from tests.declarations import declaration, person, right

_SEQUENCES = 99_999
"""Of one day; what is more has an earlier date in its name."""
_PERSONS = 6_000_000
"""Behind those of all other documents of a run."""


def main(data: Path, sender: str, first: int, count: int) -> None:
    """``first`` is how many were put there before."""
    room = 10 * (first + count) + 1000
    settings = Settings(data=data, max_sender_files=room, max_waiting_sets=room, min_free_inodes=0)
    home = Instance.open(settings).spool.sender(SenderNumber(sender))
    signer, now = signer_of(employer(sender)), datetime.now(UTC)
    for number in range(first, first + count):
        fi = declaration(right(f"wait/{number}", inss=person(_PERSONS + number)))
        fs = encoding.encode(signature.sign_with(signer, [fi], now))
        for name, content in named(_stem(sender, number, now), (fi, fs)).items():
            upload = home.begin(Folder.IN, name, keep=False, limit=1 << 20)
            upload.write(0, content)
            upload.publish()


def _stem(sender: str, number: int, now: datetime) -> str:
    day = now - timedelta(days=1 + number // _SEQUENCES)
    return f"FLAD.{sender}.{day:%Y%m%d}.{number % _SEQUENCES + 1:05d}.R"


if __name__ == "__main__":
    os.fsync = lambda _: None  # type: ignore[assignment]
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
