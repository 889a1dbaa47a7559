"""One step of one set: gather the facts, call the pure stage, write what it decided."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace
from datetime import datetime

from batch.evidence.proof import Proof
from batch.ingest import answer, content, reception, technical
from batch.ingest.scan import look
from batch.names import Environment
from batch.registers import Channel
from batch.routed import FLA
from batch.signing import encoding, signature
from batch.signing.doctor import Diagnosis
from batch.signing.verdict import Verdict
from batch.states import Deferred, Ingested, Refused, Sealed, Verified
from batch.storage import submissions
from batch.storage.answer_files import AnswerFiles, AnswerName
from batch.storage.claims import Claim
from batch.storage.database import Database, Transaction, undone
from batch.storage.dossiers import Dossier
from batch.storage.durable import Unsynced
from batch.storage.replays import replays, sent_before
from batch.storage.submissions import MAX_KEPT_FINDINGS
from batch.worker.diagnosis import MOST_BYTES, Files, diagnose
from batch.worker.facts import Facts
from batch.worker.judged import Judged
from batch.worker.serving import bind


@dataclass(frozen=True, slots=True)
class Decided:
    """A reception verdict and the files of its ACRF: synced, it is ready to be committed."""

    taken: Claim
    outcome: Verified | Refused
    files: AnswerFiles
    proofs: tuple[Proof, ...] = ()

    @property
    def by_exception(self) -> bool:
        """Whether a signature was taken that only an exception of the channel allows."""
        outcome = self.outcome
        found = outcome.warnings if isinstance(outcome, Verified) else outcome.anomalies
        return any(a.cause == reception.SHA1_EXCEPTION for a in found)


@dataclass(frozen=True, slots=True)
class Steps:
    """The steps of the worker; ``signer`` signs the answers with the institution's key.

    Each puts what it wrote into ``unsynced``; whoever commits its verdict syncs that first.
    """

    facts: Facts
    signer: signature.Signer

    def verify(
        self, taken: Claim, home: Dossier, database: Database, at: datetime, unsynced: Unsynced
    ) -> Decided | Deferred:
        """Sealed to verified or refused, with the ACRF's bytes written."""
        sealed, place = taken.sealed, _Place(home, at, unsynced)
        if taken.given_up:
            return self._decided(taken, technical.refuse_set(sealed), place)
        with self.facts.registers.standing_still():
            return self._verified(taken, place, database)

    def _verified(self, taken: Claim, place: _Place, database: Database) -> Decided | Deferred:
        sealed, home = taken.sealed, place.home
        channel, service = self.facts.channel(sealed), self.facts.service(sealed)
        found = replays(database, taken)
        if found.in_flight:
            return Deferred(f"the same FI is being handled as {found.in_flight}")
        judged = Judged(self.facts, sealed, channel)
        scans, signatures = look(sealed, service, home.blocks, lambda fs: judged.begin(home, fs))
        wanted = replace(
            self.facts.reception(sealed, channel, scans, signatures, found.accepted),
            diagnoses=self._diagnoses(sealed, channel, home, signatures, database),
        )
        outcome = reception.judge(sealed, wanted)
        if isinstance(outcome, Deferred):
            return outcome
        return self._decided(taken, outcome, place, judged.proofs(signatures))

    def _diagnoses(
        self,
        sealed: Sealed,
        channel: Channel,
        home: Dossier,
        signatures: Mapping[str, Verdict],
        database: Database,
    ) -> dict[str, Diagnosis]:
        files = Files(
            sealed,
            channel,
            lambda _: home,
            self.facts.settings.max_signature_bytes,
            lambda sha256: sent_before(database, sealed.key, sha256),
            MOST_BYTES,
        )
        return diagnose(files, signatures)

    def ingest(
        self,
        taken: Claim,
        home: Dossier,
        transaction: Transaction,
        at: datetime,
        unsynced: Unsynced,
    ) -> Ingested:
        """Verified to ingested inside ``transaction``: records, the NOTI, the state.

        What is judged elsewhere gets no NOTI of ours; to be handed over is put down instead.
        """
        sealed = taken.sealed
        verified = submissions.verified_again(transaction, taken)
        if verified.service != FLA and not taken.given_up:
            deliver = self._has_destination(verified)
            return submissions.record_handover(transaction, taken, verified, deliver=deliver, at=at)
        tally = content.Tally(MAX_KEPT_FINDINGS)
        # A simulation is judged against the test ledger and recorded nowhere.
        simulation = taken.environment is Environment.SIMULATION
        still = nullcontext() if taken.given_up else self.facts.registers.standing_still()
        with undone(transaction) if simulation else nullcontext(), still:
            if taken.given_up:
                handled = technical.refuse_forms(verified, taken.form_ticket, tally)
            else:
                handled = self._judged(taken, verified, home, transaction, tally)
            stream = answer.noti(sealed, taken.ticket, handled, at)
            name = AnswerName("NOTI", taken.content_answer, taken.attempt)
            files = self._write(_Place(home, at, unsynced), name, stream)
        outcome = Ingested(verified, tally.accepted, tally.refused)
        submissions.record_findings(transaction, taken.id, tally.findings)
        anomalies = [anomaly for _, anomaly in tally.findings]
        submissions.record_content(
            transaction, taken, outcome, tally.accepted_by_part, files, at, anomalies
        )
        return outcome

    def _has_destination(self, verified: Verified) -> bool:
        """A service that an operator took out of the settings gets its sets when it is back."""
        service = self.facts.settings.services.get(verified.service)
        test = verified.sealed.key.folder.is_test
        return service is None or service.destination(test=test) is not None

    def _judged(
        self,
        taken: Claim,
        verified: Verified,
        home: Dossier,
        transaction: Transaction,
        tally: content.Tally,
    ) -> Iterator[answer.Handled]:
        channel = self.facts.channel(taken.sealed)
        facts = self.facts.content(taken.sealed, channel, taken.id, taken.form_ticket)
        service = bind(verified.service, self.facts.settings, transaction)
        return content.handle(verified, service, facts, lambda part: home.blocks(part.file), tally)

    def _decided(
        self,
        taken: Claim,
        outcome: Verified | Refused,
        place: _Place,
        proofs: tuple[Proof, ...] = (),
    ) -> Decided:
        receipt = answer.acrf(outcome, taken.ticket, place.at)
        name = AnswerName("ACRF", taken.reception_answer, taken.attempt)
        return Decided(taken, outcome, self._write(place, name, [receipt]), proofs)

    def _write(self, place: _Place, name: AnswerName, chunks: Iterable[bytes]) -> AnswerFiles:
        def sign(sha256: bytes) -> bytes:
            return encoding.encode(signature.sign_digest(self.signer, sha256, place.at))

        limit = self.facts.settings.max_answer_bytes
        return place.home.write_answer(name, chunks, sign, limit, place.unsynced)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where an answer is written, when, and into what is still to be synced."""

    home: Dossier
    at: datetime
    unsynced: Unsynced
