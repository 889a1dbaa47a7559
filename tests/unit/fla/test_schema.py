"""Every defect of a form's shape gets its code, its zone, its line and its place, once."""

from __future__ import annotations

import pytest
from lxml import etree
from lxml.etree import _Element

from batch.anomalies import Anomaly
from batch.errors import Fault
from batch.fla.defects import ValidatorBroke, accepts
from batch.fla.position import FormPlace
from batch.fla.schema import MAX_ATTRIBUTES, MAX_DEPTH, MAX_ELEMENTS, form_schema
from batch.fla.shapes import shapes
from tests import declarations
from tests.unit.fla.mutants import (
    CANCEL,
    RIGHT,
    TRAINING,
    Change,
    at,
    changed,
    element,
    moved_after,
    renamed,
    says,
    twice,
    with_attribute,
    with_child,
    without,
)

PLACE = FormPlace("FI.FLAD.000001.20260120.00001.R.1.1", 1)
T = "TrainingIn/Training"
R = "TrainingRightIn/TrainingRight"
XSI = "{http://www.w3.org/2001/XMLSchema-instance}"


def found(form: _Element, *, explain: bool = True) -> tuple[Anomaly, ...]:
    return form_schema().anomalies(form, PLACE, explain=explain)


def codes(form: _Element) -> list[str]:
    return [each.error_id for each in found(form)]


ONE_DEFECT: list[tuple[str, str, Change]] = [
    (RIGHT, "00296-008", says("Identification", "FLA002")),
    (RIGHT, "00296-093", says("Identification", "FLA00001")),
    (RIGHT, "00218-003", says("FormCreationDate", "2026-02-30")),
    (RIGHT, "00218-003", says("FormCreationDate", "2026-02-20Z")),
    (RIGHT, "00299-003", says("FormCreationHour", "09:15")),
    (RIGHT, "00110-008", says("AttestationStatus", "1")),
    (RIGHT, "00110-002", says("AttestationStatus", "x")),
    (RIGHT, "00297-008", says("TypeForm", "RE")),
    (RIGHT, "00024-093", says("NaturalPerson/INSS", "8507300332")),
    (RIGHT, "00024-002", says("NaturalPerson/INSS", "8507300332X")),
    (RIGHT, "00024-001", says("NaturalPerson/INSS", " ")),
    (RIGHT, "00014-093", says("EmployerId/CompanyID", "12345678")),
    (RIGHT, "00014-008", says("EmployerId/CompanyID", "9999999999")),
    (RIGHT, "00014-002", says("EmployerId/CompanyID", "BE0123456")),
    (RIGHT, "FLA03-008", says(f"{R}/TrainingRightType", "legal")),
    (RIGHT, "01004-008", says(f"{R}/CalendarYear", "2023")),
    (RIGHT, "FLA04-008", says(f"{R}/TrainingRightHours", "1000000")),
    (RIGHT, "FLA04-002", says(f"{R}/TrainingRightHours", "38,00")),
    (RIGHT, "FLA04-001", says(f"{R}/TrainingRightHours", "")),
    (RIGHT, "00046-003", says(f"{R}/JointCommissionNbr", "20O")),
    (RIGHT, "FLA05-003", says(f"{R}/CollectiveAgreementNbr", "181682/CO")),
    (RIGHT, "FLA01-003", says("TrainingRightIn/RegistrantReference", "R 1")),
    (CANCEL, "FLA02-093", says("TrainingCancel/FLAId", "12")),
    (CANCEL, "FLA02-002", says("TrainingCancel/FLAId", "1" * 22 + "1X")),
    (RIGHT, "FLA01-093", says("TrainingRightIn/RegistrantReference", "R" * 70)),
    (TRAINING, "FLA10-093", says(f"{T}/TrainingName", "x" * 201)),
    (TRAINING, "FLA10-093", says(f"{T}/TrainingName", "")),
    (TRAINING, "FLA11-008", says(f"{T}/TrainingNature", "OTHER")),
    (TRAINING, "FLA12-008", says(f"{T}/TrainingStatus", "DONE")),
    (TRAINING, "00910-003", says(f"{T}/StartingDate", "12/11/2025")),
    (TRAINING, "FLA13-008", says(f"{T}/TrainingHours", "0")),
    (TRAINING, "FLA14-008", says(f"{T}/CountsForCredit", "2")),
    (TRAINING, "FLA15-002", says(f"{T}/RightUse/UsedHours", "four")),
    (RIGHT, "00024-001", without("NaturalPerson/INSS")),
    (RIGHT, "90256-001", without("EmployerId")),
    (RIGHT, "FLB01-001", without(R)),
    (RIGHT, "90059-001", without("TrainingRightIn")),
    (CANCEL, "FLB06-001", without("TrainingCancel/FLAId")),
    (TRAINING, "FLA10-001", without(f"{T}/TrainingName")),
    (RIGHT, "00024-090", twice("NaturalPerson/INSS")),
    (TRAINING, "FLB11-090", twice(f"{T}/RightUse", 2)),
    (CANCEL, "FLB06-090", twice("TrainingCancel")),
    (RIGHT, "00297-091", moved_after("TypeForm", "NaturalPerson")),
    (RIGHT, "90256-091", moved_after("TypeForm", "EmployerId")),
    (RIGHT, "00296-091", moved_after("Identification", "TrainingRightIn")),
    (TRAINING, "FLA10-091", moved_after(f"{T}/TrainingName", f"{T}/TrainingHours")),
    (RIGHT, "90059-092", with_child(".", "<Unknown/>")),
    (RIGHT, "90017-092", with_child("NaturalPerson", "<FLAId>1</FLAId>", 9)),
    (RIGHT, "90059-092", with_child(".", '<INSS xmlns="urn:x">1</INSS>', 6)),
    (RIGHT, "00024-092", with_child("NaturalPerson/INSS", "<b/>")),
    (RIGHT, "00024-092", with_attribute("NaturalPerson/INSS", "type")),
    (RIGHT, "90059-092", with_attribute(".", "id")),
    (RIGHT, "90256-003", says("EmployerId", "Acme")),
    (RIGHT, "90017-003", with_attribute("NaturalPerson", f"{XSI}nil", "true")),
    (RIGHT, "FLB01-003", with_attribute("TrainingRightIn", f"{XSI}type", "RightContent")),
]  # fmt: skip


@pytest.mark.parametrize(("text", "error", "change"), ONE_DEFECT)
def test_one_defect_is_one_anomaly(text: str, error: str, change: Change) -> None:
    assert codes(changed(text, change)) == [error]


@pytest.mark.parametrize("text", [RIGHT, TRAINING, CANCEL])
def test_a_right_form_has_no_anomaly(text: str) -> None:
    assert found(element(text)) == ()


def test_a_certificate_s_dates_are_reported_under_their_block() -> None:
    certificate = "<Certificate><CertificateDate>soon</CertificateDate></Certificate>"
    (anomaly,) = found(changed(TRAINING, with_child(T, certificate, 99)))
    assert (anomaly.error_id, anomaly.tag, anomaly.value) == (
        "FLB13-003",
        "CertificateDate",
        "soon",
    )


def test_all_defects_of_a_form_are_told_in_the_order_of_the_document() -> None:
    form = changed(
        TRAINING,
        says("TypeForm", "XX"),
        with_child("EmployerId", "<Unknown/>"),
        says("NaturalPerson/INSS", "1"),
        moved_after(f"{T}/TrainingName", f"{T}/TrainingHours"),
        says(f"{T}/RightUse/UsedHours", "0"),
    )
    assert codes(form) == ["00297-008", "90256-092", "00024-093", "FLA10-091", "FLA15-008"]


def test_an_anomaly_says_where_and_what() -> None:
    (anomaly,) = found(changed(TRAINING, says(f"{T}/EndingDate", "2025-02-30")))
    assert anomaly.tag == "EndingDate"
    assert anomaly.value == "2025-02-30"
    assert anomaly.location == "1,1,8,2,5"
    assert anomaly.part == PLACE.part
    text = declarations.declaration(TRAINING).decode().splitlines()
    assert anomaly.line is not None
    assert "EndingDate" in text[anomaly.line - 1]
    assert anomaly.explanation == "Day is out of range for month."
    assert len(anomaly.error_id) == 9


def test_a_location_counts_elements_only() -> None:
    text = RIGHT.replace("85073003328", "1").replace("<NaturalPerson>", "<!-- c --><NaturalPerson>")
    (anomaly,) = found(element(text))
    assert anomaly.location == "1,1,7,1"


@pytest.mark.parametrize(
    "line", ["<a/>", "<a\n/>", "<a/><b/>", "<c><d/></c>", "<e>1</e>", "<!-- x -->"]
)
def test_a_line_beyond_65535_is_told(line: str) -> None:
    """libxml2 caps an element's own line; the nearest text knows better."""
    before = declarations.declaration().decode().replace("</FLADeclaration>\n", "\n" * 70_000)
    form = RIGHT.replace("<NaturalPerson>", f"{line}<NaturalPerson>").replace("85073003328", "1")
    document = f"{before}{form}</FLADeclaration>"
    root = etree.fromstring(document.encode())
    anomaly = found(root[0])[-1]
    wanted = 1 + document[: document.index("<INSS>")].count("\n")
    assert (anomaly.error_id, anomaly.line) == ("00024-093", wanted)


@pytest.mark.parametrize("path", ["NaturalPerson", "EmployerId/CompanyID", "TrainingRightIn", "."])
def test_every_element_s_line_beyond_65535_is_its_own(path: str) -> None:
    before = declarations.declaration().decode().replace("</FLADeclaration>\n", "\n" * 70_000)
    document = f"{before}{RIGHT}</FLADeclaration>"
    form = etree.fromstring(document.encode())[0]
    target = at(form, path)
    target.set("wrong", "x")
    (anomaly,) = found(form)
    assert anomaly.line == 1 + document[: document.index(f"<{target.tag}>")].count("\n")


def test_reasons_come_from_xmlschema_and_are_short_without_it() -> None:
    form = changed(TRAINING, says(f"{T}/TrainingNature", "OTHER"))
    assert found(form)[0].explanation == "Value must be one of ['FORMAL', 'INFORMAL']."
    assert found(form, explain=False)[0].explanation == ("Its value is not one of those allowed.")


def test_no_explanation_holds_an_inss() -> None:
    form = changed(
        TRAINING,
        says("FormCreationDate", "85073003328"),
        says("NaturalPerson/INSS", "850730033281"),
        says(f"{T}/TrainingHours", "x85073003328"),
    )
    assert len(found(form)) == 3
    assert not any("85073003328" in (each.explanation or "") for each in found(form))


def test_a_long_value_is_cut() -> None:
    (anomaly,) = found(changed(TRAINING, says(f"{T}/TrainingName", "x" * 100_000)))
    assert len(anomaly.value or "") == 200


def nested(depth: int) -> _Element:
    root = inner = etree.Element("Form")
    for _ in range(depth - 1):
        inner = etree.SubElement(inner, "NaturalPerson")
    return root


@pytest.mark.parametrize(
    "form",
    [
        nested(MAX_DEPTH + 1),
        nested(250),
        changed(RIGHT, twice("Identification", MAX_ELEMENTS)),
        changed(RIGHT, *(with_attribute(".", f"a{n}") for n in range(MAX_ATTRIBUTES + 1))),
        changed(RIGHT, *(with_attribute("EmployerId", f"a{n}") for n in range(5000))),
    ],
)
def test_a_monstrous_form_is_refused_as_a_whole(form: _Element) -> None:
    assert codes(form) == ["90059-003"]


def test_a_form_at_the_limits_is_told_its_defects() -> None:
    assert codes(nested(MAX_DEPTH)) != ["90059-003"]
    many = (with_attribute(".", f"a{n}") for n in range(MAX_ATTRIBUTES))
    assert codes(changed(RIGHT, *many)) == ["90059-092"] * MAX_ATTRIBUTES


def test_a_number_of_thousands_of_digits_does_not_stop_the_explanation() -> None:
    assert codes(changed(TRAINING, says(f"{T}/TrainingHours", "9" * 5000))) == ["FLA13-008"]


def test_a_validator_that_breaks_is_a_fault_and_no_verdict() -> None:
    """libxml2 gives up on such a pattern; ours has no repetition inside another."""
    nest = etree.XMLSchema(
        etree.fromstring(
            '<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema"><xs:element name="a">'
            '<xs:simpleType><xs:restriction base="xs:string">'
            '<xs:pattern value="((a{1,9}){1,9}){1,9}"/>'
            "</xs:restriction></xs:simpleType></xs:element></xs:schema>"
        )
    )
    text = etree.fromstring(f"<a>{'a' * 700}b</a>")
    with pytest.raises(ValidatorBroke):
        accepts(nest, text)


def test_a_schema_with_an_unknown_construct_is_a_fault() -> None:
    odd = etree.fromstring(
        '<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema"><xs:element name="a">'
        "<xs:complexType><xs:all/></xs:complexType></xs:element></xs:schema>"
    )
    with pytest.raises(Fault, match="xs:all"):
        shapes(odd)


def test_an_element_under_another_name_is_unknown_and_missed() -> None:
    form = changed(RIGHT, renamed("NaturalPerson/INSS", "NISS"))
    assert codes(form) == ["90017-092", "00024-001"]
