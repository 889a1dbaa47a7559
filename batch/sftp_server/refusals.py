"""What a sender is told when a request cannot be done: our own sentences, never the system's."""

from __future__ import annotations

import errno

from batch import permissions
from batch.errors import Denied, Fault
from batch.sftp_server.home import Refusal, told
from batch.sftp_server.protocol import Packet, Status
from batch.storage.backlog import Backlogged
from batch.storage.quota import OverQuota
from batch.storage.upload import Poisoned

NO_SUCH_FILE = told(permissions.NO_SUCH_FILE)
THERE_ALREADY = told(permissions.THERE_ALREADY)
NO_SPACE = Refusal(Status.FAILURE, "no space left at the receiver; send it again later")
TOO_BUSY = Refusal(
    Status.FAILURE, "the receiver has too many files open; close some, or try again later"
)
TOO_MANY_LISTINGS = Refusal(
    Status.FAILURE, "your open listings hold too many names; close some first"
)
DISK_FAILED = Refusal(
    Status.FAILURE, "the receiver's disk failed; nothing was stored; send it again later"
)
INTERNAL = Refusal(Status.FAILURE, "internal error; nothing was stored")
OURS = (NO_SPACE, TOO_BUSY, DISK_FAILED, INTERNAL)
"""Those that are our doing, and so go into the journal."""

NO_RESIZE = told(permissions.NO_RESIZE)
NOT_WRITABLE = Refusal(Status.PERMISSION_DENIED, "this file is not open for writing")
NOT_READABLE = Refusal(Status.FAILURE, "this file is being written; read it when it is closed")
NO_MODE = Refusal(Status.FAILURE, "open a file for reading or for writing")
NOT_OPEN = Refusal(Status.FAILURE, "no such open file")
IS_DIRECTORY = told(permissions.IS_DIRECTORY)
NO_DIRECTORY = Refusal(Status.FAILURE, "this is a file, not a directory")

_NOT_DONE = {
    int(Packet.MKDIR): "no directories are made here; put files in IN or INTEST",
    int(Packet.RMDIR): "the four folders stay as they are",
    int(Packet.READLINK): "there are no links here",
    int(Packet.SYMLINK): "no links are made here",
}


class Refused(Exception):
    """Ends a request with a ``Refusal``: an answer, not a fault. Raised by the server alone."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.text)
        self.refusal = refusal


def too_many_handles(most: int) -> Refusal:
    return Refusal(Status.FAILURE, f"too many open files ({most}); close some first")


def not_done(kind: int) -> Refusal:
    """For a request type that is done at no place at all."""
    return Refusal(Status.OP_UNSUPPORTED, _NOT_DONE.get(kind, "this is not done here"))


def explain(error: Exception) -> Refusal:
    """What the sender is told about ``error``."""
    match error:
        case Refused():
            told = error.refusal
        case Poisoned(errno=number) if number != errno.EDQUOT:
            told = _of_system(OSError(number, str(error)))
        case Poisoned() | Backlogged():
            told = Refusal(Status.FAILURE, str(error))
        case Denied():
            told = Refusal(Status.PERMISSION_DENIED, str(error))
        case OSError():
            told = _of_system(error)
        case Fault():
            told = DISK_FAILED
        case _:
            told = INTERNAL
    return told


def _of_system(error: OSError) -> Refusal:
    match error:
        case OverQuota():
            return Refusal(Status.FAILURE, error.sentence)
        case FileNotFoundError() | OSError(errno=errno.ELOOP):
            return NO_SUCH_FILE
        case FileExistsError():
            return THERE_ALREADY
        case OSError(errno=errno.ENOSPC | errno.EDQUOT):
            return NO_SPACE
        case OSError(errno=errno.EMFILE | errno.ENFILE):
            return TOO_BUSY
        case _:
            return DISK_FAILED
