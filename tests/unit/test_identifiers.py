"""The numbers of the field: what is one, what is none, and that none shows an INSS."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stdnum.be import ssn

from batch.identifiers import (
    EnterpriseNumber,
    Inss,
    InvalidIdentifier,
    NssoNumber,
    Quarter,
    SenderNumber,
    base36,
)

# Domain section 3.1: births before and after 2000, BIS numbers with and without known sex.
RIGHT_INSS = [
    "85073003328",
    "17073003384",
    "98472899765",
    "01490700185",
    "93051822361",
    "77101500172",
    "01051212585",
    "90010100123",
    "00410100191",
]


@pytest.mark.parametrize("text", RIGHT_INSS)
def test_an_inss_is_read_with_and_without_its_marks(text: str) -> None:
    marked = f"{text[:2]}.{text[2:4]}.{text[4:6]}-{text[6:9]}.{text[9:]}"
    assert Inss.parse(text) == Inss.parse(marked) == Inss(text)
    assert str(Inss.parse(text)) == text


@pytest.mark.parametrize("text", ["01014900147", "0", "", "8507300332", "850730033280"])
def test_no_inss(text: str) -> None:
    with pytest.raises(InvalidIdentifier):
        Inss.parse(text)


def checks(front: int) -> set[int]:
    """The check digits of the first nine digits: born before 2000, and from 2000 on."""
    return {97 - front % 97, 97 - (front + 2_000_000_000) % 97}


@given(st.integers(0, 10**9 - 1), st.integers(0, 1))
def test_an_inss_is_right_where_stdnum_says_so(front: int, century: int) -> None:
    text = f"{front:09d}{97 - (front + century * 2_000_000_000) % 97:02d}"
    try:
        found = Inss.parse(text)
    except InvalidIdentifier:
        assert not ssn.is_valid(text)
    else:
        assert (str(found), ssn.is_valid(text)) == (text, True)


@given(st.integers(0, 10**11 - 1))
def test_an_inss_whose_digits_check_in_no_century_is_refused(number: int) -> None:
    if number % 100 not in checks(number // 100):
        with pytest.raises(InvalidIdentifier):
            Inss.parse(f"{number:011d}")


@given(
    st.dates(date(1900, 1, 1), date(2024, 12, 31)),
    st.integers(1, 998),
    st.sampled_from([0, 20, 40]),
)
def test_any_birth_may_have_an_inss_or_a_bis_number(birth: date, order: int, bis: int) -> None:
    front = f"{birth:%y}{birth.month + bis:02d}{birth:%d}{order:03d}"
    number = int(front) + 2_000_000_000 * (birth.year >= 2000)
    text = f"{front}{97 - number % 97:02d}"
    assert str(Inss.parse(text)) == text


@pytest.mark.parametrize("front", ["850000033", "850700033", "000001001", "850001033", "854000033"])
def test_an_inss_may_lack_its_date(front: str) -> None:
    """Month or day 00: the date is unknown, or its counter is used up (domain section 3.1)."""
    Inss.parse(f"{front}{97 - int(front) % 97:02d}")


@given(st.sampled_from(["0477472701", "0123456749"]), st.integers(0, 9), st.integers(1, 9))
def test_one_wrong_digit_of_an_enterprise_number_is_noticed(
    text: str, place: int, shift: int
) -> None:
    digit = (int(text[place]) + shift) % 10
    with pytest.raises(InvalidIdentifier):
        EnterpriseNumber.parse(f"{text[:place]}{digit}{text[place + 1 :]}")


@given(st.integers(0, 999_999_999))
def test_check_digits_decide_the_century(front: int) -> None:
    """2,000,000,000 modulo 97 is 68, so the same front never checks in both centuries."""
    assert len(checks(front)) == 2


@pytest.mark.parametrize("text", ["01014900147", "85073003329", "8507300332x"])
def test_a_wrong_inss_does_not_show_in_the_fault(text: str) -> None:
    with pytest.raises(InvalidIdentifier) as caught:
        Inss.parse(text)
    assert text not in str(caught.value)
    assert text[2:9] not in str(caught.value)


def test_an_inss_is_masked_in_repr_and_in_collections() -> None:
    person = Inss.parse("85073003328")
    assert repr(person) == "Inss(85*********)"
    assert "073003328" not in f"{[person]} { ({'who': person}) } {person!r}"


@pytest.mark.parametrize(
    "text", ["0477472701", "0123456749", "1999999943", "1000000021", "0999999922"]
)
def test_an_enterprise_number_is_read_with_and_without_its_dots(text: str) -> None:
    dotted = f"{text[:4]}.{text[4:7]}.{text[7:]}"
    assert EnterpriseNumber.parse(text) == EnterpriseNumber.parse(dotted)
    assert str(EnterpriseNumber.parse(text)) == text


def test_an_enterprise_number_of_nine_digits_is_the_same_number() -> None:
    assert EnterpriseNumber.parse("477472701") == EnterpriseNumber.parse("0477472701")


@pytest.mark.parametrize("text", ["0123456789", "12345678", "04774727010", "", "0", "047747270x"])
def test_no_enterprise_number(text: str) -> None:
    with pytest.raises(InvalidIdentifier):
        EnterpriseNumber.parse(text)


@pytest.mark.parametrize(
    "text", ["2000000042", "2000000141", "8999999993", "8999999104", "8999999302", "8999999401"]
)
def test_an_establishment_unit_is_no_enterprise(text: str) -> None:
    """The check is the same for both (domain section 3.2): the first digit tells them apart."""
    with pytest.raises(InvalidIdentifier):
        EnterpriseNumber.parse(text)


@pytest.mark.parametrize("text", ["199999934", "100006", "130387593", "125482497"])
def test_an_nsso_number_is_read(text: str) -> None:
    assert str(NssoNumber.parse(text)) == text
    assert NssoNumber.parse(text.zfill(10)) == NssoNumber.parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "123456789",  # the check fails
        "99909",  # too short
        "100005",  # below the definitive range
        "200000031",  # above it, though its check is right
        "0",
        "",
        "19999993x",
    ],
)
def test_no_nsso_number(text: str) -> None:
    with pytest.raises(InvalidIdentifier):
        NssoNumber.parse(text)


@given(st.integers(100006, 199999934))
def test_an_nsso_number_plus_one_is_divisible_by_97(number: int) -> None:
    if (number + 1) % 97 == 0:
        assert NssoNumber.parse(str(number)).digits == str(number)
    else:
        with pytest.raises(InvalidIdentifier):
            NssoNumber.parse(str(number))


@given(st.integers(1, 999998))
def test_a_sender_number_is_six_digits(number: int) -> None:
    assert str(SenderNumber.parse(str(number))) == f"{number:06d}"


@pytest.mark.parametrize("text", ["0", "000000", "999999", "1000000", "12345x", "", "-1"])
def test_no_sender_number(text: str) -> None:
    with pytest.raises(InvalidIdentifier):
        SenderNumber.parse(text)


@pytest.mark.parametrize("parse", [Inss.parse, EnterpriseNumber.parse, SenderNumber.parse])
@pytest.mark.parametrize("text", ["٨٥٠٧٣٠٠٣٣٢٨", "٠٤٧٧٤٧٢٧٠١", "１２３４５６"])
def test_digits_of_other_scripts_are_no_digits(parse: type[Inss], text: str) -> None:
    with pytest.raises(InvalidIdentifier):
        parse(text)


@given(st.dates(date(2000, 1, 1), date(2099, 12, 31)))
def test_a_quarter_is_three_months(day: date) -> None:
    quarter = Quarter.of(day)
    assert Quarter.parse(str(quarter)) == quarter
    assert quarter.year == day.year
    assert 3 * quarter.number - 2 <= day.month <= 3 * quarter.number
    assert Quarter.of(day + timedelta(days=93)) > quarter


@pytest.mark.parametrize("text", ["2026Q0", "2026Q5", "26Q1", "2026", "Q1", "2026Q11", ""])
def test_no_quarter(text: str) -> None:
    with pytest.raises(InvalidIdentifier):
        Quarter.parse(text)


@given(st.integers(0, 36**5 - 1))
def test_base36_gives_the_number_back_at_its_width(number: int) -> None:
    text = base36(number, 5)
    assert len(text) == 5
    assert int(text, 36) == number


@pytest.mark.parametrize(("number", "width"), [(36**5, 5), (36, 1), (1, 0)])
def test_base36_does_not_cut(number: int, width: int) -> None:
    with pytest.raises(OverflowError):
        base36(number, width)
