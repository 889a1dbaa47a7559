"""Forms written as most are: recognised by one regular expression, made from the schema, and read.

What the expression matches is valid; of what it does not match it says nothing, and libxml2
decides. So it need not know all that is valid: no comment, no attribute, no reference, no sign and
no leading zero where they mean nothing, no 29 February. A test invents forms from it, and asks
libxml2 about them.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from functools import lru_cache
from typing import NamedTuple

from lxml.etree import _Element

from batch import schemata
from batch.errors import Fault
from batch.fla.forms import (
    COUNTS,
    NATURES,
    RIGHT_TYPES,
    STATUSES,
    ByFlaId,
    ByReference,
    Cancel,
    Form,
    In,
    Kind,
    ObjectKey,
    Operation,
    RightUse,
    Training,
    TrainingRight,
    Update,
    summed,
)
from batch.fla.position import FormPlace, Places
from batch.fla.shapes import Shape, shapes
from batch.ingest.plain import PlainForm
from batch.ingest.services import FormHeader, Reference

_XS = "{http://www.w3.org/2001/XMLSchema}"
_SPACE = r"[ \t\r\n]*+"
_CHARACTER = r"[^\x00-\x1f<>&\x7f-\x9f\ud800-\udfff\ufffe\uffff]"
_DAYS = (
    "(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])",
    "(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)",
    "02-(?:0[1-9]|1[0-9]|2[0-8])",
)
_DATE = f"(?!0000)[0-9]{{4}}-(?:{'|'.join(_DAYS)})"
_TIME = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]\.[0-9]{3}"


class _Pattern:
    """The expression of an element of the schema; ``at`` is the group of each text by its path."""

    def __init__(self, schema: _Element, name: str) -> None:
        self._schema = schema
        self._shapes = shapes(schema)
        self.at: dict[str, int] = {}
        self.compiled = re.compile(self._element(name, "", captured=True))

    def _element(self, name: str, path: str, *, captured: bool) -> str:
        shape = self._shapes[name]
        if shape.base is None:
            slots = (self._slot(shape, place, path, captured) for place in range(len(shape.slots)))
            inside = _SPACE + "".join(slots)
        else:
            inside = self._group(path, captured, ordinary(self._schema, name))
        return f"<{name}>{inside}</{name}>{_SPACE}"

    def _slot(self, shape: Shape, place: int, path: str, captured: bool) -> str:
        """One of the names, as often as it may come; of more than one, the whole is a group."""
        slot = shape.slots[place]
        if slot.most != 1:
            ((name,), most) = slot.names, "" if slot.most is None else slot.most
            one = self._element(name, "", captured=False)
            return self._group(_under(path, name), captured, f"(?:{one}){{{slot.least},{most}}}+")
        choice = [self._option(name, path, captured, len(slot.names)) for name in slot.names]
        return f"(?:{'|'.join(choice)})" if slot.least else f"(?:{choice[0]})?+"

    def _option(self, name: str, path: str, captured: bool, choices: int) -> str:
        """A block that is chosen among others is a group itself: so it shows which it was."""
        inner = _under(path, name)
        if choices == 1 or self._shapes[name].base is not None:
            return self._element(name, inner, captured=captured)
        if captured:
            self.at[inner] = len(self.at) + 1
        return ("(" if captured else "(?:") + self._element(name, inner, captured=captured) + ")"

    def _group(self, path: str, captured: bool, inside: str) -> str:
        if not captured:
            return f"(?:{inside})"
        self.at[path] = len(self.at) + 1
        return f"({inside})"


def _under(path: str, name: str) -> str:
    return f"{path}/{name}" if path else name


def ordinary(schema: _Element, zone: str) -> str:
    """An expression for texts that a zone allows; it may allow others."""
    declaration = schema.find(f".//{_XS}element[@name='{zone}']")
    if declaration is None:
        raise Fault(f"the schema names {zone} but does not define it")
    restriction = declaration.find(f"{_XS}simpleType/{_XS}restriction")
    base = declaration.get("type") if restriction is None else restriction.get("base")
    facets: dict[str, list[str]] = {}
    for facet in () if restriction is None else restriction:
        facets.setdefault(str(facet.tag).removeprefix(_XS), []).append(str(facet.get("value")))
    special = {"xs:date": _DATE, "xs:time": _TIME}.get(base or "")
    if special is not None:
        return special
    if "enumeration" in facets:
        return "|".join(re.escape(value) for value in facets["enumeration"])
    patterns = "|".join(facets.get("pattern", ()))
    if base == "xs:integer":
        (low,), (high,) = facets.get("minInclusive", ["0"]), facets["maxInclusive"]
        numbers = between(int(low), int(high))
        return f"(?=0*+(?:{numbers})<)(?:{patterns})" if patterns else numbers
    if patterns:
        return patterns
    (least,), (most,) = facets.get("minLength", ["0"]), facets["maxLength"]
    return f"{_CHARACTER}{{{least},{most}}}+"


def between(low: int, high: int) -> str:
    """An expression for the integers from ``low`` (0 at least) to ``high``, no leading zeros."""
    found = ["0"] if low == 0 else []
    if high > 0:
        for length in range(len(str(max(low, 1))), len(str(high)) + 1):
            first = str(max(low, 10 ** (length - 1)))
            last = str(min(high, 10**length - 1))
            found.extend(_as_long(first, last))
    return "|".join(reversed(found))


def _as_long(first: str, last: str) -> list[str]:
    """Expressions for the numbers from ``first`` to ``last``, written with as many digits."""
    rest = len(first) - 1
    free = f"[0-9]{{{rest}}}" if rest else ""
    if first[1:] == "0" * rest and last[1:] == "9" * rest:
        return [f"[{first[0]}-{last[0]}]{free}"]
    if first[0] == last[0]:
        return [first[0] + inner for inner in _as_long(first[1:], last[1:])]
    found = [first[0] + inner for inner in _as_long(first[1:], "9" * rest)]
    if int(last[0]) - int(first[0]) > 1:
        found.append(f"[{int(first[0]) + 1}-{int(last[0]) - 1}]{free}")
    return found + [last[0] + inner for inner in _as_long("0" * rest, last[1:])]


Texts = tuple[str, ...]
"""The texts of an operation, in the order in which its reader takes them; None where absent."""


class _Operation(NamedTuple):
    """The groups of an operation: its texts as ``reader`` takes them, what may address the object,
    and of a training the hours and their split."""

    texts: tuple[int, ...]
    reader: Callable[..., Operation]
    keys: tuple[int, ...]
    hours: int | None
    split: int | None

    @classmethod
    def of(
        cls, at: dict[str, int], name: str, paths: Texts, reader: Callable[..., Operation]
    ) -> _Operation:
        groups = {path: at[f"{name}/{path}"] for path in paths}
        keys = tuple(groups[path] for path in paths if "/" not in path)
        hours, split = groups.get("Training/TrainingHours"), groups.get("Training/RightUse")
        return cls(tuple(groups.values()), reader, keys, hours, split)


class PlainForms:
    """``pattern`` for the channel, and ``read`` for what it matched."""

    def __init__(self, schema: _Element) -> None:
        found = _Pattern(schema, "Form")
        self.pattern = found.compiled
        self._head = tuple(found.at[path] for path in _HEAD)
        self._reference = _Pattern(schema, "Reference").compiled
        self._use = _Pattern(schema, "RightUse").compiled
        self._uses = lru_cache(maxsize=1_000)(self._split)
        self._operations = {
            found.at[name]: _Operation.of(found.at, name, paths, reader)
            for name, (paths, reader) in self._readers().items()
        }

    def read(self, match: re.Match[str]) -> Form:
        """The values of a form, the same as ``forms.read`` gives of the element."""
        name, day, hour, status, kind, references, nsso, company, inss, user = match.group(
            *self._head
        )
        texts, reader, _, _, _ = self._operations[match.lastindex or 0]
        return Form(
            FormHeader(name, day, hour, status, kind),
            self._references(references) if references else (),
            nsso,
            company.zfill(10),
            inss,
            user,
            reader(*match.group(*texts)),
        )

    def places(self, given: PlainForm, form: FormPlace, references: int) -> Places:
        """What the rules on the ledger may point at in a form that has so many ``references``."""
        match = given.match
        block = match.lastindex or 0
        operation = self._operations[block]
        key = next(group for group in operation.keys if match[group] is not None)
        hours, tail = match.start(block), "6"
        if operation.split and match[operation.split]:
            hours, tail = match.string.index("<UsedHours>", match.start(operation.split)), "8,2"
        elif operation.hours:
            hours = match.start(operation.hours)
        return Places(
            form=form,
            operation=8 + references,
            block_line=given.line_of(match.start(block)),
            key_line=given.line_of(match.start(key)),
            hours_line=given.line_of(hours),
            hours_tail=tail,
        )

    def _references(self, blocks: str) -> tuple[Reference, ...]:
        return tuple(Reference(*found) for found in self._reference.findall(blocks))

    def _readers(self) -> dict[str, tuple[Texts, Callable[..., Operation]]]:
        key = ("FLAId", "RegistrantReference")
        right, training = _under_all("TrainingRight", _RIGHT), _under_all("Training", _TRAINING)
        return {
            "TrainingRightIn": (("RegistrantReference", *right), _right_in),
            "TrainingRightUpdate": ((*key, *right), _right_update),
            "TrainingRightCancel": (key, lambda *key: Cancel(_key(*key), Kind.RIGHT)),
            "TrainingIn": (("RegistrantReference", *training), self._training_in),
            "TrainingUpdate": ((*key, *training), self._training_update),
            "TrainingCancel": (key, lambda *key: Cancel(_key(*key), Kind.TRAINING)),
        }

    def _training_in(self, reference: str, *texts: str) -> In:
        return In(reference, self._training(*texts))

    def _training_update(self, number: str | None, reference: str, *texts: str) -> Update:
        return Update(_key(number, reference), self._training(*texts))

    def _training(
        self, name: str, nature: str, status: str, start: str, end: str, *others: str
    ) -> Training:
        hours, counts, uses, number, provider, issued, until = others
        return Training(
            name,
            NATURES[nature],
            STATUSES[status],
            date.fromisoformat(start),
            date.fromisoformat(end),
            int(hours),
            COUNTS[counts],
            self._uses(uses) if uses else (),
            number and number.zfill(10),
            provider,
            issued,
            until,
        )

    def _split(self, blocks: str) -> tuple[RightUse, ...]:
        found = self._use.findall(blocks)
        return summed([(RIGHT_TYPES[kind], int(hours)) for kind, hours in found])


_HEAD = (
    "Identification",
    "FormCreationDate",
    "FormCreationHour",
    "AttestationStatus",
    "TypeForm",
    "Reference",
    "EmployerId/NOSSRegistrationNbr",
    "EmployerId/CompanyID",
    "NaturalPerson/INSS",
    "NaturalPerson/NaturalPersonUserReference",
)
_RIGHT = (
    "TrainingRightType",
    "CalendarYear",
    "TrainingRightHours",
    "JointCommissionNbr",
    "CollectiveAgreementNbr",
)
_TRAINING = (
    "TrainingName",
    "TrainingNature",
    "TrainingStatus",
    "StartingDate",
    "EndingDate",
    "TrainingHours",
    "CountsForCredit",
    "RightUse",
    "TrainingProvider/ProviderCompanyID",
    "TrainingProvider/ProviderName",
    "Certificate/CertificateDate",
    "Certificate/ValidityEndDate",
)


def _under_all(block: str, paths: Texts) -> Texts:
    return tuple(f"{block}/{path}" for path in paths)


def _key(number: str | None, reference: str) -> ObjectKey:
    return ByReference(reference) if number is None else ByFlaId(number)


def _right_in(
    reference: str, kind: str, year: str, hours: str, committee: str | None, agreement: str | None
) -> In:
    right = TrainingRight(RIGHT_TYPES[kind], int(year), int(hours), committee, agreement)
    return In(reference, right)


def _right_update(number: str | None, reference: str, *texts: str) -> Update:
    return Update(_key(number, reference), _right_in(reference, *texts).content)


@lru_cache(maxsize=1)
def plain_forms() -> PlainForms:
    """The one PlainForms of this process."""
    return PlainForms(schemata.tree(schemata.FLA))
