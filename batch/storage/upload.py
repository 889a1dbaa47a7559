"""A file on its way in (upload protocol U1-U3 of docs/flow.md).

The sender never owns a descriptor on a published file: bytes go to a staging file without a
name, and only an explicit CLOSE publishes it, synced, by a rename. Of a small file they are kept in
memory until then: nobody was promised them, and the event loop need not wait for a disk to take
them.
"""

from __future__ import annotations

import bisect
import hashlib
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from batch import journal, permissions
from batch.errors import Denied
from batch.names import INBOXES, Folder
from batch.storage import durable
from batch.storage.buffers import LARGEST
from batch.storage.entries import NOTHING
from batch.storage.quota import Claim

if TYPE_CHECKING:
    from batch.storage.spool import SenderHome

PUBLISHED_MODE = 0o400
STAGING_MODE = 0o600
BEGIN_WRITING_AT = 8 * 1024 * 1024
"""Bytes after which the disk begins to write them: else all of a large file waits for its CLOSE."""
MAX_EXTENTS = 1024
"""Separate stretches of an upload: clients that send out of order keep fewer than 100 in flight."""


class Poisoned(Denied):
    """An upload that met an error of the disk takes nothing more."""

    def __init__(self, text: str, errno: int) -> None:
        super().__init__(text)
        self.errno = errno


class Upload:
    """A file on its way in. Any error poisons it for good: OK is never given for lost bytes."""

    __slots__ = (
        "_claim",
        "_descriptor",
        "_errno",
        "_extents",
        "_folder",
        "_home",
        "_kept",
        "_limit",
        "_name",
        "_path",
        "_poison",
        "_resumed",
        "_unwritten",
        "size",
    )

    def __init__(
        self, home: SenderHome, folder: Folder, name: str, limit: int, claim: Claim
    ) -> None:
        assert folder in INBOXES, "the table refuses it before"
        self._home, self._folder, self._name, self._limit = home, folder, name, limit
        self._path: str | None = None
        self._descriptor = -1
        self._kept = bytearray()
        """The whole file, as long as it is not on the disk."""
        self._extents: list[tuple[int, int]] = []
        self._poison: str | None = None
        self._errno: int | None = None
        self._resumed: int | None = None
        self._claim = claim
        self._unwritten = 0
        """Bytes since the disk was last told to begin."""
        self.size = 0

    def copy_from(self, source: int) -> None:
        """Begin with the bytes of the open descriptor ``source``: the sender resumes.

        What was published meanwhile under the name must not be lost: see ``publish``.
        """
        self._resumed = os.fstat(source).st_ino
        with open(source, "rb", closefd=False) as stream:
            while block := stream.read(1 << 20):
                self.write(self.size, block)

    def only_if_new(self) -> None:
        """Take the name only if no file has it at ``publish``: FileExistsError then."""
        self._resumed = NOTHING

    def write_now(self, offset: int, data: bytes) -> bool:
        """Keep ``data`` in memory, where it is the next of a small file; waits for nothing.

        False where it must be written instead, or cannot be known to fit.
        """
        end = offset + len(data)
        if offset != len(self._kept) or self._poison or self._path is not None:
            return False
        if not data or end > min(LARGEST, self._limit):
            return False
        spool = self._home.spool
        if not spool.buffers.take(len(data)):
            return False
        if not (spool.room.grow_now(len(data)) and self._claim.grow_now(end)):
            spool.buffers.give(len(data))
            return False
        self._kept += data
        self._extents, self.size = [(0, end)], end
        return True

    def write(self, offset: int, data: bytes) -> None:
        """Write all of ``data`` at ``offset`` or raise; out of order is fine, gaps are not (U2)."""
        self._check()
        end = offset + len(data)
        if end > self._limit:
            self._poison = f"{self._name}: {permissions.too_large(self._limit).text}"
            raise Denied(self._poison)
        if not data:
            return  # no byte, so no size either, wherever it points
        with self._poisoned_by_errors():
            self._claim.grow_to(end)
            self._home.spool.room.grow(len(data))
            self._begin(STAGING_MODE)
            durable.write_all(self._descriptor, data, offset)
        self._begin_writing(len(data))
        self._extents = _with_extent(self._extents, offset, end)
        self.size = max(self.size, end)
        if len(self._extents) > MAX_EXTENTS:
            self._poison = f"{self._name}: too many gaps; send the blocks in order"
            raise Denied(self._poison)

    def truncate(self, size: int) -> None:
        """Only to nothing, or to the present size, which changes nothing."""
        self._check()
        if size == self.size:
            return
        if size:
            raise Denied(f"{self._name}: {permissions.NO_RESIZE.text}")
        with self._poisoned_by_errors():
            self._forget()
            if self._path is not None:
                os.ftruncate(self._descriptor, 0)
        self._extents, self.size = [], 0
        self._claim.empty()

    def sync(self) -> None:
        """Bring the bytes so far to the disk; an error poisons, since fsync is never repeated."""
        self._check()
        with self._poisoned_by_errors():
            self._begin(STAGING_MODE)
            os.fsync(self._descriptor)

    def publish(self) -> None:
        """The sender's explicit CLOSE (U3): whole, synced, named, and sealed if complete."""
        try:
            self._check()
            if self._extents not in ([], [(0, self.size)]):
                raise Denied(f"{self._name}: bytes are missing in the middle; send it again")
            sha256 = None
            if self._path is None:
                sha256 = hashlib.sha256(self._kept).hexdigest()
            else:
                os.fchmod(self._descriptor, PUBLISHED_MODE)
            staging = self._begin(PUBLISHED_MODE)
            durable.mark_published(self._descriptor)
            os.fsync(self._descriptor)
            if sha256 is not None:
                self._home.spool.receipts.keep(os.fstat(self._descriptor), sha256)
            self._close()
            try:
                self._home.publish(staging, self._folder, self._name, self._resumed)
            finally:
                self._claim.settle(landed=True)  # an error may have come after it got its name
        except BaseException:
            self.abandon()
            raise

    def abandon(self) -> None:
        """The connection was lost, or it was not published: nothing remains. Idempotent."""
        self._poison = self._poison or f"{self._name}: the upload was abandoned"
        with suppress(OSError):
            self._close()
        self._forget()
        if self._path is not None:
            self._home.spool.discard(Path(self._path))
        self._claim.settle(landed=False)

    def _begin(self, mode: int) -> str:
        """The staging file (U1), made when the first byte must be written, or at CLOSE; its path.

        No place in the sender's folder, a random name, and never over anything that exists.
        """
        if self._path is None:
            path = f"{self._home.spool.layout.up}/{secrets.token_hex(16)}"
            flags = os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_RDWR | os.O_CLOEXEC
            self._descriptor = os.open(path, flags, mode)
            self._path = path
            durable.write_all(self._descriptor, memoryview(self._kept), 0)
            self._forget()
        return self._path

    def _begin_writing(self, count: int) -> None:
        """``count`` more bytes: now and then the disk begins while the rest is still coming."""
        self._unwritten += count
        if self._unwritten >= BEGIN_WRITING_AT:
            self._unwritten = 0
            durable.begin_writing(self._descriptor)

    def _forget(self) -> None:
        """What was kept in memory is on the disk, or given up."""
        self._home.spool.buffers.give(len(self._kept))
        self._kept = bytearray()

    def _close(self) -> None:
        """Once: after an error of close(2) the number may be another file's already."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    @contextmanager
    def _poisoned_by_errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self._poison = f"{self._name}: {error.strerror}; nothing was stored"
            self._errno = error.errno
            raise

    def _check(self) -> None:
        if self._poison and self._errno is not None:
            raise Poisoned(self._poison, self._errno)
        if self._poison:
            raise Denied(self._poison)


def drop_staging(up: Path) -> None:
    """Remove every upload without a name; what an operator put among them is told, and left."""
    for staging in up.iterdir():
        if staging.is_dir() and not staging.is_symlink():
            journal.problem(f"{staging} is a directory among the uploads: move it away")
        else:
            staging.unlink()


def _with_extent(extents: list[tuple[int, int]], start: int, end: int) -> list[tuple[int, int]]:
    """Add [start, end) to sorted, disjoint extents; in order this is one step."""
    if start == end:
        return extents
    if len(extents) == 1 and start == extents[0][1]:
        return [(extents[0][0], end)]
    first = bisect.bisect_left(extents, start, key=lambda extent: extent[1])
    last = bisect.bisect_right(extents, end, key=lambda extent: extent[0])
    touched = extents[first:last]
    merged = (min([start, *(e[0] for e in touched)]), max([end, *(e[1] for e in touched)]))
    return [*extents[:first], merged, *extents[last:]]
