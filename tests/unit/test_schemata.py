"""The schemas shipped: they compile, say where they come from, accept and refuse what they must.

The verdicts on the FLA message are the contract's, worked out by hand from its text.
"""

from __future__ import annotations

import re
import tomllib

import pytest
from lxml import etree
from lxml.etree import _Element

from batch import schemata
from tests import declarations
from tests.unit.fla.mutants import (
    CANCEL,
    RIGHT,
    TRAINING,
    Change,
    at,
    changed,
    moved_after,
    renamed,
    says,
    twice,
    with_attribute,
    with_child,
    without,
)

XSI = "{http://www.w3.org/2001/XMLSchema-instance}"
T = "TrainingIn/Training"
R = "TrainingRightIn/TrainingRight"
CERTIFICATE = "<Certificate><CertificateDate>{}</CertificateDate></Certificate>"
PROVIDER = "<TrainingProvider>{}</TrainingProvider>"


@pytest.mark.parametrize("message", schemata.MESSAGES)
def test_every_schema_compiles_and_states_its_origin(message: str) -> None:
    assert isinstance(schemata.compiled(message), etree.XMLSchema)
    origin = tomllib.loads(
        (schemata.folder() / message).with_name("ORIGIN.toml").read_text("utf-8")
    )
    assert origin["file"] == message.rsplit("/", 1)[1]
    assert set(origin) == {"file", "what", "source", "date", "version"}


@pytest.mark.parametrize("message", schemata.MESSAGES)
def test_no_pattern_takes_other_digits_or_repeats_a_repetition(message: str) -> None:
    patterns = [e.get("value") or "" for e in schemata.tree(message).iter("{*}pattern")]
    assert patterns
    for pattern in patterns:
        assert "\\d" not in pattern
        assert not re.search(r"\)[*+?{]", pattern), pattern


def test_every_numbered_zone_starts_its_documentation_with_five_characters() -> None:
    words = [
        (d.text or "").split()[0] for d in schemata.tree(schemata.FLA).iter("{*}documentation")
    ]
    assert all(re.fullmatch(r"[0-9]{5}|FLA[0-9]{2}|FLB[0-9]{2}", word) for word in words)
    assert len(words) == len(set(words)) == 43


VALID: list[tuple[str, Change]] = [
    (RIGHT, says("NaturalPerson/INSS", "85073003328")),
    (RIGHT, says("FormCreationHour", "24:00:00.000")),
    (RIGHT, says("FormCreationDate", " 2024-02-29 ")),
    (RIGHT, says("AttestationStatus", "-00")),
    (RIGHT, says("EmployerId/CompanyID", "123456749")),
    (RIGHT, says("EmployerId/CompanyID", "1999999943")),
    (RIGHT, with_child("EmployerId", "<NOSSRegistrationNbr>100006</NOSSRegistrationNbr>")),
    (RIGHT, with_child("NaturalPerson", "<NaturalPersonUserReference/>", 9)),
    (RIGHT, says(f"{R}/TrainingRightHours", "+000")),
    (RIGHT, says(f"{R}/TrainingRightHours", "999999")),
    (RIGHT, says(f"{R}/CalendarYear", "2099")),
    (RIGHT, without(f"{R}/JointCommissionNbr")),
    (RIGHT, says(f"{R}/JointCommissionNbr", "149.01.02")),
    (RIGHT, says(f"{R}/CollectiveAgreementNbr", "1/CO/149.01")),
    (RIGHT, says("TrainingRightIn/RegistrantReference", "-./" + "x" * 57)),
    (RIGHT, with_attribute(R, f"{XSI}type", "RightContent")),
    (RIGHT, with_attribute(".", f"{XSI}noNamespaceSchemaLocation", "x.xsd")),
    (TRAINING, says(f"{T}/TrainingName", "é" * 200)),
    (TRAINING, says(f"{T}/StartingDate", "0001-01-01")),
    (TRAINING, twice(f"{T}/RightUse")),
    (TRAINING, with_child(T, CERTIFICATE.format("2025-11-12+14:00"), 99)),
    (TRAINING, with_child(T, CERTIFICATE.format("-0044-03-15"), 99)),
    (TRAINING, with_child(T, PROVIDER.format("<ProviderName>x</ProviderName>"), 99)),
    (CANCEL, renamed("TrainingCancel", "TrainingRightCancel")),
]

INVALID: list[tuple[str, Change]] = [
    (RIGHT, says("NaturalPerson/INSS", "٨٥٠٧٣٠٠٣٣٢٨")),
    (RIGHT, says("NaturalPerson/INSS", " 85073003328")),
    (RIGHT, says("NaturalPerson/INSS", "850730033281")),
    (RIGHT, says("FormCreationHour", "09:15:00")),
    (RIGHT, says("FormCreationHour", "09:15:00x000")),
    (RIGHT, says("FormCreationDate", "0000-01-01")),
    (RIGHT, says("FormCreationDate", "2025-02-29")),
    (RIGHT, says("FormCreationDate", "2025-01-20Z")),
    (RIGHT, says("Identification", "FLA001 ")),
    (RIGHT, says("AttestationStatus", "1")),
    (RIGHT, says("TypeForm", "FA")),
    (RIGHT, says("EmployerId/CompanyID", "0")),
    (RIGHT, says("EmployerId/CompanyID", "1999999944")),
    (RIGHT, says("EmployerId/CompanyID", "+123456749")),
    (RIGHT, with_child("EmployerId", "<NOSSRegistrationNbr>100005</NOSSRegistrationNbr>")),
    (RIGHT, with_child("NaturalPerson", "<NaturalPersonUserReference/>")),
    (RIGHT, says(f"{R}/TrainingRightHours", "-1")),
    (RIGHT, says(f"{R}/TrainingRightHours", "1.0")),
    (RIGHT, says(f"{R}/TrainingRightHours", "1000000")),
    (RIGHT, says(f"{R}/CalendarYear", "2023")),
    (RIGHT, says(f"{R}/CalendarYear", "2100")),
    (RIGHT, says(f"{R}/JointCommissionNbr", "149.1")),
    (RIGHT, says(f"{R}/CollectiveAgreementNbr", "1234567/CO/200")),
    (RIGHT, says(f"{R}/CollectiveAgreementNbr", "1/CO/149.01.02.03")),
    (RIGHT, says("TrainingRightIn/RegistrantReference", "x" * 61)),
    (RIGHT, says("TrainingRightIn/RegistrantReference", "R_1")),
    (RIGHT, with_attribute(R, f"{XSI}type", "TrainingContent")),
    (RIGHT, with_attribute(R, "unit", "h")),
    (RIGHT, with_child(".", "<Reference/>", 5)),
    (RIGHT, moved_after("EmployerId", "NaturalPerson")),
    (RIGHT, twice("TrainingRightIn")),
    (RIGHT, renamed("TrainingRightIn", "TrainingRightCancel")),
    (TRAINING, says(f"{T}/TrainingName", "x" * 201)),
    (TRAINING, says(f"{T}/TrainingName", "")),
    (TRAINING, says(f"{T}/TrainingHours", "0")),
    (TRAINING, says(f"{T}/CountsForCredit", "2")),
    (TRAINING, says(f"{T}/EndingDate", "2025-11-31")),
    (TRAINING, twice(f"{T}/RightUse", 2)),
    (TRAINING, with_child(T, CERTIFICATE.format("2025-11"), 99)),
    (TRAINING, with_child(T, CERTIFICATE.format("2025-11-12"), 0)),
    (TRAINING, with_child(T, "<TrainingProvider/>", 99)),
    (CANCEL, with_child("TrainingCancel", "<RegistrantReference>R/1</RegistrantReference>", 1)),
    (CANCEL, says("TrainingCancel/FLAId", "1" * 23)),
    (CANCEL, says("TrainingCancel", "text")),
]


@pytest.mark.parametrize(
    ("text", "change", "wanted"),
    [(*case, True) for case in VALID] + [(*case, False) for case in INVALID],
)
def test_the_fla_message_is_the_contract_s(text: str, change: Change, wanted: bool) -> None:
    form = changed(text, change)
    root = form.getparent()
    assert root is not None
    schema = schemata.compiled(schemata.FLA)
    assert schema.validate(form) is schema.validate(root) is wanted


def test_a_declaration_holds_forms_and_nothing_else() -> None:
    schema = schemata.compiled(schemata.FLA)
    for forms, wanted in (((), False), ((RIGHT, TRAINING, CANCEL), True), (("<Other/>",), False)):
        assert schema.validate(etree.fromstring(declarations.declaration(*forms))) is wanted


ACRF = """<ACRF><Form><Identification>ACRF001</Identification>
<FormCreationDate>2025-01-20</FormCreationDate><FormCreationHour>09:16:02.411</FormCreationHour>
<AttestationStatus>0</AttestationStatus><TypeForm>FA</TypeForm>
<FileReference><FileName>GO.FLAD.123456.20250120.00001.R.1</FileName>
<ReferenceOrigin>2</ReferenceOrigin><ReferenceNbr>2AB001C3D4E5F</ReferenceNbr></FileReference>
<ReceptionResult><ResultCode>0</ResultCode><ErrorID>ACRF-125</ErrorID></ReceptionResult>
</Form></ACRF>"""

NOTI = """<NOTIFICATION><Form><Identification>NOTI001</Identification>
<FormCreationDate>2025-01-20</FormCreationDate><FormCreationHour>11:02:45.121</FormCreationHour>
<AttestationStatus>0</AttestationStatus><TypeForm>FA</TypeForm>
<FileReference><FileName>FI.FLAD.123456.20250120.00001.R.1.1</FileName>
<ReferenceOrigin>2</ReferenceOrigin><ReferenceNbr>2AB001C3D4E5F</ReferenceNbr></FileReference>
<HandledOriginalFile><SenderId>123456</SenderId></HandledOriginalFile>
<HandledOriginalForm><Identification>FLA001</Identification>
<FormCreationDate>2025-01-20</FormCreationDate><FormCreationHour>09:15:00.001</FormCreationHour>
<AttestationStatus>0</AttestationStatus><TypeForm>SU</TypeForm></HandledOriginalForm>
<Reference><ReferenceType>1</ReferenceType><ReferenceOrigin>1</ReferenceOrigin>
<ReferenceNbr>HR-2025-000002</ReferenceNbr></Reference>
<EmployerId><NOSSRegistrationNbr>199999934</NOSSRegistrationNbr>
<CompanyID>0123456749</CompanyID></EmployerId>
<NaturalPerson><INSS>17073003384</INSS></NaturalPerson>
<HandledReference><ReferenceType>1</ReferenceType><ReferenceOrigin>2</ReferenceOrigin>
<ReferenceNbr>2BX002PAEVZAZ</ReferenceNbr></HandledReference>
<HandlingResult><ResultCode>1</ResultCode><Diagnosis>3</Diagnosis><AnomalyReport>
<ErrorID>FLB04-460</ErrorID><TagName>TrainingIn</TagName><Value>x</Value>
<AnomalyClass>W</AnomalyClass><AnomalyLocation><LineNbr>31</LineNbr><ColumnNbr>40</ColumnNbr>
<Location>1,2,8</Location></AnomalyLocation>
<Path><CompanyID>0123456749</CompanyID><INSS>17073003384</INSS></Path></AnomalyReport>
</HandlingResult><ApplicationData><FLAResult><FLAId>202501200000000000000017</FLAId>
<Version>1</Version><RegistrantReference>R/2025</RegistrantReference>
<RemainingHours type="LEGAL">3800</RemainingHours><RemainingHours type="SECTOR">0</RemainingHours>
<RemainingHours type="EMPLOYER">0</RemainingHours></FLAResult></ApplicationData>
</Form></NOTIFICATION>"""


def answer(text: str) -> _Element:
    return etree.fromstring(text.replace("\n", ""))


def test_answers_in_the_contract_s_shape_are_valid() -> None:
    assert schemata.compiled(schemata.ACRF).validate(answer(ACRF))
    assert schemata.compiled(schemata.NOTIFICATION).validate(answer(NOTI))


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("FileReference/FileName", "x" * 65),
        ("FileReference/ReferenceNbr", "2AB001C3D4E5"),
        ("HandledOriginalFile/SenderId", "000000"),
        ("HandledOriginalForm/Identification", "FLA00001"),
        ("HandledOriginalForm/AttestationStatus", "9"),
        ("HandledOriginalForm/TypeForm", "XX"),
        ("Reference/ReferenceNbr", ""),
        ("EmployerId/CompanyID", "477472701"),
        ("NaturalPerson/INSS", "1707300338"),
        ("HandlingResult/ResultCode", "2"),
        ("HandlingResult/AnomalyReport/ErrorID", "FLB04-4600"),
        ("HandlingResult/AnomalyReport/AnomalyClass", "X"),
        ("HandlingResult/AnomalyReport/AnomalyLocation/LineNbr", "0"),
        ("ApplicationData/FLAResult/RemainingHours", "-1"),
    ],
)
def test_a_notification_beyond_the_official_domains_is_refused(path: str, text: str) -> None:
    notification = answer(NOTI)
    at(notification[0], path).text = text
    assert not schemata.compiled(schemata.NOTIFICATION).validate(notification)


def test_a_notification_names_both_numbers_of_an_employer_or_none() -> None:
    for gone, wanted in (("EmployerId/NOSSRegistrationNbr", False), ("EmployerId", True)):
        notification = answer(NOTI)
        without(gone)(notification[0])
        assert schemata.compiled(schemata.NOTIFICATION).validate(notification) is wanted


@pytest.mark.parametrize("message", [schemata.ACRF, schemata.NOTIFICATION])
def test_an_answer_starts_at_no_element_of_ours_alone(message: str) -> None:
    """An FLAResult by itself is no official document, so it must be none of ours."""
    lone = etree.fromstring("<FLAResult/>")
    assert not schemata.compiled(message).validate(lone)
