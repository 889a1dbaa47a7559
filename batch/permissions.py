"""What a sender may do where, and in which state of the set: the one table. Pure.

Who asks knows more or less: the server reads a path and knows its folder, the spool looks under the
channel's lock and knows what stands there. Both ask here what may be done with which name. The
rest of a request is judged where it is known: the flags of an OPEN and the two ends of a RENAME by
the server, sizes and what was resumed by the spool.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from batch.names import Folder


class Operation(Enum):
    """What a request wants of a place. Links, and making or removing directories, are not among
    them: those are done nowhere."""

    __hash__ = object.__hash__  # each is one object; that of Enum is a call in Python

    LIST = auto()
    STAT = auto()
    READ = auto()
    UPLOAD = auto()
    """Send a file whole; it takes its name at CLOSE, from whatever had it."""
    RESUME = auto()
    """Go on from the bytes that are there."""
    REMOVE = auto()
    RENAME = auto()
    """Give up a name for another in the same folder."""
    RENAME_TO = auto()
    """Take a name by RENAME, which is never over a file that counts."""
    RENAME_OVER = auto()
    """Take a name by posix-rename, from whatever had it."""
    SET_ATTRIBUTES = auto()


class Spot(Enum):
    """Where, and what stands there."""

    __hash__ = object.__hash__

    ROOT = "`/`"
    INBOX = "`IN`, `INTEST`"
    OUTBOX = "`OUT`, `OUTTEST`"
    FREE = "in an inbox: no such file"
    UPLOADING = "being uploaded, nothing stored"
    """By the session that asks: to all others nothing is there."""
    STORED = "a file, not sealed"
    SEALED = "a file, sealed, not answered"
    NO_ANSWER = "in an outbox: no such file"
    ANSWER = "an answer"
    NOWHERE = "anything else"


OF_INBOX = (Spot.FREE, Spot.UPLOADING, Spot.STORED, Spot.SEALED)
OF_OUTBOX = (Spot.NO_ANSWER, Spot.ANSWER)


class Why(Enum):
    """The kind of a refusal, which a protocol has codes for."""

    NOT_THERE = "absent"
    THERE_ALREADY = "exists"
    WRONG_KIND = "failure"
    DENIED = "denied"


@dataclass(frozen=True, slots=True)
class Forbidden:
    """Why an operation is not done, and the sentence for the sender: a cell of the table.

    The server makes a ``home.Refusal`` of it, the spool an error: ``errors.Denied``, mostly.
    """

    why: Why
    text: str


_YES = None
NO_SUCH_FILE = _NONE = Forbidden(Why.NOT_THERE, "no such file")
_OPEN = Forbidden(Why.NOT_THERE, "it is still being uploaded; close it first")
THERE_ALREADY = _HERE = Forbidden(Why.THERE_ALREADY, "a file of this name is there already")
_LIST = Forbidden(Why.NOT_THERE, "only the root, IN, OUT, INTEST and OUTTEST can be listed")
IS_DIRECTORY = _DIR = Forbidden(Why.WRONG_KIND, "this is a directory, not a file")
_TOP = Forbidden(Why.DENIED, "nothing is written here; use IN or INTEST")
_FIX = Forbidden(Why.DENIED, "the four folders stay as they are")
_SEAL = Forbidden(Why.DENIED, "this set is already sealed")
_OUT = Forbidden(Why.DENIED, "answers are read and removed, not written; use IN or INTEST")
_BAD = Forbidden(Why.DENIED, "no file can have this name here")
"""Read by nobody: whoever finds a path wrong says what is wrong with it."""
NO_RESIZE = Forbidden(Why.DENIED, "a file cannot be cut or grown here; send it again")
"""In no cell: the size a file has may be set, so it takes a look at the file to refuse another."""


def too_large(limit: int) -> Forbidden:
    """In no cell either: ``limit`` is what a name may have in bytes."""
    return Forbidden(Why.DENIED, f"larger than the {limit} bytes allowed here")


_ROWS: dict[Operation, tuple[Forbidden | None, ...]] = {
    #                          a directory       a name in an inbox          in an outbox
    #                          root  in    out   free   upl.   stored sealed none   answer nowhere
    Operation.LIST:           (_YES, _YES, _YES, _LIST, _LIST, _LIST, _LIST, _LIST, _LIST, _NONE),
    Operation.STAT:           (_YES, _YES, _YES, _NONE, _YES,  _YES,  _YES,  _NONE, _YES,  _NONE),
    Operation.READ:           (_DIR, _DIR, _DIR, _NONE, _OPEN, _YES,  _YES,  _NONE, _YES,  _NONE),
    Operation.UPLOAD:         (_TOP, _DIR, _DIR, _YES,  _YES,  _YES,  _YES,  _OUT,  _OUT,  _BAD),
    Operation.RESUME:         (_TOP, _DIR, _DIR, _YES,  _YES,  _YES,  _SEAL, _OUT,  _OUT,  _BAD),
    Operation.REMOVE:         (_FIX, _FIX, _FIX, _NONE, _OPEN, _YES,  _SEAL, _NONE, _YES,  _NONE),
    Operation.RENAME:         (_FIX, _FIX, _FIX, _NONE, _OPEN, _YES,  _SEAL, _OUT,  _OUT,  _NONE),
    Operation.RENAME_TO:      (_FIX, _FIX, _FIX, _YES,  _YES,  _HERE, _YES,  _OUT,  _OUT,  _BAD),
    Operation.RENAME_OVER:    (_FIX, _FIX, _FIX, _YES,  _YES,  _YES,  _YES,  _OUT,  _OUT,  _BAD),
    Operation.SET_ATTRIBUTES: (_YES, _YES, _YES, _NONE, _YES,  _YES,  _YES,  _NONE, _YES,  _NONE),
}  # fmt: skip
"""_YES: it is done. A whole file may come under a sealed name, by upload or by rename: it touches
nothing that is sealed, and is a repeat or another content (docs/decisions/0004). Setting times,
modes or the size a file has succeeds and changes nothing, because clients set them."""

TABLE = {operation: dict(zip(Spot, row, strict=True)) for operation, row in _ROWS.items()}


def _everywhere(spots: tuple[Spot, ...]) -> dict[Operation, Forbidden | None]:
    """By operation: why it is done at none of these spots; None where it is done at one."""
    rows = {operation: [row[spot] for spot in spots] for operation, row in TABLE.items()}
    return {operation: row[0] if all(row) else None for operation, row in rows.items()}


_IN_INBOX, _IN_OUTBOX = _everywhere(OF_INBOX), _everywhere(OF_OUTBOX)


def forbidden(operation: Operation, spot: Spot) -> Forbidden | None:
    """Ask the table."""
    return TABLE[operation][spot]


def of_files(operation: Operation, folder: Folder) -> Forbidden | None:
    """Why an operation is done on no file of a folder whatever; None where it depends."""
    return (_IN_INBOX if folder.is_inbox else _IN_OUTBOX)[operation]
