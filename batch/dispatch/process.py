"""The dispatcher's process: one thread for each destination and each directory of answers."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from types import FrameType

from batch import journal
from batch.dispatch import commands
from batch.dispatch.destination import Destination
from batch.dispatch.returns import Returns
from batch.settings import Settings
from batch.storage import handover
from batch.storage.instance import Instance

DATABASE_SECONDS = 5.0
"""How long a transaction waits for the worker's."""


class ThreadEnded(Exception):
    """A thread ended by itself: this process is of no use without it."""


def destinations(instance: Instance, stop: threading.Event) -> Iterator[Destination]:
    """Every place that sets are handed to, until ``stop``."""
    for name, service in instance.settings.services.items():
        for test in (False, True):
            target = service.destination(test=test)
            if target is not None:
                yield Destination(instance, name, target, service.command_seconds, test, stop)


def answer_places(instance: Instance, stop: threading.Event) -> Iterator[Returns]:
    """Every directory into which a service puts its answers, until ``stop``."""
    for name, service in instance.settings.services.items():
        if service.answers is not None:
            signer = instance.institution_signer()
            place = instance.settings.data / service.answers
            yield Returns(instance, name, place, signer, stop)


def main(settings: Settings) -> None:
    """Hand over until SIGTERM; the set in hand is finished first. Raises ThreadEnded."""
    instance = Instance.open(settings, wait=DATABASE_SECONDS, serves=True)
    commands.end_left(instance.layout.hand)
    handover.clear(instance.layout)
    stop, asked = threading.Event(), threading.Event()

    def stopping(_number: int, _frame: FrameType | None) -> None:
        asked.set()
        stop.set()

    def work(one: Destination | Returns) -> None:
        try:
            one.run()
        except BaseException as error:
            journal.problem(f"{one.service}: its thread cannot go on", error)
        finally:
            stop.set()

    signal.signal(signal.SIGTERM, stopping)
    signal.signal(signal.SIGINT, stopping)
    served: list[Destination | Returns] = [
        *destinations(instance, stop),
        *answer_places(instance, stop),
    ]
    threads = [threading.Thread(target=work, args=(one,), name=one.service) for one in served]
    for thread in threads:
        thread.start()
    stop.wait()
    for thread in threads:
        thread.join()
    if not asked.is_set():
        raise ThreadEnded("a service is no longer served; to be started again")
