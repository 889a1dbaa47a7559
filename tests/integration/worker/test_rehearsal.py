"""What the channel would answer: the same as it answers, with nothing sent and nothing recorded."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from batch.errors import OperatorError
from batch.identifiers import SenderNumber
from batch.names import Folder, brussels_day
from batch.settings import Settings, load
from batch.storage.database import reading
from batch.worker.rehearsal import BY_REGISTERS, NEVER_OFFLINE, Rehearsed, rehearse
from fixtures.case import LIMITS, Case, all_cases
from tests.integration.storage.world import RECEIVED, SENDER, World, files_of, new_fi, new_stem

NOW = datetime.now(UTC)
CASES = [
    case
    for case in all_cases()
    if case.registered == "employer"
    and case.stage != "services"  # of which this instance has none
    and not set(case.codes) & set(NEVER_OFFLINE)
]


def written(place: Path, files: dict[str, bytes]) -> list[Path]:
    place.mkdir(exist_ok=True)
    for name, content in files.items():
        (place / name).write_bytes(content)
    return [place / name for name in files]


def rehearsed(settings: Settings, files: Iterable[Path], folder: Folder | None = None) -> Rehearsed:
    (found,) = rehearse(list(files), folder, SENDER, settings, NOW)
    return found


def codes(found: Rehearsed) -> list[str]:
    return sorted({a.code for a in found.anomalies if a.blocks})


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case.name))
def test_a_case_is_judged_as_the_channel_judges_it(
    world: World, tmp_path: Path, case: Case
) -> None:
    """Only that 1000000021 is in no register here: without a mandate there it is unknown."""
    files = case.files(str(SENDER), brussels_day(NOW))
    settings = world.settings.model_copy(update=LIMITS)
    found = rehearsed(settings, written(tmp_path / "mine", files), Folder(case.folder))
    assert codes(found) == sorted(case.codes)
    if codes(found) != ["122"]:  # what is only not signed yet is judged on
        judged = [int(item.verdict.accepted) for item in found.forms]
        assert judged == [f.result for f in case.forms]
    assert found.undecided == NEVER_OFFLINE


def test_a_rehearsal_leaves_no_trace(world: World, tmp_path: Path) -> None:
    files = written(tmp_path / "mine", files_of(new_stem(), new_fi()))
    for _ in range(2):
        found = rehearsed(world.settings, files)
        assert found.accepted
    for engine in (world.instance.production, world.instance.test):
        with reading(engine) as connection:
            for table in ("submission", "ledger_object", "training_right", "fla_sequence"):
                statement = f"SELECT count(*) FROM {table}"
                assert connection.exec_driver_sql(statement).scalar() == 0
    assert world.sealed() == []
    assert sorted(p.name for p in (tmp_path / "mine").iterdir()) == sorted(p.name for p in files)


def test_a_rehearsal_tells_what_the_channel_then_answers(world: World, tmp_path: Path) -> None:
    right, wrong = files_of(first := new_stem(), new_fi()), files_of(second := new_stem(), new_fi())
    wrong[f"FS.{second}.1.1"] = b"no signature"
    said = [
        codes(rehearsed(world.settings, written(tmp_path / s, f)))
        for s, f in ((first, right), (second, wrong))
    ]
    world.send(right)
    world.send(wrong)
    world.work()
    assert said == [RECEIVED, ["125"]]
    assert [world.receipts(first), world.receipts(second)] == [[RECEIVED], [["125"]]]


def test_without_an_instance_the_codes_of_the_registers_stay_undecided(tmp_path: Path) -> None:
    files = written(tmp_path / "mine", files_of(new_stem(), new_fi(), "mandatary"))
    found = rehearsed(load(data=tmp_path / "none"), files)
    assert found.accepted
    assert set(found.undecided) == {*NEVER_OFFLINE, *BY_REGISTERS}
    assert not (tmp_path / "none").exists()


def test_a_sender_the_register_does_not_know_is_said(world: World, tmp_path: Path) -> None:
    files = written(tmp_path / "mine", files_of(new_stem(), new_fi()))
    with pytest.raises(OperatorError, match="no such channel"):
        list(rehearse(files, None, SenderNumber("000042"), world.settings, NOW))


def test_several_sets_are_told_apart(world: World, tmp_path: Path) -> None:
    stems = [new_stem(), new_stem("T")]
    paths = [p for s in stems for p in written(tmp_path / "mine", files_of(s, new_fi()))]
    found = list(rehearse(paths, None, None, world.settings, NOW))
    assert [(f.stem, f.folder, f.accepted) for f in found] == [
        (stems[0], Folder.IN, True),
        (stems[1], Folder.INTEST, True),
    ]
