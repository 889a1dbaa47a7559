"""Reception: exactly one code for one mistake, all mistakes of a set together, and no way past."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from batch.anomalies import Anomaly, Severity, reception
from batch.ingest.reception import judge
from batch.ingest.scan import Scan
from batch.names import OFFICIAL_CODES, Folder, Kind, split
from batch.signing.verdict import Cause, NotSigned, Undecided
from batch.states import Deferred, Refused, Sealed, Trigger, Verified
from tests.unit.ingest.sets import (
    SIGNED,
    STEM,
    TEST_STEM,
    closed,
    facts,
    file,
    found,
    names_of,
    sealed,
    stem_with,
    without_grant,
)

FI, FS, GO = names_of()
TD = f"TD.{STEM}.1"
BAD = NotSigned(Cause.SIGNATURE_WRONG, "The signature is wrong.")
FOREIGN = NotSigned(Cause.OTHER_CERTIFICATE, "Another certificate.")


def verified(given: Sealed, **said: Any) -> Verified:
    outcome = judge(given, facts(given, **said))
    assert isinstance(outcome, Verified), outcome
    return outcome


def broken(name: str, code: str) -> dict[str, Scan]:
    return {name: Scan(file(name), 1, (reception(code, "As scanned.", part=name),))}


@pytest.mark.parametrize("parts", range(1, 10))
def test_a_right_set_is_verified_part_by_part(parts: int) -> None:
    outcome = verified(sealed(names_of(parts=parts)))
    assert [part.number for part in outcome.parts] == list(range(1, parts + 1))
    assert [part.file.name for part in outcome.parts] == names_of(parts=parts)[:parts]
    assert (outcome.service, outcome.signer, outcome.warnings) == ("FLA", SIGNED.subject, ())


@given(st.permutations(names_of(parts=3)))
def test_the_order_of_arrival_changes_nothing(names: list[str]) -> None:
    assert verified(sealed(names)).parts == verified(sealed(names_of(parts=3))).parts


@pytest.mark.parametrize("letter", ["T", "S"])
def test_a_set_in_intest_needs_no_signature(letter: str) -> None:
    names = names_of(stem_with(4, letter), 2, signed=False)
    outcome = verified(sealed(names, folder=Folder.INTEST))
    assert (outcome.signer, outcome.warnings) == (None, ())


def test_older_names_without_parts_are_right() -> None:
    verified(sealed([f"FI.{STEM}", f"FS.{STEM}", f"GO.{STEM}"]))


def test_the_content_of_a_go_is_ignored() -> None:
    verified(sealed([FI, FS, GO], sizes={GO: 4096}))


NAME_MISTAKES = [
    (0, "flad", "129"),
    (0, "FLA", "129"),
    (0, "XXXX", "129"),
    (0, "DMFA", "154"),
    (1, "000002", "108"),
    (2, "2026012", "109"),
    (2, "2026-01-20", "109"),
    (2, "20260230", "110"),
    (2, "20260121", "111"),
    (2, "20250119", "126"),
    (3, "0001", "112"),
    (3, "000001", "112"),
    (3, "00000", "127"),
    (3, "0000a", "367"),
    (4, "X", "117"),
    (4, "r", "117"),
    (0, "", "129"),
    (2, "", "109"),
    (3, "", "112"),
    (4, "", "144"),
    (4, "T", "119"),
    (4, "S", "257"),
]


@pytest.mark.parametrize(("element", "text", "code"), NAME_MISTAKES)
def test_a_mistake_in_the_stem_raises_exactly_its_code(element: int, text: str, code: str) -> None:
    service = {} if element else {"service": None}
    assert found(sealed(names_of(stem_with(element, text))), **service) == [code]


def test_a_sender_number_that_is_none_is_told_of_every_file_and_of_the_channel() -> None:
    codes = found(sealed(names_of(stem_with(1, "00001"))))
    assert sorted(codes) == ["107", "108", "131", "132"]


def test_production_in_intest_is_118() -> None:
    assert found(sealed(names_of(), folder=Folder.INTEST)) == ["118"]
    assert found(sealed(names_of(signed=False), folder=Folder.INTEST)) == ["118"]


@pytest.mark.parametrize(
    ("total", "code"), [("01", "114"), ("", "114"), ("A", "115"), ("0", "116")]
)
def test_a_wrong_total_raises_exactly_its_code(total: str, code: str) -> None:
    """In every name, or in one of them alone."""
    names = [f"FI.{STEM}.{total}.1", f"FS.{STEM}.{total}.1", f"GO.{STEM}.{total}"]
    assert found(sealed(names)) == [code]
    for place, wrong in enumerate(names):
        assert found(sealed([*names_of()[:place], wrong, *names_of()[place + 1 :]])) == [code]


def test_more_parts_than_the_channel_allows_is_128() -> None:
    assert found(sealed(names_of(parts=4)), max_parts=3) == ["128"]
    assert found(sealed(names_of(parts=3)), max_parts=3) == []


@pytest.mark.parametrize(("verdict", "code"), [(BAD, "125"), (FOREIGN, "153")])
def test_a_signature_at_fault_raises_its_code_in_in_and_warns_in_intest(
    verdict: NotSigned, code: str
) -> None:
    assert found(sealed([FI, FS, GO]), signatures={FI: verdict}) == [code]
    data, *others = names_of(TEST_STEM)
    outcome = verified(sealed([data, *others], folder=Folder.INTEST), signatures={data: verdict})
    assert [(a.code, a.severity) for a in outcome.warnings] == [(code, Severity.WARNING)]
    assert [(a.part or "")[2:] for a in outcome.warnings] == [data[2:]]
    assert outcome.signer is None


def test_one_bad_signature_of_many_refuses_the_set() -> None:
    names = names_of(parts=3)
    assert found(sealed(names), signatures={names[1]: BAD}) == ["125"]
    assert found(sealed(names), signatures={names[1]: BAD, names[2]: FOREIGN}) == ["125", "153"]


def test_what_cannot_be_decided_now_is_neither_refused_nor_verified() -> None:
    given = sealed([FI, FS, GO])
    outcome = judge(given, facts(given, signatures={FI: Undecided("CRL away")}))
    assert outcome == Deferred("CRL away", source=True)


def test_a_test_waits_for_no_source_of_revocations_and_is_warned() -> None:
    """Its signature decides nothing there: a tester would wait a day for the same verdict."""
    names = names_of(TEST_STEM)
    given = sealed(names, folder=Folder.INTEST)
    outcome = verified(given, signatures={names[0]: Undecided("CRL away")})
    (warning,) = outcome.warnings
    assert (warning.code, warning.severity, warning.cause) == ("153", Severity.WARNING, "undecided")
    assert warning.explanation == "CRL away"


UNPROVEN = st.lists(
    st.builds(
        lambda kind, end: f"{kind}.{STEM}{end}",
        st.sampled_from(["FI", "FS", "GO"]),
        st.sampled_from(["", ".1", ".2", ".1.1", ".1.2", ".2.1", ".2.2", ".1.A"]),
    ).filter(lambda name: split(name) is not None),
    min_size=1,
    max_size=7,
    unique=True,
)


@given(UNPROVEN)
@example([FI, f"FS.{STEM}", GO])
@example([f"FI.{STEM}", FS, GO])
def test_nothing_of_production_is_verified_whose_signature_was_not_proved(names: list[str]) -> None:
    """T parts FI, T parts FS, each part signed on its own (contract, section 2).

    ``facts`` gives a signature to each FI whose FS the sealed set can find, as the pass does.
    """
    given = sealed(names)
    gathered = facts(given)
    outcome = judge(given, gathered)
    if isinstance(outcome, Verified):
        assert {part.file.name for part in outcome.parts} == set(gathered.signatures)


@pytest.mark.parametrize(
    "names", [[f"FI.{STEM}.1.1", f"FS.{STEM}"], [f"FI.{STEM}", f"FS.{STEM}.1.1"]]
)
def test_a_signature_under_the_other_form_of_its_name_is_not_passed_over(names: list[str]) -> None:
    """An older name without parts and the full name may meet: prove the FS, or refuse the set."""
    given = sealed([*names, GO])
    fs = given.signature_of(given.parts()[0])
    if fs is None:
        assert found(given), "verified without any signature"
    else:
        assert found(given, signatures={names[0]: BAD}) == ["125"]


@pytest.mark.parametrize("code", ["003", "088", "089", "102", "138", "157", "205", "275"])
def test_what_the_pass_found_refuses_the_set_with_its_code(code: str) -> None:
    names = names_of(parts=2)
    assert found(sealed(names), scans=broken(names[1], code)) == [code]


def test_a_file_larger_than_the_service_allows_is_184() -> None:
    assert found(sealed([FI, FS, GO], sizes={FI: 1000})) == []
    assert found(sealed([FI, FS, GO], sizes={FI: 1001})) == ["184"]


def test_a_channel_that_is_not_open_is_103() -> None:
    """Whether its services ended with it is no mistake besides."""
    assert found(sealed([FI, FS, GO]), channel=closed()) == ["103"]
    assert found(sealed([FI, FS, GO]), channel=closed(without_grant())) == ["103"]


def test_a_service_not_granted_is_154() -> None:
    assert found(sealed([FI, FS, GO]), channel=without_grant()) == ["154"]


@pytest.mark.parametrize("code", sorted(OFFICIAL_CODES))
def test_an_official_code_nobody_serves_here_is_154(code: str) -> None:
    assert found(sealed(names_of(stem_with(0, code))), service=None) == ["154"]


def test_other_content_under_a_used_stem_is_133() -> None:
    assert found(sealed([FI, FS, GO], ordinal=2)) == ["133"]


def test_content_accepted_before_is_133_in_production_only() -> None:
    assert found(sealed([FI, FS, GO]), replays={FI: "FLAD.000001.20260119.00001.R"}) == ["133"]
    names = names_of(TEST_STEM)
    replays = {names[0]: "FLAD.000001.20260119.00001.T"}
    assert found(sealed(names, folder=Folder.INTEST), replays=replays) == []


@pytest.mark.parametrize("names", [[TD], [FI, TD], [FI, FS, TD], [FI, FS, GO, TD]])
def test_a_cancelled_set_is_277_and_nothing_else(names: list[str]) -> None:
    assert found(sealed(names, trigger=Trigger.CANCELLED), channel=closed()) == ["277"]


@pytest.mark.parametrize(
    ("name", "codes"),
    [
        ("FI.FLAD.000001", ["131", "144"]),
        (f"FI.{STEM}.1", ["131"]),
        (f"FI.{STEM}.1.1.xml", ["131"]),
        (f"FS.{STEM}.1", ["132"]),
        (f"GO.{STEM}.1.1", ["107"]),
        ("TD.FLAD", ["107", "144"]),
        ("fi.FLAD.000001", ["129"]),
        ("readme.txt", ["129"]),
        (f"FO.{STEM}.1.1", ["129"]),
        ("FIX.FLAD", ["129"]),
        ("x", ["129"]),
    ],
)
def test_a_name_that_does_not_split_is_answered_by_its_beginning(
    name: str, codes: list[str]
) -> None:
    given = sealed([name], trigger=Trigger.UNREADABLE)
    outcome = judge(given, facts(given))
    assert isinstance(outcome, Refused)
    assert [(a.code, a.part) for a in outcome.anomalies] == [(code, name) for code in codes]


def test_a_code_is_listed_once_at_the_place_it_was_found_first() -> None:
    names = [f"FI.{STEM}.2.1", f"FI.{STEM}.2.2", f"FS.{STEM}.2.1", f"FS.{STEM}.2.2", f"GO.{STEM}.2"]
    scans = {**broken(names[0], "102"), **broken(names[1], "102")}
    scans[names[0]] = replace(
        scans[names[0]], anomalies=(*scans[names[0]].anomalies, reception("138", "As scanned."))
    )
    given = sealed(names)
    outcome = judge(given, facts(given, scans=scans))
    assert isinstance(outcome, Refused)
    assert [(a.code, a.part) for a in outcome.anomalies] == [("102", names[0]), ("138", None)]


def test_a_warning_in_intest_does_not_hide_a_mistake() -> None:
    data, *others = names_of(TEST_STEM)
    given = sealed([data, *others], folder=Folder.INTEST)
    outcome = judge(given, facts(given, signatures={data: BAD}, scans=broken(data, "125")))
    assert isinstance(outcome, Refused)
    assert {(a.code, a.severity) for a in outcome.anomalies} == {
        ("125", Severity.WARNING),
        ("125", Severity.BLOCKING),
    }


@given(UNPROVEN, st.sampled_from([Folder.IN, Folder.INTEST]), st.sampled_from(Trigger))
def test_any_set_gets_a_verdict_of_reception_codes(
    names: list[str], folder: Folder, trigger: Trigger
) -> None:
    given = sealed(names, folder=folder, trigger=trigger)
    outcome = judge(given, facts(given))
    assert not isinstance(outcome, Deferred)
    anomalies: tuple[Anomaly, ...]
    if isinstance(outcome, Verified):
        anomalies = outcome.warnings
        assert not any(a.blocks for a in anomalies)
        assert {p.file.name for p in outcome.parts} == {f.name for f in given.of_kind(Kind.FI)}
    else:
        anomalies = outcome.anomalies
        assert any(a.blocks for a in anomalies)
    assert all(a.error_id == f"ACRF-{a.code}" for a in anomalies)


@pytest.mark.parametrize(
    "bad", ["FI.FLAD.000777.2026.0000.X.2.2", "GO.xx.1.x.y.z.99", "TD.a.b.c.d.e"]
)
def test_a_name_wrong_in_every_element_still_gets_its_verdict(bad: str) -> None:
    assert len(found(sealed([bad], trigger=Trigger.UNFINISHED), service=None)) >= 5
