"""The signatures of one set: judged by what the registers say once, and what is kept of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from batch.evidence.grounds import Grounds
from batch.evidence.proof import Proof, prove
from batch.names import Environment
from batch.registers import Channel
from batch.signing import verification
from batch.signing.verdict import NotSigned, Undecided, Verdict
from batch.states import Sealed, SealedFile
from batch.storage.dossiers import Dossier
from batch.worker.facts import Facts


@dataclass(frozen=True)
class Judged:
    """Of one set in hand. The registers are read at its first FS, and not again."""

    facts: Facts
    sealed: Sealed
    channel: Channel

    @cached_property
    def grounds(self) -> Grounds | None:
        """See ``Facts.grounds``."""
        return self.facts.grounds(self.sealed, self.channel)

    def begin(self, home: Dossier, fs: SealedFile) -> verification.Verifier | NotSigned | None:
        """Start to verify an FS; None when the service of the set takes no signature."""
        grounds = self.grounds
        if grounds is None:
            return None
        held = home.read(fs, grounds.policy.max_bytes)
        at, sources = self.sealed.sealed_at, grounds.sources
        return verification.begin(held, grounds.certificates, grounds.policy, at, sources)

    def proofs(self, signatures: Mapping[str, Verdict]) -> tuple[Proof, ...]:
        """What is kept of each FI whose signature was judged; nothing of a simulation."""
        return tuple(self._proofs(signatures))

    def _proofs(self, signatures: Mapping[str, Verdict]) -> Iterator[Proof]:
        if self.sealed.key.folder.is_test and self.sealed.environment is Environment.SIMULATION:
            return
        for file in self.sealed.parts():
            verdict, fs = signatures.get(file.name), self.sealed.signature_of(file)
            if verdict is None or isinstance(verdict, Undecided) or fs is None:
                continue
            if self.grounds is not None:
                yield prove(file, fs, verdict, self.grounds, self.sealed.sealed_at)
