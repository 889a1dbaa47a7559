"""The invariants of the design, as a sender and an operator can see them.

The book is the sender's: what it sent, what was answered OK, which answers it has read. A
sentence in ``wrong`` is a broken promise.
"""

from __future__ import annotations

import os
import sqlite3
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.acceptance.answers import GO_NAME, Answer, read
from tests.crash.lab.channel import Channel
from tests.crash.lab.sender import Client

OUTBOXES = ("OUT", "OUTTEST")


@dataclass(eq=False)
class Content:
    """One distinct content of a stem: its files in order, and what must come of it."""

    stem: str
    folder: str
    files: dict[str, bytes]
    codes: tuple[str, ...]
    references: tuple[str, ...]
    temporary: str = ""
    told: set[str] = field(default_factory=set)
    tried: set[str] = field(default_factory=set)

    @property
    def promised(self) -> bool:
        """Its GO was answered OK."""
        return len(self.told) == len(self.files)

    @property
    def answers(self) -> int:
        return 1 if self.codes else 2

    def deliver(self, client: Client, then: Callable[[str], None] = lambda _: None) -> None:
        """Send what was not answered OK yet, in order, until all is; ``then`` hears of each OK."""
        for name, given in self.files.items():
            if name in self.told:
                continue
            self.tried.add(name)
            first = f"{name}{self.temporary}"
            client.store(self.folder, first, given)
            if self.temporary:
                client.rename(self.folder, first, name)
            self.told.add(name)
            then(name)


@dataclass
class Book:
    """Everything one sender knows of its channel."""

    contents: list[Content] = field(default_factory=list)
    seen: dict[str, bytes] = field(default_factory=dict)
    answers: dict[str, Answer] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)
    """Files of answers whose removal was answered OK."""
    asked: set[str] = field(default_factory=set)
    """Those whose removal was tried."""
    broken_off: list[tuple[str, str]] = field(default_factory=list)
    repeated: Content | None = None
    """A set that is being sent a second time."""
    wrong: list[str] = field(default_factory=list)

    def close(self) -> None:
        """Everything is answered and removed: whatever still comes of it is wrong."""
        self.contents.clear()
        self.answers.clear()
        self.seen.clear()
        self.broken_off.clear()

    def look(self, client: Client) -> None:
        """Read what is new in both outboxes, and hold what is there against what was seen."""
        for folder in OUTBOXES:
            listed = set(client.names(folder))
            self.wrong += [f"{name}: removed, and there again" for name in listed & self.gone]
            held = {n for n in self.seen if folder == _folder_of(n)}
            lost = held - listed - self.asked
            self.wrong += [f"{name}: seen, and gone" for name in sorted(lost)]
            for go in sorted(n for n in listed if GO_NAME.fullmatch(n) and n not in self.seen):
                self._read(client, folder, go, listed)

    def look_again(self, client: Client) -> None:
        """Every answer still has the bytes it was first seen with."""
        for folder in OUTBOXES:
            names = [n for n in self.seen if _folder_of(n) == folder and n not in self.asked]
            for name, content in client.fetch(folder, names).items():
                if content != self.seen[name]:
                    self.wrong.append(f"{name}: seen, and other bytes now")

    def has_all(self, content: Content) -> bool:
        """Whether a content that was promised answers has as many as are due."""
        return content.promised and len(self.about(content.stem)) >= content.answers

    def files_about(self, stem: str) -> list[str]:
        """The files of every answer about a stem."""
        gos = [go for go, a in self.answers.items() if f".{stem}." in f"{a.about}."]
        return [n for go in gos for n in (go, f"FO{go[2:]}.1", f"FS{go[2:]}.1")]

    def done(self, content: Content) -> None:
        """A content whose answers were removed: whatever still comes of it is wrong."""
        for name in self.files_about(content.stem):
            self.seen.pop(name)
            self.answers.pop(name, None)
        self.contents.remove(content)

    def about(self, stem: str) -> list[Answer]:
        return [a for a in self.answers.values() if f".{stem}." in f"{a.about}."]

    def finished(self) -> bool:
        """Whether every content that was promised an answer has it; more than that is wrong."""
        done, stems = True, {c.stem for c in self.contents}
        known = {id(a) for stem in stems for a in self.about(stem)}
        self.wrong += [
            f"{n}: asked by nobody" for n, a in self.answers.items() if id(a) not in known
        ]
        for stem in stems:
            mine = [c for c in self.contents if c.stem == stem]
            wanted = Counter(c.codes for c in mine)
            receipts = [a for a in self.about(stem) if a.layer == "ACRF"]
            got = Counter(tuple(a.codes) for a in receipts)
            notices = [a for a in self.about(stem) if a.layer == "NOTI"]
            if got - wanted:
                self.wrong.append(f"{stem}: answered {_shown(got)} where {_shown(wanted)} is due")
            if len(notices) > wanted[()]:
                self.wrong.append(f"{stem}: {len(notices)} notices")
            blamed = [f for a in notices for f in a.forms if f.result != "1" or f.errors]
            self.wrong += [f"{stem}: of a form that is right: {f.errors}" for f in blamed]
            due = Counter(c.codes for c in mine if c.promised)
            done = done and not due - got and len(notices) >= due[()]
        return done

    def _read(self, client: Client, folder: str, go: str, listed: set[str]) -> None:
        data, fs = f"FO{go[2:]}.1", f"FS{go[2:]}.1"
        if not {data, fs} <= listed:
            self.wrong.append(f"{go}: there before its data")
            return
        got = client.fetch(folder, [data, fs])
        try:
            self.answers[go] = read(data, got[data], got[fs])
        except Exception as error:
            self.wrong.append(f"{go}: no answer can be read from it: {error}")
        self.seen |= {**got, go: b""}


def before_resending(book: Book, client: Client) -> None:
    """What was answered OK stands: an FI or FS is in its folder, unless its set may be sealed."""
    for content in book.contents:
        if content.promised or not content.told or _go(content) in content.tried:
            continue
        listed = set(client.names(content.folder))
        for name in sorted(content.told):
            if name not in listed:
                book.wrong.append(f"{name}: stored, and gone")
            elif client.fetch(content.folder, [name])[name] != content.files[name]:
                book.wrong.append(f"{name}: stored, and other bytes now")


def at_rest(book: Book, channel: Channel, client: Client) -> list[str]:
    """What is still wrong when everything was answered: empty when the channel is at rest."""
    found: list[str] = []
    spool = channel.data / "spool"
    for part in ("up", "seal", "sealed", "quarantine"):
        found += [f"left in {part}: {name}" for name in os.listdir(spool / part)]
    for folder in ("IN", "INTEST"):
        names = client.names(folder)
        found += [f"left in {folder}: {names}"] if names else []
        found += [
            f"{name}: broken off, and listed"
            for place, name in book.broken_off
            if place == folder and name in names
        ]
    return found + _recorded(book, channel)


def problems(channel: Channel) -> list[str]:
    """What an operator is told to look at."""
    said = channel.command("submission", "list", "--problems")
    return [] if said.code == 0 else [f"problems: {said.out} {said.err}"]


def recorded_more_than_once(channel: Channel) -> list[str]:
    """References that the ledgers hold twice, or in another version than that of the correction."""
    rows = [row for name in ("production", "test") for row in _rows(channel, name)]
    held = Counter(reference for reference, _ in rows)
    again = {reference for reference, version in rows if version != 2}
    return sorted(again | {r for r, n in held.items() if n > 1})


def _recorded(book: Book, channel: Channel) -> list[str]:
    found = [f"{r}: recorded more than once" for r in recorded_more_than_once(channel)]
    for folder, name in (("IN", "production"), ("INTEST", "test")):
        rows = _rows(channel, name)
        held = Counter(str(r) for r, _ in rows)
        for content in book.contents:
            if content.codes or content.folder != folder or not content.promised:
                continue
            for reference in content.references:
                if not held[reference]:
                    found.append(f"{reference}: accepted, and not recorded")
        wrong = [r for r in held if r.startswith("T/") != (name == "test")]
        found += [f"{r}: in the {name} database" for r in wrong]
    return found


def _rows(channel: Channel, name: str) -> list[tuple[str, int]]:
    database = sqlite3.connect(f"file:{channel.data}/db/{name}.sqlite?mode=ro", uri=True)
    try:
        query = "SELECT registrant_reference, version FROM ledger_object"
        return list(database.execute(query))
    finally:
        database.close()


def _go(content: Content) -> str:
    return list(content.files)[-1]


def _folder_of(name: str) -> str:
    return "OUT" if name.split(".")[5] == "R" else "OUTTEST"


def _shown(codes: Counter[tuple[str, ...]]) -> str:
    return str(sorted(codes.elements()))
