"""The catalogue of anomalies: every code we may answer, with its severity, words and source.

The words stand in two data files beside this module, one per layer, so that a translator can
read and mend them. They are read once, at first use, and checked as they are read. Facts on the
codes: annex 30 of the social security (version 2022/1); on the FLA's rules: domain, section 8.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any

from batch.anomalies import Anomaly, Entry, Language, Layer, Severity

RECEPTION_ZONE = "ACRF"
"""What stands in front of a reception code in an ErrorID (protocol section 5.1)."""


@dataclass(frozen=True, slots=True)
class Zone:
    """A zone or block of the FLA message: its number, its element, its name per language."""

    number: str
    element: str
    label: dict[Language, str]


def entry(layer: Layer, code: str) -> Entry:
    """The entry of ``code`` in ``layer``. Raises KeyError for a code the catalogue lacks."""
    return _entries()[layer, code]


def all_entries() -> tuple[Entry, ...]:
    """Every entry: reception first, then content, by code."""
    return tuple(_entries().values())


def zone(number: str) -> Zone | None:
    """The zone or block of the FLA message with this number; None when there is none."""
    return _zones().get(number)


def all_zones() -> tuple[Zone, ...]:
    """Every zone and block of the FLA message, by number."""
    return tuple(_zones().values())


def severity(zone_number: str, code: str) -> Severity:
    """How heavy ``code`` weighs in this zone (``ACRF`` for reception); in some zones it only warns.

    Raises KeyError for a code the catalogue lacks.
    """
    layer = Layer.RECEPTION if zone_number == RECEPTION_ZONE else Layer.CONTENT
    if layer is Layer.CONTENT and zone_number in _warned_zones().get(code, frozenset()):
        return Severity.WARNING
    return entry(layer, code).severity


def text(anomaly: Anomaly, language: Language) -> str:
    """What is wrong, in ``language``: ``INSS: The check digits of the number are wrong.``

    A zone the FLA does not know is left out. Raises KeyError for a code the catalogue lacks.
    """
    sentence = entry(anomaly.layer, anomaly.code).text[language]
    known = zone(anomaly.zone)
    return sentence if known is None else f"{known.label[language]}: {sentence}"


def advice(anomaly: Anomaly, language: Language) -> str:
    """What to do about it, in ``language``. Raises KeyError for a code the catalogue lacks."""
    return entry(anomaly.layer, anomaly.code).advice[language]


def _read(layer: Layer) -> dict[str, Any]:
    name = f"catalogue_{layer}.toml"
    return tomllib.loads(files("batch").joinpath(name).read_text("utf-8"))


@cache
def _content() -> Mapping[str, Any]:
    return _read(Layer.CONTENT)


@cache
def _entries() -> Mapping[tuple[Layer, str], Entry]:
    found = {Layer.RECEPTION: _read(Layer.RECEPTION), Layer.CONTENT: _content()["code"]}
    return MappingProxyType(
        {
            (layer, code): _entry(layer, code, found[layer][code])
            for layer in Layer
            for code in sorted(found[layer])
        }
    )


def _entry(layer: Layer, code: str, fields: Mapping[str, Any]) -> Entry:
    return Entry(
        code=code,
        layer=layer,
        severity=Severity(fields.get("severity", Severity.BLOCKING)),
        text={language: fields[language][0] for language in Language},
        advice={language: fields[language][1] for language in Language},
        clause=fields["clause"],
        border=fields["border"],
    )


@cache
def _warned_zones() -> Mapping[str, frozenset[str]]:
    return {c: frozenset(f.get("warning_in", ())) for c, f in _content()["code"].items()}


@cache
def _zones() -> Mapping[str, Zone]:
    found: dict[str, dict[str, str]] = _content()["zone"]
    return MappingProxyType(
        {
            number: Zone(number, names["element"], {lang: names[lang] for lang in Language})
            for number, names in sorted(found.items())
        }
    )


# The catalogue as a page: docs/anomalies.md is this text, and a test compares them.

_HEADINGS = {
    Layer.RECEPTION: (
        "Reception: the ACRF",
        "Such a code stands in an ACRF as `ACRF-nnn`. One of them that blocks refuses the whole "
        "set.",
    ),
    Layer.CONTENT: (
        "Content: the NOTI",
        "Such a code stands in a NOTI as `zone-nnn`, beside the form it is about. One of them that "
        "blocks refuses that form and no other.",
    ),
}


def document() -> str:
    """The whole catalogue as Markdown, for ``docs/anomalies.md``."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield "# Anomalies"
    yield ""
    yield (
        "Every code the channel may answer, what it means and what to do about it. This page is "
        "made from the catalogue by `make docs`; do not edit it by hand. Class B blocks, class W "
        "only warns."
    )
    for layer, (heading, introduction) in _HEADINGS.items():
        yield from ("", f"## {heading}", "", introduction)
        for found in all_entries():
            if found.layer is layer:
                yield from _section(found)
    yield from ("", "## Zones of the FLA message", "")
    yield "| zone | element | NL | FR | DE | EN |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for known in all_zones():
        labels = " | ".join(known.label[language] for language in Language)
        yield f"| {known.number} | `{known.element}` | {labels} |"


def _section(found: Entry) -> Iterator[str]:
    warned = ", ".join(sorted(_warned_zones().get(found.code, ())))
    only_warns = f"; W in {warned}" if warned and found.layer is Layer.CONTENT else ""
    prefix = "ACRF-" if found.layer is Layer.RECEPTION else ""
    yield from ("", f"### {prefix}{found.code}", "")
    yield f"Class {found.severity}{only_warns}. Source: {found.clause}. Border: {found.border}."
    yield ""
    yield "| | what is wrong | what to do about it |"
    yield "| --- | --- | --- |"
    for language in Language:
        yield f"| {language.upper()} | {found.text[language]} | {found.advice[language]} |"
