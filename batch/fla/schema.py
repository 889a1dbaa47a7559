"""The verdict on a form's shape, and every defect as an anomaly (contract, sections 3 and 4).

libxml2's compiled schema decides valid or not; nothing else refuses a form. Of one it refuses, the
shapes and a look at each zone alone give the defects, one anomaly each; xmlschema gives the reason
in words. A validator that breaks is a fault, never a refusal (``security.md`` 2.4).
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from lxml import etree
from lxml.etree import _Element

from batch import schemata
from batch.anomalies import Anomaly
from batch.fla.defects import XSI, Defect, Zones, accepts, defects
from batch.fla.position import FormPlace, spot
from batch.fla.shapes import shapes, with_global_zones

if TYPE_CHECKING:
    from xmlschema import XMLSchema10

MAX_DEPTH = 64
"""Elements inside one another; a right form has six. Explaining more could exhaust a stack."""

MAX_ATTRIBUTES = 100
"""Attributes of one element; a right form has at most four, those of XML Schema itself."""

MAX_ELEMENTS = 1000
"""Elements of one form; a right form has at most 52. Beyond, its defects are not told singly."""

MAX_EXPLAINED = 1000
"""Forms of one set whose defects xmlschema explains: it costs a hundred times the verdict, so a
file in which every form is wrong would hold up the others."""

_MANY_ATTRIBUTES = etree.XPath(f"boolean(.//@*[{MAX_ATTRIBUTES + 1}])")
_XSI = (f"{XSI}type", f"{XSI}nil")
_INSS = re.compile(r"[0-9]{11}")


class FormSchema:
    """The compiled schema of the form, with what it takes to tell what is wrong with one."""

    def __init__(self) -> None:
        tree = schemata.tree(schemata.FLA)
        self._verdict = schemata.compiled(schemata.FLA)
        self._zones = Zones(shapes(tree), etree.XMLSchema(with_global_zones(tree)))

    def anomalies(
        self, form: _Element, place: FormPlace, *, explain: bool = True
    ) -> tuple[Anomaly, ...]:
        """Every defect of the form's shape in the order of the document; none when it is valid.

        Raises ValidatorBroke when there is no verdict. With ``explain`` the reasons are asked of
        xmlschema, else they are our own short ones.
        """
        monstrous = _too_many_attributes(form)
        if monstrous is None and accepts(self._verdict, form):
            return ()
        monstrous = monstrous or _too_large(form)
        if monstrous is not None:
            return (_anomaly(monstrous, form, place, None),)
        found = list(defects(form, self._zones)) or [self._unnamed(form)]
        reasons = self._explain(form) if explain else {}
        return tuple(_anomaly(d, form, place, reasons.get(d.element)) for d in found)

    def is_valid(self, element: _Element) -> bool:
        """Whether a zone or block is right by itself, wherever it stands."""
        return self._zones.fault(element) is None

    def _unnamed(self, form: _Element) -> Defect:
        """A form refused for what the shapes do not speak of: the first xsi attribute is blamed."""
        blamed = next((e for e in form.iter("*") if any(n in e.attrib for n in _XSI)), form)
        zone = self._zones.zone(blamed.tag)
        return Defect(blamed, zone, "003", blamed.tag, None, "Its xsi:type or xsi:nil is wrong.")

    def _explain(self, form: _Element) -> dict[object, str]:
        """xmlschema's reason per element; nothing where it gives up, the verdict stands anyway."""
        from xmlschema.exceptions import XMLSchemaException

        try:
            return {
                error.elem: error.reason
                for error in _explainer().iter_errors(form)
                if error.elem is not None and error.reason
            }
        except (RecursionError, ValueError, XMLSchemaException):
            return {}


@lru_cache(maxsize=1)
def form_schema() -> FormSchema:
    """The one FormSchema of this process."""
    return FormSchema()


@lru_cache(maxsize=1)
def _explainer() -> XMLSchema10:
    """The same schema for xmlschema, which is slow to load: most processes never need it."""
    from xmlschema import XMLSchema10

    text = etree.tostring(schemata.tree(schemata.FLA), encoding="unicode")
    return XMLSchema10(text, defuse="always", allow="none")


def _too_many_attributes(form: _Element) -> Defect | None:
    """Asked before the verdict: libxml2 would keep one message per attribute in memory."""
    if not _MANY_ATTRIBUTES(form):
        return None
    return Defect(
        form, "90059", "003", "Form", None,
        f"An element has more than {MAX_ATTRIBUTES} attributes.",
    )  # fmt: skip


def _too_large(form: _Element) -> Defect | None:
    depth = deepest = count = 0
    for event, _ in etree.iterwalk(form, events=("start", "end")):
        depth += 1 if event == "start" else -1
        deepest = max(deepest, depth)
        count += event == "start"
        if deepest > MAX_DEPTH or count > MAX_ELEMENTS:
            text = f"More than {MAX_DEPTH} levels or {MAX_ELEMENTS} elements."
            return Defect(form, "90059", "003", "Form", None, text)
    return None


def _anomaly(defect: Defect, form: _Element, place: FormPlace, reason: str | None) -> Anomaly:
    where = spot(defect.element, form, place)
    return Anomaly(
        zone=defect.zone,
        code=defect.code,
        tag=defect.tag,
        value=defect.value,
        line=where.line,
        location=where.location,
        part=place.part,
        explanation=_sentence(_better(reason, defect)),
    )


def _better(reason: str | None, defect: Defect) -> str:
    """The oracle's reason where it speaks of the same defect and to a person, else our own."""
    if reason is None or not defect.is_value or "int()" in reason or "<class" in reason:
        return defect.sentence
    return reason


def _sentence(reason: str) -> str:
    """A reason as a sentence, without anything that could be an INSS."""
    text = _INSS.sub("(number)", reason.strip())[:300]
    return text[:1].upper() + text[1:].rstrip(".") + "."
