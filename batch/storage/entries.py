"""What stands under a name in a sender's folder, and what the table says may be done with it.

Ask under the channel's lock where the answer must still hold when it is used.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from batch import permissions
from batch.errors import Denied
from batch.names import Folder
from batch.permissions import Operation, Spot, Why
from batch.storage.beneath import Held


@dataclass(frozen=True, slots=True)
class Entry:
    """A file in a folder: size in bytes, time in Unix seconds, and whether its set is sealed."""

    name: str
    size: int
    modified: float
    sealed: bool


def entry_of(name: str, status: os.stat_result, folder: Folder) -> Entry:
    """A sealed file has a second link, in its set's directory."""
    sealed = folder.is_inbox and status.st_nlink > 1
    return Entry(name, status.st_size, status.st_mtime, sealed)


def spot(held: Held, folder: Folder, name: str) -> Spot:
    """The column of the table in which a name stands now."""
    status = held.status(name)
    if not folder.is_inbox:
        return Spot.NO_ANSWER if status is None else Spot.ANSWER
    if status is None:
        return Spot.FREE
    return Spot.SEALED if entry_of(name, status, folder).sealed else Spot.STORED


def permit(operation: Operation, held: Held, folder: Folder, name: str) -> None:
    """Return when the table has no refusal.

    Raises FileNotFoundError, FileExistsError or Denied, by what the refusal means.
    """
    found = permissions.forbidden(operation, spot(held, folder, name))
    if found is None:
        return
    if found.why is Why.NOT_THERE:
        raise FileNotFoundError(name)
    if found.why is Why.THERE_ALREADY:
        raise FileExistsError(name)
    raise Denied(f"{name}: {found.text}")


def size_within(limit: int, held: Held, name: str, wanted: str) -> int:
    """The size of a file that is to be named ``wanted``; Denied above ``limit`` bytes."""
    status = held.status(name)
    if status is None:
        raise FileNotFoundError(name)
    if status.st_size > limit:
        raise Denied(f"{wanted}: {permissions.too_large(limit).text}")
    return status.st_size


NOTHING = 0
"""In the place of an inode, and the number of none: no file has the name."""


def must_be_same(held: Held, name: str, inode: int) -> None:
    """Raise Denied unless ``name`` is still the unsealed file that a sender resumed.

    Where nothing had the name and nothing may have it now, FileExistsError.
    """
    status = held.status(name)
    if inode == NOTHING:
        if status is not None:
            raise FileExistsError(name)
        return
    if status is None or status.st_ino != inode or status.st_nlink > 1:
        raise Denied(f"{name}: it changed while you resumed it; send it whole again")
