"""What docs/clients.md promises: its table, and the command lines of each client."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"
PROGRAMS = DOCS / "clients"
"""The small programs that go with the page."""

BLOCK = re.compile(r"<!-- ([a-z ]+) -->\n```sh\n(.*?)```\n", re.DOTALL)
ROW = re.compile(r"^\| \[([^]]+)\]\(#([^)]+)\) \| (.+) \|$", re.MULTILINE)
HEAD = re.compile(r"^<!-- table -->\n\| client \| (.+) \|$", re.MULTILINE)


@dataclass(frozen=True)
class Page:
    """``table``: what each client is said to do, by column. ``blocks``: its lines, by title."""

    table: dict[str, dict[str, str]]
    anchors: dict[str, str]
    begin: str
    blocks: dict[str, dict[str, str]]

    def script(self, client: str, title: str) -> str:
        """All that a sender has typed when the lines of ``title`` have run."""
        blocks = self.blocks[client]
        return self.begin + blocks.get("first", "") + blocks[title]


@cache
def clients() -> Page:
    """The page as it is written."""
    text = (DOCS / "clients.md").read_text("utf-8")
    head = HEAD.search(text)
    assert head, "the page has no table"
    columns = head[1].split(" | ")
    rows = ROW.findall(text)
    table = {name: dict(zip(columns, said.split(" | "), strict=True)) for name, _, said in rows}
    sections = dict(part.partition("\n")[::2] for part in text.split("\n## ")[1:])
    begin = BLOCK.findall(sections["Before you begin"])
    assert [title for title, _ in begin] == ["begin"]
    blocks = {name: dict(BLOCK.findall(sections[name])) for name in table}
    return Page(table, {name: anchor for name, anchor, _ in rows}, begin[0][1], blocks)
