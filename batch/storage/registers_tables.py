"""The tables of the registers, and how their rows become facts of ``batch.registers``.

Nothing is ever deleted here: a right, a key or a certificate that ends gets its ``until``, so that
what was true at a sealing instant stays readable. They live in the production database.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    JSON,
    Boolean,
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
    false,
    or_,
    select,
)

from batch.identifiers import EnterpriseNumber, NssoNumber, Quarter, SenderNumber
from batch.registers import (
    Channel,
    Enterprise,
    Exemption,
    Grant,
    Interval,
    LoginKey,
    Mandate,
    Quality,
    RegisteredCertificate,
)
from batch.storage.register_files import Trusted, TrustKind
from batch.storage.schema import Instant, metadata


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
    Column("legacy", Boolean, nullable=False, server_default=false()),
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

channel_exception = Table(
    "channel_exception",
    metadata,
    Column("id", Integer, primary_key=True),
    _sender(),
    Column("what", String(16), nullable=False),
    Column("reason", String(200), nullable=False),
    Column("since", Instant, nullable=False),
    Column("until", Instant, nullable=False),
)
"""What a channel may do for a while against the rules; without an end there is none."""

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

revocation = Table(
    "revocation",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("kind", String(4), nullable=False),
    Column("source", String, nullable=False, index=True),
    Column("certificate", String(64)),
    Column("sha256", String(64), nullable=False, unique=True),
    Column("this_update", Instant, nullable=False),
    Column("next_update", Instant),
    Column("obtained_at", Instant, nullable=False),
    Column("der", LargeBinary, nullable=False),
)
"""Revocation lists and OCSP answers fetched ahead, each once; ``source`` is where from, and
``certificate`` the fingerprint of the one that an OCSP answer was asked about. What a later one
took the place of is forgotten; a verdict keeps what it rested on."""

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


def channels_where(
    connection: Connection, *where: ColumnElement[bool], logins_only: bool = False
) -> list[Channel]:
    """The channels that fulfil ``where`` with all their keys, certificates and grants, by number.

    Five statements however many channels there are; with ``logins_only`` two, and neither
    certificates nor grants: less than half of the time.
    """
    rows = connection.execute(select(channel).where(*where).order_by(channel.c.sender)).all()
    keys, certificates, grants, exceptions = (
        {} if logins_only and table is not channel_key else _by_sender(connection, table, where)
        for table in (channel_key, channel_certificate, channel_service, channel_exception)
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
            legacy=row.legacy,
            exceptions=tuple(
                Exemption(r.what, r.reason, Interval(r.since, r.until))
                for r in exceptions.get(row.sender, ())
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


Fact = LoginKey | RegisteredCertificate | Grant | Exemption
"""What a channel has for an interval; each kind has its table, columns named as the fields."""

TABLE_OF: dict[type[Fact], Table] = {
    LoginKey: channel_key,
    RegisteredCertificate: channel_certificate,
    Grant: channel_service,
    Exemption: channel_exception,
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
