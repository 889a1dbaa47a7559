"""What is to be sent: FI files put together into sets, by their names."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from batch.errors import OperatorError
from batch.identifiers import InvalidIdentifier
from batch.names import Environment, Folder, Kind, PartName, Stem, TriggerName, read, split

_GRAMMAR = "FI.CODE.SSSSSS.YYYYMMDD.NNNNN.E.T.P"


@dataclass(frozen=True, slots=True)
class OutgoingPart:
    """One FI, left on disk for it may be large, and the content of its FS where there is one."""

    name: PartName
    data: Path
    signature: bytes | None


@dataclass(frozen=True, slots=True)
class OutgoingSet:
    """A whole set, parts 1 to T in order."""

    stem: Stem
    parts: tuple[OutgoingPart, ...]

    @property
    def folder(self) -> Folder:
        """R goes to IN, T and S go to INTEST (contract, section 1)."""
        return folder_of(self.stem)

    @property
    def trigger(self) -> str:
        return str(TriggerName(Kind.GO, self.stem, len(self.parts)))


def folder_of(stem: Stem) -> Folder:
    """The inbox for the letter of ``stem``."""
    return Folder.IN if stem.environment is Environment.PRODUCTION else Folder.INTEST


def read_name(text: str) -> PartName:
    """Read the name of an FI; raise OperatorError with the reason when it breaks the grammar."""
    found = split(text)
    if found is None or found.kind is not Kind.FI:
        raise OperatorError(f"{text}: not the name of an FI; expected {_GRAMMAR}")
    if found.total is None or found.part is None:
        raise OperatorError(f"{text}: total and part are missing; expected {_GRAMMAR}")
    try:
        name = read(text)
    except InvalidIdentifier as error:
        raise OperatorError(f"{text}: {error}; expected {_GRAMMAR}") from None
    if not isinstance(name, PartName):
        raise AssertionError("an FI was read as a trigger")
    return name


def group(paths: Iterable[Path]) -> tuple[tuple[tuple[PartName, Path], ...], ...]:
    """Put FI files of one stem together, parts in order, stems in the order first given.

    Raise OperatorError on a wrong name, a part given twice, or a part that is missing.
    """
    sets: dict[Stem, dict[int, tuple[PartName, Path]]] = {}
    for path in paths:
        name = read_name(path.name)
        parts = sets.setdefault(name.stem, {})
        if name.part.number in parts:
            raise OperatorError(f"{path.name}: part {name.part.number} is given twice")
        parts[name.part.number] = (name, path)
    return tuple(_complete(stem, parts) for stem, parts in sets.items())


def _complete(
    stem: Stem, parts: dict[int, tuple[PartName, Path]]
) -> tuple[tuple[PartName, Path], ...]:
    totals = {name.part.total for name, _ in parts.values()}
    if len(totals) > 1:
        raise OperatorError(f"{stem}: its parts name different totals")
    missing = [str(n) for n in range(1, totals.pop() + 1) if n not in parts]
    if missing:
        raise OperatorError(
            f"{stem}: part {', '.join(missing)} is missing; give all parts of a set together"
        )
    return tuple(parts[n] for n in sorted(parts))


def gather(
    paths: Sequence[Path], sign: Callable[[Path], bytes] | None = None
) -> tuple[OutgoingSet, ...]:
    """Make sets of FI files.

    ``sign`` makes the content of an FS from the path of an FI; without it the FS lying beside
    the FI is taken. Raise OperatorError on what ``group`` refuses, on a file that cannot be
    read, and on a set for IN of which a part has no signature.
    """
    return tuple(
        OutgoingSet(parts[0][0].stem, tuple(_part(name, path, sign) for name, path in parts))
        for parts in group(paths)
    )


def _part(name: PartName, path: Path, sign: Callable[[Path], bytes] | None) -> OutgoingPart:
    if not path.is_file():
        raise OperatorError(f"{path}: there is no such file")
    if sign is not None:
        return OutgoingPart(name, path, sign(path))
    beside = path.with_name(str(name.of(Kind.FS)))
    if beside.is_file():
        return OutgoingPart(name, path, beside.read_bytes())
    if folder_of(name.stem) is Folder.IN:
        raise OperatorError(
            f"{path.name}: a set for IN must be signed; there is no {beside.name} beside it: "
            "make it with `fla-batch sign`, or give --key and --certificate"
        )
    return OutgoingPart(name, path, None)
