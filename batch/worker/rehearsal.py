"""What the channel would answer to a set, with nothing sent and nothing recorded.

The same scan, the same reception, the same service as the worker. What only the registers or
the ledger know is taken from the instance when there is one; else it is presumed right, and
the codes that could not be decided are named.
"""

from __future__ import annotations

import hashlib
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from batch.anomalies import Anomaly
from batch.errors import OperatorError
from batch.identifiers import EnterpriseNumber, InvalidIdentifier, Quarter, SenderNumber
from batch.ingest import content, reception
from batch.ingest.answer import Handled
from batch.ingest.scan import look
from batch.names import Folder, Kind, split
from batch.registers import Channel, Enterprise, Grant, Interval, Mandate, Quality
from batch.settings import Settings
from batch.signing import unregistered
from batch.signing.revocation import Sources
from batch.signing.verdict import NotSigned, Undecided, Verdict
from batch.signing.verification import Verifier
from batch.states import Deferred, Part, Refused, Sealed, SealedFile, SetKey, Trigger, Verified
from batch.storage.database import Transaction, engine_for, trying
from batch.storage.dossiers import Dossier
from batch.storage.instance import Instance
from batch.storage.remembered import RememberedRegisters
from batch.storage.replays import sent_before
from batch.storage.tables import metadata
from batch.worker.diagnosis import Files, diagnose, modified
from batch.worker.facts import Facts
from batch.worker.judged import Judged
from batch.worker.serving import bind, descriptions

NEVER_OFFLINE = ("130", "133", "277")
"""What depends on what was sent before or will be: a missing GO, a used name, a TD."""
BY_REGISTERS = ("101", "103", "108", "125", "153", "154", "155", "230", "427")
"""What only the registers know: the channel, its quality, certificate, services and mandates."""


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """What would be answered: the ACRF's anomalies (warnings too), then the NOTI's forms."""

    stem: str
    folder: Folder
    received: bool
    anomalies: tuple[Anomaly, ...]
    forms: tuple[Handled, ...]
    undecided: tuple[str, ...]

    @property
    def accepted(self) -> bool:
        """Received well, and every form accepted."""
        return self.received and all(item.verdict.accepted for item in self.forms)


@dataclass(frozen=True, slots=True)
class Presumed:
    """Stands where no instance is: whoever sends may send, for whomever."""

    services: tuple[str, ...]

    def standing_still(self) -> AbstractContextManager[None]:
        return nullcontext()

    def channel(self, sender: SenderNumber) -> Channel:
        always = Interval(datetime(1, 1, 1, tzinfo=UTC))
        grants = tuple(Grant(name, always) for name in self.services)
        nobody = EnterpriseNumber("0000000000")
        return Channel(sender, nobody, Quality.NSSO_EMPLOYER, "", always, grants=grants)

    def enterprise(self, number: EnterpriseNumber) -> Enterprise:
        return Enterprise(number, "", None)

    def mandates_between(
        self, employer: EnterpriseNumber, mandatary: EnterpriseNumber
    ) -> list[Mandate]:
        first = Quarter(1, 1)
        return [Mandate(0, employer, mandatary, name, first, None) for name in self.services]

    def trust_anchors(self) -> list[bytes]:
        return []

    def intermediates(self) -> list[bytes]:
        return []

    def sources(self, certificates: Iterable[str], at: datetime) -> Sources:
        return Sources()


def rehearse(
    files: Sequence[Path],
    folder: Folder | None,
    sender: SenderNumber | None,
    settings: Settings,
    at: datetime,
) -> Iterator[Rehearsed]:
    """One result for each set among ``files``; OperatorError when one cannot be rehearsed."""
    instance = Instance.open(settings) if Instance(settings).production_path.exists() else None
    by_stem: defaultdict[str, list[Path]] = defaultdict(list)
    for path in files:
        name = split(path.name)
        by_stem[name.stem if name is not None else "@" + path.name].append(path)
    for stem, mine in by_stem.items():
        sealed = _presumed_sealed(stem, mine, folder, sender, at)
        yield _one(sealed, {path.name: path for path in mine}, instance, settings)


def _one(
    sealed: Sealed, paths: dict[str, Path], instance: Instance | None, settings: Settings
) -> Rehearsed:
    served = descriptions(settings)
    presumed = Presumed(tuple(s.name for s in served))
    facts = Facts(
        settings, RememberedRegisters(instance.production) if instance else presumed, served
    )
    channel = facts.registers.channel(sealed.key.channel)
    if channel is None:
        raise OperatorError(f"sender {sealed.key.channel}: the register has no such channel")
    service = facts.service(sealed)
    if instance is None and service is not None:
        channel = replace(channel, quality=min(service.qualities))  # presumed to be one it takes
    home = {name: Dossier(path.parent) for name, path in paths.items()}
    outcome, waits = _reception(sealed, facts, channel, home, instance)
    unknown = waits if instance else BY_REGISTERS
    undecided = tuple(sorted((*NEVER_OFFLINE, *unknown)))
    key = sealed.key
    match outcome:
        case Verified():
            forms = _forms(outcome, facts, channel, home, instance)
            return Rehearsed(key.stem, key.folder, True, outcome.warnings, forms, undecided)
        case Refused():
            forms = ()
            if {a.code for a in outcome.anomalies} == {"122"}:  # not signed yet: judge on
                forms = _forms(_as_if_signed(outcome, facts), facts, channel, home, instance)
            return Rehearsed(key.stem, key.folder, False, outcome.anomalies, forms, undecided)
        case Deferred():
            raise OperatorError(f"{key.stem}: cannot be judged now: {outcome.reason}")


def _forms(
    verified: Verified,
    facts: Facts,
    channel: Channel,
    home: dict[str, Dossier],
    instance: Instance | None,
) -> tuple[Handled, ...]:
    """What the NOTI would say; nothing for a service that judges elsewhere, which gets none."""
    sealed, service = verified.sealed, facts.service(verified.sealed)
    if service is None or service.whole is not None:
        return ()
    with _ledger(instance, sealed.key.folder) as transaction:
        handled = content.handle(
            verified,
            bind(verified.service, facts.settings, transaction),
            facts.content(sealed, channel, 0, lambda place: f"{place:013d}"),
            lambda part: home[part.file.name].blocks(part.file),
            content.Tally(0),
        )
        return tuple(handled)


def _as_if_signed(refused: Refused, facts: Facts) -> Verified:
    service = facts.service(refused.sealed)
    parts = tuple(
        Part(number, file, 0) for number, file in enumerate(refused.sealed.parts(), start=1)
    )
    name = service.name if service is not None else ""
    return Verified(refused.sealed, refused.environment, name, parts, None)


def _reception(
    sealed: Sealed,
    facts: Facts,
    channel: Channel,
    home: dict[str, Dossier],
    instance: Instance | None,
) -> tuple[Verified | Refused | Deferred, tuple[str, ...]]:
    """Reception as the worker does it; nothing is known here of what was accepted before.

    With the codes that wait for a source of revocations, which is presumed to say nothing bad.
    """

    judged = Judged(facts, sealed, channel)

    def begin(fs: SealedFile) -> Verifier | NotSigned | None:
        if instance is not None:
            return judged.begin(home[fs.name], fs)
        return unregistered.begin(home[fs.name].read(fs, limit), limit, sealed.sealed_at)

    service, limit = facts.service(sealed), facts.settings.max_signature_bytes
    scans, signatures = look(sealed, service, lambda f: home[f.name].blocks(f), begin)
    if instance is None:
        signatures = {
            f.name: unregistered.presumed(signatures.get(f.name))
            for f in sealed.parts()
            if sealed.signature_of(f)
        }
    signatures, waits = _as_if_known(signatures)
    files = Files(
        sealed,
        channel,
        lambda f: home[f.name],
        limit,
        partial(_sent_before, instance, sealed.key),
        sys.maxsize,  # nobody else waits for it
        changed=lambda f: modified(home[f.name].path / f.name),
    )
    wanted = facts.reception(sealed, channel, scans, signatures, replays={})
    outcome = reception.judge(sealed, replace(wanted, diagnoses=diagnose(files, signatures)))
    return outcome, waits


def _as_if_known(signatures: Mapping[str, Verdict]) -> tuple[dict[str, Verdict], tuple[str, ...]]:
    """The verdicts as if nothing were revoked that may be; and the codes that wait for it."""
    unknown = {name for name, found in signatures.items() if isinstance(found, Undecided)}
    known = unregistered.PRESUMED
    judged = {name: known if name in unknown else found for name, found in signatures.items()}
    return judged, ("153",) if unknown else ()


def _sent_before(instance: Instance | None, key: SetKey, sha256: str) -> str | None:
    if instance is None:
        return None
    engine = instance.test if key.folder.is_test else instance.production
    return sent_before(engine, key, sha256)


def _presumed_sealed(
    stem: str,
    paths: Sequence[Path],
    folder: Folder | None,
    sender: SenderNumber | None,
    at: datetime,
) -> Sealed:
    """The set as it would be sealed: its GO is presumed to come, it is no cause to refuse now."""
    files = [_file(path) for path in paths]
    names = [name for name in (split(f.name) for f in files) if name is not None]
    if names and all(name.kind is not Kind.GO for name in names):
        total = next((f".{name.total}" for name in names if name.total), ".1")
        empty = hashlib.sha256(b"").hexdigest()
        files.append(SealedFile(f"GO.{stem}{total}", Kind.GO, 0, empty))
    letter = names[0].letter if names else "R"
    place = folder or (Folder.IN if letter == "R" else Folder.INTEST)
    trigger = Trigger.GO if names else Trigger.UNREADABLE
    if any(name.kind is Kind.TD for name in names):
        trigger = Trigger.CANCELLED
    try:
        number = sender or SenderNumber.parse(names[0].sender if names else "")
    except InvalidIdentifier as error:
        raise OperatorError(f"{paths[0].name}: {error}; name the sender with --sender") from None
    return Sealed(SetKey(number, place, stem, 1), trigger, tuple(files), at)


def _file(path: Path) -> SealedFile:
    digest, size = hashlib.sha256(), 0
    with open(path, "rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
            size += len(block)
    name = split(path.name)
    return SealedFile(path.name, name.kind if name else None, size, digest.hexdigest())


@contextmanager
def _ledger(instance: Instance | None, folder: Folder) -> Iterator[Transaction]:
    """A transaction that is never committed: on the instance's ledger, or on an empty one."""
    if instance is not None:
        with trying(instance.test if folder.is_test else instance.production) as transaction:
            yield transaction
        return
    with TemporaryDirectory(prefix="fla-batch-check-") as directory:
        empty = engine_for(Path(directory) / "ledger.sqlite", create=True)
        with trying(empty) as transaction:
            metadata.create_all(transaction)
            yield transaction
        empty.dispose()
