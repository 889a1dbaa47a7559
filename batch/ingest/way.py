"""Read this first: the way of a set, its states, and who acts next.

    sender --SFTP--> received -> sealed -> verified -> ingested -> answered --SFTP--> sender
                                    |         `-- refused --------^
                                    `-- refused ------------------^

Each stage is a pure function in a module of its own; the worker gathers the facts, calls it,
and commits the result with its answer in one transaction. ``docs/flow.md`` holds the table
below for people; a test keeps the two the same. A set that stops the worker too often, or stays
undecided too long, waits in quarantine; one that an operator gives up there goes the rest of the
way unread.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import assert_never

from batch.states import Stage


class Step(StrEnum):
    """What is to be done with a set next, and the module that decides it."""

    SEAL = "seal"  # batch.ingest.receive decides, batch.storage.sealing does
    VERIFY = "verify"  # batch.ingest.reception, or technical for a set given up
    INGEST = "ingest"  # batch.ingest.content and the service, or technical
    SHOW = "show"  # batch.ingest.answer made the bytes, batch.storage.dossiers shows them
    ARCHIVE = "archive"
    WAIT = "wait"  # for an operator


def next_step(stage: Stage) -> Step:
    """What to do with a set that has come this far: a forgotten stage breaks the type check."""
    match stage:
        case Stage.RECEIVED:
            return Step.SEAL
        case Stage.SEALED:
            return Step.VERIFY
        case Stage.VERIFIED:
            return Step.INGEST
        case Stage.INGESTED | Stage.REFUSED:
            return Step.SHOW
        case Stage.ANSWERED:
            return Step.ARCHIVE
        case Stage.QUARANTINED:
            return Step.WAIT
        case _:
            assert_never(stage)


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table of stages."""

    stage: Stage
    next: str
    proven: str
    power_fails: str


TABLE = (
    Row(
        Stage.RECEIVED,
        "the sender (GO), or we when time is up",
        "the bytes of each published file are on disk",
        "the sweep finds the files again",
    ),
    Row(
        Stage.SEALED,
        "we",
        "bytes fixed by SHA-256, out of the sender's reach; its GO was answered OK",
        "the set is found in `sealed` and taken up again",
    ),
    Row(
        Stage.VERIFIED,
        "we",
        "names, sender, service, signature, one pass over the XML; the ACRF's bytes exist",
        "reread; the same ACRF is shown",
    ),
    Row(
        Stage.REFUSED,
        "we",
        "every mistake of the set is listed; the ACRF's bytes exist",
        "reread; the same ACRF is shown",
    ),
    Row(
        Stage.INGESTED,
        "we",
        "each form judged; records, tickets and the NOTI's bytes committed together",
        "all or nothing",
    ),
    Row(
        Stage.ANSWERED,
        "the sender",
        "the answers are in OUT (OUTTEST)",
        "same names, same bytes",
    ),
    Row(
        Stage.QUARANTINED,
        "an operator",
        "it stopped the worker too often, or nobody could know for too long whether its "
        "certificate was revoked: a technical verdict, ours alone; its bytes are kept",
        "it stays in quarantine",
    ),
)
