"""The table of what may be done where: every cell, written down a second time."""

from __future__ import annotations

import itertools

import pytest

from batch import permissions
from batch.names import Folder
from batch.permissions import OF_INBOX, OF_OUTBOX, TABLE, Operation, Spot, Why

YES, NO, NONE, TAKEN, KIND = None, Why.DENIED, Why.NOT_THERE, Why.THERE_ALREADY, Why.WRONG_KIND
WANTED = {
    #                          root  inbox outbox free  upload stored sealed none  answer nowhere
    Operation.LIST:           (YES,  YES,  YES,   NONE, NONE,  NONE,  NONE,  NONE, NONE,  NONE),
    Operation.STAT:           (YES,  YES,  YES,   NONE, YES,   YES,   YES,   NONE, YES,   NONE),
    Operation.READ:           (KIND, KIND, KIND,  NONE, NONE,  YES,   YES,   NONE, YES,   NONE),
    Operation.UPLOAD:         (NO,   KIND, KIND,  YES,  YES,   YES,   YES,   NO,   NO,    NO),
    Operation.RESUME:         (NO,   KIND, KIND,  YES,  YES,   YES,   NO,    NO,   NO,    NO),
    Operation.REMOVE:         (NO,   NO,   NO,    NONE, NONE,  YES,   NO,    NONE, YES,   NONE),
    Operation.RENAME:         (NO,   NO,   NO,    NONE, NONE,  YES,   NO,    NO,   NO,    NONE),
    Operation.RENAME_TO:      (NO,   NO,   NO,    YES,  YES,   TAKEN, YES,   NO,   NO,    NO),
    Operation.RENAME_OVER:    (NO,   NO,   NO,    YES,  YES,   YES,   YES,   NO,   NO,    NO),
    Operation.SET_ATTRIBUTES: (YES,  YES,  YES,   NONE, YES,   YES,   YES,   NONE, YES,   NONE),
}  # fmt: skip


@pytest.mark.parametrize(("operation", "spot"), list(itertools.product(Operation, Spot)))
def test_the_table_says(operation: Operation, spot: Spot) -> None:
    found = permissions.forbidden(operation, spot)
    assert (found.why if found else None) is WANTED[operation][list(Spot).index(spot)]
    assert found is None or found.text


def test_the_table_has_every_cell_and_no_other() -> None:
    assert set(TABLE) == set(Operation)
    assert all(set(row) == set(Spot) for row in TABLE.values())


@pytest.mark.parametrize(("operation", "folder"), list(itertools.product(Operation, Folder)))
def test_a_folder_refuses_what_is_done_in_no_state(operation: Operation, folder: Folder) -> None:
    spots = OF_INBOX if folder.is_inbox else OF_OUTBOX
    possible = any(permissions.forbidden(operation, spot) is None for spot in spots)
    assert (permissions.of_files(operation, folder) is None) is possible


def test_what_is_sealed_or_an_answer_is_not_resumed_or_renamed_and_only_answers_removed() -> None:
    for spot in (Spot.SEALED, Spot.ANSWER):
        allowed = {o for o in Operation if permissions.forbidden(o, spot) is None}
        assert Operation.RESUME not in allowed
        assert Operation.RENAME not in allowed
    assert permissions.forbidden(Operation.REMOVE, Spot.SEALED) is not None
    assert permissions.forbidden(Operation.REMOVE, Spot.ANSWER) is None
