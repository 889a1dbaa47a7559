"""A set's way out of the channel: a directory of its own at the destination, whole or not at all.

    <place>/<ticket>/manifest.json   what it is and who sent it
    <place>/<ticket>/FI... FS...     the sealed bytes

It is filled under a name that begins with a dot, synced, and renamed. One that is there already
with the same manifest was handed over before.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from batch import journal
from batch.errors import SpoolFault
from batch.names import Kind
from batch.registers import Channel
from batch.states import Sealed, SealedFile, part_number
from batch.storage import durable
from batch.storage.dossiers import Dossier, dossier
from batch.storage.handover_rows import Delivery
from batch.storage.layout import Layout

MANIFEST = "manifest.json"
_GIVEN = (Kind.FI, Kind.FS)
"""GO is the channel's own signal; it says nothing to a destination."""


def manifest(item: Delivery, sealed: Sealed, channel: Channel) -> bytes:
    """What a destination is told of a set: the same bytes at every try."""
    document = {
        "ticket": item.ticket,
        "service": item.service,
        "stem": item.key.stem,
        "environment": item.environment,
        "sender_number": str(item.key.channel),
        "enterprise": str(channel.enterprise),
        "quality": channel.quality,
        "signer": item.signer,
        "sealed_at": item.sealed_at.isoformat(),
        "files": [_file(file, item) for file in sealed.files if file.kind in _GIVEN],
    }
    return (json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode()


def _file(file: SealedFile, item: Delivery) -> dict[str, object]:
    return {
        "name": file.name,
        "kind": file.kind,
        "part": part_number(file),
        "forms": item.forms.get(file.name),
        "size": file.size,
        "sha256": file.sha256,
    }


def to_directory(layout: Layout, item: Delivery, channel: Channel, place: Path) -> None:
    """Hand a set over in ``place``, which must be there: a disk that is not mounted is no place.

    SpoolFault when something else has its name, or sealed bytes are damaged.
    """
    if not place.is_dir():
        raise SpoolFault(f"{place}: there is no such directory")
    home = dossier(layout, item.key)
    sealed = home.sealed()
    told, final = manifest(item, sealed, channel), place / item.ticket
    if _is_there(final, told):
        return
    for left in place.glob(f".{item.ticket}.*"):
        shutil.rmtree(left)
    staging = place / f".{item.ticket}.{secrets.token_hex(8)}"
    staging.mkdir(mode=0o750)
    _fill(staging, home, sealed, told)
    try:
        durable.rename_new(staging, final)
    except FileExistsError:
        raise SpoolFault(f"{final}: another set has this ticket") from None
    durable.sync_directory(place)


@contextmanager
def copied(layout: Layout, item: Delivery, channel: Channel) -> Iterator[Path]:
    """The same directory as a copy that is thrown away afterwards, for a command to work in."""
    home = dossier(layout, item.key)
    sealed = home.sealed()
    staging = layout.hand / f"{item.ticket}.{secrets.token_hex(8)}"
    staging.mkdir(mode=0o700)
    try:
        _fill(staging, home, sealed, manifest(item, sealed, channel))
        yield staging
    finally:
        _remove(staging)


def clear(layout: Layout) -> None:
    """Nobody works: copies that a kill left are of no use to anybody."""
    for left in layout.hand.iterdir():
        _remove(left)


def _remove(tree: Path) -> None:
    """Remove a copy, whatever a command did to it: it may have closed its directories to us."""
    with suppress(OSError):
        tree.chmod(0o700)
    for folder, names, _ in os.walk(tree):
        for name in names:
            inside = os.path.join(folder, name)
            if not os.path.islink(inside):
                with suppress(OSError):
                    os.chmod(inside, 0o700)
    shutil.rmtree(tree, ignore_errors=True)
    if tree.exists():
        journal.problem(f"{tree}: what a command left there cannot be removed")


def _is_there(final: Path, told: bytes) -> bool:
    try:
        found = (final / MANIFEST).read_bytes()
    except FileNotFoundError:
        return False
    if found != told:
        raise SpoolFault(f"{final}: another set has this ticket")
    return True


def _fill(target: Path, home: Dossier, sealed: Sealed, told: bytes) -> None:
    for file in sealed.files:
        if file.kind in _GIVEN:
            _copy(home, file, target / file.name)
    durable.write_file(target / MANIFEST, told)
    durable.sync_directory(target)


def _copy(home: Dossier, file: SealedFile, target: Path) -> None:
    """Copy one file and sync it; what is not as it was sealed is a SpoolFault."""
    descriptor = os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o440)
    try:
        offset = 0
        for block in home.blocks(file):
            durable.write_all(descriptor, block, offset)
            offset += len(block)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
