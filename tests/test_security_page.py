"""docs/security.md names every attack once, and for each a test that is there."""

from __future__ import annotations

import ast
import re
import tomllib
from functools import cache
from importlib.metadata import version
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "security.md"
GROUPS = {"T": 14, "F": 16, "L": 13, "U": 4}
IDS = [f"{letter}{number}" for letter, most in GROUPS.items() for number in range(1, most + 1)]
NAMED = re.compile(r"`([\w/.]+\.py)::(\w+)`")
ADVISED = (2, 24, 1)
"""Above CVE-2023-46445, 46446 and 48795 (2.14.2), CVE-2026-54591 and GHSA-qr67-gv47-xwwh (2.23.1),
and the largest packet of size 0 (2.24.0): asyncssh's own list of changes."""


def rows() -> list[list[str]]:
    """The cells of each row of the page that has an attack's number."""
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [row for row in cells if re.fullmatch(r"[A-Z][0-9]+", row[0])]


@cache
def functions(path: Path) -> frozenset[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return frozenset(node.name for node in tree.body if isinstance(node, ast.FunctionDef))


def test_every_attack_has_one_row_in_order() -> None:
    assert [row[0] for row in rows()] == IDS


@pytest.mark.parametrize("number", IDS)
def test_a_row_says_what_happens_and_names_tests_that_exist(number: str) -> None:
    [(_, attack, happens, held)] = [row for row in rows() if row[0] == number]
    assert attack
    assert happens
    named = NAMED.findall(held)
    assert named
    assert re.sub(NAMED, "", held).strip(", ") == "", "something that is no test"
    assert all(name.startswith("test_") for _, name in named)
    missing = [
        f"{path}::{name}"
        for path, name in named
        if not (ROOT / "tests" / path).is_file() or name not in functions(ROOT / "tests" / path)
    ]
    assert missing == []


def test_asyncssh_is_above_its_advisories() -> None:
    """The one that is installed, and the least that may be."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    [floor] = [d for d in project["dependencies"] if d.startswith("asyncssh")]
    assert floor == f"asyncssh>={'.'.join(map(str, ADVISED))}"
    assert tuple(int(n) for n in version("asyncssh").split(".")) >= ADVISED
