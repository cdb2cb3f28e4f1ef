"""Runs whose timeout stands, and agents whose quota is used up."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns. No clock stands yet, and why an agent is unavailable is not known."""
    op.add_column(
        "autopilot_run",
        sa.Column(
            "remaining_ms",
            sa.BigInteger(),
            nullable=True,
            comment="what is left of the timeout while its clock stands; NULL: it runs",
        ),
    )
    op.add_column(
        "agent",
        sa.Column(
            "out_of_quota",
            sa.Boolean(),
            server_default=sa.text("false"),
            nullable=False,
            comment="unavailable since its plan or rate limit is used up",
        ),
    )
