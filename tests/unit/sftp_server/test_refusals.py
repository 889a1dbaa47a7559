"""What a sender is told, which keys are too weak, and how a listing looks."""

from __future__ import annotations

import errno
import stat
from typing import Any

import asyncssh
import pytest

from batch.errors import Busy, Denied, SpoolFault
from batch.names import Folder
from batch.settings import load
from batch.sftp_server import files, refusals
from batch.sftp_server.home import Refusal
from batch.sftp_server.keys import weakness
from batch.sftp_server.protocol import Packet, Status
from batch.storage.entries import Entry
from batch.storage.room import NoRoom
from batch.storage.upload import Poisoned

NOW = 1_795_327_500.0
"""2026-11-22 06:05 UTC."""


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (Denied("x: this set is already sealed"), None),
        (FileNotFoundError("/srv/x"), refusals.NO_SUCH_FILE),
        (OSError(errno.ELOOP, "Too many levels", "/srv/x"), refusals.NO_SUCH_FILE),
        (FileExistsError("/srv/x"), refusals.THERE_ALREADY),
        (OSError(errno.ENOSPC, "No space left on device", "/srv/x"), refusals.NO_SPACE),
        (OSError(errno.EDQUOT, "Quota exceeded"), refusals.NO_SPACE),
        (NoRoom(), refusals.NO_SPACE),
        (Poisoned("x: no space", errno.ENOSPC), refusals.NO_SPACE),
        (Poisoned("x: Input/output error", errno.EIO), refusals.DISK_FAILED),
        (OSError(errno.EMFILE, "Too many open files"), refusals.TOO_BUSY),
        (OSError(errno.EIO, "Input/output error", "/srv/x"), refusals.DISK_FAILED),
        (PermissionError(errno.EACCES, "Permission denied", "/srv/x"), refusals.DISK_FAILED),
        (SpoolFault("the manifest of /srv/x is damaged"), refusals.DISK_FAILED),
        (Busy("the database is out of reach"), refusals.DISK_FAILED),
        (ValueError("/srv/x"), refusals.INTERNAL),
        (AssertionError(), refusals.INTERNAL),
    ],
)
def test_a_sender_is_told_in_our_own_words(error: Exception, told: Refusal | None) -> None:
    found = refusals.explain(error)
    assert found == (told or Refusal(Status.PERMISSION_DENIED, str(error)))
    assert "/" not in found.text


def test_what_is_done_nowhere_says_so() -> None:
    for kind in (Packet.MKDIR, Packet.RMDIR, Packet.READLINK, Packet.SYMLINK, 99):
        assert refusals.not_done(kind).status is Status.OP_UNSUPPORTED
        assert refusals.not_done(kind).text


@pytest.mark.parametrize(
    ("algorithm", "size", "allowed"),
    [
        ("ssh-ed25519", None, True),
        ("ecdsa-sha2-nistp256", None, True),
        ("ecdsa-sha2-nistp384", None, True),
        ("ecdsa-sha2-nistp521", None, False),
        ("ssh-ed448", None, False),
        ("ssh-rsa", 1024, False),
        ("ssh-rsa", 2047, False),
        ("ssh-rsa", 2048, True),
        ("ssh-rsa", 3072, True),
    ],
)
def test_keys_below_the_policy_are_weak(algorithm: str, size: int | None, allowed: bool) -> None:
    options: dict[str, Any] = {"key_size": size} if size else {}
    key = asyncssh.generate_private_key(algorithm, **options)
    assert (weakness(key.convert_to_public()) is None) is allowed


@pytest.mark.parametrize(
    ("name", "limit"),
    [
        ("FI.FLAD.000001.20261122.00001.R.1.1", 1000),
        ("FI.FLAD.000001.20261122.00001.R.1.1.filepart", 1000),
        ("FS.FLAD.000001.20261122.00001.R.1.1", 10),
        ("GO.FLAD.000001.20261122.00001.R.1", 1000),
        ("TD.FLAD.000001.20261122.00001.R.1", 1000),
        ("upload.tmp", 1000),
        ("GOOD", 1000),
    ],
)
def test_each_kind_of_name_has_its_largest_size(name: str, limit: int) -> None:
    settings = load(max_file_bytes=1000, max_signature_bytes=10)
    assert files.limit_for(name, settings) == limit


def test_a_listing_reads_like_ls() -> None:
    entry = Entry("GO.x", 12, NOW - 60, sealed=True)
    old = Entry("FI.x", 500_000_000, NOW - 400 * 86_400, sealed=False)
    lines = [long.decode() for _, long, _ in files.entry_lines([entry, old], NOW)]
    assert lines == [
        "-r--------    1 sender   channel          12 Nov 22 06:04 GO.x",
        "-rw-------    1 sender   channel   500000000 Oct 18  2025 FI.x",
    ]
    root = [long.decode() for _, long, _ in files.folder_lines(tuple(Folder), NOW)]
    assert root[0] == "drwx------    1 sender   channel           0 Nov 22 06:05 IN"


@pytest.mark.parametrize("modified", [-1.0, 2.0**33])
def test_a_time_beyond_the_protocol_is_brought_to_its_edge(modified: float) -> None:
    found = files.entry_attributes(Entry("x", 0, modified, sealed=False))
    assert found.times in ((0, 0), (2**32 - 1, 2**32 - 1))
    assert stat.S_ISREG(found.mode or 0)


def test_a_long_listing_comes_in_bounded_replies() -> None:
    entries = [Entry(f"x{n}", 0, NOW, sealed=False) for n in range(300)]
    handle = files.DirectoryHandle(files.entry_lines(entries, NOW), len(entries))
    assert [len(handle.read()) for _ in range(4)] == [128, 128, 44, 0]
