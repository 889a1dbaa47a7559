"""The line of an element, also where libxml2 has lost it.

libxml2 keeps 16 bits for an element's line; only text nodes carry a greater one, and theirs is
the line on which the text ends. So beyond line 65534 an element's line is worked out from the
nearest text.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import cast

from lxml.etree import _Element

_CAP = 65535
"""What libxml2 says of any line from this one on (``xmlNode.line`` is an unsigned short)."""

_NEAR = 100
"""Siblings looked at for a line; a form that is right has fewer."""


def line_of(element: _Element) -> int:
    """The line on which the start tag of ``element`` ends, also beyond the 65,534th."""
    line = _told_line(element)
    if line < _CAP:
        return line
    parent = element.getparent()
    if parent is not None and element.getprevious() is None and _told_line(parent) < _CAP:
        return _told_line(parent) + (parent.text or "").count("\n")
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
