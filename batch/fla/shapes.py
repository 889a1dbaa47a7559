"""What the schema says of each element, read from the XSD itself: zone number, type, content.

libxml2 stops at the first surprise among the children of an element; with the shapes every defect
of a form can be found and given its code, and the zone numbers stand in one place, the schema.
Only the constructs the schema uses are understood; any other is a fault at start.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass

from lxml.etree import _Element

from batch.errors import Fault

_REPEATED = re.compile(r"(\[[^\]]+\])\{[0-9]+(?:,[0-9]+)?\}")
_XS = "{http://www.w3.org/2001/XMLSchema}"


@dataclass(frozen=True, slots=True)
class Slot:
    """A place in the content of a block: one of ``names``, from ``least`` to ``most`` times."""

    names: tuple[str, ...]
    least: int
    most: int | None


@dataclass(frozen=True, slots=True)
class Shape:
    """An element: its zone or block number (None: that of its parent) and what it holds.

    ``base`` is the XSD type a zone restricts, None for a block; ``slots`` the content of a block;
    ``alphabet`` the character class its pattern repeats, where it is that simple: a value made of
    it alone can only have the wrong length.
    """

    name: str
    zone: str | None
    base: str | None
    slots: tuple[Slot, ...] = ()
    alphabet: str | None = None


def shapes(schema: _Element) -> dict[str, Shape]:
    """Every element the schema declares, by name; Fault when one name is declared differently."""
    found: dict[str, Shape] = {}
    for declaration in schema.iter(f"{_XS}element"):
        name = declaration.get("name")
        if name is None:
            continue
        shape = Shape(
            name,
            _zone(declaration),
            _base(declaration),
            _slots_of(declaration, schema),
            _alphabet(declaration),
        )
        if found.setdefault(name, shape) != shape:
            raise Fault(f"the schema declares {name} twice, and differently")
    return found


def with_global_zones(schema: _Element) -> _Element:
    """A copy in which each local zone is global as well, so that it can be validated alone."""
    copy = deepcopy(schema)
    for declaration in list(copy.iter(f"{_XS}element")):
        local = declaration.getparent() is not copy
        if local and declaration.get("name") and _base(declaration) is not None:
            alone = deepcopy(declaration)
            for name in ("minOccurs", "maxOccurs"):
                if name in alone.attrib:
                    del alone.attrib[name]
            copy.append(alone)
    return copy


def _zone(declaration: _Element) -> str | None:
    words = (declaration.findtext(f"{_XS}annotation/{_XS}documentation") or "").split()
    return words[0] if words else None


def _base(declaration: _Element) -> str | None:
    named = declaration.get("type")
    if named is not None:
        return named if named.startswith("xs:") else None
    restriction = declaration.find(f"{_XS}simpleType/{_XS}restriction")
    return None if restriction is None else restriction.get("base")


def _alphabet(declaration: _Element) -> str | None:
    """The one class that every alternative of the pattern repeats, such as ``[0-9]``."""
    patterns = declaration.findall(f"{_XS}simpleType/{_XS}restriction/{_XS}pattern")
    choices = [choice for p in patterns for choice in str(p.get("value")).split("|")]
    found = [_REPEATED.fullmatch(choice) for choice in choices]
    classes = {match[1] for match in found if match}
    return classes.pop() if len(classes) == 1 and all(found) else None


def _slots_of(declaration: _Element, schema: _Element) -> tuple[Slot, ...]:
    named = declaration.get("type")
    if named is None:
        holder = declaration.find(f"{_XS}complexType")
    elif named.startswith("xs:"):
        holder = None
    else:
        holder = _named(schema, "complexType", named)
    return () if holder is None else tuple(_slots(holder, schema))


def _slots(holder: _Element, schema: _Element) -> Iterator[Slot]:
    for part in holder.iterchildren("*"):
        match part.tag.removeprefix(_XS):
            case "sequence":
                yield from _slots(part, schema)
            case "choice":
                yield Slot(tuple(_name(option) for option in part.iterchildren("*")), 1, 1)
            case "group":
                yield from _slots(_named(schema, "group", str(part.get("ref"))), schema)
            case "element":
                yield Slot((_name(part),), int(part.get("minOccurs", "1")), _most(part))
            case other:
                raise Fault(f"the schema uses xs:{other}, which is not understood here")


def _name(element: _Element) -> str:
    return str(element.get("ref") or element.get("name"))


def _most(element: _Element) -> int | None:
    most = element.get("maxOccurs", "1")
    return None if most == "unbounded" else int(most)


def _named(schema: _Element, kind: str, name: str) -> _Element:
    found = schema.find(f"{_XS}{kind}[@name='{name}']")
    if found is None:
        raise Fault(f"the schema names {name} but does not define it")
    return found
