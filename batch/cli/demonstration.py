"""``fla-batch demo``: the whole way once, on a temporary instance, told on the screen."""

from __future__ import annotations

import io
import shlex
import signal
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, redirect_stdout
from dataclasses import dataclass
from datetime import UTC, datetime
from json import loads
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import typer
from rich import box
from rich.table import Table
from rich.text import Text

from batch.cli import outcomes, output
from batch.client import Proof
from batch.client.answers import anomaly_of
from batch.demo import proof, transfer
from batch.demo.cast import open_channels
from batch.demo.channel import serving
from batch.demo.outcome import Came
from batch.demo.play import Stage
from batch.demo.story import EMPLOYER, HOURS_LEFT, UNTOUCHED, WORKER, PlayFailed, steps
from batch.errors import OperatorError
from batch.identifiers import Inss
from batch.names import brussels_day
from batch.settings import Settings

LIMIT_SECONDS = 50
"""For the whole play; stopping the channel and clearing up then fit in a minute."""

_WIDE = 140
"""Columns of the screen from which on every fact has a column of its own; also when piped."""


def add_to(app: typer.Typer) -> None:
    """Register this module's command."""
    app.command()(demo)


def demo(
    context: typer.Context,
    keep: Annotated[
        Path | None,
        typer.Option("--keep", metavar="DIR", help="Leave everything in DIR, a new directory."),
    ] = None,
    json: output.Json = False,
) -> None:
    """Play the whole way on a temporary instance: real server, real SFTP, signed answers.

    Exit 0 when everything came out as the story says, else 1. Without --keep nothing stays.
    """
    given: Settings = context.obj
    tell = Silent() if json else Screen()
    with _stoppable(), _home(keep) as home:
        run = OnInstance(context.find_root().command.main, home, tell)
        ended = _played(run, given.fla_codes[0], tell)
        if json:
            output.document(_document(ended, home if keep else None))
        else:
            _show(ended, run, home if keep else None)
    for surprise in ended.surprises:
        output.errors.print(f"surprise: {surprise}", markup=False)
    if ended.surprises:
        raise typer.Exit(1)


class Screen:
    """Tells on the screen what happens while it happens; waits with a spinner on a terminal."""

    def heading(self, text: str) -> None:
        output.console.print(Text(text, style="bold"))

    def command(self, text: str) -> None:
        output.console.print(Text(f"  $ {text}", style="dim"))

    def ended(self, came: Came) -> None:
        output.console.print(_in_short(came))

    def busy(self, text: str) -> AbstractContextManager[object]:
        if output.console.is_terminal:
            return output.console.status(f"  {text}")
        output.console.print(f"  {text}", markup=False)
        return nullcontext()


class Silent:
    """Tells nothing: stdout is for the one JSON document."""

    def heading(self, text: str) -> None: ...

    def command(self, text: str) -> None: ...

    def ended(self, came: Came) -> None: ...

    def busy(self, text: str) -> AbstractContextManager[object]:
        return nullcontext()


@dataclass(frozen=True, slots=True)
class OnInstance:
    """Runs commands of ``fla-batch`` on the instance in ``home``, as typed, and shows them."""

    main: Callable[..., Any]
    home: Path
    tell: Screen | Silent

    def __call__(self, *words: object) -> Any:
        """The JSON document of a command; raise Fault when it cannot be carried out."""
        self.tell.command(f"fla-batch {shlex.join(self._shown(word) for word in words)}")
        said = io.StringIO()
        with redirect_stdout(said):
            self._run(*words, "--json")
        return loads(said.getvalue())

    def on_screen(self, *words: object) -> None:
        """Run a command for a person's eyes."""
        self._run(*words)

    def _run(self, *words: object) -> None:
        given = ["--data", str(self.home / "instance"), *(str(word) for word in words)]
        code = self.main(given, prog_name="fla-batch", standalone_mode=False)
        if code:
            raise PlayFailed(f"fla-batch {words[0]} ended with {code}")

    def _shown(self, word: object) -> str:
        """Paths from ``home`` on, and no INSS in full."""
        if isinstance(word, Inss):
            return word.masked
        return str(word.relative_to(self.home)) if isinstance(word, Path) else str(word)


@dataclass(frozen=True, slots=True)
class Ended:
    """All that came of the play; ``account`` is the worker's, as ``account show`` gives it."""

    came: Sequence[Came]
    account: dict[str, Any]
    surprises: tuple[str, ...]


def _played(run: OnInstance, code: str, tell: Screen | Silent) -> Ended:
    at = datetime.now(UTC)
    day = brussels_day(at)
    tell.heading("An instance, a throw-away authority, three senders, each with keys of its own.")
    cast = open_channels(run.home, run, at)
    tell.heading("The channel is started.")
    tell.command("fla-batch serve --port 0")
    with tell.busy("waiting until it listens"):
        served = serving(run.home / "instance", run.home / "serve.log")
    with served as port:
        with Stage(cast, port, code, run, tell) as stage:
            came = stage.play(steps(day))
        tell.heading("The ledger.")
        show = ("--employer", EMPLOYER.number)
        account = run("account", "show", WORKER, *show)
        untouched = run("account", "show", UNTOUCHED, *show)
        signal.alarm(0)
    account["inss"] = WORKER.masked
    found = [text for one in came for text in one.surprises()]
    return Ended(came, account, (*found, *_of_ledger(account, untouched, day.year)))


def _of_ledger(account: dict[str, Any], untouched: dict[str, Any], year: int) -> Iterator[str]:
    """Where the ledger differs from the story, one sentence each."""
    remaining = account["remaining"]
    left = {line["type"]: line["hours"] for line in remaining if line["year"] == year}
    if left != HOURS_LEFT:
        yield f"the ledger: the worker's hours left are {left}, expected {HOURS_LEFT}"
    objects = (len(account["rights"]), len(account["trainings"]))
    if objects != (2, 1):
        yield f"the ledger: the worker has {objects} rights and trainings, expected (2, 1)"
    if untouched["rights"]:
        yield "the ledger: it holds a right from the set that was changed after signing"


@contextmanager
def _stoppable() -> Iterator[None]:
    """The first signal to end, or the end of the time, is turned into an exception, so that all
    is cleared up; what comes after the first is ignored for that time."""
    ends = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGALRM)

    def stop(number: int, _frame: FrameType | None) -> None:
        for end in ends:
            signal.signal(end, signal.SIG_IGN)
        if number == signal.SIGALRM:
            raise PlayFailed(f"the play did not end within {LIMIT_SECONDS} s")
        raise KeyboardInterrupt

    before = [(end, signal.signal(end, stop)) for end in ends]
    signal.alarm(LIMIT_SECONDS)
    try:
        yield
    except KeyboardInterrupt:
        raise PlayFailed("the demonstration was interrupted") from None
    finally:
        signal.alarm(0)
        for end, handler in before:
            signal.signal(end, handler)


@contextmanager
def _home(keep: Path | None) -> Iterator[Path]:
    """The directory in which everything happens: ``keep``, or one that is removed at the end."""
    if keep is None:
        with tempfile.TemporaryDirectory(prefix="fla-batch-demo-") as made:
            yield Path(made).resolve()
        return
    if keep.exists() and (not keep.is_dir() or any(keep.iterdir())):
        raise OperatorError(f"--keep {keep}: exists and is not empty; give a new directory")
    keep.mkdir(mode=0o700, parents=True, exist_ok=True)
    yield keep.resolve()


# --- what is shown at the end ---------------------------------------------------------------


def _show(ended: Ended, run: OnInstance, kept: Path | None) -> None:
    output.console.print(_story(ended.came))
    output.console.print(
        f"Files by {transfer.program()}; signatures of the answers by {proof.prover()}."
    )
    run.on_screen("account", "show", WORKER, "--employer", EMPLOYER.number)
    output.console.print(Text("What to try next", style="bold"))
    for command, why in _next(ended.came, kept):
        output.console.print(Text.assemble("  ", (command, "bold"), f"   # {why}"))


def _next(came: Sequence[Came], kept: Path | None) -> Iterator[tuple[str, str]]:
    if kept is None:
        yield "fla-batch demo --keep demo-data", "leaves instance, keys, sets and answers there"
        yield "fla-batch anomaly 00014-230", "what a code means, and what to do, in four languages"
        yield "fla-batch init && fla-batch serve", "a channel of your own"
        return
    instance = shlex.quote(str(kept / "instance"))
    yield f"fla-batch --data {instance} submission show {came[1].stem}", "all that is known of it"
    yield f"fla-batch --data {instance} serve", "the same channel again, on port 8022"
    yield f"ls {shlex.quote(str(kept))}/*", "keys, sets (sent) and answers, a directory per sender"


def _story(came: Sequence[Came]) -> Table:
    """One row per set; on a narrow screen the facts share three columns instead of five."""
    piped = not output.console.is_terminal
    width = max(output.console.width, _WIDE) if piped else output.console.width
    shape = box.SIMPLE if piped else box.ROUNDED
    grid = Table(title="What happened", box=shape, show_lines=not piped, width=min(width, 170))
    rows = [(_set(one), _reception(one), _forms(one), _left(one), _answers(one)) for one in came]
    wide = width >= _WIDE
    names = ["who, set, where", "reception (ACRF)", "forms (NOTI)", "hours left", "answers"]
    if not wide:
        names = ["who, set, where, answers", "reception and forms", "hours left"]
    for name in names:
        grid.add_column(name, no_wrap=not name.startswith(("reception", "forms")))
    for who, reception, forms, left, answers in rows:
        if wide:
            grid.add_row(who, reception, forms, left, answers)
        else:
            stacked = Text("\n").join
            grid.add_row(stacked([who, answers]), stacked([reception, forms]), left)
        if piped:
            grid.add_section()
    return grid


def _in_short(came: Came) -> Text:
    receipt, notice = came.receipt, came.notice
    if receipt is None:
        return Text("  no answer came", style="red")
    said = f"  ACRF {int(receipt.accepted)} {' '.join(receipt.codes)}".rstrip()
    if notice is not None:
        said += f", NOTI: {notice.accepted} accepted, {notice.refused} refused"
    return Text(said, style="green" if receipt.accepted else "yellow")


def _set(came: Came) -> Text:
    folder = came.step.folder
    return Text.assemble(
        (came.step.party.user, "bold"), f"\n{came.stem}\nin {folder}, answered in {folder.answers}"
    )


def _reception(came: Came) -> Text:
    receipt = came.receipt
    if receipt is None:
        return Text("no ACRF", style="red")
    codes = [f"\n{outcomes.words(anomaly_of(code))}" for code in receipt.codes]
    verdict = ("1, well received", "green") if receipt.accepted else ("0, refused", "red")
    return Text.assemble(verdict, *codes)


def _forms(came: Came) -> Text:
    notice = came.notice
    if notice is None:
        return Text("no NOTI: no form was looked at")
    parts: list[str | tuple[str, str]] = [(f"{notice.accepted} accepted", "green"), ", "]
    parts.append((f"{notice.refused} refused", "red" if notice.refused else ""))
    for place, form in enumerate(notice.forms, 1):
        for found in form.anomalies:
            where = f"form {place}, line {found.line}"
            parts.append(f"\n{where}: {outcomes.words(found)}")
    return Text.assemble(*parts)


def _left(came: Came) -> Text:
    return Text("\n".join(f"{k:8} {outcomes.hours(h):>5}" for k, h in came.left.items()))


def _answers(came: Came) -> Text:
    """The files of each answer, under what their names share."""
    kinds: dict[str, list[str]] = {}
    for name in came.answers:
        kind, _, rest = name.partition(".")
        kinds.setdefault(".".join(rest.split(".")[:5]), []).append(kind)
    lines = [f"{shared}\n  {' '.join(of)}\n" for shared, of in kinds.items()]
    verified = came.proof is Proof.VERIFIED
    return Text.assemble(*lines, (f"signed: {came.proof}", "green" if verified else "red"))


def _document(ended: Ended, kept: Path | None) -> dict[str, Any]:
    return {
        "as_told": not ended.surprises,
        "surprises": ended.surprises,
        "files_by": transfer.program(),
        "signatures_by": proof.prover(),
        "sets": [_described(one) for one in ended.came],
        "account": ended.account,
        "kept": kept,
    }


def _described(came: Came) -> dict[str, Any]:
    receipt = came.receipt
    codes = receipt.codes if receipt else ()
    return {
        "who": came.step.party.user,
        "stem": came.stem,
        "folder": came.step.folder,
        "answered_in": came.step.folder.answers,
        "result_code": int(receipt.accepted) if receipt else None,
        "anomalies": [_code(outcomes.words(anomaly_of(code))) for code in codes],
        "forms": [
            {
                "result_code": int(form.accepted),
                "anomalies": [
                    {**_code(outcomes.words(found)), "line": found.line} for found in form.anomalies
                ],
            }
            for form in came.forms
        ],
        "remaining_hours": came.left,
        "answers": came.answers,
        "signature": came.proof,
    }


def _code(words: str) -> dict[str, str]:
    error_id, _, text = words.partition(" ")
    return {"error_id": error_id, "text": text}
