"""Sets of up to nine parts: in any order of arrival, beside one another, with one ACRF each."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from fixtures.declared import fs
from tests.acceptance.answers import Answer
from tests.acceptance.clients import Mail, named, new_stem
from tests.acceptance.conftest import Registered, Serving
from tests.declarations import declaration, person, right

GRACE = 5
"""Seconds, the most there may be: a GO that comes first waits for eighteen files."""
WORKERS = iter(range(730_000, 740_000))


@pytest.fixture(scope="module")
def mail(serving: Serving, registered: Registered) -> Iterator[Mail]:
    instance = serving(grace_seconds=GRACE)
    instance.serve()
    with Mail(instance, registered.employer) as connected:
        yield connected


def made(stem: str, total: int) -> dict[str, bytes]:
    """The files of a set whose part ``n`` declares ``n`` rights, each part signed on its own."""
    parts: list[tuple[bytes, bytes | None]] = []
    for number in range(1, total + 1):
        forms = [
            right(reference(stem, number, form), inss=person(next(WORKERS)), number=form)
            for form in range(number)
        ]
        fi = declaration(*forms)
        parts.append((fi, fs(fi)))
    return named(stem, *parts)


def reference(stem: str, part: int, form: int) -> str:
    return f"{stem}/{part}/{form}"


def shuffled(seed: int, *sets: dict[str, bytes]) -> dict[str, bytes]:
    """All files of these sets in an order that the seed decides."""
    files = [file for each in sets for file in each.items()]
    random.Random(seed).shuffle(files)
    return dict(files)


def answered(mail: Mail, stem: str, total: int) -> Answer:
    """One ACRF, one NOTI with every form in the order of the parts; all accepted."""
    receipt, notice = mail.out.verdict(stem)
    assert (receipt.result, receipt.about) == ("1", f"GO.{stem}.{total}")
    assert notice is not None
    assert notice.ticket == receipt.ticket
    assert [(f.part, f.reference, f.result) for f in notice.forms] == [
        (f"FI.{stem}.{total}.{part}", reference(stem, part, form), "1")
        for part in range(1, total + 1)
        for form in range(part)
    ]
    assert [a for a in mail.out.about(stem) if a.layer == "ACRF"] == [receipt]
    return receipt


@pytest.mark.parametrize("total", range(1, 10))
def test_a_set_of_any_size_comes_in_any_order(mail: Mail, total: int) -> None:
    """Its GO too may come at any time; it is the last file that completes the set."""
    stem = new_stem("000001")
    mail.put(shuffled(total, made(stem, total)))
    answered(mail, stem, total)


@pytest.mark.parametrize("first", ["GO", "FS"])
def test_nine_parts_whose_go_or_signatures_come_first(mail: Mail, first: str) -> None:
    stem = new_stem("000001")
    files = made(stem, 9)
    mail.put(dict(sorted(files.items(), key=lambda f: (not f[0].startswith(first), f[0]))))
    answered(mail, stem, 9)


@pytest.mark.parametrize("seed", range(5))
def test_sets_whose_parts_come_between_one_another_are_kept_apart(mail: Mail, seed: int) -> None:
    totals = random.Random(seed).choices(range(1, 5), k=4)
    sets = {new_stem("000001"): total for total in totals}
    mail.put(shuffled(seed, *(made(stem, total) for stem, total in sets.items())))
    tickets = {answered(mail, stem, total).ticket for stem, total in sets.items()}
    assert len(tickets) == len(sets)


def test_two_sets_of_nine_parts_come_by_turns(mail: Mail) -> None:
    """Also when they are alike but for the sequence: each file belongs to its stem alone."""
    one, other = new_stem("000001"), new_stem("000001")
    for pair in zip(made(one, 9).items(), made(other, 9).items(), strict=True):
        for name, content in pair:
            mail.put({name: content})
    answered(mail, one, 9)
    answered(mail, other, 9)


@pytest.mark.parametrize("bad", [1, 5, 9])
def test_one_bad_signature_of_nine_refuses_the_set_whole(mail: Mail, bad: int) -> None:
    """And leaves no form of any part behind: under a new name all of them are accepted."""
    stem, again = new_stem("000001"), new_stem("000001")
    files = made(stem, 9)
    right_files = {name.replace(stem, again): content for name, content in files.items()}
    other = bad % 9 + 1
    files[f"FS.{stem}.9.{bad}"] = files[f"FS.{stem}.9.{other}"]
    mail.put(files)
    assert mail.out.codes(stem) == ["ACRF-125"]
    mail.put(right_files)
    assert {form.result for form in mail.out.judged(again)} == {"1"}


def test_the_same_content_in_two_parts_is_declared_once(mail: Mail) -> None:
    """The second part's forms are repeats of the first's, and are answered the same."""
    stem = new_stem("000001")
    fi = declaration(right(f"{stem}/twice", inss=person(next(WORKERS))))
    mail.put(named(stem, (fi, fs(fi)), (fi, fs(fi))))
    assert [form.result for form in mail.out.judged(stem)] == ["1", "1"]
