"""One session of the server, and this end of its channel, in one process and without SSH.

``session.SftpSession`` is the server's own, with all that is below it. In the place of the
encrypted channel stands ``Line``: it lets itself be paused, and can take nothing for a while. Such
packets go through real SSH as well in ``test_fuzz_ssh.py``.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from batch.sftp_server.disk import Lane, Then
from batch.sftp_server.operations import Operations
from batch.sftp_server.session import Run, SftpSession
from tests.integration.sftp_server.fuzz.judge import LARGEST, Failure, Judge
from tests.integration.sftp_server.fuzz.packets import LARGEST_PIECE

MOST_HELD = 4 * LARGEST + 2 * LARGEST_PIECE + 4
"""Requests that one session may hold: two packets read ahead, once in the thread that does them and
once behind it, and what was on its way when the channel was paused."""
MOST_UNTAKEN = 128 * 1024 + 2 * LARGEST
"""Replies that may still come once the client takes no more."""
PATIENCE = 60.0
"""Seconds for the answer to one request."""


def at_once(lane: Lane, work: Callable[[], Any], then: Then) -> None:
    """Do the work here and now; its result comes by the event loop, as from a thread."""
    result, failed = None, None
    try:
        result = work()
    except Exception as error:
        failed = error
    asyncio.get_running_loop().call_soon(then, result, failed)


class Line:
    """What the server takes for its SSH channel, and for the connection below."""

    def __init__(self, judge: Judge, make: Callable[[], Operations], run: Run) -> None:
        self.judge = judge
        self.session = SftpSession(self, make, run)
        self._coming: deque[bytes] = deque()
        self._paused = False
        self._ended: str | None = None
        self._untaken: int | None = None
        self._tidied = False
        self._failure: Failure | None = None
        """What was seen while the server called: it would catch what is raised there."""
        channel: Any = self
        self.session.connection_made(channel)

    # --- the server calls these ---------------------------------------------------------

    writable = True

    def process_packet(self, *_: object) -> bool:
        raise AssertionError("there is no SSH here")

    def touched(self) -> None:
        pass

    def refused(self, what: str) -> None:
        raise Failure("end", f"refused: {what}")

    def ended(self, session: SftpSession) -> None:
        self._tidied = True

    def write(self, data: bytes) -> None:
        try:
            if self._untaken is not None:
                self._untaken += len(data)
                if self._untaken > MOST_UNTAKEN:
                    raise Failure("memory", f"{self._untaken} bytes for a client that takes none")
            self.judge.got(data)
        except Failure as failure:
            self._failure = self._failure or failure

    def is_closing(self) -> bool:
        return self._ended is not None

    def pause_reading(self) -> None:
        self._paused = True

    def resume_reading(self) -> None:
        self._paused = False
        self._pump()

    def abort(self) -> None:
        self._close("abort")

    def exit(self, code: int) -> None:
        self._close(f"exit {code}")

    def _close(self, how: str) -> None:
        if self._ended is None:
            self._ended = how
            asyncio.get_running_loop().call_soon(self.session.connection_lost, None)

    # --- the client's end ---------------------------------------------------------------

    @property
    def over(self) -> bool:
        return self._ended is not None

    def feed(self, pieces: Iterable[bytes]) -> None:
        """Send so many pieces of the stream; what the server does not read yet waits here."""
        self._coming.extend(pieces)
        self._pump()

    def _pump(self) -> None:
        while self._coming and not self._paused and self._ended is None:
            piece = self._coming.popleft()
            self.judge.sent(piece)
            self.session.data_received(piece, None)
            held = self.judge.unanswered
            if held > MOST_HELD and not self.judge.over:
                self._failure = self._failure or Failure("memory", f"{held} bytes are held")

    def take_nothing(self) -> None:
        """The client's window is full."""
        self._untaken = 0
        self.session.pause_writing()

    def take_again(self) -> None:
        self._untaken = None
        self.session.resume_writing()

    async def settle(self) -> None:
        """Until all that was sent is answered, or the session is over as it must be."""
        loop = asyncio.get_running_loop()
        deadline, turns = loop.time() + PATIENCE, 0
        while not self._settled():
            self._raise()
            turns += 1
            await asyncio.sleep(0 if turns < 100 else 0.001)
            if loop.time() > deadline:
                if self.judge.over:
                    raise Failure("end", "the stream cannot go on, and the session does")
                first = self.judge.waiting[0][:80].hex() if self.judge.waiting else "nothing"
                raise Failure("one each", f"not answered in {PATIENCE} s: {first}")
        self._raise()
        if self.over and not self.judge.over and self._ended == "abort":
            raise Failure("end", "the session ended, and the stream gave no reason")
        if self.judge.half() and not self.over:
            raise Failure("form", "half a reply")

    def _raise(self) -> None:
        if self._failure is not None:
            raise self._failure

    def _settled(self) -> bool:
        if self.judge.over or self.over:
            return self.over
        return not self.judge.waiting and not self._coming

    async def finish(self) -> None:
        """The client has no more to say, and hears all the rest."""
        self.session.eof_received()
        await self.settle_end()
        if not self.judge.over and self._ended != "exit 0":
            raise Failure("end", f"end of file was answered by {self._ended}")

    async def cut(self) -> None:
        """The connection is lost, whatever is at work."""
        self._ended = self._ended or "cut"
        self.session.connection_lost(None)
        await self.settle_end()

    async def drain(self) -> None:
        """The server stops."""
        self._ended = self._ended or "drained"
        await asyncio.wait_for(self.session.drain(), PATIENCE)

    async def settle_end(self) -> None:
        loop = asyncio.get_running_loop()
        deadline, turns = loop.time() + PATIENCE, 0
        while not self._tidied:
            turns += 1
            await asyncio.sleep(0 if turns < 100 else 0.001)
            if loop.time() > deadline:
                raise Failure("end", f"the session did not end in {PATIENCE} s")
        self._raise()
