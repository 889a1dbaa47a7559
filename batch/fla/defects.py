"""The defects of a form the schema has refused, one each, with zone and code.

001 a required element is not there, or is there and empty     008 outside its domain
002 not numeric       003 invalid in another way                093 wrong length
090 too often         091 in the wrong place                    092 not known here
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

from lxml import etree
from lxml.etree import QName, _Element

from batch.errors import Fault
from batch.fla.forms import text_of
from batch.fla.shapes import Shape, Slot

XSI = "{http://www.w3.org/2001/XMLSchema-instance}"

_LONGEST_VALUE = 200
_LONGEST_NAME = 100
"""What is repeated to the sender of his own text: enough to recognise it, whatever he sent."""

_FACETS = {
    etree.ErrorTypes.SCHEMAV_CVC_LENGTH_VALID: "093",
    etree.ErrorTypes.SCHEMAV_CVC_MINLENGTH_VALID: "093",
    etree.ErrorTypes.SCHEMAV_CVC_MAXLENGTH_VALID: "093",
    etree.ErrorTypes.SCHEMAV_CVC_ENUMERATION_VALID: "008",
    etree.ErrorTypes.SCHEMAV_CVC_MININCLUSIVE_VALID: "008",
    etree.ErrorTypes.SCHEMAV_CVC_MAXINCLUSIVE_VALID: "008",
    etree.ErrorTypes.SCHEMAV_CVC_PATTERN_VALID: "003",
}

_SENTENCES = {
    "001": "It is there but holds nothing.",
    "002": "It must be a whole number.",
    "003": "It is not written as it must be.",
    "008": "Its value is not one of those allowed.",
    "093": "It is too short or too long.",
}


class ValidatorBroke(Fault):
    """libxml2 could not reach a verdict; the form is neither valid nor invalid."""


@dataclass(frozen=True, slots=True)
class Defect:
    """One thing wrong: the element to point at, the code, what to call it, why.

    ``is_value``: the value itself is wrong, so another engine's reason for the same element says
    the same thing.
    """

    element: _Element
    zone: str
    code: str
    tag: str
    value: str | None
    sentence: str
    is_value: bool = False


class Zones:
    """The shapes, and a compiled schema in which every zone may stand alone."""

    def __init__(self, known: dict[str, Shape], alone: etree.XMLSchema) -> None:
        self._shapes = known
        self._alone = alone

    def shape(self, name: str) -> Shape:
        return self._shapes[name]

    def zone(self, name: str, parent: str = "90059") -> str:
        """The number of a zone or block; that of the block around it where it has none."""
        shape = self._shapes.get(name)
        return parent if shape is None or shape.zone is None else shape.zone

    def fault(self, element: _Element) -> int | None:
        """libxml2's first error about a zone (or block) standing alone; None when it is right."""
        if accepts(self._alone, element):
            return None
        log = cast("list[Any]", self._alone.error_log)
        return int(log[0].type)


def accepts(schema: etree.XMLSchema, element: _Element) -> bool:
    """libxml2's verdict; raises ValidatorBroke when it reaches none."""
    try:
        return schema.validate(element)
    except etree.XMLSchemaError as error:
        raise ValidatorBroke(f"libxml2 reached no verdict: {error}") from error


def defects(form: _Element, zones: Zones) -> Iterator[Defect]:
    """Everything wrong with ``form``, in the order of the document."""
    yield from _block(form, zones.shape("Form"), zones, "90059")


def _block(element: _Element, shape: Shape, zones: Zones, parent: str) -> Iterator[Defect]:
    zone = zones.zone(shape.name, parent)
    yield from _attributes(element, zone)
    yield from _stray_text(element, zone)
    slot_of = {name: slot for slot in shape.slots for name in slot.names}
    misplaced = _misplaced(element, shape.slots, slot_of)
    for child in element.iterchildren("*"):
        if child.tag not in slot_of:
            sentence = f"It is not known in {shape.name}."
            yield Defect(child, zone, "092", _name(child.tag), None, sentence)
            continue
        if child in misplaced:
            yield misplaced[child].defect(child, zones.zone(child.tag, zone))
        inner = zones.shape(child.tag)
        if inner.base is None:
            yield from _block(child, inner, zones, zone)
        else:
            yield from _leaf(child, inner, zones, zone)
    yield from _missing(element, shape, zones, zone)


@dataclass(frozen=True, slots=True)
class _Misplaced:
    code: str
    sentence: str

    def defect(self, child: _Element, zone: str) -> Defect:
        return Defect(child, zone, self.code, child.tag, None, self.sentence)


def _misplaced(
    element: _Element, slots: tuple[Slot, ...], slot_of: dict[str, Slot]
) -> dict[_Element, _Misplaced]:
    """The children that are one too many, and the fewest whose removal puts the rest in order."""
    found: dict[_Element, _Misplaced] = {}
    seen: Counter[Slot] = Counter()
    kept: list[_Element] = []
    for child in element.iterchildren("*"):
        slot = slot_of.get(child.tag)
        if slot is None:
            continue
        seen[slot] += 1
        if slot.most is not None and seen[slot] > slot.most:
            found[child] = _Misplaced("090", f"It may stand here {_times(slot.most)}.")
        else:
            kept.append(child)
    order = [slots.index(slot_of[child.tag]) for child in kept]
    in_order = _longest_in_order(order)
    for place, child in enumerate(kept):
        if place not in in_order:
            found[child] = _Misplaced("091", "It stands in the wrong place.")
    return found


def _times(most: int) -> str:
    return "once at most" if most == 1 else f"{most} times at most"


def _longest_in_order(order: list[int]) -> set[int]:
    """Places of a longest non-decreasing subsequence (patience sorting)."""
    tops: list[int] = []
    places: list[int] = []
    before: list[int | None] = []
    for place, value in enumerate(order):
        pile = bisect_right(tops, value)
        before.append(places[pile - 1] if pile else None)
        tops[pile : pile + 1] = [value]
        places[pile : pile + 1] = [place]
    chosen: set[int] = set()
    at: int | None = places[-1] if places else None
    while at is not None:
        chosen.add(at)
        at = before[at]
    return chosen


def _missing(element: _Element, shape: Shape, zones: Zones, zone: str) -> Iterator[Defect]:
    present = {child.tag for child in element.iterchildren("*")}
    for slot in shape.slots:
        if slot.least == 0 or present.intersection(slot.names):
            continue
        if len(slot.names) == 1:
            name = slot.names[0]
            sentence = f"{name} is missing in {shape.name}."
            yield Defect(element, zones.zone(name, zone), "001", name, None, sentence)
        else:
            sentence = f"{shape.name} must hold one of {', '.join(slot.names)}."
            yield Defect(element, zone, "001", shape.name, None, sentence)


def _leaf(element: _Element, shape: Shape, zones: Zones, parent: str) -> Iterator[Defect]:
    zone = zones.zone(shape.name, parent)
    yield from _attributes(element, zone)
    inside = list(element.iterchildren("*"))
    for child in inside:
        sentence = f"{shape.name} holds text only."
        yield Defect(child, zone, "092", _name(child.tag), None, sentence)
    if inside or _foreign(element):
        return
    fault = zones.fault(element)
    if fault is not None:
        value = text_of(element)
        code = _code(fault, shape, value)
        shown = value[:_LONGEST_VALUE]
        yield Defect(element, zone, code, shape.name, shown, _SENTENCES[code], is_value=True)


def _code(fault: int, shape: Shape, value: str) -> str:
    code = _FACETS.get(fault)
    if code != "093" and not value.strip():
        return "001"
    if code == "003" and shape.alphabet is not None:
        if re.fullmatch(f"{shape.alphabet}+", value):
            return "093"
        return "002" if shape.alphabet == "[0-9]" else "003"
    if code is not None:
        return code
    return "002" if shape.base == "xs:integer" else "003"


def _attributes(element: _Element, zone: str) -> Iterator[Defect]:
    for name in _foreign(element):
        sentence = f"The attribute {_name(name)} is not known here."
        yield Defect(element, zone, "092", _name(element.tag), None, sentence)


def _foreign(element: _Element) -> list[str]:
    """Attributes other than XML Schema's own; no element of the form has any."""
    return [str(name) for name in element.attrib if not str(name).startswith(XSI)]


def _stray_text(element: _Element, zone: str) -> Iterator[Defect]:
    stray = text_of(element).strip()
    if stray:
        shown = stray[:_LONGEST_VALUE]
        sentence = f"{_name(element.tag)} holds elements only, no text."
        yield Defect(element, zone, "003", _name(element.tag), shown, sentence)


def _name(tag: str) -> str:
    return QName(tag).localname[:_LONGEST_NAME]
