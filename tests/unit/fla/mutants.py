"""Forms for these tests, and one-step changes to them."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy

from lxml import etree
from lxml.etree import _Element

from tests import declarations

Change = Callable[[_Element], None]

RIGHT = declarations.right("R/1", committee="200", agreement="181682/CO/200")
TRAINING = declarations.training("T/1", uses=(("LEGAL", 300), ("SECTOR", 100)))
CANCEL = declarations.cancel("TrainingCancel", fla_id="123456789012345678901234")


def element(text: str) -> _Element:
    """A Form as an element of a whole declaration, as the service gets it."""
    return etree.fromstring(declarations.declaration(text))[0]


def changed(text: str, *changes: Change) -> _Element:
    form = deepcopy(element(text).getroottree()).getroot()[0]
    for change in changes:
        change(form)
    return form


def at(form: _Element, path: str) -> _Element:
    found = form.find(path)
    assert found is not None, path
    return found


def says(path: str, text: str) -> Change:
    """The element at ``path`` holds ``text``."""

    def change(form: _Element) -> None:
        at(form, path).text = text

    return change


def without(path: str) -> Change:
    def change(form: _Element) -> None:
        gone = at(form, path)
        around = gone.getparent()
        assert around is not None
        around.remove(gone)

    return change


def twice(path: str, times: int = 1) -> Change:
    def change(form: _Element) -> None:
        for _ in range(times):
            at(form, path).addnext(deepcopy(at(form, path)))

    return change


def moved_after(path: str, other: str) -> Change:
    def change(form: _Element) -> None:
        at(form, other).addnext(at(form, path))

    return change


def with_child(path: str, child: str, place: int = 0) -> Change:
    """A new element, first in that at ``path`` unless a place is given."""

    def change(form: _Element) -> None:
        at(form, path).insert(place, etree.fromstring(child))

    return change


def with_attribute(path: str, name: str, value: str = "x") -> Change:
    def change(form: _Element) -> None:
        at(form, path).set(name, value)

    return change


def renamed(path: str, name: str) -> Change:
    def change(form: _Element) -> None:
        at(form, path).tag = name

    return change
