"""What the pages say is there: links, commands, and nothing of the machine they were written on."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer.main

from batch.cli.main import app
from batch.permissions import Operation, Spot, forbidden
from batch.sftp_server import home

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
LINK = re.compile(r"\]\(([^)#]+)(?:#[^)]*)?\)")
COMMAND = re.compile(r"fla-batch (?:--data \S+ )?([a-z-]+)(?: ([a-z][a-z0-9-]*))?")


def _ids(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=_ids)
def test_links_lead_somewhere(page: Path) -> None:
    targets = [t for t in LINK.findall(page.read_text(encoding="utf-8")) if "://" not in t]
    assert [t for t in targets if not (page.parent / t).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=_ids)
def test_commands_named_in_the_pages_exist(page: Path) -> None:
    groups = _commands()
    unknown = []
    for name, second in COMMAND.findall(page.read_text(encoding="utf-8")):
        if name not in groups:
            unknown.append(name)
        elif groups[name] and second and second not in groups[name]:
            unknown.append(f"{name} {second}")
    assert unknown == []


def test_every_command_is_told_to_somebody() -> None:
    """Each command and subcommand stands in a page for the one who needs it."""
    told = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    missing = [
        f"{name} {sub}".strip()
        for name, subs in _commands().items()
        for sub in (subs or ("",))
        if not re.search(rf"{name}[^\n]*\b{sub}" if sub else rf"\b{name}\b", told)
    ]
    assert missing == []


def test_every_refusal_of_the_table_is_explained_below_it() -> None:
    page = (ROOT / "docs" / "permissions.md").read_text(encoding="utf-8")
    rows = [line for line in page.splitlines() if line.startswith("| ")]
    sentences = dict(re.findall(r"^(\d+)\. (.+)$", page, re.MULTILINE))
    assert len(rows) == 2 + len(Operation)
    assert {row.count("|") for row in rows} == {len(Spot) + 2}
    assert set(re.findall(r"\((\d+)\)", "".join(rows))) == set(sentences)
    for operation, row in zip(Operation, rows[2:], strict=True):
        for spot, cell in zip(Spot, row.strip("| ").split(" | ")[1:], strict=True):
            found = forbidden(operation, spot)
            number = re.search(r"\d+", cell)
            assert (cell == "yes") is (found is None)
            assert (found is not None and spot is not Spot.NOWHERE) is (number is not None)
            assert found is None or number is None or sentences[number[0]] == found.text
    assert all(f"- {text}\n" in page for text in (home.ONLY_FOUR, home.BAD_NAME, home.BAD_TEXT))


def _commands() -> dict[str, tuple[str, ...]]:
    root = typer.main.get_group(app)
    context = typer.Context(root)
    found: dict[str, tuple[str, ...]] = {}
    for name in root.list_commands(context):
        found[name] = tuple(getattr(root.get_command(context, name), "commands", {}))
    assert found
    return found
