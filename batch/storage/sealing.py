"""Sealing: bytes fixed by SHA-256 and put out of the sender's reach (S1-S4 of docs/flow.md).

The commit point is the rename into ``sealed``: before it the sender has no OK for the GO and
sends again; after it the set is accepted and will be answered. Every caller holds the
channel's lock.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from batch.errors import Denied, SpoolFault
from batch.identifiers import SenderNumber
from batch.ingest import receive
from batch.names import Folder, Kind, split
from batch.states import Sealed, SealedFile, SetKey, Trigger
from batch.storage import durable
from batch.storage.inbox import Inbox, announcing
from batch.storage.layout import Layout

MANIFEST = "@manifest.json"
_BLOCK = 1 << 20


def completed_by(inbox: Inbox, name: str) -> receive.Ready | None:
    """The set to seal now that a file has got this name: it is complete, or cancelled."""
    dropped = split(name)
    if dropped is None:
        return None
    if dropped.kind is Kind.TD:
        fresh = tuple(n for n in inbox.of_stem(dropped) if inbox.fresh(n))
        return receive.Ready(dropped.stem, fresh, Trigger.CANCELLED)
    triggers = (dropped,) if dropped.kind is Kind.GO else announcing(dropped)
    if any(inbox.fresh(go.text) and inbox.is_whole(go) for go in triggers):
        return receive.Ready(dropped.stem, tuple(inbox.of_stem(dropped)), Trigger.GO)
    return None


def check_cancel_in_time(inbox: Inbox, name: str) -> None:
    """Raise Denied when ``name`` is a TD that comes after its set was sealed: the TD loses."""
    dropped = split(name)
    if dropped is not None and dropped.kind is Kind.TD and _existing(inbox, dropped.stem, 1):
        raise Denied(f"{name}: too late to cancel, this set is already sealed")


def has_unfinished(inbox: Inbox) -> bool:
    """Whether something of a seal in this channel lies there: one is at it, or was killed."""
    return any(entry.startswith(f"{inbox.sender}.") for entry in os.listdir(inbox.layout.seal))


def drop_unfinished(inbox: Inbox) -> bool:
    """What a killed process left of sealing this channel: its lock is ours, so nobody is at it.

    Whether there was something.
    """
    mine = [n for n in os.listdir(inbox.layout.seal) if n.startswith(f"{inbox.sender}.")]
    for entry in mine:
        shutil.rmtree(inbox.layout.seal / entry, ignore_errors=True)  # the next sweep tries too
    return bool(mine)


def being_sealed(layout: Layout, sender: SenderNumber) -> set[int]:
    """The inodes linked into a set of ``sender`` that is not sealed yet."""
    found: set[int] = set()
    for entry in os.listdir(layout.seal):
        if entry.startswith(f"{sender}."):
            with suppress(FileNotFoundError), os.scandir(layout.seal / entry) as listing:
                found.update(file.stat(follow_symlinks=False).st_ino for file in listing)
    return found


def seal(inbox: Inbox, item: receive.Ready, now: datetime) -> SetKey | None:
    """Seal the named files as one content of the stem; None when it is an identical repeat.

    Either way the names of the inbox are synced as well when this returns.
    """
    layout = inbox.layout
    staging = _new_staging(inbox)
    try:
        taken = [_take(inbox, name, f"{staging}/{name}") for name in dict.fromkeys(item.names)]
        present = [found for found in taken if found is not None]
        files = tuple(found.file for found in present)
        ordinal = _ordinal(inbox, item.stem, files)
        if not files or ordinal is None:
            shutil.rmtree(staging)
            # The OK for a repeat vouches for the first: its sealer may have died before its fsync.
            durable.sync_directory(layout.sealed)
            _forget(inbox, item.names)
            return None
        key = SetKey(inbox.sender, inbox.folder, item.stem, ordinal)
        sealed = Sealed(key, item.trigger, files, now)
        directory = f"{layout.sealed}/{key}"
        durable.write_file(Path(staging, MANIFEST), manifest_bytes(sealed))
        durable.sync_directory(staging)
        inbox.held.sync()
        durable.rename_new(staging, directory)
    except BaseException:
        shutil.rmtree(staging, ignore_errors=True)
        raise
    durable.sync_directory(layout.sealed)
    durable.sync_directory(layout.seal)
    _relist(inbox, directory, [found for found in present if found.copied])
    return key


def _new_staging(inbox: Inbox) -> str:
    """A directory of this channel in ``seal``; the next sweep drops what a kill leaves there."""
    staging = f"{inbox.layout.seal}/{inbox.sender}.{secrets.token_hex(8)}"
    os.mkdir(staging, 0o700)
    return staging


def manifest_bytes(sealed: Sealed) -> bytes:
    """The manifest of a sealed set: all that later stages may believe about its files."""
    document = {
        "manifest": 1,
        "channel": str(sealed.key.channel),
        "folder": sealed.key.folder,
        "stem": sealed.key.stem,
        "ordinal": sealed.key.ordinal,
        "trigger": sealed.trigger,
        "sealed_at": sealed.sealed_at.astimezone(UTC).isoformat(),
        "files": [
            {"name": f.name, "kind": f.kind, "size": f.size, "sha256": f.sha256}
            for f in sealed.files
        ],
    }
    return json.dumps(document).encode() + b"\n"


def read_manifest(directory: Path) -> Sealed:
    """Read back what ``seal`` wrote; SpoolFault when it is absent or not whole."""
    try:
        with open(f"{directory}/{MANIFEST}", "rb", buffering=0) as stream:
            document = json.loads(stream.read())
        files = tuple(
            SealedFile(f["name"], Kind(f["kind"]) if f["kind"] else None, f["size"], f["sha256"])
            for f in document["files"]
        )
        key = SetKey(
            SenderNumber(document["channel"]),
            Folder(document["folder"]),
            document["stem"],
            document["ordinal"],
        )
        at = datetime.fromisoformat(document["sealed_at"])
        return Sealed(key, Trigger(document["trigger"]), files, at)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SpoolFault(f"{directory.name}: its manifest cannot be read ({error})") from error


def identity(files: tuple[SealedFile, ...]) -> tuple[str, ...]:
    """What makes a content the same: the SHA-256 of its FI parts, in order of their names.

    Never the FS, which a CMS container lets anyone change without breaking it. A file whose
    name does not split stands for itself.
    """
    return tuple(f.sha256 for f in sorted(files, key=lambda f: f.name) if f.kind in (Kind.FI, None))


def _ordinal(inbox: Inbox, stem: str, files: tuple[SealedFile, ...]) -> int | None:
    """Which content of its stem this is; None when it adds nothing to one that is there."""

    def read(ordinal: int) -> tuple[str, ...] | None:
        directory = _existing(inbox, stem, ordinal)
        return None if directory is None else identity(read_manifest(directory).files)

    key = (inbox.sender, inbox.folder, stem)
    return inbox.contents.ordinal(key, identity(files), read)


def _existing(inbox: Inbox, stem: str, ordinal: int) -> Path | None:
    name, layout = SetKey(inbox.sender, inbox.folder, stem, ordinal), inbox.layout
    for parent in (layout.sealed, layout.quarantine, layout.arch):
        if os.path.isdir(f"{parent}/{name}"):
            return parent / str(name)
    return None


@dataclass(frozen=True, slots=True)
class _Taken:
    """A file brought into a set; its inode in the inbox, and whether the set has a copy of it."""

    file: SealedFile
    inode: int
    copied: bool


def _take(inbox: Inbox, name: str, target: str) -> _Taken | None:
    """Bring one file into the set, with its digest.

    A file that came another way is copied: whoever put it there may still write to it.
    """
    status = inbox.held.status(name)
    if status is None:
        return None  # gone, or no file: it is not part of the set
    receipt = inbox.receipts.of(status)
    if receipt is not None:
        _link(inbox, name, target, status.st_ino)
        inbox.receipts.forget(status)
        return _Taken(_sealed_file(name, receipt.size, receipt.sha256), status.st_ino, False)
    try:
        descriptor = inbox.held.open(name)
    except FileNotFoundError:
        return None
    try:
        inode = os.fstat(descriptor).st_ino
        linked = durable.is_published(descriptor)
        if linked:
            _link(inbox, name, target, inode)
        size, digest = _hash(descriptor) if linked else _copy(descriptor, target)
    finally:
        os.close(descriptor)
    return _Taken(_sealed_file(name, size, digest), inode, not linked)


def _link(inbox: Inbox, name: str, target: str, inode: int) -> None:
    inbox.held.link(name, target)
    if os.lstat(target).st_ino != inode:
        raise SpoolFault(f"{name}: changed while it was being sealed")


def _sealed_file(name: str, size: int, sha256: str) -> SealedFile:
    read = split(name)
    return SealedFile(name, read.kind if read else None, size, sha256)


def _hash(descriptor: int, copy: int | None = None) -> tuple[int, str]:
    """Size and SHA-256 of an open file, each block written to ``copy`` as it passes."""
    digest, size = hashlib.sha256(), 0
    while block := os.pread(descriptor, _BLOCK, size):
        digest.update(block)
        if copy is not None:
            durable.write_all(copy, block, size)
        size += len(block)
    return size, digest.hexdigest()


def _copy(descriptor: int, target: str) -> tuple[int, str]:
    copy = os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o400)
    try:
        result = _hash(descriptor, copy)
        durable.mark_published(copy)
        os.fsync(copy)
    finally:
        os.close(copy)
    return result


def _relist(inbox: Inbox, directory: str, copied: list[_Taken]) -> None:
    """List the sealed bytes under the names of files that came another way.

    One that was replaced meanwhile is left: it is a new arrival.
    """
    changed = False
    for taken in copied:
        name, listed = taken.file.name, inbox.held.status(taken.file.name)
        if listed is not None and listed.st_ino == taken.inode:
            staging = _new_staging(inbox)
            try:
                os.link(f"{directory}/{name}", f"{staging}/{name}")
                inbox.held.put(f"{staging}/{name}", name)
            finally:
                shutil.rmtree(staging, ignore_errors=True)  # else by the next sweep
            changed = True
    if changed:
        inbox.held.sync()


def _forget(inbox: Inbox, names: tuple[str, ...]) -> None:
    """An identical repeat is on disk already: its new files go, those listed before stay."""
    for name in names:
        if inbox.fresh(name):
            inbox.held.unlink(name)
    inbox.held.sync()
