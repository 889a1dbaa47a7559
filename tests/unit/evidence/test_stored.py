"""Archives: the form they have, what a hostile one is refused for, and that no byte is free."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batch.evidence import layout
from batch.evidence.grounds import MaterialKind
from batch.evidence.stored import NotStored, Reader, Writer, is_name

MEMBERS = {"a.txt": b"first", "folder/b.json": b"{}", "empty": b"", "folder/c": b"x" * 3000}


def archive(members: dict[str, bytes] | None = None) -> bytes:
    stream = io.BytesIO()
    writer = Writer(stream)
    for name, data in (members or MEMBERS).items():
        writer.add(name, len(data), [data[:2], data[2:]])
    writer.end()
    return stream.getvalue()


def read(data: bytes) -> dict[str, bytes]:
    reader = Reader(io.BytesIO(data))
    return {name: b"".join(reader.blocks(name)) for name in reader.members}


def test_what_is_written_is_read_by_us_and_by_others() -> None:
    data = archive()
    assert read(data) == MEMBERS
    with zipfile.ZipFile(io.BytesIO(data)) as other:
        assert other.testzip() is None
        assert {name: other.read(name) for name in other.namelist()} == MEMBERS
        assert {info.date_time for info in other.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert {info.external_attr >> 16 for info in other.infolist()} == {0o100600}


def test_every_single_changed_byte_is_noticed() -> None:
    """Of the members and of all that stands between them: a checksum or the one form tells."""
    data = archive()
    for at in range(len(data)):
        for change in (0x01, 0x80, 0xFF):
            changed = bytearray(data)
            changed[at] ^= change
            with pytest.raises(NotStored):
                read(bytes(changed))


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_no_change_of_its_length_is_overlooked(data: st.DataObject) -> None:
    whole = archive()
    at = data.draw(st.integers(0, len(whole)))
    cut = data.draw(st.integers(0, 40))
    added = data.draw(st.binary(max_size=40))
    changed = whole[:at] + added + whole[at + cut :]
    if changed != whole:
        with pytest.raises(NotStored):
            read(changed)


def zipped(**options: int) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", **options) as other:  # type: ignore[call-overload]
        for name, data in MEMBERS.items():
            other.writestr(zipfile.ZipInfo(name), data, compress_type=options.get("compression"))
    return stream.getvalue()


def twice() -> bytes:
    stream = io.BytesIO()
    writer = Writer(stream)
    writer.add("a", 1, [b"1"])
    writer._names.clear()
    writer.add("a", 1, [b"1"])
    writer.end()
    return stream.getvalue()


def named(name: str) -> bytes:
    """An archive with a member that no Writer of ours would write."""
    data = archive({"abcdefgh": b"1"})
    assert len(name) == 8
    return data.replace(b"abcdefgh", name.encode("latin-1"))


def claiming(size: int) -> bytes:
    """A member that says it has ``size`` bytes, in both places."""
    data = archive({"a": b"1"})
    plain = struct.pack("<LLL", zlib.crc32(b"1"), 1, 1)
    return data.replace(plain, struct.pack("<LLL", zlib.crc32(b"1"), size, size))


HOSTILE: dict[str, tuple[Callable[[], bytes], str]] = {
    "nothing": (lambda: b"", "no ZIP archive"),
    "no archive": (lambda: b"x" * 1000, "does not end as a ZIP"),
    "a bomb": (lambda: zipped(compression=zipfile.ZIP_DEFLATED), "is compressed"),
    "another program's": (
        lambda: zipped(compression=zipfile.ZIP_STORED),
        "belong to no member|begins otherwise",
    ),
    "a name twice": (twice, "a stands twice"),
    "out of the folder": (lambda: named("../../xx"), "a name that no evidence has"),
    "from the root": (lambda: named("/etc/xxx"), "a name that no evidence has"),
    "a folder above inside": (lambda: named("aaa/../b"), "a name that no evidence has"),
    "another separator": (lambda: named("aaa\\..\\b"), "a name that no evidence has"),
    "a hidden end": (lambda: named("abcdefg\0"), "a name that no evidence has"),
    "a folder": (lambda: named("abcdefg/"), "a name that no evidence has"),
    "larger than its file": (lambda: claiming(0x7FFFFFFF), "belong to no member"),
    "smaller than it is": (lambda: claiming(0), "belong to no member|begins otherwise"),
    "before it": (lambda: b"#!/bin/sh\n" + archive(), "not at its end"),
    "after it": (lambda: archive() + b"\n", "does not end as a ZIP"),
    "a part of it": (lambda: archive()[:-30], "does not end as a ZIP"),
    "a directory of gigabytes": (
        lambda: b"PK\5\6" + struct.pack("<HHHHLLH", 0, 0, 1, 1, 0xFFFFFF00, 0, 0),
        "does not fit|not at its end",
    ),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_archive_is_refused_in_words(what: str) -> None:
    make, words = HOSTILE[what]
    with pytest.raises(NotStored, match=words):
        read(make())


def test_members_and_places_beyond_four_gigabytes_are_read() -> None:
    """In a file with a hole, so that nothing is written but the ends."""
    from batch.evidence.stored import _Entry, _tail

    stream, size = io.BytesIO(), 5_000_000_000
    entries = [_Entry("large", size, 1, 0)]
    second = len(entries[0].local()) + size
    entries.append(_Entry("small", 1, zlib.crc32(b"1"), second))
    end = second + len(entries[1].local()) + 1

    class Holed(io.RawIOBase):
        """What is far away stands nearer."""

        at = 0

        def seek(self, offset: int, whence: int = 0) -> int:
            self.at = offset + (len(near) + size if whence == 2 else 0)
            return self.at

        def read(self, count: int = -1) -> bytes:
            start = self.at if self.at < size else self.at - size
            return near[start : start + count]

    head = entries[0].local()
    near = head + entries[1].local() + b"1" + _tail(entries, end)
    stream.close()
    reader = Reader(Holed())  # type: ignore[arg-type]
    assert [(m.name, m.size) for m in reader.members.values()] == [("large", size), ("small", 1)]
    assert reader.read("small", 10) == b"1"


def test_names_of_members() -> None:
    assert layout.sealed_file(1, 3, "FI.X.1.1") == "content-1/set/FI.X.1.1"
    for strange in ("a/b", "..", ".hidden", "é", "a\nb", "", "x" * 400):
        assert layout.sealed_file(1, 3, strange) == "content-1/set/3"
        assert not is_name(f"x/{strange}") or "/" in strange
    assert layout.material(MaterialKind.CRL, "00") == "material/00.crl"
    assert layout.link(17) == "chain/0000000017.txt"
