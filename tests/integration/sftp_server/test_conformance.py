"""The cases of tests/conformance at our server and at OpenSSH's, and at wrong ones."""

from __future__ import annotations

import ast
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import tests.conformance.__main__ as command
from tests.conformance import cases, statements
from tests.conformance.answers import Code
from tests.conformance.cases.case import Case
from tests.conformance.requests import Type
from tests.conformance.statements import Judged, Statement, Unfit
from tests.conformance.wire import Connect, Program, channel_of
from tests.integration.sftp_server.support import Running, openssh_pem

ALL = list(cases.ALL)
PATIENCE = 30.0
"""Seconds for an answer on a busy machine; only a server that gives none takes them."""
HOME = Path(command.__file__).parent
OPENSSH = "/usr/lib/openssh/sftp-server"
REFUSALS = {Code.PERMISSION_DENIED, Code.FAILURE, Code.BAD_MESSAGE, Code.OP_UNSUPPORTED}
needs_openssh = pytest.mark.needs(OPENSSH)


def stated(server: str) -> Statement:
    return statements.load(HOME / "servers" / f"{server}.toml", cases.ALL)


def named(*names: str) -> list[Case]:
    return [next(case for case in cases.ALL if case.name == name) for name in names]


def wrong(found: list[Judged]) -> list[str]:
    return [
        f"{one.case.name}: {one.outcome.code} ({one.outcome.note})"
        for one in found
        if not one.right
    ]


def test_our_server_answers_each_packet_as_stated_and_says_why_it_refuses(
    running: Running, capfd: pytest.CaptureFixture[str]
) -> None:
    with running.transport() as first, running.transport() as second:
        connect, aside = (lambda: channel_of(first)), (lambda: channel_of(second))
        found = list(command.run(ALL, stated("fla_batch"), "/IN", connect, aside, PATIENCE))
    assert wrong(found) == []
    assert len(found) > 500
    refused = [one for one in found if one.outcome.code in REFUSALS]
    assert len(refused) > 200
    assert [one.case.name for one in refused if len(one.outcome.note) < 10] == []
    assert list(running.inbox.iterdir()) == []
    said = capfd.readouterr().err
    assert '"event": "published"' in said
    assert '"event": "problem"' not in said
    assert '"event": "operation_failed"' not in said


@needs_openssh
def test_the_server_of_openssh_answers_each_packet_as_stated(tmp_path: Path) -> None:
    def connect() -> Program:
        return Program([OPENSSH])

    found = list(command.run(ALL, stated("openssh"), str(tmp_path), connect, connect, PATIENCE))
    assert wrong(found) == []
    assert list(tmp_path.iterdir()) == []


# --- a suite that cannot fail shows nothing ---------------------------------------------------


def at_openssh(chosen: list[Case], folder: Path, connect: Connect) -> list[Judged]:
    """Cases at a server that ``connect`` makes wrong; their files are made by the right one."""
    return list(
        command.run(
            chosen, statements.NOTHING_STATED, str(folder), connect, lambda: Program([OPENSSH])
        )
    )


@needs_openssh
def test_a_difference_that_is_not_stated_is_found(tmp_path: Path) -> None:
    chosen = named("stat.empty-path", "stat.file")
    found = at_openssh(chosen, tmp_path, lambda: Program([OPENSSH]))
    assert [one.right for one in found] == [False, True]


@needs_openssh
def test_a_server_that_only_reads_is_found(tmp_path: Path) -> None:
    chosen = named("open.read", "open.write-fresh", "remove.file", "rename.file", "mkdir.new")
    found = at_openssh(chosen, tmp_path, lambda: Program([OPENSSH, "-R"]))
    assert [one.right for one in found] == [True, False, False, False, False]
    assert {one.outcome.code for one in found[1:]} == {Code.PERMISSION_DENIED}


class Crooked(Program):
    """OpenSSH's server with its answers changed on their way, from the second one on."""

    def __init__(self, change: Callable[[bytes], list[bytes]]) -> None:
        super().__init__([OPENSSH])
        self._change = change
        self._came = b""
        self._begun = False

    def receive(self, seconds: float) -> bytes:
        out = b""
        while not out:
            block = super().receive(seconds)
            if not block:
                return b""
            self._came += block
            while len(self._came) >= 4 + (length := int.from_bytes(self._came[:4], "big")) > 4:
                packet, self._came = self._came[4 : 4 + length], self._came[4 + length :]
                changed = self._change(packet) if self._begun else [packet]
                self._begun = True
                out += b"".join(len(each).to_bytes(4, "big") + each for each in changed)
        return out


def of_type(kind: int, change: Callable[[bytes], list[bytes]]) -> Callable[[bytes], list[bytes]]:
    """Change the answers of one type alone."""
    return lambda packet: change(packet) if packet[0] == kind else [packet]


STATUS, DATA, NAME, ATTRS = 101, 103, 104, 105
CROOKED: dict[str, tuple[str, Callable[[bytes], list[bytes]], str]] = {
    "another code": ("read.at-end", of_type(STATUS, lambda p: [p[:8] + b"\4" + p[9:]]), "FAILURE"),
    "OK for an error": ("stat.absent", of_type(STATUS, lambda p: [p[:8] + b"\0" + p[9:]]), "OK"),
    "a code for clients": ("stat.absent", of_type(STATUS, lambda p: [p[:8] + b"\7" + p[9:]]),
                           "status 7"),
    "no sentence": ("stat.absent", of_type(STATUS, lambda p: [p[:9]]), "beyond the packet"),
    "another id": ("stat.file", of_type(ATTRS, lambda p: [p[:4] + b"\x63" + p[5:]]), "id 99"),
    "two answers": ("stat.file", of_type(ATTRS, lambda p: [p, p]), "an answer to id 7"),
    "no answer": ("stat.file", of_type(ATTRS, lambda p: []), "to this request alone"),
    "bytes behind it": ("stat.file", of_type(ATTRS, lambda p: [p + b"x"]), "1 bytes after"),
    "a byte changed": ("read.whole", of_type(DATA, lambda p: [p[:-1] + b"x"]), "not b'0123"),
    "too many bytes": ("read.part", of_type(DATA, lambda p: [p[:8] + b"\5" + p[9:] + b"x"]),
                       "more bytes than"),
    "no names": ("readdir.file-is-named", of_type(NAME, lambda p: [p[:5] + bytes(4)]), "no names"),
}  # fmt: skip
"""What is wrong with the server: a case that finds it, the change, and what is said of it."""


@needs_openssh
@pytest.mark.parametrize("fault", CROOKED)
def test_a_wrong_answer_is_found(fault: str, tmp_path: Path) -> None:
    name, change, said = CROOKED[fault]
    [found] = at_openssh(named(name), tmp_path, lambda: Crooked(change))
    assert not found.right
    assert said in f"{found.outcome.code} {found.outcome.note}"


@needs_openssh
def test_the_right_answer_to_the_wrong_step_counts_for_nothing(tmp_path: Path) -> None:
    """The file is said to be gone, but by the REMOVE that was to remove it."""
    absent = of_type(STATUS, lambda p: [p[:8] + b"\2" + p[9:]])
    [found] = at_openssh(named("remove.is-gone"), tmp_path, lambda: Crooked(absent))
    assert found.outcome.code in found.expected
    assert not found.right


@needs_openssh
def test_a_server_that_ends_each_session_at_once_is_not_a_careful_one(tmp_path: Path) -> None:
    chosen = [c for c in ALL if c.begun and Code.CLOSED in c.allowed]
    assert len(chosen) > 100
    found = at_openssh(chosen, tmp_path, lambda: Program(["true"]))
    assert {one.outcome.code for one in found} == {Code.CLOSED}
    assert not any(one.right for one in found)


def test_no_request_of_the_protocol_is_forgotten() -> None:
    sent = {field for case in cases.ALL for field in requests_of(case.steps)}
    assert sent == set(Type)
    assert len({case.name for case in cases.ALL}) == len(cases.ALL)


def requests_of(thing: object) -> Iterator[Type]:
    """The types of all requests in a case, however deep."""
    if isinstance(thing, tuple):
        for each in thing:
            yield from requests_of(each)
    elif hasattr(thing, "__dataclass_fields__"):
        for name in thing.__dataclass_fields__:
            value = getattr(thing, name)
            if name == "type" and value in set(Type):
                yield Type(value)
            yield from requests_of(value)


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ('[[differs]]\nanswer = "OK"\nwhy = "x"\ncases = ["stat.fil"]', "counts for no case"),
        ('[[differs]]\nanswer = "ATTRS"\nwhy = "x"\ncases = ["stat.file"]', "is no difference"),
        ('[exact]\nEOF = ["read.length-0"]', "say what is answered"),
        ('[exact]\nOK = ["read.length-0"]', "needs its reason"),
        ('[exact]\nEOF = ["read.length-0"]\nDATA = ["read.length-0"]', "twice"),
    ],
)
def test_a_statement_that_does_not_fit_is_refused(written: str, said: str, tmp_path: Path) -> None:
    file = tmp_path / "server.toml"
    file.write_text(written, "utf-8")
    with pytest.raises(Unfit, match=said):
        statements.load(file, cases.ALL)


# --- the command ------------------------------------------------------------------------------


@needs_openssh
def test_the_command_prints_a_table_or_json_and_ends_by_what_it_found(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rest = ["--only", "stat.empty", "--", OPENSSH]
    folder = ["--folder", str(tmp_path)]
    assert command.main([*folder, *rest]) == 1
    assert "stat.empty-path" in capsys.readouterr().out
    assert command.main([*folder, "--json", *rest]) == 1
    [one] = json.loads(capsys.readouterr().out)
    assert (one["got"], one["expected"], one["clause"]) == ("NO_SUCH_FILE", ["ATTRS"], "6.2")
    statement = ["--statement", str(HOME / "servers" / "openssh.toml")]
    assert command.main([*folder, *statement, *rest]) == 0
    assert "1 stated to differ" in capsys.readouterr().out


def test_the_command_asks_a_server_over_ssh(running: Running, tmp_path: Path) -> None:
    key = tmp_path / "login"
    key.write_text(openssh_pem(running.keys["alice"]))
    key.chmod(0o600)
    where = ["--host", "127.0.0.1", "--port", str(running.port), "--folder", "/INTEST"]
    statement = ["--statement", str(HOME / "servers" / "fla_batch.toml")]
    who = ["--user", "alice", "--key", str(key)]
    assert command.main([*where, *who, *statement, "--only", "close."]) == 0
    assert command.main([*where, *who, "--only", "close."]) == 1


def test_a_server_that_cannot_be_asked_is_told_apart(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--folder", "/"]) == 2
    assert "cannot be asked" in capsys.readouterr().err


def test_the_suite_knows_nothing_of_the_channel() -> None:
    """So that it can be lifted out and run against any server."""
    for file in HOME.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            assert not [n for n in names if n.split(".")[0] == "batch"], file
            assert not [n for n in names if n.startswith("tests.") and "conformance" not in n], file
