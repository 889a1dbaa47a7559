"""What a request is before anybody looks at the disk: its lane, what its OPEN wants. Pure."""

from __future__ import annotations

from batch.permissions import Operation
from batch.sftp_server import protocol as p
from batch.sftp_server.disk import Lane
from batch.sftp_server.protocol import OpenFlag

_NEW = OpenFlag.WRITE | OpenFlag.CREATE | OpenFlag.TRUNCATE


def opening(flags: OpenFlag) -> Operation:
    """What the flags of an OPEN want of its place."""
    if not flags & (OpenFlag.WRITE | OpenFlag.APPEND):
        return Operation.READ
    return Operation.UPLOAD if flags & OpenFlag.TRUNCATE else Operation.RESUME


def is_whole(flags: OpenFlag) -> bool:
    """Whether a file is sent whole, whatever has the name: what most clients ask for."""
    return flags & _NEW == _NEW and not flags & (OpenFlag.APPEND | OpenFlag.EXCLUSIVE)


def lane(request: p.Request) -> Lane:
    """What only looks does not wait behind what must be synced."""
    match request:
        case p.Open(flags=flags):
            return Lane.CHANGE if flags & (OpenFlag.WRITE | OpenFlag.APPEND) else Lane.LOOK
        case p.Read() | p.Stat() | p.SetStat() | p.StatVfs() | p.OpenDirectory():
            return Lane.LOOK
        case _:
            return Lane.CHANGE
