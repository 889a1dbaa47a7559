"""Write the pages of this folder that are made from the code: ``make docs``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel

from batch import catalogue
from batch.ingest import way
from batch.permissions import TABLE, Forbidden, Operation, Spot
from batch.routed import RoutedService
from batch.settings import Settings
from batch.sftp_server import home
from batch.signing.causes import CAUSES, DETAILS, Meaning
from fixtures import coverage
from fixtures.corpus import page as signatures

HERE = Path(__file__).parent
_CAUSES = re.compile(r"(<!-- causes: [^>]*-->\n).*?(<!-- /causes -->)", re.DOTALL)
_STAGES = re.compile(r"(<!-- stages: [^>]*-->\n).*?(<!-- /stages -->)", re.DOTALL)


def flow() -> str:
    """The page as it is, with the table of stages of the code."""
    table = [
        "| stage | who acts next | proven so far | if the power fails here |",
        "|" + " --- |" * 4,
    ]
    table += [f"| {r.stage} | {r.next} | {r.proven} | {r.power_fails} |" for r in way.TABLE]
    page = (HERE / "flow.md").read_text(encoding="utf-8")
    return _STAGES.sub(lambda m: m[1] + "\n".join(table) + "\n" + m[2], page)


def send() -> str:
    """The page as it is, with the table of causes of the code."""
    table = [
        "| code | cause | what happened | what to do |",
        "|" + " --- |" * 4,
    ]
    table += [f"| {c.code} | `{c}` | {_meaning(m)}" for c, m in CAUSES.items()]
    finer = ["| finer | what happened | what to do |", "|" + " --- |" * 3]
    finer += [f"| `{d}` | {_meaning(m)}" for d, m in DETAILS.items()]
    text = "\n".join([*table, "", _FINER, "", *finer])
    page = (HERE / "send.md").read_text(encoding="utf-8")
    return _CAUSES.sub(lambda m: m[1] + text + "\n" + m[2], page)


def _meaning(found: Meaning) -> str:
    """The last two cells; a bar in them would begin another."""
    cells = (text.replace("|", "\\|") for text in (found.happened, found.remedy))
    return " | ".join(cells) + " |"


_FINER = """\
Behind a colon stands what was found besides, as in `digest-differs:crlf`. The channel only
explains: no variant of an FI is ever taken for the FI."""


def may_be_done() -> str:
    """What may be done where, from the one table of it."""
    known = [spot for spot in Spot if spot is not Spot.NOWHERE]
    told = list(dict.fromkeys(f for r in TABLE.values() for s in known if (f := r[s]) is not None))
    sealed = TABLE[Operation.REMOVE][Spot.SEALED]
    assert sealed is not None
    lines = [
        "| | " + " | ".join(spot.value for spot in Spot) + " |",
        "|" + " --- |" * (len(Spot) + 1),
    ]
    for operation in Operation:
        cells = [_cell(TABLE[operation][spot], spot, told) for spot in Spot]
        lines.append(f"| {_WORDS[operation]} | " + " | ".join(cells) + " |")
    sentences = [f"{number}. {found.text}" for number, found in enumerate(told, 1)]
    of_paths = [f"- {text}" for text in (home.ONLY_FOUR, home.BAD_NAME, home.BAD_TEXT)]
    return _MAY_BE_DONE.format(
        table="\n".join(lines),
        sealed=1 + told.index(sealed),
        sentences="\n".join(sentences),
        of_paths="\n".join(of_paths),
    )


def _cell(found: Forbidden | None, spot: Spot, told: list[Forbidden]) -> str:
    if found is None:
        return "yes"
    number = "*" if spot is Spot.NOWHERE else 1 + told.index(found)
    return f"{found.why.value} ({number})"


_WORDS = {
    Operation.LIST: "list (OPENDIR)",
    Operation.STAT: "look (STAT, LSTAT)",
    Operation.READ: "read (OPEN)",
    Operation.UPLOAD: "upload whole (OPEN)",
    Operation.RESUME: "resume (OPEN without truncate)",
    Operation.REMOVE: "remove (REMOVE)",
    Operation.RENAME: "rename this file (RENAME, posix-rename)",
    Operation.RENAME_TO: "rename another file to this name (RENAME)",
    Operation.RENAME_OVER: "rename another file to this name (posix-rename)",
    Operation.SET_ATTRIBUTES: "set times, mode, its own size (SETSTAT)",
}

_MAY_BE_DONE = """\
# What may be done where

Made from `batch/permissions.py`: server and spool ask that table, the spool with the channel's lock
held.

{table}

*Yes*: it is done. All else is refused: *absent* with SSH_FX_NO_SUCH_FILE, *denied* with
SSH_FX_PERMISSION_DENIED, *failure* with SSH_FX_FAILURE; *exists* with that too, since the protocol
has no code for it. The number is the sentence that the sender reads ({sealed} with the file's name
in front):

{sentences}

In the last column (\\*) the sentence says what is wrong with the path, and is one of these:

{of_paths}

*Being uploaded* is what the session that asks has open for writing; to all others nothing is there
before its CLOSE. *Sealed* is a name from the acceptance of its set until the answer, when it leaves
the inbox. A whole file may come under it: it is a repeat, or another content of the stem
([decision 0004](decisions/0004-repeats.md)).

A rename stays inside one folder. Another size than the file has is refused. REALPATH is answered
for every path that can be one, `statvfs@openssh.com` wherever STAT is. READ, WRITE, FSTAT,
FSETSTAT, READDIR, CLOSE and `fsync@openssh.com` go by what was opened; `limits@openssh.com` has no
path.

Not done, and answered with SSH_FX_OP_UNSUPPORTED at every path alike: MKDIR, RMDIR, READLINK,
SYMLINK, all other extensions (`hardlink@openssh.com`, `lsetstat@openssh.com`, `copy-data` ...) and
the requests of later versions of the protocol. Whatever else is wrong with a name is told by the
ACRF.
"""


def settings() -> str:
    """Every setting with its default and reason."""
    return "\n".join(_settings()) + "\n"


def _settings() -> Iterator[str]:
    yield "# Settings"
    yield ""
    yield "Strongest first: the command line, `FLA_BATCH_<NAME>` in the environment,"
    yield "`settings.toml` in the data directory, the default. Made from `batch/settings.py`."
    yield ""
    yield from _fields(Settings)
    yield ""
    yield "## A service beside the FLA"
    yield ""
    yield "Each entry `[services.NAME]` of `settings.toml`; how to: [services.md](services.md)."
    yield ""
    yield from _fields(RoutedService)


def _fields(model: type[BaseModel]) -> Iterator[str]:
    yield "| name | default | what and why |"
    yield "| --- | --- | --- |"
    for name, field in model.model_fields.items():
        default = field.default
        shown = " ".join(default) if isinstance(default, tuple) else str(default)
        said = "must be given" if field.is_required() else f"`{shown}`" if shown else "none"
        yield f"| `{name}` | {said} | {field.description} |"


PAGES = {
    "anomalies.md": catalogue.document,
    "coverage.md": coverage.document,
    "flow.md": flow,
    "permissions.md": may_be_done,
    "send.md": send,
    "settings.md": settings,
    "signatures.md": signatures.document,
}
"""Page name, and what makes its text. A test compares them: a stale page is red."""


def main() -> None:
    for name, made_by in PAGES.items():
        (HERE / name).write_text(made_by(), encoding="utf-8")


if __name__ == "__main__":
    main()
