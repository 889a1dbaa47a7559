"""Real file systems for tests; a test is skipped, and counted, where none may be mounted."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def mounted(place: Path, *options: object) -> Iterator[Path]:
    """``mount OPTIONS place`` for as long as the block lasts."""
    if not place.exists():
        place.mkdir(parents=True)
    words = ["mount", *map(str, options), str(place)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"mounting is not allowed here: {done.stderr.strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", place], check=True)


@contextmanager
def memory(place: Path, **limits: object) -> Iterator[Path]:
    """A tmpfs with ``size=`` or ``nr_inodes=``."""
    given = ",".join(f"{name}={value}" for name, value in limits.items())
    with mounted(place, "-t", "tmpfs", "-o", given, "none"):
        yield place


@contextmanager
def disk(place: Path, kind: str, megabytes: int, *options: str) -> Iterator[Path]:
    """A new ext4, xfs or btrfs in a file, mounted with ``options``."""
    program = f"mkfs.{kind}"
    if shutil.which(program) is None:
        pytest.skip(f"not on PATH: {program}")
    image = place.with_name(f"{place.name}.{kind}")
    with image.open("wb") as file:
        file.truncate(megabytes << 20)
    made = ("-F", "-m", "0") if kind == "ext4" else ("-f",)  # nothing kept back for root
    subprocess.run([program, "-q", *made, image], check=True, capture_output=True)
    with mounted(place, "-t", kind, "-o", ",".join(("loop", *options)), image):
        yield place
    image.unlink()
