"""The tables of the registers, and how rows and given files become facts of ``batch.registers``.

Nothing is ever deleted here: a right, a key or a certificate that ends gets its ``until``, so that
what was true at a sealing instant stays readable. They live in the production database.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_ssh_public_key,
    ssh_key_fingerprint,
)
from sqlalchemy import (
    JSON,
    CheckConstraint,
    Column,
    ColumnElement,
    Connection,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Row,
    String,
    Table,
    or_,
    select,
)

from batch.errors import OperatorError
from batch.identifiers import EnterpriseNumber, NssoNumber, Quarter, SenderNumber
from batch.registers import (
    Channel,
    Enterprise,
    Grant,
    Interval,
    LoginKey,
    Mandate,
    Quality,
    RegisteredCertificate,
)
from batch.signing.certificate import CertificateError, SigningCertificate, name_in_words, read_der
from batch.storage.schema import Instant, metadata


class TrustKind(StrEnum):
    """What stands in the trust: the certificate of an authority, or a revocation list."""

    CERTIFICATE = "CERTIFICATE"
    CRL = "CRL"


@dataclass(frozen=True, slots=True)
class Trusted:
    """One entry of the trust. ``subject`` is the issuer's name where it is a revocation list."""

    kind: TrustKind
    subject: str
    fingerprint: str
    added_at: datetime
    der: bytes


def _one_of(column: str, values: type[StrEnum]) -> CheckConstraint:
    allowed = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} IN ({allowed})", name=column)


def _sender() -> Column[str]:
    return Column("sender", String(6), ForeignKey("channel.sender"), nullable=False, index=True)


def _interval() -> tuple[Column[Any], Column[Any]]:
    return Column("since", Instant, nullable=False), Column("until", Instant)


enterprise = Table(
    "enterprise",
    metadata,
    Column("number", String(10), primary_key=True),
    Column("name", String(200), nullable=False),
    Column("nsso", String(10)),
)

channel = Table(
    "channel",
    metadata,
    Column("sender", String(6), primary_key=True),
    Column("enterprise", String(10), ForeignKey("enterprise.number"), nullable=False),
    Column("quality", String(32), nullable=False),
    Column("user", String(64), nullable=False, unique=True),
    Column("opened_at", Instant, nullable=False),
    Column("closed_at", Instant),
    _one_of("quality", Quality),
)

# One open channel per enterprise and quality (protocol section 7.2); closed ones stay as they are.
Index(
    "ix_channel_open",
    channel.c.enterprise,
    channel.c.quality,
    unique=True,
    sqlite_where=channel.c.closed_at.is_(None),
    postgresql_where=channel.c.closed_at.is_(None),
)

channel_key = Table(
    "channel_key",
    metadata,
    Column("id", Integer, primary_key=True),
    _sender(),
    Column("public", String, nullable=False),
    Column("fingerprint", String(64), nullable=False, index=True),
    *_interval(),
)

channel_certificate = Table(
    "channel_certificate",
    metadata,
    Column("id", Integer, primary_key=True),
    _sender(),
    Column("der", LargeBinary, nullable=False),
    Column("subject", String, nullable=False),
    Column("fingerprint", String(64), nullable=False, index=True),
    Column("not_after", Instant, nullable=False),
    *_interval(),
)

channel_service = Table(
    "channel_service",
    metadata,
    Column("id", Integer, primary_key=True),
    _sender(),
    Column("service", String(32), nullable=False),
    *_interval(),
)

mandate = Table(
    "mandate",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("employer", String(10), ForeignKey("enterprise.number"), nullable=False, index=True),
    Column("mandatary", String(10), ForeignKey("enterprise.number"), nullable=False, index=True),
    Column("service", String(32), nullable=False),
    Column("first", String(6), nullable=False),
    Column("last", String(6)),
)

trust = Table(
    "trust",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("subject", String, nullable=False),
    Column("fingerprint", String(64), nullable=False, unique=True),
    Column("added_at", Instant, nullable=False),
    Column("der", LargeBinary, nullable=False),
    _one_of("kind", TrustKind),
)

register_event = Table(
    "register_event",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("at", Instant, nullable=False),
    Column("what", String(64), nullable=False),
    Column("detail", JSON, nullable=False),
)


def enterprises_where(connection: Connection, *where: ColumnElement[bool]) -> list[Enterprise]:
    """The enterprises that fulfil ``where``, by number."""
    rows = connection.execute(select(enterprise).where(*where).order_by(enterprise.c.number))
    return [
        Enterprise(EnterpriseNumber(r.number), r.name, NssoNumber(r.nsso) if r.nsso else None)
        for r in rows
    ]


def channels_where(connection: Connection, *where: ColumnElement[bool]) -> list[Channel]:
    """The channels that fulfil ``where`` with all their keys, certificates and grants, by number.

    Four statements however many channels there are.
    """
    rows = connection.execute(select(channel).where(*where).order_by(channel.c.sender)).all()
    keys, certificates, grants = (
        _by_sender(connection, table, where)
        for table in (channel_key, channel_certificate, channel_service)
    )
    return [
        Channel(
            sender=SenderNumber(row.sender),
            enterprise=EnterpriseNumber(row.enterprise),
            quality=Quality(row.quality),
            user=row.user,
            open=Interval(row.opened_at, row.closed_at),
            keys=tuple(
                LoginKey(r.public, r.fingerprint, Interval(r.since, r.until))
                for r in keys.get(row.sender, ())
            ),
            certificates=tuple(_certificate(r) for r in certificates.get(row.sender, ())),
            grants=tuple(
                Grant(r.service, Interval(r.since, r.until)) for r in grants.get(row.sender, ())
            ),
        )
        for row in rows
    ]


def mandates_where(connection: Connection, *where: ColumnElement[bool]) -> list[Mandate]:
    """The mandates that fulfil ``where``, in the order in which they were granted."""
    rows = connection.execute(select(mandate).where(*where).order_by(mandate.c.id))
    return [
        Mandate(
            id=row.id,
            employer=EnterpriseNumber(row.employer),
            mandatary=EnterpriseNumber(row.mandatary),
            service=row.service,
            first=Quarter.parse(row.first),
            last=Quarter.parse(row.last) if row.last else None,
        )
        for row in rows
    ]


def trusted_where(connection: Connection, *where: ColumnElement[bool]) -> list[Trusted]:
    """The entries of the trust that fulfil ``where``, in the order in which they were added."""
    rows = connection.execute(select(trust).where(*where).order_by(trust.c.id))
    return [Trusted(TrustKind(r.kind), r.subject, r.fingerprint, r.added_at, r.der) for r in rows]


Fact = LoginKey | RegisteredCertificate | Grant
"""What a channel has for an interval; each kind has its table, columns named as the fields."""

TABLE_OF: dict[type[Fact], Table] = {
    LoginKey: channel_key,
    RegisteredCertificate: channel_certificate,
    Grant: channel_service,
}


def text_of(value: object) -> str | None:
    """What a number or a quarter is as a column."""
    return None if value is None else str(value)


def not_ended(table: Table, at: datetime) -> ColumnElement[bool]:
    """Valid at ``at`` or later."""
    return or_(table.c.until.is_(None), table.c.until > at)


def record(
    connection: Connection, at: datetime, sender: SenderNumber | None, what: str, **detail: Any
) -> None:
    """Leave the trace of a change, of ``sender``'s if one is given; in the change's transaction."""
    who = {"sender_number": str(sender)} if sender else {}
    connection.execute(register_event.insert().values(at=at, what=what, detail=who | detail))


def _by_sender(
    connection: Connection, table: Table, where: Sequence[ColumnElement[bool]]
) -> dict[str, list[Row[Any]]]:
    wanted = select(table).join(channel, channel.c.sender == table.c.sender).where(*where)
    found: dict[str, list[Row[Any]]] = {}
    for row in connection.execute(wanted.order_by(table.c.id)):
        found.setdefault(row.sender, []).append(row)
    return found


def _certificate(row: Row[Any]) -> RegisteredCertificate:
    return RegisteredCertificate(
        row.der, row.subject, row.fingerprint, row.not_after, Interval(row.since, row.until)
    )


LOGIN_KEY_TYPES = frozenset(
    {"ssh-rsa", "ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384"}
)
"""Types of login key we accept: what today's clients make and our server may verify."""

SMALLEST_RSA = 2048
"""Bits; what is smaller is not accepted for login (112 bits of strength, NIST SP 800-57)."""

_WANTED_KEY = (
    "give the public half of an Ed25519, ECDSA P-256 or P-384, or RSA key of 2048 bits or more, "
    "for example one made by ssh-keygen -t ed25519"
)


def login_key(data: bytes, since: datetime) -> LoginKey:
    """The login key in a file: OpenSSH's one line, or RFC 4716 as PuTTYgen saves it.

    Raises OperatorError when it is a private key, no key, more than one, or one we do not accept.
    """
    text = data.decode("utf-8-sig", errors="replace").strip()
    if "PRIVATE KEY" in text or text.startswith("PuTTY-User-Key-File"):
        raise OperatorError(
            "SSH key: this file is a PRIVATE key, which nobody but its owner may hold; give the "
            "public one (the .pub file), and make a new pair if this file left the owner's machine"
        )
    try:
        kind, blob = _ssh2_block(text) if text.startswith("---- BEGIN SSH2") else _one_line(text)
        if kind not in LOGIN_KEY_TYPES:
            raise OperatorError(f"SSH key: type {kind!r} is not accepted; {_WANTED_KEY}")
        key = load_ssh_public_key(f"{kind} {blob}".encode())
    except (ValueError, UnsupportedAlgorithm):
        raise OperatorError(
            f"SSH key: the file holds no single public key; {_WANTED_KEY}"
        ) from None
    assert isinstance(key, rsa.RSAPublicKey | ed25519.Ed25519PublicKey | ec.EllipticCurvePublicKey)
    if isinstance(key, rsa.RSAPublicKey) and key.key_size < SMALLEST_RSA:
        raise OperatorError(f"SSH key: RSA of {key.key_size} bits is too short; {_WANTED_KEY}")
    digest = base64.b64encode(ssh_key_fingerprint(key, SHA256())).decode().rstrip("=")
    public = key.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    return LoginKey(public, f"SHA256:{digest}", Interval(since))


def _one_line(text: str) -> tuple[str, str]:
    [line] = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    kind, blob, *_comment = line.split(maxsplit=2)
    return kind, blob


def _ssh2_block(text: str) -> tuple[str, str]:
    """Type and base64 of an RFC 4716 file: headers hold a colon and may go on after a backslash."""
    begin, *lines, end = text.splitlines()
    if "BEGIN SSH2 PUBLIC KEY" not in begin or "END SSH2 PUBLIC KEY" not in end:
        raise ValueError("no block of one public key")
    body, in_header = [], False
    for line in lines:
        if not in_header and ":" not in line:
            body.append(line.strip())
        else:
            in_header = line.endswith("\\")
    blob = base64.b64decode("".join(body), validate=True)
    return blob[4 : 4 + int.from_bytes(blob[:4])].decode("ascii"), "".join(body)


_PEM = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----(.*?)-----END \1-----", re.DOTALL)


def trust_entries(data: bytes, at: datetime) -> list[Trusted]:
    """The authorities' certificates and revocation lists in a file: PEM, one or more, or one DER.

    Raises OperatorError when one of them cannot be read or is a certificate that is no CA's.
    """
    try:
        ders = [base64.b64decode(text) for _label, text in _PEM.findall(data)]
    except ValueError:
        ders = []
    if len(ders) != data.count(b"-----BEGIN "):
        raise OperatorError("trust: a PEM block in the file is damaged; export the file anew")
    return [_trusted(der, at) for der in ders or [data]]


def _trusted(der: bytes, at: datetime) -> Trusted:
    try:
        crl = x509.load_der_x509_crl(der)
        issuer, mark = name_in_words(crl.issuer), crl.fingerprint(SHA256()).hex()
        return Trusted(TrustKind.CRL, issuer, mark, at, der)
    except ValueError:
        found = _read_authority(der)
    return Trusted(TrustKind.CERTIFICATE, found.subject, found.fingerprint, at, der)


def _read_authority(der: bytes) -> SigningCertificate:
    """A certificate that may vouch for others (RFC 5280 section 4.2.1.9), or for itself alone."""
    try:
        found = read_der(der)
    except CertificateError as error:
        raise OperatorError(f"trust: no CRL and no certificate: {error}") from None
    if not found.ca and not _is_self_signed(found.loaded):
        raise OperatorError(
            f"trust: {found.subject} is not a CA (basicConstraints); "
            f"give the certificate of its issuer, {found.issuer}"
        )
    return found


def _is_self_signed(certificate: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(certificate)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True
