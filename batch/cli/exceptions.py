"""``channel sha1``: what a channel may do for a while against the rules."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer

from batch.cli import output
from batch.cli.values import day, instant, parsed
from batch.errors import OperatorError
from batch.identifiers import SenderNumber
from batch.registers import SHA1, Channel, Exemption, Interval
from batch.storage.instance import Instance
from batch.storage.registers_admin import RegistersAdmin

Sender = Annotated[str, typer.Argument(help="Sender number, like 000001.", metavar="SENDER")]
Until = Annotated[
    str | None,
    typer.Option("--until", help="Last day, like 2026-12-31, within a year.", metavar="DATE"),
]
Reason = Annotated[str | None, typer.Option("--reason", help="Why; it is kept.", metavar="TEXT")]


def add_to(group: typer.Typer, describe: Callable[[Channel], dict[str, Any]]) -> None:
    """Register this module's command in the group ``channel``; ``describe`` tells of one."""

    @group.command("sha1")
    def channel_sha1(
        context: typer.Context,
        sender: Sender,
        until: Until = None,
        reason: Reason = None,
        off: Annotated[bool, typer.Option("--off", help="End it now.")] = False,
        json: output.Json = False,
    ) -> None:
        """Take signatures with SHA-1 of this channel, up to a day and for a reason.

        Never on by itself. SHA-1 is broken: who chooses what is signed can make two files for one
        signature. Each use is told in the log and in submission show. MD5 is never taken.
        """
        number = parsed("SENDER", SenderNumber.parse, sender)
        registers = RegistersAdmin(Instance.open(context.obj).production)
        now = datetime.now(UTC)
        if off and until is None and reason is None:
            changed = registers.end_exception(number, SHA1, now)
            said = f"signatures with SHA-1 of channel {number} are no longer taken"
        elif until is not None and reason is not None and not off:
            wanted = Exemption(SHA1, reason, Interval(now, _end_of(until)))
            changed = registers.set_exception(number, wanted, now)
            said = (
                f"signatures with SHA-1 of channel {number} are taken up to {until}, that included"
            )
        else:
            raise OperatorError("sha1: give --until DATE and --reason TEXT, or --off alone")
        output.document(describe(changed)) if json else typer.echo(said)


def _end_of(text: str) -> datetime:
    """The end of a day of Brussels."""
    try:
        after = day("--until", text) + timedelta(days=1)
    except OverflowError:
        raise OperatorError(f"--until {text!r}: give a day within a year") from None
    return instant("--until", after.isoformat())
