"""What can be echoed of a form the schema has refused: its parts that are right by themselves.

The NOTI must validate against the official schema whatever was sent, so a header zone, a
reference or a number that is not right is left out.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice

from lxml.etree import _Element

from batch.fla.forms import collapsed, integer, read_reference, text_of
from batch.fla.schema import FormSchema
from batch.ingest.services import FormHeader, FormVerdict

_MAX_REFERENCES = 4
_FIRST = 20
"""Blocks of a form looked at; a right one has at most twelve."""


def echo(form: _Element, schema: FormSchema) -> FormVerdict:
    """A verdict without anomalies yet: header, references, employer and worker where right."""
    blocks = _first_of_each(form)
    employer = _first_of_each(blocks.get("EmployerId"))
    person = _first_of_each(blocks.get("NaturalPerson"))

    def valid(
        fields: dict[str, _Element], name: str, read: Callable[[_Element], str]
    ) -> str | None:
        element = fields.get(name)
        return read(element) if element is not None and schema.is_valid(element) else None

    references = [
        read_reference(block)
        for block in islice(form.iterchildren("Reference"), _MAX_REFERENCES)
        if schema.is_valid(block)
    ]
    return FormVerdict(
        header=FormHeader(
            identification=valid(blocks, "Identification", text_of),
            creation_date=valid(blocks, "FormCreationDate", collapsed),
            creation_hour=valid(blocks, "FormCreationHour", collapsed),
            attestation_status=valid(blocks, "AttestationStatus", _number),
            type_form=valid(blocks, "TypeForm", text_of),
        ),
        references=tuple(references),
        employer=_ten_digits(valid(employer, "CompanyID", collapsed)),
        inss=valid(person, "INSS", text_of),
        user_reference=valid(person, "NaturalPersonUserReference", text_of),
    )


def _first_of_each(block: _Element | None) -> dict[str, _Element]:
    found: dict[str, _Element] = {}
    for child in islice(block if block is not None else (), _FIRST):
        found.setdefault(child.tag, child)
    return found


def _number(element: _Element) -> str:
    return str(integer(text_of(element)))


def _ten_digits(text: str | None) -> str | None:
    return None if text is None else text.zfill(10)
