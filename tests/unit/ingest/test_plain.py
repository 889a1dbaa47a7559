"""Plain forms out of a stream: the forms, lines and verdicts of the parser that sees it all."""

from __future__ import annotations

import itertools
import re
import sys
from collections.abc import Iterable, Iterator
from types import FrameType

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from lxml import etree

from batch.ingest import forms as parsed
from batch.ingest.forms import MAX_FORM_BYTES, Malformed
from batch.ingest.lines import line_of
from batch.ingest.plain import LONGEST_PLAIN, Given, PlainForm, forms
from tests.unit.ingest.sets import blocks

PLAIN = re.compile(r"<Form>[ \t\r\n]*(?:<A>[a-zé]*</A>[ \t\r\n]*)*</Form>[ \t\r\n]*+")
Outcome = tuple[list[tuple[bytes, int]], str | None, int | None, str | None]


def outcome(given_forms: Iterator[Given]) -> Outcome:
    """Each form as canonical bytes with its line; then code, line and words of what ended it."""
    found: list[tuple[bytes, int]] = []
    try:
        for form in given_forms:
            line = form.line if isinstance(form, PlainForm) else line_of(form)
            element = form.element() if isinstance(form, PlainForm) else form
            found.append((etree.tostring(element, method="c14n", with_tail=False), line))
    except Malformed as error:
        told = error.anomaly
        return found, told.code, told.line, told.explanation
    return found, None, None, None


def both(cuts: Iterable[bytes]) -> tuple[Outcome, Outcome]:
    held = list(cuts)
    return outcome(forms(held, "Form", PLAIN)), outcome(parsed.forms(held, "Form"))


def plain_ones(data: bytes, size: int = 1 << 20) -> int:
    found = forms(blocks(data, size), "Form", PLAIN)
    return sum(isinstance(form, PlainForm) for form in found)


ORDINARY = ["<Form>\n <A>a</A>\n</Form>\n", "<Form><A>é</A></Form>", "<Form></Form>\r\n", "<Form/>"]
PIECES = st.sampled_from(
    [
        *ORDINARY * 4,
        "<Form >\n<A>a</A></Form>",
        "<Form><A>a</A></Form >",
        "<Form><A>a&amp;b</A></Form>",
        "<Form a='1'><A>\U0001f600</A>\n</Form>",
        "<Form>\n<Form><A>a</A></Form>\n</Form>",
        "<Form><![CDATA[</Form><Form>]]></Form>",
        "<Form><A>a</A><!-- </Form> --></Form>",
        "<!-- <Form><A>a</A></Form>\n -->",
        "<?pi <Form></Form> ?>",
        "\n\n  \t",
        "\r\n",
    ]
)
ODD = st.sampled_from(
    [
        "",
        "",
        "",
        "",
        "x",
        "<B/>",
        "\r",
        "&#32;",
        "</Form>",
        "<Form>",
        "&none;",
        "<",
        "\x00",
        "]]>",
    ]
)
HEADS = st.sampled_from(
    ["", "", '<?xml version="1.0" encoding="UTF-8"?>\n', "\ufeff", "<!-- <Form></Form> -->\n"]
    + [f'<?xml version="1.0" encoding="{name}"?>' for name in ("utf-8", "US-ASCII", "UTF8")]
)
DOCUMENTS = st.builds(
    lambda head, before, odd, after: (
        f"{head}<R>{''.join(before)}{odd}{''.join(after)}</R>\n".encode()
    ),
    HEADS,
    st.lists(PIECES, max_size=8),
    ODD,
    st.lists(PIECES, max_size=8),
)
BAD_BYTES = st.builds(
    lambda data, place, junk: data[: place % len(data)] + junk + data[place % len(data) :],
    st.lists(PIECES, min_size=1, max_size=12).map(
        lambda pieces: f"<R>{''.join(pieces)}</R>".encode()
    ),
    st.integers(0, 10_000),
    st.sampled_from([b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xef\xbf\xbe", b"\x01", b"\r", b"<!--"]),
)


def cut(data: bytes, places: list[int]) -> list[bytes]:
    marks = sorted({0, len(data), *(place % (len(data) + 1) for place in places)})
    return [data[a:b] for a, b in itertools.pairwise(marks)]


@given(DOCUMENTS)
@settings(max_examples=200)
@example(b"<R><Form></Form><Form></Form ><!-- </Form> --><Form></Form></R>")
@example(b"<R><Form></Form><!--\n<Form></Form>\n--><Form></Form></R>")
def test_forms_lines_and_verdict_are_those_of_the_parser(data: bytes) -> None:
    ours, its = both([data])
    assert ours == its


@given(st.one_of(DOCUMENTS, BAD_BYTES), st.lists(st.integers(0, 10_000), max_size=20))
@settings(max_examples=200)
def test_however_it_is_cut_and_whatever_is_broken(data: bytes, places: list[int]) -> None:
    for cuts in (cut(data, places), list(blocks(data, 1))):
        ours, its = both(cuts)
        assert ours[0] == its[0] or its[1] is not None  # some were not looked at when it broke
        assert ours[1] == its[1]


def document(*pieces: str) -> bytes:
    return f"<R>\n{''.join(pieces)}</R>\n".encode()


def test_all_but_the_first_of_ordinary_forms_are_plain() -> None:
    assert plain_ones(document(*["<Form>\n<A>a</A></Form>\n"] * 100)) == 99
    assert plain_ones(document(*["<Form>\n<A>a</A></Form>\n"] * 100), size=10) == 99


def test_a_form_that_is_not_plain_stands_between_those_that_are() -> None:
    odd = "<Form a='1'><A>a</A></Form>"
    assert plain_ones(document("<Form></Form>\n" * 10, odd, "<Form></Form>\n" * 10)) == 19


@pytest.mark.parametrize(
    "strange",
    ["<Form><!-- </Form> --></Form>", "<!--</Form>-->", "\r"],
)
def test_after_what_is_strange_the_parser_reads_all(strange: str) -> None:
    ordinary = "<Form></Form>\n" * 10
    assert plain_ones(document(ordinary, strange, ordinary)) < 10
    ours, its = both([document(ordinary, strange, ordinary)])
    assert ours == its


def test_what_is_beyond_the_plain_ones_has_its_true_line() -> None:
    """libxml2 sees as many lines as there are, though not the forms; also beyond the 65,535th."""
    plain = "<Form>\n<A>a</A>\n\n</Form>\n"
    data = document(plain * 30_000, "<Form\n a='1'/>", plain * 3, "<B/>")
    ours, its = both(blocks(data, 1 << 20))
    assert ours[1:] == its[1:]
    assert [line for _, line in ours[0][-5:]] == [line for _, line in its[0][-5:]]


def test_more_lines_than_a_text_may_hold_are_skipped() -> None:
    """A text of libxml2 has ten million characters at most; those of a file may be more lines."""
    plain = "<Form>" + "\n" * 1_000 + "</Form>"
    data = document(plain * 12_000, "<Form a='1'/>", "<Form></Form>")
    assert len(list(forms(blocks(data, 1 << 20), "Form", PLAIN))) == 12_002


@pytest.mark.parametrize(
    "endless",
    ["<A>a</A>", "<!-- -->", "\n", "<A></Form><Form></A>", "<!--</Form>"],
)
def test_what_never_ends_a_form_is_refused_as_the_parser_refuses_it(endless: str) -> None:
    def stream() -> Iterator[bytes]:
        yield b"<R><Form></Form><Form></Form><Form>"
        for _ in range(2 * MAX_FORM_BYTES // (1 << 20) + 2):
            yield (endless * ((1 << 20) // len(endless))).encode()

    ours, its = outcome(forms(stream(), "Form", PLAIN)), outcome(parsed.forms(stream(), "Form"))
    assert ours == its
    assert ours[1] is not None


def operations(data: bytes, size: int) -> int:
    """Calls and visits while ``data`` is read: a count, not a time."""
    count = 0

    def counted(_frame: FrameType, _event: str, _argument: object) -> None:
        nonlocal count
        count += 1

    sys.setprofile(counted)
    try:
        for _ in forms(blocks(data, size), "Form", PLAIN):
            pass
    finally:
        sys.setprofile(None)
    return count


@pytest.mark.parametrize(
    "form",
    [
        "<Form></Form>",
        "<Form/>",
        "<Form a='1'></Form>",
        "<Form></Form><Form a='1'></Form>",
        "<Form></Form >",
        "<Form><!--</Form>--></Form>",
        "<Form><Form></Form></Form>",
        "<!--</Form>--><Form></Form>",
    ],
)
def test_ten_times_the_forms_take_ten_times_the_work(form: str) -> None:
    few, many = (operations(document(form * n), 1 << 16) for n in (2_000, 20_000))
    assert many < 11 * few


def test_what_is_waited_for_is_little() -> None:
    """However small the blocks are, and whatever they hold: looked at again with each."""
    seen = outcome(forms(blocks(b"<R>" + b" " * 4 * LONGEST_PLAIN, 1000), "Form", PLAIN))
    assert seen[1] == "102"
