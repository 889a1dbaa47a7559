"""Fetches ahead what the registered certificates and their issuers name as sources of revocation.

Nothing here is believed: a list or an answer is only read, kept, and judged at each verdict. Where
no certificate names a source, nobody is asked.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise

from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import load_pem_x509_crl

from batch import journal
from batch.registers import Channel
from batch.signing.certificate import SigningCertificate
from batch.signing.findings import SourceKind
from batch.signing.policy import NoTrust
from batch.signing.sources import SourceError, named_sources, ocsp_request, read_source
from batch.storage import revocations, standing, waiters
from batch.storage.instance import Instance
from batch.storage.registers import Registers
from batch.storage.revocations import Obtained, Source
from batch.upkeep.schedule import Failures, due_at
from batch.upkeep.transfer import Client, Unreachable

TOGETHER = 4
"""Places asked at once: one that is slow holds up none of the others."""
ROUND_SECONDS = 20.0
"""For the questions to one responder in a round; the rest comes in the next."""
LOOK_AGAIN_SECONDS = 3600.0
"""Certificates begin and end without a change of the registers."""


@dataclass(frozen=True, slots=True)
class Named:
    """A source that certificates name: with its question, where it is a responder.

    ``senders``: whose sets may wait for it.
    """

    source: Source
    question: bytes | None
    senders: frozenset[str]


def named(
    channels: list[Channel], paths: Callable[[Channel], Iterator[tuple[SigningCertificate, ...]]]
) -> list[Named]:
    """Every source that the certificates of open channels name, and those of their CAs."""
    senders: defaultdict[Source, set[str]] = defaultdict(set)
    questions: dict[Source, bytes | None] = {}
    for channel in channels:
        for path in paths(channel):
            for source, question in _of_path(path):
                senders[source].add(str(channel.sender))
                questions.setdefault(source, question)
    return [Named(s, questions[s], frozenset(senders[s])) for s in senders]


def _of_path(path: tuple[SigningCertificate, ...]) -> Iterator[tuple[Source, bytes | None]]:
    """What can be fetched; not of the anchor, which is trusted as it is, and cannot be revoked."""
    for certificate, issuer in pairwise(path):
        for place in named_sources(certificate):
            if place.url[:5].lower() not in ("http:", "https"):
                continue  # a directory: the verdict says that its list is to be given by hand
            if place.kind is SourceKind.CRL:
                yield Source(place.kind, place.url), None
            else:
                question = ocsp_request(certificate, issuer)
                yield Source(place.kind, place.url, certificate.fingerprint), question


@dataclass(slots=True)
class Fetcher:
    """Looks, and asks what is due. ``clock`` is the only source of time."""

    instance: Instance
    client: Client
    clock: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))
    _named: list[Named] = field(default_factory=list)
    _held: dict[Source, Obtained] = field(default_factory=dict)
    _mark: object = None
    _looked: float = 0.0
    _places: defaultdict[str, Failures] = field(default_factory=lambda: defaultdict(Failures))
    _sources: defaultdict[Source, Failures] = field(default_factory=lambda: defaultdict(Failures))

    def look(self) -> int:
        """Ask everything that is due; how many were asked. Busy: the database is away."""
        self._look_at_registers()
        if not self._named:
            return 0
        wanted = self._wanted()
        by_place: defaultdict[str, list[Named]] = defaultdict(list)
        for one in self._named:
            if self._is_due(one, wanted):
                by_place[one.source.url].append(one)
        if by_place:
            with ThreadPoolExecutor(TOGETHER, "fetch") as pool:
                list(pool.map(self._ask_place, by_place.values()))
        return len(by_place)

    def standing(self) -> list[tuple[Named, Obtained | None, bool]]:
        """Every source named, what it gave last, and whether it is out of reach."""
        return [(n, self._held.get(n.source), self._failing(n.source)) for n in list(self._named)]

    def _failing(self, source: Source) -> bool:
        return self._places[source.url].count > 0 or self._sources[source].count > 0

    def _look_at_registers(self) -> None:
        registers = Registers(self.instance.production)
        now = (registers.latest_change(), revocations.mark(self.instance.production)[0])
        if now == self._mark and time.monotonic() - self._looked < LOOK_AGAIN_SECONDS:
            return
        at = self.clock()
        try:
            policy = standing.policy_of(registers.trusted())
        except NoTrust:
            self._named = []
        else:
            channels = [c for c in registers.channels() if c.open.covers(at)]
            self._named = named(channels, lambda c: standing.paths(c, policy, at))
        self._held = {o.source: o for o in revocations.obtained(self.instance.production)}
        self._mark, self._looked = now, time.monotonic()

    def _wanted(self) -> dict[str, datetime]:
        """Senders whose sets wait, each with the latest instant since when one does."""
        both = (self.instance.production, self.instance.test)
        found: dict[str, datetime] = {}
        for sender, since in (item for e in both for item in waiters.undecided(e).items()):
            found[sender] = max(since, found.get(sender, since))
        return found

    def _is_due(self, one: Named, wanted: dict[str, datetime]) -> bool:
        source, at = one.source, self.clock()
        since = max((wanted[s] for s in one.senders & wanted.keys()), default=None)
        failures = (self._places[source.url], self._sources[source])
        again = [f.again_at(wanted=since is not None) for f in failures]
        if any(a is not None and at < a for a in again):
            return False
        if any(a is not None for a in again):
            return True
        due = due_at(self._held.get(source), since)
        return due is None or due <= at

    def _ask_place(self, due: list[Named]) -> None:
        """One after another; where the place itself is away, the others are not tried."""
        deadline = time.monotonic() + ROUND_SECONDS
        for one in due:
            if not self._ask(one) or self.client.stop.is_set() or time.monotonic() > deadline:
                return

    def _ask(self, one: Named) -> bool:
        """False: the place is out of reach, told once."""
        source, at = one.source, self.clock()
        try:
            der = self._fetch(one)
        except Unreachable as error:
            if self._places[source.url].failed(at):
                journal.source_away(source.kind, source.url, str(error))
            return False
        if self._places[source.url].over():
            journal.source_back(source.kind, source.url)
        try:
            self._keep(source, der, at)
        except SourceError as error:
            if self._sources[source].failed(at):
                journal.source_away(source.kind, source.url, str(error))
        else:
            if self._sources[source].over():
                journal.source_back(source.kind, source.url)
        return True

    def _fetch(self, one: Named) -> bytes:
        if one.question is None:
            return self.client.get(one.source.url)
        return self.client.post(one.source.url, one.question)

    def _keep(self, source: Source, came: bytes, at: datetime) -> None:
        """SourceError when it is not what was asked for, or does not speak any more."""
        der = _der(came)
        read = read_source(der)
        if read.kind is not source.kind:
            raise SourceError(f"it is no {source.kind}")
        found = Obtained(0, source, read.sha256, read.this_update, read.next_update, at)
        if revocations.keep(self.instance.production, found, der):
            journal.source_fetched(source.kind, source.url, read.sha256, read.next_update)
        self._held[source] = found
        if not found.speaks_at(at):
            raise SourceError(f"what it gives ended on {found.next_update:%Y-%m-%d %H:%M} UTC")


def _der(came: bytes) -> bytes:
    """Some small CAs serve their list as PEM, though RFC 5280 4.2.1.13 wants DER."""
    if not came.startswith(b"-----BEGIN X509 CRL-----"):
        return came
    try:
        return load_pem_x509_crl(came).public_bytes(Encoding.DER)
    except ValueError:
        raise SourceError("its PEM cannot be read") from None
