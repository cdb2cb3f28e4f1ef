"""When a run was dispatched, and since when it has its session."""

import sqlalchemy as sa
from alembic import op

from reconciler.store.tables import Instant

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add two moments. Runs from before have neither; no row is read."""
    for name, comment in (
        ("dispatched_at", "when the last attempt reached its agent"),
        ("session_at", "since when it has the session that session_id names"),
    ):
        op.add_column("autopilot_run", sa.Column(name, Instant, nullable=True, comment=comment))
