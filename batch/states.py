"""The states of a set as types: each holds the one before, so none exists unproven.

    Received -> Sealed -> Verified -> Ingested -> Answered
                   `----> Refused ----------------^

A set that stopped the worker too often is quarantined: an operator has it tried again from where
it stood, or refused there for good.

*Validated* is a state of a form, not of a set: a set may hold a million forms, so they pass
through validation and into the ledger one by one inside the step from Verified to Ingested.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from batch.anomalies import Anomaly
from batch.identifiers import SenderNumber
from batch.names import Environment, Folder, Kind, split


class Trigger(StrEnum):
    """Why a set was sealed."""

    GO = "GO"
    CANCELLED = "TD"
    UNFINISHED = "UNFINISHED"
    UNREADABLE = "UNREADABLE"


class Stage(StrEnum):
    """How far a set has come; the name of its state, as the database keeps it."""

    RECEIVED = "received"
    SEALED = "sealed"
    VERIFIED = "verified"
    REFUSED = "refused"
    INGESTED = "ingested"
    ANSWERED = "answered"
    QUARANTINED = "quarantined"


@dataclass(frozen=True, slots=True, order=True)
class SetKey:
    """Names one sealed content: channel, folder, stem's text, and which content of that stem.

    Ordinal 1 is the content that owns the stem; a later one is other content under a used stem.
    ``str`` is the name of the set's directory: no element may hold ``~`` or ``/``.
    """

    channel: SenderNumber
    folder: Folder
    stem: str
    ordinal: int

    def __str__(self) -> str:
        return f"{self.channel}.{self.folder}.{self.stem}~{self.ordinal}"

    @classmethod
    def parse(cls, text: str) -> SetKey:
        """Raise ValueError unless ``text`` was made by ``str``."""
        front, _, ordinal = text.rpartition("~")
        channel, folder, stem = front.split(".", 2)
        key = cls(SenderNumber.parse(channel), Folder(folder), stem, int(ordinal))
        if str(key) != text or not stem or key.ordinal < 1:
            raise ValueError(f"{text!r} names no sealed set")
        return key


@dataclass(frozen=True, slots=True)
class SealedFile:
    """One file of a sealed set, its bytes fixed by SHA-256 (hex)."""

    name: str
    kind: Kind | None
    size: int
    sha256: str


def part_number(file: SealedFile) -> int | None:
    """Which part a file says it is; None when its name does not say it."""
    name = split(file.name)
    return name.part_number if name is not None else None


@dataclass(frozen=True, slots=True)
class Received:
    """Files of one stem in an inbox; who acts next: the sender (GO), or we when time is up."""

    channel: SenderNumber
    folder: Folder
    stem: str


@dataclass(frozen=True, slots=True)
class Sealed:
    """Bytes fixed and out of the sender's reach; its GO was answered OK. We act next."""

    key: SetKey
    trigger: Trigger
    files: tuple[SealedFile, ...]
    sealed_at: datetime

    def of_kind(self, kind: Kind) -> tuple[SealedFile, ...]:
        return tuple(f for f in self.files if f.kind is kind)

    def parts(self) -> list[SealedFile]:
        """The FI by part number; those without a readable number last."""
        return sorted(self.of_kind(Kind.FI), key=lambda f: (part_number(f) or 99, f.name))

    def signature_of(self, data: SealedFile) -> SealedFile | None:
        """The one FS of the same part as an FI; None when there is none, or more than one.

        Either name may leave total and part out, as older senders do.
        """
        mine = [f for f in self.of_kind(Kind.FS) if part_number(f) == part_number(data)]
        return mine[0] if len(mine) == 1 else None

    @property
    def environment(self) -> Environment:
        """The set's letter where it is one, else R or T by folder (contract, section 3)."""
        for file in self.files:
            name = split(file.name)
            if name is not None and name.letter in tuple(Environment):
                return Environment(name.letter)
        return Environment.TEST if self.key.folder.is_test else Environment.PRODUCTION

    @property
    def trigger_name(self) -> str:
        """What the ACRF calls the set: the GO (or TD), else its first FI, else its first file."""
        for kind in (Kind.GO, Kind.TD, Kind.FI):
            for file in self.of_kind(kind):
                return file.name
        return self.files[0].name


@dataclass(frozen=True, slots=True)
class Part:
    """One FI that passed reception: its place in the set and how many forms it holds."""

    number: int
    file: SealedFile
    forms: int


@dataclass(frozen=True, slots=True)
class Verified:
    """Signer, channel, service and names are right; the positive ACRF exists. We act next."""

    sealed: Sealed
    environment: Environment
    service: str
    parts: tuple[Part, ...]
    signer: str | None
    warnings: tuple[Anomaly, ...] = ()


@dataclass(frozen=True, slots=True)
class Refused:
    """Refused whole at reception: nothing of it is handled. The negative ACRF exists."""

    sealed: Sealed
    environment: Environment
    anomalies: tuple[Anomaly, ...]


@dataclass(frozen=True, slots=True)
class Ingested:
    """Every form has its verdict; records and the NOTI's bytes were committed together."""

    verified: Verified
    accepted: int
    refused: int


@dataclass(frozen=True, slots=True)
class Answered:
    """All answers are in OUT (or OUTTEST). The sender acts next, or nobody."""

    outcome: Ingested | Refused


@dataclass(frozen=True, slots=True)
class Deferred:
    """No state but a step's third ending: undecided for now, for this reason; look again later.

    ``source``: what is missing is a source of revocations, and not another set's verdict.
    """

    reason: str
    source: bool = False
