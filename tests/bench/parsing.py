"""Parse, validate and extract a declaration of 50 MB, against ``xmllint`` that only validates it.

Both in a process of their own. Of ours the CPU is counted from where the modules are there and
the schema is compiled, since the worker has them when a set comes; memory from the start.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.bench import declared, usage
from tests.bench.figures import Bench, Row, Run, Sample, Target, contest

NAME = "parsing"
MEGABYTES = 50


def rows(run: Run) -> Iterator[Row]:
    with run.room(NAME) as home:
        fi = home / "FI"
        size = declared.written(declared.of_bytes(run.size(MEGABYTES, 1) * 1_000_000), fi)

        def ours() -> Sample:
            spent = usage.program(sys.executable, "-m", "tests.bench.reading", fi)
            said = json.loads(spent.out)
            assert said["forms"] > size // 2000
            return {"cpu": said["cpu"], "memory": spent.peak}

        pairs = contest(run, NAME, ours, lambda: validated(fi), "xmllint --stream --schema")
    work = f"{size / 1e6:.0f} MB parsed, validated and extracted, CPU"
    yield pairs.row(NAME, work, "cpu", "s", Target("<=", 1.5))
    memory = Target("<=", 40, "ours")
    yield pairs.row(
        f"{NAME}-memory", "the same, peak memory of the process", "memory", "MB", memory
    )


def validated(fi: Path) -> Sample:
    """What ``xmllint`` takes to validate a file in one pass."""
    command = ["xmllint", "--noout", "--stream", "--schema", declared.SCHEMA, fi]
    spent = usage.program(*command)
    return {"cpu": spent.cpu, "wall": spent.wall, "memory": spent.peak}


BENCH = Bench(
    NAME, "50 MB parsed, validated and extracted, against xmllint validating", rows, ("xmllint",)
)
