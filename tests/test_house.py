"""The house itself: imports, sizes, purity, and pages that must not go stale.

Each rule is a function from a module's tree to what breaks it, so that it can be shown to break.
"""

from __future__ import annotations

import ast
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from batch import catalogue
from batch.anomalies import Layer

ROOT = Path(__file__).parent.parent

LAYERS: tuple[frozenset[str], ...] = (
    frozenset({"errors", "masking"}),
    frozenset({"identifiers", "anomalies"}),
    frozenset({"names", "catalogue"}),
    frozenset({"settings", "routed", "journal", "schemata", "registers", "signing", "permissions"}),
    frozenset({"states"}),
    frozenset({"ingest"}),
    frozenset({"fla", "evidence"}),
    frozenset({"storage"}),
    frozenset({"sftp_server", "watcher", "worker", "dispatch", "upkeep", "client"}),
    frozenset({"supervisor"}),
    frozenset({"processes"}),
    frozenset({"demo"}),
    frozenset({"cli"}),
)
"""Imports point down: a part may import its own layer and those above it in this list."""

CORE = frozenset().union(*LAYERS[:3], {"registers", "signing", "permissions"}, *LAYERS[4:7])
"""Bytes, facts and the instant go in, a verdict comes out."""

MAX_FILE, MAX_FUNCTION = 400, 45

NEVER_IMPORTED = {
    # No parser beside the host key, no network beside the parser, and a client that is only one.
    "sftp_server": {
        "lxml",
        "xmlschema",
        "urllib3",
        "batch.worker",
        "batch.watcher",
        "batch.client",
    },
    "worker": {"asyncssh", "paramiko", "urllib3", "batch.sftp_server", "batch.client"},
    "dispatch": {"asyncssh", "paramiko", "lxml", "batch.sftp_server", "batch.worker"},
    "upkeep": {"asyncssh", "paramiko", "lxml", "batch.sftp_server", "batch.worker"},
    "watcher": {"asyncssh", "paramiko", "batch.sftp_server", "batch.client"},
    "client": {"asyncssh", "batch.storage", "batch.sftp_server", "batch.worker", "batch.watcher"},
}

EXEMPTIONS: dict[tuple[str, str], str] = {
    ("only_the_command_line_speaks", "batch/processes.py"): (
        "the entry point of a child process: it has no caller to give a code or a line to"
    ),
    ("only_the_command_line_speaks", "batch/supervisor.py"): (
        "a child whose parent is already gone leaves at once, before anything is open"
    ),
    ("only_the_command_line_speaks", "batch/sftp_server/server.py"): (
        "a process whose threads the disk holds has no other end: Python waits for each of them"
    ),
    ("functions_fit_a_screen", "batch/storage/migrations/versions/0001_first.py"): (
        "the tables of a version, one after the other; it is never changed again"
    ),
}
"""(rule, file): the reason. One that is no longer needed is red."""


@dataclass(frozen=True, slots=True)
class Module:
    """A source file of the package: its path from the root, its part, its tree."""

    path: str
    lines: int
    tree: ast.Module

    @property
    def part(self) -> str:
        """The name under ``batch`` it belongs to; '' for the package's own ``__init__``."""
        found = self.path.removeprefix("batch/").removesuffix(".py").split("/")[0]
        return "" if found == "__init__" else found


def module(path: str, source: str) -> Module:
    return Module(path, len(source.splitlines()), ast.parse(source))


def modules() -> list[Module]:
    files = sorted((ROOT / "batch").rglob("*.py"))
    return [module(f.relative_to(ROOT).as_posix(), f.read_text("utf-8")) for f in files]


def imported(source: Module) -> Iterator[str]:
    """Dotted names that the module imports; ``from batch import x`` gives ``batch.x``."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = "." * node.level + (node.module or "")
            yield from (f"{start}.{alias.name}" for alias in node.names)


def dotted(node: ast.expr) -> str:
    match node:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=value, attr=attr):
            return f"{dotted(value)}.{attr}"
        case _:
            return ""


def calls(source: Module) -> Iterator[str]:
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call):
            yield dotted(node.func)


def under(name: str, root: str) -> bool:
    return name == root or name.startswith(root + ".")


def rank(part: str) -> int | None:
    return next((n for n, layer in enumerate(LAYERS) if part in layer), None)


def imports_point_down(source: Module) -> Iterator[str]:
    own = rank(source.part)
    if own is None:
        if source.part:
            yield f"{source.part} has no place in LAYERS"
        return
    for name in imported(source):
        if name.startswith("."):
            yield f"imports {name}, relative to itself"
        other = name.split(".")[1] if name.startswith("batch.") else ""
        if other.startswith("__") or not other:
            continue
        there = rank(other)
        if there is None or there > own:
            yield f"{source.part} imports {name}"


def nothing_is_imported_that_must_not_be(source: Module) -> Iterator[str]:
    forbidden = set(NEVER_IMPORTED.get(source.part, ()))
    if source.part != "storage":
        forbidden |= {"sqlalchemy", "alembic"}
    if source.part in CORE:
        forbidden |= {"os", "socket", "time", "subprocess", "asyncio"}
    for name in imported(source):
        if any(under(name, root) for root in forbidden):
            yield f"imports {name}"


READS_THE_CLOCK = re.compile(r"(.*\.)?(datetime|date)\.(now|today|utcnow)|time\.\w+")


def the_core_reads_no_clock(source: Module) -> Iterator[str]:
    if source.part in CORE:
        yield from (f"calls {name}" for name in calls(source) if READS_THE_CLOCK.fullmatch(name))


def only_the_command_line_speaks(source: Module) -> Iterator[str]:
    if source.part != "cli":
        spoken = {"print", "exit", "quit", "sys.exit", "os._exit", "typer.echo"}
        yield from (f"calls {name}" for name in calls(source) if name in spoken)


def only_storage_moves_files(source: Module) -> Iterator[str]:
    durable = {"fsync", "fdatasync", "rename", "replace", "link"}
    if source.part != "storage":
        names = [*calls(source), *imported(source)]
        yield from (f"uses {name}" for name in names if name in {f"os.{d}" for d in durable})


def files_are_short(source: Module) -> Iterator[str]:
    if source.lines > MAX_FILE:
        yield f"{source.lines} lines, at most {MAX_FILE}"


def functions_fit_a_screen(source: Module) -> Iterator[str]:
    for node in ast.walk(source.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length > MAX_FUNCTION:
                yield f"{node.name}: {length} lines, at most {MAX_FUNCTION}"


Rule = Callable[[Module], Iterator[str]]

RULES: dict[Rule, dict[str, tuple[str, ...]]] = {
    imports_point_down: {
        "batch/registers.py": ("from batch.storage import spool", "from batch import storage"),
        "batch/ingest/way.py": ("import batch.fla", "from . import stages"),
        "batch/newcomer.py": ("",),
    },
    nothing_is_imported_that_must_not_be: {
        "batch/names.py": ("import os", "from os import path", "from time import time"),
        "batch/worker.py": ("import sqlalchemy", "import asyncssh"),
        "batch/client/mail.py": ("from batch import storage", "from batch.storage.spool import x"),
        "batch/sftp_server/handles.py": ("from lxml import etree",),
    },
    the_core_reads_no_clock: {
        "batch/names.py": ("datetime.datetime.now(UTC)", "date.today()", "time.time()"),
    },
    only_the_command_line_speaks: {"batch/worker.py": ("print('done')", "sys.exit(1)")},
    only_storage_moves_files: {
        "batch/client/mail.py": ("os.fsync(1)", "from os import rename", "os.replace(a, b)"),
    },
    files_are_short: {"batch/names.py": ("x = 1\n" * (MAX_FILE + 1),)},
    functions_fit_a_screen: {"batch/names.py": ("def f():\n" + "    x = 1\n" * MAX_FUNCTION,)},
}
"""Each rule, and the smallest modules that break it."""


def findings(rule: Rule) -> dict[tuple[str, str], list[str]]:
    """What breaks ``rule``, by (rule's name, file)."""
    found = {(rule.__name__, m.path): list(rule(m)) for m in modules()}
    return {key: broken for key, broken in found.items() if broken}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: str(rule.__name__))
def test_the_house_keeps(rule: Rule) -> None:
    broken = {key[1]: v for key, v in findings(rule).items() if key not in EXEMPTIONS}
    assert not broken, "\n".join(f"{path}: {', '.join(what)}" for path, what in broken.items())


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: str(rule.__name__))
def test_a_breach_is_found_of(rule: Rule) -> None:
    for path, sources in RULES[rule].items():
        for source in sources:
            assert list(rule(module(path, source))), (path, source)


def test_every_exemption_is_still_needed() -> None:
    needed = {key for rule in RULES for key in findings(rule)}
    assert set(EXEMPTIONS) <= needed
    assert all(len(reason) > 20 for reason in EXEMPTIONS.values())


def test_tests_and_fixtures_are_short_files_too() -> None:
    for file in [*(ROOT / "tests").rglob("*.py"), *(ROOT / "fixtures").rglob("*.py")]:
        lines = len(file.read_text("utf-8").splitlines())
        assert lines <= MAX_FILE, f"{file.relative_to(ROOT)}: {lines} lines, at most {MAX_FILE}"


def codes_raised() -> Iterator[tuple[Layer, str, str]]:
    """Codes the source names: any three digits in reception, and in ``Anomaly(zone, code)``."""
    for source in modules():
        receives = source.part in ("ingest", "signing") or source.path == "batch/names.py"
        for node in ast.walk(source.tree):
            match node:
                case ast.Constant(value=str(code)) if receives and re.fullmatch(r"\d{3}", code):
                    yield Layer.RECEPTION, code, source.path
                case ast.Call(func=func, args=[_, ast.Constant(value=str(code)), *_]) if (
                    dotted(func).split(".")[-1] == "Anomaly"
                ):
                    yield Layer.CONTENT, code, source.path


def test_every_code_raised_is_in_the_catalogue() -> None:
    raised = list(codes_raised())
    assert len(raised) > 10
    for layer, code, path in raised:
        assert catalogue.entry(layer, code).code == code, path


def test_generated_pages_are_not_stale() -> None:
    spec = importlib.util.spec_from_file_location("pages", ROOT / "docs" / "build.py")
    assert spec is not None
    assert spec.loader is not None
    build = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(build)
    assert build.PAGES
    for name, made_by in build.PAGES.items():
        written = (ROOT / "docs" / name).read_text("utf-8")
        assert written == made_by(), f"docs/{name} is stale: make docs"


def test_every_zone_of_the_schema_has_its_name() -> None:
    pattern = re.compile(
        r'<xs:element name="(\w+)">\s*<xs:annotation>\s*<xs:documentation>\s*(\w{5})\b'
    )
    schemas = sorted((ROOT / "schemas" / "fla").rglob("*.xsd"))
    assert schemas
    for schema in schemas:
        zones = {(number, name) for name, number in pattern.findall(schema.read_text("utf-8"))}
        assert zones == {(z.number, z.element) for z in catalogue.all_zones()}, schema.name


def test_make_lists_its_targets() -> None:
    listed = subprocess.run(
        [shutil.which("make") or "make", "--no-print-directory"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        env={k: v for k, v in os.environ.items() if not k.startswith("MAKE")},
    ).stdout
    written = re.findall(r"(?m)^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"))
    assert {"setup", "demo", "serve", "check", "test", "ci-long"} <= set(written)
    for target in written:
        assert f"make {target}" in listed


@pytest.mark.parametrize(("forbid", "ends"), [("", 0), ("1", 1)])
def test_an_absent_program_is_a_counted_skip_or_a_failure(
    tmp_path: Path, forbid: str, ends: int
) -> None:
    shutil.copy(ROOT / "tests" / "conftest.py", tmp_path)
    (tmp_path / "test_it.py").write_text(
        "import pytest\n\n\n"
        "@pytest.mark.needs('no-such-program', './no-such-file')\ndef test_one() -> None: ...\n\n\n"
        "@pytest.mark.needs('./conftest.py')\ndef test_two() -> None: ...\n",
        "utf-8",
    )
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--rootdir", tmp_path, tmp_path],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={**os.environ, "FLA_BATCH_TESTS_FORBID_SKIPS": forbid, "PYTEST_ADDOPTS": ""},
    )
    assert run.returncode == ends, run.stdout
    assert "absent: ./no-such-file, no-such-program" in run.stdout
    assert ("1 tests skipped: something they need is not here" in run.stdout) is (ends == 0)
