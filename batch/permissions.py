"""What a sender may do where, and in which state of the set: the one table. Pure.

Who asks knows more or less: the server reads a path and knows its folder, the spool looks under the
channel's lock and knows what stands there. Both ask here, so nobody else has a rule of his own.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from batch.names import Folder


class Operation(Enum):
    """What a request wants of a place. Links, and making or removing directories, are not among
    them: those are done nowhere."""

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
    """Why an operation is not done, and the sentence for the sender."""

    why: Why
    text: str


_YES = None
_NONE = Forbidden(Why.NOT_THERE, "no such file")
_OPEN = Forbidden(Why.NOT_THERE, "it is still being uploaded; close it first")
_HERE = Forbidden(Why.THERE_ALREADY, "a file of this name is there already")
_FILE = Forbidden(Why.WRONG_KIND, "this is a file, not a directory")
_DIR = Forbidden(Why.WRONG_KIND, "this is a directory, not a file")
_ROOT = Forbidden(Why.DENIED, "nothing is written here; use IN or INTEST")
_FIX = Forbidden(Why.DENIED, "the four folders stay as they are")
_SEAL = Forbidden(Why.DENIED, "this set is already sealed")
_OUT = Forbidden(Why.DENIED, "answers are read and removed, not written; use IN or INTEST")
_BAD = Forbidden(Why.DENIED, "no file can have this name here")

_O = Operation
_ROWS: dict[Operation, tuple[Forbidden | None, ...]] = {
    #                   a directory          a name in an inbox          in an outbox
    #                   root   in     out    free   upl.   stored sealed none   answer nowhere
    _O.LIST:           (_YES,  _YES,  _YES,  _FILE, _FILE, _FILE, _FILE, _FILE, _FILE, _NONE),
    _O.STAT:           (_YES,  _YES,  _YES,  _NONE, _YES,  _YES,  _YES,  _NONE, _YES,  _NONE),
    _O.READ:           (_DIR,  _DIR,  _DIR,  _NONE, _OPEN, _YES,  _YES,  _NONE, _YES,  _NONE),
    _O.UPLOAD:         (_ROOT, _DIR,  _DIR,  _YES,  _YES,  _YES,  _YES,  _OUT,  _OUT,  _BAD),
    _O.RESUME:         (_ROOT, _DIR,  _DIR,  _YES,  _YES,  _YES,  _SEAL, _OUT,  _OUT,  _BAD),
    _O.REMOVE:         (_FIX,  _FIX,  _FIX,  _NONE, _OPEN, _YES,  _SEAL, _NONE, _YES,  _NONE),
    _O.RENAME:         (_FIX,  _FIX,  _FIX,  _NONE, _OPEN, _YES,  _SEAL, _OUT,  _OUT,  _BAD),
    _O.RENAME_TO:      (_FIX,  _FIX,  _FIX,  _YES,  _YES,  _HERE, _YES,  _OUT,  _OUT,  _BAD),
    _O.RENAME_OVER:    (_FIX,  _FIX,  _FIX,  _YES,  _YES,  _YES,  _YES,  _OUT,  _OUT,  _BAD),
    _O.SET_ATTRIBUTES: (_YES,  _YES,  _YES,  _NONE, _YES,  _YES,  _YES,  _NONE, _YES,  _NONE),
}  # fmt: skip
"""_YES: it is done. A whole file may come under a sealed name, by upload or by rename: it touches
nothing that is sealed, and is a repeat or another content (docs/decisions/0004). Setting times,
modes or the size a file has succeeds and changes nothing, because clients set them."""

TABLE = {operation: dict(zip(Spot, row, strict=True)) for operation, row in _ROWS.items()}


def forbidden(operation: Operation, spot: Spot) -> Forbidden | None:
    """Ask the table."""
    return TABLE[operation][spot]


def of_files(operation: Operation, folder: Folder) -> Forbidden | None:
    """Why an operation is done on no file of a folder whatever; None where it depends."""
    answers = [TABLE[operation][spot] for spot in (OF_INBOX if folder.is_inbox else OF_OUTBOX)]
    return answers[0] if all(answers) else None


def document() -> str:
    """The table for people, in Markdown, with the sentences of its refusals below it."""
    told = list(dict.fromkeys(f for row in TABLE.values() for f in row.values() if f is not None))
    lines = [
        "| | " + " | ".join(spot.value for spot in Spot) + " |",
        "|" + " --- |" * (len(Spot) + 1),
    ]
    for operation in Operation:
        cells = (TABLE[operation][spot] for spot in Spot)
        shown = ("yes" if c is None else f"{c.why.value} ({1 + told.index(c)})" for c in cells)
        lines.append(f"| {_WORDS[operation]} | " + " | ".join(shown) + " |")
    lines += ["", *(f"{number}. {found.text}" for number, found in enumerate(told, 1))]
    return "\n".join(lines)


_WORDS = {
    _O.LIST: "list (OPENDIR)",
    Operation.STAT: "look (STAT, LSTAT)",
    Operation.READ: "read (OPEN)",
    Operation.UPLOAD: "upload whole (OPEN)",
    Operation.RESUME: "resume (OPEN without truncate)",
    Operation.REMOVE: "remove (REMOVE)",
    Operation.RENAME: "give up the name (RENAME, posix-rename)",
    Operation.RENAME_TO: "take the name (RENAME)",
    Operation.RENAME_OVER: "take the name (posix-rename)",
    Operation.SET_ATTRIBUTES: "set times, mode, its own size (SETSTAT)",
}
