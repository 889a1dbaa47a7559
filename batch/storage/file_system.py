"""What an instance asks of its file system: that it is one, has marks, and survives a power cut.

A rename is atomic, and a hard link possible, only inside one mount of one file system.
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from batch.errors import SpoolFault
from batch.names import Folder
from batch.storage import durable
from batch.storage.layout import Layout

MOUNTS = Path("/proc/self/mountinfo")

_UNSAFE = re.compile(r"overlay|tmpfs|ramfs|9p|nfs\d*|cifs|smb3|fuse.*")
"""Types that keep files in memory, or hand a sync to something we cannot see."""


@dataclass(frozen=True, slots=True)
class Mount:
    """A line of mountinfo (proc(5)): the kernel's number, where it is, of which type, and how."""

    number: int
    point: Path
    kind: str
    options: tuple[str, ...]
    """Those of the file system, as the kernel writes them."""


def check(layout: Layout) -> None:
    """Raise SpoolFault unless all parts lie in one mount of one file system that takes marks."""
    _one_device(layout)
    _one_mount(layout)
    _takes_marks(layout)


def doubt(layout: Layout) -> str | None:
    """What to tell an operator whose type of file system cannot keep the promise, if so."""
    number = _mount_number(layout.data)
    mine = next((mount for mount in mounts() if mount.number == number), None)
    if mine is not None and _UNSAFE.fullmatch(mine.kind):
        return (
            f"{layout.data} is on {mine.kind}, which may lose accepted sets when the power fails; "
            "put the instance on a local disk with ext4, xfs or btrfs"
        )
    if mine is not None and mine.kind == "btrfs" and "notreelog" not in mine.options:
        return (
            f"{layout.data} is on btrfs, which cannot always be mounted again after a power cut "
            "(seen with Linux 6.18); mount it with the option notreelog"
        )
    return None


def mounts() -> list[Mount]:
    """Every mount this process sees; none where the kernel does not tell."""
    try:
        lines = MOUNTS.read_text("utf-8", "surrogateescape").splitlines()
    except FileNotFoundError:
        return []
    return [_mount(line) for line in lines]


def _mount(line: str) -> Mount:
    """Fields 1 and 5, and the first and third after the dash that ends the optional ones."""
    words = line.split(" ")
    point = re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), words[4])
    kind, _, options = words[words.index("-", 6) + 1 :][:3]
    return Mount(int(words[0]), Path(point), kind, tuple(options.split(",")))


def _one_device(layout: Layout) -> None:
    home = layout.data.stat().st_dev
    strangers = [str(part) for part in _parts(layout) if part.stat().st_dev != home]
    if strangers:
        raise _scattered(layout, strangers)


def _one_mount(layout: Layout) -> None:
    """A bind mount has the same device, yet no rename leads into it."""
    home = layout.data.resolve()
    single = home / "settings.toml"  # only ever read: it may be laid over from elsewhere
    below = [m.point for m in mounts() if home in m.point.parents and m.point != single]
    number = _mount_number(layout.data)
    links = [part for part in _parts(layout) if part.is_symlink() or part.parent.is_symlink()]
    strangers = below + [part for part in links if _mount_number(part) != number]
    if strangers:
        raise _scattered(layout, [str(path) for path in strangers])


def _scattered(layout: Layout, strangers: list[str]) -> SpoolFault:
    shown = ", ".join(strangers[:5]) + (", ..." if len(strangers) > 5 else "")
    return SpoolFault(
        f"the instance must lie on one file system, that of {layout.data}; elsewhere or mounted "
        f"apart: {shown}; unmount them, or move the whole directory to where there is room"
    )


def _parts(layout: Layout) -> Iterator[Path]:
    """Every directory there is, with the senders' folders; that of the databases may be away."""
    yield from (path for path in layout.directories() if path.exists())
    with os.scandir(layout.channels) as listing:
        senders = sorted(item.name for item in listing if item.name.isdigit())
    for sender in senders:
        root = layout.channels / sender
        yield root
        yield from (root / folder for folder in Folder if (root / folder).is_dir())


def _mount_number(path: Path) -> int | None:
    """The kernel's number of the mount that ``path`` leads to; None where it does not tell."""
    descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        told = Path(f"/proc/self/fdinfo/{descriptor}").read_text("ascii")
    except FileNotFoundError:
        return None
    finally:
        os.close(descriptor)
    found = re.search(r"^mnt_id:\s*(\d+)$", told, re.MULTILINE)
    return int(found[1]) if found else None


def _takes_marks(layout: Layout) -> None:
    probe = layout.up / secrets.token_hex(16)
    descriptor = os.open(probe, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
    try:
        durable.mark_published(descriptor)
    except OSError as error:
        raise SpoolFault(
            f"{layout.data}: this file system has no extended attributes ({error.strerror}); "
            "put the instance on ext4, xfs or btrfs"
        ) from None
    finally:
        os.close(descriptor)
        probe.unlink(missing_ok=True)
