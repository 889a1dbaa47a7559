"""The table of stages: each stage has its row, its next step, and an end."""

from __future__ import annotations

import pytest

from batch.ingest.way import TABLE, Step, next_step
from batch.states import Stage


def test_every_stage_has_one_row() -> None:
    assert [row.stage for row in TABLE] == list(Stage)


def test_no_cell_of_the_table_is_empty_or_breaks_it() -> None:
    for row in TABLE:
        for cell in (row.next, row.proven, row.power_fails):
            assert cell.strip()
            assert not {"|", "\n"} & set(cell)


STEPS = {
    Stage.RECEIVED: Step.SEAL,
    Stage.SEALED: Step.VERIFY,
    Stage.VERIFIED: Step.INGEST,
    Stage.REFUSED: Step.SHOW,
    Stage.INGESTED: Step.SHOW,
    Stage.ANSWERED: Step.ARCHIVE,
    Stage.QUARANTINED: Step.WAIT,
}


@pytest.mark.parametrize("stage", Stage)
def test_every_stage_has_its_next_step(stage: Stage) -> None:
    assert next_step(stage) is STEPS[stage]


def test_every_step_is_reached() -> None:
    assert {next_step(stage) for stage in Stage} == set(Step)


def test_only_a_quarantined_set_waits_for_an_operator() -> None:
    waiting = [stage for stage in Stage if next_step(stage) is Step.WAIT]
    assert waiting == [Stage.QUARANTINED]
    assert [row.stage for row in TABLE if "operator" in row.next] == waiting
