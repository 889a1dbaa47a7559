"""What one session has open, by the names it was given; each counts in its sender's share."""

from __future__ import annotations

from collections.abc import Callable

from batch.sftp_server import refusals
from batch.sftp_server.descriptors import Share
from batch.sftp_server.files import DirectoryHandle, DownloadHandle, Handle, UploadHandle
from batch.sftp_server.home import EntryPlace
from batch.sftp_server.refusals import Refused


class Handles:
    """The open handles of one session: at most ``most``, and as many as its sender's share has."""

    def __init__(self, share: Share, most: int) -> None:
        self._share = share
        self._most = most
        self._open: dict[bytes, Handle] = {}
        self._count = 0

    def add(self, make: Callable[[], Handle]) -> bytes:
        """Open one more with ``make``; its name. Raises Refused when there is no room for it."""
        if len(self._open) >= self._most:
            raise Refused(refusals.too_many_handles(self._most))
        if not self._share.take():
            raise Refused(refusals.TOO_BUSY)
        try:
            handle = make()
            if isinstance(handle, DirectoryHandle) and not self._share.list(handle.count):
                raise Refused(refusals.TOO_MANY_LISTINGS)
        except BaseException:
            self._share.give()
            raise
        self._count += 1
        name = self._count.to_bytes(8, "big")
        self._open[name] = handle
        return name

    def find(self, name: bytes) -> Handle | None:
        """The handle of this name, if it is open."""
        return self._open.get(name)

    def get(self, name: bytes) -> Handle:
        """Raises Refused when it is not open."""
        found = self._open.get(name)
        if found is None:
            raise Refused(refusals.NOT_OPEN)
        return found

    def downloading(self, name: bytes) -> DownloadHandle:
        """Raises Refused unless it is open for reading."""
        handle = self.get(name)
        if isinstance(handle, UploadHandle):
            raise Refused(refusals.NOT_READABLE)
        if not isinstance(handle, DownloadHandle):
            raise Refused(refusals.IS_DIRECTORY)
        return handle

    def uploading(self, name: bytes) -> UploadHandle:
        """Raises Refused unless it is open for writing."""
        handle = self.get(name)
        if not isinstance(handle, UploadHandle):
            raise Refused(refusals.NOT_WRITABLE)
        return handle

    def upload_of(self, place: EntryPlace) -> UploadHandle | None:
        """What this session is writing to a place, if it is."""
        uploads = (h for h in self._open.values() if isinstance(h, UploadHandle))
        return next((upload for upload in uploads if upload.place == place), None)

    def done(self, name: bytes, end: Callable[[Handle], None]) -> None:
        """Take a handle away and ``end`` it; whatever becomes of that, its share is given back."""
        handle = self.get(name)
        del self._open[name]
        try:
            end(handle)
        finally:
            if isinstance(handle, DirectoryHandle):
                self._share.forget(handle.count)
            self._share.give()

    def names(self) -> tuple[bytes, ...]:
        """All that are open now."""
        return tuple(self._open)
