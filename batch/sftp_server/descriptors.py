"""How the descriptors of the process are shared out: at their end a server answers nobody.

First what the server itself needs, then connections, and the rest to files that senders have open.
A sender may have as many open as are still free, so that there is always one for the next sender.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from batch.errors import InstanceError
from batch.identifiers import SenderNumber
from batch.sftp_server.disk import THREADS, Lane

OF_OUR_OWN = 32
"""Standard streams, event loop, port, lock, and three for each of four look-ups in the registers:
20 were seen."""
OF_WORK = {Lane.LOOK: 4, Lane.CHANGE: 7}
"""What a piece of work has open beside its file: three for a folder, a listing; lock, file, copy,
directory."""
FOR_A_THREAD = {Lane.LOOK: 60, Lane.CHANGE: 40}
"""There is one thread of a lane for so many descriptors, up to as many as are of use."""
FOR_A_FOLDER = 64
"""There is one folder kept open for so many descriptors; it takes two."""
MOST_FOLDERS = 256
"""More senders than send at once; beyond them a folder is opened anew, for 30 microseconds."""
MOST_BACKLOG = 128
"""Connections that wait in the kernel until we take them; some event loops take all at once."""
FEWEST = 16
"""Connections and files below which it is no use to begin."""
MOST_NAMES = 100_000
"""Names held by all open listings of one sender, some 250 bytes each; one listing may hold more."""


@dataclass(frozen=True, slots=True)
class Budget:
    """What the limit of open files allows: threads; connections taken, and waiting in the kernel;
    files that senders have open; folders kept open between requests."""

    threads: dict[Lane, int]
    connections: int
    backlog: int
    files: int
    folders: int


def budget(limit: int, wanted: int) -> Budget:
    """Share out ``limit`` descriptors among at most ``wanted`` connections and open files.

    Raises InstanceError when there are too few to serve anybody.
    """
    threads = {
        lane: min(most, max(1, limit // FOR_A_THREAD[lane])) for lane, most in THREADS.items()
    }
    folders = min(MOST_FOLDERS, limit // FOR_A_FOLDER)
    ours = (
        OF_OUR_OWN + 2 * folders + sum(OF_WORK[lane] * number for lane, number in threads.items())
    )
    backlog = min(MOST_BACKLOG, limit // 8)
    left = limit - ours - backlog
    if left < FEWEST:
        raise InstanceError(
            f"this process may have {limit} files open, too few to serve anybody: raise its limit "
            "to 1024 or more (ulimit -n, or LimitNOFILE= of systemd)"
        )
    connections = min(wanted, left // 2)
    return Budget(threads, connections, backlog, left - connections, folders)


@dataclass(slots=True)
class Files:
    """The open files of all senders."""

    free: int
    _shares: dict[SenderNumber, Share] = field(default_factory=dict)
    _guard: threading.Lock = field(default_factory=threading.Lock)

    def of(self, sender: SenderNumber) -> Share:
        """What ``sender`` has open, over all its sessions."""
        with self._guard:
            return self._shares.setdefault(sender, Share(self, self._guard))


@dataclass(slots=True)
class Share:
    """One sender's open files and listings."""

    files: Files
    _guard: threading.Lock
    held: int = 0
    names: int = 0

    def take(self) -> bool:
        """One more file is to be opened; False when the others need what is left."""
        with self._guard:
            if self.held >= self.files.free:
                return False
            self.held += 1
            self.files.free -= 1
            return True

    def give(self) -> None:
        """A file that was taken is closed."""
        with self._guard:
            self.held -= 1
            self.files.free += 1

    def list(self, names: int) -> bool:
        """A listing of ``names`` is to be kept; False when this sender keeps too many already."""
        with self._guard:
            if self.names and self.names + names > MOST_NAMES:
                return False
            self.names += names
            return True

    def forget(self, names: int) -> None:
        """A listing that was kept is closed."""
        with self._guard:
            self.names -= names
