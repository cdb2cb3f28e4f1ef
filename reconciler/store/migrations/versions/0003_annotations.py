"""The annotations of objects, which are kept and never compared."""

import sqlalchemy as sa
from alembic import op

from reconciler.store.tables import json_type

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; objects that were applied before have none."""
    for table in ("agent", "squad", "autopilot"):
        op.add_column(
            table,
            sa.Column("annotations", json_type(), nullable=False, server_default="{}"),
        )
