"""An operator may give a set in quarantine up: it is refused unread.

Revision ID: 0002
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column(
        "submission",
        sa.Column("given_up", sa.Boolean(), server_default=sa.false(), nullable=False),
    )
