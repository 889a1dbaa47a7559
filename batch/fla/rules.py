"""The business rules beyond the schema (domain, section 8), one function each.

A rule looks at values and yields findings; it neither raises nor decides what becomes of the
form. The rules on one form alone stand first, those on the ledger after them; what a rule is
about is in its docstring, with zone, code and class (B blocking, W warning).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache

from batch.anomalies import Anomaly, Severity
from batch.fla.committees import NONE, Committees
from batch.fla.forms import (
    ByFlaId,
    Form,
    In,
    Kind,
    ObjectKey,
    RightType,
    Training,
    TrainingRight,
    TrainingStatus,
    Update,
)
from batch.fla.position import Spot
from batch.identifiers import EnterpriseNumber, Inss, InvalidIdentifier, NssoNumber
from batch.registers import Standing


@dataclass(frozen=True, slots=True)
class Finding:
    """What a rule found: code, what to call it, and ``path`` to the element inside the form."""

    zone: str
    code: str
    tag: str
    value: str | None
    path: str
    explanation: str
    severity: Severity = Severity.BLOCKING

    @property
    def blocks(self) -> bool:
        return self.severity is Severity.BLOCKING

    def anomaly(self, part: str, where: Spot) -> Anomaly:
        return Anomaly(
            zone=self.zone,
            code=self.code,
            severity=self.severity,
            tag=self.tag,
            value=self.value,
            line=where.line,
            location=where.location,
            part=part,
            explanation=self.explanation,
        )


@dataclass(frozen=True, slots=True)
class Parties:
    """Employer and worker with right numbers; None where the check digits are wrong."""

    employer: EnterpriseNumber | None
    inss: Inss | None


_EMPLOYER = "EmployerId/CompanyID"
_TRAINING = "*/Training"
_RIGHT = "*/TrainingRight"


# --- on the form alone ---------------------------------------------------------------------


def parties(form: Form) -> tuple[Parties, tuple[Finding, ...]]:
    """00014-004 B, 00024-004 B, 00011-004 B: check digits of employer, worker, NSSO number."""
    found: list[Finding] = []
    inss = None
    employer = enterprise(form.company)
    if employer is None:
        found.append(_check_digits("00014", "CompanyID", form.company, _EMPLOYER))
    try:
        inss = Inss.parse(form.inss)
    except InvalidIdentifier:
        found.append(_check_digits("00024", "INSS", form.inss, "NaturalPerson/INSS"))
    if form.nsso is not None:
        try:
            NssoNumber.parse(form.nsso)
        except InvalidIdentifier:
            path = "EmployerId/NOSSRegistrationNbr"
            found.append(_check_digits("00011", "NOSSRegistrationNbr", form.nsso, path))
    return Parties(employer, inss), tuple(found)


@lru_cache(maxsize=10_000)
def enterprise(text: str) -> EnterpriseNumber | None:
    """The number, None when it does not check; few employers stand in many forms."""
    try:
        return EnterpriseNumber.parse(text)
    except InvalidIdentifier:
        return None


def _check_digits(zone: str, tag: str, value: str, path: str) -> Finding:
    return Finding(zone, "004", tag, value, path, "The number's check digits are wrong.")


_STANDING = {
    Standing.EMPLOYER_UNKNOWN: "The employer is not in the register.",
    Standing.MANDATE_NOT_NOW: "The sender's mandate from this employer does not hold now.",
    Standing.NEVER_MANDATED: "The sender has no mandate from this employer.",
}


def standing(held: Standing, company: str) -> Iterator[Finding]:
    """00014-101, 00014-155, 00014-230 B: the sender may not speak for the employer."""
    if held is not Standing.MAY_SPEAK:
        yield Finding("00014", held.value, "CompanyID", company, _EMPLOYER, _STANDING[held])


def own_content(form: Form, today: date, committees: Committees) -> Iterator[Finding]:
    """All rules on what one In or Update declares; ``today`` is the Brussels day of sealing."""
    if not isinstance(form.operation, In | Update):
        return
    content = form.operation.content
    if isinstance(content, TrainingRight):
        yield from _sector_has_committee(content)
        yield from _committee_is_known(content, committees)
    else:
        for rule in _TRAINING_RULES:
            yield from rule(content, today)


def _sector_has_committee(right: TrainingRight) -> Iterator[Finding]:
    """00046-001 B: a sector right without joint committee (999 names none)."""
    if right.type is RightType.SECTOR and right.joint_committee in (None, NONE):
        text = "A sector right names the joint committee it comes from."
        yield Finding("00046", "001", "JointCommissionNbr", right.joint_committee, _RIGHT, text)


def _committee_is_known(right: TrainingRight, committees: Committees) -> Iterator[Finding]:
    """00046-008 B: a joint committee that did not exist in the right's year."""
    code = right.joint_committee
    if code not in (None, NONE) and not committees.existed(code or "", right.year):
        text = f"No joint committee had this number in {right.year}."
        path = f"{_RIGHT}/JointCommissionNbr"
        yield Finding("00046", "008", "JointCommissionNbr", code, path, text)


def _ends_after_start(training: Training, _today: date) -> Iterator[Finding]:
    """00911-014 B: end before start."""
    if training.ending < training.starting:
        value = training.ending.isoformat()
        text = f"It ends before it starts, on {training.starting.isoformat()}."
        yield Finding("00911", "014", "EndingDate", value, f"{_TRAINING}/EndingDate", text)


def _followed_has_ended(training: Training, today: date) -> Iterator[Finding]:
    """FLA12-264 B: followed, with an end in the future."""
    if training.status is TrainingStatus.FOLLOWED and training.ending > today:
        value = training.status.value
        text = f"It ends on {training.ending.isoformat()}; so it cannot have been followed yet."
        yield Finding("FLA12", "264", "TrainingStatus", value, f"{_TRAINING}/TrainingStatus", text)


def _uses_fit(training: Training, _today: date) -> Iterator[Finding]:
    """FLA15-260 B: the hours charged exceed the training's hours."""
    used = sum(use.hours for use in training.uses)
    if used > training.hours:
        text = f"Charged in all: {used}; the training has {training.hours}."
        path = f"{_TRAINING}/RightUse/UsedHours"
        yield Finding("FLA15", "260", "UsedHours", str(used), path, text)


def _uses_only_when_counting(training: Training, _today: date) -> Iterator[Finding]:
    """FLB11-146 B: hours charged to a right by a training that does not count for the credit."""
    if training.uses and not training.counts_for_credit:
        text = "The training does not count for the credit, so no right can be charged."
        yield Finding("FLB11", "146", "RightUse", None, f"{_TRAINING}/RightUse", text)


_TRAINING_RULES: tuple[Callable[[Training, date], Iterator[Finding]], ...] = (
    _ends_after_start,
    _followed_has_ended,
    _uses_fit,
    _uses_only_when_counting,
)


# --- on the ledger -------------------------------------------------------------------------

BLOCK = "*"
KEY = "*/*"
HOURS = "hours"
"""Paths of the findings on the ledger: the operation, what addresses the object, hours charged."""


def reference_taken(reference: str) -> Finding:
    """FLA01-006 B: the reference is already that of another content (or of a cancelled object)."""
    text = "This reference already stands for something else, or for something cancelled."
    return Finding("FLA01", "006", "RegistrantReference", reference, KEY, text)


def unknown_object(key: ObjectKey) -> Finding:
    """FLA02-234 B: no such object of this kind, employer and worker."""
    text = "This employer has no such object for this worker."
    if isinstance(key, ByFlaId):
        return Finding("FLA02", "234", "FLAId", key.fla_id, KEY, text)
    return Finding("FLA02", "234", "RegistrantReference", key.reference, KEY, text)


def already_cancelled(key: ObjectKey) -> Finding:
    """FLA02-241 B: the object was cancelled before."""
    text = "It was cancelled before."
    if isinstance(key, ByFlaId):
        return Finding("FLA02", "241", "FLAId", key.fla_id, KEY, text)
    return Finding("FLA02", "241", "RegistrantReference", key.reference, KEY, text)


def right_stands(zone: str, tag: str) -> Finding:
    """FLB01-272 B, FLB02-272 B: a right for this type, year and agreement already stands."""
    text = "A right of this type, year and agreement already stands; update that one."
    return Finding(zone, "272", tag, None, BLOCK, text)


def training_stands() -> Finding:
    """FLB04-272 W: a training of this name and these dates already stands, from another source.

    Looked for in the same employer's account only: what another employer declared is not for this
    one to know.
    """
    text = "A training of this name and these dates already stands under another reference."
    return Finding("FLB04", "272", "TrainingIn", None, BLOCK, text, Severity.WARNING)


def no_change(kind: Kind) -> Finding:
    """FLB05-444 W: the update says what already stands; no new version."""
    right = kind is Kind.RIGHT
    tag = "TrainingRightUpdate" if right else "TrainingUpdate"
    text = "This is what already stands; nothing was changed."
    return Finding("FLB05", "444", tag, None, BLOCK, text, Severity.WARNING)


def beyond_credit(training: Training) -> Finding:
    """FLA15-047 W: the training uses more hours than the credit of its year still had."""
    text = f"More than the credit left for {training.year}; what is left is shown as 0."
    hours = training.uses[0].hours if training.uses else training.hours
    tag = "UsedHours" if training.uses else "TrainingHours"
    return Finding("FLA15", "047", tag, str(hours), HOURS, text, Severity.WARNING)


def deadline(ending: date) -> date | None:
    """The last day to register a training: of the month after the quarter it ended in.

    None at the end of the calendar, where there is no such day.
    """
    year, month = ending.year, (ending.month + 2) // 3 * 3 + 2
    if month > 12:
        year, month = year + 1, month - 12
    return None if year > date.max.year else date(year, month, 1) - timedelta(days=1)


def late(content: TrainingRight | Training, today: date) -> Iterator[Finding]:
    """FLB04-460 W: a followed training registered after the deadline of its quarter."""
    if isinstance(content, TrainingRight) or content.status is not TrainingStatus.FOLLOWED:
        return
    last = deadline(content.ending)
    if last is not None and today > last:
        text = f"The last day to register it was {last.isoformat()}."
        yield Finding("FLB04", "460", "TrainingIn", None, BLOCK, text, Severity.WARNING)
