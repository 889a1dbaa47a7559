"""A form of an FLA declaration as values (contract, section 4), and its reader.

The reader takes only a form the schema has accepted; what remains to be judged (check digits,
dates against each other, the ledger) is the rules' concern. Hours are integer hundredths. Of what
a file has a million there are named tuples: they are made four times as fast as dataclasses.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import NamedTuple

from lxml.etree import _Element

from batch.ingest.services import FormHeader, Reference


class Kind(StrEnum):
    """What an object of the ledger is."""

    RIGHT = "RIGHT"
    TRAINING = "TRAINING"


class RightType(StrEnum):
    """Zone FLA03, in the order in which hours without a split are charged (domain 4.2)."""

    LEGAL = "LEGAL"
    SECTOR = "SECTOR"
    EMPLOYER = "EMPLOYER"


class Nature(StrEnum):
    """Zone FLA11."""

    FORMAL = "FORMAL"
    INFORMAL = "INFORMAL"


class TrainingStatus(StrEnum):
    """Zone FLA12."""

    PLANNED = "PLANNED"
    FOLLOWED = "FOLLOWED"
    NOT_FOLLOWED = "NOT_FOLLOWED"


class TrainingRight(NamedTuple):
    """Hours of one type of right for one calendar year."""

    type: RightType
    year: int
    hours: int
    joint_committee: str | None = None
    agreement: str | None = None

    @property
    def kind(self) -> Kind:
        return Kind.RIGHT


class RightUse(NamedTuple):
    """The part of a training charged to one type of right."""

    type: RightType
    hours: int


class Training(NamedTuple):
    """One training of one worker.

    ``uses`` has at most one entry per type, in the order of the types: a split that names a type
    twice means the sum. ``year``, of which the credit is used, is that of the starting date
    (contract, section 3). The certificate's dates stay text: the schema lets them carry a time
    zone and years no calendar has.
    """

    name: str
    nature: Nature
    status: TrainingStatus
    starting: date
    ending: date
    hours: int
    counts_for_credit: bool
    uses: tuple[RightUse, ...] = ()
    provider_number: str | None = None
    provider_name: str | None = None
    certificate_date: str | None = None
    certificate_until: str | None = None

    @property
    def kind(self) -> Kind:
        return Kind.TRAINING

    @property
    def year(self) -> int:
        return self.starting.year


Content = TrainingRight | Training


RIGHT_TYPES = {each.value: each for each in RightType}
NATURES = {each.value: each for each in Nature}
STATUSES = {each.value: each for each in TrainingStatus}
COUNTS = {"0": False, "1": True}
"""By the text that stands for it, canonical where it is a number."""


@dataclass(frozen=True, slots=True)
class ByFlaId:
    """An object addressed by the number the platform gave it (zone FLA02)."""

    fla_id: str


@dataclass(frozen=True, slots=True)
class ByReference:
    """An object addressed by the registrant's own reference (zone FLA01)."""

    reference: str


ObjectKey = ByFlaId | ByReference


class In(NamedTuple):
    """TrainingRightIn, TrainingIn: a new object."""

    reference: str
    content: Content

    @property
    def kind(self) -> Kind:
        return self.content.kind


class Update(NamedTuple):
    """TrainingRightUpdate, TrainingUpdate: the whole new content of an object."""

    key: ObjectKey
    content: Content

    @property
    def kind(self) -> Kind:
        return self.content.kind


class Cancel(NamedTuple):
    """TrainingRightCancel, TrainingCancel: an object withdrawn."""

    key: ObjectKey
    kind: Kind


Operation = In | Update | Cancel


class Form(NamedTuple):
    """One operation on one object of one worker, the numbers as declared: not yet checked.

    ``company`` has ten digits (nine on the wire mean a leading zero), ``nsso`` no leading zero.
    """

    header: FormHeader
    references: tuple[Reference, ...]
    nsso: str | None
    company: str
    inss: str
    user_reference: str | None
    operation: Operation


def text_of(element: _Element) -> str:
    """All text of a leaf, also around comments and processing instructions."""
    text = element.text or ""
    if len(element):
        text += "".join(child.tail or "" for child in element)
    return text


def collapsed(element: _Element) -> str:
    """The text of a leaf as XSD reads a date or a number: outer white space is none of it."""
    return text_of(element).strip()


def integer(text: str) -> int:
    """An ``xs:integer``: a sign and any number of leading zeros are part of its domain.

    Python refuses to read thousands of digits; the schema lets leading zeros be so many.
    """
    body = text.strip()
    digits = body.lstrip("+-").lstrip("0") or "0"
    return -int(digits) if body.startswith("-") else int(digits)


def read(form: _Element) -> Form:
    """The values of a ``Form`` the schema has accepted (any other may raise anything)."""
    blocks = children(form)
    employer = children(blocks["EmployerId"])
    person = children(blocks["NaturalPerson"])
    nsso = employer.get("NOSSRegistrationNbr")
    user = person.get("NaturalPersonUserReference")
    return Form(
        header=FormHeader(
            identification=text_of(blocks["Identification"]),
            creation_date=collapsed(blocks["FormCreationDate"]),
            creation_hour=collapsed(blocks["FormCreationHour"]),
            attestation_status=str(integer(text_of(blocks["AttestationStatus"]))),
            type_form=text_of(blocks["TypeForm"]),
        ),
        references=read_references(form) if "Reference" in blocks else (),
        nsso=None if nsso is None else str(integer(text_of(nsso))),
        company=collapsed(employer["CompanyID"]).zfill(10),
        inss=text_of(person["INSS"]),
        user_reference=None if user is None else text_of(user),
        operation=_operation(operation_element(form)),
    )


def read_references(form: _Element) -> tuple[Reference, ...]:
    """The Reference blocks of a form, in order; those must be valid."""
    return tuple(read_reference(block) for block in form.iterchildren("Reference"))


def read_reference(block: _Element) -> Reference:
    fields = children(block)
    return Reference(
        type=str(integer(text_of(fields["ReferenceType"]))),
        origin=str(integer(text_of(fields["ReferenceOrigin"]))),
        number=text_of(fields["ReferenceNbr"]),
    )


def children(element: _Element) -> dict[str, _Element]:
    """The children by name; of a name that repeats, the last. Comments do no harm."""
    return {child.tag: child for child in element}


def operation_element(form: _Element) -> _Element:
    """The operation of a valid form: its last element."""
    return next(form.iterchildren("*", reversed=True))


def _operation(element: _Element) -> Operation:
    fields = children(element)
    kind = Kind.RIGHT if element.tag.startswith("TrainingRight") else Kind.TRAINING
    if element.tag.endswith("Cancel"):
        return Cancel(_key(fields), kind)
    content: Content
    if kind is Kind.RIGHT:
        content = _right(children(fields["TrainingRight"]))
    else:
        content = _training(fields["Training"])
    if element.tag.endswith("In"):
        return In(text_of(fields["RegistrantReference"]), content)
    return Update(_key(fields), content)


def _key(fields: dict[str, _Element]) -> ObjectKey:
    if "FLAId" in fields:
        return ByFlaId(text_of(fields["FLAId"]))
    return ByReference(text_of(fields["RegistrantReference"]))


def _right(fields: dict[str, _Element]) -> TrainingRight:
    committee = fields.get("JointCommissionNbr")
    agreement = fields.get("CollectiveAgreementNbr")
    return TrainingRight(
        type=RIGHT_TYPES[text_of(fields["TrainingRightType"])],
        year=integer(text_of(fields["CalendarYear"])),
        hours=integer(text_of(fields["TrainingRightHours"])),
        joint_committee=None if committee is None else text_of(committee),
        agreement=None if agreement is None else text_of(agreement),
    )


def _training(element: _Element) -> Training:
    fields = children(element)
    provider = children(fields["TrainingProvider"]) if "TrainingProvider" in fields else {}
    certificate = children(fields["Certificate"]) if "Certificate" in fields else {}
    number = provider.get("ProviderCompanyID")
    return Training(
        name=text_of(fields["TrainingName"]),
        nature=NATURES[text_of(fields["TrainingNature"])],
        status=STATUSES[text_of(fields["TrainingStatus"])],
        starting=date.fromisoformat(collapsed(fields["StartingDate"])),
        ending=date.fromisoformat(collapsed(fields["EndingDate"])),
        hours=integer(text_of(fields["TrainingHours"])),
        counts_for_credit=integer(text_of(fields["CountsForCredit"])) == 1,
        uses=_uses(element) if "RightUse" in fields else (),
        provider_number=None if number is None else collapsed(number).zfill(10),
        provider_name=_optional(provider.get("ProviderName")),
        certificate_date=_optional_date(certificate.get("CertificateDate")),
        certificate_until=_optional_date(certificate.get("ValidityEndDate")),
    )


def _optional(element: _Element | None) -> str | None:
    return None if element is None else text_of(element)


def _optional_date(element: _Element | None) -> str | None:
    return None if element is None else collapsed(element)


def _uses(training: _Element) -> tuple[RightUse, ...]:
    blocks = (children(block) for block in training.iterchildren("RightUse"))
    return summed(
        (RIGHT_TYPES[text_of(fields["TrainingRightType"])], integer(text_of(fields["UsedHours"])))
        for fields in blocks
    )


def summed(uses: Iterable[tuple[RightType, int]]) -> tuple[RightUse, ...]:
    """The uses in the order of the types, each type once."""
    hours: dict[RightType, int] = {}
    for right, used in uses:
        hours[right] = hours.get(right, 0) + used
    return tuple([RightUse(right, hours[right]) for right in _ORDER if right in hours])


_ORDER = tuple(RightType)
