"""Enterprises, channels and mandates as facts, and the questions asked of them. Pure.

Facts carry their interval; every question names its instant: dates that matter are judged at
the instant the set was sealed (contract, section 5).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from batch.identifiers import EnterpriseNumber, NssoNumber, Quarter, SenderNumber
from batch.names import brussels_day


class Quality(StrEnum):
    """The role in which an enterprise opens a channel (seed 004, section 3.3)."""

    NSSO_EMPLOYER = "nsso-employer"
    SOCIAL_SECRETARIAT = "social-secretariat"
    SERVICE_PROVIDER = "service-provider"


@dataclass(frozen=True, slots=True)
class Interval:
    """Valid from ``since`` (included) until ``until`` (excluded; None: no end known)."""

    since: datetime
    until: datetime | None = None

    def covers(self, at: datetime) -> bool:
        return self.since <= at and (self.until is None or at < self.until)


@dataclass(frozen=True, slots=True)
class Enterprise:
    number: EnterpriseNumber
    name: str
    nsso: NssoNumber | None


@dataclass(frozen=True, slots=True)
class LoginKey:
    """An SSH public key in OpenSSH's one-line form (type and base64, no comment)."""

    public: str
    fingerprint: str
    valid: Interval


@dataclass(frozen=True, slots=True)
class RegisteredCertificate:
    """A signing certificate, DER, with the interval in which the channel uses it."""

    der: bytes
    subject: str
    fingerprint: str
    not_after: datetime
    valid: Interval

    @property
    def end(self) -> datetime:
        """From when on it no longer signs."""
        return min(self.not_after, self.valid.until or self.not_after)


WARN_DAYS = (90, 30, 7, 0)
"""Before an end: a CA takes weeks for a new certificate, and a sender days to install it; 0 is the
end itself."""


def warning_of(left: timedelta, life: timedelta | None = None) -> int | None:
    """Which of WARN_DAYS is reached with so much ``left``; None: none yet.

    Of what lives ``life`` only those that are at most half of it: a list made for a week is not to
    be warned of from its first day on.
    """
    days = [d for d in WARN_DAYS if life is None or timedelta(days=2 * d) <= life]
    return min((d for d in days if left <= timedelta(days=d)), default=None)


@dataclass(frozen=True, slots=True)
class Grant:
    """The right of a channel to use a service (ChaMan's ticked authorisation)."""

    service: str
    valid: Interval


SHA1 = "sha1"
"""The exception to sign with SHA-1."""


@dataclass(frozen=True, slots=True)
class Exemption:
    """What a channel may do for a while against the rules, and why; always with an end."""

    what: str
    reason: str
    valid: Interval


@dataclass(frozen=True, slots=True)
class Channel:
    """One sender in one quality: its login, its keys, its certificates, its services."""

    sender: SenderNumber
    enterprise: EnterpriseNumber
    quality: Quality
    user: str
    open: Interval
    keys: tuple[LoginKey, ...] = ()
    certificates: tuple[RegisteredCertificate, ...] = ()
    grants: tuple[Grant, ...] = ()
    legacy: bool = False
    """May log in with SHA-1 signatures (``ssh-rsa``), which its old client alone can make."""
    exceptions: tuple[Exemption, ...] = ()

    def may_use(self, service: str, at: datetime) -> bool:
        return any(g.service == service and g.valid.covers(at) for g in self.grants)

    def exception(self, what: str, at: datetime) -> Exemption | None:
        """The exception to do ``what`` that holds at ``at``, if there is one."""
        return next((e for e in self.exceptions if e.what == what and e.valid.covers(at)), None)

    def first_gap(self, at: datetime) -> datetime | None:
        """The first instant from ``at`` on without a certificate to sign with; None when closed.

        A certificate ends with its interval or with its own validity, whichever comes first.
        """
        if self.open.until is not None and self.open.until <= at:
            return None
        while following := [c.end for c in self.certificates if c.valid.since <= at < c.end]:
            at = max(following)
        return at

    def certificates_at(self, at: datetime) -> tuple[RegisteredCertificate, ...]:
        return tuple(c for c in self.certificates if c.valid.covers(at))


@dataclass(frozen=True, slots=True)
class Mandate:
    """An employer's mandate to a mandatary for one service, by whole quarters (MAHIS)."""

    id: int
    employer: EnterpriseNumber
    mandatary: EnterpriseNumber
    service: str
    first: Quarter
    last: Quarter | None

    def covers(self, quarter: Quarter) -> bool:
        return self.first <= quarter and (self.last is None or quarter <= self.last)

    def overlaps(self, first: Quarter, last: Quarter | None) -> bool:
        return (self.last is None or first <= self.last) and (last is None or self.first <= last)


class Standing(StrEnum):
    """Whether a sender may speak for an employer; the value is the official code, or empty."""

    MAY_SPEAK = ""
    EMPLOYER_UNKNOWN = "101"
    MANDATE_NOT_NOW = "155"
    NEVER_MANDATED = "230"


def standing(
    channel: Channel,
    employer: Enterprise | None,
    mandates: Iterable[Mandate],
    service: str,
    at: datetime,
) -> Standing:
    """May ``channel`` speak for ``employer`` in ``service`` at ``at``?

    Its own enterprise always; any other by a mandate whose quarters hold the Brussels day of
    ``at``. ``mandates`` are all between the two, of any service and quarter.
    """
    if employer is None:
        return Standing.EMPLOYER_UNKNOWN
    if employer.number == channel.enterprise:
        return Standing.MAY_SPEAK
    quarter = Quarter.of(brussels_day(at))
    held = [
        m
        for m in mandates
        if (m.employer, m.mandatary, m.service) == (employer.number, channel.enterprise, service)
    ]
    if any(m.covers(quarter) for m in held):
        return Standing.MAY_SPEAK
    return Standing.MANDATE_NOT_NOW if held else Standing.NEVER_MANDATED
