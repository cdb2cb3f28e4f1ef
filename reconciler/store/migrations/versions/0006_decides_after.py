"""From when on a schedule has been what it is: what an audit can claim."""

import sqlalchemy as sa
from alembic import op

from reconciler.store.tables import Instant

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column. Of what was decided before, nothing is known."""
    op.add_column(
        "autopilot_trigger",
        sa.Column(
            "decides_after",
            Instant(),
            nullable=True,
            comment="it is what it is now for occurrences after this; NULL: it decides none",
        ),
    )
    op.execute(
        "UPDATE autopilot_trigger SET decides_after = cursor "
        "WHERE next_run_at IS NOT NULL OR stalled_at IS NOT NULL"
    )
