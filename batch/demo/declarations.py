"""The sample declarations: FLA messages in the contract's shape (contract, section 4)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from xml.sax.saxutils import escape

_ROOT = (
    '<FLADeclaration xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" '
    'xsi:noNamespaceSchemaLocation="FLADeclaration_20261.xsd">'
)


def document(forms: tuple[str, ...], made: date) -> bytes:
    """An FI of these forms, made on the day ``made``; each form's creation hour is its own."""
    headed = (_form(text, made, number) for number, text in enumerate(forms))
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', _ROOT, *headed, "</FLADeclaration>"]
    return ("\n".join(lines) + "\n").encode()


def right(employer: str, inss: str, reference: str, year: int, kind: str, hours: int) -> str:
    """The declaration of a right; ``hours`` in hundredths. A sector right names committee 200."""
    committee = [_leaf("JointCommissionNbr", "200")] if kind == "SECTOR" else []
    content = [
        _leaf("TrainingRightType", kind),
        _leaf("CalendarYear", str(year)),
        _leaf("TrainingRightHours", str(hours)),
        *committee,
    ]
    operation = ["<TrainingRight>", *_inner(content), "</TrainingRight>"]
    return _of(employer, inss, "TrainingRightIn", reference, operation)


def training(employer: str, inss: str, reference: str, day: date, uses: Mapping[str, int]) -> str:
    """A training followed on ``day`` that takes ``uses`` (hundredths per right type)."""
    content = [
        _leaf("TrainingName", "First aid at work"),
        _leaf("TrainingNature", "FORMAL"),
        _leaf("TrainingStatus", "FOLLOWED"),
        _leaf("StartingDate", day.isoformat()),
        _leaf("EndingDate", day.isoformat()),
        _leaf("TrainingHours", str(sum(uses.values()))),
        _leaf("CountsForCredit", "1"),
        *(_use(kind, used) for kind, used in uses.items()),
    ]
    operation = ["<Training>", *_inner(content), "</Training>"]
    return _of(employer, inss, "TrainingIn", reference, operation)


def _use(kind: str, hours: int) -> str:
    charged = _leaf("TrainingRightType", kind) + _leaf("UsedHours", str(hours))
    return f"<RightUse>{charged}</RightUse>"


def _form(text: str, made: date, number: int) -> str:
    head = [
        _leaf("Identification", "FLA001"),
        _leaf("FormCreationDate", made.isoformat()),
        _leaf("FormCreationHour", f"09:00:00.{number:03d}"),
        _leaf("AttestationStatus", "0"),
        _leaf("TypeForm", "SU"),
    ]
    return "\n".join(_inner(["<Form>", *_inner([*head, *text.splitlines()]), "</Form>"]))


def _of(employer: str, inss: str, block: str, reference: str, operation: list[str]) -> str:
    """What a form says after its head: of whom, about whom, and what is done."""
    lines = [
        f"<EmployerId>{_leaf('CompanyID', employer)}</EmployerId>",
        f"<NaturalPerson>{_leaf('INSS', inss)}</NaturalPerson>",
        f"<{block}>",
        *_inner([_leaf("RegistrantReference", reference), *operation]),
        f"</{block}>",
    ]
    return "\n".join(lines)


def _inner(lines: list[str]) -> list[str]:
    return [f"  {line}" for line in lines]


def _leaf(tag: str, text: str) -> str:
    return f"<{tag}>{escape(text)}</{tag}>"
