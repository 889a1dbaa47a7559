"""The real channel under the model test: what is sent, one instance, and single acts on both."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from batch.errors import Denied
from batch.ingest.receive import Waits
from batch.names import INBOXES, Folder
from batch.settings import load
from batch.states import SetKey
from batch.storage import durable
from batch.storage.instance import Instance
from batch.storage.recovery import finish_unlisting, recover
from fixtures.declared import fs
from tests.crash.model.reference import Key, Known, Listed, Model, Observed, Refused
from tests.declarations import declaration, person, right, right_update
from tests.integration.storage.world import LIMIT, World, dispose, new_stem

BUSY_SECONDS = 0.01
"""Nobody but ``locked`` keeps a database: no need to wait for it."""

# --- what is sent -------------------------------------------------------------------------


@dataclass(frozen=True)
class Goods:
    """Stems with the FIs that are sent under them, and every FS of those; the same in each run."""

    stems: tuple[str, ...]
    fis: dict[str, tuple[bytes, ...]]
    fss: dict[tuple[bytes, str], bytes]
    known: Known

    def files(self, stem: str, which: int, signer: str) -> dict[str, bytes]:
        fi = self.fis[stem][which]
        return {
            f"FI.{stem}.1.1": fi,
            f"FS.{stem}.1.1": self.fss[fi, signer],
            f"GO.{stem}.1": b"",
        }


def goods() -> Goods:
    """Two stems of production that share an FI, one of the circuit test, one of the simulation."""
    stems = tuple(new_stem(letter) for letter in "RRTS")
    forms: dict[bytes, str] = {}
    fis: dict[str, tuple[bytes, ...]] = {}
    for n, stem in enumerate(stems):
        mine = []
        for m in range(2):
            reference = f"R/model/{n}/{m}"
            mine.append(declaration(right(reference, inss=person(10 * n + m))))
            forms[mine[-1]] = reference
        mine.append(declaration(right_update(f"R/nowhere/{n}", inss=person(10 * n + 2))))
        forms[mine[-1]] = ""
        fis[stem] = tuple(mine)
    fis[stems[1]] = (fis[stems[1]][0], fis[stems[0]][0], fis[stems[1]][2])
    fss = {(fi, signer): fs(fi, signer) for fi in forms for signer in ("employer", "mandatary")}
    signed = {data: about for about, data in fss.items()}
    return Goods(stems, fis, fss, Known(forms, signed))


# --- the real channel ---------------------------------------------------------------------


@dataclass
class Ground:
    """One instance, put back to its beginning for each example."""

    template: Path
    data: Path
    acts: int = 0
    kills: int = 0

    @cached_property
    def goods(self) -> Goods:
        return goods()

    @cached_property
    def world(self) -> World:
        return World(load(data=self.data, grace_seconds=0, settle_seconds=0))

    def renew(self) -> World:
        dispose(self.world.instance)
        shutil.rmtree(self.data, ignore_errors=True)
        shutil.copytree(self.template, self.data)
        # An instance knows its database by inode, and the new file may be given the old one's.
        self.world.instance = Instance(self.world.settings, wait=BUSY_SECONDS)
        self.world.seen.clear()
        return self.world

    def restart(self) -> list[str]:
        dispose(self.world.instance)
        self.world.seen.clear()
        return recover(self.world.instance)

    def start_another_worker(self) -> None:
        """What its process does first."""
        assert list(finish_unlisting(self.world.instance)) == []

    def observe(self) -> Observed:
        layout = self.world.instance.layout
        archived = keys(layout.arch)
        accepted = archived | keys(layout.sealed)
        return Observed({f: self._listed(f) for f in INBOXES}, accepted, archived)

    def _listed(self, folder: Folder) -> dict[str, Listed]:
        found = {}
        for entry in self.world.home.entries(folder):
            path = self.world.path(entry.name, folder)
            copied = not durable.is_published(path)
            found[entry.name] = path.read_bytes(), entry.sealed, copied
        return found

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Another connection keeps both databases to itself."""
        instance = self.world.instance
        with ExitStack() as stack:
            for path in (instance.production_path, instance.test_path):
                other = sqlite3.connect(path, isolation_level=None)
                stack.callback(other.close)
                other.execute("BEGIN IMMEDIATE")
            yield

    def column(self, query: str, *, test: bool) -> list[str]:
        instance = self.world.instance
        connection = sqlite3.connect(instance.test_path if test else instance.production_path)
        try:
            return sorted(str(row[0]) for row in connection.execute(query))
        finally:
            connection.close()

    def snapshot(self) -> dict[str, bytes]:
        roots = (self.world.instance.layout.spool, self.world.instance.layout.channels)
        return {str(p): p.read_bytes() for root in roots for p in root.rglob("*") if p.is_file()}


def keys(parent: Path) -> set[Key]:
    found = [SetKey.parse(name) for name in os.listdir(parent)]
    return {(k.folder, k.stem, k.ordinal) for k in found}


# --- acts -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Act:
    """One act on the real channel, and the same on the model."""

    real: Callable[[World], object]
    model: Callable[[Model], object]


def nothing(_: Model) -> None:
    """No sender can see that it was done."""


def refused(act: Callable[[Any], object], whom: object) -> bool:
    """Whether the sender was told no."""
    try:
        act(whom)
    except (Denied, FileExistsError, FileNotFoundError, Refused):
        return True
    return False


def upload(folder: Folder, name: str, data: bytes, *, keep: bool = False) -> Act:
    def real(world: World) -> None:
        begun = world.home.begin(folder, name, keep=keep, limit=LIMIT)
        begun.write(begun.size, data)
        begun.publish()

    return Act(real, lambda model: model.upload(folder, name, data, keep=keep))


def rename(folder: Folder, old: str, new: str, *, replace: bool) -> Act:
    return Act(
        lambda world: world.home.rename(folder, old, new, replace=replace, limit=LIMIT),
        lambda model: model.rename(folder, old, new, replace=replace),
    )


def copy_in(folder: Folder, name: str, data: bytes) -> Act:
    def real(world: World) -> None:
        made = world.settings.data / "copy"
        made.write_bytes(data)
        made.replace(world.path(name, folder))

    return Act(real, lambda model: model.copy_in(folder, name, data))


def sweep(folder: Folder, waits: Waits) -> Act:
    def real(world: World) -> None:
        swept = world.sweep(waits, folder)
        assert not swept.failed, f"could not be sealed: {swept.failed}"

    return Act(
        real,
        lambda model: model.sweep(
            folder,
            incomplete=not waits.grace,
            unfinished=not waits.unfinished,
            unsettled=not waits.settle,
        ),
    )


WORK = Act(lambda world: world.work(), nothing)
ONE_BATCH = Act(lambda world: world.worker().run_once(), nothing)
RESTART = Act(lambda world: recover(world.instance), nothing)
