"""The directory into which a service puts its answers: what lies there, and how it leaves.

    <answers>/SSSSSS.CODE.E.REFERENCE    an answer to sender SSSSSS
    <answers>/.refused/                  what could not be posted, for the service to look at

A name that begins with a dot is not finished: the service writes under one and renames.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from batch.storage import durable

REFUSED = ".refused"


def waiting(place: Path) -> list[Path]:
    """The finished files, oldest first; links and directories are none. Raises OSError."""
    found: list[tuple[int, str]] = []
    with os.scandir(place) as listing:
        for item in listing:
            try:
                status = item.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue
            if stat.S_ISREG(status.st_mode) and not item.name.startswith("."):
                found.append((status.st_mtime_ns, item.name))
    return [place / name for _, name in sorted(found)]


def taken(file: Path) -> None:
    """It is posted: the channel has its bytes."""
    file.unlink(missing_ok=True)
    durable.sync_directory(file.parent)


def refuse(file: Path) -> Path:
    """Set it aside under its name, or one that is free; where it lies now."""
    aside = file.parent / REFUSED
    aside.mkdir(exist_ok=True)
    number = 0
    while True:
        target = aside / (f"{file.name}.{number}" if number else file.name)
        try:
            durable.rename_new(file, target)
        except FileExistsError:
            number += 1
            continue
        durable.sync_directory(aside)
        durable.sync_directory(file.parent)
        return target
