"""Watchdog and sweep: "look again", nothing more. A lost hint costs one period of the sweep.

Hints come from inotify on the inboxes and on ``sealed``. The sweep goes over every inbox each
period, and each second over those that hold something not yet sealed.
"""

from __future__ import annotations

import os
import threading
import time
import warnings
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from watchdog.events import FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer
from watchdog.observers.api import BaseObserver

from batch import journal
from batch.identifiers import SenderNumber
from batch.ingest.receive import Waits
from batch.names import INBOXES, Folder
from batch.storage import sealing
from batch.storage.inbox import Inbox, Seen
from batch.storage.instance import Instance
from batch.storage.layout import Layout

ACTIVE_SECONDS = 1.0
"""Period of the sweep over inboxes that hold something: the grace of a GO is some seconds."""
REST_SECONDS = 0.1
"""Pause after each sweep: a burst of hints makes ten sweeps a second, not one for each file."""

_FOUND_TWICE = "Callback with id .* already exists"

Place = tuple[SenderNumber, Folder]


@dataclass(eq=False)
class Hints(FileSystemEventHandler):
    """Turns any event below the watched directories into "look again" there."""

    layout: Layout
    work: threading.Event
    woken: threading.Event = field(default_factory=threading.Event)
    _places: set[Place] = field(default_factory=set)
    _guard: threading.Lock = field(default_factory=threading.Lock)

    def on_any_event(self, event: FileSystemEvent) -> None:
        if event.event_type in ("opened", "closed_no_write"):
            return
        path = Path(os.fsdecode(event.dest_path or event.src_path))
        if self.layout.sealed in path.parents:
            self.work.set()
            return
        sender, folder = path.parent.parent.name, path.parent.name
        if folder in INBOXES and sender.isdigit():
            with self._guard:
                self._places.add((SenderNumber(sender), Folder(folder)))
                self.woken.set()

    def take(self) -> set[Place]:
        """The inboxes hinted at since the last call."""
        with self._guard:
            self.woken.clear()
            places, self._places = self._places, set()
            return places


@dataclass
class Watcher:
    """Seals what is ready in the inboxes and wakes the worker through ``work``."""

    instance: Instance
    work: threading.Event
    watchdog: bool = True
    _stopping: bool = False
    _active: set[Place] = field(default_factory=set)
    _seen: defaultdict[Place, Seen] = field(default_factory=lambda: defaultdict(Seen))

    def __post_init__(self) -> None:
        self._hints = Hints(self.instance.layout, self.work)

    def run(self) -> None:
        """Until ``stop``: sweep where hinted, each second where files wait, and each period."""
        observer = self._observe()
        period = self.instance.settings.sweep_seconds
        next_full = 0.0
        while not self._stopping:
            if time.monotonic() >= next_full:
                next_full = time.monotonic() + period
                self._sweep(self._everywhere())
                self.work.set()
            self._sweep(self._hints.take() | self._active)
            time.sleep(REST_SECONDS)
            self._hints.woken.wait(min(ACTIVE_SECONDS if self._active else period, period))
        if observer is not None:
            observer.stop()
            observer.join()

    def stop(self) -> None:
        """Ends ``run`` after the sweep it is in."""
        self._stopping = True
        self._hints.woken.set()

    def _observe(self) -> BaseObserver | None:
        """Hints from inotify; where there are none to be had, the sweep does it all."""
        if not self.watchdog:
            return None
        observer = Observer()
        try:
            observer.schedule(self._hints, str(self.instance.layout.channels), recursive=True)
            observer.schedule(self._hints, str(self.instance.layout.sealed))
            # A folder made while it starts is found twice, by its walk and by its event: harmless,
            # but said in the observer's own thread, at any time from here on.
            warnings.filterwarnings("ignore", _FOUND_TWICE, RuntimeWarning)
            observer.start()
        except OSError as error:
            journal.problem("no hints from inotify; the sweep goes on alone", error)
            return None
        return observer

    def _everywhere(self) -> set[Place]:
        homes = self.instance.spool.senders()
        return {(home.sender, folder) for home in homes for folder in INBOXES}

    def _sweep(self, places: set[Place]) -> None:
        for sender, folder in sorted(places):
            try:
                self._sweep_inbox(Inbox(self.instance.layout, sender, folder))
            except Exception as error:
                journal.problem(f"sweep of {sender}/{folder}", error)

    def _sweep_inbox(self, inbox: Inbox) -> None:
        settings, place = self.instance.settings, (inbox.sender, inbox.folder)
        waits = Waits(settings.grace_seconds, settings.unfinished_seconds, settings.settle_seconds)
        with self.instance.spool.sender(inbox.sender).locked():
            swept = sealing.sweep(inbox, self._seen[place], waits, datetime.now(UTC))
        for stem, error in swept.failed:
            journal.problem(f"{inbox.sender}/{inbox.folder}: {stem} cannot be sealed", error)
        for key in swept.sealed:
            journal.sealed(key)
            self.work.set()
        if swept.waiting:
            self._active.add(place)
        else:
            self._active.discard(place)
