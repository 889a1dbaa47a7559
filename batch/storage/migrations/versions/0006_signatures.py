"""What a signature was proved by is kept: revocations, exceptions, proofs, and their chain.

Revision ID: 0006
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    with op.batch_alter_table("trust") as trust:
        trust.drop_constraint(op.f("ck_trust_kind"), type_="check")
        trust.create_check_constraint(
            op.f("ck_trust_kind"), "kind IN ('CERTIFICATE', 'INTERMEDIATE', 'CRL')"
        )
    op.add_column("finding", sa.Column("cause", sa.String(length=60), nullable=True))
    op.add_column("submission", sa.Column("undecided_since", sa.String(length=32), nullable=True))
    _exceptions()
    _revocations()
    _materials()
    _proofs()


def _exceptions() -> None:
    op.create_table(
        "channel_exception",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("sender", sa.String(length=6), nullable=False),
        sa.Column("what", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.String(length=200), nullable=False),
        sa.Column("since", sa.String(length=32), nullable=False),
        sa.Column("until", sa.String(length=32), nullable=False),
        sa.ForeignKeyConstraint(
            ["sender"], ["channel.sender"], name=op.f("fk_channel_exception_sender_channel")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_channel_exception")),
    )
    op.create_index(op.f("ix_channel_exception_sender"), "channel_exception", ["sender"])


def _revocations() -> None:
    op.create_table(
        "revocation",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=4), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("certificate", sa.String(length=64), nullable=True),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("this_update", sa.String(length=32), nullable=False),
        sa.Column("next_update", sa.String(length=32), nullable=True),
        sa.Column("obtained_at", sa.String(length=32), nullable=False),
        sa.Column("der", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_revocation")),
        sa.UniqueConstraint("sha256", name=op.f("uq_revocation_sha256")),
    )
    op.create_index(op.f("ix_revocation_source"), "revocation", ["source"])


def _materials() -> None:
    op.create_table(
        "material",
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("der", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("sha256", name=op.f("pk_material")),
    )
    op.create_table(
        "grounds",
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("sha256", name=op.f("pk_grounds")),
    )
    op.create_table(
        "grounds_material",
        sa.Column("grounds", sa.String(length=64), nullable=False),
        sa.Column("material", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["grounds"], ["grounds.sha256"], name=op.f("fk_grounds_material_grounds_grounds")
        ),
        sa.ForeignKeyConstraint(
            ["material"], ["material.sha256"], name=op.f("fk_grounds_material_material_material")
        ),
        sa.PrimaryKeyConstraint("grounds", "material", name=op.f("pk_grounds_material")),
    )


def _proofs() -> None:
    op.create_table(
        "proof",
        sa.Column("submission_id", sa.Integer(), nullable=False),
        sa.Column("part", sa.String(length=101), nullable=False),
        sa.Column("grounds", sa.String(length=64), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["submission_id"], ["submission.id"], name=op.f("fk_proof_submission_id_submission")
        ),
        sa.ForeignKeyConstraint(
            ["grounds"], ["grounds.sha256"], name=op.f("fk_proof_grounds_grounds")
        ),
        sa.PrimaryKeyConstraint("submission_id", "part", name=op.f("pk_proof")),
    )
    op.create_table(
        "link",
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("submission_id", sa.Integer(), nullable=True),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("before", sa.String(length=64), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["submission_id"], ["submission.id"], name=op.f("fk_link_submission_id_submission")
        ),
        sa.PrimaryKeyConstraint("position", name=op.f("pk_link")),
        sa.UniqueConstraint("digest", name=op.f("uq_link_digest")),
    )
    op.create_index(op.f("ix_link_submission_id"), "link", ["submission_id"])
