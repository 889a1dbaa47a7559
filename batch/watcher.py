"""Watchdog and sweep: "look again", nothing more. A lost hint costs one period of the sweep.

Hints come from inotify on the inboxes and on ``sealed``. The sweep goes over every inbox each
period, and each second over those that hold something not yet sealed. In an inbox that is so full
that this would take more than a share of the processor, it goes over the names that hints told of
and those that wait, and over all when their turn comes (``sweeping.LOOK_SHARE``); without hints, or
after a fault, over all each period.
"""

from __future__ import annotations

import logging
import math
import os
import threading
import time
import warnings
from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from operator import itemgetter

from watchdog.events import (
    DirCreatedEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers import Observer
from watchdog.observers.api import BaseObserver

from batch import journal
from batch.identifiers import SenderNumber
from batch.ingest.receive import Waits
from batch.names import INBOXES, Folder
from batch.storage import sweeping
from batch.storage.instance import Instance
from batch.storage.layout import Layout
from batch.storage.sweeping import Seen

ACTIVE_SECONDS = 1.0
"""Period of the sweep over inboxes that hold something: the grace of a GO is some seconds."""
AGAIN_SECONDS = 60.0
"""Pause before hints are asked for again where there were none: it may cost a watch per folder."""
REST_SECONDS = 0.1
"""Pause after each sweep: a burst of hints makes ten sweeps a second, not one for each file."""
REST_SHARE = 10
"""But so many times what the sweep took, up to ACTIVE_SECONDS: else the worker's sets go slower."""

IN_INBOXES: list[type[FileSystemEvent]] = [FileCreatedEvent, FileMovedEvent, FileClosedEvent]
IN_SEALED: list[type[FileSystemEvent]] = [DirCreatedEvent]
"""What can make a set complete, or brings one. The others are not even asked for: each costs some
fifty microseconds to read, and to archive sets alone deletes files by the thousand."""

_FOUND_TWICE = "Callback with id .* already exists"

Place = tuple[SenderNumber, Folder]


@dataclass(eq=False)
class Hints(FileSystemEventHandler):
    """Turns an event below the watched directories into "look again" there."""

    layout: Layout
    work: threading.Event
    woken: threading.Event = field(default_factory=threading.Event)
    _names: dict[Place, set[str]] = field(default_factory=dict)
    _guard: threading.Lock = field(default_factory=threading.Lock)

    def on_any_event(self, event: FileSystemEvent) -> None:
        directory, name = os.path.split(os.fsdecode(event.dest_path or event.src_path))
        if directory == str(self.layout.sealed):
            self.work.set()
            return
        home, folder = os.path.split(directory)
        sender = os.path.basename(home)
        if folder in INBOXES and sender.isdigit():
            self.again((SenderNumber(sender), Folder(folder)), name)

    def again(self, place: Place, *names: str) -> None:
        """Look again at these names of this inbox and at what waits there, after the others had
        their turn."""
        with self._guard:
            self._names.setdefault(place, set()).update(names)
            self.woken.set()

    def take(self) -> dict[Place, set[str]]:
        """The inboxes hinted at since the last call, with the names."""
        with self._guard:
            self.woken.clear()
            taken, self._names = self._names, {}
            return taken


@dataclass
class Watcher:
    """Seals what is ready in the inboxes and wakes the worker through ``work``."""

    instance: Instance
    work: threading.Event
    watchdog: bool = True
    _stop: threading.Event = field(default_factory=threading.Event)
    _observer: BaseObserver | None = None
    _observe_at: float = 0.0
    _refusal: int = 0
    _patient_until: float = 0.0
    _active: set[Place] = field(default_factory=set)
    _seen: defaultdict[Place, Seen] = field(default_factory=lambda: defaultdict(Seen))

    def __post_init__(self) -> None:
        self._hints = Hints(self.instance.layout, self.work)

    def run(self) -> None:
        """Until ``stop``: sweep where hinted, each second where files wait, and each period.

        No fault of the disk or of inotify ends it.
        """
        period = self.instance.settings.sweep_seconds
        next_full = 0.0
        while not self._stop.is_set():
            if time.monotonic() >= next_full:
                next_full = time.monotonic() + period
                self._keep_observing()
                hinted: Collection[str] | None = () if self._observer else None
                self._sweep(dict.fromkeys(self._everywhere(), hinted))
                self.work.set()
            began = time.monotonic()
            self._sweep({**dict.fromkeys(self._active, ()), **self._hints.take()})
            if self._stop.wait(_rest(time.monotonic() - began)):
                break  # it may have been asked before the hints were taken, which forgot it
            until_full = max(0.0, next_full - time.monotonic())
            self._hints.woken.wait(min(ACTIVE_SECONDS, until_full) if self._active else until_full)
        self._end_observing()

    def stop(self) -> None:
        """Ends ``run`` after the sweep it is in."""
        self._stop.set()
        self._hints.woken.set()

    def _keep_observing(self) -> None:
        """See that hints come: threads of the library end without a word at an error."""
        if not self.watchdog:
            return
        observer, now = self._observer, time.monotonic()
        if observer is not None:
            if observer.is_alive() and all(e.is_alive() for e in observer.emitters):
                return
            journal.problem("hints from inotify ended; the sweep goes on alone for now")
            self._end_observing()
        elif now >= self._observe_at:
            self._observe_at = now + AGAIN_SECONDS
            self._observer = self._observe()

    def _end_observing(self) -> None:
        observer, self._observer = self._observer, None
        if observer is not None:
            observer.stop()
            observer.join()

    def _observe(self) -> BaseObserver | None:
        """Hints from inotify; where there are none to be had, the sweep does it all."""
        library = logging.getLogger("watchdog")
        library.addHandler(logging.NullHandler())  # what it says at its end is no line of our log
        library.propagate = False
        observer = Observer()
        try:
            layout = self.instance.layout
            observer.schedule(
                self._hints, str(layout.channels), recursive=True, event_filter=IN_INBOXES
            )
            observer.schedule(self._hints, str(layout.sealed), event_filter=IN_SEALED)
            # A folder made while it starts is found twice, by its walk and by its event: harmless,
            # but said in the observer's own thread, at any time from here on.
            warnings.filterwarnings("ignore", _FOUND_TWICE, RuntimeWarning)
            observer.start()
        except (OSError, RuntimeError) as error:  # the latter: no thread can be started
            journal.problem("no hints from inotify; the sweep goes on alone", error)
            observer.stop()  # those of its threads that did start
            return None
        return observer

    def _everywhere(self) -> set[Place]:
        """Every inbox; those looked at before where the disk does not say now."""
        try:
            homes = list(self.instance.spool.senders())
        except OSError as error:
            journal.problem("the inboxes cannot be listed; the next sweep tries again", error)
            return set(self._seen)
        return {(home.sender, folder) for home in homes for folder in INBOXES}

    def _sweep(self, places: Mapping[Place, Collection[str] | None]) -> None:
        """Each inbox, with the names that hints told of there; None for all there are."""
        self._look_for_refusals()
        for (sender, folder), hinted in sorted(places.items(), key=itemgetter(0)):
            try:
                self._sweep_inbox(sender, folder, hinted)
            except Exception as error:
                self._seen[sender, folder].lapse()  # the names hinted at were not looked at
                journal.problem(f"sweep of {sender}/{folder}", error)

    def _look_for_refusals(self) -> None:
        """After a GO that could not come in, nothing is given up on for as long as any file waits:
        nobody gets a negative answer because too much was waiting here."""
        backlog = self.instance.spool.backlog
        try:
            full = backlog.full()
        except OSError:
            full = True
        latest = backlog.latest_refusal()
        if full or latest != self._refusal:
            self._refusal = latest
            self._patient_until = time.monotonic() + self.instance.settings.unfinished_seconds

    def _sweep_inbox(
        self, sender: SenderNumber, folder: Folder, hinted: Collection[str] | None
    ) -> None:
        settings, place = self.instance.settings, (sender, folder)
        seen = self._seen[place]
        patient = time.monotonic() < self._patient_until
        unfinished = math.inf if patient else settings.unfinished_seconds
        waits = Waits(settings.grace_seconds, unfinished, settings.settle_seconds)
        names = None if seen.due else hinted
        with self.instance.spool.sender(sender).inbox(folder) as inbox:
            swept = sweeping.sweep(inbox, seen, waits, datetime.now(UTC), names)
        for stem, error in swept.failed:
            journal.problem(f"{sender}/{folder}: {stem} cannot be sealed", error)
        for key in swept.sealed:
            journal.sealed(key)
            self.work.set()
        if swept.more:
            self._hints.again(place)
        if swept.waiting:
            self._active.add(place)
        else:
            self._active.discard(place)


def _rest(took: float) -> float:
    """Seconds to rest after a sweep that ``took`` so many."""
    return max(REST_SECONDS, min(ACTIVE_SECONDS, REST_SHARE * took))
