"""A sealed set's directory: its bytes, its answers' bytes, and the answers' way to OUT (A1-A4).

The answers of a set are written into its own directory, synced before the transaction that
decides them, and shown to the sender by a second link in OUT: an answer seen once cannot
change, and can be put back byte for byte.
"""

from __future__ import annotations

import hashlib
import os
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from batch.errors import SpoolFault
from batch.names import Kind
from batch.states import Sealed, SealedFile, SetKey
from batch.storage import beneath, durable
from batch.storage.answer_files import AnswerFiles, AnswerName
from batch.storage.beneath import Held
from batch.storage.layout import Layout
from batch.storage.sealing import read_manifest

_BLOCK = 1 << 20

Sign = Callable[[Iterable[bytes]], bytes]
"""Signs a stream of bytes and returns the content of an FS file."""


@dataclass(frozen=True, slots=True)
class Dossier:
    """The directory of one sealed set, wherever it stands now."""

    path: Path

    def sealed(self) -> Sealed:
        """What the manifest says; SpoolFault when it is damaged."""
        return read_manifest(self.path)

    def blocks(self, file: SealedFile) -> Iterator[bytes]:
        """The bytes of one file; SpoolFault at the end if they are not the sealed ones."""
        digest = hashlib.sha256()
        with open(self.path / file.name, "rb") as stream:
            while block := stream.read(_BLOCK):
                digest.update(block)
                yield block
        if digest.hexdigest() != file.sha256:
            raise SpoolFault(f"{self.path.name}: {file.name} is not what was sealed")

    def read(self, file: SealedFile, limit: int) -> bytes:
        """The first ``limit`` bytes of a small file, and one more when there are more."""
        with open(self.path / file.name, "rb") as stream:
            return stream.read(limit + 1)

    def open(self, file: SealedFile) -> BinaryIO:
        return open(self.path / file.name, "rb")

    def write_answer(
        self, wanted: AnswerName, chunks: Iterable[bytes], sign: Sign, max_bytes: int
    ) -> AnswerFiles:
        """Write FO (or CO above ``max_bytes``) and FS of one answer, synced; GO is empty.

        The files carry the attempt: one that was fenced off cannot touch those of a later one,
        and the row says which were decided.
        """
        data_kind, data = Kind.FO, self.answer_file(wanted.layer, wanted.attempt, Kind.FO)
        _write_stream(data, chunks)
        if data.stat().st_size > max_bytes:
            data_kind, data = Kind.CO, _zip(data, f"{Kind.FO}.{wanted.stem}.1.1")
        signature = sign(_blocks_of(data))
        durable.replace_file(self.answer_file(wanted.layer, wanted.attempt, Kind.FS), signature)
        durable.replace_file(self.answer_file(wanted.layer, wanted.attempt, Kind.GO), b"")
        for earlier in range(1, wanted.attempt):
            for kind in (Kind.FO, Kind.CO, Kind.FS, Kind.GO):
                self.answer_file(wanted.layer, earlier, kind).unlink(missing_ok=True)
        durable.sync_directory(self.path)
        return AnswerFiles(
            layer=wanted.layer,
            stem=wanted.stem,
            attempt=wanted.attempt,
            data_kind=data_kind,
            size=data.stat().st_size,
            sha256=_digest(data),
            signature_sha256=hashlib.sha256(signature).hexdigest(),
        )

    def answer_file(self, layer: str, attempt: int, kind: str) -> Path:
        """Where one file of an answer lies."""
        return self.path / f"@{layer}.{attempt}.{kind}"


@dataclass(frozen=True, slots=True)
class Emission:
    """A decided answer to be shown: of which set, under which stem, and which bytes."""

    id: int
    key: SetKey
    layer: str
    stem: str
    attempt: int
    data_kind: str
    sha256: str
    signature_sha256: str


def dossier(layout: Layout, key: SetKey) -> Dossier:
    """Find the directory of a set; SpoolFault when it is nowhere."""
    found = place(layout, str(key))
    if found is None:
        raise SpoolFault(f"{key}: its directory is missing")
    return Dossier(found)


def place(layout: Layout, name: str) -> Path | None:
    """Where the directory of this name stands; None when it is nowhere."""
    places = (parent / name for parent in (layout.sealed, layout.quarantine, layout.arch))
    return next((path for path in places if path.is_dir()), None)


def emit(layout: Layout, emissions: Sequence[Emission]) -> None:
    """Show answers of one channel and folder in OUT, every GO after the data it announces.

    A name that is there already, or was taken away by the sender, is left alone; a name that
    holds other bytes is an alarm (SpoolFault), never overwritten.
    """
    key = emissions[0].key
    folder = layout.folder(key.channel, key.folder.answers)
    with durable.locked(layout.lock_of(key.channel)), beneath.held(folder) as out:
        for item in emissions:
            home = dossier(layout, item.key)
            data = home.answer_file(item.layer, item.attempt, item.data_kind)
            signature = home.answer_file(item.layer, item.attempt, Kind.FS)
            for source, sha256 in ((data, item.sha256), (signature, item.signature_sha256)):
                if _digest(source) != sha256:
                    raise SpoolFault(f"{item.key}: {source.name} is not what was decided")
            _show(layout, item, data, out, f"{item.data_kind}.{item.stem}.1.1")
            _show(layout, item, signature, out, f"{Kind.FS}.{item.stem}.1.1")
        out.sync()
        for item in emissions:
            trigger = dossier(layout, item.key).answer_file(item.layer, item.attempt, Kind.GO)
            _show(layout, item, trigger, out, f"{Kind.GO}.{item.stem}.1")
        out.sync()


def archive(layout: Layout, keys: Sequence[SetKey]) -> None:
    """Answered sets of one channel: to ``arch``, and out of the sender's inbox."""
    with durable.locked(layout.lock_of(keys[0].channel)):
        for key in keys:
            source, target = layout.sealed / str(key), layout.arch / str(key)
            if source.is_dir():
                durable.rename_new(source, target)
        durable.sync_directory(layout.arch)
        durable.sync_directory(layout.sealed)
        for key in keys:
            unlist(layout, key)


def unlist(layout: Layout, key: SetKey) -> None:
    """Take a set's names out of the inbox, where they still are these very files."""
    home = dossier(layout, key)
    files = home.sealed().files
    with ExitStack() as opened:
        try:
            inbox = opened.enter_context(beneath.held(layout.folder(key.channel, key.folder)))
        except FileNotFoundError:
            return  # an operator took the folder away, and every name with it
        listed = [f.name for f in files if _same_file(inbox, f.name, home.path / f.name)]
        for name in listed:
            inbox.unlink(name)
        if listed:
            inbox.sync()


def move_to(layout: Layout, key: SetKey, target: Path) -> None:
    """Move a set's directory between ``sealed`` and ``quarantine``."""
    with durable.locked(layout.lock_of(key.channel)):
        source = dossier(layout, key).path
        if source.parent != target:
            durable.rename_new(source, target / str(key))
            durable.sync_directory(target)
            durable.sync_directory(source.parent)


def _show(layout: Layout, item: Emission, source: Path, out: Held, name: str) -> None:
    taken = layout.taken_name(item.key.channel, item.key.folder.answers, name)
    if not out.has(name):
        if not taken.exists():
            out.link_in(source, name)
    elif not _same_file(out, name, source):
        raise SpoolFault(f"{name}: another file has this answer's name")


def _same_file(folder: Held, name: str, other: Path) -> bool:
    try:
        first, second = folder.status(name), other.lstat()
    except FileNotFoundError:
        return False
    return first is not None and os.path.samestat(first, second)


def _write_stream(path: Path, chunks: Iterable[bytes]) -> None:
    staging = path.with_name(path.name + ".new")
    staging.unlink(missing_ok=True)
    descriptor = os.open(staging, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o400)
    with open(descriptor, "wb", buffering=_BLOCK) as stream:
        for chunk in chunks:
            stream.write(chunk)
        stream.flush()
        os.fsync(descriptor)
    staging.rename(path)


def _zip(data: Path, name: str) -> Path:
    """A ZIP with exactly one FO in it, named CO (contract, section 3)."""
    target = data.with_name(data.name[:-2] + Kind.CO)
    staging = target.with_name(target.name + ".new")
    staging.unlink(missing_ok=True)
    member = zipfile.ZipInfo(name)
    member.compress_type = zipfile.ZIP_DEFLATED
    with (
        open(staging, "xb") as raw,
        zipfile.ZipFile(raw, "w", zipfile.ZIP_DEFLATED, allowZip64=True) as archive_file,
    ):
        with archive_file.open(member, "w", force_zip64=True) as entry:
            for block in _blocks_of(data):
                entry.write(block)
        archive_file.close()
        raw.flush()
        os.fchmod(raw.fileno(), 0o400)
        os.fsync(raw.fileno())
    staging.rename(target)
    return target


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    for block in _blocks_of(path):
        digest.update(block)
    return digest.hexdigest()


def _blocks_of(path: Path) -> Iterator[bytes]:
    with open(path, "rb") as stream:
        while block := stream.read(_BLOCK):
            yield block
