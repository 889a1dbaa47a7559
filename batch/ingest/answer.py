"""The answers as bytes: the only place that speaks to senders (contract, section 3).

Shapes are the official ones, without namespace. What would break the official schema is left
out of the echo; the date and hour of a form are those of Brussels.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple
from xml.sax.saxutils import escape, quoteattr

from batch.anomalies import Anomaly
from batch.identifiers import NssoNumber
from batch.ingest.services import FormHeader, FormVerdict, ResultField
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


class Handled(NamedTuple):
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
    part, opening = None, ""
    for item in handled:
        part_name, form_ticket, verdict = item
        if part_name != part:
            part = part_name
            file = _file_reference(part[:MAX_FILE_NAME], ticket)
            opening = f"  <Form>\n{header}{file}{sender}"
        yield f"{opening}{_handled_form(form_ticket, verdict)}  </Form>\n".encode()
    yield b"</NOTIFICATION>\n"


def _handled_form(ticket: str, verdict: FormVerdict) -> str:
    """What is said of one form, in lines; a million of them in one answer, so in few calls.

    The ticket is ours, of digits and capitals.
    """
    header, references, employer, nsso, inss, user, anomalies, result_name, result = verdict
    said = _original_header(header)
    for reference in references:
        shown = _reference("Reference", reference.type, reference.origin, reference.number)
        said += f"    {shown}\n"
    if nsso is not None and employer is not None:
        said += _employer(nsso, employer)
    if inss is not None:
        more = _element("NaturalPersonUserReference", user) if user else ""
        said += f"    <NaturalPerson><INSS>{_written(inss)}</INSS>{more}</NaturalPerson>\n"
    accepted = not anomalies or verdict.accepted
    shown = _result(verdict, accepted) if anomalies else _ACCEPTED
    said += f"    {_HANDLED}{ticket}{_END_HANDLED}\n    {shown}\n"
    if accepted and result_name:
        said += f"    {_application_data(result_name, result)}\n"
    return said


@lru_cache(maxsize=1_000)
def _employer(nsso: NssoNumber, employer: str) -> str:
    inside = _element("NOSSRegistrationNbr", nsso.digits) + _element("CompanyID", employer)
    return f"    <EmployerId>{inside}</EmployerId>\n"


_HANDLED = (
    "<HandledReference><ReferenceType>1</ReferenceType>"
    f"<ReferenceOrigin>{_TICKET_ORIGIN}</ReferenceOrigin><ReferenceNbr>"
)
_END_HANDLED = "</ReferenceNbr></HandledReference>"
_ACCEPTED = "<HandlingResult><ResultCode>1</ResultCode></HandlingResult>"


def _result(verdict: FormVerdict, accepted: bool) -> str:
    inside = _element("ResultCode", "1" if accepted else "0")
    if not accepted:
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


def _application_data(name: str, result: Iterable[ResultField]) -> str:
    inside = ""
    for field in result:
        tag, text, attributes = field
        inside += _with_attributes(field) if attributes else f"<{tag}>{_written(text)}</{tag}>"
    return f"<ApplicationData><{name}>{inside}</{name}></ApplicationData>"


@lru_cache(maxsize=10_000)
def _with_attributes(field: ResultField) -> str:
    """A figure of which there are several: of many forms the same."""
    tag, text, attributes = field
    shown = "".join(f" {name}={quoteattr(value)}" for name, value in attributes)
    return f"<{tag}{shown}>{_written(text)}</{tag}>"


def _original_header(header: FormHeader) -> str:
    name, day, hour, status, kind = header
    if name and day and hour and status and kind and _AS_IT_IS(name + day + hour + status + kind):
        return (
            f"    <HandledOriginalForm><Identification>{name}</Identification>"
            f"<FormCreationDate>{day}</FormCreationDate><FormCreationHour>{hour}</FormCreationHour>"
            f"<AttestationStatus>{status}</AttestationStatus><TypeForm>{kind}</TypeForm>"
            "</HandledOriginalForm>\n"
        )
    inside = ""
    if header.identification:
        inside += _element("Identification", header.identification)
    if header.creation_date:
        inside += _element("FormCreationDate", header.creation_date)
    if header.creation_hour:
        inside += _element("FormCreationHour", header.creation_hour)
    if header.attestation_status:
        inside += _element("AttestationStatus", header.attestation_status)
    if header.type_form:
        inside += _element("TypeForm", header.type_form)
    return f"    <HandledOriginalForm>{inside}</HandledOriginalForm>\n" if inside else ""


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
_AS_IT_IS = re.compile("[-0-9A-Za-z .,/:_]*").fullmatch
"""What most values are made of. They need no escape, which is dear where there are millions."""
_KEPT = {"\r": "&#13;"}  # a reader would turn a bare one into a line feed


def _element(tag: str, text: str) -> str:
    return f"<{tag}>{_written(text)}</{tag}>"


def _written(text: str) -> str:
    """``text`` as the content of an element."""
    return text if _AS_IT_IS(text) else escape(_UNWRITABLE.sub("?", text), _KEPT)


def _document(root: str, forms: Iterable[str]) -> bytes:
    body = "".join(forms)
    return f"{_HEAD}<{root} xmlns:xsi={quoteattr(_XSI)}>\n{body}</{root}>\n".encode()
