"""IN or INTEST of one sender, as the sealing sees it: what is there, and which set it is of."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from batch.identifiers import SenderNumber
from batch.ingest import receive
from batch.names import SAFE_NAME, Dropped, Folder, Kind, split
from batch.storage import durable
from batch.storage.beneath import Held
from batch.storage.contents import Contents
from batch.storage.layout import Layout
from batch.storage.receipts import Receipts

LISTED = 2000
"""Names that are looked through at each GO: half a millisecond, as long as to ask for each of the
names that digits can make. A folder may hold 20,000, and there it would be paid 6,000 times."""


@dataclass(frozen=True, slots=True)
class Inbox:
    """IN or INTEST of one sender, held open."""

    layout: Layout
    sender: SenderNumber
    folder: Folder
    held: Held
    contents: Contents
    receipts: Receipts = field(default_factory=Receipts)
    unsigned: frozenset[str] = frozenset()
    """Purpose codes of services that take no signature: their GO waits for no FS."""

    def fresh(self, name: str) -> bool:
        """Whether it is a file of no set sealed so far: a sealed one has a second link."""
        found = self.held.status(name)
        return found is not None and found.st_nlink == 1

    def of_stem(self, name: Dropped) -> list[str]:
        """The files of a stem, also those whose total or part is wrong.

        In a folder of more than LISTED only those with the names that digits for both can make; a
        stranger one is left to the sweep there.
        """
        found, stem = self.held.names(LISTED), name.stem
        mine = sorted(
            n for n in found or () if stem in n and _is_of(stem, n)
        )  # FI, FS, GO, TD by their parts
        names = possible_names(name) if found is None else mine
        return [text for text in names if self.held.status(text) is not None]

    def is_whole(self, go: Dropped) -> bool:
        """Whether every file that ``go`` announces is there, whoever put it there."""
        wanted = receive.complete_names(go, self.folder, self.unsigned)
        return wanted is not None and all(any(map(self.held.has_file, names)) for names in wanted)

    def is_ended_by(self, name: str) -> bool:
        """Whether ``name`` is the GO or TD of a set that is here, or a client's name for it until
        it is whole: then up to two elements come after it."""
        parts = name.split(".")
        for count in (len(parts), len(parts) - 1, len(parts) - 2):
            dropped = split(".".join(parts[:count]))
            if dropped is not None and dropped.kind in (Kind.GO, Kind.TD):
                return any(self.fresh(text) for text in self.of_stem(dropped))
        return False

    def locked(self) -> AbstractContextManager[None]:
        """Hold the channel's lock: all its moves happen one at a time."""
        return durable.locked(self.layout.lock_of(self.sender))


def announcing(name: Dropped) -> list[Dropped]:
    """The GOs whose set may be complete by ``name``: those that announce as many parts as it."""
    texts = [f"GO.{name.stem}.{name.total or 1}"]
    if name.announced == 1:
        texts.append(f"GO.{name.stem}")
    return [go for go in map(split, texts) if go is not None]


def possible_triggers(name: Dropped) -> list[Dropped]:
    """Every GO that may announce the set of ``name``."""
    texts = [f"GO.{name.stem}", *(f"GO.{name.stem}.{total}" for total in range(10))]
    return [go for go in map(split, texts) if go is not None]


def _is_of(stem: str, text: str) -> bool:
    """Whether it is a file of this stem."""
    other = split(text)
    return other is not None and other.stem == stem and bool(SAFE_NAME.fullmatch(text))


def possible_names(name: Dropped) -> list[str]:
    """Every name that digits for total and part can make of its stem."""
    ends = ["", *(f".{total}.{part}" for total in range(10) for part in range(10))]
    data = [f"{kind}.{name.stem}{end}" for kind in (Kind.FI, Kind.FS) for end in ends]
    triggers = [go.text for go in possible_triggers(name)]
    return data + triggers + ["TD" + text[2:] for text in triggers]
