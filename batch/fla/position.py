"""Where in the FI something stands: its line, and its place in the tree."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from lxml.etree import _Element

from batch.ingest.lines import line_of


class FormPlace(NamedTuple):
    """A form's place: the name of its part (FI), and which form of that part it is, from 1.

    ``before``: lines of the part before the document in which its element stands, if that is not
    the part itself.
    """

    part: str
    number: int
    before: int = 0


@dataclass(frozen=True, slots=True)
class Spot:
    """Line in the FI and position in the tree (AnomalyLocation, block 90177)."""

    line: int
    location: str


@dataclass(frozen=True, slots=True)
class Places:
    """What the rules on the ledger need to point at, kept after the element itself is gone.

    ``operation`` is the position of the operation among the form's elements; the lines are those
    of the operation, of the element that addresses the object, and of the hours charged.
    """

    form: FormPlace
    operation: int
    block_line: int
    key_line: int
    hours_line: int
    hours_tail: str

    @property
    def block(self) -> Spot:
        return Spot(self.block_line, f"1,{self.form.number},{self.operation}")

    @property
    def key(self) -> Spot:
        return Spot(self.key_line, f"1,{self.form.number},{self.operation},1")

    @property
    def hours(self) -> Spot:
        return Spot(self.hours_line, f"1,{self.form.number},{self.operation},2,{self.hours_tail}")


def spot(element: _Element, form: _Element, place: FormPlace) -> Spot:
    """Where ``element``, inside ``form`` or the form itself, stands."""
    steps: list[str] = []
    node = element
    while node is not form:
        parent = node.getparent()
        if parent is None:
            break
        before = sum(1 for _ in node.itersiblings("*", preceding=True))
        steps.append(str(before + 1))
        node = parent
    line = line_of(element) + place.before
    return Spot(line, ",".join(["1", str(place.number), *reversed(steps)]))
