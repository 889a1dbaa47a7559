"""One outbox and what was understood of it so far."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path

import paramiko

from batch.client.answers import (
    AnswerName,
    FormResult,
    Notice,
    Proof,
    Receipt,
    Reference,
    UnreadableAnswer,
    answer_name,
    belongs,
    read_notices,
    read_receipts,
    unpacked,
)
from batch.client.proving import prove
from batch.names import Folder, Kind
from batch.signing.certificate import SigningCertificate

_BATCH = 50
"""Answers opened between two listings, so that a long backlog does not hide a new one."""
_DATA = (Kind.FO, Kind.CO)
_WINDOW = 64
"""READs under way at once: 2 MB."""
_MAX_ANSWER_BYTES = 500_000_000
"""An FO over 50 MB comes as a ZIP; ten times that is no answer of this channel."""


@dataclass(frozen=True, slots=True)
class Wish:
    """How to wait and what to do with answers.

    ``timeout`` in seconds; ``institution`` is the certificate that must have signed (None: not
    verified); ``save_to`` a directory for the answers' files; ``remove`` takes ours out of OUT.
    ``receipt_only``: for the ACRF alone; a service that judges elsewhere gives no NOTI.
    """

    timeout: float = 600.0
    institution: SigningCertificate | None = None
    save_to: Path | None = None
    remove: bool = False
    receipt_only: bool = False


@dataclass(frozen=True, slots=True)
class _Content:
    """The fetched files of one answer: its FO or CO in order of parts, and all of them.

    ``proof`` is the worst of its parts.
    """

    name: AnswerName
    data: tuple[tuple[str, Kind], ...]
    files: dict[str, bytes]
    proof: Proof


class Mailbox:
    """Looks for the answers of ``stems`` in ``folder``; ``before`` are names of earlier days.

    Everything it learned survives a lost connection: ``look`` takes the session of the day.
    """

    def __init__(
        self, folder: Folder, stems: Sequence[str], before: frozenset[str], wish: Wish
    ) -> None:
        self.folder = folder
        self.stems = tuple(dict.fromkeys(stems))
        self.receipts: dict[str, Receipt] = {}
        self.unreadable: list[str] = []
        self._notices: dict[str, Notice] = {}
        self._before = before
        self._wish = wish
        self._read: set[str] = set()
        self._earlier: dict[str, list[Receipt]] = {}
        self._passed: dict[str, str] = {}

    @property
    def complete(self) -> bool:
        """Whether every stem has all the answers it gets."""
        if len(self.receipts) < len(self.stems):
            return False
        return self._wish.receipt_only or not self._without_notice()

    def notice_of(self, stem: str) -> Notice | None:
        return self._notices.get(stem)

    def look(self, sftp: paramiko.SFTPClient, earlier: bool) -> bool:
        """List the outbox and open what may be ours; True when something new was read.

        ``earlier``: the answers from before sending may be opened too.
        """
        listing = {e.filename: e.st_size or 0 for e in _by_age(sftp, self.folder)}
        wanted = [name for name in self._unread(listing) if self._wants(name, earlier)]
        read = [name for name in wanted[:_BATCH] if self._open(sftp, name, listing)]
        if earlier and not any(self._wants(n, earlier) for n in self._unread(listing)):
            return self._settle_for_earlier() or bool(read)
        return bool(read)

    def _unread(self, listing: dict[str, int]) -> Iterator[AnswerName]:
        """New answers oldest first, then those from before, latest first."""
        names = [n for text in listing if (n := answer_name(text)) and text not in self._read]
        yield from (name for name in names if name.go not in self._before)
        yield from (name for name in reversed(names) if name.go in self._before)

    def _wants(self, name: AnswerName, earlier: bool) -> bool:
        old = name.go in self._before
        if name.code == "ACRF":
            return (earlier or not old) and len(self.receipts) < len(self.stems)
        return any(stem in self._earlier or not old for stem in self._without_notice())

    def _without_notice(self) -> list[str]:
        return [s for s, r in self.receipts.items() if r.accepted and s not in self._notices]

    def _settle_for_earlier(self) -> bool:
        """Take a receipt from before where no new one came: the first content stands."""
        for stem, receipts in self._earlier.items():
            if stem not in self.receipts:
                best = next((r for r in receipts if r.accepted), receipts[0])
                self._adopt(stem, best)
                return True
        return False

    def _adopt(self, stem: str, receipt: Receipt) -> None:
        self.receipts[stem] = receipt
        for key in (receipt.ticket, stem):
            if key in self._passed:
                self._read.discard(self._passed[key])

    def _open(self, sftp: paramiko.SFTPClient, name: AnswerName, listing: dict[str, int]) -> bool:
        """Fetch and understand one answer; False when it is not whole (just taken away)."""
        try:
            content = _fetch(sftp, self.folder, name, listing, self._wish.institution)
            if content is None:
                return False
            ours, others = self._understand(content)
        except UnreadableAnswer:
            self.unreadable.append(name.go)
            self._read.add(name.go)
            return True
        self._read.add(name.go)
        if ours and self._wish.save_to is not None:
            _save(self._wish.save_to, content.files)
        if ours and not others and self._wish.remove and content.proof is not Proof.WRONG:
            _remove(sftp, self.folder, content.files)
        return True

    def _understand(self, content: _Content) -> tuple[bool, bool]:
        """Note what concerns us; whether it holds forms of ours, and of others."""
        if content.name.code == "ACRF":
            return self._note_receipts(content)
        return self._note_notices(content)

    def _note_receipts(self, content: _Content) -> tuple[bool, bool]:
        stems = []
        for file, kind in content.data:
            with unpacked(kind, content.files[file]) as document:
                for found in read_receipts(document):
                    receipt = replace(found, answer=file, proof=content.proof)
                    stems.append(receipt.stem)
                    self._note_receipt(receipt, content.name.go in self._before)
        ours = [stem in self.stems for stem in stems]
        return any(ours), not all(ours)

    def _note_receipt(self, receipt: Receipt, old: bool) -> None:
        if receipt.stem not in self.stems or receipt.stem in self.receipts:
            return
        if old:
            self._earlier.setdefault(receipt.stem, []).append(receipt)
        else:
            self._adopt(receipt.stem, receipt)

    def _note_notices(self, content: _Content) -> tuple[bool, bool]:
        forms: dict[str, list[FormResult]] = {}
        others = False
        for file, kind in content.data:
            with unpacked(kind, content.files[file]) as document:
                for reference, form in read_notices(document):
                    stem = self._asker(reference)
                    if stem is not None:
                        forms.setdefault(stem, []).append(form)
                    else:
                        others = True
                        for key in (reference.ticket, reference.stem):
                            self._passed[key or ""] = content.name.go
        for stem, results in forms.items():
            ticket = self.receipts[stem].ticket or ""
            first, _ = content.data[0]
            self._notices[stem] = Notice(ticket, tuple(results), first, content.proof)
        return bool(forms), others

    def _asker(self, reference: Reference) -> str | None:
        """The set of ours that a form of a NOTI belongs to."""
        for stem, receipt in self.receipts.items():
            known = receipt.ticket, reference.ticket
            if known[0] == known[1] if None not in known else stem == reference.stem:
                return stem
        return None


def _by_age(sftp: paramiko.SFTPClient, folder: Folder) -> list[paramiko.SFTPAttributes]:
    entries = sftp.listdir_attr(f"/{folder}")
    return sorted(entries, key=lambda entry: (entry.st_mtime or 0, entry.filename))


def _fetch(
    sftp: paramiko.SFTPClient,
    folder: Folder,
    name: AnswerName,
    listing: dict[str, int],
    institution: SigningCertificate | None,
) -> _Content | None:
    """The files of one answer, or None when its FO is not (or no longer) there."""
    kinds = {text: kind for text in listing if (kind := belongs(text, name.identity))}
    data = tuple((text, kinds[text]) for text in sorted(kinds) if kinds[text] in _DATA)
    if not data:
        return None
    if sum(listing[text] for text in kinds) > _MAX_ANSWER_BYTES:
        raise UnreadableAnswer(f"{name.go}: too large")
    files = {}
    for text in kinds:
        sink = BytesIO()
        try:
            sftp.getfo(f"/{folder}/{text}", sink, max_concurrent_prefetch_requests=_WINDOW)
        except FileNotFoundError:
            return None
        files[text] = sink.getvalue()
    proofs = [prove(files[text], files.get(f"FS{text[2:]}"), institution) for text, _ in data]
    return _Content(name, data, files, max(proofs, key=list(Proof).index))


def _triggers_last(files: dict[str, bytes]) -> list[str]:
    return sorted(files, key=lambda text: (text.startswith(Kind.GO), text))


def _save(directory: Path, files: dict[str, bytes]) -> None:
    """Write the answer's files under their names, GO last, each whole or not at all."""
    directory.mkdir(parents=True, exist_ok=True)
    for text in _triggers_last(files):
        unfinished = directory / f".{text}.part"
        unfinished.write_bytes(files[text])
        unfinished.replace(directory / text)


def _remove(sftp: paramiko.SFTPClient, folder: Folder, files: dict[str, bytes]) -> None:
    """Take our answer out of the outbox, GO first: without it nobody reads the rest."""
    for text in reversed(_triggers_last(files)):
        with suppress(FileNotFoundError):
            sftp.remove(f"/{folder}/{text}")
