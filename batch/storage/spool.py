"""Receiving: a sender's folders, and what is done in them under the lock of its channel.

The one way in is an ``Upload``. A published file is marked, has mode 0400 and one link; a sealed
one has a second link in its set's directory.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from batch import journal, routed
from batch.errors import Denied
from batch.identifiers import SenderNumber
from batch.names import INBOXES, Folder, Kind, split
from batch.permissions import Operation
from batch.settings import Settings
from batch.storage import beneath, durable, sealing
from batch.storage.backlog import Backlog
from batch.storage.beneath import Held
from batch.storage.buffers import Buffers
from batch.storage.contents import Contents
from batch.storage.entries import Entry, entry_of, must_be_same, permit, size_within
from batch.storage.inbox import Inbox
from batch.storage.kept_folders import KeptFolders
from batch.storage.layout import Layout
from batch.storage.quota import Amount, Quota
from batch.storage.receipts import Receipts
from batch.storage.room import Room
from batch.storage.upload import Upload, drop_staging


@dataclass(frozen=True, slots=True)
class Spool:
    """The receiving side of an instance's disk."""

    layout: Layout
    settings: Settings
    room: Room
    backlog: Backlog
    folders: KeptFolders
    contents: Contents = field(default_factory=Contents)
    buffers: Buffers = field(default_factory=Buffers)
    receipts: Receipts = field(default_factory=Receipts)
    _quotas: dict[SenderNumber, Quota] = field(default_factory=dict)
    _leftovers: set[Path] = field(default_factory=set)

    @classmethod
    def open(cls, data: Path, settings: Settings) -> Spool:
        room = Room(data, settings.min_free_bytes, settings.min_free_inodes)
        layout = Layout(data)
        backlog = Backlog(layout, settings.max_waiting_sets)
        return cls(layout, settings, room, backlog, KeptFolders(str(layout.channels)))

    def quota(self, sender: SenderNumber) -> Quota:
        """The quota of ``sender``, one for all its sessions."""
        known = self._quotas.get(sender)
        if known is not None:
            return known
        folders = tuple(self.layout.folder(sender, folder) for folder in INBOXES)
        most = Amount(self.settings.max_sender_bytes, self.settings.max_sender_files)
        linked = partial(sealing.being_sealed, self.layout, sender)
        return self._quotas.setdefault(sender, Quota(sender, folders, most, linked))

    def discard(self, staging: Path) -> None:
        """Remove a staging file; where the disk refuses, again at each upload from now on."""
        try:
            staging.unlink(missing_ok=True)
        except OSError as error:
            self._leftovers.add(staging)
            journal.problem("an upload that failed could not be removed yet", error)

    @property
    def has_leftovers(self) -> bool:
        """Whether ``tidy`` has something to do."""
        return bool(self._leftovers)

    def drop_staging(self) -> None:
        """What an SFTP process left that was killed alone: none of it was answered OK."""
        drop_staging(self.layout.up)

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

    def begin_now(self, folder: Folder, name: str, *, limit: int) -> Upload | None:
        """The same, and ``check_name``, from what is known without a look at the disk.

        None where that does not tell. That no directory has the name is seen at CLOSE alone.
        """
        dropped = split(name)
        kind = None if dropped is None else dropped.kind
        if self.spool.has_leftovers or kind is Kind.TD or not self.spool.room.ask_now():
            return None
        if kind is Kind.GO and not self.spool.backlog.takes_now(self.sender):
            return None
        claim = self.quota.begin_now()
        return None if claim is None else Upload(self, folder, name, limit, claim)

    @property
    def quota(self) -> Quota:
        return self.spool.quota(self.sender)

    def space(self) -> tuple[Amount, Amount]:
        """What this sender has stored and sends, and how much more is taken now."""
        used, left = self.quota.used_and_left()
        return used, self.spool.room.least(left)

    def _ends_a_set(self, folder: Folder, name: str) -> bool:
        with self.inbox(folder) as inbox:
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

    def rename(self, folder: Folder, old: str, new: str, *, replace: bool, limit: int) -> int:
        """Rename an unsealed file inside an inbox; may complete its set and so seal it. Its size.

        Without ``replace`` never over a file that is not sealed: FileExistsError. Denied when it
        has more than the ``limit`` bytes that ``new`` may have.
        """
        wanted = Operation.RENAME_OVER if replace else Operation.RENAME_TO
        with self.locked(), self.inbox(folder) as inbox:
            held = inbox.held
            permit(Operation.RENAME, held, folder, old)
            permit(wanted, held, folder, new)
            size = size_within(limit, held, old, new)
            self._check_new(inbox, new)
            with self.quota.still():
                if replace or held.status(new) is not None:
                    held.rename(old, new)
                else:
                    held.rename_new(old, new)
            self.quota.freed()  # the place of what had the name
            if not self._seal_after(inbox, new):
                held.sync()
        return size

    def check_name(self, folder: Folder, name: str) -> None:
        """Raise what ``publish`` would for the name alone: some clients never hear their CLOSE."""
        with self.inbox(folder) as inbox:
            self._check_new(inbox, name)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold this channel's lock: all its moves happen one at a time."""
        with durable.locked(self.spool.layout.lock_of(self.sender)):
            yield

    def _held(self, folder: Folder) -> AbstractContextManager[Held]:
        return self.spool.folders.held(str(self.sender), folder)

    @contextmanager
    def inbox(self, folder: Folder) -> Iterator[Inbox]:
        """IN or INTEST as the sealing sees it; raises as ``beneath.held``."""
        spool = self.spool
        unsigned = routed.unsigned_codes(spool.settings.services)
        with self._held(folder) as held:
            yield Inbox(
                *(spool.layout, self.sender, folder, held, spool.contents, spool.receipts),
                unsigned,
            )

    def _check_new(self, inbox: Inbox, name: str) -> None:
        """Raise Denied for a TD that comes too late, or a name that a directory has; Backlogged for
        a GO that comes too soon."""
        if inbox.held.is_directory(name):
            journal.problem(
                f"a directory {name} lies in {inbox.folder} of sender {self.sender} and keeps its "
                "files of that name out: move it away"
            )
            raise Denied(f"{name}: the receiver has a directory of this name; tell its operator")
        sealing.check_cancel_in_time(inbox, name)
        dropped = split(name)
        if dropped is not None and dropped.kind is Kind.GO:
            self.spool.backlog.ask(self.sender)

    def _seal_after(self, inbox: Inbox, name: str) -> bool:
        """Seal the set of the new ``name`` when it is complete now; the lock is held.

        Whether the names of the inbox are synced: the seal does it before its commit point.
        """
        item = sealing.completed_by(inbox, name)
        if item is None:
            return False
        key = sealing.seal(inbox, item, datetime.now(UTC))
        if key is not None:
            self.spool.backlog.add(self.sender)
            self.quota.freed()
            journal.sealed(key)
        return True

    def publish(self, staging: str, folder: Folder, name: str, resumed: int | None) -> None:
        """Give a synced staging file its name (end of U3), then seal if that completes a set.

        ``resumed`` is the inode an upload went on from, or NOTHING: see ``must_be_same``.
        An error after the rename leaves the file to the sweep: stored, though not OK'd.
        """
        with self.inbox(folder) as inbox:
            with self.locked():
                permit(Operation.UPLOAD, inbox.held, folder, name)
                if resumed is not None:
                    must_be_same(inbox.held, name, resumed)
                self._check_new(inbox, name)
                inbox.held.put(staging, name)
                synced = self._seal_after(inbox, name)
            if not synced:
                inbox.held.sync()  # without the lock: others may wait for the same commit
