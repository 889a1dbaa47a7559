"""What is promised of replies, read by a reader of our own: nothing here is the server's code.

One reply for each request, with its id, of a type that answers it, well-formed to the last byte, in
the order of the requests; and an end of the session exactly where the stream leaves no other.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable

LARGEST = 256 * 1024 + 1024
"""The largest packet, as limits@openssh.com tells it."""
LARGEST_DATA = 256 * 1024
CANARY = b"what only its owner may see"
"""Stands in every file that is not the sender's."""

INIT, VERSION = 1, 2
OPEN, CLOSE, READ, WRITE, LSTAT, FSTAT, SETSTAT, FSETSTAT, OPENDIR, READDIR = range(3, 13)
REMOVE, MKDIR, RMDIR, REALPATH, STAT, RENAME, READLINK, SYMLINK = range(13, 21)
STATUS, HANDLE, DATA, NAME, ATTRS = range(101, 106)
EXTENDED, EXTENDED_REPLY = 200, 201

GOOD = {
    OPEN: HANDLE,
    OPENDIR: HANDLE,
    READ: DATA,
    READDIR: NAME,
    REALPATH: NAME,
    STAT: ATTRS,
    LSTAT: ATTRS,
    FSTAT: ATTRS,
    CLOSE: STATUS,
    WRITE: STATUS,
    SETSTAT: STATUS,
    FSETSTAT: STATUS,
    REMOVE: STATUS,
    RENAME: STATUS,
    EXTENDED: EXTENDED_REPLY,
}
"""What answers a request that is done; all others are refused, by a STATUS that is not OK."""
CODES = (0, 1, 2, 3, 4, 5, 8)
MAY_BE_OK = frozenset({CLOSE, WRITE, SETSTAT, FSETSTAT, REMOVE, RENAME, EXTENDED})
OUR_FAULT = (b"internal error", b"the receiver's disk failed")


class Failure(AssertionError):
    """A promise was broken: ``witness`` is which, the same for the same kind of defect."""

    def __init__(self, witness: str, what: str) -> None:
        super().__init__(f"{witness}: {what}")
        self.witness = witness


class Fields:
    """A reply read from left to right; a field that is not there is a Failure."""

    def __init__(self, body: bytes) -> None:
        self.body, self.at = body, 0

    def take(self, count: int) -> bytes:
        end = self.at + count
        if end > len(self.body):
            raise Failure("form", f"a field reaches beyond its reply: {self.body[:80].hex()}")
        taken, self.at = self.body[self.at : end], end
        return taken

    def number(self, size: int = 4) -> int:
        return int.from_bytes(self.take(size), "big")

    def string(self) -> bytes:
        return self.take(self.number())

    def attributes(self) -> None:
        flags = self.number()
        if flags & ~0xF:
            raise Failure("form", f"attributes with unknown flags {flags:#x}")
        sizes = ((1, 8), (2, 8), (4, 4), (8, 8))
        self.take(sum(size for flag, size in sizes if flags & flag))

    def end(self) -> None:
        if self.at != len(self.body):
            raise Failure("form", f"bytes after the last field: {self.body[:80].hex()}")


Learn = Callable[[bytes, bytes], None]


class Judge:
    """One session as seen from outside: what was sent, and what came back for it."""

    def __init__(self, learn: Learn, never: bytes) -> None:
        self._learn = learn
        self._never = never
        """Besides the canary, what no reply may hold: the way to the instance's directory."""
        self._sent = bytearray()
        self._got = bytearray()
        self._begun = False
        self._handles: set[bytes] = set()
        self.waiting: deque[bytes] = deque()
        """Requests that have no reply yet."""
        self.unanswered = 0
        """Their bytes, and those of what follows them."""
        self.over = False
        """The stream cannot go on, so the session must end."""
        self.seen: Counter[tuple[int, int]] = Counter()
        """(type of request, type of reply)"""

    def sent(self, data: bytes) -> None:
        """More of the stream reached the server: cut it as the draft says (section 3)."""
        self.unanswered += len(data)
        self._sent += data
        at = 0
        while not self.over and len(self._sent) - at >= 4:
            length = int.from_bytes(self._sent[at : at + 4], "big")
            if not 0 < length <= LARGEST:
                self.over = True
            elif len(self._sent) - at - 4 < length:
                break
            else:
                self._request(bytes(self._sent[at + 4 : at + 4 + length]))
                at += 4 + length
        del self._sent[:at]

    def _request(self, packet: bytes) -> None:
        if len(packet) < 5 or (
            not self._begun and (packet[0] != INIT or int.from_bytes(packet[1:5], "big") < 3)
        ):
            self.over = True
        else:
            self._begun = True
            self.waiting.append(packet)

    def got(self, data: bytes) -> None:
        """Replies came. Raises Failure at the first that is not as promised."""
        self._got += data
        at = 0
        while len(self._got) - at >= 4:
            length = int.from_bytes(self._got[at : at + 4], "big")
            if not 0 < length <= LARGEST:
                raise Failure("form", f"a reply of {length} bytes")
            if len(self._got) - at - 4 < length:
                break
            self._reply(bytes(self._got[at + 4 : at + 4 + length]))
            at += 4 + length
        del self._got[:at]

    def half(self) -> bool:
        """Whether the last reply is not whole."""
        return bool(self._got)

    def _reply(self, reply: bytes) -> None:
        if not self.waiting:
            raise Failure("one each", f"a reply that nobody asked for: {reply[:80].hex()}")
        if CANARY in reply or self._never in reply:
            raise Failure("secret", f"{reply[:80].hex()} answers {self.waiting[0][:80].hex()}")
        request = self.waiting.popleft()
        self.unanswered -= 4 + len(request)
        self.seen[request[0], reply[0]] += 1
        fields = Fields(reply)
        kind = fields.number(1)
        if kind == VERSION:
            self._version(fields)
            return
        wanted = 0 if request[0] == INIT else int.from_bytes(request[1:5], "big")
        if fields.number() != wanted:
            raise Failure("one each", f"{reply[:80].hex()} answers {request[:80].hex()}")
        if kind == STATUS:
            _status(request, fields)
        elif kind != GOOD.get(request[0]):
            raise Failure("form", f"{reply[:80].hex()} answers {request[:80].hex()}")
        else:
            self._done(request, kind, fields)
        fields.end()
        self._learn(request, reply)

    def _version(self, fields: Fields) -> None:
        if sum(n for (_, kind), n in self.seen.items() if kind == VERSION) > 1:
            raise Failure("one each", "a second VERSION")
        if fields.number() != 3:
            raise Failure("form", "not version 3")
        while fields.at < len(fields.body):
            fields.string(), fields.string()

    def _done(self, request: bytes, kind: int, fields: Fields) -> None:
        match kind:
            case 102:
                handle = fields.string()
                if handle in self._handles or len(handle) > 256:
                    raise Failure("form", f"a handle that was given before: {handle.hex()}")
                self._handles.add(handle)
            case 103:
                asked = int.from_bytes(request[-4:], "big")
                if len(fields.string()) > min(asked, LARGEST_DATA):
                    raise Failure("form", f"more bytes than the {asked} that were asked for")
            case 104:
                _names(request, fields)
            case 105:
                fields.attributes()
            case _:
                fields.take(32 if b"limits@" in request else 88)


def _status(request: bytes, fields: Fields) -> None:
    code, told = fields.number(), fields.string()
    told.decode("utf-8")
    if code not in CODES or (code == 0 and request[0] not in MAY_BE_OK):
        raise Failure("form", f"status {code} answers {request[:80].hex()}")
    if told.startswith(OUR_FAULT):
        raise Failure("fault", f"{told.decode()!r} answers {request[:80].hex()}")
    if fields.string() not in (b"", b"en"):
        raise Failure("form", "a language that is not English")


def _names(request: bytes, fields: Fields) -> None:
    count = fields.number()
    if not count or (request[0] == REALPATH and count != 1):
        raise Failure("form", f"{count} names answer {request[:80].hex()}")
    for _ in range(count):
        fields.string(), fields.string()
        fields.attributes()
