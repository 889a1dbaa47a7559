from __future__ import annotations

from datetime import date

import pytest
from lxml import etree
from lxml.etree import _Element

from batch.fla.forms import (
    ByFlaId,
    ByReference,
    Cancel,
    In,
    Kind,
    Nature,
    RightType,
    RightUse,
    Training,
    TrainingRight,
    TrainingStatus,
    Update,
    integer,
    read,
)
from batch.ingest.services import FormHeader, Reference
from tests import declarations
from tests.unit.fla.mutants import CANCEL, RIGHT, TRAINING, changed, element, says, with_child


def test_a_right_is_read() -> None:
    form = read(element(RIGHT))
    assert form.operation == In(
        "R/1", TrainingRight(RightType.LEGAL, 2025, 3800, "200", "181682/CO/200")
    )
    assert form.header == FormHeader("FLA001", "2026-01-20", "09:00:00.000", "0", "SU")
    assert (form.company, form.inss) == (declarations.EMPLOYER, declarations.PERSONS[0])
    assert (form.nsso, form.user_reference, form.references) == (None, None, ())


def test_a_training_is_read() -> None:
    certificate = (
        "<Certificate><CertificateDate>2025-11-13Z</CertificateDate>"
        "<ValidityEndDate>2027-11-13</ValidityEndDate></Certificate>"
    )
    provider = (
        "<TrainingProvider><ProviderCompanyID>477472701</ProviderCompanyID></TrainingProvider>"
    )
    form = changed(
        TRAINING,
        with_child("TrainingIn/Training", provider, 99),
        with_child("TrainingIn/Training", certificate, 99),
    )
    assert read(form).operation == In(
        "T/1",
        Training(
            name="EHBO - bijscholing",
            nature=Nature.FORMAL,
            status=TrainingStatus.FOLLOWED,
            starting=date(2025, 11, 12),
            ending=date(2025, 11, 12),
            hours=400,
            counts_for_credit=True,
            uses=(RightUse(RightType.LEGAL, 300), RightUse(RightType.SECTOR, 100)),
            provider_number="0477472701",
            certificate_date="2025-11-13Z",
            certificate_until="2027-11-13",
        ),
    )


@pytest.mark.parametrize("operation", ["TrainingRightUpdate", "TrainingUpdate"])
@pytest.mark.parametrize("key", [ByFlaId("1" * 24), ByReference("X/1")])
def test_updates_address_by_either_key(operation: str, key: ByFlaId | ByReference) -> None:
    text = RIGHT if "Right" in operation else TRAINING
    text = text.replace(operation.replace("Update", "In"), operation)
    old = f"<RegistrantReference>{'R' if 'Right' in operation else 'T'}/1</RegistrantReference>"
    new = (
        f"<FLAId>{key.fla_id}</FLAId>"
        if isinstance(key, ByFlaId)
        else f"<RegistrantReference>{key.reference}</RegistrantReference>"
    )
    read_back = read(element(text.replace(old, new))).operation
    assert isinstance(read_back, Update)
    assert read_back.key == key
    assert read_back.kind is (Kind.RIGHT if "Right" in operation else Kind.TRAINING)


def test_cancels_are_read() -> None:
    assert read(element(CANCEL)).operation == Cancel(
        ByFlaId("123456789012345678901234"), Kind.TRAINING
    )
    right = declarations.cancel("TrainingRightCancel", reference="R/1")
    assert read(element(right)).operation == Cancel(ByReference("R/1"), Kind.RIGHT)


def test_a_split_that_names_a_type_twice_means_the_sum() -> None:
    form = read(
        element(declarations.training("T/1", uses=(("SECTOR", 100), ("LEGAL", 1), ("SECTOR", 2))))
    )
    assert isinstance(form.operation, In)
    assert isinstance(form.operation.content, Training)
    assert form.operation.content.uses == (
        RightUse(RightType.LEGAL, 1),
        RightUse(RightType.SECTOR, 102),
    )


def test_comments_and_instructions_do_not_disturb() -> None:
    text = RIGHT.replace("85073003328", "85073<!-- a -->0033<?b c?>28")
    text = text.replace("<EmployerId>", "<!-- x --><EmployerId><!-- y -->")
    text = text.replace("</Form>", "<!-- last --><?z?></Form>")
    assert read(element(text)) == read(element(RIGHT))


def test_what_an_xsd_number_may_look_like_means_the_number() -> None:
    form = changed(
        RIGHT,
        says("AttestationStatus", " -0 "),
        says("EmployerId/CompanyID", "\n123456749 "),
        says("TrainingRightIn/TrainingRight/TrainingRightHours", "+" + "0" * 5000 + "38"),
        with_child("EmployerId", "<NOSSRegistrationNbr> 0199999934 </NOSSRegistrationNbr>"),
    )
    values = read(form)
    assert values.header.attestation_status == "0"
    assert values.company == "0123456749"
    assert values.nsso == "199999934"
    assert isinstance(values.operation, In)
    assert values.operation.content.hours == 38


@pytest.mark.parametrize(("text", "value"), [("-007", -7), ("+0", 0), ("000", 0), (" 12 ", 12)])
def test_integers(text: str, value: int) -> None:
    assert integer(text) == value


def test_references_are_echoed_as_given() -> None:
    block = (
        "<Reference><ReferenceType>01</ReferenceType><ReferenceOrigin>1</ReferenceOrigin>"
        "<ReferenceNbr> HR 1 </ReferenceNbr></Reference>"
    )
    form = changed(RIGHT, with_child(".", block, 5), with_child(".", block, 5))
    assert read(form).references == (Reference("1", "1", " HR 1 "),) * 2


def test_a_form_is_read_while_its_document_is_still_being_parsed() -> None:
    parser = etree.XMLPullParser(events=("end",), tag="Form")
    data = declarations.declaration(RIGHT, TRAINING)
    parser.feed(data[: data.index(b"</Form>") + 20])
    ((_, first),) = parser.read_events()
    assert isinstance(first, _Element)
    assert read(first) == read(element(RIGHT))
