"""The journal of remedies, and the breakers that end trying."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "remedy_runs",
        sa.Column("run_id", sa.String(64), nullable=False),
        sa.Column("began_us", sa.BigInteger(), nullable=False),
        sa.Column("is_over", sa.Boolean(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("run_id", name="pk_remedy_runs"),
    )
    op.create_index("ix_remedy_runs_began", "remedy_runs", ["began_us"])
    op.create_table(
        "remedy_breakers",
        sa.Column("encoder_id", sa.String(128), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("encoder_id", name="pk_remedy_breakers"),
    )


def downgrade() -> None:
    for name in ("remedy_breakers", "remedy_runs"):
        op.drop_table(name)
