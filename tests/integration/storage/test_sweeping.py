"""The sweep looks without the channel's lock, and of a full inbox at the names it was told of."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Collection
from datetime import UTC, datetime

import pytest

from batch.ingest.receive import Arrival, Waits
from batch.names import Folder
from batch.states import Trigger
from batch.storage import sweeping
from batch.storage.dossiers import dossier
from batch.storage.inbox import Inbox
from batch.storage.sweeping import Seen, Swept
from tests.integration.storage.test_sealing import LATE
from tests.integration.storage.world import AT_ONCE, World, files_of, new_fi, new_stem

STEPS = 60
FORGETS = Waits(grace=0.0, unfinished=3600.0, settle=0.0)


class Random:
    """What senders, an operator and the worker do to one inbox, and the names a hint would tell."""

    def __init__(self, world: World, seed: int) -> None:
        self.world, self.random = world, random.Random(seed)
        self.files = [files_of(new_stem(), new_fi()) for _ in range(3)]
        self.loose = [f"FI.{new_stem()}.2.1", f"GO.{new_stem()}.2", "readme.txt"]

    def act(self) -> set[str]:
        act = self.random.choice((self.put, self.copy, self.remove, self.work, self.seal))
        return act()

    def _one(self) -> tuple[str, bytes]:
        made = self.random.choice([*self.files, dict.fromkeys(self.loose, b"<a/>")])
        content = new_fi() if self.random.random() < 0.3 else b""
        name = self.random.choice(list(made))
        return name, content if content and name[:2] in ("FI", "FS") else made[name]

    def put(self) -> set[str]:
        name, content = self._one()
        self.world.put(name, content)
        return {name}

    def copy(self) -> set[str]:
        name, content = self._one()
        if self.world.path(name).exists():
            return set()
        self.world.path(name).write_bytes(content)
        return {name}

    def remove(self) -> set[str]:
        """A file that is not sealed; deleting needs no hint."""
        with self.world.inbox() as inbox:
            fresh = [name for name in self.world.listed() if inbox.fresh(name)]
        if fresh:
            self.world.home.remove(Folder.IN, self.random.choice(sorted(fresh)))
        return set()

    def work(self) -> set[str]:
        self.world.work()
        return set()

    def seal(self) -> set[str]:
        self.world.sweep(FORGETS)
        return set()


@pytest.mark.parametrize("seed", range(8))
def test_names_hinted_at_show_what_a_look_at_every_name_shows(world: World, seed: int) -> None:
    acts, hinted_at = Random(world, seed), Seen()
    seen: set[str] = set()
    with world.inbox() as inbox:
        hinted_at.look(inbox, None)
    for _ in range(STEPS):
        names = acts.act()
        with world.inbox() as inbox:
            found, whole = hinted_at.look(inbox, names), Seen().look(inbox, None)
        assert sorted(map(by_state, found)) == sorted(map(by_state, whole))
        seen |= {a.name for a in found if a.sealed} | {a.name for a in found if not a.published}
    assert seen, "nothing was ever sealed beside something new, or copied"


def by_state(arrival: Arrival) -> tuple[str, bool, bool]:
    return arrival.name, arrival.sealed, arrival.published


def test_a_file_that_stays_as_it_is_gets_older_between_looks_of_both_kinds(world: World) -> None:
    stem = new_stem()
    world.put(f"FI.{stem}.1.1", b"<a/>")
    seen, ages = Seen(), []
    for hinted in (None, (), {f"FI.{stem}.1.1"}, None, {"FI.other"}):
        with world.inbox() as inbox:
            [arrival] = seen.look(inbox, hinted)
        ages.append(arrival.age)
    assert ages == sorted(set(ages))


@pytest.mark.parametrize("name", ["..", ".hidden", "a/b", "FI\n", ""])
def test_a_hint_with_a_name_that_no_sender_can_make_is_nothing(world: World, name: str) -> None:
    with world.inbox() as inbox:
        assert Seen().look(inbox, {name}) == []


def test_a_look_waits_for_no_lock(world: World) -> None:
    """Of the sender's uploads, of a seal or of the worker that archives."""
    world.put(f"GO.{new_stem()}.1")
    found: list[Swept] = []
    thread = threading.Thread(target=lambda: found.append(world.sweep(LATE)), daemon=True)
    with world.home.locked():
        thread.start()
        thread.join(40)
        assert found == [Swept((), True, ())]


def test_what_came_between_the_look_and_the_seal_belongs_to_the_set(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A set whose time is up, and whose last file comes just then, is whole."""
    files = files_of(stem := new_stem(), new_fi())
    fi, fs, go = files
    world.put(go)
    world.put(fi, files[fi])
    after_the_look(monkeypatch, lambda: world.path(fs).write_bytes(files[fs]))
    assert world.sweep().sealed == (world.key(stem),)
    sealed = dossier(world.instance.layout, world.key(stem)).sealed()
    assert {file.name for file in sealed.files} == set(files)


def test_what_was_sealed_between_the_look_and_the_seal_is_not_given_up_on(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = files_of(stem := new_stem(), new_fi())
    fi, fs, go = files
    world.put(fi, files[fi])
    after_the_look(monkeypatch, lambda: world.send({name: files[name] for name in (fs, go)}))
    assert world.sweep() == Swept((), True, ())
    assert dossier(world.instance.layout, world.key(stem)).sealed().trigger is Trigger.GO
    assert world.sealed() == [str(world.key(stem))]


def after_the_look(monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> None:
    look = Seen.look

    def then(seen: Seen, inbox: Inbox, hinted: Collection[str] | None) -> list[Arrival]:
        found = look(seen, inbox, hinted)
        monkeypatch.setattr(Seen, "look", look)
        act()
        return found

    monkeypatch.setattr(Seen, "look", then)


def test_what_a_killed_seal_had_linked_is_looked_at_without_a_hint(world: World) -> None:
    files = files_of(stem := new_stem(), new_fi())
    seen = Seen()
    left = world.instance.layout.seal / f"{world.home.sender}.0123456789abcdef"
    left.mkdir()
    for name, content in files.items():
        world.path(name).write_bytes(content)
        (left / name).hardlink_to(world.path(name))
    with world.inbox() as inbox:
        assert seen.look(inbox, None) == []
        assert sweeping.sweep(inbox, seen, AT_ONCE, datetime.now(UTC), ()).sealed == (
            world.key(stem),
        )


def test_after_a_look_at_every_name_passes_so_many_times_what_it_cost(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = Seen()
    assert seen.due
    for share, due in ((0, True), (10**9, False)):
        monkeypatch.setattr(sweeping, "LOOK_SHARE", share)
        with world.inbox() as inbox:
            seen.look(inbox, None)
        assert seen.due is due
