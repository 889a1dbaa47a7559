"""Strings of SSH's wire format (RFC 4251, section 5), where a message must be looked into. Pure."""

from __future__ import annotations


def strings(data: bytes, count: int) -> list[bytes]:
    """The first ``count`` strings of ``data``; none when they are not all there."""
    found: list[bytes] = []
    for _ in range(count):
        length = int.from_bytes(data[:4], "big")
        if len(data) < 4 + length or len(data) < 4:
            return []
        found.append(data[4 : 4 + length])
        data = data[4 + length :]
    return found


def size(found: list[bytes]) -> int:
    """Bytes that these strings take on the wire."""
    return sum(4 + len(one) for one in found)


def first_text(data: bytes) -> str:
    """The first string of ``data`` as text; empty when there is none."""
    return next((one.decode("ascii", "replace") for one in strings(data, 1)), "")
