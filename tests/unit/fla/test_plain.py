"""Plain forms: whatever the pattern matches is valid, and means what ``read`` says it means."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree
from lxml.etree import _Element

from batch import schemata
from batch.fla.forms import Form, read
from batch.fla.plain import between, ordinary, plain_forms
from tests import declarations
from tests.unit.fla.mutants import CANCEL, RIGHT, TRAINING

PLAIN = plain_forms()
SCHEMA = schemata.tree(schemata.FLA)

CERTIFIED = declarations.training("T/1").replace(
    "   </Training>",
    "<TrainingProvider><ProviderName>Né</ProviderName></TrainingProvider><Certificate>"
    "<CertificateDate>2025-11-13</CertificateDate><ValidityEndDate>2027-11-13</ValidityEndDate>"
    "</Certificate></Training>",
)
BY_NUMBER = CERTIFIED.replace(
    "<ProviderName>Né</ProviderName>", "<ProviderCompanyID>477472701</ProviderCompanyID>"
)
ECHOED = RIGHT.replace(
    "<EmployerId>",
    "<Reference><ReferenceType>1</ReferenceType><ReferenceOrigin>1</ReferenceOrigin>"
    "<ReferenceNbr>HR 1</ReferenceNbr></Reference>"
    * 4
    + "<EmployerId><NOSSRegistrationNbr>199999934</NOSSRegistrationNbr>",
).replace("</INSS>", "</INSS><NaturalPersonUserReference>é 1</NaturalPersonUserReference>")
ORDINARY = [
    RIGHT,
    TRAINING,
    CANCEL,
    CERTIFIED,
    BY_NUMBER,
    ECHOED,
    declarations.right("R/1", kind="SECTOR", committee="100.01.02"),
    declarations.right_update("R/1"),
    declarations.training("T/1", uses=()),
    declarations.training("T/1").replace("TrainingIn>", "TrainingUpdate>"),
    declarations.cancel("TrainingRightCancel", reference="R/1"),
]


def plain(text: str) -> Form | None:
    """The form as the pattern reads it; None where it does not match."""
    text = text.strip()
    found = PLAIN.pattern.match(text)
    if found is None:
        return None
    assert found.end() == len(text)
    return PLAIN.read(found)


def parsed(text: str) -> Form | None:
    """The form as libxml2 and ``read`` see it; None where the schema refuses it."""
    try:
        form: _Element = etree.fromstring(text.strip())
    except etree.XMLSyntaxError:
        return None
    return read(form) if schemata.compiled(schemata.FLA).validate(form) else None


@pytest.mark.parametrize("text", ORDINARY)
@pytest.mark.parametrize(
    "written",
    [
        str,
        lambda text: text.replace("\n", "\r\n"),
        lambda text: re.sub(r">\s+<", "><", text),
        lambda text: re.sub(r">\s*<(?!/[A-Z]\w+>\S)", ">\n\t <", text),
    ],
    ids=["lines", "CRLF", "one line", "one element a line"],
)
def test_ordinary_forms_are_plain_however_they_are_laid_out(
    text: str, written: Callable[[str], str]
) -> None:
    """Else the declarations of this land would be read at a tenth of the speed."""
    form = plain(written(text))
    assert form is not None
    assert form == parsed(text)


ZONES = sorted({name for text in ORDINARY for name in re.findall(r"<(\w+)>[^<\s]", text)})
VALUES = st.one_of(
    st.text(max_size=12),
    st.text("0123456789-:.+ZT /", max_size=12),
    st.from_regex(r"[0-9]{4}-[0-9]{2}-(0[1-9]|[12][0-9]|3[01])(Z|\+02:00)?", fullmatch=True),
    st.from_regex(r"[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{3})?", fullmatch=True),
    st.integers(-10, 2_000_000_000).map(str),
    st.integers(0, 2_000_000_000).map(lambda n: f"{n:010d}"),
    st.sampled_from(["2024-02-29", "0000-01-01", "24:00:00.000", "]]>", "&amp;", "x" * 201]),
)


def with_value(text: str, zone: str, value: str) -> str:
    return re.sub(rf"(<{zone}>)[^<]*", lambda found: found[1] + value, text)


def invented(zone: str) -> st.SearchStrategy[str]:
    """Texts made of what the pattern allows in a zone, whatever it looks ahead for."""
    pattern = re.sub(r"\(\?=.*<\)|\(\?!0000\)|(?<=[*+?}])\+", "", ordinary(SCHEMA, zone))
    return st.from_regex(pattern, fullmatch=True)


@pytest.mark.parametrize("zone", ZONES)
@given(data=st.data())
@settings(max_examples=25, deadline=None)
def test_whatever_the_pattern_allows_in_a_zone_is_valid_and_means_the_same(
    zone: str, data: st.DataObject
) -> None:
    text = data.draw(st.sampled_from([each for each in ORDINARY if f"<{zone}>" in each]))
    changed = with_value(text, zone, data.draw(invented(zone)))
    form = plain(changed)
    if form is not None:
        assert form == parsed(changed)


@given(st.sampled_from(ORDINARY), st.sampled_from(ZONES), VALUES)
@settings(max_examples=200, deadline=None)
def test_any_value_that_passes_for_plain_is_valid_and_means_the_same(
    text: str, zone: str, value: str
) -> None:
    changed = with_value(text, zone, value)
    form = plain(changed)
    if form is not None:
        assert form == parsed(changed)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("<Form>", "<Form >"),
        ("<INSS>", "<INSS><!-- c -->"),
        ("<INSS>", "<INSS><?c?>"),
        ("<TypeForm>SU", "<TypeForm><![CDATA[SU]]>"),
        ("<TypeForm>SU", "<TypeForm>S&#85;"),
        ("<TrainingRightHours>", "<TrainingRightHours>0"),
        ("<TrainingRightHours>", "<TrainingRightHours> "),
        ("<TrainingRightHours>", "<TrainingRightHours>+"),
        ("2026-01-20", "2024-02-29"),
        ("</INSS>", "</INSS >"),
    ],
)
def test_what_is_valid_but_written_otherwise_is_left_to_libxml2(old: str, new: str) -> None:
    changed = RIGHT.replace(old, new)
    assert changed != RIGHT
    assert parsed(changed) is not None
    assert plain(changed) is None


@given(st.integers(0, 3_000_000_000), st.integers(0, 3_000_000_000), st.data())
def test_a_pattern_for_integers_matches_those_between_and_no_other(
    one: int, other: int, data: st.DataObject
) -> None:
    low, high = sorted((one, other))
    pattern = re.compile(f"(?:{between(low, high)})")
    near = st.sampled_from([low - 1, low, low + 1, high - 1, high, high + 1])
    number = data.draw(st.one_of(near, st.integers(0, 3_000_000_000)))
    if number >= 0:
        assert bool(pattern.fullmatch(str(number))) == (low <= number <= high)
        assert not pattern.fullmatch(f"0{number}")


@pytest.mark.parametrize("end", ["", "<", "</Form", "&", "\x00", "<Form>"])
def test_what_almost_matches_is_given_up_at_once(end: str) -> None:
    """A count of characters, not of seconds: nothing is looked at again and again."""
    text = RIGHT.strip()
    for cut in range(len(text)):
        assert PLAIN.pattern.match(text[:cut] + end) is None
    spaces = text.replace("\n", "\n" * 10_000)[:-1]
    assert PLAIN.pattern.match(spaces) is None
