"""Times that a file may have and version 3 of SFTP cannot tell."""

from __future__ import annotations

import pytest

from batch.names import Folder
from batch.sftp_server import replies
from batch.sftp_server.files import entry_lines, folder_lines, remembered_attributes
from batch.storage.entries import Entry


@pytest.mark.parametrize(
    ("modified", "told", "shown"),
    [
        (-1e18, 0, b"Jan  1  1970"),
        (-0.5, 0, b"Jan  1  1970"),
        (2.0**32, 2**32 - 1, b"Feb  7  2106"),
        (253_402_300_800.0, 2**32 - 1, b"Feb  7  2106"),
        (1e18, 2**32 - 1, b"Feb  7  2106"),
    ],
)
def test_the_nearest_time_is_told(modified: float, told: int, shown: bytes) -> None:
    [(name, long, given)] = entry_lines([Entry("FO.x", 5, modified, sealed=False)], 1e9)
    assert given.times == (told, told)
    assert shown in long
    assert replies.names(1, [(name, long, given)])
    assert replies.attributes(1, remembered_attributes(5, modified))
    assert len(list(folder_lines(tuple(Folder), modified))) == len(Folder)
