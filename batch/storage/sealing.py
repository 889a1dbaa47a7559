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
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from batch.errors import Denied, SpoolFault
from batch.identifiers import SenderNumber
from batch.ingest import receive
from batch.names import Dropped, Folder, Kind, split
from batch.states import Sealed, SealedFile, SetKey, Trigger
from batch.storage import durable
from batch.storage.inbox import Inbox, Seen, possible_triggers

MANIFEST = "@manifest.json"
_BLOCK = 1 << 20


def after_arrival(inbox: Inbox, name: str, now: datetime) -> SetKey | None:
    """A file has just got its name: seal its set if that makes it complete, or cancels it."""
    dropped = split(name)
    if dropped is None:
        return None
    if dropped.kind is Kind.TD:
        fresh = tuple(n for n in inbox.of_stem(dropped) if inbox.fresh(n))
        return seal(inbox, receive.Ready(dropped.stem, fresh, Trigger.CANCELLED), now)
    triggers = (dropped,) if dropped.kind is Kind.GO else possible_triggers(dropped)
    if any(inbox.fresh(go.text) and _is_complete(inbox, go) for go in triggers):
        names = tuple(inbox.of_stem(dropped))
        return seal(inbox, receive.Ready(dropped.stem, names, Trigger.GO), now)
    return None


def check_cancel_in_time(inbox: Inbox, name: str) -> None:
    """Raise Denied when ``name`` is a TD that comes after its set was sealed: the TD loses."""
    dropped = split(name)
    if dropped is not None and dropped.kind is Kind.TD and _existing(inbox, dropped.stem, 1):
        raise Denied(f"{name}: too late to cancel, this set is already sealed")


@dataclass(frozen=True, slots=True)
class Swept:
    """What a sweep sealed, whether something waits for its time, and what could not be sealed."""

    sealed: tuple[SetKey, ...]
    waiting: bool
    failed: tuple[tuple[str, Exception], ...]


def sweep(inbox: Inbox, seen: Seen, waits: receive.Waits, now: datetime) -> Swept:
    """Seal what is ready in the inbox, however its files came; one failure stops no other."""
    _drop_unfinished(inbox)
    arrivals = inbox.arrivals(seen)
    sealed: list[SetKey] = []
    failed: list[tuple[str, Exception]] = []
    handled: set[str] = set()
    for item in receive.ready(arrivals, inbox.folder, waits):
        try:
            key = seal(inbox, item, now)
        except (SpoolFault, OSError) as error:
            failed.append((item.stem, error))
        else:
            handled.update(item.names)
            sealed += [key] if key is not None else []
    waiting = any(not a.sealed and a.name not in handled for a in arrivals)
    return Swept(tuple(sealed), waiting, tuple(failed))


def _drop_unfinished(inbox: Inbox) -> None:
    """What a killed process left of sealing this channel: its lock is ours, so nobody is at it."""
    for entry in os.listdir(inbox.layout.seal):
        if entry.startswith(f"{inbox.sender}."):
            shutil.rmtree(inbox.layout.seal / entry, ignore_errors=True)  # the next sweep tries too


def seal(inbox: Inbox, item: receive.Ready, now: datetime) -> SetKey | None:
    """Seal the named files as one content of the stem; None when it is an identical repeat."""
    layout = inbox.layout
    staging = _new_staging(inbox)
    try:
        taken = [_take(inbox, name, staging / name) for name in dict.fromkeys(item.names)]
        present = [found for found in taken if found is not None]
        files = tuple(file for file, _ in present)
        ordinal = _ordinal(inbox, item.stem, files)
        if not files or ordinal is None:
            shutil.rmtree(staging)
            # The OK for a repeat vouches for the first: its sealer may have died before its fsync.
            durable.sync_directory(layout.sealed)
            _forget(inbox, item.names)
            return None
        key = SetKey(inbox.sender, inbox.folder, item.stem, ordinal)
        sealed = Sealed(key, item.trigger, files, now)
        durable.write_file(staging / MANIFEST, manifest_bytes(sealed))
        durable.sync_directory(staging)
        durable.rename_new(staging, layout.sealed / str(key))
    except BaseException:
        shutil.rmtree(staging, ignore_errors=True)
        raise
    durable.sync_directory(layout.sealed)
    durable.sync_directory(layout.seal)
    _relist(inbox, layout.sealed / str(key), present)
    return key


def _new_staging(inbox: Inbox) -> Path:
    """A directory of this channel in ``seal``; the next sweep drops what a kill leaves there."""
    staging = inbox.layout.seal / f"{inbox.sender}.{secrets.token_hex(8)}"
    staging.mkdir(mode=0o700)
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
    return json.dumps(document, indent=1).encode() + b"\n"


def read_manifest(directory: Path) -> Sealed:
    """Read back what ``seal`` wrote; SpoolFault when it is absent or not whole."""
    try:
        document = json.loads((directory / MANIFEST).read_bytes())
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
    mine = identity(files)
    ordinal = 1
    while directory := _existing(inbox, stem, ordinal):
        if not mine or identity(read_manifest(directory).files) == mine:
            return None
        ordinal += 1
    return ordinal


def _existing(inbox: Inbox, stem: str, ordinal: int) -> Path | None:
    name = str(SetKey(inbox.sender, inbox.folder, stem, ordinal))
    for parent in (inbox.layout.sealed, inbox.layout.quarantine, inbox.layout.arch):
        if (parent / name).is_dir():
            return parent / name
    return None


def _take(inbox: Inbox, name: str, target: Path) -> tuple[SealedFile, int] | None:
    """Bring one file into the set and hash it; its inode in the inbox comes along.

    A file that came another way is copied: whoever put it there may still write to it.
    """
    try:
        descriptor = inbox.held.open(name)
    except FileNotFoundError:
        return None  # gone, or no file: it is not part of the set
    try:
        before = os.fstat(descriptor)
        if durable.is_published(descriptor):
            inbox.held.link(name, target)
            if target.lstat().st_ino != before.st_ino:
                raise SpoolFault(f"{name}: changed while it was being sealed")
            size, digest = _hash(descriptor)
        else:
            size, digest = _copy(descriptor, target)
    finally:
        os.close(descriptor)
    read = split(name)
    return SealedFile(name, read.kind if read else None, size, digest), before.st_ino


def _hash(descriptor: int, copy: int | None = None) -> tuple[int, str]:
    """Size and SHA-256 of an open file, each block written to ``copy`` as it passes."""
    digest, size = hashlib.sha256(), 0
    while block := os.pread(descriptor, _BLOCK, size):
        digest.update(block)
        if copy is not None:
            durable.write_all(copy, block, size)
        size += len(block)
    return size, digest.hexdigest()


def _copy(descriptor: int, target: Path) -> tuple[int, str]:
    copy = os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o400)
    try:
        result = _hash(descriptor, copy)
        durable.mark_published(copy)
        os.fsync(copy)
    finally:
        os.close(copy)
    return result


def _relist(inbox: Inbox, directory: Path, taken: list[tuple[SealedFile, int]]) -> None:
    """List the sealed bytes under the names of files that came another way.

    One that was replaced meanwhile is left: it is a new arrival.
    """
    changed = False
    for file, inode in taken:
        listed, sealed = inbox.held.status(file.name), directory / file.name
        if listed is not None and listed.st_ino == inode != sealed.lstat().st_ino:
            staging = _new_staging(inbox)
            try:
                os.link(sealed, staging / file.name)
                inbox.held.put(staging / file.name, file.name)
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


def _is_complete(inbox: Inbox, go: Dropped) -> bool:
    wanted = receive.complete_names(go, inbox.folder)
    return wanted is not None and all(
        any(inbox.held.status(name) is not None for name in names) for names in wanted
    )
