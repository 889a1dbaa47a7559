"""``fla-batch demo``: the whole way once, on a temporary instance, told on the screen."""

from __future__ import annotations

import io
import json
import shlex
import shutil
import signal
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, redirect_stdout
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import click
import typer
from rich.markup import escape

from batch.cli import output, screenplay
from batch.demo import cast as casting
from batch.demo import channel, proof, transfer
from batch.demo.cast import Cast
from batch.demo.outcome import Came
from batch.demo.play import Stage
from batch.demo.story import EMPLOYER, HOURS_LEFT, UNTOUCHED, WORKER, steps
from batch.errors import OperatorError
from batch.names import brussels_day
from batch.settings import Settings


def add_to(app: typer.Typer) -> None:
    """Register this module's command."""
    app.command()(demo)


def demo(
    context: typer.Context,
    keep: Annotated[
        Path | None,
        typer.Option("--keep", metavar="DIR", help="Leave everything in DIR, which must be new."),
    ] = None,
    json: output.Json = False,
) -> None:
    """Play the whole way on a temporary instance: real server, real SFTP, signed answers.

    Exit 0 when everything came out as told, else 1; without --keep nothing is left behind.
    """
    given: Settings = context.obj
    tell = screenplay.Silent() if json else screenplay.Screen()
    with _interrupted_once(), _home(keep) as home:
        ...
