"""``submission evidence``: all that a verdict rested on, in one file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from batch.cli import output
from batch.cli.values import one_of, parsed
from batch.identifiers import SenderNumber
from batch.names import INBOXES, Folder
from batch.storage import evidence as storage_evidence
from batch.storage import reports
from batch.storage.evidence import Target, Wanted
from batch.storage.instance import Instance


def evidence(  # noqa: PLR0913 - each is an option of the command
    context: typer.Context,
    stem: Annotated[
        str, typer.Argument(help="Its stem, or the name of any of its files.", metavar="STEM")
    ],
    to: Annotated[
        Path | None,
        typer.Option("--output", help="Where to; STEM.evidence.zip if not given.", metavar="FILE"),
    ] = None,
    ordinal: Annotated[
        int | None,
        typer.Option(help="Only this content, where others came under the same stem.", metavar="N"),
    ] = None,
    sender: Annotated[str | None, typer.Option(help="Only this sender's.", metavar="N")] = None,
    folder: Annotated[
        str | None, typer.Option(help="Only what was sent to this folder.", metavar="IN|INTEST")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Also over a file that exists.")] = False,
    json: output.Json = False,
) -> None:
    """Write all that a set's verdict rested on into one archive, signed by the institution.

    It holds PERSONAL DATA, as the set does: only its owner may read it (mode 0600). Judge it with
    fla-batch evidence verify, on any machine, in any year.
    """
    number = None if sender is None else parsed("--sender", SenderNumber.parse, sender)
    place = None if folder is None else Folder(one_of("--folder", list(INBOXES), folder))
    wanted = Wanted(reports.stem_of(stem), number, place, ordinal)
    target = Target(to or Path(f"{wanted.stem}.evidence.zip"), force)
    written = storage_evidence.write(Instance.open(context.obj), wanted, target)
    if json:
        output.document(written)
    else:
        said = f"{written.size} bytes, {written.members} members, SHA-256 {written.sha256}"
        output.console.print(f"{written.file}: {said}")
