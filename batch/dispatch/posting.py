"""An answer that comes from another: a file becomes FO, FS and GO (or CO above the limit).

The port of services whose content is judged elsewhere. It works beside a running channel and
without one: what is decided here the worker shows, now or when it is started.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from batch.errors import OperatorError, SpoolFault
from batch.signing import encoding, signature
from batch.states import SetKey
from batch.storage import durable, posts
from batch.storage.answer_files import AnswerFiles, AnswerName
from batch.storage.database import writing
from batch.storage.dossiers import Dossier
from batch.storage.instance import Instance
from batch.storage.posts import Post, Posted
from batch.storage.registers import Registers

OUR_OWN = "ACRF"
"""The code of receipts: only reception writes them. A notification may be anybody's."""

_REFERENCE = re.compile(r"[!-~](?:[ -~]{0,98}[!-~])?")
"""What others call an answer: up to 100 characters of ASCII that can be seen."""
_BLOCK = 1 << 20


def post_answer(
    instance: Instance, signer: signature.Signer, wanted: Post, file: Path, at: datetime
) -> Posted:
    """Answer ``wanted.sender`` with the bytes of ``file``; when it returns, this survives.

    The same reference with the same bytes gives the same answer again. Raises OperatorError for
    what cannot be posted, SpoolFault when the file changes meanwhile, OSError and Busy.
    """
    _check(instance, wanted, file)
    engine = instance.production if not wanted.outbox.is_test else instance.test
    with _opened(file) as source, durable.locked(instance.layout.posting):
        size, sha256 = _measured(source)
        if not size:
            raise OperatorError(f"{file}: it is empty; an answer has at least one byte")
        with writing(engine) as connection:
            known = posts.find(connection, wanted, size, sha256)
            if known is not None:
                return known
            posts.drop_unfinished(connection, instance.layout)
            begun = posts.begin(connection, instance.layout, wanted, size, sha256, at)
        chunks = _unchanged(source, sha256, file)
        files = _write(instance, signer, begun.key, wanted.code, chunks, at)
        with writing(engine) as connection:
            return posts.decide(connection, begun, files, at)


def _check(instance: Instance, wanted: Post, file: Path) -> None:
    if not re.fullmatch(r"[A-Z]{4}", wanted.code) or wanted.code == OUR_OWN:
        raise OperatorError(
            f"code {wanted.code!r}: expected four letters A-Z, and not {OUR_OWN}, which is ours"
        )
    if wanted.reference is not None and not _REFERENCE.fullmatch(wanted.reference):
        raise OperatorError(
            "reference: expected 1 to 100 printable ASCII characters, no space at its ends"
        )
    if not file.is_file():
        raise OperatorError(f"{file}: no regular file; give one that can be read twice")
    if Registers(instance.production).channel(wanted.sender) is None:
        raise OperatorError(f"sender {wanted.sender}: there is no such channel")
    instance.spool.sender(wanted.sender)  # makes its folders where they are missing


def _opened(file: Path) -> BinaryIO:
    try:
        return file.open("rb")
    except PermissionError:
        raise OperatorError(f"{file}: we may not read it") from None


def _measured(source: BinaryIO) -> tuple[int, str]:
    digest, size = hashlib.sha256(), 0
    while block := source.read(_BLOCK):
        digest.update(block)
        size += len(block)
    return size, digest.hexdigest()


def _unchanged(source: BinaryIO, sha256: str, file: Path) -> Iterator[bytes]:
    """The bytes once more; SpoolFault at the end when they are not those that were measured."""
    source.seek(0)
    digest = hashlib.sha256()
    while block := source.read(_BLOCK):
        digest.update(block)
        yield block
    if digest.hexdigest() != sha256:
        raise SpoolFault(f"{file}: it changed while it was posted; post it again when it is whole")


def _write(
    instance: Instance,
    signer: signature.Signer,
    key: SetKey,
    code: str,
    chunks: Iterable[bytes],
    at: datetime,
) -> AnswerFiles:
    """The answer's files, synced in a directory of its own."""

    def sign(sha256: bytes) -> bytes:
        return encoding.encode(signature.sign_digest(signer, sha256, at))

    posted = instance.layout.posted
    home = posted / str(key)
    os.mkdir(home, 0o700)
    durable.sync_directory(posted)
    limit = instance.settings.max_answer_bytes
    name = AnswerName(code, key.stem, 1)
    with durable.Unsynced() as unsynced:
        files = Dossier(home).write_answer(name, chunks, sign, limit, unsynced)
        unsynced.sync()
    return files
