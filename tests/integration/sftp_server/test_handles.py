"""Every request on every kind of handle: what comes of it. The answers are written down by hand."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator

import pytest

from batch.identifiers import SenderNumber
from batch.settings import load
from batch.sftp_server.descriptors import Files
from batch.sftp_server.operations import Operations
from batch.sftp_server.protocol import OpenDirectory, Packet, Status
from tests.integration.sftp_server.support import EXCLUSIVE, FRESH, Raw, Running, offset

READ, TIMES, MODE, SIZE = 0x01, 0x08, 0x04, 0x01
CONTENT = b"content"

# failed: no such open file, or none of this kind; end: nothing more to read
ANSWERS = """
                 upload sealed answer folder root   closed none
    read         failed ok     ok     failed failed failed failed
    read beyond  failed end    end    failed failed failed failed
    read far     failed end    end    failed failed failed failed
    write        ok     denied denied denied denied failed failed
    look         ok     ok     ok     ok     ok     failed failed
    set times    ok     ok     ok     ok     ok     failed failed
    set mode     ok     ok     ok     ok     ok     failed failed
    same size    ok     ok     ok     denied denied failed failed
    other size   denied denied denied denied denied failed failed
    to nothing   ok     denied denied denied denied failed failed
    sync         ok     denied denied denied denied failed failed
    list         failed failed failed ok     ok     failed failed
    close        ok     ok     ok     ok     ok     failed failed
"""
CODES = {
    "ok": Status.OK,
    "end": Status.EOF,
    "denied": Status.PERMISSION_DENIED,
    "failed": Status.FAILURE,
}

REQUESTS: dict[str, Callable[[Raw, bytes], tuple[int, bytes]]] = {
    "read": lambda raw, h: raw.ask(Packet.READ, h, *offset(0), 100),
    "read beyond": lambda raw, h: raw.ask(Packet.READ, h, *offset(len(CONTENT)), 100),
    "read far": lambda raw, h: raw.ask(Packet.READ, h, 0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF),
    "write": lambda raw, h: raw.ask(Packet.WRITE, h, *offset(0), CONTENT),
    "look": lambda raw, h: raw.ask(Packet.FSTAT, h),
    "set times": lambda raw, h: raw.ask(Packet.FSETSTAT, h, TIMES, 1, 1),
    "set mode": lambda raw, h: raw.ask(Packet.FSETSTAT, h, MODE, 0o777),
    "same size": lambda raw, h: raw.ask(Packet.FSETSTAT, h, SIZE, *offset(len(CONTENT))),
    "other size": lambda raw, h: raw.ask(Packet.FSETSTAT, h, SIZE, *offset(3)),
    "to nothing": lambda raw, h: raw.ask(Packet.FSETSTAT, h, SIZE, *offset(0)),
    "sync": lambda raw, h: raw.ask(Packet.EXTENDED, b"fsync@openssh.com", h),
    "list": lambda raw, h: raw.ask(Packet.READDIR, h),
    "close": lambda raw, h: raw.ask(Packet.CLOSE, h),
}


def opened(raw: Raw, kind: str) -> bytes:
    """A new handle of this kind; ``none`` is one that nobody was given."""
    match kind:
        case "upload":
            handle = raw.open(b"/IN/of-handles", FRESH)
            assert raw.status(Packet.WRITE, handle, *offset(0), CONTENT)[0] == Status.OK
        case "sealed" | "answer":
            handle = raw.open(b"/OUT/answer" if kind == "answer" else b"/IN/sealed", READ)
        case "folder" | "root":
            found, rest = raw.ask(Packet.OPENDIR, b"/" if kind == "root" else b"/IN")
            assert found == Packet.HANDLE
            handle = rest[4:]
        case "closed":
            handle = opened(raw, "answer")
            assert raw.status(Packet.CLOSE, handle)[0] == Status.OK
        case _:
            handle = b"nobody's"
    return handle


def cells() -> Iterator[tuple[str, str, str]]:
    head, *rows = ANSWERS.strip().splitlines()
    kinds = head.split()
    for row in rows:
        words = row.split()
        request = " ".join(words[: -len(kinds)])
        yield from ((request, k, w) for k, w in zip(kinds, words[-len(kinds) :], strict=True))


@pytest.fixture(scope="module")
def raw(running: Running) -> Iterator[Raw]:
    """One session for all cells: a connection for each would meet the caps of a sender."""
    with Raw(running) as one:
        yield one


@pytest.mark.parametrize(("request_", "kind", "wanted"), list(cells()))
def test_what_comes_of(running: Running, raw: Raw, request_: str, kind: str, wanted: str) -> None:
    sealed, answer = running.inbox / "sealed", running.outbox / "answer"
    for path in (sealed, answer):
        path.unlink(missing_ok=True)
        path.write_bytes(CONTENT)
    second = running.instance.layout.sealed / "handles"
    second.unlink(missing_ok=True)
    second.hardlink_to(sealed)
    handle = opened(raw, kind)
    found, rest = REQUESTS[request_](raw, handle)
    code = struct.unpack(">I", rest[:4])[0] if found == Packet.STATUS else Status.OK
    assert Status(code) is CODES[wanted]
    assert (second.read_bytes(), answer.read_bytes()) == (CONTENT, CONTENT)
    raw.ask(Packet.CLOSE, handle)
    raw.ask(Packet.REMOVE, b"/IN/of-handles")
    second.unlink()


def test_every_request_has_its_row() -> None:
    assert {request for request, _, _ in cells()} == set(REQUESTS)


def test_a_handle_is_its_sessions_own(running: Running) -> None:
    """Numbers of handles repeat from session to session; what they stand for does not."""
    (running.outbox / "answer").write_bytes(CONTENT)
    with Raw(running) as mine, Raw(running, "bob") as other:
        handle = opened(mine, "answer")
        for name, act in REQUESTS.items():
            found, rest = act(other, handle)
            assert found == Packet.STATUS, name
            assert struct.unpack(">I", rest[:4])[0] == Status.FAILURE, name
        assert REQUESTS["read"](mine, handle)[1][4:] == CONTENT


@pytest.mark.parametrize("sent", [b"", b"abc"])
def test_a_write_of_nothing_makes_no_size_and_no_gap(
    running: Running, raw: Raw, sent: bytes
) -> None:
    handle = raw.open(b"/IN/nothing", FRESH)
    if sent:
        assert raw.status(Packet.WRITE, handle, 0, 0, sent)[0] == Status.OK
    assert raw.status(Packet.WRITE, handle, 0, 1000, b"")[0] == Status.OK
    attributes = raw.ask(Packet.FSTAT, handle)[1]
    assert int.from_bytes(attributes[4:12], "big") == len(sent)
    assert raw.status(Packet.CLOSE, handle)[0] == Status.OK
    assert (running.inbox / "nothing").read_bytes() == sent
    assert raw.status(Packet.REMOVE, b"/IN/nothing")[0] == Status.OK


def test_of_two_that_make_one_new_file_the_second_is_refused(running: Running, raw: Raw) -> None:
    with Raw(running) as other:
        first, second = (each.open(b"/IN/only", FRESH | EXCLUSIVE) for each in (raw, other))
        assert raw.status(Packet.WRITE, first, 0, 0, b"first")[0] == Status.OK
        assert other.status(Packet.WRITE, second, 0, 0, b"second")[0] == Status.OK
        assert raw.status(Packet.CLOSE, first)[0] == Status.OK
        refused = other.status(Packet.CLOSE, second)
    assert refused == (Status.FAILURE, "a file of this name is there already")
    assert (running.inbox / "only").read_bytes() == b"first"
    assert raw.status(Packet.REMOVE, b"/IN/only")[0] == Status.OK


def test_a_share_that_is_used_up_is_told_as_such_and_is_no_problem(
    running: Running, capsys: pytest.CaptureFixture[str]
) -> None:
    """A sender that opens all it may is no error of the server's."""
    home = running.instance.spool.sender(SenderNumber("000006"))
    settings = load(data=running.instance.layout.data)
    operations = Operations(home, settings, Files(1).of(home.sender))
    replies = [operations.answer(OpenDirectory(number, b"/IN")) for number in (1, 2)]
    first, second = (r if isinstance(r, bytes) else r.do() for r in replies)
    operations.abandon()
    assert (first[4], second[4]) == (Packet.HANDLE, Packet.STATUS)
    written = capsys.readouterr().err.splitlines()  # sessions of other tests end in it as well
    [line] = [each for each in written if str(home.sender) in each]
    assert '"event": "operation_failed"' in line
    assert "too many files open" in line
