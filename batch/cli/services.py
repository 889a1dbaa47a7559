"""Commands on the services of this channel."""

from __future__ import annotations

import typer

from batch.cli import output
from batch.routed import FLA
from batch.settings import Settings
from batch.storage import handover_rows
from batch.storage.instance import Instance
from batch.worker.serving import descriptions

service = typer.Typer(
    no_args_is_help=True, help="Services of this channel, and what waits for their destinations."
)


def add_to(app: typer.Typer) -> None:
    """Register this module's group."""
    app.add_typer(service, name="service")


@service.command("list")
def list_services(context: typer.Context, json: output.Json = False) -> None:
    """List the services: codes, schemas, where sets go, how many wait and why.

    Reads the settings and compiles every schema, as ``serve`` does when it starts.
    """
    given: Settings = context.obj
    instance = Instance.open(given)
    lines = [
        {
            "service": found.name,
            "codes": sorted(found.codes),
            "schemas": sorted(found.schemas),
            "signature": "required" if found.signed else "none",
            **_destinations(instance, found.name),
        }
        for found in descriptions(given)
    ]
    if json:
        output.document(lines)
        return
    rows = [[_shown(value) for value in line.values()] for line in lines]
    output.table("Services", tuple(name.replace("_", " ") for name in lines[0]), rows)


def _destinations(instance: Instance, name: str) -> dict[str, object]:
    """Where sets of IN and INTEST go, and what waits; the FLA's are judged here."""
    if name == FLA:
        return dict.fromkeys(
            ("destination", "test_destination", "waiting", "waiting_since", "problem")
        )
    service = instance.settings.services[name]
    found = [handover_rows.waiting(e, name) for e in (instance.production, instance.test)]
    return {
        "destination": _place(service.destination(test=False)),
        "test_destination": _place(service.destination(test=True)),
        "waiting": sum(one.sets for one in found),
        "waiting_since": min((one.since for one in found if one.since), default=None),
        "problem": next((one.problem for one in found if one.problem), None),
    }


def _place(target: object) -> str | None:
    if target is None:
        return None
    return " ".join(target) if isinstance(target, tuple) else str(target)


def _shown(value: object) -> object:
    return ", ".join(value) if isinstance(value, list) else value
