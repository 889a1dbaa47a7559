"""What the channel answered, read from ACRF and NOTI (protocol sections 5.1 and 5.3). Pure.

A file may hold several forms, concerning several submissions; ErrorID is read after its last
hyphen; a ticket may be absent. The result stands in ResultCode alone, never in TypeForm.
"""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import IO

from lxml import etree
from lxml.etree import _Element

from batch.anomalies import Anomaly, Severity
from batch.errors import Fault
from batch.identifiers import INSTITUTION
from batch.names import Kind, split

_MAX_UNPACKED = 4_000_000_000
"""Octets an FO inside a CO may have: a NOTI of a million forms has about one gigabyte. A ZIP cannot
unpack to more than it says it does."""
_MAX_FORMS = 9_000_000
"""Forms of one answer: nine parts of a million each. Four gigabytes have room for more, and what is
understood of each is kept."""


class UnreadableAnswer(Fault):
    """A file of the channel that is no ACRF or NOTI, or a CO that is no ZIP of one FO."""


class Proof(StrEnum):
    """What is known of an answer's signature."""

    VERIFIED = "verified"
    UNVERIFIED = "unverified"
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class Receipt:
    """The ACRF of one set. ``file_name`` is what the channel calls the set; ``codes`` are
    ErrorIDs as written (``ACRF-125``); ``answer`` is the name of the FO or CO."""

    stem: str
    file_name: str
    ticket: str | None
    accepted: bool
    codes: tuple[str, ...]
    answer: str = ""
    proof: Proof = Proof.UNVERIFIED


@dataclass(frozen=True, slots=True)
class FormResult:
    """What came of one form. ``remaining`` is in hundredths of an hour per right type.

    ``references`` are the sender's own; anomalies may stand on an accepted form (warnings).
    """

    ticket: str | None
    accepted: bool
    references: tuple[str, ...] = ()
    registrant_reference: str | None = None
    fla_id: str | None = None
    version: int | None = None
    remaining: dict[str, int] = field(default_factory=dict)
    anomalies: tuple[Anomaly, ...] = ()


@dataclass(frozen=True, slots=True)
class Notice:
    """The NOTI of one set: the forms that carry its ticket, in FI order."""

    ticket: str
    forms: tuple[FormResult, ...]
    answer: str = ""
    proof: Proof = Proof.UNVERIFIED

    @property
    def accepted(self) -> int:
        return sum(form.accepted for form in self.forms)

    @property
    def refused(self) -> int:
        return len(self.forms) - self.accepted


@dataclass(frozen=True, slots=True)
class AnswerName:
    """The GO of an answer: ``identity`` is CODE.999999.date.sequence.letter."""

    go: str
    code: str
    identity: str


@dataclass(frozen=True, slots=True)
class Reference:
    """What ties a form of a NOTI to a set: the ticket first, for the stem may have been used
    for several contents; the stem where the ticket is absent, as the schema allows."""

    ticket: str | None
    stem: str


def stem_of(file_name: str) -> str:
    """The stem in a FileReference's name; the text itself when it does not split."""
    found = split(file_name)
    return found.stem if found else file_name


def answer_name(text: str) -> AnswerName | None:
    """Read the GO name of an ACRF or NOTI; None for any other file in OUT.

    An outgoing GO may lack the total (official channel), so the identity ends at the letter.
    """
    found = split(text)
    if found is None or found.kind is not Kind.GO or found.sender != INSTITUTION:
        return None
    if found.code not in ("ACRF", "NOTI"):
        return None
    return AnswerName(text, found.code, found.stem)


def belongs(name: str, identity: str) -> Kind | None:
    """The kind of ``name`` when it is an FO, CO, FS or GO of the answer ``identity``."""
    kind, _, rest = name.partition(".")
    if kind not in (Kind.FO, Kind.CO, Kind.FS, Kind.GO):
        return None
    tail = re.fullmatch(r"(\.[0-9]){0,2}", rest.removeprefix(identity))
    return Kind(kind) if rest.startswith(identity) and tail else None


@contextmanager
def unpacked(kind: Kind, content: bytes) -> Iterator[IO[bytes]]:
    """The XML of an FO, or of the one FO inside a CO; raise UnreadableAnswer."""
    if kind is not Kind.CO:
        yield io.BytesIO(content)
        return
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = archive.infolist()
            if len(members) != 1 or not members[0].filename.startswith(f"{Kind.FO}."):
                raise UnreadableAnswer("a CO must hold exactly one FO")
            if members[0].file_size > _MAX_UNPACKED:
                raise UnreadableAnswer(f"the FO in a CO has more than {_MAX_UNPACKED} bytes")
            with archive.open(members[0]) as document:
                yield document
    except _BAD_ZIP as error:
        raise UnreadableAnswer(f"a CO that is no readable ZIP: {error}") from None


_BAD_ZIP = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    NotImplementedError,  # another compression
    RuntimeError,  # encrypted
    ValueError,  # a place before its beginning
    OverflowError,
)


def read_receipts(document: IO[bytes]) -> Iterator[Receipt]:
    """Every form of an ACRF; raise UnreadableAnswer when it is none."""
    for form in _forms(document, "ACRF"):
        file_name = _text(form, "FileReference/FileName") or ""
        yield Receipt(
            stem=stem_of(file_name),
            file_name=file_name,
            ticket=_text(form, "FileReference/ReferenceNbr"),
            accepted=_text(form, "ReceptionResult/ResultCode") == "1",
            codes=tuple(_texts(form, "ReceptionResult/ErrorID")),
        )


def read_notices(document: IO[bytes]) -> Iterator[tuple[Reference, FormResult]]:
    """Every form of a NOTI with what it refers to, in document order; raise UnreadableAnswer."""
    for form in _forms(document, "NOTIFICATION"):
        result = "ApplicationData/FLAResult"
        version = _number(form, f"{result}/Version")
        part = _text(form, "FileReference/FileName")
        yield (
            Reference(_text(form, "FileReference/ReferenceNbr"), stem_of(part or "")),
            FormResult(
                ticket=_text(form, "HandledReference/ReferenceNbr"),
                accepted=_text(form, "HandlingResult/ResultCode") == "1",
                references=tuple(_texts(form, "Reference/ReferenceNbr")),
                registrant_reference=_text(form, f"{result}/RegistrantReference"),
                fla_id=_text(form, f"{result}/FLAId"),
                version=version,
                remaining=dict(_remaining(form)),
                anomalies=tuple(
                    _anomaly(report, part)
                    for report in form.iterfind("HandlingResult/AnomalyReport")
                ),
            ),
        )


def anomaly_of(error_id: str) -> Anomaly:
    """An ErrorID as an anomaly, so that its text can be looked up."""
    zone, _, code = error_id.rpartition("-")
    return Anomaly(zone or "ACRF", code)


def _forms(document: IO[bytes], root: str) -> Iterator[_Element]:
    """The forms under ``root``, each forgotten once the next is asked for.

    No entity is expanded and nothing is fetched: the answer came over a proven connection, but
    its maker's database holds what others declared.
    """
    try:
        events = etree.iterparse(
            document,
            events=("start", "end"),
            resolve_entities=False,
            no_network=True,
            load_dtd=False,
        )
        depth = found = 0
        for event, element in events:
            if event == "start":
                if depth == 0 and element.tag != root:
                    raise UnreadableAnswer(f"root {element.tag}, expected {root}")
                depth += 1
                continue
            depth -= 1
            if depth == 1 and element.tag == "Form":
                found += 1
                if found > _MAX_FORMS:
                    raise UnreadableAnswer(f"more than {_MAX_FORMS} forms")
                yield element
                element.clear()
                while element.getprevious() is not None:
                    del element.getparent()[0]
    except etree.XMLSyntaxError as error:
        raise UnreadableAnswer(f"not well-formed: {error}") from None


def _text(element: _Element, path: str) -> str | None:
    found = element.findtext(path)
    return found.strip() or None if found else None


def _texts(element: _Element, path: str) -> Iterator[str]:
    return (found.text.strip() for found in element.iterfind(path) if found.text)


def _number(element: _Element, path: str) -> int | None:
    text = _text(element, path)
    return int(text) if text and re.fullmatch(r"[0-9]{1,9}", text) else None


def _remaining(form: _Element) -> Iterator[tuple[str, int]]:
    for hours in form.iterfind("ApplicationData/FLAResult/RemainingHours"):
        value = _number(hours, ".")
        if value is not None:
            yield hours.get("type", ""), value


def _anomaly(report: _Element, part: str | None) -> Anomaly:
    """An AnomalyReport. Of a class the FLA does not use, only B blocks; an INSS is not kept."""
    known = anomaly_of(_text(report, "ErrorID") or "")
    blocks = _text(report, "AnomalyClass") == "B"
    tag = _text(report, "TagName")
    return Anomaly(
        known.zone,
        known.code,
        severity=Severity.BLOCKING if blocks else Severity.WARNING,
        tag=tag,
        value=None if tag == "INSS" else _text(report, "Value"),
        line=_number(report, "AnomalyLocation/LineNbr"),
        column=_number(report, "AnomalyLocation/ColumnNbr"),
        part=part,
    )
