"""An outbox, and what a sender read in it: answers, tied to their sets, with their proofs."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

from batch.client import FormResult, Notice, Proof, Receipt
from batch.client.answers import (
    AnswerName,
    answer_name,
    belongs,
    read_notices,
    read_receipts,
    unpacked,
)
from batch.demo.proof import proof_of
from batch.demo.transfer import Transfer
from batch.names import Folder, Kind


@dataclass(slots=True)
class Postbox:
    """What a party found in one outbox so far; every answer is fetched and proved once."""

    line: Transfer
    folder: Folder
    into: Path
    institution: Path
    receipts: dict[str, Receipt] = field(default_factory=dict)
    _forms: dict[str, list[FormResult]] = field(default_factory=dict)
    _of_notice: dict[str, tuple[str, Proof]] = field(default_factory=dict)
    _files: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def look(self) -> None:
        """Fetch what is new; GO comes last, so an answer whose GO is there is whole."""
        names = self.line.listed(self.folder)
        for name in filter(None, map(answer_name, names)):
            if name.go not in self._files:
                self._read(name, names)

    def notice(self, stem: str) -> Notice | None:
        """The NOTI with the ticket of the ACRF of ``stem``."""
        ticket = self.receipts[stem].ticket if stem in self.receipts else None
        if ticket is None or ticket not in self._forms:
            return None
        answer, proof = self._of_notice[ticket]
        return Notice(ticket, tuple(self._forms[ticket]), answer, proof)

    def complete(self, stem: str) -> bool:
        """A negative ACRF is all there will be; a positive one is followed by a NOTI."""
        receipt = self.receipts.get(stem)
        return receipt is not None and (not receipt.accepted or self.notice(stem) is not None)

    def files(self, stem: str) -> tuple[str, ...]:
        """The files of the answers to ``stem``."""
        answers = (self.receipts.get(stem), self.notice(stem))
        wanted = {answer.answer for answer in answers if answer}
        return tuple(n for names in self._files.values() if wanted & {*names} for n in names)

    def _read(self, name: AnswerName, names: list[str]) -> None:
        kinds = {text: kind for text in names if (kind := belongs(text, name.identity))}
        files = (*sorted(text for text in kinds if text != name.go), name.go)
        self.line.fetch(files, self.folder, self.into)
        self._files[name.go] = files
        for text, kind in kinds.items():
            if kind in (Kind.FO, Kind.CO):
                self._understand(name.code, text, kind)

    def _understand(self, code: str, text: str, kind: Kind) -> None:
        path = self.into / text
        proof = proof_of(path, path.with_name(f"{Kind.FS}{text[2:]}"), self.institution)
        with unpacked(kind, path.read_bytes()) as document:
            if code == "ACRF":
                for receipt in read_receipts(document):
                    self.receipts[receipt.stem] = replace(receipt, answer=text, proof=proof)
                return
            for reference, form in read_notices(document):
                self._forms.setdefault(reference.ticket or "", []).append(form)
                self._of_notice[reference.ticket or ""] = (text, proof)
