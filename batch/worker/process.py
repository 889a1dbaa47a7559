"""The worker process: watcher and loop in two threads, until SIGTERM."""

from __future__ import annotations

import gc
import signal
import threading
from types import FrameType

from batch import journal
from batch.errors import Busy, Fault
from batch.settings import Settings
from batch.storage import recovery
from batch.storage.instance import Instance
from batch.storage.remembered import RememberedRegisters
from batch.watcher import Watcher
from batch.worker.facts import Facts
from batch.worker.heads import Heads
from batch.worker.loop import Worker
from batch.worker.serving import descriptions
from batch.worker.steps import Steps

DATABASE_SECONDS = 5.0
"""How long a transaction waits for an operator's: the other database is not to wait longer."""

TROUBLE_SECONDS = 1.0
"""Pause after a fault that stopped a whole batch, such as a database that is away."""


COLLECT_AFTER = 50_000
"""Objects alive beyond those that go by themselves, before cycles are looked for. A chunk of forms
holds some 10,000 that all go at its end, and the book keeps as many accounts; at Python's 700 the
search took a fifth of a large set, at 20,000 a twenty-fifth."""


class WatcherEnded(Exception):
    """The watcher's thread ended by itself: this process is of no use without it."""


def make_worker(instance: Instance) -> Worker:
    """A worker for this instance, with every service it serves."""
    signer = instance.institution_signer()
    facts = Facts(
        settings=instance.settings,
        registers=RememberedRegisters(instance.production),
        services=descriptions(instance.settings),
    )
    return Worker(instance, Steps(facts, signer))


def main(settings: Settings) -> None:
    """Work until SIGTERM; the set in hand is finished first. Raises WatcherEnded."""
    instance = Instance.open(settings, wait=DATABASE_SECONDS, serves=True)
    worker = make_worker(instance)
    gc.freeze()  # what is loaded stays: it is not looked through again each time
    gc.set_threshold(COLLECT_AFTER)
    work, stop, asked = threading.Event(), threading.Event(), threading.Event()
    watcher = Watcher(instance, work, watchdog=settings.watchdog)

    def sweep() -> None:
        try:
            watcher.run()
        except BaseException as error:
            journal.problem("the watcher cannot go on", error)
        finally:
            stop.set()
            work.set()

    def stopping(_number: int, _frame: FrameType | None) -> None:
        asked.set()
        stop.set()
        work.set()

    signal.signal(signal.SIGTERM, stopping)
    signal.signal(signal.SIGINT, stopping)
    sweeping = threading.Thread(target=sweep, name="watcher")
    sweeping.start()
    for found in recovery.finish_unlisting(instance):  # a worker may have been killed alone
        journal.problem(found)
    heads = Heads(instance)
    try:
        while not stop.is_set():
            heads.tell()
            work.wait(settings.sweep_seconds)
            work.clear()
            _work(worker, stop)
    finally:
        watcher.stop()
        sweeping.join()
    if not asked.is_set():
        raise WatcherEnded("nobody looks into the inboxes any more; to be started again")


def _work(worker: Worker, stop: threading.Event) -> None:
    """Batch after batch until nothing is left; a fault of ours waits and ends nothing."""
    try:
        while not stop.is_set() and worker.run_once():
            pass
    except (Busy, Fault, OSError) as fault:
        journal.problem("the worker could not go on", fault)
        stop.wait(TROUBLE_SECONDS)
