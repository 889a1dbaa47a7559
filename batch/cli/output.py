"""What commands print: a table and colour for a person, one JSON document for a machine."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import fields, is_dataclass
from datetime import date, datetime
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from batch.names import BRUSSELS

Json = Annotated[
    bool, typer.Option("--json", help="Print one JSON document on stdout and nothing else.")
]

PIPED_WIDTH = 240
"""Columns of a table that goes into a pipe: no terminal folds it, and ``cut`` can have it."""


class Marked(str):
    """The text of a cell that has a colour on a terminal."""

    style: str

    def __new__(cls, text: str, style: str) -> Marked:
        made = super().__new__(cls, text)
        made.style = style
        return made


def _console(stderr: bool) -> Console:
    shown = Console(stderr=stderr, highlight=False, soft_wrap=True, markup=False)
    if not shown.is_terminal and "COLUMNS" not in os.environ:
        shown.width = PIPED_WIDTH
    return shown


console = _console(stderr=False)
errors = _console(stderr=True)


def plain(value: Any) -> Any:  # noqa: PLR0911 - one line for each kind of value
    """``value`` in JSON's own types: snake_case keys, identifiers and instants as strings."""
    if isinstance(value, Enum):
        return value.value
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (datetime, date)):
        return value.isoformat()
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(item) for item in value]
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, Path) or "__str__" in vars(type(value)):
        return str(value)
    if is_dataclass(value):
        return {f.name: plain(getattr(value, f.name)) for f in fields(value)}
    raise TypeError(f"no JSON for {type(value).__name__}")


def document(value: Any) -> None:
    """Print ``value`` as the one JSON document of this command."""
    typer.echo(json.dumps(plain(value), ensure_ascii=False, indent=2, allow_nan=False))


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table: boxed and coloured on a terminal, plain when piped.

    Columns that hold nothing are left out. Where the widest words do not fit beside one another
    on a terminal, each row becomes a block of lines instead: nothing is broken in the middle.
    """
    cells = [[_cell(cell) for cell in row] for row in rows]
    if not cells:
        console.print(f"{title}: none")
        return
    shown = [i for i in range(len(columns)) if any(row[i] for row in cells)]
    names = [columns[i] for i in shown]
    cells = [[row[i] for i in shown] for row in cells]
    if console.is_terminal and _least_width(names, cells) > console.width:
        _print_blocks(title, names, cells)
        return
    grid = Table(title=title, box=box.ROUNDED if console.is_terminal else box.SIMPLE)
    for name in names:
        grid.add_column(name, overflow="fold")
    for row in cells:
        grid.add_row(*map(_text, row))
    console.print(grid)


def _cell(value: object) -> str:
    """Instants as Brussels shows them, with their offset: one convention on every screen."""
    if isinstance(value, datetime):
        return value.astimezone(BRUSSELS).isoformat(sep=" ", timespec="seconds")
    if isinstance(value, Marked):
        return value
    return "" if value is None else str(value)


def _text(cell: str) -> Text:
    return Text(cell, style=cell.style if isinstance(cell, Marked) else "")


def _least_width(names: Sequence[str], cells: Sequence[Sequence[str]]) -> int:
    """Columns a table needs so that no word is broken: its widest words, borders and padding."""
    width = 1
    for i, name in enumerate(names):
        words = [word for text in (name, *(row[i] for row in cells)) for word in text.split()]
        width += max((len(word) for word in words), default=0) + 3
    return width


def _print_blocks(title: str, names: Sequence[str], cells: Sequence[Sequence[str]]) -> None:
    console.print(Text(title, style="bold"))
    for row in cells:
        block = Table.grid(padding=(0, 2))
        block.add_column(style="dim", no_wrap=True)
        block.add_column(overflow="fold")
        for name, text in zip(names, row, strict=True):
            if text:
                block.add_row(f"  {name}", _text(text))
        console.print(block)
        console.print()
