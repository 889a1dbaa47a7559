"""Sets with random defects, and what must come of each: an oracle of its own.

Written from the contract and the border of each code, never from the code that judges: a defect
says which codes it raises, and which codes of others it hides.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from fixtures.declared import fs
from tests.declarations import CLIENTS, EMPLOYER, declaration, person, right

EMPLOYERS = {"000001": EMPLOYER, "000002": CLIENTS[0]}
SIGNERS = {"000001": "employer", "000002": "mandatary"}
COUNTS = {"120", "122", "123", "124"}
CONTENT = {"088", "089", "102", "157"}
"""What is not looked at where nobody serves the purpose code."""
SIGNATURES = {"122", "124", "125", "153"}
"""Asked in IN only."""

_sets, _numbers = itertools.count(1), itertools.count(1)


@dataclass
class Draft:
    """A set on its way to be spoilt; FI and FS by part, forms as the results they must get."""

    sender: str
    folder: str
    forms: tuple[tuple[bool, ...], ...]
    number: int = field(default_factory=lambda: next(_sets))
    code: str = "FLAD"
    said_sender: str = ""
    day: str = ""
    sequence: str = ""
    letter: str = ""
    total: str = ""
    data: dict[str, bytes] = field(default_factory=dict)
    signatures: dict[str, bytes] = field(default_factory=dict)
    trigger: str | None = "GO"
    short: bool = False
    ordered: bool = False
    codes: set[str] = field(default_factory=set)
    hidden: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.said_sender, self.letter = self.sender, "R" if self.folder == "IN" else "T"
        today = datetime.now(UTC).astimezone(ZoneInfo("Europe/Brussels")).date()
        self.today, self.day = today, f"{today:%Y%m%d}"
        self.sequence, self.total = f"D{self.number:04d}", str(len(self.forms))
        for part, wanted in enumerate(self.forms, 1):
            self.data[str(part)] = self.fi(wanted)
            self.sign(str(part))

    today: date = date.min

    def fi(self, wanted: tuple[bool, ...]) -> bytes:
        """An FI of new forms, of which these are to be accepted."""
        texts = []
        for number, good in enumerate(wanted):
            who = next(_numbers)
            text = right(
                f"drop/{who}",
                inss=person(790_000 + who),
                employer=EMPLOYERS[self.sender],
                number=number,
            )
            texts.append(text if good else text.replace(">LEGAL<", ">NOBODY<"))
        return declaration(*texts)

    def sign(self, part: str, signer: str | None = None) -> None:
        self.signatures[part] = fs(self.data[part], signer or SIGNERS[self.sender])

    @property
    def last(self) -> str:
        return str(len(self.forms))

    @property
    def stem(self) -> str:
        return ".".join([self.code, self.said_sender, self.day, self.sequence, self.letter])

    def files(self) -> dict[str, bytes]:
        """Its names and contents, the trigger last."""
        found: dict[str, bytes] = {}
        for kind, contents in (("FI", self.data), ("FS", self.signatures)):
            for part, content in contents.items():
                end = "" if self.short else f".{self.total}.{part}"
                found[f"{kind}.{self.stem}{end}"] = content
        if self.trigger is not None:
            found[f"{self.trigger}.{self.stem}" + ("" if self.short else f".{self.total}")] = b""
        return found

    def expected(self) -> set[str]:
        """The codes of its ACRF: these, or these at least where defects meet; none: positive."""
        if self.trigger == "TD":
            return {"277"}
        hidden = self.hidden | (SIGNATURES if self.folder == "INTEST" else set())
        hidden |= {"107"} if self.trigger is None else set()
        return self.codes - hidden

    @property
    def results(self) -> list[str]:
        return [str(int(good)) for part in self.forms for good in part]


Defect = Callable[[Draft], None]


def _element(name: str, text: str | Callable[[Draft], str], *codes: str) -> Defect:
    def spoil(draft: Draft) -> None:
        setattr(draft, name, text if isinstance(text, str) else text(draft))
        draft.codes.update(codes)
        if name == "code":
            draft.hidden |= CONTENT
        if name == "total":
            draft.hidden |= COUNTS

    return spoil


def _short_sender(draft: Draft) -> None:
    """Each kind of file has its own code for a name whose sender is none.

    In INTEST a GO waits for no FS: in order, so that it is there.
    """
    draft.ordered = True
    draft.said_sender = draft.sender[1:]
    kinds = {"131": draft.data, "132": draft.signatures, "107": draft.trigger}
    draft.codes |= {"108"} | {code for code, there in kinds.items() if there}


def _data(change: Callable[[bytes], bytes], code: str) -> Defect:
    """The content of the first part is wrong, and signed as it is."""

    def spoil(draft: Draft) -> None:
        draft.data["1"] = change(draft.data["1"])
        draft.sign("1")
        draft.codes.add(code)

    return spoil


def _signature(content: Callable[[Draft], bytes | None], code: str) -> Defect:
    def spoil(draft: Draft) -> None:
        found = content(draft)
        if found is None:
            del draft.signatures["1"]
        else:
            draft.signatures["1"] = found
        draft.codes.add(code)

    return spoil


def _no_data(draft: Draft) -> None:
    draft.data.clear()
    draft.codes.add("142")
    draft.hidden |= CONTENT | {"003", "138", "120", "123", "125", "153"}


def _last_part_missing(draft: Draft) -> None:
    if len(draft.forms) == 1:
        _no_data(draft)
    else:
        del draft.data[draft.last]
        draft.codes.add("120")


def _part_too_many(draft: Draft) -> None:
    """Sent before the GO: after it the set would be complete, and this another content."""
    draft.data[str(len(draft.forms) + 1)] = draft.fi((True,))
    draft.codes.add("120")
    draft.ordered = True


def _renumbered(draft: Draft) -> None:
    number = str(len(draft.forms) + 1)
    draft.data[number] = draft.data.pop(draft.last)
    draft.codes.add("123")
    if draft.last in draft.signatures:
        draft.signatures[number] = draft.signatures.pop(draft.last)
        draft.codes.add("124")
        draft.hidden |= {"122"} if len(draft.signatures) == len(draft.forms) else {"124"}


def _no_go(draft: Draft) -> None:
    draft.trigger = None
    draft.codes.add("130")


def _cancelled(draft: Draft) -> None:
    draft.trigger, draft.ordered = "TD", True


def _short_names(draft: Draft) -> None:
    """As older senders write them: right for one part, and for no more."""
    if len(draft.forms) == 1 and draft.total == "1" and list(draft.data) in (["1"], []):
        draft.short = True


_ROOT = (b"FLADeclaration", b"FLADeclarations")
GROUPS: tuple[dict[str, Defect], ...] = (
    {
        "FI cut": _data(lambda fi: fi[:-20], "102"),
        "FI empty": _data(lambda _: b"", "102"),
        "FI of another root": _data(lambda fi: fi.replace(*_ROOT), "089"),
        "FI of another schema": _data(lambda fi: fi.replace(b"_20261.", b"_19991."), "088"),
        "FI with a DOCTYPE": _data(lambda fi: fi.replace(b"?>\n", b"?>\n<!DOCTYPE a>\n", 1), "003"),
        "FI in Latin": _data(lambda fi: fi.replace(b"UTF-8", b"ISO-8859-1"), "138"),
        "FI without a form": _data(lambda _: declaration(), "157"),
    },
    {
        "FS missing": _signature(lambda _: None, "122"),
        "FS empty": _signature(lambda _: b"", "125"),
        "FS garbage": _signature(lambda _: b"no signature", "125"),
        "FS of another FI": _signature(lambda draft: fs(b"<a/>", SIGNERS[draft.sender]), "125"),
        "FS of another's key": _signature(lambda draft: fs(draft.data["1"], "tester"), "153"),
    },
    {
        "no FI": _no_data,
        "last FI missing": _last_part_missing,
        "an FI too many": _part_too_many,
        "parts renumbered": _renumbered,
    },
    {
        "code unknown": _element("code", "ZZZZ", "129"),
        "code no code": _element("code", "FLA1", "129"),
        "code not granted": _element("code", "DMRQ", "154"),
    },
    {
        "sender another": _element("said_sender", "000009", "108"),
        "sender short": _short_sender,
    },
    {
        "day no number": _element("day", "2026ABCD", "109"),
        "day short": _element("day", "260101", "109"),
        "day none": _element("day", "20261399", "110"),
        "day to come": _element("day", lambda d: f"{d.today + timedelta(2):%Y%m%d}", "111"),
        "day past": _element("day", lambda d: f"{d.today - timedelta(400):%Y%m%d}", "126"),
    },
    {
        "sequence short": _element("sequence", lambda d: f"{d.number:04d}", "112"),
        "sequence long": _element("sequence", lambda d: f"{d.number:06d}", "112"),
        "sequence lower": _element("sequence", lambda d: f"d{d.number:04d}", "367"),
    },
    {
        "letter unknown": _element("letter", "X", "117"),
        "letter lower": _element("letter", "r", "117"),
    },
    {
        "total zero": _element("total", "0", "116"),
        "total no digit": _element("total", "X", "115"),
        "total long": _element("total", "12", "114"),
    },
    {"no GO": _no_go, "TD for GO": _cancelled},
    {"short names": _short_names},
)
"""Of each group a set has one defect at most; they spoil it in this order."""
DEFECTS = {name: defect for group in GROUPS for name, defect in group.items()}
PLACES = {
    ("IN", "T"): "119",
    ("IN", "S"): "257",
    ("INTEST", "R"): "118",
}
"""A right letter in the wrong folder."""


@dataclass(frozen=True)
class Recipe:
    """What hypothesis chooses of a set."""

    sender: str = "000001"
    folder: str = "IN"
    letter: str | None = None
    forms: tuple[tuple[bool, ...], ...] = ((True,),)
    defects: tuple[str, ...] = ()

    def draft(self) -> Draft:
        draft = Draft(self.sender, self.folder, self.forms)
        if self.letter is not None:
            draft.letter = self.letter
            draft.codes.add(PLACES[self.folder, self.letter])
        for name in self.defects:
            DEFECTS[name](draft)
        return draft

    @property
    def is_exact(self) -> bool:
        """Whether the oracle says all codes, and not only some that must be among them."""
        return len(self.defects) + (self.letter is not None) <= 1


@st.composite
def recipes(draw: st.DrawFn) -> Recipe:
    """Mostly with few defects; of a wrong letter and a wrong place only one."""
    folder = draw(st.sampled_from(["IN", "IN", "INTEST"]))
    form = st.sampled_from([True, True, False])
    part = st.lists(form, min_size=1, max_size=3).map(tuple)
    forms = draw(st.lists(part, min_size=1, max_size=3).map(tuple))
    spoilt = draw(st.sets(st.integers(0, len(GROUPS) - 1), max_size=3))
    names = tuple(draw(st.sampled_from(sorted(GROUPS[group]))) for group in sorted(spoilt))
    letters = [letter for place, letter in PLACES if place == folder]
    letter = draw(st.sampled_from([None, None, None, *letters]))
    if any(name.startswith("letter") for name in names):
        letter = None
    return Recipe(draw(st.sampled_from(sorted(EMPLOYERS))), folder, letter, forms, names)


UNREADABLE = {
    "note": "129",
    "FI.FLAD.000001": "131",
    "FS.FLAD.000001": "132",
    "GO.FLAD": "107",
    "TD.FLAD": "107",
    "fi.FLAD.000001.20260101.00001.R": "129",
}
"""Beginnings of names that say nothing of a set, and the code by which each is answered."""
REFUSED = {"/IN": (".hidden", "a b", "a\\b", "é", "n" * 101), "/OUT": ("FO.mine",), "": ("FI.top",)}
"""Paths at which nothing is taken: the client hears it at OPEN."""
