"""What the server says to single packets, in order and out of order, whole and broken."""

from __future__ import annotations

import struct
import time
from pathlib import Path

import pytest

from batch.identifiers import SenderNumber
from batch.sftp_server.protocol import MAX_DATA, Packet, Status
from batch.storage import durable
from tests.integration.sftp_server.support import FRESH, WRITE, Raw, Running, text

CREATE_ONLY = 0x08 | 0x20


def wait_until_gone(path: Path) -> None:
    deadline = time.monotonic() + 40
    while any(path.iterdir()):
        assert time.monotonic() < deadline, list(path.iterdir())
        time.sleep(0.02)


def write(raw: Raw, handle: bytes, offset: int, content: bytes) -> tuple[int, str]:
    return raw.status(Packet.WRITE, handle, offset >> 32, offset & 0xFFFFFFFF, content)


def test_version_3_with_exactly_the_extensions_we_stand_behind(running: Running) -> None:
    pairs = (
        b"\0\0\0\x18posix-rename@openssh.com\0\0\0\x011"
        b"\0\0\0\x11fsync@openssh.com\0\0\0\x011"
        b"\0\0\0\x12limits@openssh.com\0\0\0\x011"
        b"\0\0\0\x13statvfs@openssh.com\0\0\0\x012"
    )
    with Raw(running) as raw:
        assert raw.version == bytes([Packet.VERSION, 0, 0, 0, 3]) + pairs


def test_an_explicit_close_publishes(running: Running) -> None:
    with Raw(running) as raw:
        handle = raw.open(b"/IN/closed", FRESH)
        assert write(raw, handle, 0, b"whole") == (Status.OK, "")
        assert not (running.inbox / "closed").exists()
        assert raw.status(Packet.CLOSE, handle) == (Status.OK, "")
        assert (running.inbox / "closed").read_bytes() == b"whole"
        assert raw.status(Packet.REMOVE, b"/IN/closed")[0] == Status.OK


@pytest.mark.parametrize("way", ["transport", "channel", "end of file"])
def test_a_lost_connection_publishes_nothing(running: Running, way: str) -> None:
    raw = Raw(running)
    handle = raw.open(b"/IN/lost", FRESH)
    assert write(raw, handle, 0, b"half" * 20_000) == (Status.OK, "")
    assert running.being_uploaded()
    match way:
        case "transport":
            raw.transport.sock.close()
        case "channel":
            raw.channel.close()
        case _:
            raw.channel.shutdown_write()
    wait_until_gone(running.instance.layout.up)
    assert not (running.inbox / "lost").exists()
    raw.transport.close()


def test_a_file_with_a_gap_is_not_published(running: Running) -> None:
    with Raw(running) as raw:
        handle = raw.open(b"/IN/gap", FRESH)
        assert write(raw, handle, 10, b"later") == (Status.OK, "")
        code, sentence = raw.status(Packet.CLOSE, handle)
        assert code == Status.PERMISSION_DENIED
        assert "missing" in sentence
        assert not (running.inbox / "gap").exists()


def test_pieces_may_come_out_of_order(running: Running) -> None:
    with Raw(running) as raw:
        handle = raw.open(b"/IN/order", FRESH)
        assert write(raw, handle, 3, b"def") == (Status.OK, "")
        assert write(raw, handle, 0, b"abc") == (Status.OK, "")
        assert raw.status(Packet.CLOSE, handle) == (Status.OK, "")
        assert (running.inbox / "order").read_bytes() == b"abcdef"
        assert raw.status(Packet.REMOVE, b"/IN/order")[0] == Status.OK


def test_a_read_of_four_gigabytes_is_answered_with_one_block(running: Running) -> None:
    (running.outbox / "FO.big").write_bytes(b"x" * (2 * MAX_DATA))
    with Raw(running) as raw:
        handle = raw.open(b"/OUT/FO.big", 0x01)
        kind, rest = raw.ask(Packet.READ, handle, 0, 0, 0xFFFFFFFF)
        assert kind == Packet.DATA
        assert rest == text(b"x" * MAX_DATA)
        assert raw.status(Packet.READ, handle, 0xFFFFFFFF, 0xFFFFFFFF, 1)[0] == Status.EOF
        assert raw.status(Packet.CLOSE, handle) == (Status.OK, "")
        assert raw.status(Packet.CLOSE, handle)[0] == Status.FAILURE


def test_a_signature_has_its_largest_size(running: Running) -> None:
    most = 65_536
    with Raw(running) as raw:
        handle = raw.open(b"/IN/FS.x", FRESH)
        assert write(raw, handle, most - 1, b"x") == (Status.OK, "")
        code, sentence = write(raw, handle, most, b"x")
        assert code == Status.PERMISSION_DENIED
        assert str(most) in sentence
        assert raw.status(Packet.CLOSE, handle)[0] == Status.PERMISSION_DENIED


@pytest.mark.parametrize("name", [b"GO.x", b"TD.x"])
def test_what_a_trigger_holds_is_ignored_however_much_it_is(running: Running, name: bytes) -> None:
    with Raw(running) as raw:
        handle = raw.open(b"/IN/" + name, FRESH)
        assert write(raw, handle, 0, b"x" * 100_000) == (Status.OK, "")
        assert raw.status(Packet.CLOSE, handle) == (Status.OK, "")


def test_open_keeps_creates_or_refuses_as_its_flags_say(running: Running) -> None:
    with Raw(running) as raw:
        assert raw.status(Packet.OPEN, b"/IN/flags", WRITE, 0)[0] == Status.NO_SUCH_FILE
        handle = raw.open(b"/IN/flags", FRESH)
        write(raw, handle, 0, b"12345")
        assert raw.status(Packet.CLOSE, handle)[0] == Status.OK
        assert raw.status(Packet.OPEN, b"/IN/flags", WRITE | CREATE_ONLY, 0)[0] == Status.FAILURE
        handle = raw.open(b"/IN/flags", WRITE | 0x04)
        assert write(raw, handle, 0, b"67") == (Status.OK, "")
        assert raw.status(Packet.CLOSE, handle)[0] == Status.OK
        assert (running.inbox / "flags").read_bytes() == b"1234567"
        assert raw.status(Packet.REMOVE, b"/IN/flags")[0] == Status.OK


def test_handles_are_capped_and_come_back(running: Running) -> None:
    with Raw(running) as raw:
        handles = [raw.open(b"/IN/handle%d" % n, FRESH) for n in range(8)]
        code, sentence = raw.status(Packet.OPEN, b"/IN/one-more", FRESH, 0)
        assert code == Status.FAILURE
        assert "close some first" in sentence
        assert raw.status(Packet.OPENDIR, b"/IN")[0] == Status.FAILURE
        assert raw.status(Packet.CLOSE, handles[0])[0] == Status.OK
        raw.open(b"/IN/one-more", FRESH)


def test_an_open_upload_is_seen_by_its_own_session_and_cut_to_nothing_only(
    running: Running,
) -> None:
    with Raw(running) as raw:
        handle = raw.open(b"/IN/seen", FRESH)
        write(raw, handle, 0, b"12345")
        for kind, what in ((Packet.STAT, b"/IN/seen"), (Packet.FSTAT, handle)):
            found, rest = raw.ask(kind, what)
            assert found == Packet.ATTRS
            assert rest[4:12] == struct.pack(">Q", 5)
        assert raw.status(Packet.READ, handle, 0, 0, 5)[0] == Status.FAILURE
        assert raw.status(Packet.FSETSTAT, handle, 1, 0, 3)[0] == Status.PERMISSION_DENIED
        assert raw.status(Packet.FSETSTAT, handle, 1, 0, 5)[0] == Status.OK
        assert raw.status(Packet.FSETSTAT, handle, 1, 0, 0)[0] == Status.OK
        assert raw.status(Packet.CLOSE, handle)[0] == Status.OK
        assert (running.inbox / "seen").read_bytes() == b""
        assert raw.status(Packet.REMOVE, b"/IN/seen")[0] == Status.OK


def test_a_published_file_is_still_seen_when_the_worker_has_taken_it(running: Running) -> None:
    with Raw(running) as raw:
        handle = raw.open(b"/IN/taken", FRESH)
        write(raw, handle, 0, b"12345")
        assert raw.status(Packet.CLOSE, handle)[0] == Status.OK
        (running.inbox / "taken").unlink()
        found, rest = raw.ask(Packet.STAT, b"/IN/taken")
        assert found == Packet.ATTRS
        assert rest[4:12] == struct.pack(">Q", 5)


def test_fsync_and_limits_are_answered(running: Running) -> None:
    with Raw(running) as raw:
        handle = raw.open(b"/IN/synced", FRESH)
        assert write(raw, handle, 0, b"12345") == (Status.OK, "")
        assert raw.status(Packet.EXTENDED, b"fsync@openssh.com", handle)[0] == Status.OK
        kind, rest = raw.ask(Packet.EXTENDED, b"limits@openssh.com")
        assert kind == Packet.EXTENDED_REPLY
        assert struct.unpack(">QQQQ", rest) == (MAX_DATA + 1024, MAX_DATA, MAX_DATA, 8)


def test_a_slow_disk_stalls_only_the_session_that_waits_for_it(running: Running) -> None:
    """The channel's lock is held from outside, as a slow seal would hold it."""
    lock = running.instance.layout.lock_of(SenderNumber("000001"))
    with Raw(running) as waiting, Raw(running, "bob") as free:
        handle = waiting.open(b"/IN/waiting", FRESH)
        with durable.locked(lock):
            waiting.send(bytes([Packet.CLOSE]) + struct.pack(">I", 7) + text(handle))
            for number in range(20):
                name = b"/IN/free%d" % number
                assert free.status(Packet.CLOSE, free.open(name, FRESH))[0] == Status.OK
                assert free.status(Packet.REMOVE, name)[0] == Status.OK
            assert not (running.inbox / "waiting").exists()
        assert waiting.receive()[5:9] == Status.OK.to_bytes(4, "big")
        assert waiting.status(Packet.REMOVE, b"/IN/waiting")[0] == Status.OK


@pytest.mark.parametrize(
    "sent",
    [
        struct.pack(">I", 0),
        struct.pack(">I", 1) + b"\x03",
        struct.pack(">I", 4) + b"\x10\0\0\0",
        struct.pack(">I", 300_000) + b"\x03\0\0\0\x07",
        b"\xff" * 100,
    ],
)
def test_a_packet_that_is_none_ends_the_session(running: Running, sent: bytes) -> None:
    with Raw(running) as raw:
        raw.channel.sendall(sent)
        with pytest.raises(EOFError):
            raw.receive()


def test_links_directories_and_unknown_requests_are_not_done(running: Running) -> None:
    with Raw(running) as raw:
        for kind, *fields in (
            (Packet.MKDIR, b"/IN/folder", 0),
            (Packet.RMDIR, b"/IN"),
            (Packet.SYMLINK, b"/IN/a", b"/OUT/b"),
            (Packet.READLINK, b"/IN/a"),
            (Packet.EXTENDED, b"hardlink@openssh.com", b"/IN/a", b"/IN/b"),
            (Packet.EXTENDED, b"copy-data", b""),
        ):
            assert raw.status(kind, *fields)[0] == Status.OP_UNSUPPORTED
        assert raw.status(Packet.OPEN, b"/IN/short")[0] == Status.BAD_MESSAGE
        assert raw.status(Packet.REALPATH, b".", b"more")[0] == Status.BAD_MESSAGE


def test_many_requests_at_once_are_answered_in_order(running: Running) -> None:
    with Raw(running) as raw:
        stats = [b"\x11" + struct.pack(">I", n) + text(b"/IN") for n in range(3000)]
        raw.channel.sendall(b"".join(struct.pack(">I", len(s)) + s for s in stats))
        assert [raw.receive()[1:5] for _ in stats] == [s[1:5] for s in stats]
