"""Tables of a set's life: what it is, what was found, what was answered, and every event."""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
)

from batch.states import Stage
from batch.storage.schema import Instant, metadata

STATES = tuple(stage for stage in Stage if stage is not Stage.RECEIVED)

submission = Table(
    "submission",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("key", String(160), nullable=False, unique=True),
    Column("channel", String(6), nullable=False),
    Column("folder", String(8), nullable=False),
    Column("stem", String(101), nullable=False),
    Column("ordinal", Integer, nullable=False),
    Column("letter", String(1), nullable=False),
    Column("trigger_name", String(101), nullable=False),
    Column("sealed_at", Instant, nullable=False),
    Column("state", String(12), nullable=False),
    Column("attempt", Integer, nullable=False, default=0),
    Column("in_hand", Boolean, nullable=False, default=False),
    Column("ticket", String(13), nullable=False, unique=True),
    Column("reception_answer", String(40), nullable=False),
    Column("content_answer", String(40), nullable=False),
    Column("service", String(32)),
    Column("signer", Text),
    Column("accepted", Integer),
    Column("refused", Integer),
    Column("problem", Text),
    Column("given_up", Boolean, nullable=False, default=False, server_default=false()),
    CheckConstraint("state IN ('" + "', '".join(STATES) + "')", name="state"),
)
Index("ix_submission_stem", submission.c.stem)
Index("ix_submission_state", submission.c.state)

part = Table(
    "submission_part",
    metadata,
    Column("submission_id", ForeignKey("submission.id"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("name", String(101), nullable=False),
    Column("size", Integer, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("forms", Integer, nullable=False),
    Column("accepted", Integer, nullable=False, default=0),
)
Index("ix_submission_part_sha256", part.c.sha256)

finding = Table(
    "finding",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("submission_id", ForeignKey("submission.id"), nullable=False, index=True),
    Column("error_id", String(9), nullable=False),
    Column("severity", String(2), nullable=False),
    Column("part", String(101)),
    Column("line", Integer),
    Column("form", Integer),
    Column("tag", String(64)),
    Column("explanation", Text),
)

answer = Table(
    "answer",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("submission_id", ForeignKey("submission.id"), nullable=False),
    Column("layer", String(10), nullable=False),
    Column("stem", String(40), nullable=False, unique=True),
    Column("attempt", Integer, nullable=False),
    Column("data_kind", String(2), nullable=False),
    Column("size", Integer, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("signature_sha256", String(64), nullable=False),
    Column("decided_at", Instant, nullable=False),
    Column("emitted_at", Instant),
    UniqueConstraint("submission_id", "layer"),
)
Index("ix_answer_emitted_at", answer.c.emitted_at)

event = Table(
    "event",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("at", Instant, nullable=False),
    Column("submission_id", ForeignKey("submission.id"), index=True),
    Column("what", String(32), nullable=False),
    Column("detail", Text),
)

counter = Table(
    "counter",
    metadata,
    Column("name", String(32), primary_key=True),
    Column("day", String(8), primary_key=True),
    Column("value", Integer, nullable=False),
)
