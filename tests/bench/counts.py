"""Instructions of the hot paths, counted by callgrind, against those on record.

``python -m tests.bench.counts`` counts and compares; ``--record`` writes the record of this Python
(and of its machine's kind): after a change that is meant, or a faster one.

What the library of ``cryptography`` does itself is left out: two signatures of RSA are three
quarters of what a small set takes under callgrind, and would hide the rest.

A count does not hang on the load of the machine, and hardly on which machine it is; it does hang
on the interpreter. Of a Python that has no record the ratio to a reference is compared: so many
instructions of ours for one of plain Python, with more room.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.bench.paths import PATHS
from tests.integration.storage.world import make_template

RECORD = Path(__file__).with_name("counts.toml")
HEADROOM = 1.15
"""Over the record: runs of the same code were within two hundredths of one another."""
HEADROOM_OF_RATIOS = 1.3
"""Where the record is another Python's: 3.12 and 3.13 took 0.92 to 1.10 of what 3.11's promised."""
REFERENCE = "reference"
CIPHERS = "cryptography/hazmat/bindings"
"""Of the path of the object file that is not counted."""
SAME = {"PYTHONHASHSEED": "0", "OPENSSL_ia32cap": ":0"}
"""So that every run and every machine takes the same way: of dictionaries, and of OpenSSL, which
has other code for processors that know more."""

Counts = Mapping[str, float]
"""Instructions of one operation, by path."""


def count(paths: Iterable[str] = tuple(PATHS), more: str | None = None) -> dict[str, float]:
    """Count these paths, in one process; of ``more`` a fourth more is done than should be."""
    with tempfile.TemporaryDirectory(prefix="fla-batch-counts-") as made:
        work = Path(made)
        make_template(work / "data")
        out = work / "callgrind"
        options = ["--instr-atstart=no", f"--callgrind-out-file={out}", f"--vgdb-prefix={work}/vg"]
        words = [sys.executable, "-m", "tests.bench.counted", str(work / "data"), *paths]
        command = ["valgrind", "--tool=callgrind", *options, *words]
        with (work / "said").open("wb") as said:
            done = subprocess.run(
                command + (["--more", more] if more else []),
                stdout=subprocess.PIPE,
                stderr=said,
                check=False,
                env={**os.environ, **SAME, "CALLGRIND": f"{work}/vg"},
            )
        assert done.returncode == 0, (work / "said").read_text(errors="replace")[-3000:]
        sums = [_sum(Path(f"{out}.{n}")) for n, _ in enumerate(json.loads(done.stdout), 1)]
        return _of_one(json.loads(done.stdout), sums)


def _sum(dump: Path) -> int:
    """Of a file of callgrind's: what every object file took itself, but the ciphers'."""
    total, of, known = 0, "", dict[str, str]()
    lines = iter(dump.read_text().splitlines())
    for line in lines:
        if line.startswith("ob="):
            number, _, name = line.removeprefix("ob=").partition(" ")
            of = known.setdefault(number, name)
        elif line.startswith("calls="):
            next(lines)  # what the called function took, which stands with that as well
        elif line and line[0] in "0123456789+-*" and CIPHERS not in of:
            total += int([*line.split(), "0"][1])  # a place, and what was taken there
    assert total, dump
    return total


def _of_one(done: list[tuple[str, int]], sums: list[int]) -> dict[str, float]:
    """What twice as often took more, by operation: what comes once in a run is in neither."""
    found: dict[str, float] = {}
    for place in range(0, len(done), 2):
        (name, few), (_, many) = done[place : place + 2]
        found[name] = (sums[place + 1] - sums[place]) / (many - few)
    return found


def this_python() -> str:
    return f"{sys.version_info.major}.{sys.version_info.minor}-{platform.machine()}"


def record() -> dict[str, dict[str, int]]:
    """By Python and machine."""
    found: dict[str, dict[str, int]] = tomllib.loads(RECORD.read_text("utf-8"))
    return found


def limits(found: Counts, known: Mapping[str, Counts], python: str) -> dict[str, float]:
    """The most that each path may take: see above. The reference itself has no limit."""
    names = [name for name in found if name != REFERENCE]
    if python in known:
        return {name: known[python][name] * HEADROOM for name in names}
    other = known[max(known, key=_version)]
    share = found[REFERENCE] / other[REFERENCE]
    return {name: other[name] * share * HEADROOM_OF_RATIOS for name in names}


def _version(python: str) -> tuple[int, ...]:
    return tuple(int(part) for part in python.split("-")[0].split("."))


def too_many(found: Counts, known: Mapping[str, Counts], python: str) -> list[str]:
    """The paths that take more than they may, each as a sentence."""
    allowed = limits(found, known, python)
    return [
        f"{name}: {found[name]:,.0f} instructions, at most {limit:,.0f} "
        "(python -m tests.bench.counts --record, if that is meant)"
        for name, limit in allowed.items()
        if found[name] > limit
    ]


def write(found: Counts) -> None:
    """Put the counts of this Python on record; those of others stay."""
    known = record() if RECORD.exists() else {}
    known[this_python()] = {name: round(value) for name, value in found.items()}
    lines = ["# Made by python -m tests.bench.counts --record: instructions of one operation."]
    for python in sorted(known, key=_version):
        lines += ["", f'["{python}"]']
        lines += [f"{name} = {value}" for name, value in known[python].items()]
    RECORD.write_text("\n".join(lines) + "\n", "utf-8")


def main(arguments: list[str]) -> int:
    found = count()
    if "--record" in arguments:
        write(found)
    known = record()
    table = Table(title=f"instructions of one operation, {this_python()}", title_justify="left")
    for heading in ("path", "counted", "at most", "share of it"):
        table.add_column(heading, justify="left" if heading == "path" else "right")
    allowed = limits(found, known, this_python())
    for name, limit in allowed.items():
        table.add_row(name, f"{found[name]:,.0f}", f"{limit:,.0f}", f"{found[name] / limit:.2f}")
    Console().print(table)
    return int(bool(too_many(found, known, this_python())))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
