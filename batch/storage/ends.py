"""What ends: certificates and lists, when, and of which end it was warned already."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select

from batch.registers import Channel, warning_of
from batch.signing import certificate
from batch.storage import standing
from batch.storage.database import reading, writing
from batch.storage.instance import Instance
from batch.storage.register_files import Trusted, TrustKind
from batch.storage.registers import Registers
from batch.storage.registers_tables import record, register_event

WARNED = "end_warned"
"""The event that remembers a warning: it is told once, also after a restart."""


@dataclass(frozen=True, slots=True)
class End:
    """``mark`` names for ever what ends; ``what`` does so for a person; ``life``: of a list."""

    mark: str
    what: str
    at: datetime
    life: timedelta | None = None


def ends(instance: Instance, at: datetime) -> Iterator[End]:
    """Everything that ends and whose end somebody has to prevent."""
    registers = Registers(instance.production)
    for channel in registers.channels():
        gap = channel.first_gap(at)
        if gap is not None:
            what = f"channel {channel.sender}: from then on it has no certificate to sign with"
            yield End(f"channel {channel.sender}", what, gap if gap > at else _since(channel, at))
    own = certificate.read(instance.layout.institution_certificate.read_bytes())
    yield End(own.fingerprint, "the institution's own certificate", own.not_after)
    for entry in _not_replaced(registers.trusted()):
        begins, last = standing.life_of(entry)
        if last is not None:
            what = f"trust: {entry.kind} {entry.subject}"
            life = standing.warned_life(entry, begins, last)
            yield End(entry.fingerprint, what, last, life)


def _since(channel: Channel, at: datetime) -> datetime:
    """Since when a channel without a certificate has none."""
    return max((c.end for c in channel.certificates if c.end <= at), default=channel.open.since)


def warn(instance: Instance, at: datetime) -> list[tuple[End, int]]:
    """The ends of which nobody was warned yet at the threshold they reached, put down as warned."""
    told = _told(instance)
    due: list[tuple[End, int]] = []
    for end in ends(instance, at):
        days = warning_of(end.at - at, end.life)
        nearest = told.get((end.mark, end.at.isoformat()))
        if days is not None and (nearest is None or days < nearest):
            due.append((end, days))
    if due:
        with writing(instance.production) as connection:
            for end, days in due:
                when = end.at.isoformat()
                record(connection, at, None, WARNED, mark=end.mark, ends=when, days=days)
    return due


def _told(instance: Instance) -> dict[tuple[str, str], int]:
    """The nearest threshold that each end was warned of."""
    query = select(register_event.c.detail).where(register_event.c.what == WARNED)
    with reading(instance.production) as connection:
        details = connection.execute(query.order_by(register_event.c.id)).scalars().all()
    return {(d["mark"], d["ends"]): d["days"] for d in details}


def _not_replaced(trust: list[Trusted]) -> Iterator[Trusted]:
    """Of the lists of one issuer the one that ends last; certificates stand for themselves."""
    last: dict[str, tuple[datetime, Trusted]] = {}
    for entry in trust:
        if entry.kind is not TrustKind.CRL:
            yield entry
            continue
        ended = standing.life_of(entry)[1]
        if ended is not None and (entry.subject not in last or last[entry.subject][0] <= ended):
            last[entry.subject] = ended, entry
    yield from (entry for _, entry in last.values())
