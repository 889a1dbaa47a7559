"""The business rules beyond the schema (domain, section 8), one function each.

A rule looks at values and gives findings; it neither raises nor decides what becomes of the
form. The rules on one form alone stand first, those on the ledger after them; what a rule is
about is in its docstring, with zone, code and class (B blocking, W warning).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from typing import NamedTuple

from batch.anomalies import Anomaly, Severity
from batch.fla.committees import NONE, Committees
from batch.fla.forms import (
    ByFlaId,
    Cancel,
    Form,
    Kind,
    ObjectKey,
    RightType,
    Training,
    TrainingRight,
    TrainingStatus,
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


class Parties(NamedTuple):
    """Employer and worker with right numbers; None where the check digits are wrong."""

    employer: EnterpriseNumber | None
    inss: Inss | None


_EMPLOYER = "EmployerId/CompanyID"
_TRAINING = "*/Training"
_RIGHT = "*/TrainingRight"


# --- on the form alone ---------------------------------------------------------------------


def parties(form: Form) -> tuple[Parties, tuple[Finding, ...]]:
    """00014-004 B, 00024-004 B, 00011-004 B: check digits of employer, worker, NSSO number."""
    _, _, nsso, company, person, _, _ = form
    employer, inss = enterprise(company), worker(person)
    right = nsso is None or _is_nsso(nsso)
    if employer is not None and inss is not None and right:
        return Parties(employer, inss), ()
    found: list[Finding] = []
    if employer is None:
        found.append(_check_digits("00014", "CompanyID", form.company, _EMPLOYER))
    if inss is None:
        found.append(_check_digits("00024", "INSS", form.inss, "NaturalPerson/INSS"))
    if not right:
        path = "EmployerId/NOSSRegistrationNbr"
        found.append(_check_digits("00011", "NOSSRegistrationNbr", form.nsso or "", path))
    return Parties(employer, inss), tuple(found)


@lru_cache(maxsize=10_000)
def enterprise(text: str) -> EnterpriseNumber | None:
    """The number, None when it does not check; few employers stand in many forms."""
    try:
        return EnterpriseNumber.parse(text)
    except InvalidIdentifier:
        return None


@lru_cache(maxsize=10_000)
def worker(text: str) -> Inss | None:
    """The number, None when it does not check; the forms of a worker stand near one another."""
    try:
        return Inss.parse(text)
    except InvalidIdentifier:
        return None


@lru_cache(maxsize=10_000)
def _is_nsso(text: str) -> bool:
    try:
        NssoNumber.parse(text)
    except InvalidIdentifier:
        return False
    return True


def _check_digits(zone: str, tag: str, value: str, path: str) -> Finding:
    return Finding(zone, "004", tag, value, path, "The number's check digits are wrong.")


_STANDING = {
    Standing.EMPLOYER_UNKNOWN: "The employer is not in the register.",
    Standing.MANDATE_NOT_NOW: "The sender's mandate from this employer does not hold now.",
    Standing.NEVER_MANDATED: "The sender has no mandate from this employer.",
}


def standing(held: Standing, company: str) -> tuple[Finding, ...]:
    """00014-101, 00014-155, 00014-230 B: the sender may not speak for the employer."""
    if held is Standing.MAY_SPEAK:
        return ()
    return (Finding("00014", held.value, "CompanyID", company, _EMPLOYER, _STANDING[held]),)


def own_content(form: Form, today: date, committees: Committees) -> list[Finding]:
    """All rules on what one In or Update declares; ``today`` is the Brussels day of sealing."""
    operation = form.operation
    if isinstance(operation, Cancel):
        return []
    content = operation.content
    found: list[Finding | None]
    if isinstance(content, TrainingRight):
        found = [_sector_has_committee(content), _committee_is_known(content, committees)]
    else:
        found = [rule(content, today) for rule in _TRAINING_RULES]
    return [each for each in found if each is not None] if any(found) else []


_NO_COMMITTEE = (None, NONE)


def _sector_has_committee(right: TrainingRight) -> Finding | None:
    """00046-001 B: a sector right without joint committee (999 names none)."""
    if right.type is RightType.SECTOR and right.joint_committee in _NO_COMMITTEE:
        text = "A sector right names the joint committee it comes from."
        return Finding("00046", "001", "JointCommissionNbr", right.joint_committee, _RIGHT, text)
    return None


def _committee_is_known(right: TrainingRight, committees: Committees) -> Finding | None:
    """00046-008 B: a joint committee that did not exist in the right's year."""
    code = right.joint_committee
    if code not in _NO_COMMITTEE and not committees.existed(code or "", right.year):
        text = f"No joint committee had this number in {right.year}."
        path = f"{_RIGHT}/JointCommissionNbr"
        return Finding("00046", "008", "JointCommissionNbr", code, path, text)
    return None


def _ends_after_start(training: Training, _today: date) -> Finding | None:
    """00911-014 B: end before start."""
    if training.ending < training.starting:
        value = training.ending.isoformat()
        text = f"It ends before it starts, on {training.starting.isoformat()}."
        return Finding("00911", "014", "EndingDate", value, f"{_TRAINING}/EndingDate", text)
    return None


def _followed_has_ended(training: Training, today: date) -> Finding | None:
    """FLA12-264 B: followed, with an end in the future."""
    if training.status is TrainingStatus.FOLLOWED and training.ending > today:
        value = training.status.value
        text = f"It ends on {training.ending.isoformat()}; so it cannot have been followed yet."
        return Finding("FLA12", "264", "TrainingStatus", value, f"{_TRAINING}/TrainingStatus", text)
    return None


def _uses_fit(training: Training, _today: date) -> Finding | None:
    """FLA15-260 B: the hours charged exceed the training's hours."""
    used = 0
    for use in training.uses:
        used += use.hours
    if used > training.hours:
        text = f"Charged in all: {used}; the training has {training.hours}."
        path = f"{_TRAINING}/RightUse/UsedHours"
        return Finding("FLA15", "260", "UsedHours", str(used), path, text)
    return None


def _uses_only_when_counting(training: Training, _today: date) -> Finding | None:
    """FLB11-146 B: hours charged to a right by a training that does not count for the credit."""
    if training.uses and not training.counts_for_credit:
        text = "The training does not count for the credit, so no right can be charged."
        return Finding("FLB11", "146", "RightUse", None, f"{_TRAINING}/RightUse", text)
    return None


_TRAINING_RULES: tuple[Callable[[Training, date], Finding | None], ...] = (
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


@lru_cache(maxsize=1_000)
def deadline(ending: date) -> date | None:
    """The last day to register a training: of the month after the quarter it ended in.

    None at the end of the calendar, where there is no such day.
    """
    year, month = ending.year, (ending.month + 2) // 3 * 3 + 2
    if month > 12:
        year, month = year + 1, month - 12
    return None if year > date.max.year else date(year, month, 1) - timedelta(days=1)


def late(content: TrainingRight | Training, today: date) -> tuple[Finding, ...]:
    """FLB04-460 W: a followed training registered after the deadline of its quarter."""
    if isinstance(content, TrainingRight) or content.status is not TrainingStatus.FOLLOWED:
        return ()
    last = deadline(content.ending)
    if last is None or today <= last:
        return ()
    text = f"The last day to register it was {last.isoformat()}."
    return (Finding("FLB04", "460", "TrainingIn", None, BLOCK, text, Severity.WARNING),)
