"""Commands on the trust: ``trust add``, ``trust list``."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from batch.cli import output, rollover
from batch.cli.registers import admin_of
from batch.cli.values import read_file
from batch.names import BRUSSELS
from batch.storage.instance import Instance
from batch.storage.register_files import Trusted, TrustKind

TRUST_LIMIT = 64_000_000
"""Bytes; a revocation list of a national CA reaches tens of megabytes."""

trust = typer.Typer(
    help="Trust: the authorities whose certificates may sign, and their revocation lists.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


def add_to(app: typer.Typer) -> None:
    """Register this module's group."""
    app.add_typer(trust, name="trust")


@trust.command("add")
def trust_add(
    context: typer.Context,
    file: Annotated[str, typer.Argument(help="CA certificates or CRLs.", metavar="FILE")],
    intermediate: Annotated[
        bool,
        typer.Option(
            "--intermediate", help="CAs between a signer and a trusted CA, not trusted themselves."
        ),
    ] = False,
    json: output.Json = False,
) -> None:
    """Trust the CA certificates and revocation lists in a file: PEM, one or more, or DER.

    A CA that was added with --intermediate becomes trusted when it is added without.
    """
    data = read_file("trust FILE", file, TRUST_LIMIT)
    admin = admin_of(Instance.open(context.obj))
    added = admin.add_trust(data, datetime.now(UTC), intermediate=intermediate)
    if json:
        output.document([_facts(entry) for entry in added])
    for entry in () if json else added:
        word = "known" if entry.kind is TrustKind.INTERMEDIATE else "trusted"
        typer.echo(f"{word}: {entry.kind} {entry.subject}")


@trust.command("list")
def trust_list(context: typer.Context, json: output.Json = False) -> None:
    """List the trusted and the intermediate CA certificates, and the revocation lists."""
    rows = [_facts(e) for e in admin_of(Instance.open(context.obj)).trusted()]
    if json:
        output.document(rows)
        return
    names = [name for name in (rows[0] if rows else ()) if name != "warning"]
    cells = [[rollover.coloured(row, n) or _cell(row[n]) for n in names] for row in rows]
    output.table("Trust", [name.replace("_", " ") for name in names], cells)


def _facts(entry: Trusted) -> dict[str, Any]:
    names = ("kind", "subject", "fingerprint", "added_at")
    facts = {name: getattr(entry, name) for name in names}
    return facts | rollover.of_trust(entry, datetime.now(UTC))


def _cell(value: object) -> str:
    if isinstance(value, datetime):
        return value.astimezone(BRUSSELS).isoformat(sep=" ", timespec="seconds")
    return "" if value is None else str(value)
