"""Reports of failovers."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "failovers",
        sa.Column("stream_id", sa.String(64), nullable=False),
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("stream_id", "generation", name="pk_failovers"),
    )
    op.create_index("ix_failovers_at", "failovers", ["at_us"])


def downgrade() -> None:
    op.drop_table("failovers")
