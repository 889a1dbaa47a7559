"""A set of one FI with 10,000 forms, three of them broken: 9,997 are recorded, three refused.

Each broken form is refused with its code and its line, and not one neighbour with it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from fixtures.declared import fs
from tests.acceptance.answers import Answer, Judged
from tests.acceptance.clients import Mail, OpenSsl, named, new_stem
from tests.acceptance.conftest import Registered, Serving
from tests.acceptance.instance import Instance
from tests.declarations import EMPLOYER, person, rights

COUNT = 10_000
LARGEST_FO = 2_000_000
"""Bytes: a setting, here low enough for the NOTI to come as a ZIP named CO."""
BROKEN = {
    17: ("00024-004", r"<INSS>(\d{9})\d\d</INSS>", lambda f: f"<INSS>{f[1]}{_wrong(f[1])}</INSS>"),
    4_242: ("FLA04-002", "<TrainingRightHours>3800<", lambda _: "<TrainingRightHours>many<"),
    9_999: ("FLB01-092", "<TrainingRight>", lambda _: "<Colour>red</Colour><TrainingRight>"),
}
"""Number of the form (from 0): the code that must come of it, what is broken in it, and how."""


def _wrong(body: str) -> str:
    """Check digits that do not fit ``body``, whichever the century."""
    right = {97 - int(body) % 97, 97 - int(f"2{body}") % 97}
    return next(f"{n:02d}" for n in range(1, 98) if n not in right)


def _broken(fi: bytes) -> tuple[bytes, dict[int, int]]:
    """The declaration with its three defects, and the line of each by the form's number."""
    head, *forms = re.split("(?=  <Form>\n)", fi.decode())
    assert len(forms) == COUNT
    lines: dict[int, int] = {}
    for number, (_, what, edit) in BROKEN.items():
        found = re.search(what, forms[number])
        assert found is not None
        before = head + "".join(forms[:number]) + forms[number][: found.start()]
        lines[number] = before.count("\n") + 1
        forms[number] = re.sub(what, edit, forms[number], count=1)
    return (head + "".join(forms)).encode(), lines


@dataclass(frozen=True)
class Sent:
    """The set's stem, its NOTI with its forms, and the line of each defect by its form's number."""

    stem: str
    notice: Answer
    forms: list[Judged]
    lines: dict[int, int]


@pytest.fixture(scope="module")
def instance(serving: Serving) -> Instance:
    made = serving(max_answer_bytes=LARGEST_FO)
    made.serve()
    return made


@pytest.fixture(scope="module")
def sent(instance: Instance, registered: Registered) -> Sent:
    fi, lines = _broken(rights(COUNT, prefix="R/10k"))
    stem = new_stem(registered.employer.number)
    with Mail(instance, registered.employer) as mail:
        mail.put(named(stem, (fi, fs(fi))))
        mail.out.wait(stem, seconds=120)
        receipt, notice = mail.out.verdict(stem)
    assert notice is not None, receipt.codes
    assert instance.rests()
    return Sent(stem, notice, notice.forms, lines)


def test_every_form_is_answered_in_its_place(
    sent: Sent,
) -> None:
    """By the worker's number, which each form has for itself, and with a ticket of its own."""
    forms = sent.forms
    assert len(forms) == COUNT
    assert [f.inss for n, f in enumerate(forms) if n != 17] == [
        person(n) for n in range(COUNT) if n != 17
    ]
    assert len({form.ticket for form in forms}) == COUNT


def test_three_are_refused_with_code_and_line_and_the_rest_accepted(
    sent: Sent,
) -> None:
    forms, lines = sent.forms, sent.lines
    refused = {n: form.errors for n, form in enumerate(forms) if form.result == "0"}
    assert refused == {n: ((code, "B", lines[n]),) for n, (code, _, _) in BROKEN.items()}
    accepted = [(n, form) for n, form in enumerate(forms) if n not in BROKEN]
    assert [(f.result, f.reference) for _, f in accepted] == [
        ("1", f"R/10k/{n}") for n, _ in accepted
    ]
    assert not any(form.errors for _, form in accepted)


def test_the_ledger_has_the_accepted_and_only_them(instance: Instance, sent: Sent) -> None:
    shown = instance.json("submission", "show", sent.stem)
    assert (shown["accepted"], shown["refused"], shown["state"]) == (9_997, 3, "answered")
    found = [finding["error_id"] for finding in shown["findings"]]
    assert found == [code for code, _, _ in BROKEN.values()]
    near = [n + step for n in (17, 4_242) for step in (-1, 0, 1)] + [9_998, 9_999]
    said = instance.commands(
        *(["account", "show", person(n), "--employer", EMPLOYER, "--json"] for n in near)
    )
    held = {n: len(each.done().document["rights"]) for n, each in zip(near, said, strict=True)}
    assert held == {n: int(n not in BROKEN) for n in near}


@pytest.mark.needs("openssl", "base64")
def test_an_answer_too_large_for_an_fo_is_a_signed_zip_of_one(
    instance: Instance, sent: Sent, tmp_path: Path
) -> None:
    """The signature covers the bytes of the ZIP, as openssl says."""
    assert sent.notice.name.startswith("CO.NOTI.")
    OpenSsl(tmp_path).verify(sent.notice, instance.institution)
