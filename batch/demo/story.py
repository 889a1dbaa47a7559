"""The play: who takes part, what each of them sends, and what must come of it. Pure.

Every number checks and belongs to nobody; every date follows from the day of the play, so that
nothing in it is ever too late, too old or still to come.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

from batch.demo import declarations
from batch.demo.declarations import right, training
from batch.errors import Fault
from batch.identifiers import EnterpriseNumber, Inss, NssoNumber
from batch.names import Folder
from batch.registers import Quality


class PlayFailed(Fault):
    """The demonstration could not be played on: a program failed, or an answer did not come."""


@dataclass(frozen=True, slots=True)
class Party:
    """Who sends; ``user`` is the login name and the name of its directory."""

    user: str
    number: EnterpriseNumber
    name: str
    quality: Quality
    nsso: NssoNumber | None = None
    on_curve: bool = False


EMPLOYER = Party(
    "employer",
    EnterpriseNumber.parse("0123456749"),
    "Employer of the demonstration",
    Quality.NSSO_EMPLOYER,
    nsso=NssoNumber.parse("199999934"),
)
MANDATARY = Party(
    "mandatary",
    EnterpriseNumber.parse("0477472701"),
    "Mandatary of the demonstration",
    Quality.SERVICE_PROVIDER,
    on_curve=True,
)
TESTER = Party(
    "tester",
    EnterpriseNumber.parse("1000000021"),
    "Software house of the demonstration",
    Quality.SERVICE_PROVIDER,
)
PARTIES = (EMPLOYER, MANDATARY, TESTER)

CLIENT = EnterpriseNumber.parse("0999999922")
"""Gave the mandatary a mandate."""
STRANGER = EnterpriseNumber.parse("0999999823")
"""Is in the register and gave none."""
OTHERS = {CLIENT: "Client with a mandate", STRANGER: "Client without a mandate"}

WORKER = Inss.parse("85073003328")
"""Of the employer: the one whose account is shown at the end."""
UNTOUCHED = Inss.parse("17073003384")
"""Of the employer: only the set that was changed after signing speaks of this one."""
COLLEAGUE = Inss.parse("90010100123")
OF_CLIENT = Inss.parse("01051212585")
OF_STRANGER = Inss.parse("00410100191")

WRONG_INSS = "85073003329"
"""The worker's number with a slip of the finger."""

HOURS_LEFT = {"LEGAL": 3040, "SECTOR": 1120, "EMPLOYER": 0}
"""The worker's after the first set: 38.00 - 7.60, 15.20 - 4.00, and no such right."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a form is refused: the ErrorID, and the text that stands on its line and nowhere else."""

    error_id: str
    on: str


@dataclass(frozen=True, slots=True)
class Form:
    """A form as sent, and what becomes of it: accepted, or refused for one reason."""

    text: str
    refused: Refusal | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """One set and its end. ``codes`` are those of a negative ACRF; ``left`` are the hours that
    the last accepted form shows, in hundredths; ``changed`` replaces one text by another once
    the set is signed."""

    title: str
    party: Party
    sequence: str
    made: date
    forms: tuple[Form, ...]
    folder: Folder = Folder.IN
    changed: tuple[str, str] | None = None
    codes: tuple[str, ...] = ()
    left: Mapping[str, int] = field(default_factory=dict)

    @property
    def signed(self) -> bool:
        """Only in the test folder a set may come without FS (contract, section 2)."""
        return not self.folder.is_test

    @property
    def content(self) -> bytes:
        """The FI as it is signed."""
        return declarations.document(tuple(form.text for form in self.forms), self.made)

    @property
    def sent(self) -> bytes:
        """The FI as it is sent."""
        if self.changed is None:
            return self.content
        before, after = (text.encode() for text in self.changed)
        return self.content.replace(before, after, 1)


def steps(day: date) -> tuple[Step, ...]:
    """The play on ``day``, in Brussels."""
    return (
        _good(day),
        _for_two_clients(day),
        _changed(day),
        _without_signature(day),
        _one_bad_form(day),
    )


def _good(day: date) -> Step:
    who, worker, year = EMPLOYER.number.digits, WORKER.digits, day.year
    return Step(
        "The employer declares two rights and a training that uses hours of both.",
        EMPLOYER,
        "00001",
        day,
        (
            Form(right(who, worker, f"R/{year}/LEGAL", year, "LEGAL", 3800)),
            Form(right(who, worker, f"R/{year}/SECTOR", year, "SECTOR", 1520)),
            Form(training(who, worker, f"T/{year}/1", day, {"LEGAL": 760, "SECTOR": 400})),
        ),
        left=HOURS_LEFT,
    )


def _for_two_clients(day: date) -> Step:
    year = day.year
    refused = Refusal("00014-230", f"<CompanyID>{STRANGER}</CompanyID>")
    mine = right(CLIENT.digits, OF_CLIENT.digits, f"R/{year}/A", year, "LEGAL", 3040)
    other = right(STRANGER.digits, OF_STRANGER.digits, f"R/{year}/B", year, "LEGAL", 3040)
    return Step(
        "The mandatary sends one set for two clients; one of them gave no mandate.",
        MANDATARY,
        "00001",
        day,
        (Form(mine), Form(other, refused)),
        left=_legal(3040),
    )


def _changed(day: date) -> Step:
    form = right(EMPLOYER.number.digits, UNTOUCHED.digits, "R/X", day.year, "LEGAL", 3800)
    hours = "<TrainingRightHours>{}</TrainingRightHours>"
    return Step(
        "Somebody changes the hours in a set of the employer after it was signed.",
        EMPLOYER,
        "00002",
        day,
        (Form(form),),
        changed=(hours.format(3800), hours.format(9800)),
        codes=("ACRF-125",),
    )


def _without_signature(day: date) -> Step:
    form = right(TESTER.number.digits, COLLEAGUE.digits, "R/TEST", day.year, "LEGAL", 1900)
    return Step(
        "The tester drops an FI and a GO into INTEST, without any signature.",
        TESTER,
        "00001",
        day,
        (Form(form),),
        folder=Folder.INTEST,
        left=_legal(1900),
    )


def _one_bad_form(day: date) -> Step:
    who, year = EMPLOYER.number.digits, day.year
    refused = Refusal("00024-004", f"<INSS>{WRONG_INSS}</INSS>")
    return Step(
        "The employer mistypes one of two workers; the other form is not held up by it.",
        EMPLOYER,
        "00003",
        day,
        (
            Form(right(who, WRONG_INSS, f"R/{year}/C", year, "LEGAL", 3800), refused),
            Form(right(who, COLLEAGUE.digits, f"R/{year}/D", year, "LEGAL", 3800)),
        ),
        left=_legal(3800),
    )


def _legal(hours: int) -> dict[str, int]:
    return {"LEGAL": hours, "SECTOR": 0, "EMPLOYER": 0}
