"""The registers as an administrator changes them: one transaction per change, with its event.

Raises OperatorError for what cannot be, Busy when the database is out of reach.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, Engine, Table, func, select, update

from batch.errors import OperatorError
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
from batch.signing.certificate import SigningCertificate
from batch.storage import registers_tables as tables
from batch.storage.database import writing
from batch.storage.register_files import Trusted, login_key
from batch.storage.registers import USER_NAME, Registers, find_channel, find_enterprise
from batch.storage.registers_tables import record
from batch.storage.registers_trust import add_entries, fit_signer

LONGEST_EXCEPTION = timedelta(days=366)
"""An exception to the rules is looked at again by a person each year, or it ends."""


@dataclass(frozen=True, slots=True)
class NewChannel:
    """What a channel is opened with; ``ssh_key`` and ``certificate`` are the files as given."""

    enterprise: EnterpriseNumber
    quality: Quality
    user: str
    ssh_key: bytes
    certificate: bytes
    services: tuple[str, ...]


class RegistersAdmin(Registers):
    """Changes of the registers, each valid from ``at``.

    A change that holds already is done, and leaves no second event. What cannot be carried out
    raises OperatorError and changes nothing. ``qualified``: a signing certificate must say that it
    is qualified (the setting ``signature_qualified``).
    """

    def __init__(self, engine: Engine, *, qualified: bool = False) -> None:
        super().__init__(engine)
        self._qualified = qualified

    def add_enterprise(
        self, number: EnterpriseNumber, name: str, nsso: NssoNumber | None, at: datetime
    ) -> Enterprise:
        """Add an enterprise, or give a known one this name and, where given, this NSSO number."""
        name = name.strip()
        if not 1 <= len(name) <= 200 or not name.isprintable():
            raise OperatorError(f"name {name!r}: give 1 to 200 printable characters")
        table, mine = tables.enterprise, tables.enterprise.c.number == str(number)
        with writing(self._engine) as connection:
            known = find_enterprise(connection, number)
            wanted = Enterprise(number, name, nsso or (known.nsso if known else None))
            if wanted == known:
                return wanted
            values = {"name": name, "nsso": tables.text_of(wanted.nsso)}
            if known is None:
                connection.execute(table.insert().values(number=str(number), **values))
            else:
                connection.execute(update(table).where(mine).values(**values))
            what = "enterprise_added" if known is None else "enterprise_changed"
            record(connection, at, None, what, enterprise_number=str(number), **values)
            return wanted

    def open_channel(self, wanted: NewChannel, at: datetime) -> Channel:
        """Open a channel and give out the next sender number (protocol section 7.2)."""
        with writing(self._engine) as connection:
            _require_enterprise(connection, wanted.enterprise)
            _require_free(connection, wanted)
            key = _free_key(connection, wanted.ssh_key, None, at)
            certificate = self._fit(connection, wanted.certificate, wanted.enterprise, at, at)
            sender = _next_sender(connection)
            owner = {"enterprise": str(wanted.enterprise), "quality": str(wanted.quality)}
            row = {"sender": str(sender), "user": wanted.user, **owner}
            connection.execute(tables.channel.insert().values(opened_at=at, **row))
            record(connection, at, sender, "channel_opened", user=wanted.user, **owner)
            _add(connection, sender, key, at)
            _add(connection, sender, certificate, at)
            for service in dict.fromkeys(wanted.services):
                _add(connection, sender, Grant(service, Interval(at)), at)
            return _open_channel(connection, sender)

    def close_channel(self, sender: SenderNumber, at: datetime) -> Channel:
        """Close a channel for good; its number and its user name are never given out again."""
        mine = tables.channel.c.sender == str(sender)
        with writing(self._engine) as connection:
            _open_channel(connection, sender)
            for table in tables.TABLE_OF.values():
                _end(connection, table, sender, at)
            connection.execute(update(tables.channel).where(mine).values(closed_at=at))
            record(connection, at, sender, "channel_closed")
            return tables.channels_where(connection, mine)[0]

    def grant(self, sender: SenderNumber, service: str, at: datetime) -> Channel:
        """Let the channel use ``service`` from ``at``."""
        with writing(self._engine) as connection:
            if not _open_channel(connection, sender).may_use(service, at):
                _add(connection, sender, Grant(service, Interval(at)), at)
            return _open_channel(connection, sender)

    def revoke(self, sender: SenderNumber, service: str, at: datetime) -> Channel:
        """Take ``service`` from the channel from ``at``."""
        table = tables.channel_service
        with writing(self._engine) as connection:
            if not _open_channel(connection, sender).may_use(service, at):
                raise OperatorError(f"service {service}: not granted to {sender}; name another")
            _end(connection, table, sender, at, table.c.service == service)
            return _open_channel(connection, sender)

    def set_certificate(
        self, sender: SenderNumber, data: bytes, at: datetime, since: datetime | None = None
    ) -> Channel:
        """Let the channel sign with one more certificate (PEM or DER) from ``since`` or ``at``.

        The former stays valid until its own end: a roll-over must not lose a set under way.
        """
        begin = since or at
        with writing(self._engine) as connection:
            held = _open_channel(connection, sender)
            new = self._fit(connection, data, held.enterprise, begin, at)
            same = [c.valid for c in held.certificates if c.fingerprint == new.fingerprint]
            if any(valid.covers(begin) for valid in same):
                return held
            until = min((v.since for v in same if v.since > begin), default=None)
            _add(connection, sender, replace(new, valid=Interval(begin, until)), at)
            return _open_channel(connection, sender)

    def set_ssh_key(self, sender: SenderNumber, data: bytes, at: datetime) -> Channel:
        """Replace the login key (OpenSSH's one line or RFC 4716): the former ends at ``at``."""
        with writing(self._engine) as connection:
            held = _open_channel(connection, sender)
            key = _free_key(connection, data, sender, at)
            if any(k.public == key.public and k.valid.covers(at) for k in held.keys):
                return held
            _end(connection, tables.channel_key, sender, at)
            _add(connection, sender, key, at)
            return _open_channel(connection, sender)

    def set_legacy(self, sender: SenderNumber, on: bool, at: datetime) -> Channel:
        """Let the channel log in with SHA-1 signatures, or no longer."""
        mine = tables.channel.c.sender == str(sender)
        with writing(self._engine) as connection:
            if _open_channel(connection, sender).legacy != on:
                connection.execute(update(tables.channel).where(mine).values(legacy=on))
                record(connection, at, sender, "channel_legacy_on" if on else "channel_legacy_off")
            return _open_channel(connection, sender)

    def set_exception(self, sender: SenderNumber, wanted: Exemption, at: datetime) -> Channel:
        """Let the channel do ``wanted.what`` for its interval; one before it ends with ``at``."""
        reason, end = wanted.reason.strip(), wanted.valid.until
        if not 1 <= len(reason) <= 200 or not reason.isprintable():
            raise OperatorError("reason: give 1 to 200 printable characters")
        if end is None or not at < end <= at + LONGEST_EXCEPTION:
            latest = at + LONGEST_EXCEPTION - timedelta(days=1)
            raise OperatorError(f"until: give a day from today on, {latest:%Y-%m-%d} at the latest")
        new = replace(wanted, reason=reason, valid=Interval(at, end))
        with writing(self._engine) as connection:
            held = _open_channel(connection, sender).exception(new.what, at)
            if held is None or (held.reason, held.valid.until) != (reason, end):
                self._end_exception(connection, sender, new.what, at)
                _add(connection, sender, new, at)
            return _open_channel(connection, sender)

    def end_exception(self, sender: SenderNumber, what: str, at: datetime) -> Channel:
        """Let the channel do ``what`` no longer; one that has none stays as it is."""
        with writing(self._engine) as connection:
            _open_channel(connection, sender)
            self._end_exception(connection, sender, what, at)
            return _open_channel(connection, sender)

    @staticmethod
    def _end_exception(
        connection: Connection, sender: SenderNumber, what: str, at: datetime
    ) -> None:
        table = tables.channel_exception
        _end(connection, table, sender, at, table.c.what == what)

    def grant_mandate(self, wanted: Mandate, at: datetime) -> Mandate:
        """Grant a mandate; its ``id`` is given by the register, that of ``wanted`` is not read.

        An employer has one mandatary per service at a time (protocol section 7.3).
        """
        _require_sense(wanted)
        with writing(self._engine) as connection:
            _require_enterprise(connection, wanted.employer)
            _require_enterprise(connection, wanted.mandatary)
            if (given := _require_only(connection, wanted)) is not None:
                return given
            names = ("employer", "mandatary", "service", "first", "last")
            values = {name: tables.text_of(getattr(wanted, name)) for name in names}
            table = tables.mandate
            done = connection.execute(table.insert().values(**values).returning(table.c.id))
            given = replace(wanted, id=done.scalar_one())
            record(connection, at, None, "mandate_granted", mandate=given.id, **values)
            return given

    def end_mandate(self, number: int, quarter: Quarter, at: datetime) -> Mandate:
        """Make ``quarter`` the last one of a mandate; a mandate is never lengthened."""
        mine = tables.mandate.c.id == number
        with writing(self._engine) as connection:
            held = next(iter(tables.mandates_where(connection, mine)), None)
            if held is None:
                raise OperatorError(f"mandate {number}: unknown; see fla-batch mandate list")
            if not held.covers(quarter):
                raise OperatorError(
                    f"quarter {quarter}: mandate {number} is valid {_span(held)}; "
                    "give one of its quarters"
                )
            if held.last != quarter:
                connection.execute(update(tables.mandate).where(mine).values(last=str(quarter)))
                record(connection, at, None, "mandate_ended", mandate=number, last=str(quarter))
            return replace(held, last=quarter)

    def add_trust(self, data: bytes, at: datetime, *, intermediate: bool = False) -> list[Trusted]:
        """Trust every authority's certificate and revocation list in a file, PEM or DER.

        ``intermediate``: only know the certificates, as CAs between a signer and a trusted one.
        """
        with writing(self._engine) as connection:
            return add_entries(connection, data, at, intermediate=intermediate)

    def _fit(
        self,
        connection: Connection,
        data: bytes,
        owner: EnterpriseNumber,
        begin: datetime,
        at: datetime,
    ) -> RegisteredCertificate:
        chain = fit_signer(connection, data, begin, at, qualified=self._qualified)
        return _own_certificate(connection, chain[0], owner, begin)


def _open_channel(connection: Connection, sender: SenderNumber) -> Channel:
    found = find_channel(connection, tables.channel.c.sender == str(sender))
    if found is None:
        raise OperatorError(f"sender {sender}: no such channel; see fla-batch channel list")
    if found.open.until is not None:
        raise OperatorError(f"sender {sender}: closed on {found.open.until:%Y-%m-%d}; open another")
    return found


def _require_enterprise(connection: Connection, number: EnterpriseNumber) -> None:
    if find_enterprise(connection, number) is None:
        raise OperatorError(f"enterprise {number}: unknown; add it with fla-batch enterprise add")


def _require_free(connection: Connection, wanted: NewChannel) -> None:
    """The user name is nobody's, and the enterprise has no open channel in this quality."""
    if not USER_NAME.fullmatch(wanted.user):
        raise OperatorError(
            f"user {wanted.user!r}: use 1 to 64 letters, digits, '.', '_' or '-', "
            "beginning with a letter, a digit or '_'"
        )
    channel = tables.channel.c
    for other in tables.channels_where(connection, channel.user == wanted.user):
        raise OperatorError(f"user {wanted.user}: taken by channel {other.sender}; choose another")
    same_role = (channel.enterprise == str(wanted.enterprise), channel.quality == wanted.quality)
    for other in tables.channels_where(connection, *same_role, channel.closed_at.is_(None)):
        raise OperatorError(
            f"quality {wanted.quality}: enterprise {wanted.enterprise} has channel {other.sender}; "
            "change that one (fla-batch channel grant, certificate, ssh-key) or close it first"
        )


def _require_sense(wanted: Mandate) -> None:
    if wanted.employer == wanted.mandatary:
        raise OperatorError(
            f"mandatary {wanted.mandatary}: is the employer, who needs no mandate; give another"
        )
    if wanted.last is not None and wanted.last < wanted.first:
        raise OperatorError(
            f"until {wanted.last}: comes before the first quarter {wanted.first}; give a later one"
        )


def _require_only(connection: Connection, wanted: Mandate) -> Mandate | None:
    """The mandate that ``wanted`` is already, if it is; no other may overlap it."""
    granted = tables.mandate.c
    same = (granted.employer == str(wanted.employer), granted.service == wanted.service)
    for other in tables.mandates_where(connection, *same):
        if replace(other, id=wanted.id) == wanted:
            return other
        if other.overlaps(wanted.first, wanted.last):
            raise OperatorError(
                f"mandatary {wanted.mandatary}: employer {wanted.employer} has mandatary "
                f"{other.mandatary} for {other.service} {_span(other)} (mandate {other.id}); "
                "end that mandate first, or choose other quarters"
            )
    return None


def _span(held: Mandate) -> str:
    return f"from {held.first} to {held.last}" if held.last else f"from {held.first} on"


def _next_sender(connection: Connection) -> SenderNumber:
    last = connection.execute(select(func.max(tables.channel.c.sender))).scalar() or "0"
    if last == "999998":  # the next one is the institution's (protocol section 1.4)
        raise OperatorError("sender number: all are given out; open the channel elsewhere")
    return SenderNumber.parse(str(int(last) + 1))


def _free_key(
    connection: Connection, data: bytes, sender: SenderNumber | None, at: datetime
) -> LoginKey:
    """The key in ``data``, that no other open channel logs in with (it would be two senders)."""
    key = login_key(data, at)
    held = tables.channel_key
    query = select(held.c.sender).where(held.c.public == key.public, tables.not_ended(held, at))
    for (other,) in connection.execute(query):
        if other != str(sender):
            raise OperatorError(f"SSH key: channel {other} logs in with it; make a new pair")
    return key


def _own_certificate(
    connection: Connection, new: SigningCertificate, owner: EnterpriseNumber, begin: datetime
) -> RegisteredCertificate:
    """A certificate that may sign at ``begin``, when it is no other enterprise's."""
    held, channel = tables.channel_certificate, tables.channel.c
    same = (held.c.fingerprint == new.fingerprint, tables.not_ended(held, begin))
    strangers = channel.sender.in_(select(held.c.sender).where(*same))
    for other in tables.channels_where(connection, strangers, channel.enterprise != str(owner)):
        raise OperatorError(
            f"certificate: channel {other.sender} of enterprise {other.enterprise} signs with it; "
            f"give one of enterprise {owner}"
        )
    valid = Interval(begin)
    return RegisteredCertificate(new.der, new.subject, new.fingerprint, new.not_after, valid)


def _end(
    connection: Connection,
    table: Table,
    sender: SenderNumber,
    at: datetime,
    *where: ColumnElement[bool],
) -> None:
    """End all of ``sender``'s facts of one kind that have not ended, with one event."""
    mine = (table.c.sender == str(sender), tables.not_ended(table, at), *where)
    done = connection.execute(update(table).where(*mine).values(until=at).returning(table.c.id))
    if ended := [row.id for row in done]:
        record(connection, at, sender, f"{table.name}_ended", rows=ended)


def _add(connection: Connection, sender: SenderNumber, fact: tables.Fact, at: datetime) -> None:
    """One more of ``sender``'s facts, with its event; no subject in it, which may be a person."""
    table, values = tables.TABLE_OF[type(fact)], asdict(fact)
    values.update(values.pop("valid"))
    connection.execute(table.insert().values(sender=str(sender), **values))
    names = ("service", "fingerprint", "since")
    texts: dict[str, str] = {n: str(values[n]) for n in names if n in values}
    if isinstance(fact, Exemption):
        texts |= {"exception": fact.what, "reason": fact.reason, "until": str(fact.valid.until)}
    record(connection, at, sender, f"{table.name}_added", **texts)
