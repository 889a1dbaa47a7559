"""A CO as the sender's side reads it: one FO, of bounded size, and whatever else is refused."""

from __future__ import annotations

import io
import random
import struct
import zipfile

import pytest

from batch.client import answers
from batch.client.answers import UnreadableAnswer, read_receipts, unpacked
from batch.names import Kind

NAME = "FO.ACRF.999999.20261126.00001.R.1.1"
FORM = (
    "<Form><FileReference><FileName>GO.FLAD.000001.20261126.00001.R.1</FileName>"
    "</FileReference><ReceptionResult><ResultCode>1</ResultCode></ReceptionResult></Form>"
)


def document(forms: int = 3) -> bytes:
    return f"<ACRF>{FORM * forms}</ACRF>".encode()


def zipped(*members: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", method) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return packed.getvalue()


def understood(co: bytes) -> int:
    """The forms that were read of it."""
    with unpacked(Kind.CO, co) as opened:
        return len(list(read_receipts(opened)))


def test_one_fo_is_read() -> None:
    assert understood(zipped((NAME, document(5)))) == 5


@pytest.mark.parametrize(
    "co",
    [
        zipped(),
        zipped((NAME, document()), ("FO.ACRF.999999.20261126.00002.R.1.1", document())),
        zipped(("../../" + NAME, document())),
        zipped(("FI.FLAD.000001.20261126.00001.R.1.1", document())),
        zipped((NAME, zipped((NAME, document())))),
        zipped((NAME, document()))[:-30],
        zipped((NAME, document()), method=zipfile.ZIP_BZIP2)[:90] + b"?" * 400,
        b"",
        document(),
    ],
)
def test_anything_else_is_unreadable(co: bytes) -> None:
    with pytest.raises(UnreadableAnswer):
        understood(co)


def test_more_than_the_limit_is_refused_before_it_is_unpacked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    co = zipped((NAME, document()))
    monkeypatch.setattr(answers, "_MAX_UNPACKED", len(document()))
    assert understood(co) == 3
    monkeypatch.setattr(answers, "_MAX_UNPACKED", len(document()) - 1)
    with pytest.raises(UnreadableAnswer, match="more than"):
        understood(co)


def test_a_zip_that_says_less_than_it_holds_unpacks_no_more_than_it_says() -> None:
    whole = document(200)
    co = bytearray(zipped((NAME, whole)))
    for signature, place in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        at = co.index(signature) + place
        assert struct.unpack_from("<I", co, at) == (len(whole),)
        struct.pack_into("<I", co, at, 100)
    with unpacked(Kind.CO, bytes(co)) as opened, pytest.raises(zipfile.BadZipFile):
        assert len(opened.read(1000)) <= 100
    with pytest.raises(UnreadableAnswer):
        understood(bytes(co))


def test_more_forms_than_a_set_can_have_are_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "_MAX_FORMS", 5)
    assert understood(zipped((NAME, document(5)))) == 5
    with pytest.raises(UnreadableAnswer, match="more than 5 forms"):
        understood(zipped((NAME, document(6))))


def test_no_damage_of_a_zip_is_anything_but_unreadable() -> None:
    """Each byte of the structure changed, and thousands of them at random."""
    whole = zipped((NAME, document(40)))
    draw = random.Random(5)
    places = [*range(len(whole)), *(draw.randrange(len(whole)) for _ in range(3000))]
    read = 0
    for place in places:
        co = bytearray(whole)
        co[place] ^= draw.randrange(1, 256)
        try:
            read += understood(bytes(co)) == 40
        except UnreadableAnswer:
            continue
    assert 0 < read < len(places)
