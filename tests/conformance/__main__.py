"""``python -m tests.conformance``: all cases against one server, as a table or as JSON.

    python -m tests.conformance --folder "$PWD/try" -- /usr/lib/openssh/sftp-server
    python -m tests.conformance --host sftp.example.org --user peeters --key login --folder /INTEST

Files are made, renamed and removed in ``--folder``; they are named conformance-… and taken away.
Ends with 1 when an answer is not one of those expected, with 2 when it cannot be asked.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import paramiko
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tests.conformance import cases, statements
from tests.conformance.cases.case import Case
from tests.conformance.runner import Runner, Unprepared
from tests.conformance.statements import Judged, Statement, Unfit
from tests.conformance.wire import Connect, Program, channel_of, log_in


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.conformance",
        description="SFTP version 3, packet by packet, against any server.",
    )
    parser.add_argument("--folder", required=True, help="where files may be made and removed")
    parser.add_argument("--host", help="of a server over SSH")
    parser.add_argument("--port", type=int, default=22)
    parser.add_argument("--user")
    parser.add_argument("--key", type=Path, help="private key to log in with")
    parser.add_argument("--statement", type=Path, help="TOML: what this server says of itself")
    parser.add_argument("--only", default="", help="only cases whose name begins with this")
    parser.add_argument("--patience", type=float, default=5.0, help="seconds to wait for an answer")
    parser.add_argument("--all", action="store_true", help="list the right answers too")
    parser.add_argument("--json", action="store_true", help="one JSON document instead of a table")
    parser.add_argument("command", nargs="*", help="after --: a server on its standard input")
    return parser


def connects(given: argparse.Namespace, stack: ExitStack) -> tuple[Connect, Connect]:
    """What opens a session for a case, and one to prepare files: over two connections, so that
    no limit of channels is met."""
    if given.command:
        program: Callable[[], Program] = lambda: Program(given.command)  # noqa: E731
        return program, program
    if None in (given.host, given.user, given.key):
        raise Unfit("give --host, --user and --key, or a command after --")
    first, second = (log_in(given.host, given.port, given.user, given.key) for _ in range(2))
    stack.callback(first.close)
    stack.callback(second.close)
    return (lambda: channel_of(first)), (lambda: channel_of(second))


def run(
    chosen: list[Case], statement: Statement, folder: str, connect: Connect, aside: Connect,
    patience: float = 5.0,
) -> Iterator[Judged]:  # fmt: skip
    """Each case, judged."""
    with Runner(connect, folder.encode(), patience, aside) as runner:
        for case, outcome in runner.run_all(chosen):
            yield statements.judge(statement, case, outcome)


def table_of(found: list[Judged], everything: bool) -> Table:
    table = Table("case", "clause", "expected", "got", "")
    for one in found:
        if everything or not one.right:
            got = one.outcome.code if one.right else f"[red]{one.outcome.code}"
            note = escape(one.outcome.note or one.why)
            table.add_row(
                one.case.name, one.case.clause, " | ".join(sorted(one.expected)), got, note
            )
    return table


def document_of(found: list[Judged]) -> list[dict[str, object]]:
    return [
        {
            "case": one.case.name,
            "clause": one.case.clause,
            "expected": sorted(one.expected),
            "got": one.outcome.code,
            "note": one.outcome.note,
            "why": one.why,
            "right": one.right,
        }
        for one in found
    ]


def main(words: list[str]) -> int:
    given = arguments().parse_args(words)
    console = Console()
    try:
        with ExitStack() as stack:
            stated = statements.NOTHING_STATED
            if given.statement:
                stated = statements.load(given.statement, cases.ALL)
            chosen = [c for c in cases.ALL if c.name.startswith(given.only)]
            connect, aside = connects(given, stack)
            found = list(run(chosen, stated, given.folder, connect, aside, given.patience))
    except (OSError, EOFError, ValueError, paramiko.SSHException, Unfit, Unprepared) as error:
        print(f"cannot be asked: {error}", file=sys.stderr)
        return 2
    wrong = sum(not one.right for one in found)
    if given.json:
        json.dump(document_of(found), sys.stdout, indent=1)
        print()
    else:
        table = table_of(found, given.all)
        if table.row_count:
            console.print(table)
        differing = sum(bool(one.why) for one in found)
        console.print(f"{len(found)} cases: {wrong} wrong, {differing} stated to differ")
    return 1 if wrong or not found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
