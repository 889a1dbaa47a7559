"""Where an instance lies, and what a power cut is there.

ext4 and xfs have a call that stops the file system at once, without writing its log. btrfs has
none: its image is copied while all writers are stopped, and the copy is mounted instead.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import struct
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

_SHUTDOWN = 0x8004587D
_WITHOUT_LOG = struct.pack("I", 2)

PROCESS = "process"
POWER = {
    "ext4": (("mkfs.ext4", "-q", "-F"), "commit=300", 192),
    "xfs": (("mkfs.xfs", "-q", "-f"), "defaults", 320),
    "btrfs": (("mkfs.btrfs", "-q", "-f"), "commit=300", 256),
}
"""By kind: how it is made, how it is mounted so that nothing is written by itself, and its MiB."""
KINDS = (PROCESS, *POWER)


class Place(Protocol):
    """A directory for one instance; ``power`` says whether it can be cut off."""

    kind: str
    power: bool

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
    """A file system of its own on a loop device."""

    root: Path
    kind: str
    power: bool = True
    _image: Path = field(init=False)
    _cut: bool = False

    def __post_init__(self) -> None:
        make, _, size = POWER[self.kind]
        self._image = self.root / f"{self.kind}.img"
        with self._image.open("wb") as image:
            image.truncate(size << 20)
        _run(*make, str(self._image))
        self.mount.mkdir()
        self._mount()

    @property
    def mount(self) -> Path:
        return self.root / "mount"

    @property
    def data(self) -> Path:
        return self.mount / "data"

    def cut(self) -> None:
        if self.kind == "btrfs":
            _run("cp", "--sparse=always", str(self._image), str(self._copy))
        else:
            descriptor = os.open(self.mount, os.O_RDONLY | os.O_DIRECTORY)
            try:
                fcntl.ioctl(descriptor, _SHUTDOWN, _WITHOUT_LOG)
            finally:
                os.close(descriptor)
        self._cut = True

    def back(self) -> None:
        if self._cut:
            self._unmount()
            if self.kind == "btrfs":
                self._copy.replace(self._image)
            self._cut = False
            self._mount()

    def sync(self) -> None:
        _run("sync", "--file-system", str(self.mount))

    def close(self) -> None:
        self._unmount()
        self._image.unlink()

    @property
    def _copy(self) -> Path:
        return self._image.with_suffix(".cut")

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
        _run("mount", "-o", f"loop,{POWER[self.kind][1]}", str(self._image), str(self.mount))


def place(kind: str, root: Path) -> Place:
    root.mkdir(parents=True)
    return Directory(root) if kind == PROCESS else Disk(root, kind)


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
