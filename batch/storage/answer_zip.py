"""A CO: a ZIP with one FO in it, made while the FO is made, whose size is not known before."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable
from typing import BinaryIO

_MARGIN = 1.05
"""A member may need ZIP64 a little before its limit: so much ``zipfile`` allows for."""


def packed(raw: BinaryIO, name: str, blocks: Iterable[bytes], *, large: bool) -> bool:
    """Write a ZIP of one member into an empty file, which can be read too.

    False when the member becomes so long that it must be ``large``, which is ZIP64 and which some
    readers do not know; the ZIP is whole then, with what was taken of ``blocks``. The same member
    gives the same bytes: it carries no time.
    """
    member = zipfile.ZipInfo(name)
    member.compress_type = zipfile.ZIP_DEFLATED
    size = 0
    with (
        zipfile.ZipFile(raw, "w", zipfile.ZIP_DEFLATED, allowZip64=True) as archive,
        archive.open(member, "w", force_zip64=large) as entry,
    ):
        for block in blocks:
            entry.write(block)
            size += len(block)
            if not large and size * _MARGIN > zipfile.ZIP64_LIMIT:
                return False
    return True
