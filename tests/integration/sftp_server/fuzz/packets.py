"""What a hostile client says: packets by the grammar, changed ones, noise; cut and joined anyhow.

It knows what a client knows: the handles it was given and how far each of its uploads is, so that
what comes after them is reached as well.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise

from batch.names import Folder, brussels_day
from tests.integration.sftp_server.fuzz.judge import (
    ATTRS,
    CLOSE,
    EXTENDED,
    FSETSTAT,
    FSTAT,
    HANDLE,
    INIT,
    LSTAT,
    MKDIR,
    OPEN,
    OPENDIR,
    READ,
    READDIR,
    READLINK,
    REALPATH,
    REMOVE,
    RENAME,
    RMDIR,
    SETSTAT,
    STAT,
    STATUS,
    SYMLINK,
    WRITE,
)
from tests.integration.sftp_server.fuzz.paths import hostile

MINE, OTHER = "000001", "000010"
FOLDERS = tuple(folder.encode() for folder in Folder)
INBOXES = (b"IN", b"INTEST")
LARGEST_PIECE = 32768
"""As much as SSH carries in one message."""
USUAL = (b"mine", b"answer", b"large")
FRESH = 0x02 | 0x08 | 0x10
FLAGS = (0x01, 0x01, 0x01, 0x02, 0x0A, 0x06, 0x0E, 0x2A, 0x3A, 0x00, 0x3F, 0xFFFFFFFF, 0x1B)
EDGES = (0, 1, 2, 255, 256, 4096, 262144, 262145, 263168, 2**31 - 1, 2**31, 2**32 - 1)
FAR = (0, 1, 300, 4000, 2**31, 2**32, 2**62, 2**63 - 1, 2**63 - 262144, 2**63, 2**64 - 1)
EXTENSIONS = (
    *(b"posix-rename@openssh.com", b"statvfs@openssh.com", b"hardlink@openssh.com"),
    *(b"fsync@openssh.com", b"limits@openssh.com", b"copy-data", b"lsetstat@openssh.com"),
    *(b"expand-path@openssh.com", b"check-file", b"", b"limits@openssh.com\0", b"x" * 5000),
)


def stems() -> tuple[str, ...]:
    """Sets of today, so few that each comes again: two of IN, two of INTEST, one of another."""
    today = f"{brussels_day(datetime.now(UTC)):%Y%m%d}"
    numbers = ((MINE, "A0001.R"), (MINE, "A0002.R"), (MINE, "A0003.T"), (MINE, "A0004.S"))
    return tuple(f"FLAD.{s}.{today}.{rest}" for s, rest in (*numbers, (OTHER, "A0005.R")))


def _names() -> tuple[bytes, ...]:
    made: list[str] = []
    for stem in stems():
        made += [f"FI.{stem}.1.1", f"FS.{stem}.1.1", f"GO.{stem}.1"] * 6
        made += [f"FI.{stem}.2.1", f"GO.{stem}", f"TD.{stem}.1", f"FI.{stem}.1.1.part"]
    made += ["mine", "sealed", f"of-{OTHER}", "tmp.filepart", "answer", "GO.x", "FI.FLAD", "_"] * 3
    return tuple(name.encode() for name in made)


NAMES = _names()


def text(content: bytes) -> bytes:
    return len(content).to_bytes(4, "big") + content


def framed(packet: bytes) -> bytes:
    return text(packet)


@dataclass
class Client:
    """What one session knows of itself."""

    chance: random.Random
    uploads: dict[bytes, int] = field(default_factory=dict)
    """Handles of files being written, and how far each is."""
    downloads: list[bytes] = field(default_factory=list)
    listings: list[bytes] = field(default_factory=list)
    closed: list[bytes] = field(default_factory=list)
    there: list[bytes] = field(default_factory=list)
    """Paths that led somewhere."""
    next_id: int = 0

    def learn(self, request: bytes, reply: bytes) -> None:
        """What a reply tells about the session's handles."""
        kind = request[0]
        if kind in (OPEN, STAT, LSTAT) and reply[0] != STATUS:
            end = 9 + int.from_bytes(request[5:9], "big")
            self.there = [*self.there[-9:], request[9:end]]
        if reply[0] == HANDLE:
            handle = reply[9:]
            if kind == OPENDIR:
                self.listings.append(handle)
            elif request[9 + int.from_bytes(request[5:9], "big") + 3] & 0x06:
                self.uploads[handle] = 0
            else:
                self.downloads.append(handle)
        elif kind == CLOSE and reply[0] == STATUS:
            self._gone(request[9:])

    def _gone(self, handle: bytes) -> None:
        """Closed, with OK or not."""
        self.uploads.pop(handle, None)
        for known in (self.downloads, self.listings):
            if handle in known:
                known.remove(handle)
        self.closed = [*self.closed[-5:], handle]

    # --- fields -------------------------------------------------------------------------

    def path(self) -> bytes:
        chance, kind = self.chance, self.chance.random()
        if self.there and kind < 0.3:
            return chance.choice(self.there)
        if kind < 0.4:
            return b"/" + chance.choice(FOLDERS) + b"/" + chance.choice(USUAL)
        if kind < 0.75:
            folder = chance.choice(INBOXES if chance.random() < 0.75 else FOLDERS)
            return b"/" + folder + b"/" + chance.choice(NAMES)
        if kind < 0.8:
            return b"/" + chance.choice(FOLDERS)
        if kind < 0.88:
            way = chance.choice((b"/../", b"/IN/../../", b"", b"/IN/../", b"/../channels/"))
            return way + OTHER.encode() + b"/" + chance.choice(FOLDERS) + b"/" + self._other_name()
        return b"/" if kind < 0.9 else hostile(chance)

    def _other_name(self) -> bytes:
        return self.chance.choice((b"mine", f"of-{OTHER}".encode(), self.chance.choice(NAMES)))

    def handle(self, best: Sequence[bytes]) -> bytes:
        """Mostly one of the kind that is asked for; else another, a closed one, or none at all."""
        kind = self.chance.random()
        if best and kind < 0.93:
            return self.chance.choice(best)
        others = [*self.uploads, *self.downloads, *self.listings, *self.closed]
        if others and kind < 0.98:
            return self.chance.choice(others)
        return self.chance.randbytes(self.chance.choice((0, 1, 8, 8, 255, 256, 257)))

    def attributes(self) -> bytes:
        chance = self.chance
        if chance.random() < 0.5:
            return bytes(4)
        flags = chance.choice((1, 1, 2, 4, 8, 12, 15, 0x80000001, 0x80000000, 0x10))
        size = chance.choice(FAR) if chance.random() < 0.5 else 0
        made = struct.pack(">I", flags)
        made += struct.pack(">Q", size) if flags & 1 else b""
        made += struct.pack(">II", 0, 0) if flags & 2 else b""
        made += struct.pack(">I", 0o100777) if flags & 4 else b""
        made += struct.pack(">II", 1, 2**32 - 1) if flags & 8 else b""
        if flags & 0x80000000:
            pairs = chance.choice((0, 1, 2, 300, 2**32 - 1))
            made += struct.pack(">I", pairs) + (text(b"a") + text(b"b")) * min(pairs, 300)
        return made

    def content(self) -> bytes:
        kind = self.chance.random()
        if kind < 0.985:
            return b"m" * self.chance.randrange(300)
        return b"m" * self.chance.choice((262144, 262145, 32768, 5000, 100_000))

    # --- requests -----------------------------------------------------------------------

    def request(self) -> bytes:
        """One packet by the grammar of the draft, and of the extensions."""
        make = self.chance.choices(_MAKERS, cum_weights=_WEIGHTS)[0]
        return self.packet(*make(self))

    def packet(self, kind: int, rest: bytes) -> bytes:
        self.next_id += 1
        number = self.chance.choice(EDGES) if self.chance.random() < 0.02 else self.next_id
        return bytes([kind]) + struct.pack(">I", number) + rest

    def changed(self) -> bytes:
        """A packet of the grammar with something done to it that its length still tells."""
        chance = self.chance
        packet = bytearray(self.request())
        for _ in range(chance.choice((1, 1, 1, 2, 5))):
            at = chance.randrange(len(packet))
            match chance.randrange(6):
                case 0:
                    packet[at] ^= 1 << chance.randrange(8)
                case 1:
                    packet[at:] = b""
                case 2:
                    packet[at:at] = chance.randbytes(chance.choice((1, 4, 30)))
                case 3:
                    packet[at : at + 4] = struct.pack(">I", chance.choice(EDGES))
                case 4:
                    del packet[at : at + chance.choice((1, 4, 8))]
                case _:
                    packet += self.request()
            packet = packet or bytearray(b"\0")
        # Fewer than five bytes have no id and end the session; that is for ``noise``.
        return bytes(packet.ljust(5, b"\0"))

    def noise(self) -> bytes:
        """Bytes that may end the session: lengths that are wrong, no ids, anything."""
        chance = self.chance
        frame = framed(self.request())
        match chance.randrange(6):
            case 0:
                return struct.pack(">I", chance.choice(EDGES)) + frame[4:]
            case 1:
                return frame[: chance.randrange(len(frame))]
            case 2:
                return framed(chance.randbytes(chance.randrange(6)))
            case 3:
                return chance.randbytes(chance.randrange(1, 200))
            case 4:
                at = chance.randrange(4)
                return frame[:at] + bytes([frame[at] ^ 1 << chance.randrange(8)]) + frame[at + 1 :]
            case _:
                length = len(frame) - 4 + chance.choice((-2, -1, 1, 2))
                return struct.pack(">I", max(0, length)) + frame[4:]

    def pieces(self, data: bytes) -> tuple[bytes, ...]:
        """The same bytes as they may arrive: in one, in a few, or byte by byte."""
        kind = self.chance.random()
        if kind < 0.02 and len(data) < 400:
            return tuple(data[at : at + 1] for at in range(len(data)))
        cuts = {*range(0, len(data), LARGEST_PIECE), len(data)}
        if kind < 0.3 and len(data) > 1:
            cuts |= {self.chance.randrange(1, len(data)) for _ in range(3)}
        return tuple(data[a:b] for a, b in pairwise(sorted(cuts)))


Made = tuple[int, bytes]


def _opening(client: Client) -> Made:
    flags = FRESH if client.chance.random() < 0.25 else client.chance.choice(FLAGS)
    return OPEN, text(client.path()) + struct.pack(">I", flags) + client.attributes()


def _listing(client: Client) -> Made:
    usual = client.chance.random() < 0.8
    return OPENDIR, text(b"/" + client.chance.choice(FOLDERS) if usual else client.path())


def _writing(client: Client) -> Made:
    handle, content = client.handle([*client.uploads]), client.content()
    at = client.uploads.get(handle, 0)
    if client.chance.random() < 0.06:
        at = client.chance.choice(FAR)
    elif handle in client.uploads:
        client.uploads[handle] = at + len(content)
    rest = text(handle) + struct.pack(">Q", at) + text(content)
    return WRITE, rest + (b"x" * 9 if client.chance.random() < 0.02 else b"")


def _reading(client: Client) -> Made:
    asked = client.chance.choice(EDGES) if client.chance.random() < 0.2 else 300
    at = client.chance.choice(FAR) if client.chance.random() < 0.4 else 0
    return READ, text(client.handle(client.downloads)) + struct.pack(">QI", at, asked)


def _closing(client: Client) -> Made:
    return CLOSE, text(client.handle([*client.uploads, *client.downloads, *client.listings]))


def _extended(client: Client) -> Made:
    name = client.chance.choice(EXTENSIONS)
    match name:
        case b"fsync@openssh.com":
            rest = text(client.handle([*client.uploads]))
        case b"limits@openssh.com":
            rest = b""
        case b"statvfs@openssh.com":
            rest = text(client.path())
        case _:
            rest = text(client.path()) + text(client.path())
    return EXTENDED, text(name) + rest


def _renaming(client: Client) -> Made:
    chance, folder = client.chance, client.chance.choice(INBOXES)
    old, new = (b"/" + folder + b"/" + chance.choice(NAMES) for _ in range(2))
    if chance.random() < 0.2:
        new = client.path()
    if chance.random() < 0.4:
        return EXTENDED, text(EXTENSIONS[0]) + text(old) + text(new)
    return RENAME, text(old) + text(new)


def _by_path(kind: int, *, attributes: bool = False) -> Callable[[Client], Made]:
    return lambda c: (kind, text(c.path()) + (c.attributes() if attributes else b""))


def _any_handle(kind: int, *, attributes: bool = False) -> Callable[[Client], Made]:
    def make(client: Client) -> Made:
        known = [*client.uploads, *client.downloads, *client.listings]
        return kind, text(client.handle(known)) + (client.attributes() if attributes else b"")

    return make


def _unknown(client: Client) -> Made:
    kinds = (0, 2, MKDIR, RMDIR, READLINK, SYMLINK, 21, 99, STATUS, ATTRS, 199, 201, 255)
    return client.chance.choice(kinds), text(client.path()) + text(client.path())


_SHARES: tuple[tuple[Callable[[Client], Made], float], ...] = (
    (_opening, 9),
    (_writing, 14),
    (_reading, 14),
    (_closing, 4),
    (lambda c: (READDIR, text(c.handle(c.listings))), 6),
    (_any_handle(FSTAT), 6),
    (_any_handle(FSETSTAT, attributes=True), 3),
    (_by_path(STAT), 6),
    (_by_path(LSTAT), 4),
    (_by_path(SETSTAT, attributes=True), 4),
    (_listing, 2),
    (_by_path(REALPATH), 10),
    (_by_path(REMOVE), 2),
    (_renaming, 3),
    (_extended, 8),
    (_unknown, 5),
    (lambda _: (INIT, b""), 1),
)
_MAKERS = tuple(make for make, _ in _SHARES)
_WEIGHTS = tuple(sum(share for _, share in _SHARES[: n + 1]) for n in range(len(_SHARES)))
