"""What a mode closes is open to root; the tests must see what another user would."""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager

_LIBC = ctypes.CDLL(None, use_errno=True)
_VERSION_3 = 0x20080522
_OVER_MODES = 1 << 1 | 1 << 2  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH


@contextmanager
def nobodys_master() -> Iterator[None]:
    """This thread obeys the modes of files, as root as well (capset(2))."""
    if os.geteuid() != 0:
        yield
        return
    header = ctypes.create_string_buffer(struct.pack("=Ii", _VERSION_3, 0))
    before = ctypes.create_string_buffer(24)
    _called(_LIBC.capget(header, before))
    words = list(struct.unpack("=6I", before.raw[:24]))
    words[0] &= ~_OVER_MODES
    _called(_LIBC.capset(header, ctypes.create_string_buffer(struct.pack("=6I", *words))))
    try:
        yield
    finally:
        _called(_LIBC.capset(header, before))


def _called(result: int) -> None:
    if result:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
