"""Asks the signature doctor why the signatures of a set are refused; only those are looked at."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from batch.registers import Channel
from batch.signing import doctor
from batch.signing.doctor import Case, Diagnosis, Known, Origin
from batch.signing.verdict import NotSigned, Undecided, Verdict
from batch.states import Sealed, SealedFile
from batch.storage.dossiers import Dossier

MOST_BYTES = 64_000_000
"""Of the FIs of one set, read a second time to look for a change. The doctor hashes some ten
variants at 25 to 45 MB/s, so other sets wait for two or three seconds at most, whatever comes."""


def _unknown(_: object) -> None:
    return None


@dataclass(frozen=True, slots=True)
class Files:
    """The set, and how to look at its files.

    ``sent_before``: the name of an FI that this channel sent before, by its SHA-256; ``most``:
    bytes looked through in all; ``changed``: when a file was last changed, where that is known.
    """

    sealed: Sealed
    channel: Channel
    home: Callable[[SealedFile], Dossier]
    max_signature_bytes: int
    sent_before: Callable[[str], str | None]
    most: int
    changed: Callable[[SealedFile], datetime | None] = _unknown


def diagnose(files: Files, signatures: Mapping[str, Verdict]) -> dict[str, Diagnosis]:
    """Why each refused signature is, by FI name; nothing while a verdict is still to come."""
    waits = any(isinstance(verdict, Undecided) for verdict in signatures.values())
    if waits and not files.sealed.key.folder.is_test:
        return {}
    found: dict[str, Diagnosis] = {}
    left = files.most
    for file in files.sealed.parts():
        verdict, fs = signatures.get(file.name), files.sealed.signature_of(file)
        if not isinstance(verdict, NotSigned) or fs is None:
            continue
        limit = files.max_signature_bytes
        held = files.home(fs).read(fs, limit)
        known = Known(files.channel.certificates, files.sealed.sealed_at)
        told = doctor.examine(held, verdict, known, limit)
        if isinstance(told, Case):
            told, left = _look(files, file, told, left)
        found[file.name] = told
    return found


def _look(files: Files, file: SealedFile, case: Case, left: int) -> tuple[Diagnosis, int]:
    """What is known first, for it costs nothing; then the pass, as long as there is room for it."""
    origin = _sent(files, file, case)
    if origin is None and sum(other.size for other in files.sealed.parts()) <= left:
        origin = _swapped(files, file, case)
    if origin is not None:
        return case.closed((), origin), left
    if file.size > left:
        return case.not_tried(), left
    search = case.search()
    for block in files.home(file).blocks(file):
        search.update(block)
    return case.closed(search.finish(), None, files.changed(file)), left - file.size


def _swapped(files: Files, file: SealedFile, case: Case) -> Origin | None:
    """The part of the set that was signed by another digest than the manifest's SHA-256."""
    for other in files.sealed.parts():
        if case.signed is None and other.name != file.name:
            digest = case.hashed(files.home(other).blocks(other))
            if digest == case.wanted:
                return Origin(other.name, same_set=True)
    return None


def _sent(files: Files, file: SealedFile, case: Case) -> Origin | None:
    """The FI that was signed, if it is another part of the set or came by this channel before."""
    if case.signed is None:
        return None
    for other in files.sealed.parts():
        if other.sha256 == case.signed and other.name != file.name:
            return Origin(other.name, same_set=True)
    name = files.sent_before(case.signed)
    return None if name is None else Origin(name, same_set=False)


def modified(path: Path) -> datetime:
    """When a file was last changed, by the clock of its disk; aware."""
    return datetime.fromtimestamp(path.stat().st_mtime).astimezone()
