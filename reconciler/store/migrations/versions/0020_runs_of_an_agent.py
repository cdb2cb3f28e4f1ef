"""The index of the runs that an agent got, newest first."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add it. A run comes into it once, when it is given to its agent."""
    op.create_index(
        "ix_run_of_agent",
        "autopilot_run",
        ["agent", "id"],
        sqlite_where=sa.text("agent IS NOT NULL"),
        postgresql_where=sa.text("agent IS NOT NULL"),
    )
