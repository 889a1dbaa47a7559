"""Compares disk and database both ways and tells what does not fit; reads only.

``problems`` costs what waits: a start and every look afford it. ``damaged`` reads the manifest of
each waiting set. ``archive_problems`` costs what was ever answered.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import ColumnElement, Engine, Row, Select, func, select

from batch.errors import SpoolFault
from batch.names import Kind
from batch.states import SetKey, Stage
from batch.storage import beneath, dossiers
from batch.storage.database import reading
from batch.storage.dossiers import Dossier
from batch.storage.instance import Instance
from batch.storage.layout import Layout
from batch.storage.sealing import MANIFEST, read_manifest
from batch.storage.submission_tables import answer, post, submission

_UNENDED = tuple(stage for stage in Stage if stage is not Stage.ANSWERED)
_ROWS_AT_ONCE = 10_000


@dataclass(frozen=True, slots=True)
class Standing:
    """The names of the directories that wait: in ``sealed``, and set ``aside`` in quarantine."""

    sealed: frozenset[str]
    aside: frozenset[str]

    @classmethod
    def of(cls, layout: Layout) -> Standing:
        return cls(frozenset(os.listdir(layout.sealed)), frozenset(os.listdir(layout.quarantine)))

    def __contains__(self, name: str) -> bool:
        return name in self.sealed or name in self.aside


def problems(instance: Instance) -> Iterator[str]:
    """What does not fit together of all that is not answered, both ways."""
    layout, standing = instance.layout, Standing.of(instance.layout)
    states: dict[str, str] = {}
    for engine in (instance.production, instance.test):
        unended = _states(engine, submission.c.state.in_(_UNENDED))
        yield from _rows_without_files(engine, layout, [k for k in unended if k not in standing])
        posted = answer.c.post_id.is_not(None) & answer.c.shown_at.is_(None)
        for row in _streamed(engine, _answers(submission.c.state.in_(_UNENDED) | posted)):
            yield from _answer_without_files(layout, row)
        states |= unended
    yield from _directories(layout, standing)
    yield from (f"{key}: in quarantine" for key in states if states[key] == Stage.QUARANTINED)
    for name in sorted(standing.aside - states.keys()):
        yield f"{name}: in quarantine, but no row knows why"


def damaged(instance: Instance) -> Iterator[str]:
    """Waiting sets whose manifest cannot be read; the worker says it too when it comes to them."""
    for parent in (instance.layout.sealed, instance.layout.quarantine):
        for name in sorted(os.listdir(parent)):
            try:
                if str(read_manifest(parent / name).key) != name:
                    yield f"{name}: its manifest is that of another set"
            except SpoolFault as fault:
                yield str(fault)


def archive_problems(instance: Instance) -> Iterator[str]:
    """What does not fit together of all that was ever answered; minutes where that is a million."""
    layout, unknown = instance.layout, set(os.listdir(instance.layout.arch))
    unknown |= set(os.listdir(layout.posted))
    for engine in (instance.production, instance.test):
        for row in _streamed(engine, select(submission.c.key, submission.c.state)):
            if row.key in unknown:
                unknown.remove(row.key)
            elif row.state == Stage.ANSWERED and dossiers.place(layout, row.key) is None:
                yield f"{row.key}: answered, but its directory is missing"
        for row in _streamed(engine, select(post.c.key)):
            unknown.discard(row.key)
        ended = (submission.c.state == Stage.ANSWERED) | answer.c.post_id.is_not(None)
        for row in _streamed(engine, _answers(ended)):
            yield from _answer_without_files(layout, row)
    for name in sorted(unknown):
        where = "posted" if (layout.posted / name).is_dir() else "archived"
        yield f"{name}: {where}, but no row knows it"


def _rows_without_files(engine: Engine, layout: Layout, keys: list[str]) -> Iterator[str]:
    for key in keys:
        if (layout.sealed / key).is_dir() or (layout.quarantine / key).is_dir():
            continue  # sealed since we looked
        if not (layout.arch / key).is_dir():
            yield f"{key}: accepted, but its files are missing"
        elif _states(engine, submission.c.key == key)[key] != Stage.ANSWERED:
            yield f"{key}: its directory is archived, but it is not answered"


def _directories(layout: Layout, standing: Standing) -> Iterator[str]:
    """Names that are no set's, sets without a manifest, and sets that stand in two places."""
    for parent, names in ((layout.sealed, standing.sealed), (layout.quarantine, standing.aside)):
        for name in sorted(names):
            if not _is_key(name):
                yield f"{name}: it stands in {parent.name} and is no set"
            elif (
                not os.path.lexists(f"{parent}/{name}/{MANIFEST}")
                and dossiers.place(layout, name) == parent / name  # else it has just moved on
            ):
                yield f"{name}: its manifest is missing"
    for name in sorted(standing.sealed & standing.aside):
        yield f"{name}: it stands in sealed and in quarantine"


def _answer_without_files(layout: Layout, row: Row[tuple[object, ...]]) -> Iterator[str]:
    """To be shown, or gone from OUT by its age: its files are in its set's directory, or its own.

    Shown: they are in OUT, or were taken.
    """
    kinds = (row.data_kind, Kind.FS, Kind.GO)
    home = dossiers.place(layout, row.key)
    if row.shown_at is None or row.left_at is not None:
        sources = [Dossier(home).answer_file(row.layer, row.attempt, k) for k in kinds if home]
        for source in sources:
            if not os.path.lexists(source):
                yield f"{row.key}: its {row.layer} is decided, but {source.name} is missing"
        if home is None and row.post_id is not None:
            yield f"{row.key}: posted, but its directory is missing"
        return
    key = SetKey.parse(row.key)
    sender, folder = key.channel, key.folder.answers
    for kind in kinds:
        name = f"{kind}.{row.stem}.1" if kind == Kind.GO else f"{kind}.{row.stem}.1.1"
        taken = layout.taken_name(sender, folder, name)
        if not _lies_in(layout.folder(sender, folder), name) and not os.path.lexists(taken):
            yield f"{row.key}: {name} was shown and is neither in {folder} nor in taken"


def _lies_in(folder: Path, name: str) -> bool:
    """Whether a name is in a sender's folder; never one to which a link leads."""
    try:
        with beneath.held(folder) as held:
            return held.has(name)
    except (FileNotFoundError, SpoolFault):
        return False


def _is_key(name: str) -> bool:
    try:
        SetKey.parse(name)
    except ValueError:
        return False
    return True


def _states(engine: Engine, wanted: ColumnElement[bool]) -> dict[str, str]:
    query = select(submission.c.key, submission.c.state).where(wanted)
    with reading(engine) as connection:
        return {row.key: row.state for row in connection.execute(query)}


def _answers(wanted: ColumnElement[bool]) -> Select[tuple[object, ...]]:
    return (
        select(answer, func.coalesce(submission.c.key, post.c.key).label("key"))
        .outerjoin_from(answer, submission, submission.c.id == answer.c.submission_id)
        .outerjoin(post, post.c.id == answer.c.post_id)
        .where(wanted)
    )


def _streamed(
    engine: Engine, query: Select[tuple[object, ...]]
) -> Iterator[Row[tuple[object, ...]]]:
    with reading(engine) as connection:
        yield from connection.execution_options(yield_per=_ROWS_AT_ONCE).execute(query)
