"""Gathers what the pure stages want to know about a set from the registers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Protocol

from batch.errors import SpoolFault
from batch.identifiers import EnterpriseNumber, SenderNumber
from batch.ingest import reception
from batch.ingest.scan import Scan
from batch.ingest.services import ContentFacts, Description
from batch.names import split
from batch.registers import Channel, Enterprise, Mandate, Standing, standing
from batch.settings import Settings
from batch.signing import verification
from batch.signing.policy import SignaturePolicy
from batch.signing.verdict import NotSigned, Verdict
from batch.states import Sealed, SealedFile
from batch.storage.dossiers import Dossier


class Register(Protocol):
    """The registers as the stages ask them: facts with their intervals, read afresh."""

    def channel(self, sender: SenderNumber) -> Channel | None: ...

    def enterprise(self, number: EnterpriseNumber) -> Enterprise | None: ...

    def mandates_between(
        self, employer: EnterpriseNumber, mandatary: EnterpriseNumber
    ) -> Sequence[Mandate]: ...

    def trust_anchors(self) -> list[bytes]: ...


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

    def begin(
        self, sealed: Sealed, channel: Channel, home: Dossier, fs: SealedFile
    ) -> verification.Verifier | NotSigned:
        """Start to verify an FS against the certificates of the channel at the sealing instant."""
        policy = replace(
            SignaturePolicy.trusting(self.registers.trust_anchors()),
            max_bytes=self.settings.max_signature_bytes,
        )
        held = home.read(fs, policy.max_bytes)
        certificates = channel.certificates_at(sealed.sealed_at)
        return verification.begin(held, certificates, policy, sealed.sealed_at)

    def reception(
        self,
        sealed: Sealed,
        channel: Channel,
        scans: Mapping[str, Scan],
        signatures: Mapping[str, Verdict],
        replays: Mapping[str, str],
    ) -> reception.Facts:
        """All that reception judges by."""
        return reception.Facts(
            channel=channel,
            environment=sealed.environment,
            service=self.service(sealed),
            scans=scans,
            signatures=signatures,
            replays=replays,
            too_old_days=self.settings.too_old_days,
            max_parts=self.settings.max_parts,
        )

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
            mandates = self.registers.mandates_between(number, channel.enterprise)
            name = service.name if service else ""
            return standing(channel, employer(number), mandates, name, sealed.sealed_at)

        return ContentFacts(
            at=sealed.sealed_at,
            environment=sealed.environment,
            submission=submission,
            employer=employer,
            speaks=speaks,
            ticket=ticket,
        )
