"""What each request does: one sender's folders behind one SFTP session.

What touches only an open descriptor is done at once; what touches names on the disk, syncs or
takes the channel's lock comes back as ``Work``, to be run in a thread, so that a slow disk stalls
only the session that waits for it. At most one request of a session is at work at a time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from batch import journal
from batch.errors import Denied, Fault
from batch.names import Folder
from batch.permissions import Operation
from batch.settings import Settings
from batch.sftp_server import protocol as p
from batch.sftp_server import refusals, replies
from batch.sftp_server.descriptors import Share
from batch.sftp_server.disk import Lane, Work
from batch.sftp_server.files import (
    DirectoryHandle,
    DownloadHandle,
    Handle,
    NotInMemory,
    UploadHandle,
    directory_attributes,
    entry_attributes,
    entry_lines,
    folder_lines,
    limit_for,
    remembered_attributes,
)
from batch.sftp_server.handles import Handles
from batch.sftp_server.home import (
    EntryPlace,
    FolderPlace,
    Place,
    Root,
    locate,
    refusal,
    refusal_while_uploading,
    rename_refusal,
)
from batch.sftp_server.protocol import OpenFlag, Status
from batch.sftp_server.recent import Recent
from batch.sftp_server.refusals import Refused
from batch.sftp_server.requests import is_whole, lane, opening
from batch.storage.room import NoRoom
from batch.storage.spool import SenderHome


class Operations:
    """Answers the requests of one session on one sender's folders."""

    def __init__(self, home: SenderHome, settings: Settings, share: Share) -> None:
        self._home = home
        self._settings = settings
        self._handles = Handles(share, settings.max_handles)
        self._recent = Recent()

    def answer(self, request: p.Request) -> bytes | Work:
        """The reply, or the work that makes it. Never raises, and neither does the work."""
        identifier = getattr(request, "id", 0) or 0
        at_once = _AT_ONCE.get(type(request))
        if isinstance(request, p.Close) and not isinstance(
            self._handles.find(request.handle), UploadHandle
        ):
            at_once = Operations._close
        if at_once is not None:
            with suppress(NotInMemory):
                return self._guarded(identifier, request, at_once)
        later = _LATER[type(request)]
        return Work(lane(request), lambda: self._guarded(identifier, request, later))

    def write_now(self, request: p.Write) -> bytes | None:
        """The reply to a WRITE that memory takes; None when it is the disk's."""
        handle = self._handles.find(request.handle)
        if isinstance(handle, UploadHandle) and handle.write_now(request.offset, request.data):
            return replies.status(request.id, Status.OK)
        return None

    def write_all(self, requests: Sequence[p.Write]) -> Work:
        """The work that makes the replies to WRITEs that came together."""
        act = Operations._write
        return Work(
            Lane.CHANGE, lambda: b"".join(self._guarded(each.id, each, act) for each in requests)
        )

    @property
    def nothing_open(self) -> bool:
        """Has ``abandon`` nothing to do?"""
        return not self._handles.names()

    def abandon(self) -> None:
        """The session is over without a CLOSE for these: nothing is published. Blocks."""
        for name in self._handles.names():
            try:
                self._handles.done(name, self._drop)
            except Exception as error:
                journal.problem("an abandoned upload could not be tidied away", error)

    def _drop(self, handle: Handle) -> None:
        if isinstance(handle, UploadHandle):
            size = handle.upload.size
            handle.upload.abandon()
            journal.abandoned(self._home.sender, str(handle.place), size)
        elif isinstance(handle, DownloadHandle):
            handle.close()

    def _guarded(
        self, identifier: int, request: p.Request, act: Callable[[Operations, Any], bytes]
    ) -> bytes:
        try:
            return act(self, request)
        except NotInMemory:
            raise
        except Exception as error:
            found = refusals.explain(error)
            if found in refusals.OURS and not isinstance(error, (Denied, NoRoom)):
                self._journal_failure(request, error)
            return replies.status(identifier, found.status, found.text)

    def _journal_failure(self, request: p.Request, error: Exception) -> None:
        handle = self._handles.find(getattr(request, "handle", b""))
        path = getattr(request, "path", b"") or getattr(handle, "place", "")
        operation = type(request).__name__
        if isinstance(error, (OSError, Fault, Refused)):
            reason = str(error)
            journal.operation_failed(self._home.sender, operation, _shown(path), reason)
        else:
            journal.problem(f"{operation} failed", error)

    # --- open, read, write, close -------------------------------------------------------

    def _open(self, request: p.Open) -> bytes:
        place = locate(request.path)
        writes = request.flags & (OpenFlag.WRITE | OpenFlag.APPEND)
        if not writes and not request.flags & OpenFlag.READ:
            raise Refused(refusals.NO_MODE)
        self._permit(opening(request.flags), place)
        assert isinstance(place, EntryPlace)
        self._permit_unclosed(opening(request.flags), place)
        make = partial(self._upload if writes else self._download, place, request.flags)
        return replies.handle(request.id, self._handles.add(make))

    def _open_now(self, request: p.Open) -> bytes:
        """A new upload, begun from what is known: NotInMemory where only the disk can tell."""
        place = locate(request.path)
        if not is_whole(request.flags):
            raise NotInMemory
        self._permit(Operation.UPLOAD, place)
        assert isinstance(place, EntryPlace)
        self._permit_unclosed(Operation.UPLOAD, place)
        return replies.handle(request.id, self._handles.add(lambda: self._upload_now(place)))

    def _upload_now(self, place: EntryPlace) -> UploadHandle:
        limit = limit_for(place.name, self._settings)
        upload = self._home.begin_now(place.folder, place.name, limit=limit)
        if upload is None:
            raise NotInMemory
        return UploadHandle(place, upload, False, time.time())

    def _download(self, place: EntryPlace, _flags: OpenFlag) -> DownloadHandle:
        return DownloadHandle(place, self._home.open_for_reading(place.folder, place.name))

    def _upload(self, place: EntryPlace, flags: OpenFlag) -> UploadHandle:
        create = bool(flags & OpenFlag.CREATE)
        if not create or flags & OpenFlag.EXCLUSIVE:
            exists = self._exists(place)
            if create and exists:
                raise Refused(refusals.THERE_ALREADY)
            if not create and not exists:
                raise FileNotFoundError
        self._home.check_name(place.folder, place.name)
        upload = self._home.begin(
            place.folder,
            place.name,
            keep=not flags & OpenFlag.TRUNCATE,
            limit=limit_for(place.name, self._settings),
        )
        if create and flags & OpenFlag.EXCLUSIVE:
            upload.only_if_new()
        return UploadHandle(place, upload, bool(flags & OpenFlag.APPEND), time.time())

    def _exists(self, place: EntryPlace) -> bool:
        try:
            self._home.entry(place.folder, place.name)
        except FileNotFoundError:
            return False
        return True

    def _read_now(self, request: p.Read) -> bytes:
        handle = self._handles.downloading(request.handle)
        return replies.read(request, handle.read_now(request.offset, request.length))

    def _read(self, request: p.Read) -> bytes:
        handle = self._handles.downloading(request.handle)
        return replies.read(request, handle.read(request.offset, request.length))

    def _write(self, request: p.Write) -> bytes:
        self._handles.uploading(request.handle).write(request.offset, request.data)
        return replies.status(request.id, Status.OK)

    def _fsync(self, request: p.Fsync) -> bytes:
        self._handles.uploading(request.handle).sync()
        return replies.status(request.id, Status.OK)

    def _close(self, request: p.Close) -> bytes:
        self._handles.done(request.handle, self._end)
        return replies.status(request.id, Status.OK)

    def _end(self, handle: Handle) -> None:
        if isinstance(handle, UploadHandle):
            self._publish(handle.place, handle.upload.size, handle.upload.publish)
        elif isinstance(handle, DownloadHandle):
            handle.close()

    def _publish(self, place: EntryPlace, size: int, publish: Callable[[], None]) -> None:
        publish()
        self._recent.remember(place, size)
        journal.published(self._home.sender, str(place), size)

    # --- attributes ---------------------------------------------------------------------

    def _stat(self, request: p.Stat) -> bytes:
        return replies.attributes(request.id, self._attributes(locate(request.path)))

    def _attributes(self, place: Place) -> p.Attributes:
        self._permit(Operation.STAT, place)
        if not isinstance(place, EntryPlace):
            return directory_attributes()
        upload = self._handles.upload_of(place)
        if upload is not None:
            return upload.attributes()
        try:
            return entry_attributes(self._home.entry(place.folder, place.name))
        except FileNotFoundError:
            published = self._recent.find(place)
            if published is None:
                raise
            return remembered_attributes(published.size, published.at)

    def _stat_vfs(self, request: p.StatVfs) -> bytes:
        """How much this sender may still store, wherever it can store: nothing in OUT."""
        place = locate(request.path)
        self._attributes(place)
        used, left = self._home.space()
        writable = not isinstance(place, (FolderPlace, EntryPlace)) or place.folder.is_inbox
        left = left if writable else left - left
        return replies.statvfs(request.id, used, left, writable=writable)

    def _fstat(self, request: p.FStat) -> bytes:
        handle = self._handles.get(request.handle)
        given = (
            directory_attributes() if isinstance(handle, DirectoryHandle) else handle.attributes()
        )
        return replies.attributes(request.id, given)

    def _set_stat(self, request: p.SetStat) -> bytes:
        place = locate(request.path)
        self._permit(Operation.SET_ATTRIBUTES, place)
        wanted = request.attributes.size
        if wanted is not None and wanted != self._attributes(place).size:
            raise Refused(refusals.NO_RESIZE)
        if isinstance(place, EntryPlace) and wanted is None:
            self._attributes(place)
        return replies.status(request.id, Status.OK)

    def _set_handle_stat(self, request: p.FSetStat) -> bytes:
        handle = self._handles.get(request.handle)
        wanted = request.attributes.size
        if wanted is not None:
            if isinstance(handle, UploadHandle):
                handle.upload.truncate(wanted)
            elif not isinstance(handle, DownloadHandle) or wanted != handle.attributes().size:
                raise Refused(refusals.NOT_WRITABLE)
        return replies.status(request.id, Status.OK)

    # --- names --------------------------------------------------------------------------

    def _open_directory(self, request: p.OpenDirectory) -> bytes:
        place = locate(request.path)
        self._permit(Operation.LIST, place)
        return replies.handle(request.id, self._handles.add(lambda: self._listing(place)))

    def _listing(self, place: Place) -> DirectoryHandle:
        now = time.time()
        if isinstance(place, Root):
            return DirectoryHandle(folder_lines(tuple(Folder), now), len(Folder))
        assert isinstance(place, FolderPlace)
        entries = self._home.entries(place.folder)
        return DirectoryHandle(entry_lines(entries, now), len(entries))

    def _read_directory(self, request: p.ReadDirectory) -> bytes:
        handle = self._handles.get(request.handle)
        if not isinstance(handle, DirectoryHandle):
            raise Refused(refusals.NO_DIRECTORY)
        lines = handle.read()
        if not lines:
            return replies.status(request.id, Status.EOF, "end of the directory")
        return replies.names(request.id, lines)

    def _real_path(self, request: p.RealPath) -> bytes:
        place = locate(request.path)
        self._permit(Operation.STAT, place)
        name = str(place).encode()
        return replies.names(request.id, [(name, name, p.Attributes())])

    def _remove(self, request: p.Remove) -> bytes:
        place = locate(request.path)
        self._permit(Operation.REMOVE, place)
        assert isinstance(place, EntryPlace)
        self._permit_unclosed(Operation.REMOVE, place)
        self._home.remove(place.folder, place.name)
        self._recent.forget(place)
        journal.removed(self._home.sender, str(place))
        return replies.status(request.id, Status.OK)

    def _rename(self, request: p.Rename) -> bytes:
        old, new = locate(request.old), locate(request.new)
        found = rename_refusal(old, new, replace=request.replace)
        if found is not None:
            raise Refused(found)
        assert isinstance(old, EntryPlace)
        assert isinstance(new, EntryPlace)
        self._permit_unclosed(Operation.RENAME, old)
        limit = limit_for(new.name, self._settings)
        size = self._home.rename(
            old.folder, old.name, new.name, replace=request.replace, limit=limit
        )
        self._recent.forget(old)
        self._recent.remember(new, size)
        journal.renamed(self._home.sender, str(old), str(new))
        return replies.status(request.id, Status.OK)

    # --- what is done nowhere, or without the disk --------------------------------------

    def _limits(self, request: p.Limits) -> bytes:
        return replies.limits(request.id, self._settings.max_handles)

    def _unsupported(self, request: p.Unsupported) -> bytes:
        found = refusals.not_done(request.type)
        return replies.status(request.id, found.status, found.text)

    def _malformed(self, request: p.Malformed) -> bytes:
        return replies.status(request.id or 0, Status.BAD_MESSAGE, request.reason)

    def _unexpected(self, _request: p.Init) -> bytes:
        return replies.status(0, Status.BAD_MESSAGE, "INIT comes once, and first")

    # --- handles ------------------------------------------------------------------------

    def _permit(self, operation: Operation, place: Place) -> None:
        found = refusal(operation, place)
        if found is not None:
            raise Refused(found)

    def _permit_unclosed(self, operation: Operation, place: EntryPlace) -> None:
        """Of what this session is uploading, nobody else can say what may be done with it."""
        if self._handles.upload_of(place) is not None:
            found = refusal_while_uploading(operation)
            if found is not None and not self._exists(place):
                raise Refused(found)


_AT_ONCE: dict[type, Callable[[Operations, Any], bytes]] = {
    p.Open: Operations._open_now,
    p.Read: Operations._read_now,
    p.FStat: Operations._fstat,
    p.ReadDirectory: Operations._read_directory,
    p.RealPath: Operations._real_path,
    p.Limits: Operations._limits,
    p.Unsupported: Operations._unsupported,
    p.Malformed: Operations._malformed,
    p.Init: Operations._unexpected,
}
"""What never waits for the disk; NotInMemory leaves it to those below."""
_LATER: dict[type, Callable[[Operations, Any], bytes]] = {
    p.Open: Operations._open,
    p.Read: Operations._read,
    p.Close: Operations._close,
    p.Fsync: Operations._fsync,
    p.FSetStat: Operations._set_handle_stat,
    p.Stat: Operations._stat,
    p.SetStat: Operations._set_stat,
    p.StatVfs: Operations._stat_vfs,
    p.OpenDirectory: Operations._open_directory,
    p.Remove: Operations._remove,
    p.Rename: Operations._rename,
}


def _shown(path: object) -> str:
    return path.decode("utf-8", "backslashreplace") if isinstance(path, bytes) else str(path)
