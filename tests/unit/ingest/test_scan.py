"""One pass over an FI: each mistake has its code, and every byte passes the signature's digest."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch.ingest.scan import Scan, look, scan
from batch.ingest.services import Description
from batch.names import Folder
from batch.signing.verdict import Cause, NotSigned
from batch.states import SealedFile
from tests.unit.ingest.sets import FLA, STEM, TEST_STEM, blocks, file, names_of, sealed

FI = file(f"FI.{STEM}.1.1")
GOOD = b"<FLADeclaration><Form>a</Form><Form>b</Form></FLADeclaration>"
XSI = b'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
ENTITY = b"<!DOCTYPE FLADeclaration [<!ENTITY a 'b'>]>"


def looked_at(data: bytes, size: int = 1 << 16, service: Description | None = FLA) -> Scan:
    return scan(FI, blocks(data, size), service)


def codes(data: bytes, size: int = 1 << 16, service: Description | None = FLA) -> list[str]:
    return [a.code for a in looked_at(data, size, service).anomalies]


def inside(text: bytes) -> bytes:
    return b"<FLADeclaration>" + text + b"</FLADeclaration>"


MISTAKES: dict[str, list[bytes]] = {
    "003": [
        ENTITY + GOOD,
        b"<!DOCTYPE FLADeclaration>" + GOOD,
        b"<?xml version='1.0' encoding='UTF-8'?>\n" + ENTITY + inside(b"<Form>&a;</Form>"),
        b"<!DOCTYPE lolz [<!ENTITY a '0123456789'>"
        + b"".join(b"<!ENTITY a%d '%s'>" % (n, b"&a;" * 10) for n in range(9))
        + b"]>"
        + inside(b"<Form>&a8;</Form>"),
    ],
    "088": [
        b"<FLADeclaration " + XSI + b' xsi:noNamespaceSchemaLocation="FLADeclaration_19991.xsd">'
        b"<Form/></FLADeclaration>"
    ],
    "089": [b"<Other><Form/></Other>", b'<FLADeclaration xmlns="urn:a"><Form/></FLADeclaration>'],
    "102": [b"", b"<", GOOD[:-1], GOOD + b"<b/>", inside(b"<Form>"), inside(b"&a;"), b"not xml"],
    "138": [
        inside(b"<Form>\xe9</Form>"),
        b"<?xml version='1.0' encoding='ISO-8859-1'?>" + inside(b"<Form>\xe9</Form>"),
        b"<?xml version='1.0' encoding='US-ASCII'?>" + inside(b"<Form>\xc3\xa9</Form>"),
        b"<?xml version='1.0' encoding='UTF-7'?>" + inside(b"<Form>+AGE-</Form>"),
        GOOD.decode().encode("utf-16"),
        GOOD.decode().encode("utf-32"),
    ],
    "157": [inside(b""), inside(b"\n <!-- <Form/> -->\n"), b"<FLADeclaration/>"],
    "205": [
        inside(b"<Form/>x"),
        inside(b"<Other/><Form/>"),
        inside(b"<Form xmlns='urn:a'/><Form/>"),
    ],
    "275": [inside(b"<Form/>" * 6), inside(b"<Form/>" * 100)],
}


@pytest.mark.parametrize(("code", "data"), [(c, d) for c, files in MISTAKES.items() for d in files])
def test_a_mistake_raises_exactly_its_code(code: str, data: bytes) -> None:
    assert codes(data) == [code]
    assert codes(data, 7) == [code]


@pytest.mark.parametrize("data", [GOOD, b"\xef\xbb\xbf" + GOOD, inside(b"<Form/>" * 5)])
def test_a_good_file_has_no_anomaly(data: bytes) -> None:
    assert codes(data) == []
    assert looked_at(data).forms == data.count(b"<Form")


@pytest.mark.parametrize(
    "before",
    [
        "<?\u0370 x?>",
        "<?a\u2070 x?>",
        "<?\U00010000 x?>",
        "<?\u0218 x?>",
        "<!-- \ufdd0 -->",
        "<!-- \U0001ffff -->",
        "<?a:b x?>",
        "<!---->",
        "\ufeff",
    ],
    ids=ascii,
)
def test_no_beginning_hides_a_doctype(before: str) -> None:
    """What one reader cannot read, the other must not act upon: 003, or refused at the least.

    The names that XML took in with its fifth edition are known to one of the two only.
    """
    data = before.encode() + ENTITY + inside(b"<Form>&a;</Form>")
    assert codes(data), "a file with a DOCTYPE passed"
    assert looked_at(data).forms == 0


@pytest.mark.parametrize(
    "start", ["<Other \u0370='1'>", "<FLADeclaration \u0370='1' xmlns='urn:a'>"], ids=ascii
)
def test_no_spelling_hides_a_wrong_root(start: str) -> None:
    end = start.split()[0].replace("<", "</") + ">"
    assert codes((start + "<Form xmlns=''/>" + end).encode()), "a file with a wrong root passed"


@pytest.mark.parametrize("size", [1, 2, 5, 11, 64])
def test_no_cutting_hides_a_doctype(size: int) -> None:
    assert codes(ENTITY + inside(b"<Form>&a;</Form>"), size) == ["003"]


def test_a_doctype_over_the_edge_of_a_block_is_seen() -> None:
    """A reader may put off a token that was cut until much more came; here nothing more comes."""
    start = b"<!--" + b"x" * 65_500 + b"--><!DOCTYPE FLADeclaration"
    data = start + b" [<!ENTITY a 'b'>]>" + inside(b"<Form>&a;</Form>")
    assert codes(data) == ["003"]
    comment = b"<!--" + b"x" * 65_600 + b"-->"
    assert codes(comment + ENTITY + inside(b"<Form>&a;</Form>")) == ["003"]


PIECES = st.sampled_from(
    [b"<Form/>", b"<Form>\xc3\xa9</Form>", b" ", b"x", b"<Other/>", b"\xe9", b"<"]
)
STARTS = st.sampled_from(
    [b"", b"\xef\xbb\xbf", b"<?xml version='1.0'?>", ENTITY, b"\xff\xfe", b"<!--a-->"]
)


@given(STARTS, st.lists(PIECES, max_size=8), st.lists(st.integers(1, 40), min_size=1, max_size=9))
def test_any_cutting_gives_the_same_scan(
    start: bytes, parts: list[bytes], sizes: list[int]
) -> None:
    data = start + inside(b"".join(parts))
    cuts: list[bytes] = []
    place = 0
    while place < len(data):
        size = sizes[len(cuts) % len(sizes)]
        cuts.append(data[place : place + size])
        place += size
    assert [a.code for a in scan(FI, cuts, FLA).anomalies] == codes(data)


@pytest.mark.parametrize("data", [GOOD, *(d for files in MISTAKES.values() for d in files)])
def test_every_byte_passes_the_digest_whatever_is_found(data: bytes) -> None:
    passed: list[bytes] = []
    scan(FI, blocks(data, 5), FLA, passed.append)
    assert b"".join(passed) == data


@pytest.mark.parametrize("code", MISTAKES)
def test_an_anomaly_names_its_part(code: str) -> None:
    (found,) = looked_at(MISTAKES[code][0]).anomalies
    assert (found.part, found.error_id, found.blocks) == (FI.name, f"ACRF-{code}", True)


def test_a_mistake_of_syntax_keeps_its_line() -> None:
    assert [a.line for a in looked_at(b"<FLADeclaration>\n\n<Form></a>").anomalies] == [3]


def test_without_a_service_only_the_beginning_is_looked_at() -> None:
    assert codes(b"<Other><Form></Other>", service=None) == []
    assert codes(ENTITY + GOOD, service=None) == ["003"]
    assert codes(MISTAKES["138"][1], service=None) == ["138"]


class Files:
    """The shell's side of ``look``: every FI is good, and FS asked for are remembered."""

    def __init__(self) -> None:
        self.begun: list[str] = []

    def blocks(self, _file: SealedFile) -> Iterator[bytes]:
        yield GOOD

    def begin(self, fs: SealedFile) -> NotSigned:
        self.begun.append(fs.name)
        return NotSigned(Cause.EMPTY, "The FS is empty.")


def test_every_part_is_looked_at_with_its_own_signature() -> None:
    files = Files()
    given = sealed(reversed(names_of(parts=3)))
    scans, signatures = look(given, FLA, files.blocks, files.begin)
    data = [f"FI.{STEM}.3.{n}" for n in (1, 2, 3)]
    assert list(scans) == data
    assert files.begun == [f"FS.{STEM}.3.{n}" for n in (1, 2, 3)]
    assert list(signatures) == data


def test_a_part_without_its_signature_has_no_verdict_on_it() -> None:
    files = Files()
    given = sealed(names_of(TEST_STEM, 2, signed=False), folder=Folder.INTEST)
    scans, signatures = look(given, FLA, files.blocks, files.begin)
    assert (len(scans), signatures, files.begun) == (2, {}, [])
