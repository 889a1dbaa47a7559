"""``fla-batch anomaly CODE``: all that the catalogue knows of a code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from batch import catalogue
from batch.anomalies import Entry, Language, Layer
from tests.acceptance.instance import Instance, Shell


def _asked(entry: Entry) -> str:
    """As it stands in an answer: ACRF-125, or a zone's code."""
    return f"{'ACRF' if entry.layer is Layer.RECEPTION else '00024'}-{entry.code}"


@pytest.mark.parametrize("entry", catalogue.all_entries(), ids=_asked)
def test_every_code_is_told_with_class_layer_border_and_clause(
    shell: Shell, tmp_path: Path, entry: Entry
) -> None:
    instance = Instance(tmp_path, shell)
    [told] = instance.json("anomaly", _asked(entry))
    assert told == {
        "code": entry.code,
        "layer": entry.layer,
        "severity": entry.severity,
        "text": {language.value: entry.text[language] for language in Language},
        "advice": {language.value: entry.advice[language] for language in Language},
        "clause": entry.clause,
        "border": entry.border,
    }
    shown = instance.command("anomaly", _asked(entry)).done().out
    line = re.sub(r"\s+", " ", shown)
    assert f"{entry.code}, {entry.layer}, class {entry.severity} ({entry.clause})" in line
    assert f"Border: {entry.border}" in line
    said = " ".join([*entry.text.values(), *entry.advice.values()])
    assert set(said.split()) <= set(shown.split())  # a cell may take two lines


def test_a_code_without_its_layer_is_told_for_both(shell: Shell, tmp_path: Path) -> None:
    found = Instance(tmp_path, shell).json("anomaly", "155")
    assert [told["layer"] for told in found] == ["reception", "content"]
