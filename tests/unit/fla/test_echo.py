"""Of a refused form, what is right by itself is echoed, and nothing else."""

from __future__ import annotations

from lxml import etree

from batch.fla.echo import echo
from batch.fla.schema import form_schema
from batch.ingest.services import FormHeader, Reference
from tests import declarations
from tests.unit.fla.mutants import RIGHT, changed, says, twice, with_child, without

REFERENCE = (
    "<Reference><ReferenceType>1</ReferenceType><ReferenceOrigin>1</ReferenceOrigin>"
    "<ReferenceNbr>{}</ReferenceNbr></Reference>"
)


def test_all_of_a_right_form_is_echoed() -> None:
    verdict = echo(changed(RIGHT, with_child(".", REFERENCE.format("HR 1"), 5)), form_schema())
    assert verdict.header == FormHeader("FLA001", "2026-01-20", "09:00:00.000", "0", "SU")
    assert verdict.references == (Reference("1", "1", "HR 1"),)
    assert str(verdict.employer) == declarations.EMPLOYER
    assert str(verdict.inss) == declarations.PERSONS[0]


def test_what_is_wrong_is_left_out_and_the_rest_stays() -> None:
    form = changed(
        RIGHT,
        says("Identification", "TOOLONG00"),
        says("FormCreationDate", "yesterday"),
        says("TypeForm", "XX"),
        says("NaturalPerson/INSS", "01014900147"),
        with_child(".", REFERENCE.format("x" * 21), 5),
        with_child(".", REFERENCE.format("HR 2"), 5),
    )
    verdict = echo(form, form_schema())
    assert verdict.header == FormHeader(None, None, "09:00:00.000", "0", None)
    assert verdict.references == (Reference("1", "1", "HR 2"),)
    assert verdict.inss == "01014900147"  # its shape is right, its check digits are not
    assert str(verdict.employer) == declarations.EMPLOYER


def test_at_most_four_references_are_echoed() -> None:
    form = changed(RIGHT, with_child(".", REFERENCE.format("HR"), 5), twice("Reference", 6))
    assert len(echo(form, form_schema()).references) == 4


def test_a_form_without_anything_is_echoed_empty() -> None:
    verdict = echo(changed(RIGHT, without("EmployerId"), without("NaturalPerson")), form_schema())
    assert (verdict.employer, verdict.inss) == (None, None)
    assert echo(etree.Element("Form"), form_schema()).header == FormHeader()
