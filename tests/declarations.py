"""Declarations for tests: FLA messages in the contract's shape, built as bytes.

One function per operation gives one ``Form`` as text; ``declaration`` puts forms together. A
form spans several lines, so that a line in an answer means something.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from xml.sax.saxutils import escape

EMPLOYER = "0123456749"
CLIENTS = ("0477472701", "1000000021", "0999999922")
PERSONS = (
    "85073003328",
    "17073003384",
    "98472899765",
    "01051212585",
    "90010100123",
    "00410100191",
)
"""Numbers that check and belong to nobody (domain, section 3.1)."""

SCHEMA = "FLADeclaration_20261.xsd"
INSTANCE = "http://www.w3.org/2001/XMLSchema-instance"


def declaration(*forms: str, schema: str = SCHEMA) -> bytes:
    """An FI of these forms, UTF-8, LF."""
    root = f'<FLADeclaration xmlns:xsi="{INSTANCE}" xsi:noNamespaceSchemaLocation="{schema}">'
    head = f'<?xml version="1.0" encoding="UTF-8"?>\n{root}\n'
    return (head + "".join(forms) + "</FLADeclaration>\n").encode()


def right(
    reference: str,
    *,
    kind: str = "LEGAL",
    year: int = 2025,
    hours: int = 3800,
    employer: str = EMPLOYER,
    inss: str = PERSONS[0],
    committee: str | None = None,
    agreement: str | None = None,
    number: int = 0,
) -> str:
    """A TrainingRightIn; ``hours`` in hundredths."""
    content = _right_content(kind, year, hours, committee, agreement)
    return form(_operation("TrainingRightIn", reference, content), employer, inss, number)


def right_update(
    reference: str,
    *,
    kind: str = "LEGAL",
    year: int = 2025,
    hours: int = 3800,
    employer: str = EMPLOYER,
    inss: str = PERSONS[0],
    number: int = 0,
) -> str:
    """A TrainingRightUpdate that addresses the right by its RegistrantReference."""
    content = _right_content(kind, year, hours, None, None)
    return form(_operation("TrainingRightUpdate", reference, content), employer, inss, number)


def training(
    reference: str,
    *,
    name: str = "EHBO - bijscholing",
    starts: date = date(2025, 11, 12),
    ends: date | None = None,
    status: str = "FOLLOWED",
    hours: int = 400,
    counts: bool = True,
    uses: Sequence[tuple[str, int]] = (("LEGAL", 400),),
    employer: str = EMPLOYER,
    inss: str = PERSONS[0],
    number: int = 0,
) -> str:
    """A TrainingIn; ``uses`` is what is charged to which right, in hundredths of an hour."""
    content = [
        "<Training>",
        f" <TrainingName>{escape(name)}</TrainingName>",
        " <TrainingNature>FORMAL</TrainingNature>",
        f" <TrainingStatus>{status}</TrainingStatus>",
        f" <StartingDate>{starts}</StartingDate>",
        f" <EndingDate>{ends or starts}</EndingDate>",
        f" <TrainingHours>{hours}</TrainingHours>",
        f" <CountsForCredit>{int(counts)}</CountsForCredit>",
        *(_use(kind, used) for kind, used in uses if counts),
        "</Training>",
    ]
    return form(_operation("TrainingIn", reference, content), employer, inss, number)


def cancel(
    operation: str,
    *,
    reference: str | None = None,
    fla_id: str | None = None,
    employer: str = EMPLOYER,
    inss: str = PERSONS[0],
    number: int = 0,
) -> str:
    """A TrainingRightCancel or TrainingCancel, by reference or by FLAId."""
    key = f"<RegistrantReference>{escape(reference)}</RegistrantReference>" if reference else ""
    key = f"<FLAId>{fla_id}</FLAId>" if fla_id else key
    return form([f"<{operation}>", f" {key}", f"</{operation}>"], employer, inss, number)


def form(operation: Iterable[str], employer: str, inss: str, number: int = 0) -> str:
    """A Form around ``operation``; ``number`` makes its creation hour its own within the file."""
    seconds, thousandths = divmod(number, 1000)
    minutes, seconds = divmod(seconds, 60)
    hour = f"{9 + minutes // 60:02d}:{minutes % 60:02d}:{seconds:02d}.{thousandths:03d}"
    lines = [
        "<Form>",
        " <Identification>FLA001</Identification>",
        " <FormCreationDate>2026-01-20</FormCreationDate>",
        f" <FormCreationHour>{hour}</FormCreationHour>",
        " <AttestationStatus>0</AttestationStatus>",
        " <TypeForm>SU</TypeForm>",
        f" <EmployerId><CompanyID>{employer}</CompanyID></EmployerId>",
        f" <NaturalPerson><INSS>{inss}</INSS></NaturalPerson>",
        *(f" {line}" for line in operation),
        "</Form>",
    ]
    return "".join(f"  {line}\n" for line in lines)


def rights(count: int, *, employer: str = EMPLOYER, prefix: str = "R") -> bytes:
    """An FI of ``count`` rights, each of its own person, all to be accepted."""
    return declaration(
        *(
            right(f"{prefix}/{n}", employer=employer, inss=person(n), number=n, hours=3800)
            for n in range(count)
        )
    )


def person(number: int) -> str:
    """The INSS of the ``number``-th invented person, 0 to some 17 million: born in 1900-1999."""
    day, sequence = divmod(number, 997)
    month_index, day_of_month = divmod(day, 28)
    year, month = divmod(month_index, 12)
    digits = f"{year:02d}{month + 1:02d}{day_of_month + 1:02d}{sequence + 1:03d}"
    return f"{digits}{97 - int(digits) % 97:02d}"


def _operation(name: str, reference: str, content: Iterable[str]) -> list[str]:
    return [
        f"<{name}>",
        f" <RegistrantReference>{escape(reference)}</RegistrantReference>",
        *(f" {line}" for line in content),
        f"</{name}>",
    ]


def _right_content(
    kind: str, year: int, hours: int, committee: str | None, agreement: str | None
) -> list[str]:
    lines = [
        "<TrainingRight>",
        f" <TrainingRightType>{kind}</TrainingRightType>",
        f" <CalendarYear>{year}</CalendarYear>",
        f" <TrainingRightHours>{hours}</TrainingRightHours>",
    ]
    if committee is not None:
        lines.append(f" <JointCommissionNbr>{committee}</JointCommissionNbr>")
    if agreement is not None:
        lines.append(f" <CollectiveAgreementNbr>{agreement}</CollectiveAgreementNbr>")
    return [*lines, "</TrainingRight>"]


def _use(kind: str, hours: int) -> str:
    return (
        f" <RightUse><TrainingRightType>{kind}</TrainingRightType>"
        f"<UsedHours>{hours}</UsedHours></RightUse>"
    )
