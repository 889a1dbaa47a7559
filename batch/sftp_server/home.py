"""The reading of paths, and what the table of permissions says of the place they name. Pure.

A path is never given to the disk: it is read here into one of four kinds of place, and only the
folder and the safe name inside such a place go further down.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import assert_never

from batch import permissions
from batch.names import SAFE_NAME, Folder
from batch.permissions import Forbidden, Operation, Spot, Why
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


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why an operation is not done, as the client is told: a status of the protocol and a sentence.

    What ``told`` makes of a ``permissions.Forbidden``; ``refusals`` has those of no place.
    """

    status: Status
    text: str


_STATUS = {
    Why.NOT_THERE: Status.NO_SUCH_FILE,
    Why.THERE_ALREADY: Status.FAILURE,
    Why.WRONG_KIND: Status.FAILURE,
    Why.DENIED: Status.PERMISSION_DENIED,
}


def refusal(operation: Operation, place: Place) -> Refusal | None:
    """Ask the table (``batch.permissions``) as far as a path tells; None: permitted so far.

    Of a file only the spool knows in which state it is; here it is refused what is done in none.
    """
    found = _forbidden(operation, place)
    if found is None:
        return None
    return told(found, place.reason) if isinstance(place, Nowhere) else told(found)


def refusal_while_uploading(operation: Operation) -> Refusal | None:
    """The same for a name that this session is uploading, and under which nothing is stored."""
    found = permissions.forbidden(operation, Spot.UPLOADING)
    return None if found is None else told(found)


def told(found: Forbidden, reason: str = "") -> Refusal:
    """What the table says, with the protocol's status; ``reason`` is a better sentence."""
    return Refusal(_STATUS[found.why], reason or found.text)


def _forbidden(operation: Operation, place: Place) -> Forbidden | None:
    match place:
        case Root():
            return permissions.forbidden(operation, Spot.ROOT)
        case FolderPlace(folder):
            spot = Spot.INBOX if folder.is_inbox else Spot.OUTBOX
            return permissions.forbidden(operation, spot)
        case EntryPlace(folder, _):
            return permissions.of_files(operation, folder)
        case Nowhere():
            return permissions.forbidden(operation, Spot.NOWHERE)
    assert_never(place)


def rename_refusal(old: Place, new: Place, *, replace: bool) -> Refusal | None:
    """Both ends must permit it, and be in one folder: a rename is for clients' temporary names."""
    target = Operation.RENAME_OVER if replace else Operation.RENAME_TO
    found = refusal(Operation.RENAME, old) or refusal(target, new)
    if found is not None:
        return found
    if isinstance(old, EntryPlace) and isinstance(new, EntryPlace) and old.folder is new.folder:
        return None
    return Refusal(Status.PERMISSION_DENIED, "a file is renamed only inside its own folder")
