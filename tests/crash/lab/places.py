"""Where an instance lies, and what a power cut is there.

ext4 and xfs have a call that stops the file system at once, without writing its log. btrfs has
none: its image is cloned at one instant, and the clone is mounted instead. Only a clone is of one
instant: of a copy made block by block btrfs may write the last blocks after the first were read.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import struct
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

_SHUTDOWN = 0x8004587D
_WITHOUT_LOG = struct.pack("I", 2)
_CLONE = 0x40049409
"""FICLONE (ioctl_ficlonerange(2)): the whole of one file as it is, into another."""

PROCESS = "process"
POWER = {
    "ext4": (("mkfs.ext4", "-q", "-F"), "commit=300", 192),
    "xfs": (("mkfs.xfs", "-q", "-f"), "defaults", 320),
    "btrfs": (("mkfs.btrfs", "-q", "-f"), "commit=300,notreelog", 256),
    "treelog": (("mkfs.btrfs", "-q", "-f"), "commit=300", 256),
}
"""By kind: how it is made, how it is mounted so that nothing is written by itself, and its MiB."""
CARRIER = 768
"""MiB of the xfs that carries a btrfs: room for its image, and for all of that written anew."""
KINDS = (PROCESS, "ext4", "xfs", "btrfs")
HUNTING = "treelog"
"""btrfs as it is mounted by default. Its fsync brings along least, so it shows best what was not
synced; but Linux 6.18 cannot always mount it again: a directory that was moved has two names in its
log, which is no mistake of ours. We advise ``notreelog``, and the proof is on that."""


class Place(Protocol):
    """A directory for one instance; ``power`` says whether it can be cut off."""

    kind: str
    power: bool
    lost: bool
    """After a cut the kernel could not mount it again."""

    @property
    def data(self) -> Path: ...

    def cut(self) -> None:
        """The power goes: what was not synced is lost. Nobody may write any more."""

    def back(self) -> None:
        """The power is back; every process of the instance must be gone by now."""

    def sync(self) -> None:
        """Bring everything that is there to the disk."""

    def close(self) -> None: ...


@dataclass
class Directory:
    """A plain directory: its processes die, the machine stays."""

    root: Path
    kind: str = PROCESS
    power: bool = False
    lost: bool = False

    @property
    def data(self) -> Path:
        return self.root / "data"

    def cut(self) -> None:
        raise AssertionError("a directory has no power to cut")

    def back(self) -> None:
        pass

    def sync(self) -> None:
        pass

    def close(self) -> None:
        pass


@dataclass
class Disk:
    """A file system of its own on a loop device; ``size`` in MiB."""

    root: Path
    kind: str
    size: int = 0
    power: bool = True
    lost: bool = False
    _cut: bool = False

    def __post_init__(self) -> None:
        make, _, size = POWER[self.kind]
        with self.image.open("wb") as image:
            image.truncate((self.size or size) << 20)
        _run(*make, str(self.image))
        self.mount.mkdir()
        self._mount()

    @property
    def image(self) -> Path:
        return self.root / f"{self.kind}.img"

    @property
    def mount(self) -> Path:
        return self.root / "mount"

    @property
    def data(self) -> Path:
        return self.mount / "data"

    def cut(self) -> None:
        descriptor = os.open(self.mount, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.ioctl(descriptor, _SHUTDOWN, _WITHOUT_LOG)
        finally:
            os.close(descriptor)
        self._cut = True

    def back(self) -> None:
        if self._cut:
            self._unmount()
            self._cut = False
            self._mount()

    def sync(self) -> None:
        _run("sync", "--file-system", str(self.mount))

    def close(self) -> None:
        if not self.lost:
            self._unmount()
        self.image.unlink()

    def _unmount(self) -> None:
        """Killed processes may take a moment to let go."""
        deadline = time.monotonic() + 10
        while True:
            try:
                return _run("umount", str(self.mount))
            except AssertionError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.02)

    def _mount(self) -> None:
        _run("mount", "-o", f"loop,{POWER[self.kind][1]}", str(self.image), str(self.mount))


@dataclass
class Carried(Disk):
    """A file system whose image lies on an xfs, which can clone it at one instant."""

    def __post_init__(self) -> None:
        below = self.root / "carrier"
        below.mkdir()
        self._carrier = Disk(below, "xfs", CARRIER)
        try:
            super().__post_init__()
        except BaseException:
            self._carrier.close()
            raise

    @property
    def image(self) -> Path:
        return self._carrier.mount / f"{self.kind}.img"

    def cut(self) -> None:
        with self.image.open("rb") as now, self._clone.open("wb") as clone:
            fcntl.ioctl(clone, _CLONE, now.fileno())
        self._cut = True

    def back(self) -> None:
        if self._cut:
            self._unmount()
            self._clone.replace(self.image)
            self._cut = False
            try:
                self._mount()
            except AssertionError:
                self.lost = True

    def close(self) -> None:
        super().close()
        self._carrier.close()

    @property
    def _clone(self) -> Path:
        return self.image.with_suffix(".cut")


def place(kind: str, root: Path) -> Place:
    root.mkdir(parents=True)
    if kind == PROCESS:
        return Directory(root)
    return Carried(root, kind) if kind in ("btrfs", HUNTING) else Disk(root, kind)


def obstacle(kind: str, scratch: Path) -> str | None:
    """Why this machine cannot give such a place; None when it can."""
    if kind == PROCESS:
        return None
    program = POWER[kind][0][0]
    if shutil.which(program) is None:
        return f"{program} is not installed"
    root = scratch / f"try-{kind}"
    try:
        place(kind, root).close()
    except (OSError, AssertionError) as error:
        return f"{kind} cannot be mounted here: {error}"
    finally:
        shutil.rmtree(root)
    return None


def _run(*command: str) -> None:
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, f"{' '.join(command)}: {ended.stderr.strip()}"
