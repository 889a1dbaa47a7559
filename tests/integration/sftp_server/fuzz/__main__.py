"""One process of a storm: ``python -m tests.integration.sftp_server.fuzz SEED FIRST COUNT``.

Lives from number FIRST on until there were COUNT packets, so that a life that went wrong is lived
again with its number and a COUNT of 1. The report is one line of JSON.
"""

from __future__ import annotations

import json
import sys

from tests.integration.sftp_server.fuzz.judge import Failure
from tests.integration.sftp_server.fuzz.life import storm


def main() -> int:
    seed, first, count = map(int, sys.argv[1:4])
    try:
        report = storm(seed, first, count)
    except Failure as failure:
        print(failure)
        return 1
    pairs = [[*pair, number] for pair, number in sorted(report.seen.items())]
    print(json.dumps({"lives": report.lives, "packets": report.packets, "pairs": pairs}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
