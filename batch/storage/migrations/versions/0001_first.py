"""The first version: registers, submissions, ledger.

Revision ID: 0001
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "counter",
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("day", sa.String(length=8), nullable=False),
        sa.Column("value", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("name", "day", name=op.f("pk_counter")),
    )
    op.create_table(
        "enterprise",
        sa.Column("number", sa.String(length=10), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("nsso", sa.String(length=10), nullable=True),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_enterprise")),
    )
    op.create_table(
        "fla_sequence",
        sa.Column("name", sa.String(length=16), nullable=False),
        sa.Column("next_number", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_fla_sequence")),
    )
    op.create_table(
        "ledger_object",
        sa.Column("fla_id", sa.String(length=24), nullable=False),
        sa.Column("employer", sa.String(length=10), nullable=False),
        sa.Column("inss", sa.String(length=11), nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("registrant_reference", sa.String(length=60), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("status", sa.String(length=9), nullable=False),
        sa.Column("year", sa.Integer(), nullable=False),
        sa.Column("twin", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("fla_id", name=op.f("pk_ledger_object")),
        sa.UniqueConstraint(
            "employer",
            "registrant_reference",
            name=op.f("uq_ledger_object_employer_registrant_reference"),
        ),
    )
    op.create_index(
        op.f("ix_ledger_object_employer_ledger_object_inss"),
        "ledger_object",
        ["employer", "inss"],
        unique=False,
    )
    op.create_index(op.f("ix_ledger_object_twin"), "ledger_object", ["twin"], unique=False)
    op.create_table(
        "register_event",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("at", sa.String(length=32), nullable=False),
        sa.Column("what", sa.String(length=64), nullable=False),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_register_event")),
    )
    op.create_table(
        "submission",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(length=160), nullable=False),
        sa.Column("channel", sa.String(length=6), nullable=False),
        sa.Column("folder", sa.String(length=8), nullable=False),
        sa.Column("stem", sa.String(length=101), nullable=False),
        sa.Column("ordinal", sa.Integer(), nullable=False),
        sa.Column("letter", sa.String(length=1), nullable=False),
        sa.Column("trigger_name", sa.String(length=101), nullable=False),
        sa.Column("sealed_at", sa.String(length=32), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("in_hand", sa.Boolean(), nullable=False),
        sa.Column("ticket", sa.String(length=13), nullable=False),
        sa.Column("reception_answer", sa.String(length=40), nullable=False),
        sa.Column("content_answer", sa.String(length=40), nullable=False),
        sa.Column("service", sa.String(length=32), nullable=True),
        sa.Column("signer", sa.Text(), nullable=True),
        sa.Column("accepted", sa.Integer(), nullable=True),
        sa.Column("refused", sa.Integer(), nullable=True),
        sa.Column("problem", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "state IN ('sealed', 'verified', 'refused', 'ingested', 'answered', 'quarantined')",
            name=op.f("ck_submission_state"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_submission")),
        sa.UniqueConstraint("key", name=op.f("uq_submission_key")),
        sa.UniqueConstraint("ticket", name=op.f("uq_submission_ticket")),
    )
    op.create_index("ix_submission_state", "submission", ["state"], unique=False)
    op.create_index("ix_submission_stem", "submission", ["stem"], unique=False)
    op.create_table(
        "trust",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("added_at", sa.String(length=32), nullable=False),
        sa.Column("der", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint("kind IN ('CERTIFICATE', 'CRL')", name=op.f("ck_trust_kind")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_trust")),
        sa.UniqueConstraint("fingerprint", name=op.f("uq_trust_fingerprint")),
    )
    op.create_table(
        "answer",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("submission_id", sa.Integer(), nullable=False),
        sa.Column("layer", sa.String(length=10), nullable=False),
        sa.Column("stem", sa.String(length=40), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("data_kind", sa.String(length=2), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("signature_sha256", sa.String(length=64), nullable=False),
        sa.Column("decided_at", sa.String(length=32), nullable=False),
        sa.Column("emitted_at", sa.String(length=32), nullable=True),
        sa.ForeignKeyConstraint(
            ["submission_id"], ["submission.id"], name=op.f("fk_answer_submission_id_submission")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_answer")),
        sa.UniqueConstraint("stem", name=op.f("uq_answer_stem")),
        sa.UniqueConstraint("submission_id", "layer", name=op.f("uq_answer_submission_id_layer")),
    )
    op.create_index("ix_answer_emitted_at", "answer", ["emitted_at"], unique=False)
    op.create_table(
        "channel",
        sa.Column("sender", sa.String(length=6), nullable=False),
        sa.Column("enterprise", sa.String(length=10), nullable=False),
        sa.Column("quality", sa.String(length=32), nullable=False),
        sa.Column("user", sa.String(length=64), nullable=False),
        sa.Column("opened_at", sa.String(length=32), nullable=False),
        sa.Column("closed_at", sa.String(length=32), nullable=True),
        sa.CheckConstraint(
            "quality IN ('nsso-employer', 'social-secretariat', 'service-provider')",
            name=op.f("ck_channel_quality"),
        ),
        sa.ForeignKeyConstraint(
            ["enterprise"], ["enterprise.number"], name=op.f("fk_channel_enterprise_enterprise")
        ),
        sa.PrimaryKeyConstraint("sender", name=op.f("pk_channel")),
        sa.UniqueConstraint("user", name=op.f("uq_channel_user")),
    )
    op.create_index(
        "ix_channel_open",
        "channel",
        ["enterprise", "quality"],
        unique=True,
        sqlite_where=sa.text("closed_at IS NULL"),
        postgresql_where=sa.text("closed_at IS NULL"),
    )
    op.create_table(
        "event",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("at", sa.String(length=32), nullable=False),
        sa.Column("submission_id", sa.Integer(), nullable=True),
        sa.Column("what", sa.String(length=32), nullable=False),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["submission_id"], ["submission.id"], name=op.f("fk_event_submission_id_submission")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_event")),
    )
    op.create_index(op.f("ix_event_submission_id"), "event", ["submission_id"], unique=False)
    op.create_table(
        "finding",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("submission_id", sa.Integer(), nullable=False),
        sa.Column("error_id", sa.String(length=9), nullable=False),
        sa.Column("severity", sa.String(length=2), nullable=False),
        sa.Column("part", sa.String(length=101), nullable=True),
        sa.Column("line", sa.Integer(), nullable=True),
        sa.Column("form", sa.Integer(), nullable=True),
        sa.Column("tag", sa.String(length=64), nullable=True),
        sa.Column("explanation", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["submission_id"], ["submission.id"], name=op.f("fk_finding_submission_id_submission")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_finding")),
    )
    op.create_index(op.f("ix_finding_submission_id"), "finding", ["submission_id"], unique=False)
    op.create_table(
        "mandate",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("employer", sa.String(length=10), nullable=False),
        sa.Column("mandatary", sa.String(length=10), nullable=False),
        sa.Column("service", sa.String(length=32), nullable=False),
        sa.Column("first", sa.String(length=6), nullable=False),
        sa.Column("last", sa.String(length=6), nullable=True),
        sa.ForeignKeyConstraint(
            ["employer"], ["enterprise.number"], name=op.f("fk_mandate_employer_enterprise")
        ),
        sa.ForeignKeyConstraint(
            ["mandatary"], ["enterprise.number"], name=op.f("fk_mandate_mandatary_enterprise")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mandate")),
    )
    op.create_index(op.f("ix_mandate_employer"), "mandate", ["employer"], unique=False)
    op.create_index(op.f("ix_mandate_mandatary"), "mandate", ["mandatary"], unique=False)
    op.create_table(
        "submission_part",
        sa.Column("submission_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=101), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("forms", sa.Integer(), nullable=False),
        sa.Column("accepted", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["submission_id"],
            ["submission.id"],
            name=op.f("fk_submission_part_submission_id_submission"),
        ),
        sa.PrimaryKeyConstraint("submission_id", "number", name=op.f("pk_submission_part")),
    )
    op.create_index("ix_submission_part_sha256", "submission_part", ["sha256"], unique=False)
    op.create_table(
        "training",
        sa.Column("fla_id", sa.String(length=24), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("operation", sa.String(length=6), nullable=False),
        sa.Column("status", sa.String(length=9), nullable=False),
        sa.Column("submission_id", sa.BigInteger(), nullable=False),
        sa.Column("form_ticket", sa.String(length=13), nullable=False),
        sa.Column("recorded_at", sa.String(length=32), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("nature", sa.String(length=8), nullable=False),
        sa.Column("training_status", sa.String(length=12), nullable=False),
        sa.Column("starting_date", sa.Date(), nullable=False),
        sa.Column("ending_date", sa.Date(), nullable=False),
        sa.Column("hours", sa.Integer(), nullable=False),
        sa.Column("counts_for_credit", sa.Boolean(), nullable=False),
        sa.Column("used_legal", sa.Integer(), nullable=True),
        sa.Column("used_sector", sa.Integer(), nullable=True),
        sa.Column("used_employer", sa.Integer(), nullable=True),
        sa.Column("provider_number", sa.String(length=10), nullable=True),
        sa.Column("provider_name", sa.String(length=200), nullable=True),
        sa.Column("certificate_date", sa.Text(), nullable=True),
        sa.Column("certificate_until", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["fla_id"], ["ledger_object.fla_id"], name=op.f("fk_training_fla_id_ledger_object")
        ),
        sa.PrimaryKeyConstraint("fla_id", "version", name=op.f("pk_training")),
    )
    op.create_table(
        "training_right",
        sa.Column("fla_id", sa.String(length=24), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("operation", sa.String(length=6), nullable=False),
        sa.Column("status", sa.String(length=9), nullable=False),
        sa.Column("submission_id", sa.BigInteger(), nullable=False),
        sa.Column("form_ticket", sa.String(length=13), nullable=False),
        sa.Column("recorded_at", sa.String(length=32), nullable=False),
        sa.Column("right_type", sa.String(length=8), nullable=False),
        sa.Column("calendar_year", sa.Integer(), nullable=False),
        sa.Column("hours", sa.Integer(), nullable=False),
        sa.Column("joint_committee", sa.String(length=9), nullable=True),
        sa.Column("agreement", sa.String(length=20), nullable=True),
        sa.ForeignKeyConstraint(
            ["fla_id"],
            ["ledger_object.fla_id"],
            name=op.f("fk_training_right_fla_id_ledger_object"),
        ),
        sa.PrimaryKeyConstraint("fla_id", "version", name=op.f("pk_training_right")),
    )
    op.create_table(
        "channel_certificate",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("sender", sa.String(length=6), nullable=False),
        sa.Column("der", sa.LargeBinary(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("not_after", sa.String(length=32), nullable=False),
        sa.Column("since", sa.String(length=32), nullable=False),
        sa.Column("until", sa.String(length=32), nullable=True),
        sa.ForeignKeyConstraint(
            ["sender"], ["channel.sender"], name=op.f("fk_channel_certificate_sender_channel")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_channel_certificate")),
    )
    op.create_index(
        op.f("ix_channel_certificate_fingerprint"),
        "channel_certificate",
        ["fingerprint"],
        unique=False,
    )
    op.create_index(
        op.f("ix_channel_certificate_sender"), "channel_certificate", ["sender"], unique=False
    )
    op.create_table(
        "channel_key",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("sender", sa.String(length=6), nullable=False),
        sa.Column("public", sa.String(), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("since", sa.String(length=32), nullable=False),
        sa.Column("until", sa.String(length=32), nullable=True),
        sa.ForeignKeyConstraint(
            ["sender"], ["channel.sender"], name=op.f("fk_channel_key_sender_channel")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_channel_key")),
    )
    op.create_index(
        op.f("ix_channel_key_fingerprint"), "channel_key", ["fingerprint"], unique=False
    )
    op.create_index(op.f("ix_channel_key_sender"), "channel_key", ["sender"], unique=False)
    op.create_table(
        "channel_service",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("sender", sa.String(length=6), nullable=False),
        sa.Column("service", sa.String(length=32), nullable=False),
        sa.Column("since", sa.String(length=32), nullable=False),
        sa.Column("until", sa.String(length=32), nullable=True),
        sa.ForeignKeyConstraint(
            ["sender"], ["channel.sender"], name=op.f("fk_channel_service_sender_channel")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_channel_service")),
    )
    op.create_index(op.f("ix_channel_service_sender"), "channel_service", ["sender"], unique=False)
