"""All mistakes of a set in one ACRF: any of them beside any other, each once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.unit.ingest.sets import CHANNEL, STEM, closed, found, names_of, sealed, without_grant
from tests.unit.ingest.test_reception import BAD, broken


@dataclass
class Case:
    """A set in the making, to which mistakes are added that do not touch each other."""

    elements: list[str] = field(default_factory=lambda: STEM.split("."))
    drop: set[str] = field(default_factory=set)
    said: dict[str, Any] = field(default_factory=dict)
    sized: bool = False
    ordinal: int = 1

    def element(self, place: int, text: str) -> None:
        self.elements[place] = text

    def codes(self) -> list[str]:
        names = names_of(".".join(self.elements), 2)
        names = [n for n in names if n[:2] + n[-4:] not in self.drop and n[:2] not in self.drop]
        said = dict(self.said)
        first = names[0]
        for key in ("signatures", "scans", "replays"):
            if key in said:
                said[key] = said[key](first)
        sizes = {first: 5000} if self.sized else {}
        return found(sealed(names, ordinal=self.ordinal, sizes=sizes), **said)


MISTAKES: dict[str, Callable[[Case], object]] = {
    "108": lambda c: c.element(1, "000777"),
    "110": lambda c: c.element(2, "20261301"),
    "127": lambda c: c.element(3, "00000"),
    "257": lambda c: c.element(4, "S"),
    "103": lambda c: c.said.update(channel=closed(c.said.get("channel", CHANNEL))),
    "154": lambda c: c.said.update(channel=without_grant(c.said.get("channel", CHANNEL))),
    "120": lambda c: c.drop.add("FI.2.2"),
    "122": lambda c: c.drop.add("FS.2.2"),
    "130": lambda c: c.drop.add("GO"),
    "125": lambda c: c.said.update(signatures=lambda name: {name: BAD}),
    "102": lambda c: c.said.update(scans=lambda name: broken(name, "102")),
    "133": lambda c: setattr(c, "ordinal", 2),
    "184": lambda c: setattr(c, "sized", True),
    "128": lambda c: c.said.update(max_parts=1),
}


@given(st.sets(st.sampled_from(sorted(MISTAKES)), min_size=1))
def test_all_mistakes_of_a_set_are_listed_together_each_once(chosen: set[str]) -> None:
    """But that a closed channel may not use a service is no mistake of its own."""
    case = Case()
    for code in sorted(chosen):
        MISTAKES[code](case)
    assert sorted(case.codes()) == sorted(chosen - ({"154"} if "103" in chosen else set()))
