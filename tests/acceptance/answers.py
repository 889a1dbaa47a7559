"""Answers as a sender reads them: complete triples whose shape is checked as they are read."""

from __future__ import annotations

import re
import time
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Protocol

from lxml import etree
from lxml.etree import _Element

SCHEMAS = Path(__file__).parents[2] / "schemas"
OWN_NAME = r"(ACRF|NOTI)\.999999\.[0-9]{8}\.(?!00000)[0-9A-Z]{5}\.[RTS]\.1"
GO_NAME = re.compile(rf"GO\.{OWN_NAME}")
BASE64_LINE = re.compile(rb"[A-Za-z0-9+/]+={0,2}\n?")


class Client(Protocol):
    """Who lists and fetches: OpenSSH's program or a library."""

    def names(self, folder: str) -> list[str]: ...

    def fetch(self, folder: str, names: Iterable[str]) -> dict[str, bytes]: ...


@dataclass(frozen=True, slots=True)
class Judged:
    """What a NOTI says of one form; errors are (code, class, line)."""

    part: str
    result: str
    inss: str | None
    reference: str | None
    ticket: str
    errors: tuple[tuple[str, str, int], ...]

    @property
    def blocking(self) -> tuple[tuple[str, int], ...]:
        return tuple((code, line) for code, severity, line in self.errors if severity == "B")


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete answer: the name of its data file, the bytes of it and of its signature."""

    name: str
    sent: bytes
    signature: bytes
    root: _Element

    @property
    def layer(self) -> str:
        return self.name.split(".")[1]

    @property
    def about(self) -> str:
        """The name of the sender's file that it answers."""
        return text(self.root, "Form/FileReference/FileName")

    @property
    def ticket(self) -> str:
        return text(self.root, "Form/FileReference/ReferenceNbr")

    @property
    def result(self) -> str:
        """Of an ACRF: 1 or 0."""
        return text(self.root, "Form/ReceptionResult/ResultCode")

    @property
    def codes(self) -> list[str]:
        """Of an ACRF: its error codes in order."""
        return [str(e.text) for e in self.root.iterfind("Form/ReceptionResult/ErrorID")]

    @property
    def forms(self) -> list[Judged]:
        """Of a NOTI: the forms in order."""
        return [_judged(form) for form in self.root.iterfind("Form")]


@dataclass
class Outbox:
    """The answers in one folder; each is fetched once, when its GO is there."""

    client: Client
    folder: str
    seen: dict[str, Answer] = field(default_factory=dict)

    def look(self) -> None:
        """Fetch what is new. A GO whose files are not beside it came too soon."""
        listed = self.client.names(self.folder)
        wanted: dict[str, tuple[str, str]] = {}
        for go in listed:
            if go.startswith("GO.") and go not in self.seen:
                assert GO_NAME.fullmatch(go), go
                data = [n for n in listed if n in (f"FO{go[2:]}.1", f"CO{go[2:]}.1")]
                assert len(data) == 1, f"{go} came before its data: {listed}"
                wanted[go] = (data[0], f"FS{go[2:]}.1")
        if wanted:
            got = self.client.fetch(
                self.folder, [name for pair in wanted.values() for name in pair]
            )
            for go, (data_name, fs) in wanted.items():
                self.seen[go] = read(data_name, got[data_name], got[fs])

    def about(self, stem: str) -> list[Answer]:
        """The answers seen so far about a stem (or about a name that is none), ACRF first."""
        mine = [a for a in self.seen.values() if _belongs(a.about, stem)]
        return sorted(mine, key=lambda a: (a.layer, a.name))

    def wait(self, stem: str, count: int | None = None, seconds: float = 40.0) -> list[Answer]:
        """Until ``stem`` has ``count`` answers, or, without it, all those its ACRF announces."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.look()
            found = self.about(stem)
            if len(found) >= (count if count is not None else _announced(found)):
                return found
            time.sleep(0.1)
        raise AssertionError(
            f"{stem}: still {[a.name for a in self.about(stem)]} after {seconds} s"
        )

    def verdict(self, stem: str) -> tuple[Answer, Answer | None]:
        """The one ACRF of a stem and, when it is positive, its one NOTI."""
        found = self.wait(stem)
        receipts = [a for a in found if a.layer == "ACRF"]
        notices = [a for a in found if a.layer == "NOTI"]
        assert len(receipts) == 1, receipts
        assert len(notices) == int(receipts[0].result), notices
        return receipts[0], notices[0] if notices else None

    def codes(self, stem: str) -> list[str]:
        """The codes of a stem's one ACRF; empty when the set was received well."""
        return self.verdict(stem)[0].codes

    def judged(self, stem: str) -> list[Judged]:
        """The forms of a stem that was received well."""
        receipt, notice = self.verdict(stem)
        assert notice is not None, receipt.codes
        assert notice.ticket == receipt.ticket
        return notice.forms


def read(name: str, sent: bytes, signature: bytes) -> Answer:
    """Read an answer; AssertionError where its shape is not the contract's."""
    assert re.fullmatch(rf"[FC]O\.{OWN_NAME}\.1", name), name
    assert BASE64_LINE.fullmatch(signature), f"{name}: its FS is not one line of base64"
    content = sent
    if name.startswith("CO."):
        with zipfile.ZipFile(BytesIO(sent)) as archive:
            assert archive.namelist() == [f"F{name[1:]}"]
            content = archive.read(f"F{name[1:]}")
    root = etree.fromstring(content)
    layer = name.split(".")[1]
    schema = _schema(layer)
    assert schema.validate(root), f"{name}: {schema.error_log}"
    answer = Answer(name, sent, signature, root)
    if layer == "ACRF":
        assert (answer.result == "1") == (not answer.codes)
    return answer


@cache
def _schema(layer: str) -> etree.XMLSchema:
    file = {"ACRF": "acrf/ACRF_20231.xsd", "NOTI": "notification/NOTIFICATION_20223.xsd"}[layer]
    return etree.XMLSchema(file=SCHEMAS / file)


def text(element: _Element, path: str) -> str:
    found = element.findtext(path)
    assert found is not None, path
    return str(found)


def leaves(element: _Element, prefix: str = "") -> Iterator[tuple[str, str]]:
    """(path, text) of everything below ``element`` that holds no element, in document order."""
    for child in element.iterchildren("*"):
        marks = "".join(f"[{name!s}={value!s}]" for name, value in child.attrib.items())
        path = f"{prefix}{child.tag}{marks}"
        if len(child):
            yield from leaves(child, f"{path}/")
        else:
            yield path, child.text or ""


def _judged(form: _Element) -> Judged:
    reports = form.iterfind("HandlingResult/AnomalyReport")
    return Judged(
        part=text(form, "FileReference/FileName"),
        result=text(form, "HandlingResult/ResultCode"),
        inss=form.findtext("NaturalPerson/INSS"),
        reference=form.findtext("ApplicationData/FLAResult/RegistrantReference"),
        ticket=text(form, "HandledReference/ReferenceNbr"),
        errors=tuple(
            (
                text(report, "ErrorID"),
                text(report, "AnomalyClass"),
                int(text(report, "AnomalyLocation/LineNbr")),
            )
            for report in reports
        ),
    )


def _belongs(about: str, stem: str) -> bool:
    return about == stem or f"{about}.".startswith(tuple(f"{k}.{stem}." for k in KINDS))


KINDS = ("FI", "FS", "GO", "TD")


def _announced(found: list[Answer]) -> int:
    receipt = next((a for a in found if a.layer == "ACRF"), None)
    return 1 if receipt is None else 1 + int(receipt.result)
