"""Before listening again: finish what a stop left half done. Twice does the same as once.

What never had a name is dropped; what was accepted is found; what does not fit together is
reported and never deleted.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import Engine, select

from batch.errors import Busy, SpoolFault
from batch.names import INBOXES, split
from batch.states import SetKey, Stage
from batch.storage import dossiers, durable, submissions
from batch.storage.database import reading, writing
from batch.storage.inbox import Inbox
from batch.storage.instance import Instance
from batch.storage.layout import Layout
from batch.storage.sealing import read_manifest
from batch.storage.submission_tables import submission


def recover(instance: Instance) -> list[str]:
    """Mend the spool and compare it with the database; what an operator must look at.

    Needs the disk; a database that is away is reported, and acceptance begins without it.
    """
    drop_unfinished(instance.layout)
    found = list(finish_unlisting(instance))
    try:
        for engine in (instance.production, instance.test):
            with writing(engine) as connection:
                submissions.give_back(connection)
        found += finish_moves(instance)
        found += problems(instance)
    except Busy as fault:
        found.append(str(fault))
    return list(dict.fromkeys(found))


def drop_unfinished(layout: Layout) -> None:
    """Uploads without a name and sets not yet sealed: no sender was told OK for them."""
    for upload in layout.up.iterdir():
        upload.unlink()
    for half_sealed in layout.seal.iterdir():
        shutil.rmtree(half_sealed)
    durable.sync_directory(layout.up)
    durable.sync_directory(layout.seal)


def finish_unlisting(instance: Instance) -> Iterator[str]:
    """Names still listed in an inbox whose set was archived already; what could not be done."""
    layout = instance.layout
    for home in instance.spool.senders():
        for folder in INBOXES:
            inbox = Inbox(layout, home.sender, folder)
            for key in _archived_but_listed(inbox):
                try:
                    dossiers.unlist(layout, key)
                except (SpoolFault, OSError) as fault:
                    yield f"{key}: its names cannot leave the inbox: {fault}"


def finish_moves(instance: Instance) -> Iterator[str]:
    """Directories that did not follow their row into quarantine, or out; what could not be done."""
    layout = instance.layout
    for parent, target, wanted in (
        (layout.sealed, layout.quarantine, True),
        (layout.quarantine, layout.sealed, False),
    ):
        keys = list(_keys(parent))
        for engine, test in ((instance.production, False), (instance.test, True)):
            with reading(engine) as connection:
                mine = submissions.stages(connection, [k for k in keys if k.folder.is_test is test])
            for key, stage in mine.items():
                if (stage is Stage.QUARANTINED) is wanted:
                    try:
                        dossiers.move_to(layout, key, target)
                    except (SpoolFault, OSError) as fault:
                        yield f"{key}: it cannot be moved to {target.name}: {fault}"


def problems(instance: Instance) -> Iterator[str]:
    """What does not fit together, both ways: rows without files, files that cannot be read."""
    layout = instance.layout
    for engine in (instance.production, instance.test):
        yield from _rows_without_files(engine, layout)
    for parent in (layout.sealed, layout.quarantine):
        for directory in sorted(parent.iterdir()):
            yield from _unreadable(directory)
    for directory in sorted(layout.quarantine.iterdir()):
        yield f"{directory.name}: in quarantine"
        if (layout.sealed / directory.name).exists():
            yield f"{directory.name}: it stands in sealed and in quarantine"


def _unreadable(directory: Path) -> Iterator[str]:
    try:
        if str(read_manifest(directory).key) != directory.name:
            yield f"{directory.name}: its manifest is that of another set"
    except SpoolFault as fault:
        yield str(fault)


def _keys(parent: Path) -> Iterator[SetKey]:
    for name in sorted(os.listdir(parent)):
        try:
            yield SetKey.parse(name)
        except ValueError:
            continue  # told by ``problems``


def _rows_without_files(engine: Engine, layout: Layout) -> Iterator[str]:
    query = select(submission.c.key).where(
        submission.c.state.not_in((Stage.ANSWERED, Stage.QUARANTINED))
    )
    with reading(engine) as connection:
        keys = list(connection.execute(query).scalars())
    for key in keys:
        places = (layout.sealed, layout.quarantine, layout.arch)
        if not any((parent / key).is_dir() for parent in places):
            yield f"{key}: accepted, but its files are missing"


def _archived_but_listed(inbox: Inbox) -> Iterator[SetKey]:
    stems: set[str] = set()
    if not inbox.path.is_dir():
        return
    with os.scandir(inbox.path) as listing:
        for item in listing:
            status = item.stat(follow_symlinks=False)
            if stat.S_ISREG(status.st_mode) and status.st_nlink > 1:
                name = split(item.name)
                stems.add(name.stem if name is not None else "@" + item.name)
    for stem in sorted(stems):
        ordinal = 1
        while True:
            key = SetKey(inbox.sender, inbox.folder, stem, ordinal)
            layout = inbox.layout
            if (layout.arch / str(key)).is_dir():
                yield key
            elif not any((p / str(key)).is_dir() for p in (layout.sealed, layout.quarantine)):
                break
            ordinal += 1
