"""One request, to a real server that does what it likes."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from batch.upkeep import transfer
from batch.upkeep.transfer import Bounds, Client, Unreachable
from tests.integration.upkeep.places import Place, gives, place


@pytest.fixture
def there() -> Iterator[Place]:
    with place() as made:
        yield made


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


CLIENT = Client(private=True)


def test_a_list_is_got_and_a_question_posted(there: Place) -> None:
    there.answers = {"/ca.crl": gives(b"list"), "/ocsp": gives(b"answer")}
    assert CLIENT.get(there.url("/ca.crl")) == b"list"
    assert CLIENT.post(there.url("/ocsp"), b"question") == b"answer"
    assert there.asked == [("GET", "/ca.crl", b""), ("POST", "/ocsp", b"question")]
    assert there.headers[1]["content-type"] == "application/ocsp-request"


def test_a_name_is_looked_up_once_and_the_address_that_was_checked_is_used(there: Place) -> None:
    """Looked up again, it could mean another address than the one that was allowed."""
    asked: list[tuple[str, object]] = []
    watching = True

    def audit(what: str, arguments: tuple[object, ...]) -> None:
        if watching and what in ("socket.getaddrinfo", "socket.connect"):
            asked.append((what, arguments[0] if what.endswith("info") else arguments[1]))

    sys.addaudithook(audit)  # cannot be taken away again
    there.answers = {"/ca.crl": gives(b"list")}
    assert CLIENT.get(there.url("/ca.crl", "localhost")) == b"list"
    watching = False
    names = [name for what, name in asked if what == "socket.getaddrinfo"]
    assert names.count("localhost") == 1
    assert there.headers[0]["host"] == f"localhost:{there.port}"


def test_ourselves_are_not_asked_unless_that_is_meant(there: Place) -> None:
    with pytest.raises(Unreachable, match="not on the public internet"):
        Client(private=False).get(there.url("/ca.crl"))
    assert there.asked == []


def test_it_may_lead_on_but_not_to_other_schemes_and_not_for_ever(there: Place) -> None:
    there.answers = {
        "/moved": gives(b"", 302, Location="/ca.crl"),
        "/ca.crl": gives(b"list"),
        "/round": gives(b"", 301, Location="/round"),
        "/file": gives(b"", 302, Location="file:///etc/passwd"),
        "/user": gives(b"", 302, Location=f"http://a:b@127.0.0.1:{there.port}/ca.crl"),
    }
    assert CLIENT.get(there.url("/moved")) == b"list"
    with pytest.raises(Unreachable, match="more than 3 times"):
        CLIENT.get(there.url("/round"))
    with pytest.raises(Unreachable, match="only http and https"):
        CLIENT.get(there.url("/file"))
    with pytest.raises(Unreachable, match="user name"):
        CLIENT.get(there.url("/user"))
    with pytest.raises(Unreachable, match="leads on"):
        CLIENT.post(there.url("/moved"), b"question")


def rubbish(request: BaseHTTPRequestHandler) -> None:
    request.wfile.write(b"\x00\xff rubbish\r\n\r\n")


def test_what_is_no_answer_is_unreachable(there: Place) -> None:
    there.answers = {
        "/short": gives(b"half", Content_Length="100"),
        "/rubbish": rubbish,
        "/none": lambda request: request.connection.close(),
    }
    for path in ("/absent", "/short", "/rubbish", "/none"):
        with pytest.raises(Unreachable):
            CLIENT.get(there.url(path))


def test_nobody_there_is_unreachable(there: Place) -> None:
    with pytest.raises(Unreachable, match="refused"):
        CLIENT.get("http://127.0.0.1:1/ca.crl")
    with pytest.raises(Unreachable, match="name is not known"):
        CLIENT.get("http://nobody.invalid/ca.crl")


@pytest.mark.parametrize("told", [True, False])
def test_what_is_too_large_is_given_up(
    there: Place, monkeypatch: pytest.MonkeyPatch, told: bool
) -> None:
    monkeypatch.setattr(transfer, "LIST", Bounds(100_000, 30))
    sent = 0

    def endless(request: BaseHTTPRequestHandler) -> None:
        nonlocal sent
        request.send_response(200)
        if told:
            request.send_header("Content-Length", "1000000000")
        request.end_headers()
        while sent < 50_000_000:
            sent += request.wfile.write(b"x" * 65_536)

    there.answers = {"/ca.crl": endless}
    with pytest.raises(Unreachable, match="larger than 100000 bytes"):
        CLIENT.get(there.url("/ca.crl"))
    assert sent < 50_000_000


@pytest.mark.parametrize("where", ["headers", "body"])
def test_what_drips_is_cut_at_its_time(
    there: Place, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    monkeypatch.setattr(transfer, "LIST", Bounds(1000, 0.6))

    def drip(request: BaseHTTPRequestHandler) -> None:
        begin = b"HTTP/1.0 200 OK\r\n" + (b"X: " if where == "headers" else b"\r\n")
        request.wfile.write(begin)
        for _ in range(2000):
            request.wfile.write(b"x")
            request.wfile.flush()
            time.sleep(0.05)

    there.answers = {"/ca.crl": drip}
    begun = time.monotonic()
    with pytest.raises(Unreachable, match="longer than 1 seconds"):
        CLIENT.get(there.url("/ca.crl"))
    assert time.monotonic() - begun < 40


def test_a_stop_gives_up_what_is_under_way(there: Place) -> None:
    stop, begun = threading.Event(), threading.Event()

    def slow(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.end_headers()
        for _ in range(5000):
            request.wfile.write(b"x")
            request.wfile.flush()
            begun.set()
            time.sleep(0.02)

    def stop_once_begun() -> None:
        begun.wait(60)
        stop.set()

    there.answers = {"/ca.crl": slow}
    threading.Thread(target=stop_once_begun).start()
    with pytest.raises(Unreachable, match="broke off"):
        Client(private=True, stop=stop).get(there.url("/ca.crl"))
    assert begun.is_set()


@pytest.mark.needs("openssl")
def test_over_tls_the_certificate_must_be_that_of_the_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pem, authority = tmp_path / "server.pem", tmp_path / "authority.pem"
    made = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    made += ["-nodes", "-keyout", str(pem), "-out", str(authority), "-subj", "/CN=localhost"]
    made += ["-addext", "subjectAltName=DNS:localhost"]
    subprocess.run(made, check=True, capture_output=True)
    pem.write_bytes(pem.read_bytes() + authority.read_bytes())
    with place(pem) as secure:
        secure.answers = {"/ca.crl": gives(b"list")}
        with pytest.raises(Unreachable, match="TLS certificate"):
            CLIENT.get(secure.url("/ca.crl", "localhost"))
        monkeypatch.setenv("SSL_CERT_FILE", str(authority))
        assert CLIENT.get(secure.url("/ca.crl", "localhost")) == b"list"
        with pytest.raises(Unreachable, match="doesn't match 'localhost'"):
            CLIENT.get(secure.url("/ca.crl"))
        assert len(secure.asked) == 1


def test_a_proxy_of_the_environment_is_asked_instead(
    there: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It looks the name up: what it is allowed to reach is its own to say."""
    monkeypatch.setenv("http_proxy", f"http://us:word@127.0.0.1:{there.port}")
    url = "http://ca.example/ca.crl"
    there.answers = {url: gives(b"list")}
    assert Client(private=False).get(url) == b"list"
    assert there.asked == [("GET", url, b"")]
    assert there.headers[0]["host"] == "ca.example"
    assert there.headers[0]["proxy-authorization"].startswith("Basic ")
    with pytest.raises(Unreachable, match="not on the public internet"):
        Client(private=False).get("http://10.0.0.1/ca.crl")
