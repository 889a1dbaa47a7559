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
    STORED = "a file, not sealed"
    SEALED = "a file, sealed, not answered"
    NO_ANSWER = "in an outbox: no such file"
    ANSWER = "an answer"
    NOWHERE = "anything else"


OF_INBOX = (Spot.FREE, Spot.STORED, Spot.SEALED)
OF_OUTBOX = (Spot.NO_ANSWER, Spot.ANSWER)


class Why(Enum):
    """The kind of a refusal, which a protocol has codes for."""

    NOT_THERE = auto()
    THERE_ALREADY = auto()
    WRONG_KIND = auto()
    DENIED = auto()


@dataclass(frozen=True, slots=True)
class Forbidden:
    """Why an operation is not done, and the sentence for the sender."""

    why: Why
    text: str


_ABSENT = Forbidden(Why.NOT_THERE, "no such file")
_EXISTS = Forbidden(Why.THERE_ALREADY, "a file of this name is there already")
_FILE = Forbidden(Why.WRONG_KIND, "this is a file, not a directory")
_DIRECTORY = Forbidden(Why.WRONG_KIND, "this is a directory, not a file")
_NOT_HERE = Forbidden(Why.DENIED, "nothing is written here; use IN or INTEST")
_FIXED = Forbidden(Why.DENIED, "the four folders stay as they are")
_SEALED = Forbidden(Why.DENIED, "this set is already sealed")
_ANSWERS = Forbidden(Why.DENIED, "answers are read and removed, not written; use IN or INTEST")
_IMPOSSIBLE = Forbidden(Why.DENIED, "no file can have this name here")

_O, _S = Operation, Spot
_FIXED_DIRECTORIES = {_S.ROOT: _FIXED, _S.INBOX: _FIXED, _S.OUTBOX: _FIXED}
_READ_ONLY = {_S.NO_ANSWER: _ANSWERS, _S.ANSWER: _ANSWERS, _S.NOWHERE: _IMPOSSIBLE}
_WRITES = {_S.ROOT: _NOT_HERE, _S.INBOX: _DIRECTORY, _S.OUTBOX: _DIRECTORY, **_READ_ONLY}
_EVERYWHERE = {_S.ROOT: None, _S.INBOX: None, _S.OUTBOX: None}
_EXISTING = {
    _S.FREE: _ABSENT,
    _S.STORED: None,
    _S.SEALED: None,
    _S.NO_ANSWER: _ABSENT,
    _S.ANSWER: None,
    _S.NOWHERE: _ABSENT,
}

TABLE: dict[Operation, dict[Spot, Forbidden | None]] = {
    _O.LIST: {
        **_EVERYWHERE,
        **dict.fromkeys((*OF_INBOX, *OF_OUTBOX), _FILE),
        _S.NOWHERE: _ABSENT,
    },
    _O.STAT: {**_EVERYWHERE, **_EXISTING},
    _O.SET_ATTRIBUTES: {**_EVERYWHERE, **_EXISTING},
    _O.READ: {**dict.fromkeys(_EVERYWHERE, _DIRECTORY), **_EXISTING},
    _O.UPLOAD: {**_WRITES, _S.FREE: None, _S.STORED: None, _S.SEALED: None},
    _O.RESUME: {**_WRITES, _S.FREE: None, _S.STORED: None, _S.SEALED: _SEALED},
    _O.REMOVE: {**_FIXED_DIRECTORIES, **_EXISTING, _S.SEALED: _SEALED},
    _O.RENAME: {
        **_FIXED_DIRECTORIES,
        _S.FREE: _ABSENT,
        _S.STORED: None,
        _S.SEALED: _SEALED,
        **_READ_ONLY,
    },
    _O.RENAME_TO: {
        **_FIXED_DIRECTORIES,
        _S.FREE: None,
        _S.STORED: _EXISTS,
        _S.SEALED: None,
        **_READ_ONLY,
    },
    _O.RENAME_OVER: {
        **_FIXED_DIRECTORIES,
        _S.FREE: None,
        _S.STORED: None,
        _S.SEALED: None,
        **_READ_ONLY,
    },
}
"""None: it is done. A whole file may come under a sealed name, by upload or by rename: it touches
nothing that is sealed, and is a repeat or another content (docs/decisions/0004). Setting times,
modes or the size a file has succeeds and changes nothing, because clients set them. A file that its
own session is still sending can be looked at, and nothing else, before its CLOSE."""


def forbidden(operation: Operation, spot: Spot) -> Forbidden | None:
    """Ask the table."""
    return TABLE[operation][spot]


def of_files(operation: Operation, folder: Folder) -> Forbidden | None:
    """Why an operation is done on no file of a folder whatever; None where it depends."""
    answers = [TABLE[operation][spot] for spot in (OF_INBOX if folder.is_inbox else OF_OUTBOX)]
    return answers[0] if all(answers) else None


def document() -> str:
    """The table for people, in Markdown."""
    lines = [
        "| | " + " | ".join(spot.value for spot in Spot) + " |",
        "|" + " --- |" * (len(Spot) + 1),
    ]
    for operation in Operation:
        cells = [_shown(TABLE[operation][spot]) for spot in Spot]
        name = operation.name.lower().replace("_", " ")
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _shown(found: Forbidden | None) -> str:
    return "yes" if found is None else found.text
