"""Since when a result, which is on the row of its run, waits to be judged."""

import sqlalchemy as sa
from alembic import op

from reconciler.store.tables import Instant

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column. No result waits yet."""
    op.add_column(
        "autopilot_run",
        sa.Column(
            "unjudged_since",
            Instant(),
            nullable=True,
            comment="since when its result waits to be judged; NULL: it does not",
        ),
    )
