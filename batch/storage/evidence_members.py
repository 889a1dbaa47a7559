"""The members of an archive of evidence (``evidence.layout``), from disk and database.

Read in one view of the database, streamed in flat memory, and signed by the institution's key. The
same state gives the same bytes: nothing in it is of now.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from sqlalchemy import Connection, Row, Table, select

from batch import catalogue
from batch.anomalies import Anomaly, Language
from batch.errors import SpoolFault
from batch.evidence import layout, stored, words
from batch.evidence.canonical import Document, canonical, instant
from batch.evidence.grounds import MaterialKind
from batch.evidence.links import Link
from batch.signing.signature import Signer, sign_with
from batch.states import SealedFile, SetKey
from batch.storage import chain, dossiers
from batch.storage.evidence_tables import grounds as grounds_table
from batch.storage.evidence_tables import grounds_material, link, material, proof
from batch.storage.layout import Layout
from batch.storage.reports import verdict_of
from batch.storage.sealing import manifest_bytes
from batch.storage.submission_tables import answer, event, finding


@dataclass(slots=True)
class Archive:
    """Members as they are added, each with its digest for the index."""

    stream: BinaryIO
    listed: list[Document] = field(default_factory=list)
    _writer: stored.Writer = field(init=False)

    def __post_init__(self) -> None:
        self._writer = stored.Writer(self.stream)

    def add(self, name: str, data: bytes) -> None:
        """A member that is in memory."""
        self.add_stream(name, len(data), [data])

    def add_stream(self, name: str, size: int, blocks: Iterable[bytes]) -> None:
        """A member that need not be."""
        digest = hashlib.sha256()

        def passing() -> Iterator[bytes]:
            for block in blocks:
                digest.update(block)
                yield block

        try:
            self._writer.add(name, size, passing())
        except stored.NotStored as error:
            raise SpoolFault(f"evidence: {error}") from error
        self.listed.append({"name": name, "size": size, "sha256": digest.hexdigest()})

    def end(self) -> None:
        self._writer.end()


def fill(
    connection: Connection,
    place: Layout,
    signer: Signer,
    rows: Sequence[Row[Any, Any]],
    archive: Archive,
) -> None:
    """Everything about the contents in ``rows``, which are of one stem, sender and folder."""
    contents = [_Content.gather(connection, place, row) for row in rows]
    proofs = {name: _loaded(body) for one in contents for name, body in one.proofs.items()}
    text = words.verdict([one.document for one in contents], proofs)
    archive.add(layout.VERDICT, text.encode())
    archive.add(layout.INSTITUTION, _pem(signer.certificate.der))
    for one in contents:
        one.add_to(archive)
    names = sorted({mark for one in contents for mark in one.grounds})
    _add_grounds(connection, archive, names)
    _add_links(connection, archive, [one.row.id for one in contents])
    index = _index(connection, rows, archive)
    archive.add(layout.INDEX, index)
    archive.add(layout.INDEX_SIGNATURE, sign_with(signer, [index], None))
    archive.end()


def _index(connection: Connection, rows: Sequence[Row[Any, Any]], archive: Archive) -> bytes:
    head = chain.last(connection)
    first = rows[0]
    document: Document = {
        "format": layout.FORMAT,
        "stem": first.stem,
        "sender_number": first.channel,
        "folder": first.folder,
        "contents": [row.ordinal for row in rows],
        "head": None if head is None else {"position": head.position, "digest": head.digest},
        "members": archive.listed,
    }
    return _line(document)


def _add_grounds(connection: Connection, archive: Archive, names: Sequence[str]) -> None:
    kept = select(grounds_table).where(grounds_table.c.sha256.in_(names)).order_by("sha256")
    for row in connection.execute(kept).all():
        archive.add(layout.grounds(row.sha256), row.body.encode())
    used = select(grounds_material.c.material).where(grounds_material.c.grounds.in_(names))
    for name in sorted(set(connection.execute(used).scalars())):
        row = connection.execute(select(material).where(material.c.sha256 == name)).one()
        archive.add(layout.material(MaterialKind(row.kind), name), row.der)


def _add_links(connection: Connection, archive: Archive, ids: Sequence[int]) -> None:
    """Those of these sets, with the neighbours of each; and the first, which says whose it is."""
    query = select(link.c.position).where(link.c.submission_id.in_(ids))
    own = list(connection.execute(query).scalars())
    if not own:
        return
    wanted = {0, *(near for at in own for near in (at - 1, at, at + 1))}
    found = select(link).where(link.c.position.in_(wanted)).order_by(link.c.position)
    for row in connection.execute(found):
        one: Link = chain.read(row)
        archive.add(layout.link(one.position), one.text)


@dataclass(frozen=True, slots=True)
class _Content:
    """One content: its row, its document, and where its files lie."""

    row: Row[Any, Any]
    document: Document
    manifest: bytes
    files: tuple[tuple[str, str], ...]
    """Each file's member and its name in the set's directory."""
    proofs: dict[str, str]
    grounds: tuple[str, ...]
    place: Layout

    @classmethod
    def gather(cls, connection: Connection, place: Layout, row: Row[Any, Any]) -> _Content:
        key, n = SetKey.parse(row.key), row.ordinal
        home = dossiers.dossier(place, key)
        sealed = home.sealed()
        members = [layout.sealed_file(n, i, f.name) for i, f in enumerate(sealed.files, 1)]
        answers = [_answer(n, a) for a in _of(connection, row.id, answer, "id")]
        proofs = _of(connection, row.id, proof, "part")
        named = {layout.proof(n, i, p.part): p for i, p in enumerate(proofs, 1)}
        kept = [{"part": p.part, "member": m, "grounds": p.grounds} for m, p in named.items()]
        document = {
            **_facts(row),
            "trigger": sealed.trigger,
            "files": [_file(f, m) for f, m in zip(sealed.files, members, strict=True)],
            "answers": [document for document, _ in answers],
            "proofs": kept,
            "findings": [_finding(f) for f in _of(connection, row.id, finding, "id")],
            "events": [_event(e) for e in _of(connection, row.id, event, "id")],
            "links": [r.position for r in _of(connection, row.id, link, "position")],
        }
        names = zip(members, (f.name for f in sealed.files), strict=True)
        files = (*names, *(pair for _, pairs in answers for pair in pairs))
        bodies = {member: p.body for member, p in named.items()}
        marks = tuple(p.grounds for p in proofs)
        return cls(row, document, manifest_bytes(sealed), files, bodies, marks, place)

    def add_to(self, archive: Archive) -> None:
        n = self.row.ordinal
        archive.add(layout.content(n, "content.json"), _line(self.document))
        archive.add(layout.content(n, "manifest.json"), self.manifest)
        for member, name in self.files:
            with self._open(name) as stream:
                size = os.fstat(stream.fileno()).st_size
                archive.add_stream(member, size, iter(lambda: stream.read(stored.BLOCK), b""))
        for member, body in self.proofs.items():
            archive.add(member, body.encode())

    def _open(self, name: str) -> BinaryIO:
        """A file of the set, wherever the worker has moved its directory meanwhile."""
        key = SetKey.parse(self.row.key)
        for _ in range(3):
            with suppress(FileNotFoundError):
                return open(dossiers.dossier(self.place, key).path / name, "rb")
        raise SpoolFault(f"{key}: {name} is missing in its directory")


def _facts(row: Row[Any, Any]) -> Document:
    return {
        "key": row.key,
        "stem": row.stem,
        "ordinal": row.ordinal,
        "sender_number": row.channel,
        "folder": row.folder,
        "environment": row.letter,
        "state": row.state,
        "verdict": verdict_of(row),
        "ticket": row.ticket,
        "sealed_at": instant(row.sealed_at),
        "service": row.service,
        "signer": row.signer,
        "accepted": row.accepted,
        "refused": row.refused,
        "problem": row.problem,
    }


def _file(file: SealedFile, member: str) -> Document:
    return {
        "name": file.name,
        "kind": file.kind,
        "size": file.size,
        "sha256": file.sha256,
        "member": member,
    }


def _answer(ordinal: int, row: Row[Any, Any]) -> tuple[Document, tuple[tuple[str, str], ...]]:
    shown = (f"{row.data_kind}.{row.stem}.1.1", f"FS.{row.stem}.1.1", f"GO.{row.stem}.1")
    members = [layout.answer_file(ordinal, name) for name in shown]
    kinds = (row.data_kind, "FS", "GO")
    lie = [f"@{row.layer}.{row.attempt}.{kind}" for kind in kinds]
    document = {
        "layer": row.layer,
        "stem": row.stem,
        "kind": row.data_kind,
        "sha256": row.sha256,
        "signature_sha256": row.signature_sha256,
        "decided_at": instant(row.decided_at),
        "emitted_at": instant(row.emitted_at),
        "data": members[0],
        "signature": members[1],
        "trigger": members[2],
    }
    return document, tuple(zip(members, lie, strict=True))


def _finding(row: Row[Any, Any]) -> Document:
    zone, _, code = row.error_id.rpartition("-")
    return {
        "error_id": row.error_id,
        "severity": row.severity,
        "text": catalogue.text(Anomaly(zone, code), Language.EN),
        "part": row.part,
        "form": row.form,
        "line": row.line,
        "tag": row.tag,
        "explanation": row.explanation,
        "cause": row.cause,
    }


def _event(row: Row[Any, Any]) -> Document:
    return {"at": instant(row.at), "what": row.what, "detail": row.detail}


def _of(connection: Connection, submission_id: int, table: Table, order: str) -> list[Any]:
    """The rows of ``table`` that belong to one set."""
    query = select(table).where(table.c.submission_id == submission_id).order_by(table.c[order])
    return list(connection.execute(query))


def _line(document: Document) -> bytes:
    return f"{canonical(document)}\n".encode("ascii")


def _loaded(body: str) -> Document:
    return dict(json.loads(body))


def _pem(der: bytes) -> bytes:
    return x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM)
