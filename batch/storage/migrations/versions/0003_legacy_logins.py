"""A channel may be allowed SHA-1 signatures at its login.

Revision ID: 0003
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.add_column(
        "channel",
        sa.Column("legacy", sa.Boolean(), server_default=sa.false(), nullable=False),
    )
