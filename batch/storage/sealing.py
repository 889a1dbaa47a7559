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
import stat
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from batch.errors import Denied, SpoolFault
from batch.identifiers import SenderNumber
from batch.ingest import receive
from batch.names import SAFE_NAME, Dropped, Folder, Kind, split
from batch.states import Sealed, SealedFile, SetKey, Trigger
from batch.storage import durable
from batch.storage.layout import Layout

MANIFEST = "@manifest.json"
PUBLISHED_MODE = 0o400
"""Mode of a file published by the channel; a file of any other mode came another way."""
_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class Inbox:
    """IN or INTEST of one sender."""

    layout: Layout
    sender: SenderNumber
    folder: Folder

    @property
    def path(self) -> Path:
        return self.layout.folder(self.sender, self.folder)


def after_arrival(inbox: Inbox, name: str, now: datetime) -> SetKey | None:
    """A file has just got its name: seal its set if that makes it complete, or cancels it."""
    dropped = split(name)
    if dropped is None:
        return None
    if dropped.kind is Kind.TD:
        present = [n for n in _possible_names(dropped) if _fresh(inbox.path / n)]
        return seal(inbox, receive.Ready(dropped.stem, (*present, name), Trigger.CANCELLED), now)
    for go in (dropped,) if dropped.kind is Kind.GO else _possible_triggers(dropped):
        if _fresh(inbox.path / go.text):
            names = _present_if_complete(inbox, go)
            if names:
                return seal(inbox, receive.Ready(go.stem, (*names, go.text), Trigger.GO), now)
    return None


def check_cancel_in_time(inbox: Inbox, name: str) -> None:
    """Raise Denied when ``name`` is a TD that comes after its set was sealed: the TD loses."""
    dropped = split(name)
    if dropped is not None and dropped.kind is Kind.TD and _existing(inbox, dropped.stem, 1):
        raise Denied(f"{name}: too late to cancel, this set is already sealed")


@dataclass(frozen=True, slots=True)
class Swept:
    """What a sweep sealed, and whether something is left that waits for its time."""

    sealed: tuple[SetKey, ...]
    waiting: bool


def sweep(inbox: Inbox, waits: receive.Waits, now: datetime) -> Swept:
    """Seal what is ready in the inbox, however its files came."""
    arrivals = _arrivals(inbox)
    ready = list(receive.ready(arrivals, inbox.folder, waits))
    keys = [seal(inbox, item, now) for item in ready]
    handled = {name for item in ready for name in item.names}
    waiting = any(not a.sealed and a.name not in handled for a in arrivals)
    return Swept(tuple(key for key in keys if key is not None), waiting)


def seal(inbox: Inbox, item: receive.Ready, now: datetime) -> SetKey | None:
    """Seal the named files as one content of the stem; None when it is an identical repeat."""
    layout = inbox.layout
    staging = layout.seal / secrets.token_hex(16)
    staging.mkdir(mode=0o700)
    try:
        taken = [_take(inbox.path / name, staging / name) for name in dict.fromkeys(item.names)]
        files = tuple(file for file in taken if file is not None)
        ordinal = _ordinal(inbox, item.stem, files)
        if not files or ordinal is None:
            shutil.rmtree(staging)
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
    _relist(inbox, layout.sealed / str(key), files)
    return key


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


def _take(source: Path, target: Path) -> SealedFile | None:
    """Bring one file into the set and hash it; a file that came another way is copied first."""
    try:
        descriptor = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return None  # gone, or a link that somebody put there: it is not part of the set
    with open(descriptor, "rb") as stream:
        before = os.fstat(descriptor)
        if not stat.S_ISREG(before.st_mode):
            return None
        ours = stat.S_IMODE(before.st_mode) == PUBLISHED_MODE
        if ours:
            os.link(source, target, follow_symlinks=False)
            if target.lstat().st_ino != before.st_ino:
                raise SpoolFault(f"{source.name}: changed while it was being sealed")
            copy = None
        else:
            copy = os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o400)
        digest, size = hashlib.sha256(), 0
        try:
            while block := stream.read(_BLOCK):
                digest.update(block)
                if copy is not None:
                    durable.write_all(copy, block, size)
                size += len(block)
            if copy is not None:
                os.fsync(copy)
        finally:
            if copy is not None:
                os.close(copy)
    name = split(source.name)
    return SealedFile(source.name, name.kind if name else None, size, digest.hexdigest())


def _relist(inbox: Inbox, directory: Path, files: tuple[SealedFile, ...]) -> None:
    """List the sealed bytes under the names of files that came another way."""
    changed = False
    for file in files:
        listed, sealed = inbox.path / file.name, directory / file.name
        if not listed.exists() or listed.lstat().st_ino != sealed.lstat().st_ino:
            link = inbox.layout.up / secrets.token_hex(16)
            os.link(sealed, link)
            link.rename(listed)
            changed = True
    if changed:
        durable.sync_directory(inbox.path)


def _forget(inbox: Inbox, names: tuple[str, ...]) -> None:
    """An identical repeat is on disk already: its new files go, those listed before stay."""
    for name in names:
        if _fresh(inbox.path / name):
            (inbox.path / name).unlink()
    durable.sync_directory(inbox.path)


def _fresh(path: Path) -> bool:
    try:
        return path.lstat().st_nlink == 1
    except FileNotFoundError:
        return False


def _present_if_complete(inbox: Inbox, go: Dropped) -> list[str] | None:
    wanted = receive.complete_names(go, inbox.folder)
    if wanted is None:
        return None
    found: list[str] = []
    for names in wanted:
        here = next((n for n in names if (inbox.path / n).exists()), None)
        if here is None:
            return None
        found.append(here)
    if inbox.folder.is_test:  # a signature is not wanted here, and checked when it is there
        found += [n for n in ("FS" + f[2:] for f in found) if (inbox.path / n).exists()]
    return found


def _possible_triggers(name: Dropped) -> list[Dropped]:
    texts = [f"GO.{name.stem}", *(f"GO.{name.stem}.{total}" for total in range(1, 10))]
    return [go for go in map(split, texts) if go is not None]


def _possible_names(name: Dropped) -> list[str]:
    """Every well-numbered name of the stem: fixed in number, however full the folder is."""
    ends = ["", *(f".{total}.{part}" for total in range(1, 10) for part in range(1, total + 1))]
    data = [f"{kind}.{name.stem}{end}" for kind in (Kind.FI, Kind.FS) for end in ends]
    return data + [go.text for go in _possible_triggers(name)]


def _arrivals(inbox: Inbox) -> list[receive.Arrival]:
    now = time.time()
    found: list[receive.Arrival] = []
    with os.scandir(inbox.path) as listing:
        for item in listing:
            if not SAFE_NAME.fullmatch(item.name):
                continue  # no sender can have put it here; it is an operator's to remove
            try:
                status = item.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue
            if stat.S_ISREG(status.st_mode):
                ours = stat.S_IMODE(status.st_mode) == PUBLISHED_MODE
                age = now - max(status.st_ctime, status.st_mtime)
                found.append(receive.Arrival(item.name, age, status.st_nlink > 1, ours))
    return found
