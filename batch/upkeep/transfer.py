"""One request over HTTP, bounded in size, time and direction. GET for lists, POST for OCSP."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPException
from urllib.parse import urljoin, urlsplit
from urllib.request import getproxies, proxy_bypass

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError
from urllib3.response import HTTPResponse
from urllib3.util import make_headers

from batch.upkeep.addresses import OutOfBounds, Place, place_of

MAX_LIST_BYTES = 64_000_000
"""The largest list, as for `trust add`: those of national CAs reach tens of megabytes."""
MAX_ANSWER_BYTES = 64_000
"""The largest OCSP answer: one certificate's, with the responder's own, has 1 to 4 kB."""
SILENCE_SECONDS = 10.0
"""To be connected, and the longest silence: a responder answers in a tenth of a second."""
LIST_SECONDS = 180.0
"""For a whole list: 64 MB at 3 Mbit/s."""
ANSWER_SECONDS = 15.0
MAX_REDIRECTS = 3
"""CAs move lists to where they are served from: once, seldom twice."""


class Unreachable(Exception):
    """It did not come, and may come later; the words say why."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one fetch may take: bytes and seconds."""

    size: int
    seconds: float


LIST = Bounds(MAX_LIST_BYTES, LIST_SECONDS)
ANSWER = Bounds(MAX_ANSWER_BYTES, ANSWER_SECONDS)


@dataclass(frozen=True, slots=True)
class _Elsewhere:
    location: str


@dataclass(frozen=True, slots=True)
class Client:
    """Asks one thing at a time, of several threads. ``private``: as ``addresses.place_of``.

    What is under way when ``stop`` is set is given up. Both methods raise Unreachable.
    """

    private: bool
    stop: threading.Event = field(default_factory=threading.Event)

    def get(self, url: str) -> bytes:
        """A list from ``url``; redirections are followed, to http and https only."""
        deadline = time.monotonic() + LIST.seconds
        for _ in range(MAX_REDIRECTS + 1):
            came = self._ask("GET", url, None, LIST, deadline)
            if isinstance(came, bytes):
                return came
            url = urljoin(url, came.location)
        raise Unreachable(f"it leads on more than {MAX_REDIRECTS} times")

    def post(self, url: str, question: bytes) -> bytes:
        """The answer to an OCSP question; to be led on is a failure (RFC 6960 appendix A)."""
        deadline = time.monotonic() + ANSWER.seconds
        came = self._ask("POST", url, question, ANSWER, deadline)
        if isinstance(came, bytes):
            return came
        raise Unreachable("the responder leads on to another place")

    def _ask(
        self, method: str, url: str, body: bytes | None, bounds: Bounds, deadline: float
    ) -> bytes | _Elsewhere:
        try:
            proxy = _proxy_for(url)
            place = place_of(url, private=self.private, resolve=proxy is None)
            with _connected(place, proxy, deadline) as connection:
                _send(connection, method, place, body, proxy)
                return self._read(connection.getresponse(), bounds, deadline)
        except OutOfBounds as error:
            raise Unreachable(str(error)) from None
        except socket.gaierror:
            raise Unreachable("its name is not known") from None
        except (HTTPError, HTTPException, OSError, ValueError, AttributeError) as error:
            if time.monotonic() >= deadline:
                raise Unreachable(_TOO_LONG.format(bounds.seconds)) from None
            raise Unreachable(_words(error)) from None

    def _read(self, response: HTTPResponse, bounds: Bounds, deadline: float) -> bytes | _Elsewhere:
        if response.status in (301, 302, 303, 307, 308) and response.headers.get("Location"):
            return _Elsewhere(response.headers["Location"])
        if response.status != 200:
            raise Unreachable(f"it answers with status {response.status}")
        held, size = [], 0
        while chunk := response.read1(1 << 16):
            held.append(chunk)
            size += len(chunk)
            if size > bounds.size:
                raise Unreachable(f"it is larger than {bounds.size} bytes")
            if self.stop.is_set() or time.monotonic() > deadline:
                break
        told = response.headers.get("Content-Length", "")
        if time.monotonic() > deadline:
            raise Unreachable(_TOO_LONG.format(bounds.seconds))
        if self.stop.is_set() or (told.isdecimal() and int(told) != size):
            raise Unreachable(f"it broke off after {size} bytes")
        return b"".join(held)


def _send(
    connection: HTTPConnection, method: str, place: Place, body: bytes | None, proxy: str | None
) -> None:
    """A proxy is given the whole URL; inside its tunnel, as without one, the path alone."""
    headers = {**_HEADERS, "Host": place.host_header}
    if body is not None:
        headers["Content-Type"] = "application/ocsp-request"
    target = place.target
    if proxy is not None and place.scheme == "http":
        headers |= _authorisation(proxy)
        target = place.url.partition("#")[0]
    connection.request(method, target, body, headers, preload_content=False, decode_content=False)


_HEADERS: Mapping[str, str] = {"User-Agent": "fla-batch", "Accept-Encoding": "identity"}


_TOO_LONG = "it took longer than {:.0f} seconds"


@contextmanager
def _connected(place: Place, proxy: str | None, deadline: float) -> Iterator[HTTPConnection]:
    """A connection to the first address that takes it, cut at the deadline, whatever drips: a
    timeout of urllib3 begins anew with each byte."""
    with ExitStack() as stack:
        for left, connection in reversed([*enumerate(reversed(_connections(place, proxy)))]):
            stack.callback(connection.close)
            timer = threading.Timer(max(0.0, deadline - time.monotonic()), _cut, (connection,))
            timer.daemon = True
            timer.start()
            stack.callback(timer.cancel)
            try:
                connection.connect()
            except (HTTPError, OSError):
                if not left or time.monotonic() >= deadline:
                    raise
            else:
                yield connection
                return


def _cut(connection: HTTPConnection) -> None:
    with suppress(OSError, AttributeError):
        connection.sock.shutdown(socket.SHUT_RDWR)


def _connections(place: Place, proxy: str | None) -> list[HTTPConnection]:
    """To the addresses that were checked, or to the proxy of the environment, which looks it up."""
    if proxy is None:
        return [_to(address, place.port, place) for address in place.addresses]
    parts = urlsplit(proxy)
    through = _to(parts.hostname or "", parts.port or 8080, place)
    if place.scheme == "https":
        through.set_tunnel(place.host, place.port, headers=_authorisation(proxy))
    return [through]


def _to(address: str, port: int, place: Place) -> HTTPConnection:
    if place.scheme == "http":
        return HTTPConnection(address, port, timeout=SILENCE_SECONDS)
    name = place.host  # the certificate is to be that of the name, not of the address
    return HTTPSConnection(
        address, port, timeout=SILENCE_SECONDS, server_hostname=name, assert_hostname=name
    )


def _proxy_for(url: str) -> str | None:
    """As the environment says: http_proxy, https_proxy, no_proxy."""
    parts = urlsplit(url)
    found = getproxies().get(parts.scheme)
    if not found or (parts.hostname and proxy_bypass(parts.hostname)):
        return None
    return found if "://" in found else f"http://{found}"


def _authorisation(proxy: str | None) -> dict[str, str]:
    parts = urlsplit(proxy or "")
    if parts.username is None:
        return {}
    return dict(make_headers(proxy_basic_auth=f"{parts.username}:{parts.password or ''}"))


def _words(error: Exception) -> str:
    """What went wrong, without the object that urllib3 puts in front."""
    if isinstance(error, ssl.SSLError) or "certificate" in str(error).lower():
        return "its TLS certificate is not in order"
    text = str(error).rpartition(">: ")[2] or type(error).__name__
    return text.rpartition("] ")[2].strip().lower()[:120] or type(error).__name__
