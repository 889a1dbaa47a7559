"""A real instance with one registered sender, and what a sender, an operator and a crash do."""

from __future__ import annotations

import os
import shutil
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import count
from pathlib import Path

from lxml import etree
from sqlalchemy import Engine, event

from batch.identifiers import EnterpriseNumber, NssoNumber, SenderNumber
from batch.ingest.receive import Waits
from batch.names import Folder, brussels_day
from batch.registers import Quality
from batch.settings import Settings, load
from batch.signing import certificate, signature
from batch.states import Sealed, SetKey
from batch.storage import claims, dossiers, recovery, reports, sweeping
from batch.storage.claims import Claim
from batch.storage.database import Database, writing
from batch.storage.durable import Unsynced
from batch.storage.inbox import Inbox
from batch.storage.instance import Instance
from batch.storage.layout import Layout
from batch.storage.registers_admin import NewChannel, RegistersAdmin
from batch.storage.remembered import RememberedRegisters
from batch.storage.spool import SenderHome
from batch.storage.sweeping import Seen
from batch.storage.upload import Upload
from batch.worker.facts import Facts
from batch.worker.loop import Worker
from batch.worker.serving import descriptions
from batch.worker.steps import Decided, Steps
from fixtures.certificates import PKI
from fixtures.declared import fs
from tests.declarations import EMPLOYER, declaration, person, right

LONG_AGO = datetime.now(UTC) - timedelta(days=30)
SENDER = SenderNumber("000001")
AT_ONCE = Waits(grace=0.0, unfinished=0.0, settle=0.0)
NO_PATIENCE_BUT_FOR_GO = Waits(grace=0.0, unfinished=900.0, settle=0.0)
LIMIT = 10_000_000
RECEIVED: list[str] = []
"""The codes of a positive ACRF."""

_numbers = count(1)


def pki(name: str) -> bytes:
    return (PKI / name).read_bytes()


def make_template(data: Path) -> None:
    """An instance with an employer's channel 000001 and an authority that is trusted."""
    instance = Instance.make(load(data=data), LONG_AGO)
    admin = RegistersAdmin(instance.production)
    employer = EnterpriseNumber(EMPLOYER)
    admin.add_enterprise(employer, "Bakkerij Peeters", NssoNumber("100103"), LONG_AGO)
    admin.add_trust(pki("trusted-ca.pem"), LONG_AGO)
    keys = (pki("employer.ssh.pub"), pki("employer.pem"))
    wanted = NewChannel(employer, Quality.NSSO_EMPLOYER, "employer", *keys, ("FLA",))
    assert admin.open_channel(wanted, LONG_AGO).sender == SENDER
    dispose(instance)


def dispose(instance: Instance) -> None:
    instance.production.dispose()
    instance.test.dispose()


def new_stem(letter: str = "R", sender: str = str(SENDER)) -> str:
    """A stem of today that no other test has used."""
    return f"FLAD.{sender}.{brussels_day(datetime.now(UTC)):%Y%m%d}.{next(_numbers):05d}.{letter}"


def new_fi() -> bytes:
    """An FI of one right of somebody who has none yet: to be accepted."""
    number = next(_numbers)
    return declaration(right(f"W/{number}", inss=person(number)))


def files_of(stem: str, fi: bytes, signer: str = "employer") -> dict[str, bytes]:
    """A set of one signed part, in the order of sending."""
    return {f"FI.{stem}.1.1": fi, f"FS.{stem}.1.1": fs(fi, signer), f"GO.{stem}.1": b""}


@dataclass(frozen=True)
class Answer:
    """An answer as its sender finds it."""

    layer: str
    data: bytes
    signature: bytes

    @property
    def codes(self) -> list[str]:
        found = etree.fromstring(self.data).findall(".//ReceptionResult/ErrorID")
        return [str(e.text).removeprefix("ACRF-") for e in found]

    def text(self, tag: str) -> str | None:
        return etree.fromstring(self.data).findtext(f".//{tag}")


@dataclass
class World:
    """An instance and those around it. Sender and operator are the sender 000001 and its own."""

    settings: Settings
    instance: Instance = field(init=False)
    seen: defaultdict[Folder, Seen] = field(default_factory=lambda: defaultdict(Seen), init=False)

    def __post_init__(self) -> None:
        self.instance = Instance(self.settings)

    # --- the sender ---------------------------------------------------------------------

    @property
    def home(self) -> SenderHome:
        return self.instance.spool.sender(SENDER)

    def begin(self, name: str, folder: Folder = Folder.IN) -> Upload:
        return self.home.begin(folder, name, keep=False, limit=LIMIT)

    def put(self, name: str, content: bytes = b"", folder: Folder = Folder.IN) -> None:
        """A whole upload, up to the explicit CLOSE that is answered OK."""
        upload = self.begin(name, folder)
        upload.write(0, content)
        upload.publish()

    def send(self, files: dict[str, bytes], folder: Folder = Folder.IN) -> None:
        for name, content in files.items():
            self.put(name, content, folder)

    def send_new(self, letter: str = "R") -> str:
        """A right set under a new stem; its stem."""
        stem = new_stem(letter)
        self.send(files_of(stem, new_fi()), Folder.IN if letter == "R" else Folder.INTEST)
        return stem

    def listed(self, folder: Folder = Folder.IN) -> list[str]:
        return [entry.name for entry in self.home.entries(folder)]

    def bytes_in(self, folder: Folder) -> dict[str, bytes]:
        place = self.instance.layout.folder(SENDER, folder)
        return {name: (place / name).read_bytes() for name in self.listed(folder)}

    def answers(self, folder: Folder = Folder.OUT) -> list[Answer]:
        """Every answer that is complete; a part of one that is not under way is a defect."""
        held = self.bytes_in(folder)
        found: list[Answer] = []
        for go in [name for name in held if name.startswith("GO.")]:
            tail = go.removeprefix("GO.")
            signature, data = held.pop(f"FS.{tail}.1"), held.pop(f"FO.{tail}.1")
            assert held.pop(go) == b""
            found.append(Answer(tail[:4], data, signature))
        assert not held, f"without a GO: {sorted(held)}"
        return found

    def receipts(self, stem: str, folder: Folder = Folder.OUT) -> list[list[str]]:
        """The codes of every ACRF of a stem, in order."""
        acrfs = [a for a in self.answers(folder) if a.layer == "ACRF"]
        return [a.codes for a in acrfs if stem in (a.text("FileName") or "")]

    def receipts_if_complete(self, stem: str) -> list[list[str]]:
        """The same while answers may be under way."""
        names = self.listed(Folder.OUT)
        return self.receipts(stem) if any(n.startswith("GO.") for n in names) else []

    def notifications(self, stem: str, folder: Folder = Folder.OUT) -> list[Answer]:
        notis = [a for a in self.answers(folder) if a.layer == "NOTI"]
        return [a for a in notis if stem in (a.text("FileName") or "")]

    # --- the channel --------------------------------------------------------------------

    def inbox(self, folder: Folder = Folder.IN) -> AbstractContextManager[Inbox]:
        return self.home.inbox(folder)

    def path(self, name: str, folder: Folder = Folder.IN) -> Path:
        """A file in a folder, as an operator sees it."""
        assert self.home.sender == SENDER
        return self.instance.layout.folder(SENDER, folder) / name

    def sweep(self, waits: Waits = AT_ONCE, folder: Folder = Folder.IN) -> sweeping.Swept:
        with self.inbox(folder) as inbox:
            return sweeping.sweep(inbox, self.seen[folder], waits, datetime.now(UTC))

    def sealed(self) -> list[str]:
        return sorted(os.listdir(self.instance.layout.sealed))

    def arrived(self, stem: str) -> list[str]:
        """Every content of a stem that was sealed, wherever it is now."""
        layout = self.instance.layout
        found = [n for p in (layout.sealed, layout.arch, layout.quarantine) for n in os.listdir(p)]
        return sorted(name for name in found if f".{stem}~" in name)

    def key(self, stem: str, ordinal: int = 1, folder: Folder = Folder.IN) -> SetKey:
        return SetKey(SENDER, folder, stem, ordinal)

    def manifest(self, stem: str, folder: Folder = Folder.IN) -> Sealed:
        """What was sealed as the first content of a stem."""
        return dossiers.dossier(self.instance.layout, self.key(stem, 1, folder)).sealed()

    def database(self, key: SetKey) -> Database:
        return self.instance.test if key.folder.is_test else self.instance.production

    def claim(self, one: Sealed, at: datetime) -> Claim:
        """Take one set up as a worker does, however often it was taken up before."""
        with writing(self.database(one.key)) as connection:
            came = claims.claim(connection, [one], at, 1000)
        assert (came.exhausted, came.answered, came.quarantined) == ([], [], [])
        (taken,) = came.todo
        return taken

    def verified(self, taken: Claim, at: datetime) -> Decided:
        """What the worker's first step decides, its answer written and synced; not committed."""
        home = dossiers.dossier(self.instance.layout, taken.sealed.key)
        with Unsynced() as unsynced:
            engine = self.database(taken.sealed.key)
            made = self.worker().steps.verify(taken, home, engine, at, unsynced)
            unsynced.sync()
        assert isinstance(made, Decided)
        return made

    def worker(self) -> Worker:
        """A new worker, as after a restart."""
        registers = RememberedRegisters(self.instance.production)
        facts = Facts(self.settings, registers, descriptions(self.settings))
        return Worker(self.instance, Steps(facts, _signer(self.instance.layout)))

    def work(self) -> int:
        return self.worker().run_until_idle()

    def restart(self) -> list[str]:
        """What ``serve`` does before it listens, on connections of its own."""
        dispose(self.instance)
        self.instance = Instance(self.settings)
        self.seen.clear()
        return recovery.recover(self.instance)

    def report(self, stem: str, ordinal: int = 1, test: bool = False) -> reports.Report:
        engine = self.instance.test if test else self.instance.production
        return next(r for r in reports.reports(engine, stem) if r.ordinal == ordinal)

    def report_if_any(self, stem: str) -> Sequence[reports.Shown]:
        """The answers of a stem as the database knows them; none when it does not know the set."""
        return [a for r in reports.reports(self.instance.production, stem) for a in r.answers]


@contextmanager
def copied(template: Path, data: Path, **settings: object) -> Iterator[World]:
    """A world of its own, made from the template."""
    shutil.copytree(template, data)
    made = World(load(data=data, grace_seconds=0, settle_seconds=0, **settings))
    yield made
    dispose(made.instance)


def _signer(layout: Layout) -> signature.Signer:
    """The institution's, read once for all instances: they have its key from the template."""
    return _read(layout.institution_key.read_bytes(), layout.institution_certificate.read_bytes())


@cache
def _read(key: bytes, given: bytes) -> signature.Signer:
    return signature.key_signer(signature.load_key(key), certificate.read(given))


# --- crashes ----------------------------------------------------------------------------

_CHANGES = {"os.link", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.chmod"}
_OPENS = os.O_CREAT | os.O_WRONLY | os.O_RDWR


def killed_at(point: int, act: Callable[[], object]) -> bool:
    """Run ``act`` in a process that is killed before its ``point``-th change of disk or database.

    The moments are before each link, rename, unlink, mkdir, rmdir, chmod and COMMIT, and before
    a file is opened for writing, and after each move of a set's directory.
    False when it ended before that point was reached; AssertionError when it failed.
    """
    child = os.fork()
    if not child:
        code = 1
        try:
            killer = _Killer(point)
            sys.addaudithook(killer.audit)
            event.listen(Engine, "before_cursor_execute", killer.statement)
            act()
            code = 0
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    assert code in (0, -9), f"the process failed: {code}"
    return code == -9


def _counts(path: object, _mode: object, flags: object) -> bool:
    """An open for writing, or that of a directory which a set has just been moved to.

    renameat2 is called past the audit: the sync of its target is the first thing after it.
    """
    moved = isinstance(path, str) and Path(path).name in ("sealed", "arch", "quarantine")
    wanted = _OPENS | (os.O_DIRECTORY if moved else 0)
    return isinstance(flags, int) and bool(flags & wanted)


@dataclass
class _Killer:
    point: int
    seen: int = 0

    def audit(self, what: str, arguments: tuple[object, ...]) -> None:
        if what in _CHANGES or (what == "open" and _counts(*arguments)):
            self.count()

    def statement(self, _c: object, _cursor: object, statement: str, *_: object) -> None:
        if statement == "COMMIT":
            self.count()

    def count(self) -> None:
        self.seen += 1
        if self.seen == self.point:
            os.kill(os.getpid(), 9)
