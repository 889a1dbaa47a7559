"""Every layout of the contract is read; the writer uses the one-line form."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch.signing.encoding import decode, encode

DER = b"\x30\x82\x01\x00" + bytes(range(256))
LINE = base64.b64encode(DER)
LIMIT = 64 * 1024


def layout(width: int, end: bytes) -> bytes:
    return b"".join(LINE[at : at + width] + end for at in range(0, len(LINE), width))


@pytest.mark.parametrize("width", [64, 76, 1000])
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize("label", [b"", b"CMS", b"PKCS7"])
def test_lines_of_any_length_and_end_are_read(width: int, end: bytes, label: bytes) -> None:
    fs = layout(width, end)
    if label:
        fs = b"-----BEGIN " + label + b"-----" + end + fs + b"-----END " + label + b"-----" + end
    assert decode(fs, LIMIT) == DER
    assert decode(fs.rstrip(), LIMIT) == DER


def test_bare_der_is_read() -> None:
    assert decode(DER, LIMIT) == DER


def test_the_writer_makes_one_line_of_base64() -> None:
    assert encode(DER) == LINE
    assert decode(encode(DER), LIMIT) == DER


def test_the_limit_counts_the_bytes_of_the_file() -> None:
    assert decode(LINE, len(LINE)) == DER
    assert decode(LINE, len(LINE) - 1) != DER


@given(st.binary(max_size=300), st.integers(1, 80), st.sampled_from(["\n", "\r\n", "\r"]))
def test_what_is_written_is_read_in_any_layout(body: bytes, width: int, end: str) -> None:
    der = b"\x30" + body
    text = encode(der)
    lines = end.encode().join(text[at : at + width] for at in range(0, len(text), width))
    assert decode(lines, LIMIT) == der


@given(st.binary(max_size=300))
def test_any_file_is_der_or_base64_or_refused(fs: bytes) -> None:
    found = decode(fs, LIMIT)
    if isinstance(found, bytes):
        compact = b"".join(fs.split())
        assert found == fs or base64.b64encode(found) == compact
