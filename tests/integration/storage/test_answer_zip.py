"""A CO is packed while its FO is made, and has the bytes of one that was packed afterwards."""

from __future__ import annotations

import hashlib
import io
import os
import random
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from batch.storage import durable
from batch.storage.answer_files import AnswerFiles, AnswerName
from batch.storage.dossiers import Dossier

NAME = AnswerName("NOTI", "NOTI.999999.20260120.00001.R", 1)
MEMBER = f"FO.{NAME.stem}.1.1"
LIMIT = 2_000_000
"""Stands for that of ZIP64; the first size beyond which it is used is a twentieth less."""


def chunks(size: int) -> list[bytes]:
    """So many bytes in pieces of some hundreds, that can be packed but not to nothing."""
    chance = random.Random(size)
    data = chance.randbytes(size // 8 + 1).hex().encode()
    data = (data * 4)[:size]
    return [data[at : at + 700] for at in range(0, size, 700)]


def afterwards(data: bytes) -> bytes:
    """The ZIP of an FO that is there as a whole, its size told in advance."""
    member = zipfile.ZipInfo(MEMBER)
    member.compress_type = zipfile.ZIP_DEFLATED
    member.file_size = len(data)
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w", zipfile.ZIP_DEFLATED) as archive, archive.open(member, "w") as e:
        for at in range(0, len(data), 1 << 20):
            e.write(data[at : at + (1 << 20)])
    return raw.getvalue()


def answered(home: Path, pieces: Iterator[bytes], most: int = 1000) -> AnswerFiles:
    with durable.Unsynced() as unsynced:
        made = Dossier(home).write_answer(NAME, pieces, lambda sha256: sha256, most, unsynced)
        unsynced.sync()
    return made


@pytest.mark.parametrize(
    ("size", "large"),
    [
        (1001, False),
        (65_537, False),
        (1_500_000, False),
        (int(LIMIT / 1.05), False),
        (int(LIMIT / 1.05) + 1, True),
        (3_000_000, True),
    ],
)
def test_it_has_the_bytes_of_one_packed_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int, large: bool
) -> None:
    monkeypatch.setattr(zipfile, "ZIP64_LIMIT", LIMIT)
    pieces = chunks(size)
    made = answered(tmp_path, iter(pieces))
    data = (tmp_path / "@NOTI.1.CO").read_bytes()
    assert data == afterwards(b"".join(pieces))
    assert (data[4] == 45) is large  # the version of ZIP that a reader must know
    assert (made.data_kind, made.size) == ("CO", len(data))
    assert made.sha256 == hashlib.sha256(data).hexdigest()
    assert sorted(os.listdir(tmp_path)) == ["@NOTI.1.CO", "@NOTI.1.FS", "@NOTI.1.GO"]
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.read(MEMBER) == b"".join(pieces)


@pytest.mark.parametrize("size", [0, 1, 999, 1000])
def test_what_is_not_above_the_limit_is_not_packed(tmp_path: Path, size: int) -> None:
    pieces = chunks(size)
    made = answered(tmp_path, iter(pieces))
    assert (made.data_kind, made.size) == ("FO", size)
    assert (tmp_path / "@NOTI.1.FO").read_bytes() == b"".join(pieces)


def test_beyond_the_limit_no_more_is_written_as_an_fo(tmp_path: Path) -> None:
    """An answer of hundreds of megabytes is on the disk only packed."""
    most_seen = 0

    def pieces() -> Iterator[bytes]:
        nonlocal most_seen
        for piece in chunks(3_000_000):
            yield piece
            fo = tmp_path / "@NOTI.1.FO"
            most_seen = max(most_seen, fo.stat().st_size)

    answered(tmp_path, pieces())
    assert most_seen < 100_000


@pytest.mark.parametrize("after", [10, 1000, 4000])
def test_what_breaks_off_may_be_made_anew(tmp_path: Path, after: int) -> None:
    """A fault of the judging comes while the answer is written; the next attempt begins again."""

    def broken() -> Iterator[bytes]:
        yield from chunks(3_000_000)[:after]
        raise LookupError("the ledger is away")

    with pytest.raises(LookupError):
        answered(tmp_path, broken())
    answered(tmp_path, iter(chunks(500_000)))
    expected = afterwards(b"".join(chunks(500_000)))
    assert (tmp_path / "@NOTI.1.CO").read_bytes() == expected
