"""``fla-batch``: puts the commands together and turns faults into exit codes.

Exit 0 done, 1 refused or failed (a bad value included), 2 wrong syntax only.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from typer._click import exceptions as syntax  # typer shows no public name for these

from batch import __version__, settings
from batch.cli import demonstration, operate, registers, sender
from batch.errors import Fault

app = typer.Typer(
    name="fla-batch",
    help="An SFTP channel for signed batches: proves who sent them, checks them, stores them once, "
    "and answers every one of them.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.add_typer(registers.enterprise, name="enterprise")
app.add_typer(registers.channel, name="channel")
app.add_typer(registers.mandate, name="mandate")
app.add_typer(registers.trust, name="trust")
operate.add_to(app)
sender.add_to(app)
demonstration.add_to(app)


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
