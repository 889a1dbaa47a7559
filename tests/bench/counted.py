"""``python -m tests.bench.counted DATA [--more NAME] PATH...``, under callgrind: do each path so
often and twice that, and have the instructions of both written down. Prints what was done.

``--more`` makes a path do a fourth more than it should, as a regression would.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import subprocess
import sys
from pathlib import Path

from tests.bench.paths import PATHS, Ready, Work

_PLACE = "CALLGRIND"
"""Where the callgrind around this process listens."""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("paths", nargs="+", choices=PATHS)
    parser.add_argument("--more", choices=PATHS)
    given = parser.parse_args()
    done: list[tuple[str, int]] = []
    for name in given.paths:
        make, count = PATHS[name]
        ready = make(given.data)
        more = count // 4 if name == given.more else 0
        ready(count)()  # what is loaded and compiled at the first time is not counted
        for often in (count, 2 * count):
            _count(_with_more(ready, often, more * often // count))
            done.append((name, often))
    json.dump(done, sys.stdout)


def _with_more(ready: Ready, count: int, more: int) -> Work:
    first = ready(count)
    again = ready(more) if more else None

    def work() -> None:
        first()
        if again is not None:
            again()

    return work


def _count(work: Work) -> None:
    gc.collect()
    gc.disable()  # it comes when so many objects were made since whenever
    _ask("instrumentation", "on")
    _ask("zero")
    work()
    _ask("dump")
    _ask("instrumentation", "off")
    gc.enable()


def _ask(*words: str) -> None:
    """Have the callgrind around this process do something; outside of one nothing is asked."""
    if _PLACE in os.environ:
        place = f"--vgdb-prefix={os.environ[_PLACE]}"
        command = ["vgdb", place, f"--pid={os.getpid()}", *words]
        subprocess.run(command, check=True, capture_output=True)


if __name__ == "__main__":
    main()
