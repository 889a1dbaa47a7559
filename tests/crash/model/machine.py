"""The state machine: acts of sender, operator, sweep, worker and crash, on a channel and a model.

An act that was cut short is taken by the model as not begun, half done or done, whichever is
seen once after the restart, and held to that from then on; what was answered OK before stands.
"""

from __future__ import annotations

import os
import traceback
from collections.abc import Sequence
from typing import ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from batch.ingest.receive import Waits
from batch.names import INBOXES, Folder
from tests.crash.model.ground import (
    ONE_BATCH,
    RESTART,
    WORK,
    Act,
    Ground,
    copy_in,
    nothing,
    refused,
    rename,
    sweep,
    upload,
)
from tests.crash.model.outbox import Name, Outbox
from tests.crash.model.reference import Model
from tests.integration.storage.world import LIMIT, World, dispose, killed_at

OUTBOXES = (Folder.OUT, Folder.OUTTEST)
PATIENT = Waits(grace=900.0, unfinished=900.0, settle=900.0)
GO_NOW = Waits(grace=0.0, unfinished=900.0, settle=0.0)
ALL_NOW = Waits(grace=0.0, unfinished=0.0, settle=0.0)
WORKER_DEATHS = 2
"""Of the worker alone in one example: the third one would put its set in quarantine."""

STEMS = st.integers(0, 3)
WHICH = st.sampled_from((0, 0, 1, 2))
SIGNERS = st.sampled_from(("employer", "employer", "employer", "mandatary"))
KINDS = st.sampled_from(("FI", "FS", "GO"))
ORDERS = st.permutations((0, 1, 2))
STRAY = st.sampled_from((False,) * 7 + (True,))
"""Whether a set comes into the folder that its letter does not belong in."""
PICK = st.integers(0, 30)
WAITS = st.sampled_from((PATIENT, GO_NOW, ALL_NOW))
CUT = st.one_of(st.none(), st.none(), st.none(), st.integers(1, 45))
"""The change of the disk before which the process is killed."""

CHANGES = 12
"""Of the disk in one act of a sender, more or less: a kill must mostly come before its end."""


class Channel(RuleBasedStateMachine):
    """Acts of all who have to do with a channel; ``ground`` is given by a subclass."""

    ground: ClassVar[Ground]

    def __init__(self) -> None:
        super().__init__()
        self.world = self.ground.renew()
        self.goods = self.ground.goods
        self.model = Model(self.goods.known)
        self.outbox = Outbox()
        self.deaths = 0
        self.sound = True

    def folder(self, stem: int, stray: bool) -> Folder:
        return Folder.IN if (stem < 2) is not stray else Folder.INTEST

    # --- how an act is done

    def do(self, *acts: Act, cut: int | None = None, works: bool = False) -> None:
        """Do them on both, killed before the ``cut``-th change; then look."""
        self.sound = False
        self.ground.acts += len(acts)
        if cut is None:
            for act in acts:
                told = refused(act.real, self.world)
                wanted = refused(act.model, self.model)
                assert told == wanted, f"refused: {told}, should be {wanted}"
            self.settle([self.model], works)
        else:
            within = cut if works else 1 + (cut - 1) % (CHANGES * len(acts))
            moments = self.cut_short(acts, within)
            self.recover()
            for moment in moments:
                moment.restart()
            self.settle(moments, works)
        self.sound = True

    def cut_short(self, acts: Sequence[Act], point: int) -> list[Model]:
        """The states that a kill may have left: all acts that were acknowledged stand."""
        reader, writer = os.pipe()

        def way() -> None:
            for act in acts:
                try:
                    os.write(writer, b"-" if refused(act.real, self.world) else b"+")
                except BaseException:
                    os.write(writer, b"!" + traceback.format_exc().encode())
                    raise

        dispose(self.world.instance)
        try:
            killed = killed_at(point, way)
        finally:
            os.close(writer)
            with open(reader, "rb") as stream:
                told = stream.read().decode()
            assert "!" not in told, told
        self.ground.kills += killed
        for said, act in zip(told, acts, strict=False):
            wanted = refused(act.model, self.model)
            assert (said == "-") == wanted, f"refused: {said}, should be {wanted}"
        assert killed == (len(told) < len(acts)), f"{told} of {len(acts)} acts, killed: {killed}"
        return self.model.moments(acts[len(told)].model) if killed else [self.model]

    def settle(self, moments: Sequence[Model], works: bool) -> None:
        """Look once; of the states that may be, the one that is."""
        seen = self.ground.observe()
        if works:
            for moment in moments:
                moment.archive(seen.archived)
        fitting = [moment for moment in moments if not moment.difference(seen)]
        assert fitting, " | ".join(moment.difference(seen) for moment in moments)
        self.model = fitting[-1]
        self.model.adopt(seen)
        self.outbox.look({folder: self.world.bytes_in(folder) for folder in OUTBOXES})
        assert self.outbox.fitting(self.model), f"{self.outbox.receipts}, {self.model.outcomes()}"

    # --- sending

    @rule(stem=STEMS, which=WHICH, signer=SIGNERS, order=ORDERS, stray=STRAY, cut=CUT)
    def send(
        self, stem: int, which: int, signer: str, order: list[int], stray: bool, cut: int | None
    ) -> None:
        files = list(self.goods.files(self.goods.stems[stem], which, signer).items())
        folder = self.folder(stem, stray)
        order = sorted(order) if order[0] else order  # in order, two times of three
        self.do(*(upload(folder, *files[n]) for n in order), cut=cut)

    @rule(stem=STEMS, kind=KINDS, which=WHICH, signer=SIGNERS, stray=STRAY, cut=CUT)
    def send_one(
        self, stem: int, kind: str, which: int, signer: str, stray: bool, cut: int | None
    ) -> None:
        """Also in the place of one that is there."""
        self.do(upload(self.folder(stem, stray), *self.one(stem, kind, which, signer)), cut=cut)

    def one(self, stem: int, kind: str, which: int, signer: str) -> tuple[str, bytes]:
        files = self.goods.files(self.goods.stems[stem], which, signer)
        return next((n, data) for n, data in files.items() if n.startswith(kind))

    @rule(pick=PICK, cut=CUT)
    def send_again(self, pick: int, cut: int | None) -> None:
        """An identical repeat of what was accepted."""
        if self.model.contents:
            content = self.model.contents[pick % len(self.model.contents)]
            files = {n: f.data for n, f in content.files.items()}
            self.do(*(upload(content.folder, *file) for file in files.items()), cut=cut)

    @rule(stem=STEMS, kind=KINDS, which=WHICH)
    def lose_the_connection(self, stem: int, kind: str, which: int) -> None:
        name, data = self.one(stem, kind, which, "employer")

        def real(world: World) -> None:
            begun = world.home.begin(self.folder(stem, False), name, keep=False, limit=LIMIT)
            begun.write(0, data)
            begun.abandon()

        self.do(Act(real, nothing))

    @rule(stem=STEMS, which=WHICH, signer=SIGNERS, last=KINDS, replace=st.booleans(), cut=CUT)
    def send_under_other_names(
        self, stem: int, which: int, signer: str, last: str, replace: bool, cut: int | None
    ) -> None:
        """As clients do that rename when they are ready; the last one may be any."""
        files = self.goods.files(self.goods.stems[stem], which, signer)
        folder, acts = self.folder(stem, False), []
        for name, data in sorted(files.items(), key=lambda file: file[0].startswith(last)):
            other = name + ".part" if replace else f"{name[:2]}-{stem}.tmp"
            acts += [upload(folder, other, data), rename(folder, other, name, replace=replace)]
        self.do(*acts, cut=cut)

    @rule(stem=STEMS, kind=st.sampled_from(("FI", "FS")), which=WHICH, cut=CUT)
    def send_half(self, stem: int, kind: str, which: int, cut: int | None) -> None:
        name, data = self.one(stem, kind, which, "employer")
        self.do(upload(self.folder(stem, False), name, data[: len(data) // 2]), cut=cut)

    @rule(stem=STEMS, kind=st.sampled_from(("FI", "FS")), which=WHICH, cut=CUT)
    def resume(self, stem: int, kind: str, which: int, cut: int | None) -> None:
        """With the second half, whatever is there: the first half, nothing, or something else."""
        name, data = self.one(stem, kind, which, "employer")
        rest = data[len(data) // 2 :]
        self.do(upload(self.folder(stem, False), name, rest, keep=True), cut=cut)

    @rule(folder=st.sampled_from(INBOXES), pick=PICK, cut=CUT)
    def remove(self, folder: Folder, pick: int, cut: int | None) -> None:
        """A file of an inbox: refused when it is sealed, or not there."""
        name = self.listed(folder, pick)
        act = Act(
            lambda world: world.home.remove(folder, name), lambda model: model.remove(folder, name)
        )
        self.do(act, cut=cut)

    @rule(pick=PICK, stem=STEMS, kind=KINDS, replace=st.booleans(), cut=CUT)
    def rename_listed(
        self, pick: int, stem: int, kind: str, replace: bool, cut: int | None
    ) -> None:
        folder = self.folder(stem, False)
        old, new = self.listed(folder, pick), self.one(stem, kind, 0, "employer")[0]
        self.do(rename(folder, old, new, replace=replace), cut=cut)

    def listed(self, folder: Folder, pick: int) -> str:
        names = [*sorted(self.model.inbox[folder]), "nothing.here"]
        return names[pick % len(names)]

    @rule(stem=STEMS, stray=STRAY, cut=CUT)
    def cancel(self, stem: int, stray: bool, cut: int | None) -> None:
        self.do(upload(self.folder(stem, stray), f"TD.{self.goods.stems[stem]}.1", b""), cut=cut)

    @rule(stem=STEMS, which=WHICH, signer=SIGNERS, order=ORDERS, count=st.integers(1, 3))
    def send_while_the_databases_are_locked(
        self, stem: int, which: int, signer: str, order: list[int], count: int
    ) -> None:
        files = list(self.goods.files(self.goods.stems[stem], which, signer).items())
        with self.ground.locked():
            self.do(*(upload(self.folder(stem, False), *files[n]) for n in order[:count]), WORK)

    # --- the operator, the sweep, the worker

    @rule(stem=STEMS, which=WHICH, signer=SIGNERS, cancelled=STRAY, waits=WAITS, cut=CUT)
    def copy_a_set_in(
        self, stem: int, which: int, signer: str, cancelled: bool, waits: Waits, cut: int | None
    ) -> None:
        folder = self.folder(stem, False)
        files = self.goods.files(self.goods.stems[stem], which, signer)
        if cancelled:
            files[f"TD.{self.goods.stems[stem]}.1"] = b""
        self.do(*(copy_in(folder, *file) for file in files.items()))
        self.do(sweep(folder, waits), cut=cut)

    @rule(folder=st.sampled_from(INBOXES), waits=WAITS, cut=CUT)
    def look_again(self, folder: Folder, waits: Waits, cut: int | None) -> None:
        self.do(sweep(folder, waits), cut=cut)

    @rule(once=st.booleans(), cut=st.one_of(CUT, st.integers(1, 90)))
    def work(self, once: bool, cut: int | None) -> None:
        self.do(ONE_BATCH if once else WORK, cut=cut, works=True)

    @precondition(lambda self: self.deaths < WORKER_DEATHS)
    @rule(point=st.integers(1, 90))
    def the_worker_alone_is_killed(self, point: int) -> None:
        """Its supervisor starts another; nothing else begins anew."""
        self.kill_the_worker(point)

    def kill_the_worker(self, point: int) -> None:
        self.sound = False
        self.deaths += 1
        self.cut_short([WORK], point)
        self.ground.start_another_worker()
        self.settle([self.model], works=True)
        self.sound = True

    @rule(pick=PICK, cut=CUT)
    def delete_an_answer(self, pick: int, cut: int | None) -> None:
        names = self.held()
        if names:
            self.delete(*names[pick % len(names)], cut)

    @precondition(lambda self: any(not c.archived for c in self.model.contents))
    @rule(point=st.integers(1, 60), alone=st.booleans())
    def collect_what_a_killed_worker_left(self, point: int, alone: bool) -> None:
        """The sender deletes all it sees, though the channel does not know yet that it is out."""
        if alone and self.deaths < WORKER_DEATHS:
            self.kill_the_worker(point)
        else:
            self.do(WORK, cut=point, works=True)
        for folder, name in self.held():
            self.delete(folder, name)

    def held(self) -> list[Name]:
        return sorted(self.outbox.shown.keys() - self.outbox.deleted)

    def delete(self, folder: Folder, name: str, cut: int | None = None) -> None:
        self.outbox.doubtful.add((folder, name))
        self.do(Act(lambda world: world.home.remove(folder, name), nothing), cut=cut)
        gone = (folder, name) in self.outbox.deleted
        assert gone or cut is not None, f"{folder}/{name} was deleted and is there"

    @rule(times=st.integers(1, 2), cut=CUT)
    def restart(self, times: int, cut: int | None) -> None:
        for _ in range(times):
            if cut is not None:
                self.do(RESTART, cut=cut)
            self.start_again()

    def start_again(self) -> None:
        self.recover()
        self.model.restart()
        self.do()

    def recover(self) -> None:
        problems = self.ground.restart()
        if problems:
            print(problems)  # also where a failure that does not repeat hides the message
        assert problems == [], f"problems {problems}"

    # --- the end

    def teardown(self) -> None:
        if self.sound:
            self.let_it_end()

    def let_it_end(self) -> None:
        """Everything is answered: once, as it must be, and nothing is left over."""
        self.do(*(sweep(folder, ALL_NOW) for folder in INBOXES))
        layout = self.world.instance.layout
        for _ in range(4):  # a set may wait for another with the same FI
            self.do(WORK, works=True)
        self.restart_changes_nothing()
        assert not any(self.model.inbox.values()), f"still listed: {self.model.inbox}"
        for place in (layout.up, layout.seal, layout.sealed, layout.quarantine):
            assert not os.listdir(place), f"left in {place.name}: {os.listdir(place)}"
        self.what_was_accepted_is_kept()
        outcome = self.outbox.complete(self.model)
        for folder in INBOXES:
            query = "SELECT registrant_reference FROM ledger_object WHERE version = 1"
            held = self.ground.column(query, test=folder.is_test)
            assert held == self.model.recorded(outcome, folder), f"ledger of {folder}: {held}"
            sets = self.ground.column("SELECT folder FROM submission", test=folder.is_test)
            mine = [c for c in self.model.contents if c.folder is folder]
            assert sets == [folder] * len(mine), f"rows in the database of {folder}: {sets}"

    def restart_changes_nothing(self) -> None:
        self.start_again()
        before = self.ground.snapshot()
        problems, after = self.ground.restart(), self.ground.snapshot()
        assert problems == [], f"problems {problems}"
        assert after == before, f"a second restart changed {sorted(after.keys() ^ before.keys())}"

    def what_was_accepted_is_kept(self) -> None:
        for content in self.model.contents:
            home = self.world.instance.layout.arch / str(
                self.world.key(content.stem, content.ordinal, content.folder)
            )
            held = {p.name: p.read_bytes() for p in home.iterdir() if not p.name.startswith("@")}
            assert held == {name: file.data for name, file in content.files.items()}, content.key
