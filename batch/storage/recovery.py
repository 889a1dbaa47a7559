"""Before listening again: finish what a stop left half done. Twice does the same as once.

What never had a name is dropped; what was accepted is found; what does not fit together is
reported and never deleted.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator

from sqlalchemy import Engine, select

from batch.names import INBOXES, split
from batch.states import SetKey, Stage
from batch.storage import dossiers, durable, submissions
from batch.storage.database import reading, writing
from batch.storage.instance import Instance
from batch.storage.layout import Layout
from batch.storage.sealing import Inbox
from batch.storage.submission_tables import submission


def recover(instance: Instance) -> list[str]:
    """Mend the spool and compare it with the database; what an operator must look at."""
    layout = instance.layout
    drop_unfinished(layout)
    finish_unlisting(instance)
    for engine in (instance.production, instance.test):
        with writing(engine) as connection:
            submissions.give_back(connection)
    return list(problems(instance))


def drop_unfinished(layout: Layout) -> None:
    """Uploads without a name and sets not yet sealed: no sender was told OK for them."""
    for upload in layout.up.iterdir():
        upload.unlink()
    for half_sealed in layout.seal.iterdir():
        shutil.rmtree(half_sealed)
    durable.sync_directory(layout.up)
    durable.sync_directory(layout.seal)


def finish_unlisting(instance: Instance) -> None:
    """Names still listed in an inbox whose set was archived already."""
    layout = instance.layout
    for home in instance.spool.senders():
        for folder in INBOXES:
            inbox = Inbox(layout, home.sender, folder)
            for key in _archived_but_listed(inbox):
                dossiers.unlist(layout, key)


def problems(instance: Instance) -> Iterator[str]:
    """What does not fit together, both ways: rows without files, files that cannot be read."""
    for engine in (instance.production, instance.test):
        yield from _rows_without_files(engine, instance.layout)
    for directory in sorted(instance.layout.sealed.iterdir()):
        try:
            SetKey.parse(directory.name)
        except ValueError:
            yield f"sealed/{directory.name}: no set has such a name"
    for directory in sorted(instance.layout.quarantine.iterdir()):
        yield f"{directory.name}: in quarantine"


def _rows_without_files(engine: Engine, layout: Layout) -> Iterator[str]:
    query = select(submission.c.key).where(
        submission.c.state.not_in((Stage.ANSWERED, Stage.QUARANTINED))
    )
    with reading(engine) as connection:
        keys = list(connection.execute(query).scalars())
    for key in keys:
        if not any((parent / key).is_dir() for parent in (layout.sealed, layout.arch)):
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
            if (inbox.layout.arch / str(key)).is_dir():
                yield key
            elif not (inbox.layout.sealed / str(key)).is_dir():
                break
            ordinal += 1
