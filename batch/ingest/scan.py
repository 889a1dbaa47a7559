"""One streaming pass over an FI: everything reception needs of it, and nothing that content does.

The same blocks feed the digest of the signature (``tap``), the prolog and the form reader, so
an FI of any size is read once, in flat memory, before its ACRF.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from batch.anomalies import Anomaly, reception
from batch.ingest.forms import FormReader, Malformed
from batch.ingest.prolog import Prolog
from batch.ingest.services import Description
from batch.signing.verdict import NotSigned, Verdict
from batch.signing.verification import Verifier
from batch.states import Sealed, SealedFile


@dataclass(frozen=True, slots=True)
class Scan:
    """What one pass found: how many forms, and what refuses the file whole."""

    file: SealedFile
    forms: int
    anomalies: tuple[Anomaly, ...]


def scan(
    file: SealedFile,
    blocks: Iterable[bytes],
    service: Description | None,
    tap: Callable[[bytes], None] | None = None,
) -> Scan:
    """Read every block, whatever is found early: the signature covers them all.

    Without a service (its purpose code is not served) only the prolog is looked at.
    """
    prolog = Prolog()
    reader: FormReader | None = None
    broken: Anomaly | None = None
    count = 0
    for block in blocks:
        if tap is not None:
            tap(block)
        prolog.feed(block)
        if service is None or broken is not None or any(prolog.anomalies(service)):
            continue
        reader = reader or FormReader(service.form)
        try:
            count += sum(1 for _ in reader.feed(block))
        except Malformed as error:
            broken = error.anomaly
    found = list(prolog.anomalies(service))
    if not found and service is not None:
        found = list(_verdict(reader, broken, count, service))
    return Scan(file, count, tuple(_placed(a, file) for a in found))


def look(
    sealed: Sealed,
    service: Description | None,
    blocks: Callable[[SealedFile], Iterable[bytes]],
    begin: Callable[[SealedFile], Verifier | NotSigned | None],
) -> tuple[dict[str, Scan], dict[str, Verdict]]:
    """One pass over every FI of a set: what it holds, and what its FS proves; both by FI name.

    ``begin`` starts the verification of an FS; None when it is not to be judged.
    """
    scans: dict[str, Scan] = {}
    signatures: dict[str, Verdict] = {}
    for file in sealed.parts():
        fs = sealed.signature_of(file)
        begun = begin(fs) if fs is not None else None
        tap = begun.update if isinstance(begun, Verifier) else None
        scans[file.name] = scan(file, blocks(file), service, tap)
        if isinstance(begun, Verifier):
            signatures[file.name] = begun.finish()
        elif begun is not None:
            signatures[file.name] = begun
    return scans, signatures


def _verdict(
    reader: FormReader | None, broken: Anomaly | None, count: int, service: Description
) -> Iterable[Anomaly]:
    if broken is None:
        try:
            (reader or FormReader(service.form)).close()
        except Malformed as error:
            broken = error.anomaly
    if broken is not None:
        yield broken
    elif not count:
        yield reception("157", f"The file holds no {service.form}.")
    elif count > service.limits.max_forms:
        yield reception(
            "275", f"The file holds {count} forms; {service.limits.max_forms} are allowed."
        )


def _placed(anomaly: Anomaly, file: SealedFile) -> Anomaly:
    return reception(anomaly.code, anomaly.explanation or "", part=file.name, line=anomaly.line)
