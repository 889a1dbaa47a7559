"""A set that was given up: refused whole or form by form, validly, and nothing of it is echoed."""

from __future__ import annotations

import pytest
from lxml import etree
from lxml.etree import _Element

from batch import schemata
from batch.ingest import answer
from batch.ingest.content import Tally
from batch.ingest.technical import refuse_forms, refuse_set
from batch.names import Environment
from batch.states import Part, Verified
from tests.unit.ingest.sets import AT, STEM, names_of, sealed

TICKET = "0000000000ABC"


def valid(message: str, data: bytes) -> _Element:
    root = etree.fromstring(data)
    schema = schemata.compiled(message)
    assert schema.validate(root), schema.error_log
    return root


def texts(root: _Element, path: str) -> list[str | None]:
    return [found.text for found in root.iterfind(path)]


@pytest.mark.parametrize(
    "names", [names_of(), names_of(parts=3), ["FI." + STEM], ["no name at all"]]
)
def test_before_its_reception_it_gets_one_negative_receipt(names: list[str]) -> None:
    receipt = answer.acrf(refuse_set(sealed(names)), TICKET, AT)
    root = valid(schemata.ACRF, receipt)
    assert texts(root, "Form/ReceptionResult/ResultCode") == ["0"]
    assert texts(root, "Form/ReceptionResult/ErrorID") == ["ACRF-430"]


def test_after_it_each_form_is_refused_in_its_part_with_its_own_ticket_and_no_echo() -> None:
    given = sealed(names_of(parts=3))
    parts = tuple(Part(n, file, (2, 1, 3)[n - 1]) for n, file in enumerate(given.parts(), 1))
    verified = Verified(given, Environment.PRODUCTION, "FLA", parts, None)
    tally = Tally(4)
    handled = refuse_forms(verified, lambda place: f"T{place:012d}", tally)
    root = valid(schemata.NOTIFICATION, b"".join(answer.noti(given, TICKET, handled, AT)))

    expected = [part.file.name for part in parts for _ in range(part.forms)]
    assert texts(root, "Form/FileReference/FileName") == expected
    tickets = [f"T{place:012d}" for place in range(1, 7)]
    assert texts(root, "Form/HandledReference/ReferenceNbr") == tickets
    assert texts(root, "Form/HandlingResult/ResultCode") == ["0"] * 6
    assert texts(root, "Form/HandlingResult/AnomalyReport/ErrorID") == ["90059-430"] * 6
    assert texts(root, "Form/HandlingResult/AnomalyReport/AnomalyClass") == ["B"] * 6
    held = {child.tag for form in root.iterfind("Form") for child in form}
    assert not held & {"HandledOriginalForm", "EmployerId", "NaturalPerson", "ApplicationData"}

    assert (tally.accepted, tally.refused, tally.accepted_by_part) == (0, 6, {})
    assert [place for place, _ in tally.findings] == [1, 2, 3, 4]
