"""What sender and operator must see, as plain Python: the channel of docs/flow.md without a disk.

It knows nothing of ``batch`` but the names of the folders. ``test_model`` does each act here and
on a real instance and holds the instance to it; ``moments`` gives the states a kill may leave.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass, field
from itertools import product

from batch.names import INBOXES, Folder

Key = tuple[Folder, str, int]
Listed = tuple[bytes, bool, bool]
"""A file in an inbox: its bytes, whether it is sealed, whether an operator copied it in."""

Outcome = dict[Key, frozenset[str]]
"""The codes of each content's ACRF; none: it was received."""


class Refused(Exception):
    """The sender is told no, and nothing changes."""


@dataclass(eq=False)
class File:
    data: bytes
    sealed: bool = False
    copied: bool = False


@dataclass(eq=False)
class Content:
    """What was accepted: one content of a stem."""

    folder: Folder
    stem: str
    ordinal: int
    trigger: str
    files: dict[str, File]
    archived: bool = False

    @property
    def key(self) -> Key:
        return self.folder, self.stem, self.ordinal

    @property
    def identity(self) -> list[bytes]:
        return identity(self.files)

    def data(self, kind: str) -> bytes | None:
        return next((f.data for name, f in self.files.items() if parts(name)[0] == kind), None)


@dataclass(frozen=True)
class Observed:
    """What sender and operator see: inboxes, and which contents were accepted and archived."""

    inbox: dict[Folder, dict[str, Listed]]
    accepted: set[Key]
    archived: set[Key]


@dataclass(frozen=True)
class Known:
    """``forms``: FI to the reference it records, "" when its form is refused; ``signed``: FS to
    the FI and the signer."""

    forms: dict[bytes, str]
    signed: dict[bytes, tuple[bytes, str]]


def parts(name: str) -> tuple[str, str]:
    """Kind and stem of a name; one that does not split stands for itself."""
    kind, *rest = name.split(".")
    right = len(rest) == {"FI": 7, "FS": 7, "GO": 6, "TD": 6}.get(kind)
    return (kind, ".".join(rest[:5])) if right else ("", "@" + name)


def identity(files: dict[str, File]) -> list[bytes]:
    return [f.data for name, f in sorted(files.items()) if parts(name)[0] in ("FI", "")]


def _complete(folder: Folder, names: dict[str, File]) -> bool:
    return {parts(name)[0] for name in names} >= ({"FI"} if folder.is_test else {"FI", "FS"})


def _new_inboxes() -> dict[Folder, dict[str, File]]:
    return {folder: {} for folder in INBOXES}


@dataclass(eq=False)
class Model:
    known: Known
    inbox: dict[Folder, dict[str, File]] = field(default_factory=_new_inboxes)
    contents: list[Content] = field(default_factory=list)
    loose: set[tuple[Folder, str]] = field(default_factory=set)
    _moments: list[Model] | None = None

    # --- the sender, the operator, the sweep ----------------------------------------------

    def upload(self, folder: Folder, name: str, data: bytes, *, keep: bool = False) -> None:
        held = self.inbox[folder].get(name)
        if keep and held is not None:
            if held.sealed:
                raise Refused
            data = held.data + data
        self._arrive(folder, name, File(data))

    def rename(self, folder: Folder, old: str, new: str, *, replace: bool) -> None:
        names = self.inbox[folder]
        if old not in names or names[old].sealed:
            raise Refused
        if not replace and new in names and not names[new].sealed:
            raise Refused  # over a sealed name a whole file may come, as by an upload
        self._cancels_in_time(folder, new)
        self._arrive(folder, new, names.pop(old))

    def remove(self, folder: Folder, name: str) -> None:
        if name not in self.inbox[folder] or self.inbox[folder][name].sealed:
            raise Refused
        del self.inbox[folder][name]

    def copy_in(self, folder: Folder, name: str, data: bytes) -> None:
        self.inbox[folder][name] = File(data, copied=True)

    def sweep(self, folder: Folder, *, incomplete: bool, unfinished: bool, unsettled: bool) -> None:
        """What was started or cancelled comes before what is given up; each in order of stems."""
        due: list[tuple[bool, str, str]] = []
        for stem in sorted({parts(name)[1] for name in self.inbox[folder]}):
            names = self._names(folder, stem)
            fresh = {name: f for name, f in names.items() if not f.sealed}
            kinds = {parts(name)[0] for name in fresh}
            if not fresh or (any(f.copied for f in fresh.values()) and not unsettled):
                continue
            if "" in kinds:
                trigger = "UNREADABLE" if unfinished else ""
            elif "TD" in kinds:
                trigger = "TD"
            elif "GO" in kinds:
                trigger = "GO" if incomplete or _complete(folder, names) else ""
            else:
                trigger = "UNFINISHED" if unfinished else ""
            if trigger:
                due.append((trigger in ("UNREADABLE", "UNFINISHED"), stem, trigger))
        for _, stem, trigger in sorted(due):
            self._seal(folder, stem, trigger)

    def _arrive(self, folder: Folder, name: str, file: File) -> None:
        kind, stem = parts(name)
        self._cancels_in_time(folder, name)
        self.inbox[folder][name] = file
        self._mark()
        names = self._names(folder, stem)
        go_is_new = any(parts(n)[0] == "GO" and not f.sealed for n, f in names.items())
        if kind == "TD" or (kind and go_is_new and _complete(folder, names)):
            self._seal(folder, stem, "TD" if kind == "TD" else "GO")

    def _cancels_in_time(self, folder: Folder, name: str) -> None:
        kind, stem = parts(name)
        if kind == "TD" and self._of(folder, stem):
            raise Refused

    def _seal(self, folder: Folder, stem: str, trigger: str) -> None:
        inbox, names = self.inbox[folder], self._names(folder, stem)
        mine, there = identity(names), self._of(folder, stem)
        if there and (not mine or any(c.identity == mine for c in there)):
            fresh = [name for name, f in names.items() if not f.sealed]
            self._mark((folder, name) for name in fresh)
            for name in fresh:  # an identical repeat: nothing new
                del inbox[name]
            return
        taken = {n: File(f.data) if f.copied else f for n, f in names.items()}
        for f in taken.values():
            f.sealed = True
        self.contents.append(Content(folder, stem, len(there) + 1, trigger, taken))
        self._mark((folder, name) for name, f in names.items() if f.copied)
        inbox.update(taken)

    def _of(self, folder: Folder, stem: str) -> list[Content]:
        return [c for c in self.contents if (c.folder, c.stem) == (folder, stem)]

    def _names(self, folder: Folder, stem: str) -> dict[str, File]:
        return {n: f for n, f in self.inbox[folder].items() if parts(n)[1] == stem}

    # --- the worker -------------------------------------------------------------------------

    def archive(self, keys: set[Key]) -> None:
        """These were answered, and their names are gone."""
        for content in self.contents:
            if content.key in keys and not content.archived:
                content.archived = True
                self._unlist(content)

    def restart(self) -> None:
        """No name of an archived content is listed any more."""
        for content in self.contents:
            if content.archived:
                self._unlist(content)

    def _unlist(self, content: Content) -> None:
        inbox = self.inbox[content.folder]
        for name, file in content.files.items():
            if inbox.get(name) is file:
                del inbox[name]

    def outcomes(self) -> list[Outcome]:
        """What the ACRFs may say together: of one FI under two stems, the first judged stands."""
        plain = {c.key: self._codes(c) for c in self.contents}
        shared = [c for c in self.contents if self._may_be_replay(c)]
        choices = [(plain[c.key], plain[c.key] | {"133"}) for c in shared]
        found: list[Outcome] = []
        for chosen in product(*choices):
            outcome = plain | {c.key: codes for c, codes in zip(shared, chosen, strict=True)}
            accepted = [c.data("FI") for c in shared if not outcome[c.key]]
            could = {c.data("FI") for c in shared if not plain[c.key]}
            replays = {c.data("FI") for c in shared if outcome[c.key] != plain[c.key]}
            if len(set(accepted)) == len(accepted) == len(could) and replays <= could:
                found.append(outcome)
        return found

    def _may_be_replay(self, content: Content) -> bool:
        fi, judged = content.data("FI"), content.trigger in ("GO", "UNFINISHED")
        if (
            fi is None
            or content.folder is not Folder.IN
            or not judged
            or not self.known.forms.get(fi)
        ):
            return False
        return any(c.data("FI") == fi and c.stem != content.stem for c in self._in())

    def _in(self) -> list[Content]:
        return [c for c in self.contents if c.folder is Folder.IN]

    def _codes(self, content: Content) -> frozenset[str]:
        if content.trigger == "UNREADABLE":
            kind, *rest = content.stem.removeprefix("@").split(".")
            malformed = {"FI": "131", "FS": "132", "GO": "107", "TD": "107"}
            no_letter = {"144"} if kind in malformed and not any(rest[4:5]) else set()
            return frozenset({malformed.get(kind, "129"), *no_letter})
        if content.trigger == "TD":
            return frozenset({"277"})
        fi, fs, letter = content.data("FI"), content.data("FS"), content.stem[-1]
        production = content.folder is Folder.IN
        signature = self.known.signed.get(fs or b"", (b"", "nobody"))
        wrong = {
            "133": content.ordinal > 1,
            "130": content.data("GO") is None,
            "142": fi is None,
            "102": fi is not None and fi not in self.known.forms,
            "118": letter == "R" and not production,
            "119": letter == "T" and production,
            "257": letter == "S" and production,
            "122": production and fs is None,
            "153": production and fi is not None and signature[1] == "mandatary",
            "125": production
            and fi is not None
            and fs is not None
            and signature[1] != "mandatary"
            and signature != (fi, "employer"),
        }
        return frozenset(code for code, is_wrong in wrong.items() if is_wrong)

    def recorded(self, outcome: Outcome, folder: Folder) -> list[str]:
        """The references that stand in the ledger of ``folder``."""
        received = [c for c in self.contents if c.folder is folder and not outcome[c.key]]
        forms = [self.known.forms[c.data("FI") or b""] for c in received if c.stem[-1] != "S"]
        return sorted(reference for reference in forms if reference)

    # --- a kill, and a look -----------------------------------------------------------------

    def moments(self, act: Callable[[Model], object]) -> list[Model]:
        """Every state a kill may leave while ``act`` is done, from before to after it."""
        found: list[Model] = []
        self._moments = found
        self._mark()
        with suppress(Refused):
            act(self)
        self._mark()
        self._moments = None
        return found

    def _mark(self, loose: Iterable[tuple[Folder, str]] = ()) -> None:
        """A state that may be left; ``loose`` names are just being unlisted or sealed."""
        found, self._moments = self._moments, None
        if found is not None:
            moment = deepcopy(self, {id(self.known): self.known})
            moment.loose = set(loose)
            found.append(moment)
        self._moments = found

    def difference(self, seen: Observed) -> str:
        """What is seen and should not be, or the reverse; empty when they agree."""
        found: list[str] = []
        if seen.accepted != {c.key for c in self.contents}:
            found.append(f"accepted {sorted(seen.accepted)}")
        if seen.archived != {c.key for c in self.contents if c.archived}:
            found.append(f"answered {sorted(seen.archived)}")
        for folder, names in self.inbox.items():
            for name in names.keys() | seen.inbox[folder].keys():
                mine, its = names.get(name), seen.inbox[folder].get(name)
                if (folder, name) in self.loose and mine is not None:
                    may_be = ((mine.sealed, mine.copied), (True, False))
                    wrong = its is not None and (its[0] != mine.data or its[1:] not in may_be)
                else:
                    wrong = its != (mine and (mine.data, mine.sealed, mine.copied))
                if wrong:
                    found.append(f"{folder}/{name}: {its and its[1:]}, should be {mine}")
        return "; ".join(found)

    def adopt(self, seen: Observed) -> None:
        """What was open is settled by what was seen, from now on."""
        for folder, name in self.loose & {(f, n) for f, names in self.inbox.items() for n in names}:
            its = seen.inbox[folder].get(name)
            if its is None:
                del self.inbox[folder][name]
            elif its[1] and not self.inbox[folder][name].sealed:
                self.inbox[folder][name] = next(
                    c.files[name] for c in reversed(self.contents) if name in c.files
                )
        self.loose = set()
