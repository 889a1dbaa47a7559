"""Sender, server, worker and crash against a model: any acts, in any order, killed anywhere.

FLA_CRASH_SEED repeats a run; FLA_CRASH_ALL=1 goes on for longer.
"""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from batch import journal
from batch.names import Folder
from batch.storage import dossiers, recovery, sealing
from batch.storage.inbox import Inbox
from batch.storage.layout import Layout
from batch.storage.spool import SenderHome
from batch.storage.upload import Upload
from batch.worker.loop import Worker
from tests.crash.model.ground import Ground
from tests.crash.model.machine import Channel
from tests.integration.storage.world import dispose, make_template

EVERYTHING = os.environ.get("FLA_CRASH_ALL", "") not in ("", "0")
EXAMPLES, STEPS = (2500 if EVERYTHING else 120), 20
"""A step is often several acts: a set is three uploads."""
HUNT = 400
"""Examples in which a seeded fault must be found; the rarest took a third of them."""
HUNTED = 1
"""The seed of a hunt: by another one, now and then, the rarest would not come."""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(7200 if EVERYTHING else 900)]


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("template") / "data"
    make_template(data)
    return data


@pytest.fixture
def ground(template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ground]:
    monkeypatch.setattr(journal, "_line", lambda *_, **__: None)
    made = Ground(template, tmp_path / "data")
    yield made
    dispose(made.world.instance)


def run(ground: Ground, examples: int, number: int, **others: object) -> None:
    """Try ``examples`` sequences of acts, by a seed that is printed."""

    class Here(Channel):
        pass

    Here.ground = ground
    chosen = int(os.environ.get("FLA_CRASH_SEED") or number)
    print(f"seed {chosen}")
    wanted = settings(
        max_examples=examples,
        stateful_step_count=STEPS,
        deadline=None,
        derandomize=False,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
        **others,  # type: ignore[arg-type]
    )
    run_state_machine_as_test(seed(chosen)(Here), settings=wanted)


def test_whatever_is_done_and_wherever_it_is_killed_the_channel_is_as_its_model(
    ground: Ground,
) -> None:
    run(ground, EXAMPLES, random.SystemRandom().randrange(10**6))
    print(f"{ground.acts} acts, {ground.kills} kills")
    assert ground.acts > EXAMPLES * STEPS
    assert ground.kills > EXAMPLES


# --- its teeth ------------------------------------------------------------------------------


def a_repeat_is_new_content(patch: pytest.MonkeyPatch) -> None:
    existing = sealing._existing

    def next_ordinal(inbox: Inbox, stem: str, _: object) -> int:
        return next(n for n in count(1) if not existing(inbox, stem, n))

    patch.setattr(sealing, "_ordinal", next_ordinal)


def an_answer_is_shown_twice(patch: pytest.MonkeyPatch) -> None:
    emit = dossiers.emit

    def twice(layout: Layout, items: Sequence[dossiers.Emission]) -> None:
        emit(layout, items)
        for item in items:
            out = layout.folder(item.key.channel, item.key.folder.answers)
            for name in [n for n in os.listdir(out) if item.stem in n]:
                with suppress(FileExistsError):
                    os.link(out / name, out / name.replace(item.stem, item.stem + "A"))

    patch.setattr(dossiers, "emit", twice)


def a_lost_connection_publishes(patch: pytest.MonkeyPatch) -> None:
    abandon = Upload.abandon

    def publish(self: Upload) -> None:
        if self._poison is None and (self._descriptor >= 0 or self._path is None):
            self.publish()
        abandon(self)

    patch.setattr(Upload, "abandon", publish)


def recovery_drops_what_is_sealed(patch: pytest.MonkeyPatch) -> None:
    drop = recovery.drop_unfinished

    def drop_more(layout: Layout) -> None:
        drop(layout)
        for path in layout.sealed.iterdir():
            shutil.rmtree(path)

    patch.setattr(recovery, "drop_unfinished", drop_more)


def a_deleted_answer_is_not_remembered(patch: pytest.MonkeyPatch) -> None:
    remove = SenderHome.remove

    def forget(self: SenderHome, folder: Folder, name: str) -> None:
        if folder.is_inbox:
            remove(self, folder, name)
        else:
            self.spool.layout.folder(self.sender, folder).joinpath(name).unlink()

    patch.setattr(SenderHome, "remove", forget)


def circuit_test_goes_into_production(patch: pytest.MonkeyPatch) -> None:
    batch = Worker._batch
    patch.setattr(
        Worker, "_batch", lambda self, _, test: batch(self, self.instance.production, test)
    )


def other_content_is_taken_for_a_repeat(patch: pytest.MonkeyPatch) -> None:
    """Its GO is answered OK, and it is lost."""
    existing = sealing._existing

    def only_one(inbox: Inbox, stem: str, _: object) -> int | None:
        return None if existing(inbox, stem, 1) else 1

    patch.setattr(sealing, "_ordinal", only_one)


FAULTS = {
    a_repeat_is_new_content: r"accepted \[.*, [2-9]\)",
    an_answer_is_shown_twice: r"^two (ACRF|NOTI) of",
    a_lost_connection_publishes: r"\(False, False\), should be|accepted \[|: None, should be File",
    recovery_drops_what_is_sealed: r"accepted \[|files are missing",
    a_deleted_answer_is_not_remembered: r"answers came back|neither in OUT(TEST)? nor in taken",
    circuit_test_goes_into_production: r"^(ledger|rows in the database) of",
    other_content_is_taken_for_a_repeat: r"accepted \[",
}
"""Each with words of what the machine says when it finds it."""


@pytest.mark.parametrize(
    ("fault", "said"), FAULTS.items(), ids=[str(fault.__name__) for fault in FAULTS]
)
def test_a_seeded_fault_is_found(
    ground: Ground,
    monkeypatch: pytest.MonkeyPatch,
    fault: Callable[[pytest.MonkeyPatch], None],
    said: str,
) -> None:
    fault(monkeypatch)
    with pytest.raises(AssertionError, match=said):
        run(
            ground,
            HUNT,
            HUNTED,
            phases=(Phase.generate,),
            database=None,
            report_multiple_bugs=False,
        )
    print(f"found after {ground.acts} acts, {ground.kills} kills")
