"""Receiving: a sender's folders, and the one way in (upload protocol U1-U3 of docs/flow.md).

The sender never owns a descriptor on a published file: bytes go to a staging file without a
name, and only an explicit CLOSE publishes it, synced, by a rename. A published file is marked,
has mode 0400 and one link; a sealed one has a second link in its set's directory.
"""

from __future__ import annotations

import bisect
import os
import secrets
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from batch import journal
from batch.errors import Denied
from batch.identifiers import SenderNumber
from batch.names import INBOXES, Folder, Kind, split
from batch.permissions import Operation
from batch.settings import Settings
from batch.storage import beneath, durable, sealing
from batch.storage.backlog import Backlog
from batch.storage.beneath import Held
from batch.storage.entries import Entry, entry_of, must_be_same, permit
from batch.storage.inbox import Inbox
from batch.storage.layout import Layout
from batch.storage.quota import Amount, Claim, Quota
from batch.storage.room import Room

PUBLISHED_MODE = 0o400
MAX_EXTENTS = 1024
"""Separate stretches of an upload: clients that send out of order keep fewer than 100 in flight."""


@dataclass(frozen=True, slots=True)
class Spool:
    """The receiving side of an instance's disk."""

    layout: Layout
    settings: Settings
    room: Room
    backlog: Backlog
    _quotas: dict[SenderNumber, Quota] = field(default_factory=dict)
    _leftovers: set[Path] = field(default_factory=set)

    @classmethod
    def open(cls, data: Path, settings: Settings) -> Spool:
        room = Room(data, settings.min_free_bytes, settings.min_free_inodes)
        layout = Layout(data)
        return cls(layout, settings, room, Backlog(layout, settings.max_waiting_sets))

    def quota(self, sender: SenderNumber) -> Quota:
        """The quota of ``sender``, one for all its sessions."""
        folders = tuple(self.layout.folder(sender, folder) for folder in INBOXES)
        most = Amount(self.settings.max_sender_bytes, self.settings.max_sender_files)
        return self._quotas.setdefault(sender, Quota(sender, folders, most))

    def discard(self, staging: Path) -> None:
        """Remove a staging file; where the disk refuses, again at each upload from now on."""
        try:
            staging.unlink(missing_ok=True)
        except OSError as error:
            self._leftovers.add(staging)
            journal.problem("an upload that failed could not be removed yet", error)

    def drop_staging(self) -> None:
        """What an SFTP process left that was killed alone: none of it was answered OK."""
        for staging in self.layout.up.iterdir():
            staging.unlink()

    def tidy(self) -> None:
        """Try again to remove what ``discard`` could not."""
        for staging in tuple(self._leftovers):
            with suppress(OSError):
                staging.unlink(missing_ok=True)
                self._leftovers.discard(staging)

    def sender(self, sender: SenderNumber) -> SenderHome:
        """The folders of ``sender``, made when they are not there yet."""
        beneath.make_folders(self.layout.channels, str(sender))
        return SenderHome(self, sender)

    def senders(self) -> Iterator[SenderHome]:
        """Every sender with folders here."""
        for entry in sorted(os.listdir(self.layout.channels)):
            if entry.isdigit():
                yield SenderHome(self, SenderNumber(entry))


@dataclass(frozen=True, slots=True)
class SenderHome:
    """One sender's folders. Every method blocks on the disk and raises OSError when it fails."""

    spool: Spool
    sender: SenderNumber

    def entries(self, folder: Folder) -> list[Entry]:
        """What the folder lists, by name: regular files with a safe name."""
        with self._held(folder) as held:
            found = [entry_of(name, status, folder) for name, status in held.files()]
        return sorted(found, key=lambda e: e.name)

    def entry(self, folder: Folder, name: str) -> Entry:
        """Raise FileNotFoundError when there is no such regular file."""
        with self._held(folder) as held:
            status = held.status(name)
        if status is None:
            raise FileNotFoundError(name)
        return entry_of(name, status, folder)

    def begin(self, folder: Folder, name: str, *, keep: bool, limit: int) -> Upload:
        """Start an upload (U1); ``keep`` resumes on a copy of the published, unsealed bytes.

        Raises NoRoom when the floor of free space is reached, OverQuota when the sender's quota is.
        """
        self.spool.tidy()
        self.spool.room.ask()
        claim = self.quota.begin(partial(self._ends_a_set, folder, name))
        try:
            upload = Upload(self, folder, name, limit, claim)
        except BaseException:
            claim.settle(landed=False)
            raise
        if keep:
            try:
                self._resume(upload, folder, name)
            except BaseException:
                upload.abandon()
                raise
        return upload

    @property
    def quota(self) -> Quota:
        return self.spool.quota(self.sender)

    def space(self) -> tuple[Amount, Amount]:
        """What this sender has stored and sends, and how much more is taken now."""
        used, left = self.quota.used_and_left()
        return used, self.spool.room.least(left)

    def _ends_a_set(self, folder: Folder, name: str) -> bool:
        with self._inbox(folder) as inbox:
            return inbox.is_ended_by(name)

    def _resume(self, upload: Upload, folder: Folder, name: str) -> None:
        with self._held(folder) as held:
            permit(Operation.RESUME, held, folder, name)
            try:
                source = held.open(name)
            except FileNotFoundError:
                return
        try:
            upload.copy_from(source)
        finally:
            os.close(source)

    def open_for_reading(self, folder: Folder, name: str) -> int:
        """A read-only descriptor on a file of the folder; never through a link."""
        with self._held(folder) as held:
            return held.open(name)

    def remove(self, folder: Folder, name: str) -> None:
        """Remove an answer (kept in ``taken``, A4) or an unsealed file of an inbox."""
        with self.locked(), self._held(folder) as held:
            permit(Operation.REMOVE, held, folder, name)
            if folder.is_inbox:
                held.unlink(name)
                self.quota.freed()
            else:
                taken = self.spool.layout.taken_name(self.sender, folder, name)
                taken.unlink(missing_ok=True)  # an answer put back and deleted again
                held.take(name, taken)
                durable.sync_directory(self.spool.layout.taken)
            held.sync()

    def rename(self, folder: Folder, old: str, new: str, *, replace: bool) -> None:
        """Rename an unsealed file inside an inbox; may complete its set and so seal it.

        Without ``replace`` never over a file that is not sealed: FileExistsError.
        """
        wanted = Operation.RENAME_OVER if replace else Operation.RENAME_TO
        with self.locked(), self._inbox(folder) as inbox:
            held = inbox.held
            permit(Operation.RENAME, held, folder, old)
            permit(wanted, held, folder, new)
            self._check_new(inbox, new)
            with self.quota.still():
                if replace or held.status(new) is not None:
                    held.rename(old, new)
                else:
                    held.rename_new(old, new)
            held.sync()
            self._seal_after(inbox, new)

    def check_name(self, folder: Folder, name: str) -> None:
        """Raise what ``publish`` would for the name alone: some clients never hear their CLOSE."""
        with self._inbox(folder) as inbox:
            self._check_new(inbox, name)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold this channel's lock: all its moves happen one at a time."""
        with durable.locked(self.spool.layout.lock_of(self.sender)):
            yield

    def _held(self, folder: Folder) -> AbstractContextManager[Held]:
        return beneath.held(self.spool.layout.folder(self.sender, folder))

    def _inbox(self, folder: Folder) -> AbstractContextManager[Inbox]:
        return Inbox.opened(self.spool.layout, self.sender, folder)

    def _check_new(self, inbox: Inbox, name: str) -> None:
        """Raise Denied for a TD that comes too late, Backlogged for a GO that comes too soon."""
        sealing.check_cancel_in_time(inbox, name)
        dropped = split(name)
        if dropped is not None and dropped.kind is Kind.GO:
            self.spool.backlog.ask()

    def _seal_after(self, inbox: Inbox, name: str) -> None:
        """Seal the set of ``name`` when it is complete now; the lock is held."""
        key = sealing.after_arrival(inbox, name, datetime.now(UTC))
        if key is not None:
            self.spool.backlog.add()
            self.quota.freed()
            journal.sealed(key)

    def publish(self, staging: Path, folder: Folder, name: str, resumed: int | None) -> None:
        """Give a synced staging file its name (end of U3), then seal if that completes a set.

        ``resumed`` is the inode an upload went on from: Denied when it is not there any more, or
        sealed. An error after the rename leaves the file to the sweep: stored, though not OK'd.
        """
        with self.locked(), self._inbox(folder) as inbox:
            permit(Operation.UPLOAD, inbox.held, folder, name)
            if resumed is not None:
                must_be_same(inbox.held, name, resumed)
            self._check_new(inbox, name)
            inbox.held.put(staging, name)
            inbox.held.sync()
            self._seal_after(inbox, name)


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
        "_limit",
        "_name",
        "_path",
        "_poison",
        "_resumed",
        "size",
    )

    def __init__(
        self, home: SenderHome, folder: Folder, name: str, limit: int, claim: Claim
    ) -> None:
        if folder not in INBOXES:
            raise Denied(f"{folder} is not for sending; use IN or INTEST")
        self._home, self._folder, self._name, self._limit = home, folder, name, limit
        self._path = home.spool.layout.up / secrets.token_hex(16)
        flags = os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_RDWR | os.O_CLOEXEC
        self._descriptor = os.open(self._path, flags, 0o600)
        self._extents: list[tuple[int, int]] = []
        self._poison: str | None = None
        self._errno: int | None = None
        self._resumed: int | None = None
        self._claim = claim
        self.size = 0

    def copy_from(self, source: int) -> None:
        """Begin with the bytes of the open descriptor ``source``: the sender resumes.

        What was published meanwhile under the name must not be lost: see ``publish``.
        """
        self._resumed = os.fstat(source).st_ino
        with open(source, "rb", closefd=False) as stream:
            while block := stream.read(1 << 20):
                self.write(self.size, block)

    def write(self, offset: int, data: bytes) -> None:
        """Write all of ``data`` at ``offset`` or raise; out of order is fine, gaps are not (U2)."""
        self._check()
        end = offset + len(data)
        if end > self._limit:
            self._poison = f"{self._name}: larger than the {self._limit} bytes allowed here"
            raise Denied(self._poison)
        with self._poisoned_by_errors():
            self._claim.grow_to(end)
            self._home.spool.room.grow(len(data))
            durable.write_all(self._descriptor, data, offset)
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
            raise Denied(f"{self._name}: a file cannot be cut or grown here; send it again")
        with self._poisoned_by_errors():
            os.ftruncate(self._descriptor, 0)
        self._extents, self.size = [], 0
        self._claim.empty()

    def sync(self) -> None:
        """Bring the bytes so far to the disk; an error poisons, since fsync is never repeated."""
        self._check()
        with self._poisoned_by_errors():
            os.fsync(self._descriptor)

    def publish(self) -> None:
        """The sender's explicit CLOSE (U3): whole, synced, named, and sealed if complete."""
        try:
            self._check()
            if self._extents not in ([], [(0, self.size)]):
                raise Denied(f"{self._name}: bytes are missing in the middle; send it again")
            os.fchmod(self._descriptor, PUBLISHED_MODE)
            durable.mark_published(self._descriptor)
            os.fsync(self._descriptor)
            self._close()
            try:
                self._home.publish(self._path, self._folder, self._name, self._resumed)
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
        self._home.spool.discard(self._path)
        self._claim.settle(landed=False)

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
