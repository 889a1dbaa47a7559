"""Commands of those who run the channel: init, serve, submission, account, anomaly."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated

import typer

from batch import catalogue, journal, settings, supervisor
from batch.anomalies import Anomaly, Language, Layer
from batch.cli import answers, archives, output
from batch.cli.values import one_of, parsed
from batch.errors import InstanceError, OperatorError
from batch.identifiers import EnterpriseNumber, Inss, InvalidIdentifier
from batch.names import Folder
from batch.settings import Settings
from batch.storage import accounts, quarantine, reconcile, reports
from batch.storage.database import Transaction, reading, writing
from batch.storage.instance import Instance
from batch.storage.reports import Report

submission = typer.Typer(no_args_is_help=True, help="Sets that came in, and what became of them.")
account = typer.Typer(no_args_is_help=True, help="Learning accounts.")

Quarantined = Annotated[
    str, typer.Argument(help="The stem of a set in quarantine.", metavar="STEM")
]


def add_to(app: typer.Typer) -> None:
    """Register this module's commands."""
    app.command()(init)
    app.command()(serve)
    app.command()(anomaly)
    app.add_typer(submission, name="submission")
    app.add_typer(account, name="account")


def init(context: typer.Context, json: output.Json = False) -> None:
    """Make the instance, or bring it up to date: directories, databases, host key, signing key.

    Running it again changes nothing that is there.
    """
    given: Settings = context.obj
    instance = Instance.make(given, datetime.now(UTC))
    made = {
        "data": given.data.resolve(),
        "host_key": instance.layout.host_key.with_suffix(".pub").resolve(),
        "institution_certificate": instance.layout.institution_certificate.resolve(),
    }
    if json:
        output.document(made)
    else:
        output.table(f"Instance {given.data}", ("what", "where"), list(made.items()))


def serve(
    context: typer.Context,
    host: Annotated[str | None, typer.Option(help="Address to listen on.", metavar="HOST")] = None,
    port: Annotated[
        str | None, typer.Option(help="Port to listen on; 0 takes a free one.", metavar="P")
    ] = None,
) -> None:
    """Run the channel: SFTP server, watcher and worker, until SIGTERM, which drains.

    Prints "listening on HOST:PORT" when senders may come.
    """
    given: Settings = context.obj
    wanted = settings.load(data=given.data, host=host, port=port)
    journal.starting(wanted.model_dump(mode="json", exclude_defaults=True))
    for name, meant in settings.misspelt(os.environ):
        journal.problem(f"{name}: no such setting; did you mean {meant}?")
    code = supervisor.serve(wanted)
    if code:
        raise InstanceError("a process of the channel could not start; its reason stands above")


@submission.command("list")
def list_submissions(
    context: typer.Context,
    only_problems: Annotated[
        bool,
        typer.Option(
            "--problems",
            help="Only sets in quarantine, and files and rows that do not fit together; exit 1 if "
            "there are any.",
        ),
    ] = False,
    thorough: Annotated[
        bool, typer.Option(help="With --problems: every archived set and shown answer as well.")
    ] = False,
    limit: Annotated[int, typer.Option(help="At most this many sets.", metavar="N")] = 1000,
    json: output.Json = False,
) -> None:
    """The latest sets: state, forms accepted and refused, codes; quarantine included."""
    if thorough and not only_problems:
        raise OperatorError("--thorough goes with --problems")
    instance = Instance.open(context.obj)
    found = [
        line
        for engine in (instance.production, instance.test)
        for line in reports.lines(engine, limit, only_problems)
    ]
    found = sorted(found, key=lambda line: line.sealed_at, reverse=True)[:limit]
    loose = _loose(instance, thorough) if only_problems else []
    if json:
        lines = [{**output.plain(line), "verdict": line.verdict} for line in found]
        output.document([*lines, *({"problem": text} for text in loose)])
    else:
        output.table("Submissions", _LINE_COLUMNS, [_line(line) for line in found])
        for text in loose:
            output.errors.print(text, markup=False)
    if only_problems and (found or loose):
        raise typer.Exit(1)


def _loose(instance: Instance, thorough: bool) -> list[str]:
    """What does not fit together on disk and in the database, each once."""
    found = [*reconcile.problems(instance), *reconcile.damaged(instance)]
    if thorough:
        found += reconcile.archive_problems(instance)
    return list(dict.fromkeys(found))


_LINE_COLUMNS = (
    "set",
    "sender",
    "folder",
    "verdict",
    "state",
    "accepted",
    "refused",
    "codes",
    "sealed at",
    "problem",
)


def _first(codes: tuple[str, ...]) -> str:
    """The first codes of a set; ``show`` has them all."""
    more = f" and {len(codes) - 2} more" if len(codes) > 2 else ""
    return " ".join(codes[:2]) + more


def _line(line: reports.Line) -> tuple[object, ...]:
    return (
        line.stem,
        line.sender_number,
        line.folder,
        line.verdict,
        line.state,
        line.accepted,
        line.refused,
        _first(line.codes),
        line.sealed_at,
        line.problem,
    )


@submission.command("show")
def show_submission(
    context: typer.Context,
    stem: Annotated[
        str, typer.Argument(help="Its stem, or the name of any of its files.", metavar="STEM")
    ],
    json: output.Json = False,
) -> None:
    """One set: state, verdicts with their text, answers, times."""
    found = _find(Instance.open(context.obj), stem)
    if json:
        output.document(_described(found))
        return
    for report in found:
        _print(report)


@submission.command("retry")
def retry_submission(
    context: typer.Context,
    stem: Quarantined,
    json: output.Json = False,
) -> None:
    """Try a set in quarantine again, from where it stood."""
    wished = _wish(context, stem, quarantine.retry)
    if json:
        output.document({"retried": wished})
    else:
        output.console.print(f"{stem}: will be tried again")


@submission.command("refuse")
def refuse_submission(
    context: typer.Context,
    stem: Quarantined,
    json: output.Json = False,
) -> None:
    """Give the final word on a set in quarantine that cannot be mended: refused, code 430.

    Its content is not read again. The sender may send the same FI under a new stem.
    """
    wished = _wish(context, stem, quarantine.refuse)
    if json:
        output.document({"refused": wished})
    else:
        output.console.print(f"{stem}: will be refused with code 430")


submission.command("resend")(answers.redeliver)
submission.command("evidence")(archives.evidence)


def _wish(
    context: typer.Context, stem: str, wish: Callable[[Transaction, int, datetime], bool]
) -> list[str]:
    """Record it for every content of the stem in quarantine; ``serve`` carries it out."""
    instance, wished = Instance.open(context.obj), []
    for report in _find(instance, stem):
        test = Folder(report.folder).is_test
        with writing(instance.test if test else instance.production) as connection:
            if wish(connection, report.id, datetime.now(UTC)):
                wished.append(report.stem)
    if not wished:
        raise OperatorError(f"{stem}: not in quarantine; see: fla-batch submission show {stem}")
    return wished


@account.command("show")
def show_account(
    context: typer.Context,
    inss: Annotated[
        str, typer.Argument(help="The worker's identification number.", metavar="INSS")
    ],
    employer: Annotated[
        str, typer.Option(help="The employer's enterprise number.", metavar="NUMBER")
    ],
    environment: Annotated[
        str, typer.Option(help="production or test.", metavar="WHICH")
    ] = "production",
    history: Annotated[bool, typer.Option("--history", help="Show former versions too.")] = False,
    json: output.Json = False,
) -> None:
    """A worker's rights, trainings and remaining hours with one employer."""
    instance = Instance.open(context.obj)
    engines = {"production": instance.production, "test": instance.test}
    number = parsed("--employer", EnterpriseNumber.parse, employer)
    worker = _inss(inss)
    given: Settings = context.obj
    with reading(engines[one_of("--environment", engines, environment)]) as connection:
        held = accounts.show(connection, worker, number, given, history=history)
    if json:
        output.document(held)
        return
    _print_account(held, worker)


def _inss(text: str) -> Inss:
    try:
        return Inss.parse(text)
    except InvalidIdentifier as error:
        raise OperatorError(f"INSS: {error}") from None  # the number itself is not repeated


def _print_account(held: accounts.AccountStatement, worker: Inss) -> None:
    columns = ("reference", "FLA id", "version", "status")
    rights = [
        (r.reference, r.fla_id, r.version, r.status, r.type, r.year, _hours(r.hours))
        for r in held.rights
    ]
    title = f"Rights of {worker.masked} with {held.employer}"
    output.table(title, (*columns, "type", "year", "hours"), rights)
    trainings = [
        (t.reference, t.fla_id, t.version, t.status, t.name, *_span(t)) for t in held.trainings
    ]
    output.table("Trainings", (*columns, "name", "from", "to", "hours"), trainings)
    remaining = [(r.year, r.type, _hours(r.hours)) for r in held.remaining]
    output.table("Remaining hours", ("year", "type", "hours"), remaining)


def _span(line: accounts.TrainingLine) -> tuple[object, ...]:
    return (line.starting_date, line.ending_date, _hours(line.hours))


def anomaly(
    code: Annotated[
        str, typer.Argument(help="A code, such as 125, ACRF-125 or 00024-004.", metavar="CODE")
    ],
    json: output.Json = False,
) -> None:
    """What a code means, in four languages, and what to do about it."""
    zone, _, digits = code.rpartition("-")
    layers = [Layer.RECEPTION] if zone == "ACRF" else [Layer.CONTENT] if zone else list(Layer)
    found = [e for e in catalogue.all_entries() if e.code == digits and e.layer in layers]
    if not found:
        raise OperatorError(f"code {code!r}: not in the catalogue")
    if json:
        output.document(found)
        return
    for entry in found:
        rows = [(lang, entry.text[lang], entry.advice[lang]) for lang in Language]
        title = f"{entry.code}, {entry.layer}, class {entry.severity} ({entry.clause})"
        output.table(title, ("", "text", "what to do"), rows)
        output.console.print(f"Border: {entry.border}")


def _find(instance: Instance, text: str) -> list[Report]:
    stem = reports.stem_of(text)
    kept = instance.settings.answers_kept_days
    engines = (instance.production, instance.test)
    found = [report for engine in engines for report in reports.reports(engine, stem, kept)]
    if not found:
        raise OperatorError(f"{text}: no set with this stem was sealed here")
    return found


def _described(found: list[Report]) -> dict[str, object]:
    """The first content of the stem, with the text of each code; the others inside it."""

    def one(report: Report) -> dict[str, object]:
        document = {**output.plain(report), "verdict": report.verdict}
        for item in document["findings"]:
            item["text"] = _text(item["error_id"])
        return dict(document)

    return {**one(found[0]), "others": [one(report) for report in found[1:]]}


def _print(report: Report) -> None:
    facts = [
        ("verdict", report.verdict),
        ("state", report.state),
        ("sender", f"{report.sender_number}, {report.folder}, {report.environment}"),
        ("sealed at", report.sealed_at),
        ("ticket", report.ticket),
        ("signed by", report.signer),
        ("forms", _forms(report)),
        ("handed over", _delivery(report.delivery)),
        ("problem", report.problem),
    ]
    output.table(f"{report.stem} (content {report.ordinal})", ("", ""), facts)
    output.table(
        "Verdicts",
        ("code", "class", "text", "where", "cause", "in words"),
        [
            (f.error_id, f.severity, _text(f.error_id), _where(f), f.cause, f.explanation)
            for f in report.findings
        ],
    )
    output.table(
        "Answers",
        ("name", "decided at", "in OUT at", "stays until", "left OUT at", "bytes"),
        [
            (a.name, a.decided_at, a.shown_at, a.kept_until, a.left_at, a.size)
            for a in report.answers
        ],
    )
    events = [(e.at, e.what, e.detail) for e in report.events]
    output.table("What happened", ("at", "what", "detail"), events)


def _delivery(found: reports.Handover | None) -> str | None:
    if found is None:
        return None
    if found.delivered_at is not None:
        return f"to {found.service}, {found.delivered_at}"
    return f"not yet to {found.service}, {found.attempts} tries: {found.problem or 'none failed'}"


def _forms(report: Report) -> str:
    if report.accepted is None:
        return "none judged"
    return f"{report.accepted} accepted, {report.refused} refused"


def _text(error_id: str) -> str:
    zone, _, code = error_id.rpartition("-")
    return catalogue.text(Anomaly(zone, code), Language.EN)


def _where(found: reports.Finding) -> str:
    places = (("form", found.form), ("line", found.line), ("", found.part))
    return ", ".join(f"{word} {place}".strip() for word, place in places if place)


def _hours(hundredths: int) -> str:
    return f"{hundredths / 100:.2f}"
