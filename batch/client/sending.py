"""Put a set into the channel: FI, FS, and GO last, each under its final name.

GO is what makes a set whole, so no temporary names are needed (contract, section 2). The file
is written here and not by ``SFTPClient.put``: paramiko drops the status of CLOSE, in which this
channel says whether the file was published, and the statuses of the last pipelined WRITEs; and
it closes, so publishes, a file of which the local reading failed half-way.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, cast

import paramiko
from paramiko.message import Message
from paramiko.sftp import (
    CMD_CLOSE,
    CMD_HANDLE,
    CMD_OPEN,
    CMD_WRITE,
    SFTP_FLAG_CREATE,
    SFTP_FLAG_TRUNC,
    SFTP_FLAG_WRITE,
    int64,
)

from batch.client.outgoing import OutgoingPart, OutgoingSet
from batch.errors import OperatorError
from batch.names import Folder, Kind

_CHUNK = 32_768
"""Octets in one WRITE: what every server must take (draft-ietf-secsh-filexfer-02, section 3)."""
_WINDOW = 64
"""WRITEs (or READs) under way at once: 2 MB, enough to fill a line of 100 MB/s at 20 ms."""

Progress = Callable[[str, int, int], None]
"""Told the file's name, the octets of the set sent so far, and those of the whole set."""


class SendRefused(OperatorError):
    """The channel did not take a file; the message quotes what it said."""


@dataclass(frozen=True, slots=True)
class Sent:
    """A set that is in the channel's hands. ``already``: it was there before, nothing was sent."""

    stem: str
    folder: Folder
    files: tuple[str, ...]
    octets: int
    already: bool


def send_set(
    sftp: paramiko.SFTPClient, outgoing: OutgoingSet, on_progress: Progress = lambda *_: None
) -> Sent:
    """Send ``outgoing``; doing it again after a lost connection changes nothing.

    A set whose GO lies there with the same FI files is not sent again; one that was answered in
    the meantime is, and the channel takes an identical repeat without a second answer. Raise
    SendRefused when the channel does not take a file; SSHException, EOFError and OSError of a
    lost connection pass through.
    """
    files = _files(outgoing)
    names = (*(file.name for file in files), outgoing.trigger)
    total = sum(file.size for file in files)
    already = _lies_there(sftp, outgoing)
    if not already:
        try:
            _upload(sftp, outgoing, files, on_progress)
        except SendRefused:
            # Sealed between our look and our upload, by a GO whose answer the line lost.
            already = _lies_there(sftp, outgoing)
            if not already:
                raise
    on_progress(outgoing.trigger, total, total)
    return Sent(str(outgoing.stem), outgoing.folder, names, total, already)


def _upload(
    sftp: paramiko.SFTPClient,
    outgoing: OutgoingSet,
    files: tuple[_File, ...],
    on_progress: Progress,
) -> None:
    done, total = 0, sum(file.size for file in files)
    for file in files:
        with file.open() as source:
            for octets in _write(sftp, outgoing.folder, file.name, source):
                done += octets
                on_progress(file.name, done, total)
    _confirm(sftp, outgoing.folder, files)
    for _ in _write(sftp, outgoing.folder, outgoing.trigger, BytesIO()):
        pass


@dataclass(frozen=True, slots=True)
class _File:
    """One file to upload: FI from the disk, FS from memory."""

    name: str
    size: int
    open: Callable[[], BinaryIO]


def _files(outgoing: OutgoingSet) -> tuple[_File, ...]:
    """All FI, then all FS."""
    data = [_data(part) for part in outgoing.parts]
    signatures = [
        _File(str(part.name.of(Kind.FS)), len(part.signature), _memory(part.signature))
        for part in outgoing.parts
        if part.signature is not None
    ]
    return (*data, *signatures)


def _data(part: OutgoingPart) -> _File:
    def open_data() -> BinaryIO:
        return part.data.open("rb")

    return _File(str(part.name), part.data.stat().st_size, open_data)


def _memory(content: bytes) -> Callable[[], BinaryIO]:
    return lambda: BytesIO(content)


def _lies_there(sftp: paramiko.SFTPClient, outgoing: OutgoingSet) -> bool:
    """Whether the same set is sealed and not answered yet: GO listed, FI octet for octet ours.

    Size alone would take another content of a used stem for ours, and its answers too.
    """
    listed = {entry.filename: entry.st_size for entry in sftp.listdir_attr(f"/{outgoing.folder}")}
    if outgoing.trigger not in listed:
        return False
    for part in outgoing.parts:
        name = str(part.name)
        if listed.get(name) != part.data.stat().st_size:
            return False
        if _remote_digest(sftp, f"/{outgoing.folder}/{name}") != _local_digest(part.data):
            return False
    return True


def _local_digest(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def _remote_digest(sftp: paramiko.SFTPClient, path: str) -> bytes | None:
    """None when the file went away while it was looked at, or may not be read."""
    digest = hashlib.sha256()
    try:
        with sftp.open(path, "rb") as remote:
            remote.prefetch(max_concurrent_requests=_WINDOW)
            while chunk := remote.read(_CHUNK):
                digest.update(chunk)
    except (FileNotFoundError, PermissionError):
        return None
    return digest.digest()


def _confirm(sftp: paramiko.SFTPClient, folder: Folder, files: tuple[_File, ...]) -> None:
    """Compare the sizes the channel lists with ours, before GO makes them count."""
    listed = {entry.filename: entry.st_size for entry in sftp.listdir_attr(f"/{folder}")}
    for file in files:
        if listed.get(file.name) != file.size:
            raise SendRefused(
                f"{file.name}: sent {file.size} octets, the channel lists "
                f"{listed.get(file.name, 'no such file')}; nothing was started, send again"
            )


def _write(sftp: paramiko.SFTPClient, folder: Folder, name: str, source: BinaryIO) -> Iterator[int]:
    """Write one remote file, yielding the size of each piece; CLOSE only when all went well."""
    try:
        writing = _Writing(sftp, f"/{folder}/{name}")
        while chunk := source.read(_CHUNK):
            writing.write(chunk)
            yield len(chunk)
        writing.close()
    except OSError as error:
        channel = sftp.get_channel()
        if channel is None or channel.closed or isinstance(error, TimeoutError):
            raise
        raise SendRefused(f"{name}: {error.strerror or error}") from error


class _Writing:
    """A remote file under its final name, with a window of WRITEs whose answers are all read.

    It is paramiko's ``fileobj`` of the requests it makes, so answers may come in any order.
    Left without ``close`` it is not published.
    """

    def __init__(self, sftp: paramiko.SFTPClient, path: str) -> None:
        self._sftp = cast(Any, sftp)  # single requests are not in paramiko's public face
        self._offset = 0
        self._unanswered = 0
        self._failure: Exception | None = None
        flags = SFTP_FLAG_WRITE | SFTP_FLAG_CREATE | SFTP_FLAG_TRUNC
        kind, answer = self._sftp._request(CMD_OPEN, path, flags, paramiko.SFTPAttributes())
        if kind != CMD_HANDLE:
            raise paramiko.SFTPError("expected a handle")
        self._handle: bytes = answer.get_string()

    def write(self, chunk: bytes) -> None:
        self._sftp._async_request(self, CMD_WRITE, self._handle, int64(self._offset), chunk)
        self._offset += len(chunk)
        self._unanswered += 1
        self._settle(_WINDOW)

    def close(self) -> None:
        """Wait for every WRITE, then CLOSE, and read what the channel says to it."""
        self._settle(0)
        self._sftp._request(CMD_CLOSE, self._handle)

    def _settle(self, allowed: int) -> None:
        while self._unanswered > allowed:
            self._sftp._read_response()
        if self._failure is not None:
            raise self._failure

    def _async_response(self, kind: int, message: Message, number: int) -> None:
        self._unanswered -= 1
        try:
            self._sftp._convert_status(message)
        except (OSError, EOFError) as error:
            self._failure = self._failure or error
