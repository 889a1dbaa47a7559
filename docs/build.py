"""Write the pages of this folder that are made from the code: ``make docs``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from batch import catalogue, permissions
from batch.ingest import way
from batch.settings import Settings

HERE = Path(__file__).parent
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


def may_be_done() -> str:
    """What may be done where, from the one table of it."""
    return _MAY_BE_DONE.format(table=permissions.document())


_MAY_BE_DONE = """\
# What may be done where

Made from `batch/permissions.py`: server and spool ask that table, the spool with the channel's lock
held. A number is the sentence that the sender reads.

{table}

*Being uploaded* is what the session that asks has open for writing; to all others nothing is there
before its CLOSE. *Sealed* is a name from the acceptance of its set until the answer, when it leaves
the inbox. A whole file may come under it: it is a repeat, or another content of the stem
([decision 0004](decisions/0004-repeats.md)).

A rename stays inside one folder. Another size than the file has is refused. Making and removing
directories, making and reading links and every other request are answered as not supported, at
every path alike. A name is made of `A-Z a-z 0-9 . _ -`, begins with a letter, a digit or `_`, and
has at most 100 characters; whatever else is wrong with it is told by the ACRF.
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
    yield "| name | default | what and why |"
    yield "| --- | --- | --- |"
    for name, field in Settings.model_fields.items():
        default = field.default
        shown = " ".join(default) if isinstance(default, tuple) else str(default)
        yield f"| `{name}` | `{shown}` | {field.description} |"


PAGES = {
    "anomalies.md": catalogue.document,
    "flow.md": flow,
    "permissions.md": may_be_done,
    "settings.md": settings,
}
"""Page name, and what makes its text. A test compares them: a stale page is red."""


def main() -> None:
    for name, made_by in PAGES.items():
        (HERE / name).write_text(made_by(), encoding="utf-8")


if __name__ == "__main__":
    main()
