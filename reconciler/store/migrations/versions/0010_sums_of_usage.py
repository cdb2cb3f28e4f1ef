"""What a report of usage sums up, in an index of its own."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_WORKED = "completed_at IS NOT NULL AND started_at IS NOT NULL"
_TOKENS = {"input_tokens": "of usage, for sums", "output_tokens": None, "cached_tokens": None}


def upgrade() -> None:
    """Add the columns and the index."""
    for name, comment in _TOKENS.items():
        op.add_column(
            "autopilot_run", sa.Column(name, sa.BigInteger(), nullable=True, comment=comment)
        )
    op.create_index(
        "ix_run_usage",
        "autopilot_run",
        [
            "completed_at",
            "workspace_id",
            "autopilot_id",
            "agent",
            "cost_micros",
            *_TOKENS,
            "started_at",
        ],
        sqlite_where=sa.text(_WORKED),
        postgresql_where=sa.text(_WORKED),
    )
