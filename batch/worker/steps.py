"""One step of one set: gather the facts, call the pure stage, write what it decided."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from batch.ingest import answer, content, reception, technical
from batch.ingest.scan import look
from batch.names import Environment
from batch.signing import encoding, signature
from batch.states import Deferred, Ingested, Refused, Verified
from batch.storage import submissions
from batch.storage.answer_files import AnswerFiles, AnswerName
from batch.storage.claims import Claim
from batch.storage.database import Database, Transaction
from batch.storage.dossiers import Dossier
from batch.storage.replays import replays
from batch.storage.submissions import MAX_KEPT_FINDINGS
from batch.worker.facts import Facts
from batch.worker.serving import bind


@dataclass(frozen=True, slots=True)
class Decided:
    """A reception verdict and the synced files of its ACRF, ready to be committed."""

    taken: Claim
    outcome: Verified | Refused
    files: AnswerFiles


@dataclass(frozen=True, slots=True)
class Steps:
    """The steps of the worker; ``signer`` signs the answers with the institution's key."""

    facts: Facts
    signer: signature.Signer

    def verify(
        self, taken: Claim, home: Dossier, database: Database, at: datetime
    ) -> Decided | Deferred:
        """Sealed to verified or refused, with the ACRF's bytes on disk."""
        sealed = taken.sealed
        if taken.given_up:
            return self._decided(taken, technical.refuse_set(sealed), home, at)
        channel, service = self.facts.channel(sealed), self.facts.service(sealed)
        found = replays(database, taken)
        if found.in_flight:
            return Deferred(f"the same FI is being handled as {found.in_flight}")
        scans, signatures = look(
            sealed, service, home.blocks, lambda fs: self.facts.begin(sealed, channel, home, fs)
        )
        wanted = self.facts.reception(sealed, channel, scans, signatures, found.accepted)
        outcome = reception.judge(sealed, wanted)
        if isinstance(outcome, Deferred):
            return outcome
        return self._decided(taken, outcome, home, at)

    def ingest(
        self, taken: Claim, home: Dossier, transaction: Transaction, at: datetime
    ) -> Ingested:
        """Verified to ingested inside ``transaction``: records, the NOTI, the state."""
        sealed = taken.sealed
        verified = submissions.verified_again(transaction, taken)
        tally = content.Tally(MAX_KEPT_FINDINGS)
        evaluation = transaction.begin_nested()
        if taken.given_up:
            handled = technical.refuse_forms(verified, taken.form_ticket, tally)
        else:
            handled = self._judged(taken, verified, home, transaction, tally)
        stream = answer.noti(sealed, taken.ticket, handled, at)
        name = AnswerName("NOTI", taken.content_answer, taken.attempt)
        files = self._write(home, name, stream, at)
        if taken.environment is Environment.SIMULATION:
            evaluation.rollback()  # judged against the test ledger, recorded nowhere
        else:
            evaluation.commit()
        outcome = Ingested(verified, tally.accepted, tally.refused)
        submissions.record_findings(transaction, taken.id, tally.findings)
        submissions.record_content(transaction, taken, outcome, tally.accepted_by_part, files, at)
        return outcome

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
        self, taken: Claim, outcome: Verified | Refused, home: Dossier, at: datetime
    ) -> Decided:
        receipt = answer.acrf(outcome, taken.ticket, at)
        name = AnswerName("ACRF", taken.reception_answer, taken.attempt)
        return Decided(taken, outcome, self._write(home, name, [receipt], at))

    def _write(
        self, home: Dossier, name: AnswerName, chunks: Iterable[bytes], at: datetime
    ) -> AnswerFiles:
        def sign(blocks: Iterable[bytes]) -> bytes:
            return encoding.encode(signature.sign_with(self.signer, blocks, at))

        limit = self.facts.settings.max_answer_bytes
        return home.write_answer(name, chunks, sign, limit)
