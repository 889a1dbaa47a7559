"""Tables of what a verdict rested on, and of the chain of verdicts. Rows are only ever added.

A foreign key holds what a proof names: it cannot be deleted while the proof is there. Each database
has its own, with the bytes too, so that it can be read alone.
"""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Integer, LargeBinary, String, Table, Text

from batch.storage.schema import metadata

material = Table(
    "material",
    metadata,
    Column("sha256", String(64), primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("der", LargeBinary, nullable=False),
)
"""Certificates, revocation lists and OCSP answers that a verdict was made with, each once."""

grounds = Table(
    "grounds",
    metadata,
    Column("sha256", String(64), primary_key=True),
    Column("body", Text, nullable=False),
)
"""By what signatures were judged, each distinct once: ``batch.evidence.grounds``, as JSON."""

grounds_material = Table(
    "grounds_material",
    metadata,
    Column("grounds", ForeignKey("grounds.sha256"), primary_key=True),
    Column("material", ForeignKey("material.sha256"), primary_key=True),
)

proof = Table(
    "proof",
    metadata,
    Column("submission_id", ForeignKey("submission.id"), primary_key=True),
    Column("part", String(101), primary_key=True),
    Column("grounds", ForeignKey("grounds.sha256"), nullable=False),
    Column("body", Text, nullable=False),
)
"""How each FI's signature was judged, as JSON: names and hashes, no bytes."""

link = Table(
    "link",
    metadata,
    Column("position", Integer, primary_key=True),
    Column("submission_id", ForeignKey("submission.id"), index=True),
    Column("body", Text, nullable=False),
    Column("before", String(64), nullable=False),
    Column("digest", String(64), nullable=False, unique=True),
)
"""The chain: each verdict, in the order of the decisions, with the hash of the one before. The
first, at position 0, is of no set: it says whose chain this is."""
