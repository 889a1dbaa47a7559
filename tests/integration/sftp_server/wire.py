"""A wire between a client and the server that can go dead: both ends stay open and hear nothing."""

from __future__ import annotations

import select
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class Wire:
    """Carries one connection to ``to`` until ``dead`` is set; ``port`` is the client's end."""

    to: int
    dead: threading.Event = field(default_factory=threading.Event)
    port: int = 0
    _over: threading.Event = field(default_factory=threading.Event)

    def _carry(self, listening: socket.socket) -> None:
        with listening, listening.accept()[0] as client, socket.socket() as server:
            server.connect(("127.0.0.1", self.to))
            other = {client: server, server: client}
            ends = {end.fileno(): end for end in other}
            heard = select.poll()  # of any number of descriptors, which ``select`` is not
            for number in ends:
                heard.register(number, select.POLLIN)
            while not self.dead.is_set() and not self._over.is_set():
                for number, _ in heard.poll(50):
                    block = ends[number].recv(65536)
                    if not block:
                        return
                    other[ends[number]].sendall(block)
            self._over.wait()


@contextmanager
def wire(to: int) -> Iterator[Wire]:
    """A wire to the port ``to`` of this machine."""
    listening = socket.create_server(("127.0.0.1", 0))
    made = Wire(to, port=listening.getsockname()[1])
    thread = threading.Thread(target=made._carry, args=(listening,), daemon=True)
    thread.start()
    try:
        yield made
    finally:
        made._over.set()
        thread.join(timeout=60)
