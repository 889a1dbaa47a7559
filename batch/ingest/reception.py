"""From sealed to verified: may this set be handled at all? All mistakes are listed together.

Pure: what the files held (``Scan``), what their signatures proved, and the facts of the
registers at the sealing instant go in; Verified, Refused or Deferred comes out. The border
between two codes stands in the catalogue.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from batch.anomalies import Anomaly, Severity, reception
from batch.ingest.scan import Scan
from batch.ingest.services import Description
from batch.names import (
    OFFICIAL_CODES,
    Dropped,
    Environment,
    Folder,
    Kind,
    brussels_day,
    faults,
    split,
    unreadable,
)
from batch.registers import SHA1, Channel, Standing
from batch.signing.algorithms import Digest
from batch.signing.doctor import Diagnosis
from batch.signing.verdict import NotSigned, Signed, Undecided, Verdict
from batch.states import Deferred, Part, Refused, Sealed, Trigger, Verified, part_number

SHA1_EXCEPTION = "sha1-exception"
"""The cause of the warning that a signature was admitted by the channel's exception."""
UNDECIDED = "undecided"
"""The cause of the warning, in INTEST alone, that a revocation cannot be known yet."""
_SHOWN = 10
"""Characters shown of what should be an enterprise number, which has no more."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What the shell gathered about a sealed set.

    ``service``: who serves its purpose code; ``scans`` and ``signatures`` by FI name (no
    signature: its FS is missing); ``replays``: FI names whose bytes were accepted before, with
    the stem they came under; ``standings``: whether the sender may speak for each employer that
    the files name, as written, where the channel is to ask; ``diagnoses``: why a signature is
    refused, by FI name.
    """

    channel: Channel
    environment: Environment
    service: Description | None
    scans: Mapping[str, Scan]
    signatures: Mapping[str, Verdict]
    replays: Mapping[str, str]
    too_old_days: int
    max_parts: int
    standings: Mapping[str, Standing] = field(default_factory=dict)
    diagnoses: Mapping[str, Diagnosis] = field(default_factory=dict)

    @property
    def signed(self) -> bool:
        """Whether a set of ``IN`` must be signed: always, unless its service says otherwise."""
        return self.service is None or self.service.signed


def judge(sealed: Sealed, facts: Facts) -> Verified | Refused | Deferred:
    """The reception verdict of one set."""
    if sealed.trigger in (Trigger.CANCELLED, Trigger.UNREADABLE):
        return Refused(sealed, facts.environment, tuple(_given_up(sealed)))
    undecided = [s for s in facts.signatures.values() if isinstance(s, Undecided)]
    if undecided and not sealed.key.folder.is_test:  # there no signature decides anything
        return Deferred(undecided[0].words, source=True)
    names = [name for name in (split(file.name) for file in sealed.files) if name is not None]
    found = _distinct(
        [
            *_used_up(sealed),
            *_name_anomalies(sealed, names, facts),
            *_place_anomalies(names[0], sealed, facts),
            *_count_anomalies(sealed, names, facts),
            *_signature_anomalies(sealed, facts),
            *_standing_anomalies(facts),
            *(a for scan in facts.scans.values() for a in scan.anomalies),
            *_size_anomalies(sealed, facts),
            *_replay_anomalies(sealed, facts),
        ]
    )
    found = found if any(a.blocks for a in found) else (*found, *_unsigned(sealed, facts))
    if any(a.blocks for a in found):
        return Refused(sealed, facts.environment, found)
    return _verified(sealed, facts, found)


def _verified(sealed: Sealed, facts: Facts, warnings: tuple[Anomaly, ...]) -> Verified:
    if facts.service is None:
        raise AssertionError("a set without a service was not refused")
    signers = [s.subject for s in facts.signatures.values() if isinstance(s, Signed)]
    parts = tuple(
        Part(part_number(file) or 1, file, facts.scans[file.name].forms) for file in sealed.parts()
    )
    return Verified(
        sealed=sealed,
        environment=facts.environment,
        service=facts.service.name,
        parts=parts,
        signer=signers[0] if signers else None,
        warnings=warnings,
    )


def _given_up(sealed: Sealed) -> Iterator[Anomaly]:
    if sealed.trigger is Trigger.CANCELLED:
        yield reception("277", "The sender cancelled the set before it was started.")
        return
    name = sealed.files[0].name
    for code in unreadable(name):
        yield reception(code, f"The name {name} does not follow the grammar of names.", part=name)


def _used_up(sealed: Sealed) -> Iterator[Anomaly]:
    if sealed.key.ordinal > 1:
        yield reception("133", f"{sealed.key.stem} was used before, for other content.")


def _name_anomalies(sealed: Sealed, names: list[Dropped], facts: Facts) -> Iterator[Anomaly]:
    today = brussels_day(sealed.sealed_at)
    for name in names:
        for code in faults(name, today, facts.too_old_days, facts.max_parts):
            yield reception(code, f"The name {name.text} is wrong.", part=name.text)


def _place_anomalies(name: Dropped, sealed: Sealed, facts: Facts) -> Iterator[Anomaly]:
    """The stem against the channel it came by: sender, service, folder."""
    channel, at = facts.channel, sealed.sealed_at
    if not channel.open.covers(at):
        yield reception("103", f"Channel {channel.sender} was not open when the set was sealed.")
    if name.sender != str(channel.sender):
        yield reception(
            "108", f"The name says sender {name.sender}; this is the channel of {channel.sender}."
        )
    if facts.service is None:
        if name.code in OFFICIAL_CODES:
            yield reception("154", f"Purpose code {name.code} is not served on this channel.")
        else:
            yield reception("129", f"Purpose code {name.code} is not known.")
    elif channel.open.covers(at) and not channel.may_use(facts.service.name, at):
        yield reception(
            "154", f"Sender {channel.sender} was not granted the service {facts.service.name}."
        )
    elif channel.quality not in facts.service.qualities:
        yield reception(
            "427", f"{facts.service.name} takes no files of a sender who is a {channel.quality}."
        )
    misplaced = _misplaced(name.letter, sealed.key.folder)
    if misplaced:
        yield reception(misplaced, f"A set {name.letter} does not belong in {sealed.key.folder}.")


def _misplaced(letter: str, folder: Folder) -> str | None:
    if letter == Environment.PRODUCTION:
        return "118" if folder is not Folder.IN else None
    if letter == Environment.TEST:
        return "119" if folder is not Folder.INTEST else None
    if letter == Environment.SIMULATION:
        return "257" if folder is not Folder.INTEST else None
    return None


def _count_anomalies(sealed: Sealed, names: list[Dropped], facts: Facts) -> Iterator[Anomaly]:
    triggers = [n for n in names if n.kind is Kind.GO]
    if not triggers:
        yield reception("130", "No GO came for these files.")
    data = [n for n in names if n.kind is Kind.FI]
    if not data:
        yield reception("142", "No FI came.")
    total = _announced((triggers, data, names), len(data))
    if total is None:
        return  # 114-116 say so already
    if data:
        yield from _numbering(data, total, "120", "123")
    if sealed.key.folder is Folder.IN and facts.signed:
        yield from _numbering([n for n in names if n.kind is Kind.FS], total, "122", "124")


def _announced(sources: Iterable[list[Dropped]], came: int) -> int | None:
    """How many parts there are to be: by the GO, else by the FI, else by any name that says it.

    Of two GO that disagree the one that fits what came counts: alone it would have sealed the set.
    """
    for names in sources:
        if any(n.total is not None for n in names):
            totals = {n.announced for n in names if n.total is not None} - {None}
            return came if came in totals else max((t for t in totals if t), default=None)
    return 1


def _numbering(
    files: list[Dropped], total: int, count_code: str, order_code: str
) -> Iterator[Anomaly]:
    if len(files) != total:
        yield reception(count_code, f"{total} announced by the names, {len(files)} came.")
        return
    numbers = sorted(n.part_number or 0 for n in files)
    totals = {n.announced for n in files} - {None}  # 114-116 tell of a total that is none
    if numbers != list(range(1, total + 1)) or totals - {total}:
        yield reception(order_code, f"The parts must be numbered {total}.1 to {total}.{total}.")


def _signature_anomalies(sealed: Sealed, facts: Facts) -> Iterator[Anomaly]:
    """A fault blocks in IN; in INTEST no signature is wanted and it is a warning."""
    severity = Severity.WARNING if sealed.key.folder.is_test else Severity.BLOCKING
    if not facts.signed:
        for unwanted in sealed.of_kind(Kind.FS):
            words = "This service takes no signature."
            yield reception("121", words, part=unwanted.name, severity=severity)
        return
    for file in sealed.parts():
        signature, fs = facts.signatures.get(file.name), sealed.signature_of(file)
        part = fs.name if fs is not None else None
        if isinstance(signature, NotSigned):
            why = facts.diagnoses.get(file.name)
            words, cause = (why.words, why.slug) if why else (signature.words, signature.cause)
            yield reception(signature.code, words, part=part, severity=severity, cause=cause)
        elif isinstance(signature, Undecided):
            yield reception("153", signature.words, part=part, severity=severity, cause=UNDECIDED)
        elif isinstance(signature, Signed) and signature.digest == Digest.SHA1:
            yield _by_exception(facts.channel, sealed.sealed_at, part)


def _by_exception(channel: Channel, at: datetime, part: str | None) -> Anomaly:
    """What was admitted against the rules is never silent."""
    held = channel.exception(SHA1, at)
    until = f" until {held.valid.until:%Y-%m-%d %H:%M} UTC" if held and held.valid.until else ""
    words = f"Signed with SHA-1, which this channel may{until} by exception. Move to SHA-256."
    return reception("125", words, part=part, severity=Severity.WARNING, cause=SHA1_EXCEPTION)


def _unsigned(sealed: Sealed, facts: Facts) -> Iterator[Anomaly]:
    """The second wall: nothing of production passes whose signature was not proved."""
    if sealed.key.folder is Folder.IN and facts.signed:
        for file in sealed.parts():
            if not isinstance(facts.signatures.get(file.name), Signed):
                yield reception("122", f"No FS belongs to {file.name}.", part=file.name)


def _size_anomalies(sealed: Sealed, facts: Facts) -> Iterator[Anomaly]:
    limits = facts.service.limits if facts.service is not None else None
    for file in sealed.of_kind(Kind.FI):
        if limits is not None and file.size > limits.max_bytes:
            yield reception(
                "184",
                f"The file has {file.size} bytes; {limits.max_bytes} are allowed.",
                part=file.name,
            )


def _standing_anomalies(facts: Facts) -> Iterator[Anomaly]:
    """Where the channel judges mandates for a service whose forms it does not judge."""
    words = {
        Standing.EMPLOYER_UNKNOWN: "is not the number of a known employer",
        Standing.MANDATE_NOT_NOW: "gave a mandate that does not hold now",
        Standing.NEVER_MANDATED: "never gave this sender a mandate",
    }
    for name, scan in facts.scans.items():
        for number in sorted(scan.employers):
            standing = facts.standings.get(number, Standing.EMPLOYER_UNKNOWN)
            if standing is not Standing.MAY_SPEAK:
                said = f"{number[:_SHOWN]} {words[standing]}."
                yield reception(str(standing), said, part=name)


def _replay_anomalies(sealed: Sealed, facts: Facts) -> Iterator[Anomaly]:
    if sealed.key.folder is Folder.IN and (facts.service is None or facts.service.handed_over_once):
        for name, stem in facts.replays.items():
            yield reception(
                "133", f"The same FI was accepted before as {stem}; this is a replay.", part=name
            )


def _distinct(found: list[Anomaly]) -> tuple[Anomaly, ...]:
    """Each code once, at its first place, for the ACRF has codes only; signatures part by part."""
    first: dict[tuple[str, Severity, str | None], Anomaly] = {}
    for anomaly in found:
        part = anomaly.part if anomaly.cause else None
        first.setdefault((anomaly.code, anomaly.severity, part), anomaly)
    return tuple(first.values())
