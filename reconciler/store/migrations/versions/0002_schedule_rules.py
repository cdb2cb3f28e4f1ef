"""The zone rules of a trigger's next moment, and an index of stalled triggers."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add what is missing; rows without rules are worked out again at the next start."""
    op.add_column(
        "autopilot_trigger",
        sa.Column(
            "zone_rules",
            sa.String(length=32),
            nullable=True,
            comment="the rules that next_run_at was worked out by",
        ),
    )
    op.create_index(
        "ix_trigger_stalled",
        "autopilot_trigger",
        ["autopilot_id"],
        sqlite_where=sa.text("stalled_at IS NOT NULL"),
        postgresql_where=sa.text("stalled_at IS NOT NULL"),
    )
