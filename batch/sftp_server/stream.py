"""The stream of a client cut into packets (draft-ietf-secsh-filexfer-02, section 3). Pure."""

from __future__ import annotations

from batch.sftp_server.protocol import MAX_PACKET


class Reader:
    """Cuts a byte stream into packets. Holds at most one packet and what came with it."""

    __slots__ = ("_buffer", "_start", "broken")

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._start = 0
        self.broken = False
        """A length of nothing or beyond MAX_PACKET was announced: the stream cannot go on."""

    def feed(self, data: bytes) -> None:
        """Take more bytes from the client."""
        if self._start:
            del self._buffer[: self._start]
            self._start = 0
        self._buffer += data

    @property
    def waiting(self) -> int:
        """Bytes held and not yet given out."""
        return len(self._buffer) - self._start

    def next(self) -> bytes | None:
        """The next whole packet without its length field; None until more bytes come."""
        if self.broken or self.waiting < 4:
            return None
        start = self._start + 4
        length = int.from_bytes(self._buffer[self._start : start], "big")
        if not 0 < length <= MAX_PACKET:
            self.broken = True
            return None
        if len(self._buffer) < start + length:
            return None
        self._start = start + length
        return bytes(memoryview(self._buffer)[start : self._start])
