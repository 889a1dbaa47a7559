"""One life of a channel: finish what the last life left, look whether every promise was kept,
then do the same acts again under new names, and die at a point.

The acts: a set that is right, and one in INTEST under a temporary name; the first receipt is read
and removed; a set comes with another's signature; the first comes again, whole; other content comes
under its stem; and an upload is broken off.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TypeVar

from fixtures.declared import fs
from tests.acceptance.clients import named, new_stem
from tests.crash.lab import checks
from tests.crash.lab.channel import Channel
from tests.crash.lab.checks import Book, Content
from tests.crash.lab.points import Point
from tests.crash.lab.sender import Client, Lost, Refused
from tests.crash.lab.tracing import Call, Tracer, calls, killed_before
from tests.declarations import EMPLOYER, declaration, person, right, right_update

PATIENCE = 40.0
"""Seconds in which everything promised must be answered once the channel runs undisturbed."""

COMES_BACK = 120.0
"""Seconds in which an act must have been done, on however many connections."""

_persons = itertools.count(1)
T = TypeVar("T")


class Over(Exception):
    """This life ended at its point."""


@dataclass
class Life:
    """A channel, its sender, and the book the sender keeps over many lives."""

    channel: Channel
    client: Client
    book: Book = field(default_factory=Book)
    died: str | None = None
    last: str | None = None
    """Where the life before the last settling ended."""
    _point: Point | None = None
    _over: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _watch: threading.Thread | None = None
    _acts: int = 0
    _labels: list[str] = field(default_factory=list)

    # --- before ---------------------------------------------------------------------------

    def settle(self) -> list[str]:
        """Bring everything to its end, undisturbed; what is wrong then."""
        self._point, self.last, self.died = None, self.died, None
        self._over.clear()
        if self.channel.place.lost:
            return []
        if not self.channel.runs:
            try:
                self.channel.start()
            except AssertionError as error:
                return [str(error)]
        try:
            self._finish()
        except (Lost, Refused) as error:
            self.book.wrong.append(f"{type(error).__name__}: {error}")
        wrong, self.book.wrong = self.book.wrong, []
        return list(dict.fromkeys(wrong))

    def _finish(self) -> None:
        self.client.drop()
        self.client.connect()
        checks.before_resending(self.book, self.client)
        self.book.look(self.client)
        self.book.look_again(self.client)
        for content in self.book.contents:
            self._deliver(content)
        if self.book.repeated is not None:
            self._once_more(self.book.repeated)
        deadline = time.monotonic() + PATIENCE
        left = ["not answered"]
        while left and not self.book.wrong and time.monotonic() < deadline:
            self.book.look(self.client)
            left = self._unanswered() or checks.at_rest(self.book, self.channel, self.client)
            time.sleep(0.03 if left else 0)
        self.book.wrong += left or checks.problems(self.channel)

    def _unanswered(self) -> list[str]:
        if self.book.finished():
            return []
        about = ", ".join(c.stem for c in self.book.contents)
        return [f"not every set of {about} was answered within {PATIENCE} s"]

    def forget(self) -> None:
        """The sender clears its outboxes; what it removed must not come back."""
        for folder in checks.OUTBOXES:
            for name in self.client.names(folder):
                self._remove(name)
        self.book.close()

    # --- the acts -------------------------------------------------------------------------

    def live(self, point: Point) -> None:
        """Do the acts and die at ``point``, or at their end."""
        self._point, self._acts, self._labels = point, 0, []
        if point.role == "supervisor":
            self._live_and_die_again(point)
            return
        tracer = None
        try:
            tracer = self._trace(point)
            self._act()
            if self.channel.place.power:
                self._die("the end of the acts")
        except Over:
            pass
        except (Refused, AssertionError) as error:
            self.book.wrong.append(f"{type(error).__name__}: {error}")
        finally:
            self.client.drop()
            if tracer is not None:
                tracer.close()
            if self._watch is not None:
                self._watch.join()

    def record(self, role: str) -> list[Call]:
        """The changes that a role makes during the acts."""
        self._point, self._acts, self._labels = None, 0, []
        if role == "supervisor":
            self._half_done()
            log = self.channel.root / "supervisor.trace"
            self.channel.start_and_die(None, log)
            return list(calls(log, self.channel.data))
        tracer = Tracer(self.channel.role(role), self.channel.root / f"{role}.trace")
        self._act()
        tracer.close()
        return list(calls(tracer.log, self.channel.data))

    def labels(self) -> list[str]:
        """The moments of the last life as the sender saw them."""
        return self._labels

    def _live_and_die_again(self, point: Point) -> None:
        """Die in the middle of work; then again, while starting."""
        self._half_done()
        log = self.channel.root / "supervisor.trace"
        dead = self.channel.start_and_die(point.call, log)
        self.died = killed_before(log, self.channel.data) if dead else None
        if self.channel.place.power:
            self.channel.cut()
        else:
            self.channel.die()

    def _half_done(self) -> None:
        first, second = self._right_set(), self._right_set()
        self.book.contents += [first, second]
        self._deliver(first)
        for name in list(second.files)[:2]:
            self.client.store("IN", name, second.files[name])
            second.told.add(name)
        self.client.break_off("IN", f"{new_stem('000001')}.part", b"half")
        if self.channel.place.power:
            self.channel.cut()
        else:
            self.channel.die()
        self.client.drop()

    def _act(self) -> None:
        one, tried, foreign = self._right_set(), self._test_set(), self._foreign_set()
        self.book.contents += [one, tried, foreign]
        for content in (one, tried):
            self._persist(lambda c=content: self._deliver(c))  # type: ignore[misc]
        receipt = self._persist(lambda: self._receipt(one))
        for name in receipt:  # at once: a worker that dies while showing it finds it gone
            self._persist(lambda n=name: self._remove(n))  # type: ignore[misc]
        self._persist(lambda: self._deliver(foreign))
        self._persist(lambda: self._once_more(one))
        other = self._other_content(one)
        self.book.contents.append(other)
        self._persist(lambda: self._deliver(other))
        self._persist(lambda: self._break_off())
        self._persist(self._everything_read)

    def _deliver(self, content: Content) -> None:
        content.deliver(self.client, lambda name: self._told(f"stored {name[:2]}"))

    def _once_more(self, content: Content) -> None:
        self.book.repeated = content
        for name, given in content.files.items():
            self.client.store(content.folder, name, given)
            self._told(f"stored {name[:2]} again")
        self.book.repeated = None

    def _remove(self, name: str) -> None:
        folder = "OUT" if name.split(".")[5] == "R" else "OUTTEST"
        again = name in self.book.asked
        self.book.asked.add(name)
        try:
            self.client.remove(folder, name)
        except Refused:
            if not again:
                raise
        self.book.gone.add(name)
        self._told(f"removed {name[:2]}")

    def _receipt(self, content: Content) -> list[str]:
        """The names of its ACRF, once it is there."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            self.book.look(self.client)
            for go, answer in self.book.answers.items():
                if answer.layer == "ACRF" and answer in self.book.about(content.stem):
                    self._told("read ACRF")
                    return [go, f"FO{go[2:]}.1", f"FS{go[2:]}.1"]
            time.sleep(0.01)
        raise AssertionError(f"{content.stem}: no receipt within {PATIENCE} s")

    def _break_off(self) -> None:
        name = f"FI.{new_stem('000001')}.1.1"
        self.book.broken_off.append(("IN", name))
        self.client.break_off("IN", name, b"half of a file")
        self.client.connect()

    def _everything_read(self) -> None:
        deadline = time.monotonic() + PATIENCE
        while not self.book.finished() and time.monotonic() < deadline:
            self.book.look(self.client)
            time.sleep(0.02)
        self._told("read NOTI")

    # --- death ----------------------------------------------------------------------------

    def _persist(self, act: Callable[[], T]) -> T:
        """Do it until it is done, on new connections, unless this life is over."""
        deadline = time.monotonic() + COMES_BACK
        while time.monotonic() < deadline:
            try:
                if self._over.is_set():
                    raise Over
                return act()
            except Lost:
                with self._lock:  # whoever cuts the power is done when we have it
                    if self._over.is_set() or (self.died and self.channel.place.power):
                        raise Over from None
                self._reconnect()
        raise AssertionError("the channel does not come back")

    def _reconnect(self) -> None:
        time.sleep(0.05)
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline and not self._over.is_set():
            with suppress(Lost):
                self.client.connect(0.1)
                break

    def _trace(self, point: Point) -> Tracer | None:
        if point.call is None:
            return None
        process = self.channel.role(point.role)
        log = self.channel.root / f"{point.role}.trace"
        tracer = Tracer(process, log, point.call)
        self._watch = threading.Thread(target=self._wait_for_death, args=(tracer,))
        self._watch.start()
        return tracer

    def _wait_for_death(self, tracer: Tracer) -> None:
        tracer.wait()
        about = killed_before(tracer.log, self.channel.data)
        if about is not None:
            self._die(about, by_itself=True)

    def _told(self, what: str) -> None:
        self._acts += 1
        label = f"{self._acts:02d} {what}"
        self._labels.append(label)
        if self._point is not None and self._point.after == label:
            self._die(label)
            raise Over

    def _die(self, about: str, *, by_itself: bool = False) -> None:
        with self._lock:
            if self._over.is_set():
                return
            self.died = about
            if self.channel.place.power:
                self.channel.cut()
                self._over.set()
            elif not by_itself:
                self.channel.die()
                self._over.set()

    # --- what is sent ---------------------------------------------------------------------

    def _right_set(self) -> Content:
        return content("000001", "R")

    def _test_set(self) -> Content:
        made = content("000001", "T")
        made.temporary = ".part"
        return made

    def _foreign_set(self) -> Content:
        return content("000001", "R", sign=lambda fi: fs(fi, "mandatary"), codes=("ACRF-153",))

    def _other_content(self, first: Content) -> Content:
        return content("000001", "R", stem=first.stem, codes=("ACRF-133",))


def content(
    sender: str,
    letter: str,
    *,
    stem: str = "",
    employer: str = EMPLOYER,
    sign: Callable[[bytes], bytes] = fs,
    codes: tuple[str, ...] = (),
) -> Content:
    """A right of somebody who has none yet, and its correction; to be answered with ``codes``.

    Recorded twice, the correction would be a third version, and the right refused as another.
    """
    number = next(_persons)
    reference = f"{letter}/{number}"
    inss = person(number)
    fi = declaration(
        right(reference, inss=inss, employer=employer),
        right_update(reference, inss=inss, employer=employer, hours=3000),
    )
    signature = sign(fi) if letter == "R" else None
    folder = "IN" if letter == "R" else "INTEST"
    stem = stem or new_stem(sender, letter)
    return Content(stem, folder, named(stem, (fi, signature)), codes, (reference,))
