"""The rules on one form alone: one test per code, and the border of each."""

from __future__ import annotations

from datetime import date

import pytest

from batch.anomalies import Severity
from batch.fla.committees import Committees, joint_committees
from batch.fla.forms import Form, In, Nature, RightType, RightUse, Training, TrainingStatus, read
from batch.fla.rules import Finding, deadline, late, own_content, parties, standing
from batch.registers import Standing
from tests import declarations
from tests.unit.fla.mutants import CANCEL, RIGHT, TRAINING, Change, changed, element, says

TODAY = date(2026, 1, 20)
R = "TrainingRightIn/TrainingRight"
DAY = date(2025, 11, 12)
BASE = Training("T", Nature.FORMAL, TrainingStatus.FOLLOWED, DAY, DAY, 400, True)


def ids(findings: object) -> list[str]:
    return [f"{f.zone}-{f.code}{f.severity.value}" for f in findings]  # type: ignore[attr-defined]


def form(content: Training) -> Form:
    return read(element(TRAINING))._replace(operation=In("T/1", content))


def own(given: Form, today: date = TODAY) -> list[Finding]:
    return list(own_content(given, today, joint_committees()))


@pytest.mark.parametrize("text", [RIGHT, TRAINING, CANCEL])
def test_a_right_form_raises_nothing(text: str) -> None:
    assert own(read(element(text))) == []


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        (says("EmployerId/CompanyID", "0123456789"), ["00014-004B"]),
        (says("NaturalPerson/INSS", "01014900147"), ["00024-004B"]),
        (says("EmployerId/CompanyID", "123456749"), []),
    ],
)
def test_check_digits(change: Change, wanted: list[str]) -> None:
    assert ids(parties(read(changed(RIGHT, change)))[1]) == wanted


@pytest.mark.parametrize(("nsso", "wanted"), [("199999934", []), ("199999933", ["00011-004B"])])
def test_check_digits_of_the_nsso_number(nsso: str, wanted: list[str]) -> None:
    assert ids(parties(read(element(RIGHT))._replace(nsso=nsso))[1]) == wanted


@pytest.mark.parametrize("inss", declarations.PERSONS)
def test_numbers_of_every_kind_of_person_pass(inss: str) -> None:
    numbers, found = parties(read(changed(RIGHT, says("NaturalPerson/INSS", inss))))
    assert numbers.inss is not None
    assert (str(numbers.inss), found) == (inss, ())


@pytest.mark.parametrize("held", list(Standing))
def test_standing_is_told_with_its_own_code(held: Standing) -> None:
    wanted = [f"00014-{held.value}B"] if held.value else []
    assert ids(standing(held, "0123456749")) == wanted


def test_00911_014_end_before_start() -> None:
    assert ids(own(form(BASE._replace(ending=date(2025, 11, 11))))) == ["00911-014B"]
    assert own(form(BASE._replace(ending=date(2025, 11, 13)))) == []


def test_fla12_264_followed_in_the_future() -> None:
    tomorrow = BASE._replace(ending=date(2026, 1, 21))
    assert ids(own(form(tomorrow))) == ["FLA12-264B"]
    assert own(form(BASE._replace(ending=TODAY))) == []
    assert own(form(tomorrow._replace(status=TrainingStatus.PLANNED))) == []


def test_fla15_260_more_charged_than_the_training_has() -> None:
    uses = (RightUse(RightType.LEGAL, 300), RightUse(RightType.SECTOR, 101))
    assert ids(own(form(BASE._replace(uses=uses)))) == ["FLA15-260B"]
    assert own(form(BASE._replace(hours=401, uses=uses))) == []


def test_flb11_146_charged_without_counting() -> None:
    uses = (RightUse(RightType.LEGAL, 1),)
    given = form(BASE._replace(uses=uses, counts_for_credit=False))
    assert ids(own(given)) == ["FLB11-146B"]


@pytest.mark.parametrize(
    ("kind", "committee", "wanted"),
    [
        ("SECTOR", None, ["00046-001B"]),
        ("SECTOR", "999", ["00046-001B"]),
        ("SECTOR", "200", []),
        ("LEGAL", None, []),
        ("LEGAL", "999", []),
        ("LEGAL", "998", ["00046-008B"]),
        ("EMPLOYER", "113.01", ["00046-008B"]),
        ("SECTOR", "149.01", []),
    ],
)
def test_00046_001_and_008_joint_committees(
    kind: str, committee: str | None, wanted: list[str]
) -> None:
    given = read(element(declarations.right("R/1", kind=kind, committee=committee)))
    assert ids(own(given)) == wanted


def test_all_findings_of_a_form_are_told_together() -> None:
    content = BASE._replace(
        starting=date(2026, 3, 2),
        ending=date(2026, 3, 1),
        counts_for_credit=False,
        uses=(RightUse(RightType.LEGAL, 500),),
    )
    wanted = ["00911-014B", "FLA12-264B", "FLA15-260B", "FLB11-146B"]
    assert ids(own(form(content))) == wanted


def test_every_path_of_a_finding_leads_to_its_element() -> None:
    broken = changed(
        TRAINING,
        says("TrainingIn/Training/EndingDate", "2025-11-01"),
        says("TrainingIn/Training/CountsForCredit", "0"),
        says("TrainingIn/Training/TrainingHours", "1"),
    )
    found = own(read(broken))
    assert len(found) == 3
    assert [getattr(broken.find(f.path), "tag", None) for f in found] == [f.tag for f in found]


@pytest.mark.parametrize(
    ("ending", "last"),
    [
        (date(2024, 1, 1), date(2024, 4, 30)),
        (date(2024, 3, 31), date(2024, 4, 30)),
        (date(2024, 4, 1), date(2024, 7, 31)),
        (date(2024, 9, 30), date(2024, 10, 31)),
        (date(2024, 12, 31), date(2025, 1, 31)),
        (date(9999, 9, 30), date(9999, 10, 31)),
        (date(9999, 12, 31), None),
        (date(1, 1, 1), date(1, 4, 30)),
    ],
)
def test_the_deadline_is_the_last_day_of_the_month_after_the_quarter(
    ending: date, last: date | None
) -> None:
    assert deadline(ending) == last


def test_flb04_460_after_the_deadline_is_a_warning() -> None:
    assert ids(late(BASE, date(2026, 1, 31))) == []
    (finding,) = late(BASE, date(2026, 2, 1))
    assert (finding.zone, finding.code, finding.severity) == ("FLB04", "460", Severity.WARNING)
    assert ids(late(BASE._replace(status=TrainingStatus.PLANNED), date(2026, 2, 1))) == []


def test_a_committee_existed_in_some_quarter_of_the_year() -> None:
    committees = Committees({"100": (20243, 20251)})
    existed = [committees.existed("100", year) for year in range(2023, 2027)]
    assert existed == [False, True, True, False]
    assert len(joint_committees().quarters) == 225
