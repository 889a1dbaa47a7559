"""The answers: valid against the schemas whatever was sent, and true to what was found."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree
from lxml.etree import _Element

from batch import schemata
from batch.anomalies import Anomaly, Severity, reception
from batch.identifiers import EnterpriseNumber, Inss, NssoNumber
from batch.ingest.answer import Handled, acrf, noti, reception_codes
from batch.ingest.services import FormHeader, FormVerdict, Reference, ResultField
from batch.names import Environment
from batch.states import Part, Refused, Sealed, Trigger, Verified
from tests.unit.ingest.sets import AT, STEM, names_of, sealed

TICKET = "0000000000ABC"
FORM_TICKET = "0000000000ABD"
FI, FS, GO = names_of()
EMPLOYER = EnterpriseNumber.parse("0123456749")
NSSO = NssoNumber.parse("100006")
INSS = Inss.parse("85073003328")
HEADER = FormHeader("FLA001", "2026-01-20", "09:00:00.000", "0", "SU")
RESULT = (
    ResultField("FLAId", "1" * 24),
    ResultField("Version", "1"),
    ResultField("RegistrantReference", "R/1"),
    ResultField("RemainingHours", "3800", (("type", "LEGAL"),)),
    ResultField("RemainingHours", "0", (("type", "SECTOR"),)),
    ResultField("RemainingHours", "0", (("type", "EMPLOYER"),)),
)
ACCEPTED = FormVerdict(
    HEADER, employer=str(EMPLOYER), inss=str(INSS), result_name="FLAResult", result=RESULT
)


def parsed(message: str, data: bytes) -> _Element:
    """The answer, valid against the official schema."""
    root = etree.fromstring(data)
    schema = schemata.compiled(message)
    assert schema.validate(root), schema.error_log
    return root


def verified(given: Sealed) -> Verified:
    part = Part(1, given.parts()[0], 1)
    return Verified(given, Environment.PRODUCTION, "FLA", (part,), None)


def refused(given: Sealed, *anomalies: Anomaly) -> Refused:
    return Refused(given, Environment.PRODUCTION, anomalies)


def receipt(outcome: Verified | Refused, at: datetime = AT) -> _Element:
    return parsed(schemata.ACRF, acrf(outcome, TICKET, at))


def text(root: _Element, path: str) -> str | None:
    return root.findtext(path)


def all_texts(root: _Element, path: str) -> list[str]:
    return [found.text or "" for found in root.iterfind(path)]


def notification(*verdicts: FormVerdict, at: datetime = AT) -> _Element:
    handled = [Handled(FI, FORM_TICKET, verdict) for verdict in verdicts]
    return parsed(schemata.NOTIFICATION, b"".join(noti(sealed(names_of()), TICKET, handled, at)))


def test_a_positive_receipt_says_1_and_lists_nothing() -> None:
    root = receipt(verified(sealed(names_of())))
    assert text(root, "Form/ReceptionResult/ResultCode") == "1"
    assert root.find("Form/ReceptionResult/ErrorID") is None
    assert text(root, "Form/FileReference/ReferenceNbr") == TICKET
    assert text(root, "Form/FileReference/ReferenceOrigin") == "2"


def test_a_negative_receipt_lists_every_code_once_in_the_order_found() -> None:
    found = [reception(code, "Wrong.") for code in ("133", "109", "133", "125", "109")]
    root = receipt(refused(sealed(names_of()), *found))
    assert text(root, "Form/ReceptionResult/ResultCode") == "0"
    expected = ["ACRF-133", "ACRF-109", "ACRF-125"]
    assert all_texts(root, "Form/ReceptionResult/ErrorID") == expected
    assert reception_codes(found) == expected


def test_a_warning_stands_in_no_receipt() -> None:
    warned = reception("125", "Wrong.", severity=Severity.WARNING)
    root = receipt(refused(sealed(names_of()), warned, reception("120", "Few.")))
    assert all_texts(root, "Form/ReceptionResult/ErrorID") == ["ACRF-120"]
    positive = replace(verified(sealed(names_of())), warnings=(warned,))
    assert receipt(positive).find("Form/ReceptionResult/ErrorID") is None


LONG = "FI." + "x" * 97


@pytest.mark.parametrize(
    ("names", "shown"),
    [
        ([FI, FS, GO], GO),
        ([FS, FI], FI),
        ([FI, f"TD.{STEM}.1"], f"TD.{STEM}.1"),
        ([FS], FS),
        (["readme.txt"], "readme.txt"),
        ([LONG], LONG),
        ([f"GO.{'A' * 50}.{STEM}.1"[:100]], f"GO.{'A' * 50}.{STEM}.1"[:100]),
    ],
)
def test_a_receipt_calls_the_set_by_its_go_else_its_fi_else_what_there_is(
    names: list[str], shown: str
) -> None:
    """The whole name: FileName of an ACRF has no maximum (protocol 5.1), a folder takes 100."""
    given = sealed(names, trigger=Trigger.UNREADABLE)
    root = receipt(refused(given, reception("131", "Wrong.")))
    assert text(root, "Form/FileReference/FileName") == shown


@pytest.mark.parametrize(
    ("at", "day", "hour"),
    [
        (datetime(2026, 1, 19, 23, 0, 0, 1999, tzinfo=UTC), "2026-01-20", "00:00:00.001"),
        (datetime(2026, 7, 19, 21, 59, 59, 999_999, tzinfo=UTC), "2026-07-19", "23:59:59.999"),
        (datetime(2026, 7, 19, 22, 0, tzinfo=UTC), "2026-07-20", "00:00:00.000"),
        (datetime(2026, 3, 29, 0, 59, 59, tzinfo=UTC), "2026-03-29", "01:59:59.000"),
        (datetime(2026, 3, 29, 1, 0, tzinfo=UTC), "2026-03-29", "03:00:00.000"),
        (datetime(2026, 10, 25, 1, 0, tzinfo=UTC), "2026-10-25", "02:00:00.000"),
        (datetime(2026, 12, 31, 23, 30, tzinfo=UTC), "2027-01-01", "00:30:00.000"),
    ],
)
def test_date_and_hour_are_those_of_brussels(at: datetime, day: str, hour: str) -> None:
    for root in (receipt(verified(sealed(names_of())), at), notification(ACCEPTED, at=at)):
        assert text(root, "Form/FormCreationDate") == day
        assert text(root, "Form/FormCreationHour") == hour


CODES = st.lists(st.integers(0, 999).map(lambda n: reception(f"{n:03d}", "Wrong.")), min_size=1)
NAMES = st.text(
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-", min_size=1, max_size=100
)


@given(CODES, NAMES, st.datetimes(timezones=st.just(UTC), allow_imaginary=False))
def test_any_receipt_is_valid(found: list[Anomaly], name: str, at: datetime) -> None:
    given_set = sealed([name], trigger=Trigger.UNREADABLE)
    receipt(refused(given_set, *found), at.replace(year=2000 + at.year % 100))


def test_a_notification_has_one_form_per_form_in_order() -> None:
    handled = [
        Handled(f"FI.{STEM}.2.{part}", f"{n:013d}", ACCEPTED)
        for n, part in enumerate((1, 1, 2), start=1)
    ]
    root = parsed(
        schemata.NOTIFICATION, b"".join(noti(sealed(names_of(parts=2)), TICKET, handled, AT))
    )
    assert all_texts(root, "Form/FileReference/FileName") == [h.part_name for h in handled]
    assert all_texts(root, "Form/HandledReference/ReferenceNbr") == [h.ticket for h in handled]
    assert set(all_texts(root, "Form/FileReference/ReferenceNbr")) == {TICKET}
    assert set(all_texts(root, "Form/HandledOriginalFile/SenderId")) == {"000001"}


def test_a_notification_is_made_form_by_form() -> None:
    asked: list[int] = []

    def handled() -> Iterator[Handled]:
        for number in range(3):
            asked.append(number)
            yield Handled(FI, FORM_TICKET, ACCEPTED)

    stream = noti(sealed(names_of()), TICKET, handled(), AT)
    next(stream)
    assert asked == []
    for number in range(3):
        assert next(stream).count(b"<Form>") == 1
        assert asked == list(range(number + 1))


def test_an_accepted_form_carries_its_result() -> None:
    root = notification(ACCEPTED)
    assert text(root, "Form/HandlingResult/ResultCode") == "1"
    result = root.find("Form/ApplicationData/FLAResult")
    assert result is not None
    assert [(e.tag, e.text, e.get("type")) for e in result] == [
        (f.tag, f.text, dict(f.attributes).get("type")) for f in RESULT
    ]


def test_a_form_accepted_with_a_warning_says_both() -> None:
    warned = ACCEPTED._replace(anomalies=(Anomaly("00024", "004", Severity.WARNING),))
    root = notification(warned)
    assert text(root, "Form/HandlingResult/ResultCode") == "1"
    assert text(root, "Form/HandlingResult/AnomalyReport/AnomalyClass") == "W"
    assert root.find("Form/ApplicationData") is not None


def test_a_refused_form_says_why_and_carries_no_result() -> None:
    wrong = Anomaly(
        "00024", "093", tag="INSS", value="123", line=17, column=4, location="1,8", part=FI
    )
    root = notification(ACCEPTED._replace(anomalies=(wrong,)))
    assert root.find("Form/ApplicationData") is None
    assert text(root, "Form/HandlingResult/ResultCode") == "0"
    report = root.find("Form/HandlingResult/AnomalyReport")
    assert report is not None
    told = {e.tag: e.text for e in report.iter() if not len(e)}
    assert told == {
        "ErrorID": "00024-093",
        "TagName": "INSS",
        "Value": "123",
        "AnomalyClass": "B",
        "LineNbr": "17",
        "ColumnNbr": "4",
        "Location": "1,8",
        "CompanyID": str(EMPLOYER),
        "INSS": str(INSS),
    }


def test_the_employer_block_wants_both_numbers() -> None:
    without = notification(ACCEPTED)
    assert without.find("Form/EmployerId") is None
    both = notification(ACCEPTED._replace(nsso=NSSO))
    assert text(both, "Form/EmployerId/NOSSRegistrationNbr") == str(NSSO)
    assert text(both, "Form/EmployerId/CompanyID") == str(EMPLOYER)


def test_a_header_that_is_empty_is_left_out() -> None:
    root = notification(FormVerdict(FormHeader()))
    assert root.find("Form/HandledOriginalForm") is None
    partly = notification(FormVerdict(FormHeader(type_form="SU")))
    assert all_texts(partly, "Form/HandledOriginalForm/*") == ["SU"]


HOSTILE = st.one_of(
    st.text(max_size=300),
    st.text(
        "<>&\"']]>\x00\x01\x1f\x7f\x85\ud800\udfff\ufffe\uffff\U0001f600\t\r\n\u2028 ", max_size=40
    ),
    st.sampled_from(
        ["]]>", "<!--", "&#0;", "<Form>", "x" * 10_000, "\U0001f600" * 100, " ", "\r\n"]
    ),
)
WRITABLE = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff"),
    min_size=1,
    max_size=20,
)
ANOMALIES = st.builds(
    Anomaly,
    zone=st.text("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ", min_size=5, max_size=5),
    code=st.integers(0, 999).map(lambda n: f"{n:03d}"),
    severity=st.sampled_from(Severity),
    tag=st.none() | HOSTILE,
    value=st.none() | HOSTILE,
    line=st.none() | st.integers(1, 10**9),
    column=st.none() | st.integers(1, 10**9),
    location=st.none() | st.from_regex(r"\A[0-9]{1,3}(,[0-9]{1,3}){0,5}\Z"),
    explanation=HOSTILE,
)
REFERENCES = st.builds(
    Reference,
    type=st.sampled_from("0123456789"),
    origin=st.sampled_from("1234567"),
    number=WRITABLE,
)
VERDICTS = st.builds(
    FormVerdict,
    header=st.sampled_from([HEADER, FormHeader(), FormHeader(identification="FLA001")]),
    references=st.lists(REFERENCES, max_size=4).map(tuple),
    employer=st.sampled_from([None, str(EMPLOYER)]),
    nsso=st.sampled_from([None, NSSO]),
    inss=st.sampled_from([None, str(INSS)]),
    user_reference=st.none() | st.text(max_size=200),
    anomalies=st.lists(ANOMALIES, max_size=4).map(tuple),
    result_name=st.just("FLAResult"),
    result=st.just(RESULT),
)


@given(st.lists(VERDICTS, min_size=1, max_size=3))
@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
def test_any_notification_is_valid(verdicts: list[FormVerdict]) -> None:
    root = notification(*verdicts)
    codes = ["1" if verdict.accepted else "0" for verdict in verdicts]
    assert all_texts(root, "Form/HandlingResult/ResultCode") == codes
    for form, verdict in zip(root.iterfind("Form"), verdicts, strict=True):
        reports = form.findall("HandlingResult/AnomalyReport")
        ids = [report.findtext("ErrorID") for report in reports]
        assert ids == [a.error_id for a in verdict.anomalies]
        assert (form.find("ApplicationData") is not None) == verdict.accepted


@given(st.lists(REFERENCES, max_size=4))
def test_references_are_echoed_as_given(references: list[Reference]) -> None:
    root = notification(ACCEPTED._replace(references=tuple(references)))
    told = [
        (r.findtext("ReferenceType"), r.findtext("ReferenceOrigin"), r.findtext("ReferenceNbr"))
        for r in root.iterfind("Form/Reference")
    ]
    assert told == [(r.type, r.origin, r.number) for r in references]


@pytest.mark.parametrize(
    "number", ["a\rb", "a\r\nb", "a\nb", "a\tb", " a ", "<&>\"'", "\U0001f600"]
)
def test_white_space_of_a_reference_survives_the_echo(number: str) -> None:
    """A raw CR is read as LF (XML 1.0, 2.11), so it must be written as a reference of its own."""
    root = notification(ACCEPTED._replace(references=(Reference("1", "1", number),)))
    assert text(root, "Form/Reference/ReferenceNbr") == number


@given(HOSTILE)
def test_a_value_is_told_as_far_as_it_can_be_written(value: str) -> None:
    root = notification(ACCEPTED._replace(anomalies=(Anomaly("00024", "003", value=value),)))
    told = text(root, "Form/HandlingResult/AnomalyReport/Value") or ""
    if "\r" not in value:
        assert len(told) >= min(len(value), 60)
        assert all(shown in (sent, "?") for shown, sent in zip(told, value, strict=False))
