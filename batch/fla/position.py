"""Where in the FI something stands: its line, and its place in the tree.

libxml2 keeps 16 bits for an element's line; only text nodes carry a greater one, and theirs is
the line on which the text ends. So beyond line 65534 an element's line is worked out from the
nearest text.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import cast

from lxml.etree import _Element

_CAP = 65535
"""What libxml2 says of any line from this one on (``xmlNode.line`` is an unsigned short)."""

_NEAR = 100
"""Siblings looked at for a line; a form that is right has fewer."""


@dataclass(frozen=True, slots=True)
class FormPlace:
    """A form's place: the name of its part (FI), and which form of that part it is, from 1."""

    part: str
    number: int


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
    return Spot(line_of(element), ",".join(["1", str(place.number), *reversed(steps)]))


def line_of(element: _Element) -> int:
    """The line on which the start tag of ``element`` ends, also beyond the 65,534th."""
    line = _told_line(element)
    if line < _CAP:
        return line
    for near in _nearby(element):
        found = _known_line(near)
        if found is not None:
            return found
    return line


def _known_line(element: _Element) -> int | None:
    """The line by the element itself, its first text or its tail; None when those do not tell."""
    line = _told_line(element)
    if line < _CAP:
        return line
    if element.text and isinstance(element.tag, str):
        return line - element.text.count("\n")
    if not len(element) and element.tail:
        return line - element.tail.count("\n")
    return None


def _told_line(element: _Element) -> int:
    """libxml2's word: the element's own line below the cap, else that of the nearest text."""
    return cast("int | None", element.sourceline) or 1


def _nearby(element: _Element) -> Iterator[_Element]:
    """The element, then what stands nearest to it: inside, after, before, around."""
    yield element
    node = element
    for _ in range(_NEAR):
        if not len(node):
            break
        node = node[0]
        yield node
    for sibling in islice(element.itersiblings(), _NEAR):
        yield from _first_inside(sibling)
    for sibling in islice(element.itersiblings(preceding=True), _NEAR):
        yield from _first_inside(sibling)
    yield from islice(element.iterancestors(), _NEAR)


def _first_inside(element: _Element) -> Iterator[_Element]:
    yield element
    if len(element):
        yield element[0]
