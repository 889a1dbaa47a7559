"""OUT and OUTTEST as their sender remembers them: once seen, an answer stands for ever."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from xml.etree import ElementTree

from batch.names import Folder
from tests.crash.model.reference import Key, Model, Outcome, parts

Out = Mapping[Folder, Mapping[str, bytes]]
Name = tuple[Folder, str]
Ticket = tuple[Folder, str]


@dataclass(frozen=True)
class Receipt:
    """An ACRF, by its ticket."""

    stem: str
    codes: frozenset[str]


@dataclass
class Outbox:
    """What was seen, what was deleted, and what the answers said."""

    shown: dict[Name, bytes] = field(default_factory=dict)
    deleted: set[Name] = field(default_factory=set)
    doubtful: set[Name] = field(default_factory=set)
    receipts: dict[Ticket, Receipt] = field(default_factory=dict)
    notices: dict[Ticket, bool] = field(default_factory=dict)

    def look(self, out: Out) -> None:
        """Take in what is in OUT now; AssertionError when it contradicts what was seen before."""
        now = {
            (folder, name): data for folder, names in out.items() for name, data in names.items()
        }
        self.deleted |= self.doubtful - now.keys()
        self.doubtful = set()
        back = self.deleted & now.keys()
        assert not back, f"deleted answers came back: {sorted(back)}"
        for place, data in self.shown.items():
            assert place in self.deleted or now.get(place) == data, f"{place}: gone, or other bytes"
        for folder, name in sorted(now.keys() - self.shown.keys()):
            self.shown[folder, name] = now[folder, name]
            if name.startswith("FO."):
                self._read(folder, now[folder, name])
        for folder, name in now:
            if name.startswith("GO."):
                for other in (f"FO{name[2:]}.1", f"FS{name[2:]}.1"):
                    assert (folder, other) in self.shown, f"{folder}/{name} came before {other}"

    def _read(self, folder: Folder, data: bytes) -> None:
        answer = ElementTree.fromstring(data)
        ticket = folder, answer.findtext(".//FileReference/ReferenceNbr") or ""
        if answer.tag == "ACRF":
            assert ticket not in self.receipts, f"two ACRF of {ticket}"
            stem = parts(answer.findtext(".//FileName") or "")[1]
            codes = [str(e.text).removeprefix("ACRF-") for e in answer.findall(".//ErrorID")]
            assert len(set(codes)) == len(codes), f"a code twice in an ACRF: {codes}"
            self.receipts[ticket] = Receipt(stem, frozenset(codes))
        else:
            assert ticket not in self.notices, f"two NOTI of {ticket}"
            assert ticket in self.receipts, f"a NOTI before its ACRF: {ticket}"
            assert not self.receipts[ticket].codes, f"a NOTI after a negative ACRF: {ticket}"
            result = answer.findtext(".//HandlingResult/ResultCode")
            self.notices[ticket] = result == "1"

    def fitting(self, model: Model) -> list[Outcome]:
        """The outcomes that the ACRFs so far allow: of what is archived all, of the rest some."""
        said = Counter((folder, r.stem, r.codes) for (folder, _), r in self.receipts.items())
        owed = {c.key for c in model.contents if c.archived}

        def fits(outcome: Outcome) -> bool:
            must = Counter(_said(key, codes) for key, codes in outcome.items() if key in owed)
            may = Counter(_said(key, codes) for key, codes in outcome.items())
            return must <= said <= may

        return [outcome for outcome in model.outcomes() if fits(outcome)]

    def complete(self, model: Model) -> Outcome:
        """Everything is answered: the one outcome that came; AssertionError if something lacks."""
        found = self.fitting(model)
        assert len(self.receipts) == len(model.contents), "a content has no ACRF"
        assert len(found) >= 1, "the ACRFs are not those that were to come"
        for outcome in found:
            received = [c for c in model.contents if not outcome[c.key]]
            recorded = [bool(model.known.forms[c.data("FI") or b""]) for c in received]
            assert sorted(recorded) == sorted(self.notices.values()), "a NOTI is missing, or wrong"
        triggers = [name for name in self.shown if name[1].startswith("GO.")]
        assert len(triggers) == len(self.receipts) + len(self.notices), "an answer without its GO"
        return found[0]


def _said(key: Key, codes: frozenset[str]) -> tuple[Folder, str, frozenset[str]]:
    return key[0].answers, key[1], codes
