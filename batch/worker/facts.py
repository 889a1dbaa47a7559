"""Gathers what the pure stages want to know about a set from the registers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache, lru_cache
from typing import Protocol

from batch.errors import SpoolFault
from batch.evidence.grounds import Grounds
from batch.identifiers import EnterpriseNumber, InvalidIdentifier, SenderNumber
from batch.ingest import reception
from batch.ingest.scan import Scan
from batch.ingest.services import ContentFacts, Description
from batch.names import split
from batch.registers import SHA1, Channel, Enterprise, Mandate, Standing, standing
from batch.settings import Settings
from batch.signing.policy import SignaturePolicy
from batch.signing.revocation import Sources
from batch.signing.verdict import Verdict
from batch.states import Sealed


class Register(Protocol):
    """The registers as the stages ask them: facts with their intervals, read afresh."""

    def standing_still(self) -> AbstractContextManager[None]:
        """In here every answer is as the registers stand at its beginning."""
        ...

    def channel(self, sender: SenderNumber) -> Channel | None: ...

    def enterprise(self, number: EnterpriseNumber) -> Enterprise | None: ...

    def mandates_between(
        self, employer: EnterpriseNumber, mandatary: EnterpriseNumber
    ) -> Sequence[Mandate]: ...

    def trust_anchors(self) -> list[bytes]: ...

    def intermediates(self) -> list[bytes]: ...

    def sources(self, certificates: Iterable[str], at: datetime) -> Sources: ...


@dataclass(frozen=True, slots=True)
class Facts:
    """The registers, the services and the settings a verdict is made with."""

    settings: Settings
    registers: Register
    services: tuple[Description, ...]

    def channel(self, sealed: Sealed) -> Channel:
        """The channel a set came by; SpoolFault when the register does not know it."""
        channel = self.registers.channel(sealed.key.channel)
        if channel is None:
            raise SpoolFault(f"{sealed.key}: the register has no channel {sealed.key.channel}")
        return channel

    def service(self, sealed: Sealed) -> Description | None:
        """The service of the set's purpose code; None when nobody serves it."""
        names = [name for name in (split(f.name) for f in sealed.files) if name is not None]
        if not names:
            return None
        return next((s for s in self.services if names[0].code in s.codes), None)

    def grounds(self, sealed: Sealed, channel: Channel) -> Grounds | None:
        """By what the signatures of a set are judged: what held for its channel at the sealing.

        None when its service takes no signature: then there is nothing to verify one for.
        """
        service = self.service(sealed)
        if service is not None and not service.signed:
            return None
        policy = _policy(
            tuple(self.registers.trust_anchors()),
            tuple(self.registers.intermediates()),
            qualified=self.settings.signature_qualified,
            max_bytes=self.settings.max_signature_bytes,
            sha1=channel.exception(SHA1, sealed.sealed_at) is not None,
        )
        certificates = channel.certificates_at(sealed.sealed_at)
        sources = self.registers.sources((c.fingerprint for c in certificates), sealed.sealed_at)
        return Grounds(tuple(c.der for c in certificates), policy, sources)

    def reception(
        self,
        sealed: Sealed,
        channel: Channel,
        scans: Mapping[str, Scan],
        signatures: Mapping[str, Verdict],
        replays: Mapping[str, str],
    ) -> reception.Facts:
        """All that reception judges by."""
        service = self.service(sealed)
        return reception.Facts(
            channel=channel,
            environment=sealed.environment,
            service=service,
            scans=scans,
            signatures=signatures,
            replays=replays,
            too_old_days=self.settings.too_old_days,
            max_parts=service.limits.max_parts if service is not None else self.settings.max_parts,
            standings=self._standings(sealed, channel, service, scans),
        )

    def _standings(
        self,
        sealed: Sealed,
        channel: Channel,
        service: Description | None,
        scans: Mapping[str, Scan],
    ) -> dict[str, Standing]:
        """The employers that the files name, each looked up once; what is no number is unknown."""
        found = dict.fromkeys(
            (number for scan in scans.values() for number in scan.employers),
            Standing.EMPLOYER_UNKNOWN,
        )
        for text in found:
            with suppress(InvalidIdentifier):
                number = EnterpriseNumber.parse(text)
                found[text] = self._standing(sealed, channel, service, number)
        return found

    def _standing(
        self,
        sealed: Sealed,
        channel: Channel,
        service: Description | None,
        number: EnterpriseNumber,
    ) -> Standing:
        employer = self.registers.enterprise(number)
        mandates = self.registers.mandates_between(number, channel.enterprise)
        name = service.name if service is not None else ""
        return standing(channel, employer, mandates, name, sealed.sealed_at)

    def content(
        self, sealed: Sealed, channel: Channel, submission: int, ticket: Callable[[int], str]
    ) -> ContentFacts:
        """What the service may ask about this set; each employer is looked up once."""
        service = self.service(sealed)

        @cache
        def employer(number: EnterpriseNumber) -> Enterprise | None:
            return self.registers.enterprise(number)

        @cache
        def speaks(number: EnterpriseNumber) -> Standing:
            return self._standing(sealed, channel, service, number)

        return ContentFacts(
            at=sealed.sealed_at,
            environment=sealed.environment,
            submission=submission,
            employer=employer,
            speaks=speaks,
            ticket=ticket,
        )


@lru_cache(maxsize=16)  # two of each state of the trust: with SHA-1, and without
def _policy(
    anchors: tuple[bytes, ...],
    between: tuple[bytes, ...],
    *,
    qualified: bool,
    max_bytes: int,
    sha1: bool,
) -> SignaturePolicy:
    trusting = SignaturePolicy.trusting(anchors, between)
    return replace(trusting, qualified=qualified, max_bytes=max_bytes, sha1=sha1)
