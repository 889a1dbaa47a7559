"""An answer may come from another than the channel, leave OUT when its time is over, and come back.

Revision ID: 0004
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

NAMES = {
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
}


def upgrade() -> None:
    op.create_table(
        "post",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(length=160), nullable=False),
        sa.Column("channel", sa.String(length=6), nullable=False),
        sa.Column("folder", sa.String(length=8), nullable=False),
        sa.Column("letter", sa.String(length=1), nullable=False),
        sa.Column("code", sa.String(length=4), nullable=False),
        sa.Column("reference", sa.String(length=100), nullable=True),
        sa.Column("ticket", sa.String(length=13), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("posted_at", sa.String(length=32), nullable=False),
        sa.Column("posted_by", sa.String(length=100), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_post")),
        sa.UniqueConstraint("key", name=op.f("uq_post_key")),
        sa.UniqueConstraint("ticket", name=op.f("uq_post_ticket")),
        sa.UniqueConstraint(
            "channel",
            "letter",
            "code",
            "reference",
            name=op.f("uq_post_channel_letter_code_reference"),
        ),
    )
    op.drop_index("ix_answer_emitted_at", "answer")
    with op.batch_alter_table("answer", naming_convention=NAMES) as answer:
        answer.alter_column("submission_id", existing_type=sa.Integer(), nullable=True)
        answer.add_column(sa.Column("post_id", sa.Integer(), nullable=True))
        for name in ("shown_at", "left_at", "wanted_at"):
            answer.add_column(sa.Column(name, sa.String(length=32), nullable=True))
        answer.add_column(sa.Column("wanted_by", sa.String(length=100), nullable=True))
        answer.create_foreign_key(op.f("fk_answer_post_id_post"), "post", ["post_id"], ["id"])
        answer.create_unique_constraint(op.f("uq_answer_post_id"), ["post_id"])
        answer.create_check_constraint(
            op.f("ck_answer_origin"), "(submission_id IS NULL) <> (post_id IS NULL)"
        )
    op.execute("UPDATE answer SET shown_at = emitted_at")
    op.create_index("ix_answer_left_at_shown_at", "answer", ["left_at", "shown_at"])
    op.create_index("ix_answer_wanted_at", "answer", ["wanted_at"])
