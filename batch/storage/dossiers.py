"""A sealed set's directory: its bytes, its answers' bytes, and the answers' way to OUT (A1-A4).

The answers of a set are written into its own directory, synced before the transaction that
decides them, and shown to the sender by a second link in OUT: an answer seen once cannot
change, and can be put back byte for byte.
"""

from __future__ import annotations

import hashlib
import math
import os
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import IO, BinaryIO

from batch.errors import SpoolFault
from batch.names import Kind
from batch.states import Sealed, SealedFile, SetKey
from batch.storage import beneath, durable
from batch.storage.answer_files import AnswerFiles, AnswerName
from batch.storage.answer_zip import packed
from batch.storage.beneath import Held
from batch.storage.layout import Layout
from batch.storage.sealing import read_manifest

_BLOCK = 1 << 20
_BUFFER = 1 << 16

Sign = Callable[[bytes], bytes]
"""Signs bytes of which it gets the SHA-256, and returns the content of an FS file."""


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
        for block in _blocks_of(f"{self.path}/{file.name}"):
            digest.update(block)
            yield block
        if digest.hexdigest() != file.sha256:
            raise SpoolFault(f"{self.path.name}: {file.name} is not what was sealed")

    def read(self, file: SealedFile, limit: int) -> bytes:
        """The first ``limit`` bytes of a small file, and one more when there are more."""
        with open(f"{self.path}/{file.name}", "rb", buffering=0) as stream:
            return stream.read(limit + 1)

    def open(self, file: SealedFile) -> BinaryIO:
        return open(self.path / file.name, "rb")

    def write_answer(
        self,
        wanted: AnswerName,
        chunks: Iterable[bytes],
        sign: Sign,
        max_bytes: int,
        unsynced: durable.Unsynced,
    ) -> AnswerFiles:
        """Write FO (or CO above ``max_bytes``) and FS of one answer; GO is empty.

        They are in ``unsynced`` then, which is synced before anything of them is committed.

        The files carry the attempt: one that was fenced off cannot touch those of a later one,
        and the row says which were decided.
        """
        beginning = f"{self.path}/@{wanted.layer}.{wanted.attempt}."
        place = {kind: beginning + kind for kind in _ANSWER_KINDS}
        with ExitStack() as opened:
            blocks = _gathered(chunks)
            written = _written(place[Kind.FO], blocks, opened, max_bytes)
            kind = Kind.FO
            if written.size > max_bytes:
                kind, name = Kind.CO, f"{Kind.FO}.{wanted.stem}.1.1"
                whole = chain(_blocks_of(place[Kind.FO]), blocks)
                written = _zipped(place[Kind.CO], name, whole, opened)
                os.unlink(place[Kind.FO])
            signature = sign(written.sha256)
            beside = (_whole(place[kind], data, opened) for kind, data in _beside(signature))
            unsynced.add((written.descriptor, *beside), self.path)
        for earlier in range(1, wanted.attempt):
            for each in _ANSWER_KINDS:
                self.answer_file(wanted.layer, earlier, each).unlink(missing_ok=True)
        return AnswerFiles(
            layer=wanted.layer,
            stem=wanted.stem,
            attempt=wanted.attempt,
            data_kind=kind,
            size=written.size,
            sha256=written.sha256.hex(),
            signature_sha256=hashlib.sha256(signature).hexdigest(),
        )

    def shows(self, item: Emission) -> list[tuple[str, str]]:
        """The names in OUT of an answer's data, FS and GO, each with the path of its file."""
        beginning = f"{self.path}/@{item.layer}.{item.attempt}."
        return [(name, beginning + kind) for name, kind in item.files]

    def answer_file(self, layer: str, attempt: int, kind: str) -> Path:
        """Where one file of an answer lies."""
        return self.path / f"@{layer}.{attempt}.{kind}"


@dataclass(frozen=True, slots=True)
class Emission:
    """A decided answer to be shown: of which set, under which stem, and which bytes.

    One that was posted has a directory of its own, and a key with the folder it is shown in.
    """

    id: int
    key: SetKey
    layer: str
    stem: str
    attempt: int
    data_kind: str
    sha256: str
    signature_sha256: str

    @property
    def files(self) -> tuple[tuple[str, str], ...]:
        """The names it is shown under, each with its kind."""
        data, fs = f"{self.data_kind}.{self.stem}.1.1", f"{Kind.FS}.{self.stem}.1.1"
        return (data, self.data_kind), (fs, Kind.FS), (f"{Kind.GO}.{self.stem}.1", Kind.GO)


def dossier(layout: Layout, key: SetKey) -> Dossier:
    """Find the directory of a set; SpoolFault when it is nowhere."""
    found = place(layout, str(key))
    if found is None:
        raise SpoolFault(f"{key}: its directory is missing")
    return Dossier(found)


def place(layout: Layout, name: str) -> Path | None:
    """Where the directory of this name stands; None when it is nowhere."""
    for parent in (layout.sealed, layout.quarantine, layout.arch, layout.posted):
        if os.path.isdir(f"{parent}/{name}"):
            return parent / name
    return None


def emit(layout: Layout, emissions: Sequence[Emission]) -> None:
    """Show answers of one channel and folder in OUT, every GO after the data it announces.

    A name that is there already, or was taken away by the sender, is left alone; a name that
    holds other bytes is an alarm (SpoolFault), never overwritten.
    """
    key = emissions[0].key
    folder = layout.folder(key.channel, key.folder.answers)
    with durable.locked(layout.lock_of(key.channel)), beneath.held(folder) as out:
        shown = [(item, dossier(layout, item.key)) for item in emissions]
        for item, home in shown:
            *files, _ = home.shows(item)
            for (_, source), sha256 in zip(
                files, (item.sha256, item.signature_sha256), strict=True
            ):
                if _digest(source) != sha256:
                    name = os.path.basename(source)
                    raise SpoolFault(f"{item.key}: {name} is not what was decided")
            for name, source in files:
                _show(layout, item, source, out, name)
        out.sync()
        for item, home in shown:
            *_, (name, source) = home.shows(item)
            _show(layout, item, source, out, name)
        out.sync()


def forget_taken(layout: Layout, emissions: Sequence[Emission]) -> None:
    """That the sender deleted these answers of one channel, or their time was over, is forgotten.

    From here ``emit`` shows them again.
    """
    key = emissions[0].key
    with durable.locked(layout.lock_of(key.channel)):
        for item in emissions:
            for name, _ in item.files:
                layout.taken_name(key.channel, key.folder.answers, name).unlink(missing_ok=True)
        durable.sync_directory(layout.taken)


def withdraw(layout: Layout, emissions: Sequence[Emission]) -> None:
    """Answers of one channel and folder leave OUT as by the sender's delete, GO before its data.

    Only where the name still is the very file that was shown: whatever else lies there is
    somebody's, and stays. A name that is gone already is no error.
    """
    key = emissions[0].key
    folder = key.folder.answers
    with ExitStack() as opened:
        opened.enter_context(durable.locked(layout.lock_of(key.channel)))
        try:
            out = opened.enter_context(beneath.held(layout.folder(key.channel, folder)))
        except FileNotFoundError:
            return  # an operator took the folder away, and every name with it
        for trigger in (True, False):
            for item in emissions:
                home = dossier(layout, item.key)
                for name, kind in item.files:
                    source = home.answer_file(item.layer, item.attempt, kind)
                    if (kind == Kind.GO) is trigger and _same_file(out, name, source):
                        taken = layout.taken_name(key.channel, folder, name)
                        taken.unlink(missing_ok=True)  # of one file two names: rename does nothing
                        out.take(name, taken)
            durable.sync_directory(layout.taken)
            out.sync()


def archive(layout: Layout, keys: Sequence[SetKey]) -> None:
    """Answered sets of one channel: to ``arch``, and out of the sender's inbox."""
    with durable.locked(layout.lock_of(keys[0].channel)):
        for key in keys:
            source = f"{layout.sealed}/{key}"
            if os.path.isdir(source):
                durable.rename_new(source, f"{layout.arch}/{key}")
        durable.sync_directory(layout.arch)
        durable.sync_directory(layout.sealed)
        for folder in {key.folder for key in keys}:
            unlist(layout, [key for key in keys if key.folder is folder])


def unlist(layout: Layout, keys: Sequence[SetKey]) -> None:
    """Take the names of sets of one folder out of the inbox, where they still are these files."""
    homes = [dossier(layout, key) for key in keys]
    with ExitStack() as opened:
        try:
            folder = layout.folder(keys[0].channel, keys[0].folder)
            inbox = opened.enter_context(beneath.held(folder))
        except FileNotFoundError:
            return  # an operator took the folder away, and every name with it
        listed = {  # once: two contents of a stem may have a file in common
            file.name
            for home in homes
            for file in home.sealed().files
            if _same_file(inbox, file.name, f"{home.path}/{file.name}")
        }
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


def _show(layout: Layout, item: Emission, source: str, out: Held, name: str) -> None:
    if not out.has(name):
        if not layout.taken_name(item.key.channel, item.key.folder.answers, name).exists():
            out.link_in(source, name)
    elif not _same_file(out, name, source):
        raise SpoolFault(f"{name}: another file has this answer's name")


def _same_file(folder: Held, name: str, other: Path | str) -> bool:
    try:
        first, second = folder.status(name), os.lstat(other)
    except FileNotFoundError:
        return False
    return first is not None and os.path.samestat(first, second)


_ANSWER_KINDS = (Kind.FO, Kind.CO, Kind.FS, Kind.GO)


def _beside(signature: bytes) -> tuple[tuple[Kind, bytes], ...]:
    """What is written after an answer's data: each kind with its content."""
    return (Kind.FS, signature), (Kind.GO, b"")


@dataclass(frozen=True, slots=True)
class _Written:
    """A file that is written and not synced yet, with what it holds."""

    descriptor: int
    size: int
    sha256: bytes


def _written(
    path: str, blocks: Iterable[bytes], opened: ExitStack, most: float = math.inf
) -> _Written:
    """A new file in the place of one that was left; open until ``opened`` ends.

    Of more than ``most`` bytes the first block beyond is the last that is taken.
    """
    descriptor = _create(path, opened)
    digest, size = hashlib.sha256(), 0
    for block in blocks:
        durable.write_all(descriptor, block, size)
        digest.update(block)
        size += len(block)
        if size > most:
            break
    return _Written(descriptor, size, digest.digest())


def _gathered(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes in blocks: an answer comes in as many chunks as a file had forms."""
    held: list[bytes] = []
    size = 0
    for chunk in chunks:
        held.append(chunk)
        size += len(chunk)
        if size >= _BUFFER:
            yield b"".join(held)
            held.clear()
            size = 0
    if held:
        yield b"".join(held)


def _whole(path: str, content: bytes, opened: ExitStack) -> int:
    """The same of a small file, whose digest nobody asks for: its descriptor."""
    descriptor = _create(path, opened)
    durable.write_all(descriptor, content, 0)
    return descriptor


def _create(path: str, opened: ExitStack) -> int:
    flags = os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC
    try:
        descriptor = os.open(path, flags, 0o400)
    except FileExistsError:  # of this attempt, which was undone before it was decided
        os.unlink(path)
        descriptor = os.open(path, flags, 0o400)
    opened.callback(os.close, descriptor)
    return descriptor


def _zipped(
    path: str, name: str, blocks: Iterator[bytes], opened: ExitStack, *, large: bool = False
) -> _Written:
    """A ZIP with exactly one FO in it, named CO (contract, section 3), made as the FO comes.

    Of an FO that needs ZIP64 it is begun again, as a ``large`` one, out of what was packed so far.
    """
    descriptor = _create(path, opened)
    with open(descriptor, "w+b", closefd=False) as raw:
        if not packed(raw, name, blocks, large=large):
            with zipfile.ZipFile(raw) as first, first.open(name) as entry:
                whole = chain(_blocks_in(entry), blocks)
                return _zipped(path, name, whole, opened, large=True)
        written = raw.seek(0, os.SEEK_END)
        raw.seek(0)
        digest = hashlib.file_digest(raw, "sha256").digest()
    return _Written(descriptor, written, digest)


def _digest(path: str) -> str:
    digest = hashlib.sha256()
    for block in _blocks_of(path):
        digest.update(block)
    return digest.hexdigest()


def _blocks_of(path: str) -> Iterator[bytes]:
    with open(path, "rb", buffering=0) as stream:
        yield from _blocks_in(stream)


def _blocks_in(stream: IO[bytes]) -> Iterator[bytes]:
    while block := stream.read(_BLOCK):
        yield block
