"""The chain of verdicts as it is kept: a link is added in the transaction of its verdict.

A writer holds the database alone from the beginning of its transaction (``database.writing``), so
that what it reads as the last link stays the last until it is done. A database that lets writers
run side by side would refuse the second of two, for the position is the key. There is no gap where
a part of a transaction is undone: the next link is made of what is left.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Row, func, insert, select

from batch.anomalies import Anomaly
from batch.evidence import links
from batch.evidence.canonical import canonical, digest, instant
from batch.evidence.links import Link
from batch.evidence.proof import Proof
from batch.states import Sealed
from batch.storage.answer_files import AnswerFiles
from batch.storage.claims import Claim
from batch.storage.database import straight
from batch.storage.evidence_tables import grounds, grounds_material, material
from batch.storage.sealing import manifest_bytes
from batch.storage.submission_tables import answer, submission

FORMAT = "fla-batch chain 1"
"""In the first link: how its chain is to be read."""

_KNOWN = "SELECT 1 FROM grounds WHERE sha256 = ?"
_PROOF = "INSERT INTO proof (submission_id, part, grounds, body) VALUES (?, ?, ?, ?)"
_LAST = "SELECT position, before, body, digest FROM link ORDER BY position DESC LIMIT 1"
_INSERT = "INSERT INTO link (position, submission_id, before, body, digest) VALUES (?, ?, ?, ?, ?)"


def keep(connection: Connection, submission_id: int, proofs: Iterable[Proof]) -> None:
    """Keep what a verdict rested on, with all the bytes it names, where they are not kept yet."""
    for one in proofs:
        document = one.grounds.document()
        body = canonical(document)
        mark = digest(body)
        if straight(connection, _KNOWN, (mark,)).fetchone() is None:
            _keep_grounds(connection, mark, body, one)
        straight(connection, _PROOF, (submission_id, one.part, mark, one.body))


def _keep_grounds(connection: Connection, mark: str, body: str, one: Proof) -> None:
    connection.execute(insert(grounds).values(sha256=mark, body=body))
    for name, piece in one.grounds.materials().items():
        held = select(material.c.sha256).where(material.c.sha256 == name)
        if connection.scalar(held) is None:
            row = {"sha256": name, "kind": piece.kind, "der": piece.der}
            connection.execute(insert(material).values(**row))
        connection.execute(insert(grounds_material).values(grounds=mark, material=name))


def add(
    connection: Connection,
    taken: Claim,
    state: str,
    at: datetime,
    *,
    files: AnswerFiles | None = None,
    proofs: Sequence[Proof] = (),
    anomalies: Iterable[Anomaly] = (),
) -> None:
    """A verdict on a claimed set becomes the next link, with the answer that tells it."""
    _append(
        connection,
        taken.id,
        {
            "at": instant(at),
            "key": str(taken.sealed.key),
            "ticket": taken.ticket,
            "state": state,
            "manifest": _manifest(taken.sealed),
            "proofs": {one.part: digest(one.body) for one in proofs},
            "codes": sorted({a.error_id for a in anomalies}),
            "answer": None if files is None else _answer(files),
        },
    )


def add_given_up(connection: Connection, submission_id: int, at: datetime) -> None:
    """An operator's last word on a set in quarantine becomes the next link."""
    columns = (submission.c.key, submission.c.ticket)
    row = connection.execute(select(*columns).where(submission.c.id == submission_id)).one()
    said = {"at": instant(at), "key": row.key, "ticket": row.ticket, "state": "given up"}
    body: dict[str, object] = {"manifest": None, "proofs": {}, "codes": [], "answer": None}
    _append(connection, submission_id, body | said)


def last(connection: Connection) -> Link | None:
    """The head of the chain; None before the first verdict."""
    row = straight(connection, _LAST).fetchone()
    return None if row is None else Link(*row)


def read(row: Row[Any, Any, Any, Any]) -> Link:
    """A link from its row."""
    return Link(row.position, row.before, row.body, row.digest)


def _answer(files: AnswerFiles) -> dict[str, str]:
    return {
        "layer": files.layer,
        "stem": files.stem,
        "kind": files.data_kind,
        "sha256": files.sha256,
        "signature_sha256": files.signature_sha256,
    }


def _append(connection: Connection, submission_id: int, body: dict[str, object]) -> None:
    _insert(connection, submission_id, links.after(last(connection) or _begin(connection), body))


def _begin(connection: Connection) -> Link:
    """The first link: whose chain it is, and which answers were given before there was one."""
    before = connection.scalar(select(func.max(answer.c.id))) or 0
    body = {"chain": FORMAT, "id": secrets.token_hex(16), "after_answer": before}
    first = links.after(None, body)
    _insert(connection, None, first)
    return first


def _insert(connection: Connection, submission_id: int | None, one: Link) -> None:
    facts = (one.position, submission_id, one.before, one.body, one.digest)
    straight(connection, _INSERT, facts)


@lru_cache(maxsize=256)  # a set has two verdicts, shortly one after the other
def _manifest(sealed: Sealed) -> str:
    return digest(manifest_bytes(sealed))
