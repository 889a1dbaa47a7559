"""Seeded bugs: each is a mistake that a careful person could make in the durability protocol.

Python runs this file when a process of the channel starts, because the laboratory puts its
directory on the path and names one bug. The product knows nothing of it.
"""

# mypy: disable-error-code="assignment, method-assign"

from __future__ import annotations

import os
import shutil
import stat
import threading
from collections.abc import Callable
from typing import Any

from sqlalchemy import update

from batch.ingest.way import Step, next_step
from batch.names import Folder
from batch.sftp_server import operations
from batch.states import Deferred, SetKey
from batch.storage import database, dossiers, durable, recovery, sealing, spool, submissions, upload
from batch.storage.layout import Layout
from batch.storage.submission_tables import answer
from batch.worker import loop, steps

real_fsync = os.fsync
real_sync = durable.sync_opened


def no_file_fsync() -> None:
    """The bytes of files are left to the kernel."""

    def fsync(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            real_fsync(descriptor)

    os.fsync = fsync


def no_directory_fsync() -> None:
    """Names are left to the kernel: a rename is not durable by itself."""
    durable.sync_opened = lambda directory: None


def _synchronous(wanted: str) -> None:
    execute = database._File.execute

    def weaker(self: Any, statement: str, *rest: Any) -> Any:
        return execute(self, statement.replace("synchronous=FULL", f"synchronous={wanted}"), *rest)

    database._File.execute = weaker


def sqlite_normal() -> None:
    """``synchronous=NORMAL``: the default of many, which loses the last commits."""
    _synchronous("NORMAL")


def sqlite_off() -> None:
    """``synchronous=OFF``."""
    _synchronous("OFF")


def answer_before_commit() -> None:
    """The ACRF is shown as soon as it is written, before its verdict is committed."""
    verify = steps.Steps.verify

    def eager(self: Any, taken: Any, home: Any, *rest: Any) -> Any:
        decided = verify(self, taken, home, *rest)
        if not isinstance(decided, Deferred):
            f = decided.files
            shown = dossiers.Emission(
                *(0, taken.sealed.key, f.layer, f.stem, f.attempt, f.data_kind),
                *(f.sha256, f.signature_sha256),
            )
            dossiers.emit(Layout(self.facts.settings.data), [shown])
        return decided

    steps.Steps.verify = eager


def two_transactions() -> None:
    """Records are committed first, the state and the NOTI after them."""
    record = submissions.record_content

    def apart(connection: Any, *rest: Any) -> None:
        for statement in ("COMMIT", "BEGIN IMMEDIATE", "SAVEPOINT part"):
            connection.exec_driver_sql(statement)
        record(connection, *rest)

    submissions.record_content = apart


def manifest_not_synced() -> None:
    """The manifest of a sealed set is written, and not synced."""

    def write_file(path: Any, data: bytes) -> None:
        if path.name != sealing.MANIFEST:
            return real(path, data)
        path.write_bytes(data)
        return None

    real = durable.write_file
    durable.write_file = write_file


def answers_not_synced() -> None:
    """The files of an answer are written into the set's directory, and not synced."""

    def fsync(descriptor: int) -> None:
        name = os.path.basename(os.readlink(f"/proc/self/fd/{descriptor}"))
        if not name.startswith("@") or name == sealing.MANIFEST:
            real_fsync(descriptor)

    os.fsync = fsync
    durable.begin_writing = lambda _: None  # as good as a sync here, if the disk has nothing to do


def _sync_all_but(*names: str) -> None:
    def sync(directory: int) -> None:
        if os.path.basename(os.readlink(f"/proc/self/fd/{directory}")) not in names:
            real_sync(directory)

    durable.sync_opened = sync


def out_not_synced() -> None:
    """An answer's names in OUT are not synced before it counts as shown."""

    _sync_all_but(Folder.OUT, Folder.OUTTEST)


def sealed_not_synced() -> None:
    """Neither the inbox nor ``sealed`` is synced before a GO is answered OK."""

    _sync_all_but(Folder.IN, Folder.INTEST, "sealed")


def broken_off_is_published() -> None:
    """What a lost connection left behind is published like a closed file."""
    abandon = upload.Upload.abandon

    def publish(self: Any) -> None:
        if self._poison is None and self.size:
            self.publish()
        else:
            abandon(self)

    operations.Operations._drop = lambda self, handle: (
        publish(handle.upload) if hasattr(handle, "upload") else None
    )


def removal_is_forgotten() -> None:
    """An answer the sender removes is unlinked, and nobody remembers that it was shown."""
    remove = spool.SenderHome.remove

    def forget(self: Any, folder: Any, name: str) -> None:
        remove(self, folder, name)
        if not folder.is_inbox:
            self.spool.layout.taken_name(self.sender, folder, name).unlink()

    spool.SenderHome.remove = forget


def restart_tidies_too_much() -> None:
    """What lies in ``sealed`` at a restart is taken for a leftover, and so are its names in IN.

    With its names it would be sealed again, and nobody would see the mistake.
    """
    drop = recovery.drop_unfinished

    def drop_more(layout: Layout) -> None:
        drop(layout)
        for directory in layout.sealed.iterdir():
            dossiers.unlist(layout, [SetKey.parse(directory.name)])
            shutil.rmtree(directory)

    recovery.drop_unfinished = drop_more


def shown_then_answered() -> None:
    """That an answer was shown and that its set is answered are two commits.

    Nobody looks for what stands between them: the worker does, so that look is taken away too.
    """
    record, finished = submissions.record_emitted, submissions.finished

    def apart(connection: Any, ids: Any, at: Any) -> None:
        connection.execute(
            update(answer).where(answer.c.id.in_(ids)).values(emitted_at=at, shown_at=at)
        )
        connection.exec_driver_sql("COMMIT")
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        submissions.finished = finished
        record(connection, ids, at)
        submissions.finished = overlooked

    def overlooked(_connection: Any, _ids: Any) -> list[int]:
        return []

    submissions.record_emitted = apart
    submissions.finished = overlooked


def ok_too_soon() -> None:
    """CLOSE is answered while the file is still being brought to the disk."""

    def publish(self: Any, place: Any, size: int, act: Callable[[], None]) -> None:
        threading.Timer(0.02, act).start()

    operations.Operations._publish = publish


def archived_before_shown() -> None:
    """A set leaves for the archive, and the inbox, as soon as it has its verdict."""
    move_on = loop.Worker._show

    def archive(self: Any, engine: Any, claims: Any) -> None:
        self._archive(
            t.sealed.key for t in claims if next_step(t.stage) in (Step.VERIFY, Step.INGEST)
        )
        move_on(self, engine, claims)

    loop.Worker._show = archive


BUGS: dict[str, Callable[[], None]] = {
    bug.__name__: bug
    for bug in (
        *(no_file_fsync, no_directory_fsync, sqlite_normal, sqlite_off, answer_before_commit),
        *(two_transactions, manifest_not_synced, answers_not_synced, out_not_synced),
        *(sealed_not_synced, broken_off_is_published, removal_is_forgotten),
        *(restart_tidies_too_much, shown_then_answered, ok_too_soon, archived_before_shown),
    )
}

BUGS[os.environ["FLA_CRASH_BUG"]]()
