"""What may be done where: the one table of the SFTP server, and the reading of paths. Pure.

A path is never given to the disk: it is read here into one of four kinds of place, and only the
folder and the safe name inside such a place go further down.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum, auto
from typing import assert_never

from batch.names import SAFE_NAME, Folder
from batch.sftp_server.protocol import Status


@dataclass(frozen=True, slots=True)
class Root:
    """``/``: holds the four folders and nothing else."""

    def __str__(self) -> str:
        return "/"


@dataclass(frozen=True, slots=True)
class FolderPlace:
    """One of the four folders."""

    folder: Folder

    def __str__(self) -> str:
        return f"/{self.folder}"


@dataclass(frozen=True, slots=True)
class EntryPlace:
    """A safe name in one of the four folders, whether there is such a file or not."""

    folder: Folder
    name: str

    def __str__(self) -> str:
        return f"/{self.folder}/{self.name}"


@dataclass(frozen=True, slots=True)
class Nowhere:
    """A path that can name nothing here; ``reason`` is a sentence for the sender."""

    reason: str


Place = Root | FolderPlace | EntryPlace | Nowhere

ONLY_FOUR = "there are only IN, OUT, INTEST and OUTTEST, and no folders in them"
BAD_NAME = (
    "a name here is made of A-Z a-z 0-9 . _ -, begins with a letter, a digit or _, "
    "and has at most 100 characters"
)
BAD_TEXT = "a path here is UTF-8 text without control characters"
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def locate(path: bytes) -> Place:
    """Read the text of a path: relative ones begin at the root, ``..`` never leaves it."""
    try:
        text = path.decode("utf-8")
    except UnicodeDecodeError:
        return Nowhere(BAD_TEXT)
    if _CONTROL.search(text):
        return Nowhere(BAD_TEXT)
    parts: list[str] = []
    for part in text.split("/"):
        if part == "..":
            del parts[-1:]
        elif part not in ("", "."):
            parts.append(part)
    return _place(parts)


def _place(parts: list[str]) -> Place:
    match parts:
        case []:
            return Root()
        case [folder] if folder in Folder.__members__:
            return FolderPlace(Folder(folder))
        case [folder, name] if folder in Folder.__members__:
            if SAFE_NAME.fullmatch(name):
                return EntryPlace(Folder(folder), name)
            return Nowhere(BAD_NAME)
        case _:
            return Nowhere(ONLY_FOUR)


class Operation(Enum):
    """What a request wants of a place. Links, and making or removing directories, are not
    among them: those are not done anywhere."""

    LIST = auto()
    STAT = auto()
    READ = auto()
    WRITE = auto()
    REMOVE = auto()
    RENAME = auto()
    SET_ATTRIBUTES = auto()


class Spot(Enum):
    """The columns of the table."""

    ROOT = auto()
    INBOX = auto()
    OUTBOX = auto()
    INBOX_FILE = auto()
    OUTBOX_FILE = auto()
    NOWHERE = auto()


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why an operation is not permitted at a place, as the client is told."""

    status: Status
    text: str


def spot(place: Place) -> Spot:
    """The column of ``place``."""
    match place:
        case Root():
            return Spot.ROOT
        case FolderPlace(folder):
            return Spot.INBOX if folder.is_inbox else Spot.OUTBOX
        case EntryPlace(folder, _):
            return Spot.INBOX_FILE if folder.is_inbox else Spot.OUTBOX_FILE
        case Nowhere():
            return Spot.NOWHERE
    assert_never(place)


_NO_DIRECTORY = Refusal(Status.FAILURE, "this is a file, not a directory")
_IS_DIRECTORY = Refusal(Status.FAILURE, "this is a directory, not a file")
_NOT_IN_ROOT = Refusal(Status.PERMISSION_DENIED, "nothing is written here; use IN or INTEST")
_FIXED = Refusal(Status.PERMISSION_DENIED, "the four folders stay as they are")
_READ_ONLY = Refusal(
    Status.PERMISSION_DENIED, "answers are read and removed, not written; use IN or INTEST"
)
_ABSENT = Refusal(Status.NO_SUCH_FILE, "")
_IMPOSSIBLE = Refusal(Status.PERMISSION_DENIED, "")

_O, _S = Operation, Spot
TABLE: dict[tuple[Operation, Spot], Refusal | None] = {
    (_O.LIST, _S.ROOT): None,
    (_O.LIST, _S.INBOX): None,
    (_O.LIST, _S.OUTBOX): None,
    (_O.LIST, _S.INBOX_FILE): _NO_DIRECTORY,
    (_O.LIST, _S.OUTBOX_FILE): _NO_DIRECTORY,
    (_O.LIST, _S.NOWHERE): _ABSENT,
    (_O.STAT, _S.ROOT): None,
    (_O.STAT, _S.INBOX): None,
    (_O.STAT, _S.OUTBOX): None,
    (_O.STAT, _S.INBOX_FILE): None,
    (_O.STAT, _S.OUTBOX_FILE): None,
    (_O.STAT, _S.NOWHERE): _ABSENT,
    (_O.READ, _S.ROOT): _IS_DIRECTORY,
    (_O.READ, _S.INBOX): _IS_DIRECTORY,
    (_O.READ, _S.OUTBOX): _IS_DIRECTORY,
    (_O.READ, _S.INBOX_FILE): None,
    (_O.READ, _S.OUTBOX_FILE): None,
    (_O.READ, _S.NOWHERE): _ABSENT,
    (_O.WRITE, _S.ROOT): _NOT_IN_ROOT,
    (_O.WRITE, _S.INBOX): _IS_DIRECTORY,
    (_O.WRITE, _S.OUTBOX): _IS_DIRECTORY,
    (_O.WRITE, _S.INBOX_FILE): None,
    (_O.WRITE, _S.OUTBOX_FILE): _READ_ONLY,
    (_O.WRITE, _S.NOWHERE): _IMPOSSIBLE,
    (_O.REMOVE, _S.ROOT): _FIXED,
    (_O.REMOVE, _S.INBOX): _FIXED,
    (_O.REMOVE, _S.OUTBOX): _FIXED,
    (_O.REMOVE, _S.INBOX_FILE): None,
    (_O.REMOVE, _S.OUTBOX_FILE): None,
    (_O.REMOVE, _S.NOWHERE): _ABSENT,
    (_O.RENAME, _S.ROOT): _FIXED,
    (_O.RENAME, _S.INBOX): _FIXED,
    (_O.RENAME, _S.OUTBOX): _FIXED,
    (_O.RENAME, _S.INBOX_FILE): None,
    (_O.RENAME, _S.OUTBOX_FILE): _READ_ONLY,
    (_O.RENAME, _S.NOWHERE): _IMPOSSIBLE,
    (_O.SET_ATTRIBUTES, _S.ROOT): None,
    (_O.SET_ATTRIBUTES, _S.INBOX): None,
    (_O.SET_ATTRIBUTES, _S.OUTBOX): None,
    (_O.SET_ATTRIBUTES, _S.INBOX_FILE): None,
    (_O.SET_ATTRIBUTES, _S.OUTBOX_FILE): None,
    (_O.SET_ATTRIBUTES, _S.NOWHERE): _ABSENT,
}
"""None: permitted, as far as the place says; whether the file exists and its set is sealed is
the spool's to say. Setting attributes succeeds and changes nothing, because clients set them."""


def refusal(operation: Operation, place: Place) -> Refusal | None:
    """Ask the table; a place that can be nothing says why by itself."""
    found = TABLE[operation, spot(place)]
    if found is not None and isinstance(place, Nowhere):
        return Refusal(found.status, place.reason)
    return found


def rename_refusal(old: Place, new: Place) -> Refusal | None:
    """Both ends must permit it, and be in one folder: a rename is for clients' temporary names."""
    found = refusal(Operation.RENAME, old) or refusal(Operation.RENAME, new)
    if found is not None:
        return found
    if isinstance(old, EntryPlace) and isinstance(new, EntryPlace) and old.folder is new.folder:
        return None
    return Refusal(Status.PERMISSION_DENIED, "a file is renamed only inside its own folder")
