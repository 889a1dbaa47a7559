"""Sealed sets, channels and services for the tests of the way: all right unless told otherwise."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from batch.identifiers import EnterpriseNumber, SenderNumber
from batch.ingest.reception import Facts, judge
from batch.ingest.scan import Scan
from batch.ingest.services import Description, Limits
from batch.names import Environment, Folder, Kind, split
from batch.registers import Channel, Grant, Interval, Quality
from batch.signing.verdict import Signed, Verdict
from batch.states import Deferred, Sealed, SealedFile, SetKey, Trigger, Verified

AT = datetime(2026, 1, 20, 11, 0, tzinfo=UTC)
SENDER = SenderNumber.parse("1")
STEM = "FLAD.000001.20260120.00001.R"
TEST_STEM = "FLAD.000001.20260120.00001.T"
ALWAYS = Interval(AT - timedelta(days=100))
ENDED = Interval(AT - timedelta(days=100), AT)

FLA = Description(
    name="FLA",
    codes=frozenset({"FLAD"}),
    root="FLADeclaration",
    form="Form",
    schemas=frozenset({"FLADeclaration_20261.xsd"}),
    limits=Limits(max_bytes=1000, max_forms=5, max_parts=9),
)

CHANNEL = Channel(
    sender=SENDER,
    enterprise=EnterpriseNumber.parse("0123456749"),
    quality=Quality.NSSO_EMPLOYER,
    user="employer",
    open=ALWAYS,
    grants=(Grant("FLA", ALWAYS),),
)

SIGNED = Signed("CN=Somebody", "0" * 64, "sha256", None)


def names_of(
    stem: str = STEM, parts: int = 1, *, signed: bool = True, go: bool = True
) -> list[str]:
    """The names of a full set of ``parts``."""
    kinds = (Kind.FI, Kind.FS) if signed else (Kind.FI,)
    names = [f"{kind}.{stem}.{parts}.{n}" for kind in kinds for n in range(1, parts + 1)]
    return [*names, f"GO.{stem}.{parts}"] if go else names


def file(name: str, size: int = 10) -> SealedFile:
    found = split(name)
    return SealedFile(name, found.kind if found else None, size, "0" * 64)


def sealed(
    names: Iterable[str],
    *,
    folder: Folder = Folder.IN,
    trigger: Trigger = Trigger.GO,
    ordinal: int = 1,
    sizes: Mapping[str, int] | None = None,
) -> Sealed:
    """A sealed set of these names, each of 10 bytes unless ``sizes`` says otherwise."""
    files = tuple(file(name, (sizes or {}).get(name, 10)) for name in names)
    first = split(files[0].name)
    stem = first.stem if first else "@" + files[0].name
    return Sealed(SetKey(SENDER, folder, stem, ordinal), trigger, files, AT)


def facts(
    given: Sealed,
    *,
    channel: Channel = CHANNEL,
    service: Description | None = FLA,
    scans: Mapping[str, Scan] | None = None,
    signatures: Mapping[str, Verdict] | None = None,
    replays: Mapping[str, str] | None = None,
    too_old_days: int = 365,
    max_parts: int = 9,
) -> Facts:
    """What the shell would say: every FI well-formed, signed wherever its FS was found."""
    data = given.of_kind(Kind.FI)
    found: dict[str, Scan] = {f.name: Scan(f, 1, ()) for f in data}
    proved: dict[str, Verdict] = {f.name: SIGNED for f in data if given.signature_of(f)}
    return Facts(
        channel=channel,
        environment=Environment.TEST if given.key.folder.is_test else Environment.PRODUCTION,
        service=service,
        scans=found | dict(scans or {}),
        signatures=proved | dict(signatures or {}),
        replays=dict(replays or {}),
        too_old_days=too_old_days,
        max_parts=max_parts,
    )


def closed(channel: Channel = CHANNEL) -> Channel:
    """The same channel, closed at the instant of sealing."""
    return replace(channel, open=ENDED)


def without_grant(channel: Channel = CHANNEL) -> Channel:
    """The same channel, its only grant taken away at the instant of sealing."""
    return replace(channel, grants=(Grant("FLA", ENDED), Grant("DIMONA", ALWAYS)))


def blocks(data: bytes, size: int) -> list[bytes]:
    """``data`` in blocks of ``size`` bytes."""
    return [data[start : start + size] for start in range(0, len(data), size)]


def found(given: Sealed, **said: Any) -> list[str]:
    """The codes that refuse a set, in the order found; empty where it is verified."""
    outcome = judge(given, facts(given, **said))
    assert not isinstance(outcome, Deferred)
    if isinstance(outcome, Verified):
        return []
    return [a.code for a in outcome.anomalies if a.blocks]


def stem_with(element: int, text: str) -> str:
    """The right stem with one element changed: code, sender, day, sequence, letter."""
    elements = STEM.split(".")
    elements[element] = text
    return ".".join(elements)
