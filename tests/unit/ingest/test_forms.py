"""Forms out of a stream: the same forms and the same verdict however the bytes are cut."""

from __future__ import annotations

import itertools
import resource
import sys
from collections.abc import Iterable, Iterator
from types import FrameType

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from lxml import etree

from batch.ingest.forms import MAX_FORM_BYTES, FormReader, Malformed, forms
from tests.unit.ingest.sets import blocks

Outcome = tuple[list[bytes], str | None, int | None]


def outcome(cuts: Iterable[bytes]) -> Outcome:
    """Each form as canonical bytes, then the code and line of what ended the stream."""
    found: list[bytes] = []
    try:
        for element in forms(cuts, "Form"):
            found.append(etree.tostring(element, method="c14n", with_tail=False))
    except Malformed as error:
        return found, error.anomaly.code, error.anomaly.line
    return found, None, None


def whole(text: str | bytes) -> Outcome:
    return outcome([text if isinstance(text, bytes) else text.encode()])


def verdict(text: str | bytes) -> str | None:
    return whole(text)[1]


def root(inside: str) -> str:
    return f"<R>{inside}</R>"


PIECES = st.sampled_from(
    [
        "<Form/>",
        "<Form>a&amp;b</Form>",
        "<Form a='1'><A>\u00e9\U0001f600</A>\n<B/></Form>",
        "<Form><Form>inner</Form></Form>",
        "<Form><![CDATA[<Form>]]></Form>",
        "\n  ",
        "\r\n",
        "<!-- <Form/> -->",
        "<?pi <Form/> ?>",
        "&#32;",
        "stray",
        "&lt;",
        "<![CDATA[ ]]>",
        "<![CDATA[x]]>",
        "<Other/>",
        "<Other><Form>hidden</Form></Other>",
        "<f:Form xmlns:f='urn:a'/>",
        "<Form xmlns='urn:a'/>",
    ]
)
BREAKS = st.sampled_from(["", "", "", "</Form>", "<Form>", "&none;", "<", "\x00", "<a b=c>", "]]>"])
DOCUMENTS = st.builds(
    lambda before, broken, after: f"<R>{''.join(before)}{broken}{''.join(after)}</R>\n".encode(),
    st.lists(PIECES, max_size=6),
    BREAKS,
    st.lists(PIECES, max_size=3),
)
BAD_BYTES = st.builds(
    lambda data, place, junk: data[: place % len(data)] + junk + data[place % len(data) :],
    st.lists(PIECES, max_size=8).map(lambda pieces: root("".join(pieces)).encode()),
    st.integers(0, 10_000),
    st.sampled_from([b"", b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xe9", b"\x01"]),
)


def cut(data: bytes, places: list[int]) -> list[bytes]:
    marks = sorted({0, len(data), *(place % (len(data) + 1) for place in places)})
    return [data[a:b] for a, b in itertools.pairwise(marks)]


@given(DOCUMENTS, st.lists(st.integers(0, 10_000), max_size=20))
@example(b"<R><Form>a</Form> x <Form/></R>", [5, 14, 18])
def test_any_cutting_gives_the_same_forms_and_the_same_verdict(
    data: bytes, places: list[int]
) -> None:
    assert outcome(cut(data, places))[:2] == outcome([data])[:2]
    assert outcome(blocks(data, 1))[:2] == outcome([data])[:2]


@given(BAD_BYTES, st.lists(st.integers(0, 10_000), max_size=20))
def test_any_cutting_of_bad_bytes_is_refused_with_the_same_code(
    data: bytes, places: list[int]
) -> None:
    assert outcome(cut(data, places))[1] == outcome([data])[1]
    assert outcome(blocks(data, 1))[1] == outcome([data])[1]


@given(st.lists(PIECES, max_size=8))
def test_every_form_under_the_root_is_given_once_and_in_order(pieces: list[str]) -> None:
    text = root("".join(pieces))
    tree = etree.fromstring(text.encode())
    expected = [etree.tostring(f, method="c14n", with_tail=False) for f in tree.findall("Form")]
    assert whole(text)[0] == expected


@given(st.lists(PIECES, max_size=8))
def test_what_is_beside_the_forms_is_205_and_nothing_else_is(pieces: list[str]) -> None:
    tree = etree.fromstring(root("".join(pieces)).encode())
    texts = [tree.text, *(child.tail for child in tree)]
    beside = any((text or "").strip(" \t\r\n") for text in texts)
    beside |= any(child.tag != "Form" for child in tree.iterchildren("*"))
    assert verdict(root("".join(pieces))) == ("205" if beside else None)


@pytest.mark.parametrize(
    "stray",
    ["x", "&lt;", "<![CDATA[x]]>", "<Other/>", "<form/>", "<Form xmlns='urn:a'/>", "\u200b"],
)
@pytest.mark.parametrize(
    "place", ["{}<Form/><Form/>", "<Form/>{}<Form/>", "<Form/><Form/>{}", "{}"]
)
def test_something_beside_the_forms_is_205_wherever_it_stands(stray: str, place: str) -> None:
    assert verdict(root(place.format(stray))) == "205"


@pytest.mark.parametrize("space", ["\u00a0", "\u2028", "\u3000", "\x85", "\u2003"])
def test_only_the_white_space_of_xml_is_white(space: str) -> None:
    """XML knows four white characters (XML 1.0, production 3); the schema refuses any other."""
    assert verdict(root(f"<Form/>{space}")) == "205"
    assert verdict(root(f"{space}<Form/>")) == "205"


@pytest.mark.parametrize("line", [1, 3, 400, 70_000])
def test_a_stray_says_its_line(line: int) -> None:
    newlines = "\n" * (line - 1)
    assert whole(root(f"{newlines}<Other/><Form/>"))[1:] == ("205", line)
    assert whole(root(f"{newlines}<Form/>x"))[1:] == ("205", line)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "x",
        "<R>",
        "<R><Form></R>",
        "<R><Form/></R><R/>",
        "<R><Form/></R>x",
        "<R><Form/>",
        "<R a='1' a='2'/>",
        "<R>&none;</R>",
        "<R>&#0;</R>",
        "<R>\x00</R>",
        "<R>\x0b</R>",
        "<R><Form a:b='1'/></R",
        "<R><!-- -- --></R>",
        "<R><!DOCTYPE a></R>",
    ],
)
def test_what_is_not_well_formed_is_102(text: str) -> None:
    assert verdict(text) == "102"


def test_no_block_at_all_is_102() -> None:
    assert outcome([])[1] == "102"


@pytest.mark.parametrize("mistake", ["<a>\n</b>", "\n&none;", "\n<", "\n<Form a=b/>", "\n\x00"])
@pytest.mark.parametrize("size", [1, 7, 1000])
def test_a_mistake_of_syntax_says_its_line_however_it_is_cut(mistake: str, size: int) -> None:
    data = f"<R>\n<Form/>\n{mistake}</R>".encode()
    assert outcome(blocks(data, size))[1:] == ("102", 4)


def test_the_forms_before_a_mistake_are_still_given() -> None:
    found, code, _ = whole("<R><Form>a</Form><Form>b</Form><Form>c</R>")
    assert (found, code) == ([b"<Form>a</Form>", b"<Form>b</Form>"], "102")


@pytest.mark.parametrize("junk", [b"\xff", b"\xe9", b"\xc3<", b"\xc0\xaf", b"\xed\xa0\x80"])
@pytest.mark.parametrize(
    "place", [b"<Form>%s</Form>", b"<Form/>%s", b"<Form a='%s'/>", b"<!--%s-->"]
)
def test_bytes_that_are_not_utf_8_are_138(junk: bytes, place: bytes) -> None:
    assert verdict(b"<R>" + place.replace(b"%s", junk) + b"</R>") == "138"


def test_the_verdict_on_one_file_does_not_depend_on_the_file_before() -> None:
    for _ in range(2):
        assert verdict(b"<R>\xff</R>") == "138"
        assert verdict(b"<R><Form></R>") == "102"
        assert verdict(b"<R><Form/></R>") is None


def test_a_form_within_a_form_belongs_to_its_outer_form() -> None:
    found, code, _ = whole(root("<Form>a<Form>b<Form>c</Form></Form></Form><Form>d</Form>"))
    assert (found, code) == (
        [b"<Form>a<Form>b<Form>c</Form></Form></Form>", b"<Form>d</Form>"],
        None,
    )


def test_a_root_of_the_forms_name_is_no_form() -> None:
    assert whole("<Form><Form>a</Form></Form>") == ([b"<Form>a</Form>"], None, None)
    assert whole("<Form/>")[0] == []


@pytest.mark.parametrize(
    "bomb",
    [
        "<Form>" + "<a>" * 5000 + "</a>" * 5000 + "</Form>",
        "<Form>" * 5000 + "</Form>" * 5000,
        "<Form>" + "x" * 11_000_000 + "</Form>",
        "<Form a='" + "x" * 11_000_000 + "'/>",
        "x" * 11_000_000,
    ],
    ids=["depth", "forms in forms", "text", "attribute", "stray text"],
)
def test_a_bomb_is_refused(bomb: str) -> None:
    assert outcome(blocks(root(bomb).encode(), 1 << 20))[1] in ("102", "184", "205")


def test_an_include_is_left_alone() -> None:
    include = "<i:include xmlns:i='http://www.w3.org/2001/XInclude' href='/dev/null' parse='text'/>"
    found, code, _ = whole(root(f"<Form>{include}</Form>"))
    assert code is None
    assert b"include" in found[0]


def operations(data: bytes) -> int:
    """Calls and visits while ``data`` is read in one block: a count, not a time."""
    count = 0

    def counted(_frame: FrameType, _event: str, _argument: object) -> None:
        nonlocal count
        count += 1

    sys.setprofile(counted)
    try:
        for _ in forms([data], "Form"):
            pass
    finally:
        sys.setprofile(None)
    return count


@pytest.mark.parametrize(
    "form", ["<Form/>", "<Form>a</Form>\n<!-- b -->\n<?c?>", "<Form><Form/></Form>"]
)
def test_twenty_thousand_forms_in_one_block_take_ten_times_two_thousand(form: str) -> None:
    few, many = (operations(root(form * n).encode()) for n in (2_000, 20_000))
    assert many > 20_000
    assert many < 11 * few


def test_forms_that_were_taken_are_not_kept() -> None:
    def stream() -> Iterator[bytes]:
        yield b"<R>"
        for _ in range(500):
            yield b"<Form><A>a</A></Form>\n"
        yield b"</R>"

    for element in forms(stream(), "Form"):
        parent = element.getparent()
        assert parent is not None
        assert len(parent) <= 3
        assert element.findtext("A") == "a"


def test_a_reader_gives_a_form_as_soon_as_it_is_complete() -> None:
    reader = FormReader("Form")
    assert list(reader.feed(b"<R><Form>a</For")) == []
    assert [e.text for e in reader.feed(b"m><Form>b</Form><Fo")] == ["a", "b"]
    assert list(reader.feed(b"rm/></R>")) != []
    reader.close()


@pytest.mark.parametrize(
    ("head", "again"),
    [
        ("<Form>", "<a/>" * 200_000),
        ("<Form>", "<a>b</a>" * 100_000),
        ("<Form><Form>", "<!--c-->" * 100_000),
        ("", "<b/>" * 200_000),
        ("", "\n" * 500_000),
    ],
    ids=["elements", "texts", "comments in a form", "strays", "white space"],
)
def test_what_never_ends_a_form_is_refused_before_it_fills_the_memory(
    head: str, again: str
) -> None:
    """It is held as a tree until it ends; so the file is refused some blocks later."""
    read = [0]

    def endless() -> Iterator[bytes]:
        yield f"<R>{head}".encode()
        while True:
            read[0] += len(again)
            yield again.encode()

    assert outcome(endless())[1] == "184"
    assert read[0] <= MAX_FORM_BYTES + len(again)


@pytest.mark.parametrize("filler", ["<!-- padding -->\n" * 50_000, "<?pi padding?>\n" * 50_000])
def test_comments_between_forms_are_forgotten_as_they_come(filler: str) -> None:
    """However many there are: some pad their files with them, and others would fill the memory."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    cuts = itertools.chain(
        [b"<R>"], itertools.repeat(filler.encode(), 12), [b"<Form>a</Form><Form/>", b"</R>"]
    )
    assert outcome(cuts) == ([b"<Form>a</Form>", b"<Form></Form>"], None, None)
    assert len(filler) * 12 > 2 * MAX_FORM_BYTES
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 25_000  # kB
