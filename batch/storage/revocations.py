"""Revocation lists and OCSP answers at hand: those of the trust, and those fetched ahead.

A list may have tens of megabytes, and every FS asks for all of them: a process keeps those it used
last, and reads from the database only what has come since.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from cryptography import x509
from sqlalchemy import Connection, Engine, delete, exists, func, select, update

from batch.signing.findings import SourceKind
from batch.signing.revocation import Sources
from batch.storage.database import reading, writing
from batch.storage.prepared import Prepared
from batch.storage.register_files import TrustKind
from batch.storage.registers_tables import channel_certificate, revocation, trust

SHELF_BYTES = 256_000_000
"""Kept in memory of what was used last: the lists of four national CAs."""
SHELF_PIECES = 20_000
"""And so many: an answer for each certificate of 10,000 channels, twice."""
SMALL = 64_000
"""Bytes; an OCSP answer has less, and SHELF_PIECES of them count for nothing beside a list."""
_BY_HAND = "trust: "


@dataclass(frozen=True, slots=True)
class Source:
    """Where a list or an answer comes from; ``certificate``: the fingerprint an answer is about."""

    kind: SourceKind
    url: str
    certificate: str | None = None


@dataclass(frozen=True, slots=True)
class Obtained:
    """A list or an answer that was fetched, without its bytes."""

    id: int
    source: Source
    sha256: str
    this_update: datetime
    next_update: datetime | None
    obtained_at: datetime

    def speaks_at(self, at: datetime) -> bool:
        return self.next_update is None or at <= self.next_update


@dataclass(frozen=True, slots=True)
class News:
    """What came since a mark: for ``everyone``, or only for the channels of ``senders``."""

    mark: tuple[int, int]
    everyone: bool
    senders: frozenset[str]


def keep(engine: Engine, found: Obtained, der: bytes) -> bool:
    """Keep what was fetched, once; False: it was there, and only its instant is new."""
    values = {
        "kind": found.source.kind,
        "source": found.source.url,
        "certificate": found.source.certificate,
        "obtained_at": found.obtained_at,
    }
    with writing(engine) as connection:
        same = revocation.c.sha256 == found.sha256
        if connection.execute(update(revocation).where(same).values(**values)).rowcount:
            return False
        speaks = {"this_update": found.this_update, "next_update": found.next_update}
        row = {**values, **speaks, "sha256": found.sha256, "der": der}
        connection.execute(revocation.insert().values(**row))
        return True


def forget(engine: Engine, before: datetime) -> int:
    """Drop what something later of the same source took the place of before ``before``; how many.

    An answer an hour for each certificate fills a disk in years. What a verdict rested on is kept
    with the verdict.
    """
    later = revocation.alias()
    replaced = exists().where(
        later.c.source == revocation.c.source,
        later.c.certificate.is_not_distinct_from(revocation.c.certificate),
        later.c.id > revocation.c.id,
        later.c.obtained_at < before,
    )
    with writing(engine) as connection:
        return connection.execute(delete(revocation).where(replaced)).rowcount


def obtained(engine: Engine) -> list[Obtained]:
    """All that was fetched, in the order in which it was first."""
    with reading(engine) as connection:
        return _obtained_after(connection, 0)


def mark(engine: Engine) -> tuple[int, int]:
    """A pair that changes when there is a list or an answer more."""
    with reading(engine) as connection:
        return _mark(connection)


def news(engine: Engine, since: tuple[int, int]) -> News:
    """Whom what came after ``since`` may help; a list helps everyone, an answer its channel."""
    with reading(engine) as connection:
        now = _mark(connection)
        come = _obtained_after(connection, since[1])
        asked = {item.source.certificate for item in come}
        mine = channel_certificate.c
        rows = connection.execute(
            select(mine.sender, mine.fingerprint).where(mine.fingerprint.in_(asked - {None}))
        ).all()
    unknown = asked - {row.fingerprint for row in rows}  # lists, and answers about a CA
    everyone = now[0] != since[0] or bool(unknown)
    return News(now, everyone, frozenset(row.sender for row in rows))


_LATEST = Prepared(
    select(
        select(func.max(trust.c.id)).scalar_subquery().label("given"),
        select(func.max(revocation.c.id)).scalar_subquery().label("fetched"),
    )
)
_ANCHORS = Prepared(
    select(func.count().label("number")).where(trust.c.kind == TrustKind.CERTIFICATE)
)


def _mark(connection: Connection) -> tuple[int, int]:
    latest = _LATEST.first(connection)
    return latest.given or 0, latest.fetched or 0


def _obtained_after(connection: Connection, last: int) -> list[Obtained]:
    columns = [column for column in revocation.c if column.name != "der"]
    rows = connection.execute(
        select(*columns).where(revocation.c.id > last).order_by(revocation.c.id)
    )
    return [
        Obtained(
            r.id,
            Source(SourceKind(r.kind), r.source, r.certificate),
            r.sha256,
            r.this_update,
            r.next_update,
            r.obtained_at,
        )
        for r in rows
    ]


_Place = tuple[str, int]
"""Where bytes lie: the table, and the row."""


@dataclass(frozen=True, slots=True)
class _Dated:
    """For when a list or an answer speaks; ``origin``: whose later ones take its place."""

    place: _Place
    origin: str
    this_update: datetime
    next_update: datetime | None


@dataclass(slots=True)
class SourceShelf:
    """What a process knows of the lists and answers so far. Used by several threads."""

    engine: Engine
    _mark: tuple[int, int] = (0, 0)
    _anchors: int = 0
    _crls: list[_Dated] = field(default_factory=list)
    _ocsp: dict[str, list[_Dated]] = field(default_factory=dict)
    _authorities: dict[str, tuple[TrustKind, bytes]] = field(default_factory=dict)
    _bytes: dict[_Place, bytes] = field(default_factory=dict)
    _guard: threading.Lock = field(default_factory=threading.Lock)

    def certificates(self, kind: TrustKind) -> list[bytes]:
        """Those of the trust, DER, in the order in which they were added."""
        with self._guard, reading(self.engine) as connection:
            self._read_on(connection)
            return self._certificates(kind)

    def look(self, connection: Connection) -> None:
        """See what came since the last time, inside a transaction."""
        with self._guard:
            self._read_on(connection)

    def known_certificates(self, kind: TrustKind) -> list[bytes]:
        """The same as ``certificates``, as it was at the last look."""
        with self._guard:
            return self._certificates(kind)

    def known_sources(self, certificates: Iterable[str], at: datetime) -> Sources | None:
        """The same as ``sources``, as it was at the last look; None where bytes are to be read."""
        with self._guard:
            crls, ocsp = self._telling(certificates, at)
            if not all(place in self._bytes for place in (*crls, *ocsp)):
                return None
            return Sources(tuple(map(self._held, crls)), tuple(map(self._held, ocsp)))

    def sources(self, certificates: Iterable[str], at: datetime) -> Sources:
        """What tells of revocations at ``at``: every list, and the answers about ``certificates``
        (fingerprints) and about the CAs of the trust."""
        with self._guard, reading(self.engine) as connection:
            return self.sources_in(connection, certificates, at)

    def sources_in(
        self, connection: Connection, certificates: Iterable[str], at: datetime
    ) -> Sources:
        """The same inside a transaction; of one thread."""
        self._read_on(connection)
        crls, ocsp = (
            tuple(filter(None, (self._read(connection, place) for place in places)))
            for places in self._telling(certificates, at)
        )
        return Sources(crls, ocsp)

    def _certificates(self, kind: TrustKind) -> list[bytes]:
        return [der for of, der in self._authorities.values() if of is kind]

    def _telling(
        self, certificates: Iterable[str], at: datetime
    ) -> tuple[list[_Place], list[_Place]]:
        """Where the lists and the answers lie that tell of revocations at ``at``."""
        wanted = {*certificates, *self._authorities}
        answers = [item for one in sorted(wanted) for item in self._ocsp.get(one, ())]
        return [item.place for item in _at(self._crls, at)], [i.place for i in _at(answers, at)]

    def _held(self, place: _Place) -> bytes:
        """Bytes that are in memory; the last used is last."""
        der = self._bytes[place] = self._bytes.pop(place)
        return der

    def _read_on(self, connection: Connection) -> None:
        now, anchors = _mark(connection), int(_ANCHORS.first(connection).number)
        if (now, anchors) == (self._mark, self._anchors):
            return
        raised = anchors != self._anchors  # a CA is trusted that was only known, or is new
        self._anchors = anchors
        if (
            raised or now[0] < self._mark[0] or now[1] < self._mark[1]
        ):  # or another database is there
            self._mark, self._crls, self._ocsp = (0, 0), [], {}
            self._authorities, self._bytes = {}, {}
        given = select(trust).where(trust.c.id > self._mark[0]).order_by(trust.c.id)
        for row in connection.execute(given):
            if row.kind == TrustKind.CRL:
                self._crls.append(_given(row.id, row.subject, row.der))
            else:
                self._authorities[row.fingerprint] = TrustKind(row.kind), row.der
        for item in _obtained_after(connection, self._mark[1]):
            place, source = ("revocation", item.id), item.source
            dated = _Dated(place, source.url, item.this_update, item.next_update)
            if source.kind is SourceKind.CRL:
                self._crls.append(dated)
            else:
                self._ocsp.setdefault(source.certificate or "", []).append(dated)
        self._mark = now

    def _read(self, connection: Connection, place: _Place) -> bytes | None:
        """The bytes, from memory where they were used lately; None when they were forgotten."""
        der = self._bytes.pop(place, None)
        if der is None:
            table = revocation if place[0] == "revocation" else trust
            der = connection.scalar(select(table.c.der).where(table.c.id == place[1]))
            if der is None:
                return None
        self._bytes[place] = der  # the last used is last
        size = sum(map(len, self._bytes.values())) if len(der) > SMALL else 0
        while size > SHELF_BYTES or len(self._bytes) > SHELF_PIECES:
            size -= len(self._bytes.pop(next(iter(self._bytes))))
        return der


def _given(number: int, issuer: str, der: bytes) -> _Dated:
    """A list given by hand. ``trust add`` took it, so it can be read."""
    crl = x509.load_der_x509_crl(der)
    origin = f"{_BY_HAND}{issuer}"
    return _Dated(("trust", number), origin, crl.last_update_utc, crl.next_update_utc)


def _at(held: Sequence[_Dated], at: datetime) -> Iterator[_Dated]:
    """Of each origin the latest, and the latest that was there at ``at``.

    An operator's lists of one issuer may each be about other certificates (RFC 5280 5.2.5): of
    those, every one that has not ended.
    """
    latest: dict[tuple[str, bool], _Dated] = {}
    for item in held:
        for key in ((item.origin, True), (item.origin, False)):
            before = latest.get(key)
            there = item.this_update <= at or not key[1]
            if there and (before is None or before.this_update <= item.this_update):
                latest[key] = item
    chosen = {item.place for item in latest.values()}
    for item in held:
        lasts = item.next_update is None or at <= item.next_update
        if item.place in chosen or (lasts and item.origin.startswith(_BY_HAND)):
            yield item
