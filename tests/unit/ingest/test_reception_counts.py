"""T parts FI, T parts FS, one GO: what is missing, too much or numbered wrongly."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch.names import Folder
from tests.unit.ingest.sets import STEM, TEST_STEM, found, names_of, sealed

FI, FS, GO = names_of()

COUNT_MISTAKES: list[tuple[str, list[str], list[str]]] = [
    ("a part is missing with its signature", ["FI.2.1", "FS.2.1", "GO.2"], ["120", "122"]),
    ("a part is missing", ["FI.2.1", "FS.2.1", "FS.2.2", "GO.2"], ["120"]),
    ("one part too many", ["FI.1.1", "FI.1.2", "FS.1.1", "GO.1"], ["120"]),
    ("a signature is missing", ["FI.2.1", "FI.2.2", "FS.2.2", "GO.2"], ["122"]),
    ("no signature", ["FI.1.1", "GO.1"], ["122"]),
    ("one signature too many", ["FI.1.1", "FS.1.1", "FS.1.2", "GO.1"], ["122"]),
    ("no data", ["FS.1.1", "GO.1"], ["142"]),
    ("nothing but a GO", ["GO.1"], ["142", "122"]),
    ("parts numbered wrongly", ["FI.2.1", "FI.2.3", "FS.2.1", "FS.2.2", "GO.2"], ["123"]),
    ("part and total swapped", ["FI.2.1", "FI.1.2", "FS.2.1", "FS.2.2", "GO.2"], ["123"]),
    ("another total", ["FI.2.1", "FS.1.1", "GO.1"], ["123"]),
    ("a part that is no number", ["FI.1.A", "FS.1.1", "GO.1"], ["123"]),
    ("part zero", ["FI.1.0", "FS.1.1", "GO.1"], ["123"]),
    ("signatures wrong", ["FI.2.1", "FI.2.2", "FS.2.1", "FS.2.3", "GO.2"], ["124"]),
    ("both wrong", ["FI.1.2", "FS.1.2", "GO.1"], ["123", "124"]),
    ("no GO", ["FI.1.1", "FS.1.1"], ["130"]),
    ("no GO of two parts", ["FI.2.1", "FI.2.2", "FS.2.1", "FS.2.2"], ["130"]),
    ("no GO and no signature", ["FI.1.1"], ["130", "122"]),
    ("a signature alone", ["FS.1.1"], ["130", "142"]),
    ("a signature of two", ["FS.2.1"], ["130", "142", "122"]),
    ("no part at all", ["FI.1.", "FS.1.1", "GO.1"], ["123"]),
    ("a part twice, in full and in short", ["FI.1.1", "FI", "FS.1.1", "GO.1"], ["120"]),
    ("a part twice instead of two", ["FI.2.1", "FI", "FS.2.1", "FS.2.2", "GO.2"], ["123"]),
    ("a signature twice", ["FI.1.1", "FS.1.1", "FS", "GO.1"], ["122"]),
    ("a short name among others", ["FI", "FI.2.2", "FS.2.1", "FS.2.2", "GO.2"], ["123"]),
    ("fewer than the GO says", ["FI.1.1", "FS.1.1", "GO.2"], ["120", "122"]),
    ("more than the GO says", ["FI.2.1", "FI.2.2", "FS.2.1", "FS.2.2", "GO.1"], ["120", "122"]),
    ("parts of three under a GO of two", ["FI.3.1", "FI.3.2", "FS.2.1", "FS.2.2", "GO.2"], ["123"]),
    ("two GO, one of which fits", ["FI.1.1", "FS.1.1", "GO.1", "GO.2"], []),
    ("two GO, the larger fits", ["FI.2.1", "FI.2.2", "FS.2.1", "FS.2.2", "GO.1", "GO.2"], []),
    ("two GO, none of which fits", ["FI.1.1", "FS.1.1", "GO.2", "GO.3"], ["120", "122"]),
    ("an older GO of two parts", ["FI.2.1", "FI.2.2", "FS.2.1", "FS.2.2", "GO"], []),
    ("an older GO, a part is missing", ["FI.2.1", "FS.2.1", "GO"], ["120", "122"]),
]


def numbered(short: list[str]) -> list[str]:
    """``FI.2.1`` stands for the full name of part 1 of 2."""
    return [f"{name[:2]}.{STEM}{name[2:]}" for name in short]


@pytest.mark.parametrize(("_what", "names", "codes"), COUNT_MISTAKES)
def test_counts_and_numbers_raise_exactly_their_codes(
    _what: str, names: list[str], codes: list[str]
) -> None:
    assert found(sealed(numbered(names))) == codes


@pytest.mark.parametrize(("total", "code"), [("A", "115"), ("10", "114")])
def test_no_data_is_told_beside_a_wrong_total(total: str, code: str) -> None:
    """One ACRF with all codes, whatever is missing (contract, section 2): no FI at all is 142."""
    assert set(found(sealed([f"GO.{STEM}.{total}"]))) == {code, "142"}


def test_counts_in_intest_ask_for_no_signature() -> None:
    fi1, fi2, fs1, _, go = names_of(TEST_STEM, 2)
    assert found(sealed([fi1, fi2, fs1, go], folder=Folder.INTEST)) == []
    assert found(sealed([fi1, go], folder=Folder.INTEST)) == ["120"]
    assert found(sealed([fs1, go], folder=Folder.INTEST)) == ["142"]


def test_two_go_that_disagree_are_judged_the_same_in_any_order() -> None:
    """Files may come in any order, so the order must not decide between verified and refused."""
    orders = itertools.permutations([FI, FS, GO, f"GO.{STEM}.2"])
    assert len({tuple(sorted(found(sealed(names)))) for names in orders}) == 1


ENDS = ["", *(f".{total}.{part}" for total in "0123A" for part in "0123A"), ".1.", "..1"]
ANY = st.one_of(
    st.builds(
        lambda kind, end: f"{kind}.{STEM}{end}",
        st.sampled_from(["FI", "FS"]),
        st.sampled_from(ENDS),
    ),
    st.sampled_from([f"GO.{STEM}{end}" for end in ("", ".", ".0", ".1", ".2", ".3", ".A")]),
)


@given(
    st.lists(ANY, min_size=1, max_size=8, unique=True).flatmap(
        lambda n: st.tuples(st.just(n), st.permutations(n))
    )
)
def test_the_order_of_the_files_changes_no_code(orders: tuple[list[str], list[str]]) -> None:
    one, other = (sorted(found(sealed(names))) for names in orders)
    assert one == other


@given(st.lists(ANY, min_size=1, max_size=8, unique=True))
def test_what_the_codes_of_number_say_is_so(names: list[str]) -> None:
    """130 and 142 exactly where there is no GO, no FI; 120 and 123 never both, nor 122 and 124."""
    codes = set(found(sealed(names)))
    kinds = {name[:2] for name in names}
    assert ("130" in codes) == ("GO" not in kinds)
    assert ("142" in codes) == ("FI" not in kinds)
    assert not {"120", "142"} <= codes
    assert not {"120", "123"} <= codes
    assert not {"122", "124"} <= codes
