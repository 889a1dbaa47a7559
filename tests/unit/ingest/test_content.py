"""From verified to ingested: one Handled per form, in order, each in the part it stood in."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml.etree import _Element

from batch.anomalies import Anomaly, Severity
from batch.ingest.answer import Handled
from batch.ingest.content import Tally, handle
from batch.ingest.forms import Malformed
from batch.ingest.plain import Given
from batch.ingest.services import ContentFacts, Description, FormHeader, FormVerdict
from batch.names import Environment
from batch.registers import Standing
from batch.states import Part, Verified
from tests.unit.ingest.sets import AT, FLA, names_of, sealed

BLOCKING = Anomaly("00024", "093")
WARNING = Anomaly("00024", "004", Severity.WARNING)

FACTS = ContentFacts(
    at=AT,
    environment=Environment.PRODUCTION,
    submission=1,
    employer=lambda number: None,
    speaks=lambda number: Standing.MAY_SPEAK,
    ticket=lambda place: f"T{place:012d}",
)


@dataclass(frozen=True, slots=True)
class Marks:
    """A service of the smallest kind: a form's text says its verdict; it judges by the chunk."""

    chunk: int = 1

    @property
    def description(self) -> Description:
        return FLA

    def judge(
        self, forms: Iterable[tuple[str, Given]], facts: ContentFacts
    ) -> Iterator[FormVerdict]:
        held: list[FormVerdict] = []
        for _, element in forms:
            assert isinstance(element, _Element)
            text = element.text or ""
            found = tuple(a for mark, a in (("b", BLOCKING), ("w", WARNING)) if mark in text)
            held.append(FormVerdict(FormHeader(identification=text), anomalies=found))
            if len(held) == self.chunk:
                yield from held
                held = []
        yield from held


def run(parts: list[list[str]], chunk: int = 1, keep: int = 100) -> tuple[list[Handled], Tally]:
    """Handle parts whose forms hold these texts."""
    given_set = sealed(names_of(parts=len(parts)))
    files = given_set.parts()
    verified = Verified(
        given_set,
        Environment.PRODUCTION,
        "FLA",
        tuple(Part(n, f, len(t)) for n, (f, t) in enumerate(zip(files, parts, strict=True), 1)),
        None,
    )
    tally = Tally(keep)
    handled = list(handle(verified, Marks(chunk), FACTS, blocks_of(parts), tally))
    return handled, tally


def blocks_of(parts: list[list[str]]) -> Callable[[Part], Iterable[bytes]]:
    def blocks(part: Part) -> Iterator[bytes]:
        inside = "".join(f"<Form>{text}</Form>" for text in parts[part.number - 1])
        data = f"<FLADeclaration>{inside}</FLADeclaration>".encode()
        yield data[:20]
        yield data[20:]

    return blocks


TEXTS = st.lists(
    st.lists(st.sampled_from(["a", "b", "w", "bw"]), max_size=6), min_size=1, max_size=4
)


@given(TEXTS, st.integers(1, 9))
def test_every_form_is_handled_once_in_order_in_its_own_part(
    parts: list[list[str]], chunk: int
) -> None:
    """However many forms the service looks at before it answers."""
    handled, tally = run(parts, chunk)
    names = names_of(parts=len(parts))
    expected = [(name, text) for name, texts in zip(names, parts, strict=False) for text in texts]
    assert [(h.part_name, h.verdict.header.identification) for h in handled] == expected
    assert [h.ticket for h in handled] == [FACTS.ticket(n + 1) for n in range(len(expected))]
    refused = sum("b" in text for _, text in expected)
    assert (tally.accepted, tally.refused) == (len(expected) - refused, refused)
    assert tally.accepted == sum(tally.accepted_by_part.values())
    for name, count in tally.accepted_by_part.items():
        assert count == sum("b" not in text for part, text in expected if part == name)


def test_a_bad_form_never_sinks_its_neighbours() -> None:
    handled, _ = run([["a", "b", "a"], ["b", "w"]])
    assert [h.verdict.accepted for h in handled] == [True, False, True, False, True]


def test_findings_are_kept_with_the_place_of_their_form_up_to_a_number() -> None:
    _, tally = run([["a", "bw"], ["w"]])
    assert tally.findings == [(2, BLOCKING), (2, WARNING), (3, WARNING)]
    _, short = run([["bw"] * 5], keep=3)
    assert short.findings == [(1, BLOCKING), (1, WARNING), (2, BLOCKING)]
    assert short.refused == 5


def test_a_part_without_an_accepted_form_is_not_counted_as_accepted() -> None:
    _, tally = run([["b"], ["a"]])
    assert tally.accepted_by_part == {names_of(parts=2)[1]: 1}


def test_bytes_that_are_no_longer_well_formed_are_a_fault() -> None:
    given_set = sealed(names_of())
    verified = Verified(
        given_set, Environment.PRODUCTION, "FLA", (Part(1, given_set.parts()[0], 1),), None
    )
    stream = handle(verified, Marks(), FACTS, lambda part: [b"<FLADeclaration><Form>"], Tally(1))
    with pytest.raises(Malformed):
        list(stream)


def test_forms_are_read_only_as_they_are_handled() -> None:
    asked: list[int] = []

    def blocks(part: Part) -> Iterator[bytes]:
        yield b"<FLADeclaration>"
        for number in range(3):
            asked.append(number)
            yield b"<Form>a</Form>"
        yield b"</FLADeclaration>"

    given_set = sealed(names_of())
    verified = Verified(
        given_set, Environment.PRODUCTION, "FLA", (Part(1, given_set.parts()[0], 3),), None
    )
    stream = handle(verified, Marks(), FACTS, blocks, Tally(1))
    assert asked == []
    for number in range(3):
        next(stream)
        assert asked == list(range(number + 1))
