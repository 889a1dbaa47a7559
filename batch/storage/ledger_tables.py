"""Tables of the learning accounts: objects, the versions of each, and the numbers given out.

Nothing is ever overwritten but the line that says what stands now: every In, Update and Cancel is
a version with what made it and when. Rights and trainings hold their content in columns, so that
sums are the database's work.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from batch.storage.schema import Instant, metadata

ACTIVE = "ACTIVE"
CANCELLED = "CANCELLED"
"""Status of an object, and of it after a version."""

ledger_object = Table(
    "ledger_object",
    metadata,
    Column("fla_id", String(24), primary_key=True),
    Column("employer", String(10), nullable=False),
    Column("inss", String(11), nullable=False),
    Column("kind", String(8), nullable=False),
    Column("registrant_reference", String(60), nullable=False),
    Column("version", Integer, nullable=False),
    Column("status", String(9), nullable=False),
    Column("year", Integer, nullable=False),
    Column("twin", String(32), nullable=False),
    UniqueConstraint("employer", "registrant_reference"),
    Index(None, "employer", "inss"),
    Index(None, "twin"),
)
"""What stands now. ``twin`` is the digest of ``batch.fla.ledger.twin_mark``."""


def _version_columns() -> tuple[Column[object], ...]:
    return (
        Column("fla_id", ForeignKey("ledger_object.fla_id"), primary_key=True),
        Column("version", Integer, primary_key=True),
        Column("operation", String(6), nullable=False),
        Column("status", String(9), nullable=False),
        Column("submission_id", BigInteger, nullable=False),
        Column("form_ticket", String(13), nullable=False),
        Column("recorded_at", Instant, nullable=False),
    )


training_right = Table(
    "training_right",
    metadata,
    *_version_columns(),
    Column("right_type", String(8), nullable=False),
    Column("calendar_year", Integer, nullable=False),
    Column("hours", Integer, nullable=False),
    Column("joint_committee", String(9)),
    Column("agreement", String(20)),
)
"""Versions of rights; hours in hundredths."""

training = Table(
    "training",
    metadata,
    *_version_columns(),
    Column("name", String(200), nullable=False),
    Column("nature", String(8), nullable=False),
    Column("training_status", String(12), nullable=False),
    Column("starting_date", Date, nullable=False),
    Column("ending_date", Date, nullable=False),
    Column("hours", Integer, nullable=False),
    Column("counts_for_credit", Boolean(create_constraint=False), nullable=False),
    Column("used_legal", Integer),
    Column("used_sector", Integer),
    Column("used_employer", Integer),
    Column("provider_number", String(10)),
    Column("provider_name", String(200)),
    Column("certificate_date", Text),
    Column("certificate_until", Text),
)
"""Versions of trainings; hours in hundredths, a use is null where the type is not charged."""

fla_sequence = Table(
    "fla_sequence",
    metadata,
    Column("name", String(16), primary_key=True),
    Column("next_number", BigInteger, nullable=False),
)
"""The next number of an FLA id: one row."""
