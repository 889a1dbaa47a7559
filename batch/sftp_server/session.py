"""One SFTP session on an SSH channel: bytes in, replies out, strictly in order.

Requests are answered one after another. One that must wait for the disk runs in a thread, and
WRITEs that came together go there together, since a thread costs most for small ones; until it is
done, later ones wait, and when too much waits the channel is not read. Replies made at one go are
written at one go.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Protocol

import asyncssh

from batch import journal
from batch.sftp_server import protocol, replies
from batch.sftp_server.disk import Lane, Then, Work
from batch.sftp_server.nothing_else import refuse_requests
from batch.sftp_server.operations import Operations
from batch.sftp_server.outgoing import log_no_packets
from batch.sftp_server.stream import Reader

READ_AHEAD = 2 * protocol.MAX_PACKET
"""Bytes of requests held before reading stops: one whole packet and the next arriving."""

WRITE_AT = 128 * 1024
"""Replies are handed to the channel when this many bytes are together, or nothing is left to do."""


Run = Callable[[Lane, Callable[[], Any], Then], None]
"""Does work in a thread, when it is this sender's turn."""


class Carrier(Protocol):
    """What the session needs to know of the connection below it."""

    @property
    def writable(self) -> bool:
        """Does the client take what is sent to it?"""
        ...

    def touched(self) -> None:
        """The client said something: the connection is not idle."""
        ...

    def refused(self, what: str) -> None:
        """Something other than SFTP was asked of the channel."""
        ...

    def ended(self, session: SftpSession) -> None:
        """The session is over and tidied."""
        ...


class SftpSession(asyncssh.SSHServerSession[bytes]):
    """The ``sftp`` subsystem of one channel; every other kind of session is refused."""

    def __init__(self, carrier: Carrier, make: Callable[[], Operations], run: Run) -> None:
        self._carrier = carrier
        self._make = make
        self._run = run
        self._loop = asyncio.get_running_loop()
        self._channel: asyncssh.SSHServerChannel[bytes] | None = None
        self._operations: Operations | None = None
        self._reader = Reader()
        self._next: protocol.Request | None = None
        """Read already, and not answered: it came after WRITEs that went to a thread."""
        self._out: list[bytes] = []
        self._out_size = 0
        self._at_work = False
        """Is a thread busy for this session?"""
        self._running = False
        self._reading = True
        self._taking = True
        """Does the channel take replies?"""
        self._eof = False
        self._lost = False
        """Over: by the client, or because the server stops."""
        self._tidying = False
        self._ended = asyncio.Event()

    # --- asyncssh calls these -----------------------------------------------------------

    def connection_made(self, chan: asyncssh.SSHServerChannel[bytes]) -> None:
        self._channel = chan
        log_no_packets(chan)
        refuse_requests(chan, self._carrier.refused)

    def pty_requested(self, *_: object) -> bool:
        return False

    def shell_requested(self) -> bool:
        self._carrier.refused("shell")
        return False

    def exec_requested(self, command: str) -> bool:
        self._carrier.refused(f"exec {command}")
        return False

    def subsystem_requested(self, subsystem: str) -> bool:
        if subsystem != "sftp":
            self._carrier.refused(f"subsystem {subsystem}")
        return subsystem == "sftp"

    def data_received(self, data: bytes, datatype: asyncssh.DataType) -> None:
        if self._lost:
            return
        self._carrier.touched()
        self._reader.feed(data)
        self.proceed()

    def eof_received(self) -> bool:
        self._eof = True
        self.proceed()
        return True

    def pause_writing(self) -> None:
        self._taking = False

    def resume_writing(self) -> None:
        self._taking = True
        self.proceed()

    def connection_lost(self, exc: Exception | None) -> None:
        self._channel = None
        self.stop()

    # --- the loop -----------------------------------------------------------------------

    def proceed(self) -> None:
        """Answer what waits, until a thread is busy, the client takes no more, or all is done."""
        if self._running or self._lost:
            return
        self._running = True
        try:
            self._answer_all()
            self._flush()
            self._keep_reading()
            self._finish_if_over()
        except Exception as error:
            journal.problem("an SFTP session failed", error)
            self._close()
        finally:
            self._running = False

    def _answer_all(self) -> None:
        while not self._at_work and self._taking and self._carrier.writable:
            request = self._request()
            if request is None:
                break
            if self._operations is None:
                self._begin(request)
            elif isinstance(request, protocol.Malformed) and request.id is None:
                self._close()
                return
            elif isinstance(request, protocol.Write):
                self._write(self._operations, request)
            else:
                answer = self._operations.answer(request)
                self._put(answer) if isinstance(answer, bytes) else self._submit(answer)
        if self._reader.broken:
            self._close()

    def _request(self) -> protocol.Request | None:
        held, self._next = self._next, None
        if held is not None:
            return held
        packet = self._reader.next()
        return None if packet is None else protocol.decode(packet)

    def _write(self, operations: Operations, request: protocol.Write) -> None:
        kept = operations.write_now(request)
        if kept is not None:
            self._put(kept)
        else:
            self._submit(operations.write_all(self._writes(request)))

    def _writes(self, first: protocol.Write) -> list[protocol.Write]:
        """``first`` and the WRITEs that came right after it: at most what is read ahead."""
        found = [first]
        while isinstance(request := self._request(), protocol.Write):
            found.append(request)
        self._next = request
        return found

    def _begin(self, request: protocol.Request) -> None:
        """The first packet is INIT, of version 3 or more (section 4); the folders are made now."""
        if not isinstance(request, protocol.Init) or request.version < protocol.VERSION:
            self._close()
            return
        self._submit(Work(Lane.LOOK, self._make_home))

    def _make_home(self) -> bytes:
        self._operations = self._make()
        return replies.version()

    def _submit(self, work: Work) -> None:
        self._at_work = True
        self._run(work.lane, work.do, self._worked)

    def _worked(self, reply: bytes, error: BaseException | None) -> None:
        self._at_work = False
        if error is not None:
            journal.problem("an SFTP session failed", error)
            self._close()
        else:
            self._carrier.touched()
            self._put(reply)
        if self._lost:
            self._flush()
            self._tidy()
        else:
            self.proceed()

    def _put(self, reply: bytes) -> None:
        self._out.append(reply)
        self._out_size += len(reply)
        if self._out_size >= WRITE_AT:
            self._flush()

    def _flush(self) -> None:
        if self._out and self._channel is not None and not self._channel.is_closing():
            self._channel.write(b"".join(self._out))
        self._out.clear()
        self._out_size = 0

    def _keep_reading(self) -> None:
        """Stop reading the channel while much waits, and go on when it does not."""
        if self._channel is None:
            return
        full = self._reader.waiting > READ_AHEAD
        if full and self._reading:
            self._reading = False
            self._channel.pause_reading()
        elif not full and not self._reading:
            self._reading = True
            self._loop.call_soon(self._resume_reading)

    def _resume_reading(self) -> None:
        if self._reading and self._channel is not None:
            self._channel.resume_reading()

    def _finish_if_over(self) -> None:
        """The client sent its end of file and has all its replies: leave as a program would."""
        idle = not self._at_work and not self._out and self._next is None
        blocked = not self._taking or not self._carrier.writable
        if self._eof and idle and not blocked and self._channel is not None:
            self._channel.exit(0)

    def _close(self) -> None:
        if self._channel is not None:
            self._channel.abort()

    # --- the end ------------------------------------------------------------------------

    def stop(self) -> None:
        """Take no more requests, let the one at work end, abandon what is open."""
        self._lost = True
        if not self._at_work:
            self._tidy()

    async def drain(self) -> None:
        """Stop, and come back when that is done."""
        self.stop()
        await self._ended.wait()

    def _tidy(self) -> None:
        if self._tidying:
            return
        self._tidying = True
        if self._operations is None or self._operations.nothing_open:
            self._end()
            return
        self._run(Lane.CHANGE, self._operations.abandon, lambda *_: self._end())

    def _end(self) -> None:
        if not self._ended.is_set():
            self._ended.set()
            self._carrier.ended(self)
