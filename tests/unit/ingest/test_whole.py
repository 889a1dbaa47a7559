"""Files that are validated as a whole: the verdict of two parsers in one pass, and what it says.

The oracle holds a document in memory: libxml2's own tree and its own validation of it.
"""

from __future__ import annotations

import resource
from datetime import UTC, datetime
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from batch.identifiers import EnterpriseNumber, InvalidIdentifier, SenderNumber
from batch.ingest import whole
from batch.ingest.forms import MAX_FORM_BYTES, Malformed
from batch.ingest.scan import Scan, look, scan
from batch.ingest.services import Description, Limits, Whole
from batch.ingest.whole import WholeReader
from batch.names import Folder, Kind
from batch.schemata import brought
from batch.states import Sealed, SealedFile, SetKey, Trigger
from fixtures import services
from fixtures.services import form, message
from tests.declarations import EMPLOYER, PERSONS

GOOD = message("DIMN", form(EMPLOYER, *PERSONS[:2]), form("477472701", PERSONS[2]))


@cache
def schema() -> etree.XMLSchema:
    return brought(services.HOME / "schemas" / "dimona.xsd")


@cache
def described() -> Description:
    asked = Whole(
        schemas={"DIMONA_20261.xsd": schema()},
        employer=("Form", "EmployerId", "CompanyID"),
        identifications=frozenset({"DIMONA"}),
    )
    return Description(
        name="DIMONA",
        codes=frozenset({"DIMN"}),
        root="DIMONA",
        form="Form",
        schemas=frozenset(asked.schemas),
        limits=Limits(max_forms=1_000_000),
        others=frozenset({"FLADeclaration"}),
        whole=asked,
    )


def scanned(fi: bytes, block: int = 1 << 20) -> Scan:
    """As the worker does it, the line of a 312 included."""
    file = SealedFile("FI.DIMN.000001.20260101.00001.R.1.1", Kind.FI, len(fi), "")
    key = SetKey(SenderNumber("000001"), Folder.IN, "DIMN.000001.20260101.00001.R", 1)
    sealed = Sealed(key, Trigger.GO, (file,), datetime.now(UTC))
    blocks = [fi[i : i + block] for i in range(0, len(fi), block)]
    found, _ = look(sealed, described(), lambda _file: blocks, lambda _fs: None)
    return found[file.name]


def told(found: Scan) -> list[tuple[str, int | None]]:
    return [(anomaly.code, anomaly.line) for anomaly in found.anomalies]


@pytest.mark.parametrize("block", [1, 7, 1 << 20])
def test_a_right_file_tells_its_forms_and_employers(block: int) -> None:
    found = scanned(GOOD, block)
    assert (found.forms, told(found)) == (2, [])
    assert found.employers == {EMPLOYER, "477472701"}


WRONG = {
    "the end is missing": (GOOD[:-2], [("102", 14)]),
    "a form is missing its end": (GOOD.replace(b"</Form>", b"", 1), [("312", 9)]),
    "something follows the root": (GOOD + b"<DIMONA/>", [("102", 15)]),
    "a prefix nobody declared": (GOOD.replace(b"<INSS>", b"<a:INSS>", 1), [("102", 6)]),
    "an attribute twice": (GOOD.replace(b"<INSS>", b"<INSS a='' a=''>", 1), [("102", 6)]),
    "a control character": (GOOD.replace(b"850", b"\x01", 1), [("102", 6)]),
    "an entity nobody declared": (GOOD.replace(b"850", b"&x;", 1), [("102", 6)]),
    "bytes that are no UTF-8": (GOOD.replace(b"850", b"\xe9\xe9", 1), [("138", 6)]),
    "another encoding": (GOOD.replace(b"UTF-8", b"latin1", 1), [("138", None)]),
    "a DOCTYPE": (GOOD.replace(b"<DIMONA", b"<!DOCTYPE DIMONA><DIMONA", 1), [("003", 2)]),
    "a value": (GOOD.replace(b"850", b"x50", 1), [("312", 6)]),
    "an element too many": (GOOD.replace(b"</Form>", b"<X/></Form>", 1), [("312", 8)]),
    "an attribute": (GOOD.replace(b"<Form>", b"<Form a='1'>", 1), [("312", 3)]),
    "another root": (
        GOOD.replace(b"DIMONA ", b"Dimona ").replace(b"/DIMONA", b"/Dimona"),
        [("089", None)],
    ),
    "the root of another service": (GOOD.replace(b"DIMONA ", b"FLADeclaration "), [("158", None)]),
    "another form": (GOOD.replace(b">DIMONA<", b">DMFA<", 1), [("158", 4)]),
    "another schema": (GOOD.replace(b"20261", b"20262"), [("088", None)]),
    "no form": (message("DIMN"), [("101", None), ("157", None)]),
    "no byte": (b"", [("134", None)]),
    "white space alone": (b" \n", [("102", 2)]),
    "elements deeper than libxml2 goes": (
        GOOD.replace(b"</Form>", b"<a>" * 300 + b"</a>" * 300 + b"</Form>", 1),
        [("312", 8)],
    ),
}


@pytest.mark.parametrize("block", [1, 1 << 20])
@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_one_has_its_code_and_line(what: str, block: int) -> None:
    fi, expected = WRONG[what]
    assert told(scanned(fi, block)) == expected


def test_no_explanation_repeats_a_value() -> None:
    """It is kept and shown to operators; a value may be an INSS."""
    [found] = scanned(GOOD.replace(b"85073003328", b"8507300332x")).anomalies
    assert found.explanation == "Against the schema: the value of INSS is not allowed."


def test_a_file_without_an_employer_in_each_form_is_101() -> None:
    found = scanned(GOOD.replace(b"477472701", b""))
    assert told(found) == [("101", None)]


def judged_in_memory(fi: bytes) -> set[str]:
    """The oracle: nothing, 102 (or 138) or 312."""
    parser = etree.XMLParser(resolve_entities=False, no_network=True)
    try:
        root = etree.fromstring(fi, parser)
    except etree.XMLSyntaxError:
        return {"102", "138"}
    return set() if schema().validate(root) else {"312"}


PIECES = st.sampled_from(
    [
        *(b"<", b">", b"/", b"<Form>", b"</Form>", b"<INSS>", b"x", b"&amp;", b"\xc3", b"\n"),
        *(b"<!--a-->", b"<NaturalPerson>", b"</NaturalPerson>", b"<![CDATA[1]]>", b"<?p i?>"),
        *(b" a='1'", b""),
    ]
)


@given(
    st.integers(90, len(GOOD) - 1), st.integers(0, 30), PIECES, st.sampled_from([1, 5, 64, 4096])
)
def test_two_parsers_in_one_pass_agree_with_the_whole_tree(
    at: int, gone: int, put: bytes, block: int
) -> None:
    """Also where the one that validates says nothing of what is no XML."""
    fi = GOOD[:at] + put + GOOD[at + gone :]
    reader = WholeReader(described(), described().whole or Whole({}), schema())
    codes: set[str] = set()
    try:
        for start in range(0, len(fi), block):
            reader.feed(fi[start : start + block])
        reader.content()
    except Malformed as error:
        codes = {error.anomaly.code}
    expected = judged_in_memory(fi)
    if "102" in expected:  # it is invalid before it breaks, or it breaks
        assert codes & {"102", "138", "312"}
    else:
        assert codes == expected


def test_memory_stays_flat_where_one_form_is_larger_than_a_tree_may_be() -> None:
    persons = b" <NaturalPerson><INSS>85073003328</INSS></NaturalPerson>\n" * 1000
    head, tail = GOOD.split(b" <NaturalPerson>", 1)[0], b"</Form>\n</DIMONA>\n"
    file = SealedFile("FI", Kind.FI, len(persons) * 300, "")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = scan(file, [head, *[persons] * 300, tail], described())
    assert told(found) == []
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak
    assert len(persons) * 300 > 4 * MAX_FORM_BYTES
    assert grown < 30_000, f"{grown} kB for a form of {len(persons) * 300} bytes"


def test_what_never_ends_an_element_is_refused_before_it_fills_the_memory() -> None:
    head = GOOD.split(b"<Form>", 1)[0]
    endless = b"<Form><Identification>" + b"x" * 70_000
    blocks = [head + endless, *[b"x" * 70_000] * 100]
    found = scan(SealedFile("FI", Kind.FI, 7_000_000, ""), blocks, described())
    assert told(found) == [("184", None)]


def test_comments_are_forgotten_as_they_come() -> None:
    head, tail = GOOD.split(b"<Form>", 1)
    comments = [b"<!-- padding -->\n" * 50_000] * 12
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = scan(
        SealedFile("FI", Kind.FI, 12_000_000, ""), [head, *comments, b"<Form>" + tail], described()
    )
    assert (told(found), found.forms) == ([], 2)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 25_000  # kB


def test_a_file_of_lines_is_not_read_line_by_line_up_to_its_mistake() -> None:
    """By counts: a file may have 500 million lines, and each costs as much as a bite."""
    lines = GOOD.replace(b"</Form>", b"</Form>" + b"\n" * 300_000)
    wrong = lines.replace(b"</DIMONA>", b"<Wrong/>\n</DIMONA>")
    size = 100_003
    cut = [wrong[at : at + size] for at in range(0, len(wrong), size)]
    found = scan(SealedFile("FI", Kind.FI, len(wrong), ""), cut, described())
    assert found.valid > wrong.index(b"<Wrong/>") - size
    assert len(list(whole._pieces(cut, found.valid))) < 2 * size
    line = wrong[: wrong.index(b"<Wrong/>")].count(b"\n") + 1
    assert told(scanned(wrong, size)) == [("312", line)]


def test_of_what_is_no_employers_number_little_is_kept() -> None:
    reader = whole._Facts("Form", Whole({}, ("Form", "Employer")))
    number = b"0477472701" + b" " * 5_000 + b"x"
    reader.feed(b"<R><Form><Employer>" + number + b"</Employer></Form></R>")
    [kept] = reader.content().employers
    assert len(kept) < 40
    with pytest.raises(InvalidIdentifier):
        EnterpriseNumber.parse(kept)


def test_more_employers_than_are_remembered_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of those that are not, nobody would have asked whether the sender may speak for them."""
    monkeypatch.setattr(whole, "MAX_EMPLOYERS", 2)
    reader = whole._Facts("Form", Whole({}, ("Form", "Employer")))
    forms = b"".join(b"<Form><Employer>%d</Employer></Form>" % n for n in (1, 2, 1, 2))
    reader.feed(b"<R>" + forms)
    assert reader.content().anomalies == ()
    reader.feed(b"<Form><Employer>3</Employer></Form></R>")
    assert [a.code for a in reader.content().anomalies] == ["275"]
