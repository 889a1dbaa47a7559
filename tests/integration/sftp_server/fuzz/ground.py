"""A spool with files of this sender, of another and of nobody, and what must be true after."""

from __future__ import annotations

import hashlib
import io
import json
import os
import random
from dataclasses import dataclass, field
from pathlib import Path

from batch.identifiers import SenderNumber
from batch.names import SAFE_NAME, Folder
from batch.settings import Settings, load
from batch.sftp_server.descriptors import Files
from batch.sftp_server.operations import Operations
from batch.states import SetKey
from batch.storage import dossiers
from batch.storage.quota import Amount
from batch.storage.sealing import MANIFEST
from batch.storage.spool import Spool
from tests.descriptors import descriptors
from tests.integration.sftp_server.fuzz.judge import CANARY, Failure
from tests.integration.sftp_server.fuzz.packets import INBOXES, MINE, OTHER, stems

LONG_LISTING = 300
"""Names in a folder that takes three replies to list."""
TOLD_TO_OPERATORS = (
    "its GOs are refused for now",
    "new uploads are refused until there is room",
    "the receiver has too many files open",
)
"""Of the sender's own doing, and no problem of the server's, in a life whose limits are so low."""


class Log(io.StringIO):
    """The journal's stream: nothing may go wrong in it."""

    def __init__(self) -> None:
        super().__init__()
        self.wrong: str | None = None

    def write(self, line: str, /) -> int:
        ours = '"event": "problem"' in line or '"event": "operation_failed"' in line
        if ours and not any(told in line for told in TOLD_TO_OPERATORS):
            self.wrong = self.wrong or line.strip()
        return len(line)


def settings_of(chance: random.Random, data: Path) -> Settings:
    """Now the usual limits, now some that are reached all the time."""
    low = chance.random() < 0.4
    few = {
        "max_handles": chance.choice((1, 3, 32)),
        "max_sender_files": chance.choice((4, 12, 40_000)),
        "max_sender_bytes": chance.choice((600, 20_000, 2**40)),
        "max_waiting_sets": chance.choice((1, 3, 10_000)),
        "max_file_bytes": chance.choice((700, 300_000)),
        "max_signature_bytes": chance.choice((200, 100_000)),
        "min_free_bytes": 2**60 if chance.random() < 0.1 else 0,
    }
    return load(data=data, **(few if low else {"min_free_bytes": 0, "max_handles": 8}))


Tree = dict[str, tuple[int, int, int, int, bytes]]


@dataclass
class Ground:
    """One instance's disk for one life of the fuzzer."""

    place: Path
    settings: Settings
    files: Files
    spool: Spool
    sealed: dict[str, dict[str, bytes]] = field(default_factory=dict)
    """Of each set, the SHA-256 of its files, as first seen."""
    before: Tree = field(default_factory=dict)
    answers: Tree = field(default_factory=dict)
    descriptors: int = 0

    @classmethod
    def made(cls, place: Path, chance: random.Random) -> Ground:
        """A disk as chance wants it."""
        data = place / "data"
        settings = settings_of(chance, data)
        files = Files(2 if chance.random() < 0.05 else 100)
        ground = cls(place, settings, files, Spool.open(data, settings))
        for path in ground.spool.layout.directories():
            path.mkdir(parents=True, exist_ok=True)
        ground.furnish(long=chance.random() < 0.1)
        return ground

    def furnish(self, *, long: bool) -> None:
        """Put files everywhere, and remember how all is before anything happens."""
        self._put_files(long=long)
        self.before, self.answers = self._around(), self._answers()
        self.descriptors = self._descriptors()
        self.see_sealed()

    def _put_files(self, *, long: bool) -> None:
        names = [f"{k}.{stem}.1.1" for stem in stems()[:3] for k in ("FI", "FS")]
        for sender in (MINE, OTHER):
            self.spool.sender(SenderNumber(sender))
            content = b"m" * 500 if sender == MINE else CANARY
            for folder in Folder:
                place = self.spool.layout.folder(SenderNumber(sender), folder)
                own = [f"of-{OTHER}", "answer"] if sender == OTHER else ["answer"]
                for name in ("mine", *own, *(names[:3] if folder.is_inbox else ())):
                    (place / name).write_bytes(content)
        outbox = self.spool.layout.folder(SenderNumber(MINE), Folder.OUTTEST)
        for number in range(LONG_LISTING if long else 0):
            os.link(outbox / "mine", outbox / f"answer-{number:03d}")
        (outbox.parent / Folder.OUT / "large").write_bytes(b"m" * 300_000)
        (self.place / "outside").write_bytes(CANARY)
        (self.spool.layout.keys / "institution.key").write_bytes(CANARY)
        self._seal(stems()[1])

    def _seal(self, stem: str) -> None:
        data = self.settings.data
        home = Spool.open(data, load(data=data, min_free_bytes=0)).sender(SenderNumber(MINE))
        for kind, end in (("FI", ".1.1"), ("FS", ".1.1"), ("GO", ".1")):
            upload = home.begin(Folder.IN, f"{kind}.{stem}{end}", keep=False, limit=10_000)
            upload.write(0, b"sealed")
            upload.publish()

    def operations(self) -> Operations:
        """What a session works with."""
        sender = SenderNumber(MINE)
        return Operations(self.spool.sender(sender), self.settings, self.files.of(sender))

    def work(self) -> None:
        """As the worker: sets that were answered go to the archive, and out of the inbox."""
        keys = [SetKey.parse(name) for name in os.listdir(self.spool.layout.sealed)]
        if keys:
            dossiers.archive(self.spool.layout, keys)

    def cool(self) -> None:
        """Answers leave the page cache, so that the next READ of one waits for the disk."""
        for folder in (Folder.OUT, Folder.OUTTEST):
            place = self.spool.layout.folder(SenderNumber(MINE), folder)
            for path in [p for p in place.iterdir() if p.name in ("mine", "answer")]:
                opened = os.open(path, os.O_RDONLY)
                os.fsync(opened)
                os.posix_fadvise(opened, 0, 0, os.POSIX_FADV_DONTNEED)
                os.close(opened)

    # --- what must be true --------------------------------------------------------------

    def see_sealed(self) -> None:
        """Remember what is sealed now, and see that it is what was remembered before."""
        layout = self.spool.layout
        for parent in (layout.sealed, layout.arch):
            for name in os.listdir(parent):
                found = {
                    path.name: hashlib.sha256(path.read_bytes()).digest()
                    for path in (parent / name).iterdir()
                }
                if name not in self.sealed:
                    self.sealed[name] = found
                    _as_in_manifest(parent / name, found)
                elif self.sealed[name] != found:
                    raise Failure("sealed", f"{name} is no longer what was sealed")

    def check(self) -> None:
        """All sessions are over: everything is as it was, or as the protocol leaves it."""
        self.see_sealed()
        gone = self.sealed.keys() - {
            *os.listdir(self.spool.layout.sealed),
            *os.listdir(self.spool.layout.arch),
        }
        if gone:
            raise Failure("sealed", f"{gone} is gone")
        self._check_outside()
        self._check_own()
        self._check_quota()
        share = self.files.of(SenderNumber(MINE))
        if (share.held, share.names) != (0, 0):
            raise Failure("handles", f"{share.held} files and {share.names} names are still held")
        self.spool.folders.close()
        if self._descriptors() != self.descriptors:
            now = self._descriptors()
            raise Failure("descriptors", f"{now} are open, {self.descriptors} before")

    def _descriptors(self) -> int:
        return descriptors(self.spool.layout.data)

    def _check_outside(self) -> None:
        after = self._around()
        for path in sorted(self.before.keys() | after.keys()):
            if self.before.get(path) != after.get(path):
                raise Failure("outside", f"{path} was touched")

    def _check_own(self) -> None:
        layout = self.spool.layout
        left = [*os.listdir(layout.up), *os.listdir(layout.seal)]
        if left:
            raise Failure("leftovers", f"{left} of uploads that are over")
        strange = [
            path
            for path in (*layout.spool.glob("*/*"), *(layout.channels / MINE).glob("*/*"))
            if not (path.parent.parent.name == MINE and SAFE_NAME.fullmatch(path.name))
            and not path.name.startswith(f"{MINE}.")
            and path.name not in (MINE, "go-refused")
        ]
        if strange:
            raise Failure("outside", f"{strange} is no name that is made here")
        for path, found in self._answers().items():
            if self.answers.get(path) != found:
                raise Failure("outside", f"{path} was written where answers are")
        for taken in layout.taken.iterdir():
            if taken.read_bytes().strip(b"m"):
                raise Failure("outside", f"{taken} is no answer of this sender")

    def _check_quota(self) -> None:
        """The count may be too high before a look, is never too low, and a look sets it right."""
        quota = self.spool.quota(SenderNumber(MINE))
        there = Amount(0, 0)
        for name in INBOXES:
            folder = self.spool.layout.folder(SenderNumber(MINE), Folder(name.decode()))
            found = [path.stat() for path in folder.iterdir()]
            there += Amount(*_sum([s.st_size for s in found if s.st_nlink == 1]))
        counted = quota._held()
        looked = quota._lying is not None
        if looked and (counted.bytes < there.bytes or counted.files < there.files):
            raise Failure("quota", f"{counted} are counted, and {there} are there")
        quota.freed()
        quota._owed = 0.0
        used, _ = quota.used_and_left()
        if used != there:
            raise Failure("quota", f"after a look {used} are counted, and {there} are there")

    def _around(self) -> Tree:
        """Everything beside this sender's folders, and what our protocol writes for it."""
        layout = self.spool.layout
        ours = {str(layout.channels / MINE), str(layout.spool), str(layout.databases)}
        return dict(_tree(str(self.place), ours))

    def _answers(self) -> Tree:
        found: Tree = {}
        for folder in (Folder.OUT, Folder.OUTTEST):
            place = self.spool.layout.folder(SenderNumber(MINE), folder)
            found.update(_tree(str(place), set()))
        return found


def _sum(sizes: list[int]) -> tuple[int, int]:
    return sum(sizes), len(sizes)


def _tree(top: str, without: set[str]) -> list[tuple[str, tuple[int, int, int, int, bytes]]]:
    """Inode, mode, size, time and bytes; of directories no times, which a look may change."""
    found: list[tuple[str, tuple[int, int, int, int, bytes]]] = []
    for item in os.scandir(top):
        status = item.stat(follow_symlinks=False)
        if item.is_dir(follow_symlinks=False):
            found.append((item.path, (status.st_ino, status.st_mode, 0, 0, b"")))
            if item.path not in without:
                found += _tree(item.path, without)
        else:
            content = b"" if item.is_symlink() else Path(item.path).read_bytes()
            facts = (status.st_ino, status.st_mode, status.st_size, status.st_mtime_ns, content)
            found.append((item.path, facts))
    return found


def _as_in_manifest(directory: Path, found: dict[str, bytes]) -> None:
    manifest = json.loads((directory / MANIFEST).read_bytes())
    for file in manifest["files"]:
        if found.get(file["name"]) != bytes.fromhex(file["sha256"]):
            raise Failure("sealed", f"{file['name']} of {directory.name} is not as in its manifest")
