"""The answers as bytes: the only place that speaks to senders (contract, section 3).

Shapes are the official ones, without namespace. What would break the official schema is left
out of the echo; the date and hour of a form are those of Brussels.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from xml.sax.saxutils import escape, quoteattr

from batch.anomalies import Anomaly
from batch.ingest.services import FormHeader, FormVerdict
from batch.names import BRUSSELS
from batch.states import Refused, Sealed, Verified

_HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'
_XSI = "http://www.w3.org/2001/XMLSchema-instance"
_TICKET_ORIGIN = "2"
_BLOCKING_ANOMALIES = "3"  # Diagnosis, zone 00232: refused, blocking anomalies

MAX_FILE_NAME = 64
"""Length of FileName in the official NOTIFICATION schema; the ACRF's has no bound."""
MAX_VALUE = 200
"""Of a wrong value, so much is echoed: enough to find it, too little to flood an answer."""


@dataclass(frozen=True, slots=True)
class Handled:
    """One form handled: its place in the set (1-based), the FI it stood in, its own ticket."""

    part_name: str
    ticket: str
    verdict: FormVerdict


def reception_codes(anomalies: Iterable[Anomaly]) -> list[str]:
    """The codes of an ACRF in the order found: what blocks, each once."""
    return list(dict.fromkeys(a.error_id for a in anomalies if a.blocks))


def acrf(outcome: Verified | Refused, ticket: str, at: datetime) -> bytes:
    """The receipt of a set: one form, result 1 or 0, every code that blocks."""
    codes = reception_codes(outcome.anomalies) if isinstance(outcome, Refused) else []
    result = _element("ResultCode", "0" if codes else "1")
    result += "".join(_element("ErrorID", code) for code in codes)
    form = _header("ACRF001", at)
    form += _file_reference(outcome.sealed.trigger_name, ticket)
    form += f"    <ReceptionResult>{result}</ReceptionResult>\n"
    return _document("ACRF", [f"  <Form>\n{form}  </Form>\n"])


def noti(sealed: Sealed, ticket: str, handled: Iterable[Handled], at: datetime) -> Iterator[bytes]:
    """The notification of a set, form by form in the order of the FI, as it is made."""
    yield (_HEAD + f"<NOTIFICATION xmlns:xsi={quoteattr(_XSI)}>\n").encode()
    header = _header("NOTI001", at)
    sender = f"    <HandledOriginalFile>{_element('SenderId', str(sealed.key.channel))}"
    sender += "</HandledOriginalFile>\n"
    for item in handled:
        form = (
            header
            + _file_reference(item.part_name[:MAX_FILE_NAME], ticket)
            + sender
            + _handled_form(item)
        )
        yield f"  <Form>\n{form}  </Form>\n".encode()
    yield b"</NOTIFICATION>\n"


def _handled_form(item: Handled) -> str:
    verdict = item.verdict
    lines = [_original_header(verdict.header)]
    for reference in verdict.references:
        lines.append(_reference("Reference", reference.type, reference.origin, reference.number))
    if verdict.nsso is not None and verdict.employer is not None:
        inside = _element("NOSSRegistrationNbr", str(verdict.nsso))
        lines.append(f"<EmployerId>{inside}{_element('CompanyID', verdict.employer)}</EmployerId>")
    if verdict.inss is not None:
        inside = _element("INSS", verdict.inss)
        if verdict.user_reference:
            inside += _element("NaturalPersonUserReference", verdict.user_reference)
        lines.append(f"<NaturalPerson>{inside}</NaturalPerson>")
    lines.append(_reference("HandledReference", "1", _TICKET_ORIGIN, item.ticket))
    lines.append(_result(verdict))
    if verdict.accepted and verdict.result_name:
        lines.append(_application_data(verdict))
    return "".join(f"    {line}\n" for line in lines if line)


def _result(verdict: FormVerdict) -> str:
    inside = _element("ResultCode", "1" if verdict.accepted else "0")
    if not verdict.accepted:
        inside += _element("Diagnosis", _BLOCKING_ANOMALIES)
    inside += "".join(_anomaly_report(a, verdict) for a in verdict.anomalies)
    return f"<HandlingResult>{inside}</HandlingResult>"


def _anomaly_report(anomaly: Anomaly, verdict: FormVerdict) -> str:
    inside = _element("ErrorID", anomaly.error_id)
    if anomaly.tag:
        inside += _element("TagName", anomaly.tag)
    if anomaly.value:
        inside += _element("Value", anomaly.value[:MAX_VALUE])
    inside += _element("AnomalyClass", anomaly.severity)
    if anomaly.line:
        place = _element("LineNbr", str(anomaly.line))
        place += _element("ColumnNbr", str(anomaly.column)) if anomaly.column else ""
        place += _element("Location", anomaly.location) if anomaly.location else ""
        inside += f"<AnomalyLocation>{place}</AnomalyLocation>"
    path = _element("CompanyID", verdict.employer) if verdict.employer else ""
    path += _element("INSS", verdict.inss) if verdict.inss else ""
    inside += f"<Path>{path}</Path>" if path else ""
    return f"<AnomalyReport>{inside}</AnomalyReport>"


def _application_data(verdict: FormVerdict) -> str:
    inside = "".join(_element(f.tag, f.text, dict(f.attributes)) for f in verdict.result)
    name = verdict.result_name
    return f"<ApplicationData><{name}>{inside}</{name}></ApplicationData>"


def _original_header(header: FormHeader) -> str:
    fields = (
        ("Identification", header.identification),
        ("FormCreationDate", header.creation_date),
        ("FormCreationHour", header.creation_hour),
        ("AttestationStatus", header.attestation_status),
        ("TypeForm", header.type_form),
    )
    inside = "".join(_element(tag, value) for tag, value in fields if value)
    return f"<HandledOriginalForm>{inside}</HandledOriginalForm>" if inside else ""


def _header(identification: str, at: datetime) -> str:
    local = at.astimezone(BRUSSELS)
    lines = (
        _element("Identification", identification),
        _element("FormCreationDate", f"{local:%Y-%m-%d}"),
        _element("FormCreationHour", f"{local:%H:%M:%S}.{local.microsecond // 1000:03d}"),
        _element("AttestationStatus", "0"),
        _element("TypeForm", "FA"),
    )
    return "".join(f"    {line}\n" for line in lines)


def _file_reference(name: str, ticket: str) -> str:
    inside = _element("FileName", name)
    inside += _element("ReferenceOrigin", _TICKET_ORIGIN) + _element("ReferenceNbr", ticket)
    return f"    <FileReference>{inside}</FileReference>\n"


def _reference(tag: str, kind: str, origin: str, number: str) -> str:
    inside = _element("ReferenceType", kind) + _element("ReferenceOrigin", origin)
    return f"<{tag}>{inside}{_element('ReferenceNbr', number)}</{tag}>"


_UNWRITABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


_KEPT = {"\r": "&#13;"}  # a reader would turn a bare one into a line feed


def _element(tag: str, text: str, attributes: dict[str, str] | None = None) -> str:
    shown = "".join(f" {name}={quoteattr(value)}" for name, value in (attributes or {}).items())
    return f"<{tag}{shown}>{escape(_UNWRITABLE.sub('?', text), _KEPT)}</{tag}>"


def _document(root: str, forms: Iterable[str]) -> bytes:
    body = "".join(forms)
    return f"{_HEAD}<{root} xmlns:xsi={quoteattr(_XSI)}>\n{body}</{root}>\n".encode()
