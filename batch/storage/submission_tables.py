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
    Column("undecided_since", Instant),
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
    Column("cause", String(60)),
)
"""``cause`` is that of a signature: ``batch.signing.doctor.Diagnosis.slug``."""

post = Table(
    "post",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("key", String(160), nullable=False, unique=True),
    Column("channel", String(6), nullable=False),
    Column("folder", String(8), nullable=False),
    Column("letter", String(1), nullable=False),
    Column("code", String(4), nullable=False),
    Column("reference", String(100)),
    Column("ticket", String(13), nullable=False, unique=True),
    Column("size", Integer, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("posted_at", Instant, nullable=False),
    Column("posted_by", String(100), nullable=False),
    UniqueConstraint("channel", "letter", "code", "reference"),
)
"""What others gave the channel to answer with; without a row in ``answer`` it is not finished.
``size`` and ``sha256`` are those of the file as it was given."""

answer = Table(
    "answer",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("submission_id", ForeignKey("submission.id")),
    Column("post_id", ForeignKey("post.id"), unique=True),
    Column("layer", String(10), nullable=False),
    Column("stem", String(40), nullable=False, unique=True),
    Column("attempt", Integer, nullable=False),
    Column("data_kind", String(2), nullable=False),
    Column("size", Integer, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("signature_sha256", String(64), nullable=False),
    Column("decided_at", Instant, nullable=False),
    Column("emitted_at", Instant),
    Column("shown_at", Instant),
    Column("left_at", Instant),
    Column("wanted_at", Instant),
    Column("wanted_by", String(100)),
    UniqueConstraint("submission_id", "layer"),
    CheckConstraint("(submission_id IS NULL) <> (post_id IS NULL)", name="origin"),
)
"""Of a set or of a post. ``emitted_at`` is when it was first put in OUT and stays; ``shown_at`` is
the last time, absent while it is to be put there; ``left_at``, when its time there was over;
``wanted_at``, when an operator asked for it again and we have not begun."""
Index("ix_answer_left_at_shown_at", answer.c.left_at, answer.c.shown_at)
Index("ix_answer_wanted_at", answer.c.wanted_at)

delivery = Table(
    "delivery",
    metadata,
    Column("submission_id", ForeignKey("submission.id"), primary_key=True),
    Column("service", String(32), nullable=False),
    Column("attempts", Integer, nullable=False, default=0),
    Column("problem", Text),
    Column("delivered_at", Instant),
)
Index("ix_delivery_service_delivered_at", delivery.c.service, delivery.c.delivered_at)

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
