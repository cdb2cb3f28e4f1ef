"""What runs used of a model."""

import sqlalchemy as sa
from alembic import op

from reconciler.store.tables import json_type

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns. Of runs that ended before, nothing is known."""
    op.add_column(
        "autopilot_run",
        sa.Column(
            "usage",
            json_type(none_as_null=True),
            nullable=True,
            comment="what is known of it, as in the API",
        ),
    )
    op.add_column(
        "autopilot_run",
        sa.Column(
            "cost_micros",
            sa.BigInteger(),
            nullable=True,
            comment="US dollars / 1,000,000; NULL: not known",
        ),
    )
