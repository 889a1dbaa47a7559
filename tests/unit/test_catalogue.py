"""The catalogue: complete in four languages, with a source and a border for every code."""

from __future__ import annotations

import re

import pytest

from batch import catalogue
from batch.anomalies import Anomaly, Entry, Language, Layer, Severity, reception
from batch.registers import Standing

ENTRIES = catalogue.all_entries()

# Issue of the contract: the codes that can occur at reception, over SFTP or by a service.
AT_RECEPTION = (
    "003 088 089 101 102 103 107 108 109 110 111 112 113 114 115 116 117 118 119 120 121 122 123 "
    "124 125 126 127 128 129 130 131 132 133 134 138 142 144 153 154 155 157 158 163 172 184 205 "
    "230 257 275 277 312 367 427 430"
)
# Codes of the schema and of the rules of domain section 8.
IN_CONTENT = (
    "001 002 003 004 006 008 014 047 090 091 092 093 101 146 155 230 234 241 260 264 272 430 444 "
    "460"
)


def named(found: Entry) -> str:
    return f"{found.layer}-{found.code}"


@pytest.mark.parametrize(
    ("layer", "codes"), [(Layer.RECEPTION, AT_RECEPTION), (Layer.CONTENT, IN_CONTENT)]
)
def test_every_code_that_can_occur_has_its_entry(layer: Layer, codes: str) -> None:
    assert [found.code for found in ENTRIES if found.layer is layer] == codes.split()


@pytest.mark.parametrize("found", ENTRIES, ids=named)
def test_an_entry_speaks_four_languages_in_whole_sentences(found: Entry) -> None:
    for words in (found.text, found.advice):
        assert set(words) == set(Language)
        assert len(set(words.values())) == len(Language)
        for sentence in words.values():
            assert re.fullmatch(r"[A-ZÀÉ].{10,220}\.", sentence), sentence
            assert "|" not in sentence
            assert not re.search(r"\bTODO\b|  | \.", sentence)


@pytest.mark.parametrize("found", ENTRIES, ids=named)
def test_an_entry_says_what_is_wrong_apart_from_what_to_do(found: Entry) -> None:
    assert all(found.text[language] != found.advice[language] for language in Language)


def test_no_two_codes_of_a_layer_say_the_same() -> None:
    for layer in Layer:
        for language in Language:
            texts = [found.text[language] for found in ENTRIES if found.layer is layer]
            assert len(texts) == len(set(texts))


@pytest.mark.parametrize("found", ENTRIES, ids=named)
def test_an_entry_names_its_source_and_draws_its_border(found: Entry) -> None:
    assert found.clause.startswith("annex 30; ")
    assert len(found.border) > 20


@pytest.mark.parametrize("found", ENTRIES, ids=named)
def test_a_border_names_codes_that_exist(found: Entry) -> None:
    """RFC numbers stand in the clause, so three digits in a border are always a code."""
    known = {entry.code for entry in ENTRIES}
    assert set(re.findall(r"\b[0-9]{3}\b", found.border)) <= known


@pytest.mark.parametrize("verdict", [s for s in Standing if s is not Standing.MAY_SPEAK])
def test_every_refusal_of_a_mandate_is_in_both_layers(verdict: Standing) -> None:
    for layer in Layer:
        assert catalogue.entry(layer, verdict).severity is Severity.BLOCKING


@pytest.mark.parametrize(
    ("zone", "code", "expected"),
    [
        ("00024", "004", Severity.BLOCKING),
        ("FLA01", "006", Severity.BLOCKING),
        ("FLB01", "272", Severity.BLOCKING),
        ("FLB04", "272", Severity.WARNING),
        ("FLB05", "444", Severity.WARNING),
        ("FLA15", "047", Severity.WARNING),
        ("FLB04", "460", Severity.WARNING),
        ("FLA15", "260", Severity.BLOCKING),
        ("ACRF", "125", Severity.BLOCKING),
    ],
)
def test_severity_goes_by_zone(zone: str, code: str, expected: Severity) -> None:
    assert catalogue.severity(zone, code) is expected


@pytest.mark.parametrize(
    ("language", "expected"),
    [
        (Language.NL, "INSZ: Het controlegetal van het nummer klopt niet."),
        (Language.FR, "NISS: Le nombre de contrôle du numéro n'est pas correct."),
        (Language.DE, "ENSS: Die Kontrollzahl der Nummer stimmt nicht."),
        (Language.EN, "INSS: The check digits of the number are wrong."),
    ],
)
def test_a_content_anomaly_names_its_zone(language: Language, expected: str) -> None:
    anomaly = Anomaly("00024", "004", value="85073003329")
    assert catalogue.text(anomaly, language) == expected
    assert (
        catalogue.advice(anomaly, language)
        == (catalogue.entry(Layer.CONTENT, "004").advice[language])
    )


def test_an_unknown_zone_is_left_out() -> None:
    assert catalogue.text(Anomaly("99999", "001"), Language.EN) == "The mandatory value is missing."


def test_a_reception_anomaly_has_no_zone() -> None:
    text = catalogue.text(reception("125", "The digest differs."), Language.EN)
    assert text == "The signature is not valid or does not fit the FI file."


def test_a_code_the_catalogue_lacks_is_a_fault() -> None:
    with pytest.raises(KeyError):
        catalogue.entry(Layer.RECEPTION, "999")


def test_the_same_code_may_mean_a_layer_apart() -> None:
    doctype, value = (catalogue.entry(layer, "003") for layer in Layer)
    assert "DOCTYPE" in doctype.text[Language.EN]
    assert "DOCTYPE" not in value.text[Language.EN]


def test_a_zone_has_a_name_in_four_languages() -> None:
    for known in catalogue.all_zones():
        assert re.fullmatch(r"[0-9]{5}|FL[AB][0-9]{2}", known.number)
        assert set(known.label) == set(Language)
        assert all(known.label.values())
        assert catalogue.zone(known.number) == known


def test_the_page_holds_every_entry_and_zone() -> None:
    page = catalogue.document()
    for found in ENTRIES:
        for words in (found.text, found.advice):
            assert all(sentence in page for sentence in words.values())
    assert all(f"| {known.number} | `{known.element}` |" in page for known in catalogue.all_zones())
    assert "Class B; W in FLB04." in page
