"""Hardware encoders that an operator entered, and reports of changes between a stream's inputs."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "devices",
        sa.Column("encoder_id", sa.String(128), nullable=False),
        sa.Column("added_us", sa.BigInteger(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("encoder_id", name="pk_devices"),
    )
    op.create_table(
        "input_changes",
        sa.Column("stream_id", sa.String(64), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("stream_id", "at_us", name="pk_input_changes"),
    )
    op.create_index("ix_input_changes_at", "input_changes", ["at_us"])


def downgrade() -> None:
    op.drop_index("ix_input_changes_at", "input_changes")
    op.drop_table("input_changes")
    op.drop_table("devices")
