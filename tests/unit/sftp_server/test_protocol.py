"""SFTP packets: what a client may send is read, whatever else it sends is survived."""

from __future__ import annotations

import struct

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from batch.sftp_server import protocol as p
from batch.sftp_server import replies
from batch.sftp_server.stream import Reader


def text(content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + content


def packet(kind: int, *fields: bytes, identifier: int = 9) -> bytes:
    return bytes([kind]) + struct.pack(">I", identifier) + b"".join(fields)


NO_ATTRIBUTES = struct.pack(">I", 0)
ALL_ATTRIBUTES = struct.pack(">IQIIIII", 0x0F, 5, 1, 2, 0o600, 3, 4)
EXTENDED_ATTRIBUTES = struct.pack(">II", 0x8000_0000, 1) + text(b"a") + text(b"b")

REQUESTS = [
    (b"\x01\0\0\0\x06", p.Init(6)),
    (
        packet(3, text(b"/IN/x"), struct.pack(">I", 0x1A), NO_ATTRIBUTES),
        p.Open(9, b"/IN/x", p.OpenFlag(0x1A), p.Attributes()),
    ),
    (packet(4, text(b"h")), p.Close(9, b"h")),
    (
        packet(5, text(b"h"), struct.pack(">QI", 2**64 - 1, 2**32 - 1)),
        p.Read(9, b"h", 2**64 - 1, 2**32 - 1),
    ),
    (packet(6, text(b"h"), struct.pack(">Q", 3), text(b"data")), p.Write(9, b"h", 3, b"data")),
    (packet(7, text(b"a")), p.Stat(9, b"a")),
    (packet(17, text(b"a")), p.Stat(9, b"a")),
    (packet(8, text(b"h")), p.FStat(9, b"h")),
    (
        packet(9, text(b"a"), ALL_ATTRIBUTES),
        p.SetStat(9, b"a", p.Attributes(5, (1, 2), 0o600, (3, 4))),
    ),
    (packet(10, text(b"h"), EXTENDED_ATTRIBUTES), p.FSetStat(9, b"h", p.Attributes())),
    (packet(11, text(b"a")), p.OpenDirectory(9, b"a")),
    (packet(12, text(b"h")), p.ReadDirectory(9, b"h")),
    (packet(13, text(b"a")), p.Remove(9, b"a")),
    (packet(16, text(b".")), p.RealPath(9, b".")),
    (packet(18, text(b"a"), text(b"b")), p.Rename(9, b"a", b"b", False)),
    (
        packet(200, text(b"posix-rename@openssh.com"), text(b"a"), text(b"b")),
        p.Rename(9, b"a", b"b", True),
    ),
    (packet(200, text(b"fsync@openssh.com"), text(b"h")), p.Fsync(9, b"h")),
    (packet(200, text(b"limits@openssh.com")), p.Limits(9)),
    (packet(200, text(b"statvfs@openssh.com"), text(b"/")), p.StatVfs(9, b"/")),
    (packet(200, text(b"fstatvfs@openssh.com"), text(b"h")), p.Unsupported(9, 200)),
    *((packet(kind, text(b"a")), p.Unsupported(9, kind)) for kind in (2, 14, 15, 19, 20, 101, 255)),
]


@pytest.mark.parametrize(("sent", "read"), REQUESTS, ids=lambda value: type(value).__name__)
def test_a_request_is_read(sent: bytes, read: p.Request) -> None:
    assert p.decode(sent) == read


def test_every_advertised_extension_is_read() -> None:
    for name, _ in p.EXTENSIONS:
        assert not isinstance(p.decode(packet(200, text(name))), p.Unsupported)


@pytest.mark.parametrize("sent", [sent for sent, read in REQUESTS if len(sent) > 5])
def test_a_request_cut_short_is_malformed(sent: bytes) -> None:
    whole = p.decode(sent)
    for length in range(len(sent)):
        cut = p.decode(sent[:length])
        if length < 5:
            assert isinstance(cut, p.Malformed)
            assert cut.id is None
        elif not isinstance(whole, p.Unsupported):
            assert isinstance(cut, p.Malformed)
            assert cut.id == 9


@pytest.mark.parametrize(
    "sent", [s for s, r in REQUESTS if not isinstance(r, p.Init | p.Unsupported | p.Write)]
)
def test_a_request_with_more_behind_it_is_malformed(sent: bytes) -> None:
    assert isinstance(p.decode(sent + b"\0"), p.Malformed)


@pytest.mark.parametrize(("sent", "read"), [x for x in REQUESTS if isinstance(x[1], p.Write)])
def test_what_follows_the_data_of_a_write_is_ignored(sent: bytes, read: p.Request) -> None:
    """As rclone 1.60 sends it."""
    assert p.decode(sent + b"more") == read


def test_a_path_longer_than_any_is_malformed_and_told_so() -> None:
    assert isinstance(p.decode(packet(17, text(b"x" * 4096))), p.Stat)
    told = p.decode(packet(17, text(b"x" * 4097)))
    assert told == p.Malformed(9, "a string of 4097 bytes, and 4096 is the most it may have")


@pytest.mark.parametrize("bit", [0x10, 0x100, 0x4000_0000])
def test_attributes_of_another_version_are_malformed(bit: int) -> None:
    """Section 5: a protocol error, since nobody knows which fields the bit brings."""
    for kind, *before in ((3, text(b"a"), struct.pack(">I", 1)), (9, text(b"a")), (10, text(b"h"))):
        assert not isinstance(p.decode(packet(kind, *before, b"\0\0\0\0")), p.Malformed)
        told = p.decode(packet(kind, *before, struct.pack(">I", bit)))
        assert told == p.Malformed(9, "attributes that version 3 of the protocol does not have")


def test_a_name_of_an_extension_may_be_long_and_is_unknown() -> None:
    """Section 8: what is not recognized is not supported, whatever it is called."""
    assert p.decode(packet(200, text(b"x" * 5000))) == p.Unsupported(9, 200)


def test_a_version_2_client_is_read_as_such_and_an_init_without_version_is_not() -> None:
    assert p.decode(b"\x01\0\0\0\x02") == p.Init(2)
    assert p.decode(b"\x01\0\0") == p.Malformed(None, "INIT without a version")


KINDS = st.integers(0, 255)
BODIES = st.binary(max_size=80)


@given(KINDS, st.integers(0, 2**32 - 1), BODIES)
@example(200, 0, b"\xff\xff\xff\xff")
@example(9, 0, text(b"a") + struct.pack(">II", 0x8000_0000, 2**32 - 1))
def test_no_packet_makes_an_exception(kind: int, identifier: int, body: bytes) -> None:
    request = p.decode(packet(kind, body, identifier=identifier))
    if not isinstance(request, p.Init):
        assert request.id == identifier


def test_a_promise_of_four_billion_attributes_costs_nothing() -> None:
    """The count is not believed: reading stops at the packet's end."""
    sent = packet(9, text(b"a"), struct.pack(">II", 0x8000_0000, 2**32 - 1), b"\0" * 800)
    assert isinstance(p.decode(sent), p.Malformed)


@given(st.lists(st.binary(min_size=1, max_size=300)), st.data())
def test_packets_come_out_as_they_went_in_however_the_stream_is_cut(
    packets: list[bytes], data: st.DataObject
) -> None:
    stream = b"".join(text(body) for body in packets)
    reader, found = Reader(), []
    while stream:
        size = data.draw(st.integers(1, len(stream)))
        reader.feed(stream[:size])
        stream = stream[size:]
        while (body := reader.next()) is not None:
            found.append(body)
    assert found == packets
    assert reader.waiting == 0
    assert not reader.broken


@given(st.lists(st.binary(max_size=2000), max_size=20))
def test_the_reader_survives_any_stream_and_holds_no_more_than_it_was_given(
    blocks: list[bytes],
) -> None:
    reader, fed = Reader(), 0
    for block in blocks:
        reader.feed(block)
        fed += len(block)
        while reader.next() is not None:
            assert not reader.broken
        assert reader.waiting <= fed


@pytest.mark.parametrize("length", [0, p.MAX_PACKET + 1, 2**32 - 1])
def test_a_packet_of_nothing_or_too_much_breaks_the_stream(length: int) -> None:
    reader = Reader()
    reader.feed(struct.pack(">I", length) + b"\x04" * 10)
    assert reader.next() is None
    assert reader.broken
    reader.feed(text(b"x"))
    assert reader.next() is None


def test_the_largest_packet_passes() -> None:
    reader = Reader()
    reader.feed(text(b"x" * p.MAX_PACKET))
    assert reader.next() == b"x" * p.MAX_PACKET


def test_the_largest_write_fits_the_largest_packet() -> None:
    sent = packet(6, text(b"h" * 256), struct.pack(">Q", 0), text(b"x" * p.MAX_DATA))
    assert len(sent) <= p.MAX_PACKET
    assert isinstance(p.decode(sent), p.Write)


# --- replies: the bytes of the draft, written out by hand ------------------------------------


@pytest.mark.parametrize(
    ("made", "wire"),
    [
        (replies.status(9, p.Status.OK), "00000011 65 00000009 00000000 00000000 00000000"),
        (
            replies.status(9, p.Status.EOF, "end"),
            "00000016 65 00000009 00000001 00000003 656e64 00000002 656e",
        ),
        (replies.handle(9, b"\x01\x02"), "0000000b 66 00000009 00000002 0102"),
        (replies.data(9, b"abc"), "0000000c 67 00000009 00000003 616263"),
        (
            replies.attributes(9, p.Attributes(5, None, 0o600, (3, 4))),
            "0000001d 69 00000009 0000000d 0000000000000005 00000180 00000003 00000004",
        ),
        (
            replies.names(9, [(b"a", b"la", p.Attributes())]),
            "00000018 68 00000009 00000001 00000001 61 00000002 6c61 00000000",
        ),
        (replies.version([(b"a", b"1")]), "0000000f 02 00000003 00000001 61 00000001 31"),
        (
            replies.limits(9, 32),
            "00000025 c9 00000009 0000000000040400 0000000000040000 0000000000040000"
            "0000000000000020",
        ),
    ],
)
def test_a_reply_has_the_bytes_of_the_draft(made: bytes, wire: str) -> None:
    assert made == bytes.fromhex(wire)


@given(st.text(max_size=300), st.integers(0, 2**32 - 1))
def test_a_reply_says_its_own_length(sentence: str, identifier: int) -> None:
    for reply in (
        replies.status(identifier, p.Status.FAILURE, sentence),
        replies.data(identifier, sentence.encode("utf-8", "replace")),
    ):
        assert int.from_bytes(reply[:4], "big") == len(reply) - 4
        assert int.from_bytes(reply[5:9], "big") == identifier
