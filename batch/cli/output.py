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

Json = Annotated[
    bool, typer.Option("--json", help="Print one JSON document on stdout and nothing else.")
]

PIPED_WIDTH = 240
"""Columns of a table that goes into a pipe: no terminal folds it, and ``cut`` can have it."""


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
    """Print a table: boxed and coloured on a terminal, plain when piped."""
    grid = Table(title=title, box=box.ROUNDED if console.is_terminal else box.SIMPLE)
    for column in columns:
        grid.add_column(column, overflow="fold")
    for row in rows:
        grid.add_row(*(Text("" if cell is None else str(cell)) for cell in row))
    console.print(grid)
