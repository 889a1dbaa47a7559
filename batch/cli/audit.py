"""Commands about the chain of verdicts: walk it, list it, take it away as lines."""

from __future__ import annotations

import json as json_module
from typing import Annotated

import typer

from batch.cli import output
from batch.errors import OperatorError
from batch.storage import audit as storage_audit
from batch.storage.audit import Line, Walked
from batch.storage.database import Database
from batch.storage.instance import Instance

audit = typer.Typer(
    no_args_is_help=True, help="The chain of verdicts: walk it, list it, take it away as lines."
)


def add_to(app: typer.Typer) -> None:
    """Register this module's commands."""
    app.add_typer(audit, name="audit")


@audit.command()
def verify(
    context: typer.Context,
    head: Annotated[
        list[str] | None,
        typer.Option(
            help="A digest that must stand in one of the chains: from the log, or an archive of "
            "evidence. May be given again.",
            metavar="SHA256",
        ),
    ] = None,
    json: output.Json = False,
) -> None:
    """Recompute every link of both chains and compare it with the rows; exit 1 at a break.

    The first break is told by its position and the stem of its set. Who can change the database can
    write a new chain: compare its head with one that lies elsewhere, by --head.
    """
    wanted = [text.replace(":", "").lower() for text in head or []]
    walked = [
        storage_audit.walk(engine, environment, wanted)
        for environment, engine in _databases(Instance.open(context.obj))
    ]
    lost = [h for h in wanted if not any(h in one.heads for one in walked)]
    if json:
        output.document({"chains": walked, "heads_not_found": lost})
    else:
        columns = ("chain", "links", "head", "whole", "first break")
        output.table("Chains of verdicts", columns, [_walked(one) for one in walked])
        for text in lost:
            output.errors.print(f"{text}: stands in no chain here")
    if lost or any(one.broken is not None for one in walked):
        raise typer.Exit(1)


@audit.command("list")
def list_links(
    context: typer.Context,
    limit: Annotated[int, typer.Option(help="At most this many.", metavar="N")] = 1000,
    json: output.Json = False,
) -> None:
    """The newest links of both chains first: what was decided, about which set."""
    if limit < 1:
        raise OperatorError(f"--limit {limit}: give 1 or more")
    found = [
        line
        for environment, engine in _databases(Instance.open(context.obj))
        for line in storage_audit.latest(engine, environment, limit)
    ]
    found = sorted(found, key=lambda line: str(line.body.get("at", "")), reverse=True)[:limit]
    if json:
        output.document(found)
        return
    columns = ("chain", "position", "at", "set", "state", "codes", "answer", "digest")
    output.table("Links", columns, [_listed(line) for line in found])


@audit.command()
def export(context: typer.Context) -> None:
    """Every link of both chains, oldest first, one JSON object on each line.

    SHA-256 over "before", a line feed, "body" and a line feed is "digest".
    """
    for environment, engine in _databases(Instance.open(context.obj)):
        for line in storage_audit.lines(engine, environment):
            typer.echo(json_module.dumps(output.plain(line), ensure_ascii=True))


def _databases(instance: Instance) -> tuple[tuple[str, Database], ...]:
    return ("production", instance.production), ("test", instance.test)


def _walked(one: Walked) -> tuple[object, ...]:
    broken = one.broken
    where = None
    if broken is not None:
        where = f"position {broken.position} {broken.stem or ''}: {broken.words}"
    return (one.environment, one.links, one.head, "no" if broken else "yes", where)


def _listed(line: Line) -> tuple[object, ...]:
    body = line.body
    answer = body.get("answer") or {}
    codes = " ".join(body.get("codes", []))
    facts = (body.get("at"), line.stem, body.get("state", "begin of the chain"))
    return (line.environment, line.position, *facts, codes, answer.get("stem"), line.digest)
