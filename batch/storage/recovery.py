"""Before listening again: finish what a stop left half done. Twice does the same as once.

What never had a name is dropped; what was accepted is found; what does not fit together is
reported and never deleted.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from itertools import count

from batch import journal
from batch.errors import Busy, SpoolFault
from batch.names import INBOXES, split
from batch.states import SetKey
from batch.storage import dossiers, durable, handover_rows, outbox, reconcile, stopped
from batch.storage.database import Database, reading
from batch.storage.inbox import Inbox
from batch.storage.instance import Instance
from batch.storage.layout import Layout
from batch.storage.reconcile import Standing
from batch.storage.upload import drop_staging


def recover(instance: Instance) -> list[str]:
    """Mend the spool and compare it with the database; what an operator must look at.

    Needs the disk; a database that is away is reported, and acceptance begins without it.
    """
    drop_unfinished(instance.layout)
    found = list(finish_unlisting(instance))
    for engine, test in ((instance.production, False), (instance.test, True)):
        try:  # one that is away keeps the other from nothing; the worker gives back later
            stopped.give_back(instance.layout, engine, test=test)
            found += show_decided(instance.layout, engine)
            found += without_destination(instance, engine, test=test)
        except Busy as fault:
            found.append(str(fault))
    try:
        found += reconcile.problems(instance)
    except Busy as fault:
        found.append(str(fault))
    return list(dict.fromkeys(found))


def drop_unfinished(layout: Layout) -> None:
    """Uploads without a name and sets not yet sealed: no sender was told OK for them."""
    drop_staging(layout.up)
    for half_sealed in layout.seal.iterdir():
        if half_sealed.is_dir() and not half_sealed.is_symlink():
            shutil.rmtree(half_sealed)
        else:
            journal.problem(f"{half_sealed} is a file among the sets being sealed: move it away")
    durable.sync_directory(layout.up)
    durable.sync_directory(layout.seal)


def show_decided(layout: Layout, engine: Database) -> Iterator[str]:
    """Put answers back that a power cut took out of OUT; what could not be done.

    A name in OUT can be seen before it is synced. Nobody looks before we listen, so that an answer
    seen once is there whenever its sender looks again. That it is shown is the worker's to record.
    """
    with reading(engine) as connection:
        unshown = outbox.unshown(connection)
    for key in dict.fromkeys(item.key for item in unshown):
        try:
            dossiers.emit(layout, [item for item in unshown if item.key == key])
        except FileNotFoundError:
            continue  # told by ``reconcile``
        except (SpoolFault, OSError) as fault:
            yield f"{key}: its answers cannot be shown: {fault}"


def without_destination(instance: Instance, engine: Database, *, test: bool) -> Iterator[str]:
    """Sets that were answered and go nowhere, since the settings have no place for them now."""
    services = instance.settings.services
    for name, sets in sorted(handover_rows.waiting_for(engine).items()):
        if name not in services or services[name].destination(test=test) is None:
            kind = "tests" if test else "sets"
            yield f"{kind} that wait for {name}, which has no destination in the settings: {sets}"


def finish_unlisting(instance: Instance) -> Iterator[str]:
    """Names still listed in an inbox whose set was archived already; what could not be done."""
    layout, standing = instance.layout, Standing.of(instance.layout)
    for home in instance.spool.senders():
        for folder in INBOXES:
            try:
                with home.inbox(folder) as inbox:
                    keys = list(_archived_but_listed(inbox, standing))
            except FileNotFoundError:
                continue
            except (SpoolFault, OSError) as fault:
                yield f"the inbox cannot be looked at: {fault}"
                continue
            for key in keys:
                try:
                    with home.locked():
                        dossiers.unlist(layout, [key])
                except (SpoolFault, OSError) as fault:
                    yield f"{key}: its names cannot leave the inbox: {fault}"


def _archived_but_listed(inbox: Inbox, standing: Standing) -> Iterator[SetKey]:
    """Every archived content of each stem that has a sealed file in the inbox."""
    for stem in sorted(_sealed_stems(inbox)):
        for ordinal in count(1):
            key = SetKey(inbox.sender, inbox.folder, stem, ordinal)
            name = str(key)
            if name not in standing:
                if not os.path.isdir(f"{inbox.layout.arch}/{name}"):
                    break
                yield key


def _sealed_stems(inbox: Inbox) -> set[str]:
    """The stems of the files that have a second link, in a set's directory."""
    stems: set[str] = set()
    for name, status in inbox.held.files():
        if status.st_nlink > 1:
            read = split(name)
            stems.add(read.stem if read is not None else f"@{name}")
    return stems
