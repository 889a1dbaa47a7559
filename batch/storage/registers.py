"""The registers as a reader sees them: facts and their intervals.

The questions asked of them are pure (``batch.registers``); changes are in ``registers_admin``.
Raises Busy when the database is out of reach.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, Engine, func, select

from batch.identifiers import EnterpriseNumber, SenderNumber
from batch.registers import (
    Channel,
    Enterprise,
    Mandate,
)
from batch.signing.revocation import Sources
from batch.storage import registers_tables as tables
from batch.storage.database import reading
from batch.storage.prepared import Prepared
from batch.storage.register_files import Trusted, TrustKind
from batch.storage.revocations import SourceShelf

USER_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,63}", re.ASCII)
"""Login names: one word that every client and every log can carry as it is."""


_LATEST = Prepared(select(func.max(tables.register_event.c.id).label("id")))


def latest_change(connection: Connection) -> int:
    """A number that grows with every change an operator makes; 0 before the first."""
    return int(_LATEST.first(connection).id or 0)


class Registers:
    """Reads of enterprises, channels, mandates and trust; each answer is one consistent view."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._shelf = SourceShelf(engine)

    def enterprise(self, number: EnterpriseNumber) -> Enterprise | None:
        """The enterprise with this number; None when it is not in the register."""
        with reading(self._engine) as connection:
            return find_enterprise(connection, number)

    def enterprises(self) -> list[Enterprise]:
        """All enterprises, by number."""
        with reading(self._engine) as connection:
            return tables.enterprises_where(connection)

    def channel_of_user(self, user: str) -> Channel | None:
        """The channel that logs in as ``user``, closed or not; judge ``open`` and keys at now."""
        with reading(self._engine) as connection:
            return find_channel(connection, tables.channel.c.user == user)

    def channel(self, sender: SenderNumber) -> Channel | None:
        """The channel of ``sender``, closed or not."""
        with reading(self._engine) as connection:
            return find_channel(connection, tables.channel.c.sender == str(sender))

    def channels(self) -> list[Channel]:
        """All channels, closed ones included, by sender number."""
        with reading(self._engine) as connection:
            return tables.channels_where(connection)

    def logins(self) -> list[Channel]:
        """All channels with their login keys, and for lightness without the rest they have."""
        with reading(self._engine) as connection:
            return tables.channels_where(connection, logins_only=True)

    def latest_change(self) -> int:
        """A number that grows with every change an operator makes to the registers."""
        with reading(self._engine) as connection:
            return latest_change(connection)

    def mandates_between(
        self, employer: EnterpriseNumber, mandatary: EnterpriseNumber
    ) -> list[Mandate]:
        """All mandates between the two, of any service and quarter, ended ones included."""
        granted = tables.mandate.c
        with reading(self._engine) as connection:
            return tables.mandates_where(
                connection, granted.employer == str(employer), granted.mandatary == str(mandatary)
            )

    def mandates(self) -> list[Mandate]:
        """All mandates, ended ones included, in the order in which they were granted."""
        with reading(self._engine) as connection:
            return tables.mandates_where(connection)

    def trusted(self) -> list[Trusted]:
        """Everything that was given as trust, in the order in which it was."""
        with reading(self._engine) as connection:
            return tables.trusted_where(connection)

    def trust_anchors(self) -> list[bytes]:
        """The trusted authorities' certificates, DER."""
        return self._shelf.certificates(TrustKind.CERTIFICATE)

    def intermediates(self) -> list[bytes]:
        """The certificates that may only stand between a signer's and an authority's, DER."""
        return self._shelf.certificates(TrustKind.INTERMEDIATE)

    def sources(self, certificates: Iterable[str], at: datetime) -> Sources:
        """What tells at ``at`` of revocations of ``certificates`` (fingerprints) and of CAs."""
        return self._shelf.sources(certificates, at)


def find_enterprise(connection: Connection, number: EnterpriseNumber) -> Enterprise | None:
    """The enterprise of that number, inside a transaction."""
    found = tables.enterprises_where(connection, tables.enterprise.c.number == str(number))
    return found[0] if found else None


def find_channel(connection: Connection, where: ColumnElement[bool]) -> Channel | None:
    """The first channel that fits, inside a transaction."""
    found = tables.channels_where(connection, where)
    return found[0] if found else None
