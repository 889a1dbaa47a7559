"""One streaming pass over an FI: everything reception needs of it, and nothing that content does.

The same blocks feed the digest of the signature (``tap``), the prolog and the form reader, so
an FI of any size is read once, in flat memory, before its ACRF.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Protocol

from lxml.etree import XMLSchema

from batch.anomalies import Anomaly, reception
from batch.ingest.forms import FormReader, Malformed
from batch.ingest.plain import PlainReader
from batch.ingest.prolog import Prolog
from batch.ingest.services import FEW_FORMS, Description, Whole
from batch.ingest.whole import Content, WholeReader, first_invalid_line
from batch.signing.algorithms import Digest
from batch.signing.verdict import NotSigned, Verdict
from batch.signing.verification import Verifier
from batch.states import Sealed, SealedFile


@dataclass(frozen=True, slots=True)
class Scan:
    """What one pass found: how many forms, and what refuses the file whole.

    ``employers``: the numbers of employers as written, where the channel asks for mandates;
    ``schema``: what the file was validated against as a whole; ``valid``: how many of its bytes
    were found valid, at least.
    """

    file: SealedFile
    forms: int
    anomalies: tuple[Anomaly, ...]
    employers: frozenset[str] = frozenset()
    schema: XMLSchema | None = field(default=None, repr=False)
    valid: int = 0


def scan(
    file: SealedFile,
    blocks: Iterable[bytes],
    service: Description | None,
    tap: Callable[[bytes], None] | None = None,
) -> Scan:
    """Read every block, whatever is found early: the signature covers them all.

    Without a service (its purpose code is not served) only the prolog is looked at.
    """
    prolog, reading = Prolog(), _Reading(service)
    for block in blocks:
        if tap is not None:
            tap(block)
        prolog.feed(block)
        if service is not None and not any(prolog.anomalies(service)):
            reading.feed(block, prolog)
    found, content = list(prolog.anomalies(service)), Content()
    if not found and service is not None:
        try:
            content = reading.content(prolog, file)
            found = [*content.anomalies, *_counted(content.forms, file, service)]
        except Malformed as error:
            found = [error.anomaly]
    placed = tuple(_placed(a, file) for a in found)
    return Scan(file, content.forms, placed, content.employers, reading.schema, reading.valid)


def look(
    sealed: Sealed,
    service: Description | None,
    blocks: Callable[[SealedFile], Iterable[bytes]],
    begin: Callable[[SealedFile], Verifier | NotSigned | None],
) -> tuple[dict[str, Scan], dict[str, Verdict]]:
    """One pass over every FI of a set: what it holds, and what its FS proves; both by FI name.

    ``begin`` starts the verification of an FS; None when it is not to be judged.
    """
    scans: dict[str, Scan] = {}
    signatures: dict[str, Verdict] = {}
    for file in sealed.parts():
        fs = sealed.signature_of(file)
        begun = begin(fs) if fs is not None else None
        tap = begun.update if isinstance(begun, Verifier) and not _vouched(begun) else None
        scans[file.name] = _located(scan(file, blocks(file), service, tap), blocks)
        if isinstance(begun, Verifier):
            signatures[file.name] = _verdict(begun, file)
        elif begun is not None:
            signatures[file.name] = begun
    return scans, signatures


def _vouched(begun: Verifier) -> bool:
    """Whether the manifest has the very digest that was signed: ``blocks`` raises at the end of
    bytes that are not those it names, so an FI of 500 MB need not be hashed twice."""
    return begun.digest is Digest.SHA256


def _verdict(begun: Verifier, file: SealedFile) -> Verdict:
    return begun.conclude(bytes.fromhex(file.sha256)) if _vouched(begun) else begun.finish()


def _located(found: Scan, blocks: Callable[[SealedFile], Iterable[bytes]]) -> Scan:
    """The same with the line of a 312, which takes a second look at the file."""
    if found.schema is None or not any(a.code == "312" for a in found.anomalies):
        return found
    line = first_invalid_line(blocks(found.file), found.schema, found.valid)
    told = (replace(a, line=line) if a.code == "312" else a for a in found.anomalies)
    return replace(found, anomalies=tuple(told))


class _Reader(Protocol):
    """Reads a document block by block; Malformed where it breaks."""

    def feed(self, block: bytes) -> None: ...

    def content(self) -> Content: ...


@dataclass(slots=True)
class _Counter:
    """Counts the forms of a document whose forms are judged later, one by one."""

    _forms: FormReader | PlainReader
    _count: int = 0

    def feed(self, block: bytes) -> None:
        self._count += sum(1 for _ in self._forms.feed(block))

    def content(self) -> Content:
        if isinstance(self._forms, PlainReader):
            self._count += sum(1 for _ in self._forms.rest())
        self._forms.close()
        return Content(self._count)


@dataclass(slots=True)
class _Reading:
    """Reads a document behind its prolog: a parser sees no byte before the prolog is right."""

    service: Description | None
    schema: XMLSchema | None = None
    _held: list[bytes] = field(default_factory=list)
    _reader: _Reader | None = None
    _broken: Anomaly | None = None

    def feed(self, block: bytes, prolog: Prolog) -> None:
        if self._broken is not None:
            return
        self._held.append(block)
        if prolog.done:
            self._read(prolog)

    def content(self, prolog: Prolog, file: SealedFile) -> Content:
        """Malformed, too, when a block before was."""
        if self.service is not None and self.service.whole is not None and not file.size:
            raise Malformed(reception("134", "The file holds no data."))
        self._read(prolog)
        if self._broken is not None or self._reader is None:
            raise Malformed(self._broken or reception("102", "The file holds no XML."))
        return self._reader.content()

    @property
    def valid(self) -> int:
        """How many bytes a schema was not broken in."""
        return self._reader.valid if isinstance(self._reader, WholeReader) else 0

    def _read(self, prolog: Prolog) -> None:
        held, self._held = self._held, []
        if self._broken is not None:
            return
        try:
            self._reader = self._reader or self._begin(prolog)
            for block in held:
                self._reader.feed(block)
        except Malformed as error:
            self._broken = error.anomaly

    def _begin(self, prolog: Prolog) -> _Reader:
        if self.service is None:
            raise AssertionError("without a service no document is read")
        if self.service.whole is None:
            form, plain = self.service.form, self.service.plain
            return _Counter(FormReader(form) if plain is None else PlainReader(form, plain))
        self.schema = _schema(self.service.whole, prolog)
        return WholeReader(self.service, self.service.whole, self.schema)


def _schema(whole: Whole, prolog: Prolog) -> XMLSchema:
    """The one it names; a file that names none was refused if there are more than one."""
    named = whole.schemas.get(prolog.schema or "")
    return named if named is not None else next(iter(whole.schemas.values()))


def _counted(forms: int, file: SealedFile, service: Description) -> Iterator[Anomaly]:
    limits = service.limits
    if not forms:
        yield reception("157", f"The file holds no {service.form}.")
    elif forms > limits.max_forms:
        yield reception("275", f"The file holds {forms} forms; {limits.max_forms} are allowed.")
    elif forms > FEW_FORMS and forms * limits.min_form_bytes > file.size:
        words = f"The file holds {forms} forms in {file.size} bytes: too many for its size."
        yield reception("172", words)


def _placed(anomaly: Anomaly, file: SealedFile) -> Anomaly:
    return reception(anomaly.code, anomaly.explanation or "", part=file.name, line=anomaly.line)
