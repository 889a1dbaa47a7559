"""An archive of evidence on demand: which contents it is about, and the file it becomes."""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Row, select

from batch.errors import OperatorError
from batch.identifiers import SenderNumber
from batch.names import Folder
from batch.states import SetKey
from batch.storage import durable
from batch.storage.database import reading
from batch.storage.evidence_members import Archive, fill
from batch.storage.instance import Instance
from batch.storage.submission_tables import submission


@dataclass(frozen=True, slots=True)
class Wanted:
    """Contents of a stem, of one sender and folder; ``ordinal`` means one of them."""

    stem: str
    sender: SenderNumber | None = None
    folder: Folder | None = None
    ordinal: int | None = None

    def means(self, key: SetKey) -> bool:
        return (
            self.sender in (None, key.channel)
            and self.folder in (None, key.folder)
            and self.ordinal in (None, key.ordinal)
        )


@dataclass(frozen=True, slots=True)
class Target:
    """Where an archive is to be; ``force``: also where something is already."""

    path: Path
    force: bool = False

    def check(self) -> None:
        if not self.force and self.path.exists():
            raise OperatorError(f"{self.path}: is there already; give another name, or --force")

    def put(self, staging: Path) -> None:
        """Give the whole archive its name."""
        if self.force:
            staging.replace(self.path)
        else:
            try:
                durable.rename_new(staging, self.path)
            except FileExistsError:
                self.check()
                raise
        durable.sync_directory(self.path.absolute().parent)


@dataclass(frozen=True, slots=True)
class Written:
    """An archive that was written: where, how large, and what it is about."""

    file: Path
    size: int
    sha256: str
    stem: str
    contents: tuple[int, ...]
    members: int


def write(instance: Instance, wanted: Wanted, target: Target) -> Written:
    """The archive, whole or not at all: on an error nothing of it is left.

    Only its owner may read it: it holds personal data. Raises OperatorError where there is no such
    set, or a file already; SpoolFault for a damaged set; OSError where the disk does not take it.
    """
    target.check()
    for engine in _engines(instance, wanted):
        with reading(engine) as connection:
            rows = _rows(connection, wanted)
            if rows:
                return _write(connection, instance, rows, target)
    raise OperatorError(f"{wanted.stem}: no such set was taken up here; see: submission list")


def _engines(instance: Instance, wanted: Wanted) -> tuple[Any, ...]:
    """Those of the databases that hold what is wanted. OperatorError: it has several homes."""
    found, homes = [], set()
    for engine in (instance.production, instance.test):
        with reading(engine) as connection:
            keys = [SetKey.parse(row.key) for row in _rows(connection, wanted)]
        homes |= {(str(key.channel), str(key.folder)) for key in keys}
        found += [engine] if keys else []
    if len(homes) > 1:
        said = " and ".join(f"{channel} to {folder}" for channel, folder in sorted(homes))
        raise OperatorError(f"{wanted.stem}: sent by {said}; say which with --sender and --folder")
    return tuple(found)


def _rows(connection: Connection, wanted: Wanted) -> list[Row[Any, Any]]:
    mine = submission.c.stem == wanted.stem
    query = select(submission).where(mine).order_by(submission.c.ordinal)
    return [row for row in connection.execute(query) if wanted.means(SetKey.parse(row.key))]


def _write(
    connection: Connection, instance: Instance, rows: list[Row[Any, Any]], target: Target
) -> Written:
    path = target.path
    staging = path.with_name(f".{path.name}.{os.getpid()}.part")
    descriptor = os.open(staging, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        with open(descriptor, "w+b") as stream:
            archive = Archive(stream)
            fill(connection, instance.layout, instance.institution_signer(), rows, archive)
            stream.flush()
            os.fsync(descriptor)
            stream.seek(0)
            mark, size = hashlib.file_digest(stream, "sha256").hexdigest(), stream.tell()
        target.put(staging)
    except BaseException:
        with suppress(FileNotFoundError):
            staging.unlink()
        raise
    contents = tuple(row.ordinal for row in rows)
    return Written(path, size, mark, rows[0].stem, contents, len(archive.listed))
