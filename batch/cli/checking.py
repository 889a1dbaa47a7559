"""``fla-batch check``: what the channel would answer, with nothing sent."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from batch import catalogue
from batch.anomalies import Anomaly, Language, Layer
from batch.cli import output
from batch.cli.values import one_of, parsed
from batch.identifiers import SenderNumber
from batch.names import INBOXES, Folder
from batch.worker.rehearsal import Rehearsed, rehearse


def add_to(app: typer.Typer) -> None:
    """Register this module's command."""
    app.command()(check)


def check(
    context: typer.Context,
    files: Annotated[
        list[Path],
        typer.Argument(help="FI, FS and GO files of one or more sets.", metavar="FILE"),
    ],
    folder: Annotated[
        str | None, typer.Option(help="IN or INTEST; by the name's letter.", metavar="FOLDER")
    ] = None,
    sender: Annotated[
        str | None, typer.Option(help="The channel's sender number.", metavar="SENDER")
    ] = None,
    json: output.Json = False,
) -> None:
    """Say what the channel would answer to these files; nothing is sent or recorded.

    Uses the registers and the ledger of --data when there is an instance; names the codes it
    cannot decide here. Exit 0 when every set would be received and every form accepted, else 1.
    """
    found = list(rehearse(files, _folder(folder), _sender(sender), context.obj, datetime.now(UTC)))
    if json:
        output.document([_described(item) for item in found])
    else:
        for item in found:
            _print(item)
    if not all(item.accepted for item in found):
        raise typer.Exit(1)


def _folder(text: str | None) -> Folder | None:
    return None if text is None else Folder(one_of("--folder", INBOXES, text))


def _sender(text: str | None) -> SenderNumber | None:
    return None if text is None else parsed("--sender", SenderNumber.parse, text)


def _described(item: Rehearsed) -> dict[str, Any]:
    return {
        "stem": item.stem,
        "folder": item.folder,
        "accepted": item.accepted,
        "reception": {
            "result_code": int(item.received),
            "anomalies": [_anomaly(a) for a in item.anomalies],
        },
        "forms": [
            {
                "form": place,
                "part": form.part_name,
                "result_code": int(form.verdict.accepted),
                "anomalies": [_anomaly(a) for a in form.verdict.anomalies],
            }
            for place, form in enumerate(item.forms, start=1)
        ],
        "undecided": list(item.undecided),
    }


def _anomaly(found: Anomaly) -> dict[str, Any]:
    return {
        "error_id": found.error_id,
        "class": found.severity,
        "text": catalogue.text(found, Language.EN),
        "explanation": found.explanation,
        "cause": found.cause,
        "part": found.part,
        "line": found.line,
        "tag": found.tag,
    }


def _print(item: Rehearsed) -> None:
    rows = [_row("", a) for a in item.anomalies]
    for place, form in enumerate(item.forms, start=1):
        rows += [_row(f"form {place}", a) for a in form.verdict.anomalies]
    refused = sum(not form.verdict.accepted for form in item.forms)
    verdict = "received" if item.received else "refused at reception"
    title = f"{item.stem} in {item.folder}: {verdict}"
    if item.forms:
        title += f", {len(item.forms) - refused} forms accepted, {refused} refused"
    output.table(title, ("where", "line", "code", "class", "text", "cause", "in words"), rows)
    output.console.print("Only the channel can decide:")
    for code in item.undecided:
        output.console.print(f"  {code} {catalogue.entry(Layer.RECEPTION, code).text[Language.EN]}")


def _row(where: str, found: Anomaly) -> tuple[object, ...]:
    text = catalogue.text(found, Language.EN)
    place = where or found.part or ""
    said = (text, found.cause, found.explanation)
    return (place, found.line, found.error_id, found.severity, *said)
