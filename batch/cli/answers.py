"""Commands about answers: give one, put them back, list them."""

from __future__ import annotations

import os
import pwd
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from batch.cli import output
from batch.cli.values import one_of, parsed
from batch.errors import OperatorError
from batch.identifiers import SenderNumber
from batch.names import INBOXES, Environment, Folder
from batch.settings import Settings
from batch.storage import answer_list, outbox
from batch.storage.answer_list import AnswerLine, Sent
from batch.storage.database import reading, writing
from batch.storage.instance import Instance
from batch.storage.posts import Post

answer = typer.Typer(no_args_is_help=True, help="Answers: give one, put them back, list them.")

Sender = Annotated[str | None, typer.Option(help="Only this sender's.", metavar="N")]


def add_to(app: typer.Typer) -> None:
    """Register this module's commands."""
    app.add_typer(answer, name="answer")


@answer.command()
def post(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="The answer's bytes.", metavar="FILE")],
    sender: Annotated[str, typer.Option(help="Whom it answers.", metavar="N")],
    code: Annotated[str, typer.Option(help="Its purpose code, such as DMNO.", metavar="CODE")],
    environment: Annotated[
        str, typer.Option(help="R goes to OUT, T and S to OUTTEST.", metavar="R|T|S")
    ] = "R",
    reference: Annotated[
        str | None,
        typer.Option(
            help="Your own name for it: the same file again under it is the same answer.",
            metavar="TEXT",
        ),
    ] = None,
    json: output.Json = False,
) -> None:
    """Answer a sender with a file of any service: signed, named by the channel, put in OUT.

    It is durable when this ends; `serve` puts it in OUT, now or when it is started.
    """
    from batch.dispatch import posting  # reads what signs, which no other command here needs

    instance = Instance.open(context.obj)
    wanted = Post(
        parsed("--sender", SenderNumber.parse, sender),
        code,
        Environment(one_of("--environment", list(Environment), environment)),
        reference,
        _asker(),
    )
    signer = instance.institution_signer()
    made = posting.post_answer(instance, signer, wanted, file, datetime.now(UTC))
    if json:
        output.document(made)
    else:
        state = "is in" if made.state == "shown" else "will be put in"
        place = f"{wanted.outbox} of {wanted.sender}"
        output.console.print(f"{made.name}: {state} {place} ({made.ticket})")


def redeliver(
    context: typer.Context,
    stem: Annotated[
        str,
        typer.Argument(
            help="A set's stem, or the name of any of its files or answers.", metavar="STEM"
        ),
    ],
    sender: Sender = None,
    folder: Annotated[
        str | None, typer.Option(help="Only what was sent to this folder.", metavar="IN|INTEST")
    ] = None,
    json: output.Json = False,
) -> None:
    """Put answers back in OUT that were deleted there or whose time was over: same names and bytes.

    `serve` does it, now or when it is started. They get a new term, and the sender may delete them
    again. Asking twice does the same as once.
    """
    instance = Instance.open(context.obj)
    found = _sent(instance, stem, sender, folder)
    by, at = _asker(), datetime.now(UTC)
    names = []
    for test in (False, True):
        mine = [item for item in found if item.key.folder.is_test is test]
        ids = [number for item in mine for number, _ in item.answers]
        if ids:
            with writing(instance.test if test else instance.production) as connection:
                outbox.want(connection, ids, by, at)
            names += [name for item in mine for _, name in item.answers]
    if json:
        output.document({"redelivered": names, "asked_by": by, "asked_at": at})
    else:
        for name in names:
            output.console.print(f"{name}: will be put back")


answer.command("redeliver")(redeliver)


@answer.command("list")
def list_answers(
    context: typer.Context,
    sender: Sender = None,
    limit: Annotated[int, typer.Option(help="At most this many.", metavar="N")] = 1000,
    json: output.Json = False,
) -> None:
    """The latest answers: whose, to what, and whether we put them in OUT."""
    given: Settings = context.obj
    instance = Instance.open(given)
    number = None if sender is None else str(parsed("--sender", SenderNumber.parse, sender))
    found: list[AnswerLine] = []
    for engine in (instance.production, instance.test):
        with reading(engine) as connection:
            found += answer_list.latest(connection, limit, given.answers_kept_days, number)
    found = sorted(found, key=lambda item: item.decided_at, reverse=True)[:limit]
    if json:
        output.document(found)
        return
    rows = [
        (d.name, d.sender_number, d.folder, d.about or d.reference, d.state, *_times(d))
        for d in found
    ]
    columns = ("name", "sender", "folder", "about", "state", "decided at", "kept until")
    output.table("Answers", columns, rows)


def _times(found: AnswerLine) -> tuple[object, object]:
    return found.decided_at, found.kept_until


def _sent(instance: Instance, text: str, sender: str | None, folder: str | None) -> list[Sent]:
    """What is meant, of one sender and folder; OperatorError with what to do where it is none."""
    stem = answer_list.own_stem(text)
    found = []
    for engine in (instance.production, instance.test):
        with reading(engine) as connection:
            found += answer_list.sent(connection, stem)
    if sender is not None:
        number = parsed("--sender", SenderNumber.parse, sender)
        found = [item for item in found if item.key.channel == number]
    if folder is not None:
        wanted = Folder(one_of("--folder", list(INBOXES), folder))
        found = [item for item in found if item.key.folder.answers is wanted.answers]
    if not found:
        raise OperatorError(f"{text}: no set of this stem was taken up here, and no answer has it")
    homes = dict.fromkeys((str(item.key.channel), item.key.folder) for item in found)
    if len(homes) > 1:
        said = " and ".join(f"{channel} to {place}" for channel, place in homes)
        raise OperatorError(f"{text}: sent by {said}; say which with --sender and --folder")
    if not any(item.answers for item in found):
        raise OperatorError(f"{text}: nothing is in OUT yet; its state is {_states(found)}")
    return found


def _states(found: Sequence[Sent]) -> str:
    return ", ".join(dict.fromkeys(item.state for item in found))


def _asker() -> str:
    """Who runs this, for the record: the login name, and under sudo also whose it was before."""
    number = os.getuid()
    try:
        name = pwd.getpwuid(number).pw_name
    except KeyError:
        name = f"uid {number}"
    before = os.environ.get("SUDO_USER", "")
    return f"{before} as {name}"[:100] if before.isprintable() and before else name
