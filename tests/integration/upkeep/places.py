"""A real HTTP server on the loopback whose answers a test decides, and a CA that names it."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import AuthorityInformationAccessOID, NameOID


def free_port() -> int:
    """A port of the loopback that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


Answer = Callable[[BaseHTTPRequestHandler], None]


def gives(body: bytes, status: int = 200, **headers: str) -> Answer:
    """Answer with these bytes; headers with underscores for hyphens."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(status)
        given = {"Content_Length": str(len(body)), **headers}
        for name, value in given.items():
            request.send_header(name.replace("_", "-"), value)
        request.end_headers()
        request.wfile.write(body)

    return answer


@dataclass
class Place:
    """Where a test serves from: ``answers`` by path, and what was ``asked``: method, path, body."""

    answers: dict[str, Answer] = field(default_factory=dict)
    asked: list[tuple[str, str, bytes]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    port: int = 0
    scheme: str = "http"

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        return f"{self.scheme}://{host}:{self.port}{path}"


@contextmanager
def place(certificate: Path | None = None) -> Iterator[Place]:
    """A place that is there; with ``certificate`` (a PEM with its key) over TLS."""
    made = Place()

    class Handler(BaseHTTPRequestHandler):
        def _any(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            made.asked.append((self.command, self.path, self.rfile.read(length)))
            made.headers.append({k.lower(): v for k, v in self.headers.items()})
            made.answers.get(self.path, gives(b"", 404))(self)

        do_GET = do_POST = _any

        def log_message(self, *_: object) -> None:
            return

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            return  # a client that hangs up is what some tests are about

    server = Server(("127.0.0.1", 0), Handler)
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        made.scheme = "https"
    made.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield made
    server.shutdown()
    server.server_close()
    thread.join()


@dataclass(frozen=True)
class Authority:
    """A CA whose certificates name where their revocation is told."""

    name: str = "Told CA"
    key: ec.EllipticCurvePrivateKey = field(
        default_factory=lambda: ec.generate_private_key(ec.SECP256R1())
    )
    born: datetime = field(default_factory=lambda: datetime.now(UTC) - timedelta(days=2))

    @property
    def subject(self) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, self.name)])

    def certificate(self) -> x509.Certificate:
        """Its own."""
        builder = self._builder(self.subject, self.key.public_key(), timedelta(days=900))
        return builder.add_extension(
            x509.BasicConstraints(ca=True, path_length=None), critical=True
        ).sign(self.key, SHA256())

    def signer(
        self,
        name: str,
        key: ec.EllipticCurvePrivateKey,
        lists: Sequence[str] = (),
        responders: Sequence[str] = (),
        life: timedelta = timedelta(days=400),
    ) -> x509.Certificate:
        """A signer's, that names these places."""
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        builder = self._builder(subject, key.public_key(), life)
        if lists:
            names = [x509.UniformResourceIdentifier(url) for url in lists]
            points = [x509.DistributionPoint(names, None, None, None)]
            builder = builder.add_extension(x509.CRLDistributionPoints(points), critical=False)
        if responders:
            access = [
                x509.AccessDescription(
                    AuthorityInformationAccessOID.OCSP, x509.UniformResourceIdentifier(url)
                )
                for url in responders
            ]
            builder = builder.add_extension(x509.AuthorityInformationAccess(access), critical=False)
        return builder.sign(self.key, SHA256())

    def below(self, name: str, lists: Sequence[str]) -> tuple[Authority, x509.Certificate]:
        """A CA that this one vouches for, by a certificate that names these places."""
        lower = Authority(name)
        builder = self._builder(lower.subject, lower.key.public_key(), timedelta(days=800))
        points = [
            x509.DistributionPoint([x509.UniformResourceIdentifier(u)], None, None, None)
            for u in lists
        ]
        builder = builder.add_extension(x509.CRLDistributionPoints(points), critical=False)
        constraints = x509.BasicConstraints(ca=True, path_length=None)
        builder = builder.add_extension(constraints, critical=True)
        return lower, builder.sign(self.key, SHA256())

    def crl(
        self,
        *revoked: x509.Certificate,
        ends: timedelta = timedelta(days=7),
        begins: datetime | None = None,
    ) -> bytes:
        """Its list, in DER; the revoked ones are so since yesterday."""
        begins = begins or datetime.now(UTC) - timedelta(minutes=5)
        builder = x509.CertificateRevocationListBuilder().issuer_name(self.subject)
        builder = builder.last_update(begins).next_update(begins + ends)
        for one in revoked:
            entry = x509.RevokedCertificateBuilder().serial_number(one.serial_number)
            since = begins - timedelta(days=1)
            builder = builder.add_revoked_certificate(entry.revocation_date(since).build())
        return builder.sign(self.key, SHA256()).public_bytes(Encoding.DER)

    def _builder(
        self, subject: x509.Name, key: ec.EllipticCurvePublicKey, life: timedelta
    ) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.subject)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(self.born)
            .not_valid_after(self.born + life)
        )
