"""The index of active runs under a budget, in the order in which they are summed up."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

_BUDGETED = "allowance_micros IS NOT NULL AND completed_at IS NULL"


def upgrade() -> None:
    """Make it anew; a run has an allowance only once it is admitted."""
    op.drop_index("ix_run_budget", "autopilot_run")
    op.create_index(
        "ix_run_budget",
        "autopilot_run",
        ["workspace_id", "agent", "queue"],
        sqlite_where=sa.text(_BUDGETED),
        postgresql_where=sa.text(_BUDGETED),
    )
