"""``fla-batch``: puts the commands together and turns faults into exit codes.

Exit 0 done, 1 refused or failed (a bad value included), 2 wrong syntax only.
"""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer
import typer.main
from typer._click import core as syntax_core  # typer shows no public name for these two
from typer._click import exceptions as syntax
from typer.core import TyperGroup

from batch import __version__, settings
from batch.errors import Fault

PLACES = {
    "init": "operate",
    "serve": "operate",
    "demo": "demonstration",
    "enterprise": "registers",
    "channel": "registers",
    "mandate": "registers",
    "trust": "trust",
    "service": "services",
    "host-key": "host_keys",
    "submission": "operate",
    "answer": "answers",
    "evidence": "evidence",
    "audit": "audit",
    "account": "operate",
    "anomaly": "operate",
    "check": "checking",
    "sign": "sender",
    "send": "sender",
}
"""Each command, in the order of the help, and the module it lives in."""


class Commands(TyperGroup):
    """Loads a command's module when it is asked for: most need a tenth of the libraries."""

    def list_commands(self, ctx: syntax_core.Context) -> list[str]:
        return list(PLACES)

    def get_command(self, ctx: syntax_core.Context, cmd_name: str) -> syntax_core.Command | None:
        if cmd_name not in PLACES:
            return None
        part = typer.Typer(rich_markup_mode=None)
        import_module(f"batch.cli.{PLACES[cmd_name]}").add_to(part)
        part.callback()(lambda: None)  # one command alone is a group too
        return typer.main.get_group(part).commands[cmd_name]


app = typer.Typer(
    name="fla-batch",
    cls=Commands,
    help="An SFTP channel for signed batches: proves who sent them, checks them, stores them once, "
    "and answers every one of them.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"fla-batch {__version__}")
        raise typer.Exit()


@app.callback()
def main(
    context: typer.Context,
    data: Annotated[
        Path | None,
        typer.Option("--data", help="The instance's directory (or FLA_BATCH_DATA).", metavar="DIR"),
    ] = None,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Everything after --data names what to do."""
    context.obj = settings.load(data=data)


_INTERRUPTED = 130  # what typer makes of Ctrl-C; the contract knows 0, 1 and 2


def run(arguments: list[str] | None = None) -> None:
    """The console script: run, and leave with 0, 1 or 2; never with a traceback."""
    command = typer.main.get_command(app)
    try:
        code = command.main(args=arguments, prog_name="fla-batch", standalone_mode=False)
    except syntax.MissingParameter as error:
        error.show()
        sys.exit(2)
    except syntax.BadParameter as error:
        error.show()
        sys.exit(1)
    except syntax.UsageError as error:
        error.show()
        sys.exit(2)
    except syntax.ClickException as error:
        error.show()
        sys.exit(1)
    except (Fault, OSError) as error:
        typer.echo(f"fla-batch: {error}", err=True)
        sys.exit(1)
    except (typer.Abort, KeyboardInterrupt):
        typer.echo("fla-batch: interrupted", err=True)
        sys.exit(1)
    if code == _INTERRUPTED:
        typer.echo("fla-batch: interrupted", err=True)
        sys.exit(1)
    sys.exit(code if isinstance(code, int) else 0)
